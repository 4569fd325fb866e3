//! The core of tapeloom: bars of many symbols, merged in time order and kept for reading at native speed.
//!
//! The rooms, from the plain ones to those that use them:
//!
//! | room | holds |
//! | --- | --- |
//! | [`error`] | one enum, a variant per cause |
//! | [`sync`] | atomics and locks, exchangeable for a model checker's |
//! | `published` | a few words that change together |
//! | [`time`] | instants, intervals |
//! | [`bar`] | one bar, its flags, its validity |
//! | [`columns`] | sealed columns: bars that no longer change |
//! | [`segment`] | append-only columns with a published length |
//! | [`schedule`] | which bars a session should have |
//! | [`alignment`] | loaded rows laid on the grid of their session |
//! | [`session_table`] | all sessions of a calendar, when it is open |
//! | [`gap`] | presence bitmap, missing runs |
//! | [`metrics`] | volume, high, low, average price of a session |
//! | [`merge`] | sorted sources into one stream |
//! | [`aggregate`] | fine bars into coarse ones |
//! | [`indicator`] | values of whole sessions, averages and extremes over history |
//! | [`series`] | the bars of one symbol and interval, snapshots |
//! | [`store`] | all series of a session, epochs, outcomes |
//! | [`changes`] | what became known in one instant |
//! | [`realtime`] | averages, ranges and extremes that follow each bar of a session |
//! | [`replay`] | one step: merge, append, gaps, aggregate |
//! | [`live`] | one step: what has arrived, as of the wall clock |
//! | [`subscription`] | a signal between one producer and one consumer |
//! | [`timing`] | how long things took, in constant memory |
//!
//! The crate reads no file, no network, no environment and no clock, starts no thread and knows no Python.
#![forbid(unsafe_code)]

pub mod aggregate;
pub mod alignment;
pub mod bar;
pub mod changes;
pub mod columns;
pub mod error;
pub mod gap;
pub mod indicator;
pub mod live;
pub mod merge;
pub mod metrics;
#[cfg(all(test, loom))]
mod models;
mod published;
pub mod realtime;
pub mod replay;
pub mod schedule;
pub mod segment;
pub mod series;
pub mod session_table;
pub mod store;
pub mod subscription;
pub mod sync;
pub mod time;
pub mod timing;

pub use error::{Error, Result};
