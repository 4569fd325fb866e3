//! The writing side of a series, one writer at a time: bars are appended, and visible when all of an epoch are.

mod history;
mod late;
mod memory;
mod session;

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::bar::Bar;
use crate::segment::{Places, Segment};
use crate::series::{Series, Slice, State, View};
use crate::time::Interval;

/// Writes one series. Everything it appends is invisible until [`SeriesWriter::publish`].
///
/// What each bar changes comes first, in one line of the cache.
#[derive(Debug)]
#[repr(C, align(64))]
pub(crate) struct SeriesWriter {
    /// The live segment of the state, one look away.
    live: Arc<Segment>,
    /// Rows written to the live segment, published or not.
    written: usize,
    dirty: bool,
    preloaded: Preloaded,
    series: Arc<Series>,
    state: Arc<State>,
    /// Late and corrected bars of this epoch by `ts`, with their constituents.
    staged: BTreeMap<i64, (Bar, i32)>,
    /// The same for bars of earlier sessions.
    staged_history: BTreeMap<i64, (Bar, i32)>,
    /// Bars the session should have; 0 where nothing bounds it.
    expected: usize,
    rewrites: Rewrites,
}

/// Whoever brings bars one by one and has preloaded none.
pub(crate) const NO_REPLAY: u64 = 0;

/// Rows behind the written ones that lie in the live segment before their bars come: those that a replay brings, in order.
/// Nobody sees them before they are published, as nobody sees a row that is written and not published.
#[derive(Debug, Clone, Copy, Default)]
struct Preloaded {
    /// Number of the replay.
    replay: u64,
    /// Row of the segment behind the last of them.
    until: usize,
}

/// How often rows that were written became others, for those who have computed something from them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Rewrites {
    /// Rows of history.
    pub(crate) history: u64,
    /// Rows of the session.
    pub(crate) session: u64,
}

impl SeriesWriter {
    pub(crate) fn new(interval: Interval, derived: bool) -> Self {
        let series = Arc::new(Series::new(interval, derived));
        let state = series.state.load_full();
        Self {
            series,
            live: state.live.clone(),
            state,
            written: 0,
            staged: BTreeMap::new(),
            staged_history: BTreeMap::new(),
            expected: 0,
            dirty: false,
            preloaded: Preloaded::default(),
            rewrites: Rewrites::default(),
        }
    }

    /// How often rows became others.
    pub(crate) fn rewrites(&self) -> Rewrites {
        self.rewrites
    }

    pub(crate) fn series(&self) -> &Arc<Series> {
        &self.series
    }

    /// Number of rows written, published or not.
    fn total(&self) -> usize {
        self.state.live_first() + self.written
    }

    /// Rows of the session, `[first, last)`.
    pub(crate) fn session_rows(&self) -> (usize, usize) {
        (self.state.session_first, self.total())
    }

    /// Opening instant of the newest bar of the session.
    pub(crate) fn newest(&self) -> Option<i64> {
        let (first, last) = self.session_rows();
        (last > first).then(|| self.live.ts(self.written - 1))
    }

    /// The newest bar of the session.
    pub(crate) fn newest_bar(&self) -> Option<Bar> {
        let (first, last) = self.session_rows();
        (last > first).then(|| self.live.bar(self.written - 1))
    }

    /// All rows `[first, last)`, written or published, as slices.
    pub(crate) fn slices(&self, first: usize, last: usize) -> Vec<Slice> {
        self.view().slices(first, last)
    }

