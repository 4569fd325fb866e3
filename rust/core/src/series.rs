//! The bars of one symbol and interval: sealed history, then the live segment. Readers take snapshots without a lock.
//!
//! Rows are numbered from the oldest: first the rows of `pieces`, then those of the live segment. The live segment
//! repeats the newest rows of the pieces (`overlap`), so that the newest bars are one slice even just after the open.

mod cursor;
mod reader;
mod slice;
#[cfg(test)]
mod tests;
mod view;
mod writer;

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use crate::segment::Segment;
use crate::sync::{ArcSwap, AtomicU64};
use crate::time::Interval;
use cursor::Tape;
pub use cursor::{Cursor, News};
pub use reader::Reader;
pub(crate) use slice::sealed;
pub use slice::{Flags, Rows, Slice};
pub use view::{Scope, Snapshot, View};
pub(crate) use writer::{NO_REPLAY, Rewrites, SeriesWriter};

/// One symbol and interval. Written through a `SeriesWriter`, read through [`Series::snapshot`].
#[derive(Debug)]
pub struct Series {
    interval: Interval,
    derived: bool,
    state: ArcSwap<State>,
    tape: ArcSwap<Tape>,
    revision: AtomicU64,
}

impl Series {
    fn new(interval: Interval, derived: bool) -> Self {
        Self {
            interval,
            derived,
            state: ArcSwap::from_pointee(State::nothing(derived, 0)),
            tape: ArcSwap::from_pointee(Tape::default()),
            revision: AtomicU64::new(0),
        }
    }

    /// Interval of the bars.
    pub fn interval(&self) -> Interval {
        self.interval
    }

    /// Whether the bars are computed from the base series.
    pub fn is_derived(&self) -> bool {
        self.derived
    }

    /// Rises with each published change.
    pub fn version(&self) -> u64 {
        // The epoch of the newest change: of the newest row, or of what replaced the rows before it.
        let state = self.state.load();
        let newest = state.live.len().checked_sub(1);
        newest
            .map_or(0, |row| state.live.epoch(row))
            .max(state.since_epoch)
    }

    /// Rises with each published correction or late bar.
    pub fn revision(&self) -> u64 {
        self.revision.load(Relaxed)
    }

    /// The rows known at an epoch, `None` when the series was changed after it in a way that left no trace of the old.
    pub fn snapshot(&self, epoch: u64) -> Option<Snapshot> {
        let state = self.state.load_full();
        let live_rows = state.rows_at(epoch)?;
        Some(Snapshot { state, live_rows })
    }

    /// Look at the rows known at an epoch without holding on to them; `None` as for [`Series::snapshot`].
    #[inline]
    pub fn look<R>(&self, epoch: u64, look: impl FnOnce(View<'_>) -> R) -> Option<R> {
        let state = self.state.load();
        let live_rows = state.rows_at(epoch)?;
        Some(look(View {
            state: &state,
            live_rows,
        }))
    }
}

/// Where the rows of a series are. Swapped as a whole.
#[derive(Debug)]
struct State {
    pieces: Vec<Slice>,
    /// Rows in the pieces.
    older: usize,
    live: Arc<Segment>,
    /// First rows of `live` that repeat the last rows of the pieces.
    overlap: usize,
    /// First row of the current session.
    session_first: usize,
    /// A reader at an earlier epoch must not use this state.
    since_epoch: u64,
}

impl State {
    /// No row at all, for readers from an epoch on.
    fn nothing(derived: bool, since_epoch: u64) -> Self {
        Self {
            pieces: Vec::new(),
            older: 0,
            live: Arc::new(Segment::with_capacity(0, derived)),
            overlap: 0,
            session_first: 0,
            since_epoch,
        }
    }

    /// Number of the first row of `live`.
    fn live_first(&self) -> usize {
        self.older - self.overlap
    }

    /// Rows of `live` known at an epoch.
    #[inline]
    fn rows_at(&self, epoch: u64) -> Option<usize> {
        if self.since_epoch > epoch {
            return None;
        }
        let known = self.live.len();
        let mut live_rows = known;
        while live_rows > 0 && self.live.epoch(live_rows - 1) > epoch {
            live_rows -= 1;
        }
        // Behind a segment that is newer as a whole there may be pieces that are newer too.
        (live_rows > 0 || known == 0 || self.older == 0).then_some(live_rows)
    }
}
