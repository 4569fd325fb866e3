//! The journal of a live session: what changed it, in order, on disk before anybody is told that it is safe.
//!
//! Records are written in groups, one commit each. [`Writer`] owns the file on a thread of its own; [`Reader`] walks it
//! after a crash. [`Journal`] is what the writer needs of a disk; [`MemoryJournal`] is one that fails when told to,
//! [`SimulatedDisk`] a machine of them that crashes.
//! This crate knows no bars, sessions or calendars: what records mean is for those who write them.
#![forbid(unsafe_code)]

mod access;
mod error;
mod file;
mod filesystem;
mod group;
mod memory;
mod owner;
mod payload;
mod reader;
mod records;
mod simulated;
mod unbegun;
mod witness;
mod writer;

pub use error::{Error, Result};
pub use file::{FileOptions, SqliteJournal, check_library, witness_path};
pub use group::{GENESIS, Group, Hash};
pub use memory::{Disk, MemoryJournal};
pub use payload::{MOST_RECORDS, MOST_TEXT};
pub use reader::{Reader, Skipped};
pub use records::{Kind, Record, Records};
pub use simulated::SimulatedDisk;
pub use unbegun::{set_aside, unbegun};
pub use writer::{Journal, Options, Start, Writer};