    fn view(&self) -> View<'_> {
        View {
            state: &self.state,
            live_rows: self.written,
        }
    }

    /// The bar of a row and its constituents.
    pub(crate) fn row(&self, row: usize) -> (Bar, i32) {
        let view = self.view();
        (view.bar(row), view.constituents(row).unwrap_or(0))
    }

    /// Bars of `[first, last)` whose `ts` lies in `[start, end)`.
    pub(crate) fn bars_between(&self, rows: (usize, usize), start: i64, end: i64) -> Vec<Bar> {
        let view = self.view();
        let first = view.lower_bound(rows.0, rows.1, start);
        let last = view.lower_bound(rows.0, rows.1, end).max(first);
        let slices = view.slices(first, last);
        slices
            .iter()
            .flat_map(|slice| (0..slice.len()).map(|row| slice.bar(row)))
            .collect()
    }

    /// Bars that there is room for without another segment.
    #[inline]
    pub(crate) fn room(&self) -> usize {
        self.live.capacity().wrapping_sub(self.written)
    }

    /// Look at the cell for the epoch of the next row, 0 where there is no room for one.
    #[inline]
    pub(crate) fn next_place(&self) -> u64 {
        match self.room() {
            0 => 0,
            _ => self.live.epoch(self.written),
        }
    }

    /// Add a bar newer than all of the session.
    #[inline]
    pub(crate) fn append(&mut self, bar: &Bar, constituents: i32, epoch: u64) {
        if self.written == self.live.capacity() {
            self.make_room();
        }
        self.live.write(self.written, bar, constituents, epoch);
        self.written += 1;
        self.dirty = true;
    }

    /// Places behind the rows of the session, as far as there is room, for the rows that a replay brings, and nobody else.
    /// Each must be put there before its bar comes. Nobody sees it until then, and [`SeriesWriter::append_next`] finds it
    /// there: with many symbols the cells of a single row are strewn over memory, while many rows of a column lie one behind
    /// the other.
    pub(crate) fn places(&mut self, rows: usize, added: u8, replay: u64) -> Places {
        self.forget_preloaded();
        let many = rows.min(self.room());
        self.preloaded = Preloaded {
            replay,
            until: self.written + many,
        };
        Places::new(self.live.clone(), self.written, many, added)
    }

    /// A replay is over: it puts no more rows in their places.
    pub(crate) fn end_replay(&mut self, replay: u64) {
        if self.preloaded.replay == replay {
            self.preloaded = Preloaded::default();
        }
    }

    /// Add the next bar that a replay brings, newer than all of the session and as it was preloaded, if it was.
    #[inline]
    pub(crate) fn append_next(&mut self, bar: &Bar, epoch: u64, replay: u64) {
        if self.preloaded.replay == replay && self.written < self.preloaded.until {
            debug_assert!(
                self.live.bar(self.written) == *bar,
                "a replay brings the bars that it preloaded, in order"
            );
            self.live.note_epoch(self.written, epoch);
            self.written += 1;
            self.dirty = true;
        } else {
            self.append_anew(bar, epoch, replay);
        }
    }

    /// The same for a bar that may differ from the one that was preloaded.
    pub(crate) fn append_anew(&mut self, bar: &Bar, epoch: u64, replay: u64) {
        if self.preloaded.replay != replay {
            self.forget_preloaded();
        }
        self.append(bar, 0, epoch);
    }

    /// What is preloaded is not what comes next: somebody else brought a bar, or one of the replay was not added. Whoever has
    /// the places may put rows there still, so the segment is left to him.
    pub(crate) fn forget_preloaded(&mut self) {
        let preloaded = std::mem::take(&mut self.preloaded);
        if self.written < preloaded.until {
            self.go_on_in(self.written, self.live.capacity());
        }
    }

    /// Write the newest row again. Only a row that is not published yet may change; says whether it could.
    pub(crate) fn replace_newest(&mut self, bar: &Bar, constituents: i32, epoch: u64) -> bool {
        let Some(row) = self
            .written
            .checked_sub(1)
            .filter(|&row| row >= self.live.len())
        else {
            return false;
        };
        if self.live.ts(row) != bar.ts {
            return false;
        }
        self.live.write(row, bar, constituents, epoch);
        true
    }

    /// Make all rows visible.
    #[inline]
    pub(crate) fn publish(&mut self) {
        if std::mem::take(&mut self.dirty) {
            self.live.publish(self.written);
        }
    }
}
