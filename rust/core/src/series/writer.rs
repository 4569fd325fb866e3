//! The writing side of a series: append, roll, and rebuild after late or corrected bars. One writer at a time.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use crate::bar::Bar;
use crate::columns::Columns;
use crate::segment::{Places, Segment};
use crate::series::cursor::Tape;
use crate::series::{Rows, Series, Slice, Snapshot, State, View};
use crate::time::Interval;

// Under the model checker each is tiny, so that few rows already roll.

/// Newest history rows that the live segment repeats, so that a look-back over the open is one slice.
const LOOK_BACK: usize = if cfg!(loom) { 1 } else { 256 };
/// Newest rows that stay one slice where no session bounds the length.
const WINDOW: usize = if cfg!(loom) { 2 } else { 4_096 };
/// Rows beyond the expected ones: bars out of hours, a row or two off schedule.
const SLACK: usize = if cfg!(loom) { 1 } else { 16 };

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

    /// Whether history holds no bar.
    pub(crate) fn has_no_history(&self) -> bool {
        self.state.session_first == 0 && self.staged_history.is_empty()
    }

    /// Rows of history, `[first, last)`.
    pub(crate) fn history_rows(&self) -> (usize, usize) {
        (0, self.state.session_first)
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

    /// The session's bar with this key, staged or written.
    pub(crate) fn find(&self, ts: i64) -> Option<Found> {
        self.find_in(&self.staged, self.session_rows(), ts)
    }

    /// The bar of history with this key, staged or stored.
    pub(crate) fn find_in_history(&self, ts: i64) -> Option<Found> {
        self.find_in(&self.staged_history, self.history_rows(), ts)
    }

    fn find_in(
        &self,
        staged: &BTreeMap<i64, (Bar, i32)>,
        rows: (usize, usize),
        ts: i64,
    ) -> Option<Found> {
        if let Some(&(bar, constituents)) = staged.get(&ts) {
            return Some(Found { bar, constituents });
        }
        let row = self.view().lower_bound(rows.0, rows.1, ts);
        if row >= rows.1 {
            return None;
        }
        let (bar, constituents) = self.row(row);
        (bar.ts == ts).then_some(Found { bar, constituents })
    }

    /// Opening instant of the newest bar of history, staged or stored.
    pub(crate) fn newest_in_history(&self) -> Option<i64> {
        let (_, last) = self.history_rows();
        let stored = last.checked_sub(1).map(|row| self.row(row).0.ts);
        stored.max(self.staged_history.keys().next_back().copied())
    }

    /// Keep a bar of an earlier session until [`SeriesWriter::apply_staged_history`].
    pub(crate) fn stage_history(&mut self, bar: Bar, constituents: i32) {
        self.staged_history.insert(bar.ts, (bar, constituents));
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

    /// Keep a late or corrected bar until [`SeriesWriter::apply_staged`].
    pub(crate) fn stage(&mut self, bar: Bar, constituents: i32) {
        self.staged.insert(bar.ts, (bar, constituents));
    }

    /// Build a new live segment with the staged bars in their places. Says whether there were any.
    pub(crate) fn apply_staged(&mut self, epoch: u64) -> bool {
        if self.staged.is_empty() {
            return false;
        }
        let (first, last) = self.session_rows();
        let mut merged: Vec<(Bar, i32, u64)> = Vec::with_capacity(last - first + self.staged.len());
        let mut staged = std::mem::take(&mut self.staged).into_values().peekable();
        for slice in self.slices(first, last) {
            for row in 0..slice.len() {
                let bar = slice.bar(row);
                while let Some((late, count)) = staged.next_if(|(s, _)| s.ts < bar.ts) {
                    merged.push((late, count, epoch));
                }
                if let Some((changed, count)) = staged.next_if(|(s, _)| s.ts == bar.ts) {
                    merged.push((changed, count, epoch));
                } else {
                    let count = slice.constituents(row).unwrap_or(0);
                    merged.push((bar, count, slice.epoch(row)));
                }
            }
        }
        merged.extend(staged.map(|(bar, count)| (bar, count, epoch)));
        let history = self.slices(0, first);
        self.rewrites.session += 1;
        self.rebuild(history, &merged, epoch);
        self.series.revision.fetch_add(1, Relaxed);
        true
    }

    /// Put the staged bars of earlier sessions into history, as one sealed piece.
    pub(crate) fn apply_staged_history(&mut self, epoch: u64) {
        if self.staged_history.is_empty() {
            return;
        }
        let staged = std::mem::take(&mut self.staged_history);
        self.rewrite_history(
            |bar, _| staged.contains_key(&bar.ts),
            staged.values().copied(),
            epoch,
        );
    }

    /// Put rows that are newer than all of history behind it, and make one sealed piece of both.
    pub(crate) fn append_history(&mut self, columns: &Columns, epoch: u64) {
        let session = self.session_rows();
        let mut all = Columns::with_capacity(session.0 + columns.len(), self.series.derived);
        let before = self.slices(0, session.0);
        before.iter().for_each(|piece| piece.copy_into(&mut all));
        all.extend(columns);
        let kept = self.session_copy(session);
        self.rewrites.history += 1;
        self.rebuild(vec![sealed(all)], &kept, epoch);
    }

    /// Let rows that stay where they are be all of history, which holds none yet.
    pub(crate) fn begin_history(&mut self, rows: Slice, epoch: u64) {
        let kept = self.session_copy(self.session_rows());
        self.rewrites.history += 1;
        let pieces = if rows.is_empty() { vec![] } else { vec![rows] };
        self.rebuild(pieces, &kept, epoch);
    }

    /// Rows of history whose `ts` lies in `[start, end)`, in one piece; copied where they are in several. Their flags need
    /// not be theirs.
    pub(crate) fn history_between(&self, start: i64, end: i64) -> (Arc<Columns>, Range<usize>) {
        let view = self.view();
        let rows = self.history_rows();
        let first = view.lower_bound(rows.0, rows.1, start);
        let last = view.lower_bound(rows.0, rows.1, end).max(first);
        let slices = view.slices(first, last);
        if let [only] = slices.as_slice()
            && let Some(columns) = only.columns()
        {
            return (columns.clone(), only.from..only.to);
        }
        let mut columns = Columns::with_capacity(last - first, self.series.derived);
        slices
            .iter()
            .for_each(|slice| slice.copy_into(&mut columns));
        let all = 0..columns.len();
        (Arc::new(columns), all)
    }

    /// Take the rows that `drop` names out of history and put `bars` in where no row is left.
    pub(crate) fn rewrite_history(
        &mut self,
        drop: impl Fn(&Bar, i32) -> bool,
        bars: impl IntoIterator<Item = (Bar, i32)>,
        epoch: u64,
    ) {
        let session = self.session_rows();
        let mut rows: BTreeMap<i64, (Bar, i32)> = BTreeMap::new();
        for slice in self.slices(0, session.0) {
            for row in 0..slice.len() {
                let (bar, count) = (slice.bar(row), slice.constituents(row).unwrap_or(0));
                if !drop(&bar, count) {
                    rows.insert(bar.ts, (bar, count));
                }
            }
        }
        for (bar, count) in bars {
            rows.entry(bar.ts).or_insert((bar, count));
        }
        let mut columns = Columns::with_capacity(rows.len(), self.series.derived);
        for (bar, count) in rows.into_values() {
            columns.push(bar);
            if self.series.derived {
                columns.constituents.push(count);
            }
        }
        let kept = self.session_copy(session);
        let pieces = if columns.is_empty() {
            Vec::new()
        } else {
            vec![sealed(columns)]
        };
        self.rewrites.history += 1;
        self.rebuild(pieces, &kept, epoch);
    }

    /// The rows of the session, each with the epoch in which it became known.
    fn session_copy(&self, (first, last): (usize, usize)) -> Vec<(Bar, i32, u64)> {
        let slices = self.slices(first, last);
        let rows = slices
            .iter()
            .flat_map(|slice| (0..slice.len()).map(move |row| (slice, row)));
        rows.map(|(slice, row)| {
            let count = slice.constituents(row).unwrap_or(0);
            (slice.bar(row), count, slice.epoch(row))
        })
        .collect()
    }

    /// The session is over for those who follow it: they get the rows as they are now. Those that began while none was
    /// running follow the next one.
    pub(crate) fn end_tape(&mut self, epoch: u64, was_running: bool) {
        let next = Arc::new(Tape::since(epoch));
        let tape = self.series.tape.load_full();
        tape.close(
            self.last_rows(),
            epoch,
            (!was_running).then(|| next.clone()),
        );
        self.series.tape.store(next);
    }

    /// The series goes: whoever follows it, or finds it from now on, gets the rows as they are now, and no more.
    pub(crate) fn end_for_ever(&mut self, epoch: u64) {
        self.series.tape.load().close(self.last_rows(), epoch, None);
    }

    fn last_rows(&self) -> Snapshot {
        Snapshot {
            state: self.state.clone(),
            live_rows: self.written,
        }
    }

    /// Begin a session that expects `expected` bars. With `roll` the ended session becomes history, which then keeps only
    /// bars from `history_start` on. Without it the session's bars are dropped.
    pub(crate) fn start_session(
        &mut self,
        roll: bool,
        history_start: i64,
        expected: usize,
        epoch: u64,
    ) {
        let (first, last) = self.session_rows();
        let mut pieces = self.slices(0, first);
        if roll {
            // A segment has room to spare: history keeps an exact copy, of what it keeps.
            let kept = self.view().lower_bound(first, last, history_start);
            let kept = kept.clamp(first, last);
            if kept < last {
                let mut ended = Columns::with_capacity(last - kept, self.series.derived);
                self.slices(kept, last)
                    .iter()
                    .for_each(|slice| slice.copy_into(&mut ended));
                pieces.push(sealed(ended));
            }
            pieces = pieces
                .into_iter()
                .map(|piece| piece.sub(piece.lower_bound(history_start), piece.len()))
                .collect();
        }
        pieces.retain(|piece| !piece.is_empty());
        self.expected = expected;
        self.staged.clear();
        self.staged_history.clear();
        self.rewrites.history += 1;
        self.rewrites.session += 1;
        self.rebuild(pieces, &[], epoch);
    }

    /// Forget the bars of history.
    pub(crate) fn clear_history(&mut self, epoch: u64) {
        let kept = self.session_copy(self.session_rows());
        self.rewrites.history += 1;
        self.rebuild(Vec::new(), &kept, epoch);
    }

    /// New pieces and a new live segment: look-back, then the session's rows.
    fn rebuild(&mut self, pieces: Vec<Slice>, session: &[(Bar, i32, u64)], epoch: u64) {
        let older: usize = pieces.iter().map(Slice::len).sum();
        let overlap = older.min(LOOK_BACK);
        let room = overlap + SLACK + self.expected.max(session.len() + session.len() / 4);
        let live = self.empty_segment(room, epoch);
        let mut skip = older - overlap;
        let mut row = 0;
        for piece in &pieces {
            let from = skip.min(piece.len());
            skip -= from;
            for at in from..piece.len() {
                live.write(row, &piece.bar(at), piece.constituents(at).unwrap_or(0), 0);
                row += 1;
            }
        }
        for (bar, count, known) in session {
            live.write(row, bar, *count, *known);
            row += 1;
        }
        // Nobody reads a state of a later epoch before that epoch is out, so all rows can be visible in it.
        live.publish(row);
        self.written = row;
        self.swap(State {
            pieces,
            older,
            live,
            overlap,
            session_first: older,
            since_epoch: epoch,
        });
        self.dirty = true;
    }

    /// A segment without rows: the live one, where nobody else holds it and it is neither too small nor far too large. Its
    /// memory is warm, and need not be cleared. What it held is gone.
    fn empty_segment(&mut self, room: usize, epoch: u64) -> Arc<Segment> {
        let derived = self.series.derived;
        if (room..=2 * room).contains(&self.live.capacity()) {
            // Whoever looks before the next state is there finds one of an epoch that is not out, and looks again.
            let nothing = Arc::new(State::nothing(derived, epoch));
            self.series.state.store(nothing.clone());
            let mut live = std::mem::replace(&mut self.live, nothing.live.clone());
            self.state = nothing;
            if let Some(alone) = Arc::get_mut(&mut live) {
                alone.clear();
                return live;
            }
        }
        Arc::new(Segment::with_capacity(room, derived))
    }

    /// A larger live segment, or, beyond the window, the next one with the newest rows in front.
    fn make_room(&mut self) {
        let unpublished = self.written - self.live.len();
        // What is not published yet stays out of the pieces, which readers see as a whole. The newest published row stays
        // too: it tells a reader of an earlier epoch that the pieces may be newer.
        let keep = self.written.min(WINDOW.max(unpublished + 1));
        self.go_on_in(keep, (2 * keep).max(4 * SLACK));
    }

    /// Go on in another live segment, with the newest `keep` rows in front; those before become a piece.
    fn go_on_in(&mut self, keep: usize, capacity: usize) {
        let old = &self.live;
        let unpublished = self.written - old.len();
        let live = Segment::with_capacity(capacity, self.series.derived);
        let from = self.written - keep;
        for row in 0..keep {
            let constituents = old.constituents(from + row).unwrap_or(0);
            live.write(
                row,
                &old.bar(from + row),
                constituents,
                old.epoch(from + row),
            );
        }
        live.publish(keep - unpublished);
        let mut pieces = self.state.pieces.clone();
        let (mut older, mut overlap) = (self.state.older, self.state.overlap);
        if keep < self.written {
            pieces.push(Slice {
                rows: Rows::Live(old.clone()),
                from: overlap,
                to: self.written,
            });
            older += self.written - overlap;
            overlap = keep;
        }
        let (session_first, since_epoch) = (self.state.session_first, self.state.since_epoch);
        self.swap(State {
            pieces,
            older,
            live: Arc::new(live),
            overlap,
            session_first,
            since_epoch,
        });
        self.written = keep;
    }

    fn swap(&mut self, state: State) {
        self.preloaded = Preloaded::default();
        self.state = Arc::new(state);
        self.live = self.state.live.clone();
        self.series.state.store(self.state.clone());
    }

    /// Make all rows visible.
    #[inline]
    pub(crate) fn publish(&mut self) {
        if std::mem::take(&mut self.dirty) {
            self.live.publish(self.written);
        }
    }
}

/// A stored bar and its constituents.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Found {
    pub(crate) bar: Bar,
    pub(crate) constituents: i32,
}

/// All rows of columns that no longer change.
pub(crate) fn sealed(columns: Columns) -> Slice {
    let to = columns.len();
    Slice {
        rows: Rows::Sealed(Arc::new(columns)),
        from: 0,
        to,
    }
}
