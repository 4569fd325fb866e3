//! The bars of one symbol and interval: sealed history, then the live segment. Readers take snapshots without a lock.
//!
//! Rows are numbered from the oldest: first the rows of `pieces`, then those of the live segment. The live segment
//! repeats the newest rows of the pieces (`overlap`), so that the newest bars are one slice even just after the open.

mod cursor;
mod writer;

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use crate::alignment::{advance_to, search_near};
use crate::bar::Bar;
use crate::columns::Columns;
use crate::segment::Segment;
use crate::sync::{ArcSwap, AtomicU64, Cache};
use crate::time::Interval;
use cursor::Tape;
pub use cursor::{Cursor, News};
pub(crate) use writer::{NO_REPLAY, Rewrites, SeriesWriter, sealed};

/// Rows that a slice points into.
#[derive(Debug, Clone)]
pub enum Rows {
    /// Plain columns.
    Sealed(Arc<Columns>),
    /// Plain columns that somebody else has too, but for the flags.
    Flagged {
        /// All but the flags.
        columns: Arc<Columns>,
        /// The flags of the rows as they are kept here.
        flags: Arc<Flags>,
    },
    /// Published rows of a segment.
    Live(Arc<Segment>),
}

/// Flags of some rows of columns that say something else of them.
#[derive(Debug)]
pub struct Flags {
    /// Row of the columns that the first one is of.
    first: usize,
    flags: Vec<u8>,
}

impl Flags {
    /// The flags of rows `[from, to)` of the columns.
    pub fn of(&self, rows: Range<usize>) -> &[u8] {
        &self.flags[rows.start - self.first..rows.end - self.first]
    }
}

/// Consecutive rows `[from, to)` of one piece of memory, which it keeps alive.
#[derive(Debug, Clone)]
pub struct Slice {
    /// The memory.
    pub rows: Rows,
    /// First row.
    pub from: usize,
    /// First row after the last.
    pub to: usize,
}

impl Slice {
    /// Rows of loaded columns, with `added` among their flags; the other columns stay where they are.
    pub(crate) fn flagged(columns: &Arc<Columns>, rows: Range<usize>, added: u8) -> Self {
        let flags = columns.flags[rows.clone()].iter();
        let flags = Flags {
            first: rows.start,
            flags: flags.map(|flags| flags | added).collect(),
        };
        Self {
            rows: Rows::Flagged {
                columns: columns.clone(),
                flags: Arc::new(flags),
            },
            from: rows.start,
            to: rows.end,
        }
    }

    /// The columns that hold the rows, whose flags need not be theirs; `None` where rows are still added.
    pub fn columns(&self) -> Option<&Arc<Columns>> {
        match &self.rows {
            Rows::Sealed(columns) | Rows::Flagged { columns, .. } => Some(columns),
            Rows::Live(_) => None,
        }
    }

    /// Whether the rows of another slice follow in the same memory.
    pub fn is_continued_by(&self, next: &Self) -> bool {
        self.is_of_memory_of(next) && self.to == next.from
    }

    fn is_of_memory_of(&self, other: &Self) -> bool {
        match (&self.rows, &other.rows) {
            (Rows::Sealed(a), Rows::Sealed(b)) => Arc::ptr_eq(a, b),
            (Rows::Flagged { flags: a, .. }, Rows::Flagged { flags: b, .. }) => Arc::ptr_eq(a, b),
            (Rows::Live(a), Rows::Live(b)) => Arc::ptr_eq(a, b),
            (Rows::Sealed(_) | Rows::Flagged { .. } | Rows::Live(_), _) => false,
        }
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.to - self.from
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.from == self.to
    }

    /// Opening instant of a row counted from `from`.
    pub fn ts(&self, row: usize) -> i64 {
        match &self.rows {
            Rows::Sealed(columns) | Rows::Flagged { columns, .. } => columns.ts[self.from + row],
            Rows::Live(segment) => segment.ts(self.from + row),
        }
    }

    /// Bar of a row counted from `from`.
    #[inline]
    pub fn bar(&self, row: usize) -> Bar {
        match &self.rows {
            Rows::Sealed(columns) => columns.bar(self.from + row),
            Rows::Flagged { columns, flags } => Bar {
                flags: flags.flags[self.from + row - flags.first],
                ..columns.bar(self.from + row)
            },
            Rows::Live(segment) => segment.bar(self.from + row),
        }
    }

    /// Base bars of a row, `None` unless derived.
    #[inline]
    pub fn constituents(&self, row: usize) -> Option<i32> {
        match &self.rows {
            Rows::Sealed(columns) | Rows::Flagged { columns, .. } => {
                columns.constituents.get(self.from + row).copied()
            }
            Rows::Live(segment) => segment.constituents(self.from + row),
        }
    }

    /// Take all bars and their base bars in order, up to the first error.
    #[inline]
    pub fn try_each<E>(
        &self,
        mut take: impl FnMut(Bar, Option<i32>) -> Result<(), E>,
    ) -> Result<(), E> {
        let rows = self.from..self.to;
        match &self.rows {
            Rows::Live(segment) => segment.bars(rows).try_for_each(|(bar, of)| take(bar, of)),
            Rows::Sealed(_) | Rows::Flagged { .. } => {
                (0..self.len()).try_for_each(|row| take(self.bar(row), self.constituents(row)))
            }
        }
    }

    /// Epoch in which a row became known; 0 for what is sealed, which is older than any that somebody asks about.
    pub(crate) fn epoch(&self, row: usize) -> u64 {
        match &self.rows {
            Rows::Live(segment) => segment.epoch(self.from + row),
            Rows::Sealed(_) | Rows::Flagged { .. } => 0,
        }
    }

    /// First row, counted from `from`, with `ts >= instant`.
    pub fn lower_bound(&self, instant: i64) -> usize {
        match &self.rows {
            Rows::Sealed(columns) | Rows::Flagged { columns, .. } => {
                columns.ts[self.from..self.to].partition_point(|&ts| ts < instant)
            }
            Rows::Live(segment) => segment.lower_bound(self.from, self.to, instant) - self.from,
        }
    }

    /// The same from a row on, which as a rule is near.
    pub fn lower_bound_from(&self, from: usize, instant: i64) -> usize {
        match &self.rows {
            Rows::Sealed(columns) | Rows::Flagged { columns, .. } => {
                advance_to(&columns.ts[self.from..self.to], from, instant)
            }
            Rows::Live(segment) => {
                segment.lower_bound(self.from + from, self.to, instant) - self.from
            }
        }
    }

    /// The same with a row near which it may be.
    pub fn lower_bound_near(&self, from: usize, guess: usize, instant: i64) -> usize {
        match self.columns() {
            Some(columns) => search_near(&columns.ts[self.from..self.to], from, guess, instant),
            None => self.lower_bound_from(from, instant),
        }
    }

    /// Rows `[from, to)` counted within this slice.
    pub fn sub(&self, from: usize, to: usize) -> Self {
        Self {
            rows: self.rows.clone(),
            from: self.from + from,
            to: self.from + to,
        }
    }

    /// Append a copy of all rows to `columns`.
    pub fn copy_into(&self, columns: &mut Columns) {
        let rows = self.from..self.to;
        match &self.rows {
            Rows::Sealed(sealed) => columns.extend_from(sealed, rows),
            Rows::Flagged {
                columns: sealed,
                flags,
            } => {
                let begun = columns.len();
                columns.extend_from(sealed, rows.clone());
                columns.flags[begun..].copy_from_slice(flags.of(rows));
            }
            Rows::Live(segment) => segment.copy_into(rows, columns),
        }
    }
}

/// One symbol and interval. Written through a `SeriesWriter`, read through [`Series::snapshot`].
#[derive(Debug)]
pub struct Series {
    interval: Interval,
    derived: bool,
    state: ArcSwap<State>,
    tape: ArcSwap<Tape>,
    revision: AtomicU64,
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
}

/// Which part of a series is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Bars of the current session date.
    Session,
    /// Bars of earlier session dates.
    History,
    /// Both.
    All,
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

/// Who reads one series again and again: while its rows stay where they are, a look takes no reference to them.
///
/// Rows that were replaced are held until the next look.
#[derive(Debug)]
pub struct Reader(Cache<Place, Arc<State>>);

/// Where a series says where its rows are.
#[derive(Debug)]
struct Place(Arc<Series>);

impl std::ops::Deref for Place {
    type Target = ArcSwap<State>;

    #[inline]
    fn deref(&self) -> &ArcSwap<State> {
        &self.0.state
    }
}

impl Reader {
    /// Of one series.
    pub fn new(series: Arc<Series>) -> Self {
        Self(Cache::new(Place(series)))
    }

    /// Look at the rows known at an epoch; `None` as for [`Series::snapshot`].
    #[inline]
    pub fn look<R>(&mut self, epoch: u64, look: impl FnOnce(View<'_>) -> R) -> Option<R> {
        // Whoever has seen an epoch finds the pointer of that epoch or a newer one: it was swapped before.
        let state = self.0.load();
        let live_rows = state.rows_at(epoch)?;
        Some(look(View { state, live_rows }))
    }
}

impl State {
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

/// The rows of a series at one epoch. Never changes.
#[derive(Debug, Clone)]
pub struct Snapshot {
    state: Arc<State>,
    live_rows: usize,
}

impl Snapshot {
    /// What can be asked of it.
    pub fn view(&self) -> View<'_> {
        View {
            state: &self.state,
            live_rows: self.live_rows,
        }
    }
}

/// The rows of a series at one epoch, seen for a moment.
#[derive(Debug, Clone, Copy)]
pub struct View<'a> {
    state: &'a State,
    live_rows: usize,
}

impl View<'_> {
    /// Rows of a scope, `[first, last)`.
    #[inline]
    pub fn scope(&self, scope: Scope) -> (usize, usize) {
        let total = self.state.live_first() + self.live_rows;
        match scope {
            Scope::Session => (self.state.session_first.min(total), total),
            Scope::History => (0, self.state.session_first.min(total)),
            Scope::All => (0, total),
        }
    }

    /// The bar in a row.
    #[inline]
    pub fn bar(&self, row: usize) -> Bar {
        match row.checked_sub(self.state.live_first()) {
            Some(at) => self.state.live.bar(at),
            None => {
                let (piece, at) = self.locate(row);
                piece.bar(at)
            }
        }
    }

    /// Base bars in a row, `None` unless derived.
    #[inline]
    pub fn constituents(&self, row: usize) -> Option<i32> {
        match row.checked_sub(self.state.live_first()) {
            Some(at) => self.state.live.constituents(at),
            None => {
                let (piece, at) = self.locate(row);
                piece.constituents(at)
            }
        }
    }

    fn live(&self, from: usize, to: usize) -> Slice {
        Slice {
            rows: Rows::Live(self.state.live.clone()),
            from,
            to,
        }
    }

    /// The piece that holds a row, and the row within it.
    fn locate(&self, row: usize) -> (Slice, usize) {
        let mut first = 0;
        for piece in &self.state.pieces {
            if row < first + piece.len() {
                return (piece.clone(), row - first);
            }
            first += piece.len();
        }
        (self.live(0, self.live_rows), row)
    }

    /// First row of `[first, last)` with `ts >= instant`.
    pub fn lower_bound(&self, first: usize, last: usize, instant: i64) -> usize {
        let live_first = self.state.live_first();
        if last > live_first && (first >= live_first || self.state.live.ts(0) < instant) {
            let from = first.max(live_first) - live_first;
            return live_first
                + self
                    .state
                    .live
                    .lower_bound(from, last - live_first, instant);
        }
        let mut at = 0;
        for piece in &self.state.pieces {
            let end = at + piece.len();
            if end > first && !piece.is_empty() && piece.ts(piece.len() - 1) >= instant {
                return (at + piece.lower_bound(instant)).clamp(first, last);
            }
            at = end;
        }
        last.min(at.max(first))
    }

    /// The segment and its rows that hold `[first, last)`, where the live segment holds them all.
    #[inline]
    pub fn live_rows(&self, first: usize, last: usize) -> Option<(&Arc<Segment>, Range<usize>)> {
        let live_first = self.state.live_first();
        let rows = || first - live_first..last - live_first;
        (first >= live_first).then(|| (&self.state.live, rows()))
    }

    /// The rows `[first, last)` as one slice of memory, where the live segment holds them all.
    pub fn slice(&self, first: usize, last: usize) -> Option<Slice> {
        let live_first = self.state.live_first();
        (first >= live_first).then(|| self.live(first - live_first, last - live_first))
    }

    /// The rows `[first, last)` as slices of memory: one wherever the live segment holds them all.
    pub fn slices(&self, first: usize, last: usize) -> Vec<Slice> {
        if let Some(slice) = self.slice(first, last) {
            return vec![slice];
        }
        let live_first = self.state.live_first();
        let mut parts = Vec::with_capacity(self.state.pieces.len() + 1);
        let mut at = 0;
        for piece in &self.state.pieces {
            let (from, to) = (first.max(at), last.min(at + piece.len()));
            if from < to {
                parts.push(piece.sub(from - at, to - at));
            }
            at += piece.len();
        }
        if last > at {
            let from = first.max(at);
            parts.push(self.live(from - live_first, last - live_first));
        }
        parts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bar(ts: i64) -> Bar {
        Bar {
            ts,
            volume: ts as f64,
            ..Bar::default()
        }
    }

    fn stamps(snapshot: &Snapshot, scope: Scope) -> Vec<i64> {
        let (first, last) = snapshot.view().scope(scope);
        let mut columns = Columns::default();
        for slice in snapshot.view().slices(first, last) {
            slice.copy_into(&mut columns);
        }
        columns.ts
    }

    #[test]
    fn rows_survive_growing_and_rolling() {
        let mut writer = SeriesWriter::new(Interval::ONE_MINUTE, false);
        let held = {
            writer.append(&bar(0), 0, 1);
            writer.publish();
            writer.series().snapshot(1).unwrap()
        };
        for ts in 1..30_000 {
            writer.append(&bar(ts), 0, 1);
        }
        writer.publish();
        let snapshot = writer.series().snapshot(1).unwrap();
        assert_eq!(
            stamps(&snapshot, Scope::All),
            (0..30_000).collect::<Vec<_>>()
        );
        assert_eq!(stamps(&held, Scope::All), [0]);
        for row in [0, 1, 4_095, 4_096, 8_191, 12_345, 29_999] {
            assert_eq!(snapshot.view().bar(row).ts, row as i64);
            assert_eq!(snapshot.view().lower_bound(0, 30_000, row as i64), row);
        }
        assert_eq!(snapshot.view().slices(29_000, 30_000).len(), 1);
        assert_eq!(snapshot.view().lower_bound(0, 30_000, 99_999), 30_000);
        assert_eq!(snapshot.view().lower_bound(7, 30_000, -5), 7);
    }

    #[test]
    fn late_and_changed_rows_build_a_new_segment_and_leave_snapshots_alone() {
        let mut writer = SeriesWriter::new(Interval::ONE_MINUTE, false);
        for ts in [1, 2, 5] {
            writer.append(&bar(ts), 0, 1);
        }
        writer.publish();
        let before = writer.series().snapshot(1).unwrap();
        writer.stage(
            Bar {
                volume: 9.0,
                ..bar(2)
            },
            0,
        );
        writer.stage(bar(3), 0);
        writer.apply_staged(2);
        writer.publish();
        assert_eq!(stamps(&before, Scope::Session), [1, 2, 5]);
        assert_eq!(before.view().bar(1).volume, 2.0);
        assert!(writer.series().snapshot(1).is_none());
        let after = writer.series().snapshot(2).unwrap();
        assert_eq!(stamps(&after, Scope::Session), [1, 2, 3, 5]);
        assert_eq!(after.view().bar(1).volume, 9.0);
    }

    #[test]
    fn a_reader_that_comes_back_finds_what_was_added_and_what_was_replaced() {
        let mut writer = SeriesWriter::new(Interval::ONE_MINUTE, false);
        let mut reader = Reader::new(writer.series().clone());
        let mut rows = |epoch| reader.look(epoch, |view| view.scope(Scope::All).1);
        assert_eq!(rows(0), Some(0));
        for (ts, epoch) in [(1, 1), (2, 1), (5, 2)] {
            writer.append(&bar(ts), 0, epoch);
        }
        assert_eq!(rows(2), Some(0), "nothing is published");
        writer.publish();
        assert_eq!((rows(1), rows(2)), (Some(2), Some(3)));
        writer.stage(bar(3), 0);
        writer.apply_staged(3);
        writer.publish();
        assert_eq!((rows(2), rows(3)), (None, Some(4)));
        for ts in 6..30_000 {
            writer.append(&bar(ts), 0, 4);
        }
        writer.publish();
        assert_eq!(rows(4), Some(29_998));
    }

    #[test]
    fn an_unpublished_row_is_invisible() {
        let mut writer = SeriesWriter::new(Interval::ONE_MINUTE, false);
        for ts in 0..100 {
            writer.append(&bar(ts), 0, 1);
            let seen = writer
                .series()
                .snapshot(1)
                .unwrap()
                .view()
                .scope(Scope::All)
                .1;
            assert_eq!(seen, 0);
        }
        writer.publish();
        assert_eq!(
            writer
                .series()
                .snapshot(0)
                .unwrap()
                .view()
                .scope(Scope::All)
                .1,
            0
        );
        assert_eq!(
            writer
                .series()
                .snapshot(1)
                .unwrap()
                .view()
                .scope(Scope::All)
                .1,
            100
        );
    }

    #[test]
    fn a_roll_before_publishing_shows_an_earlier_epoch_nothing_newer() {
        let mut writer = SeriesWriter::new(Interval::ONE_MINUTE, false);
        for (rows, epoch) in [(0..10, 1), (10..20, 2), (20..20_000, 3)] {
            rows.for_each(|ts| writer.append(&bar(ts), 0, epoch));
            if epoch < 3 {
                writer.publish();
            }
        }
        let series = writer.series();
        assert!(series.snapshot(1).is_none());
        let newest = series.snapshot(2).unwrap();
        assert_eq!(stamps(&newest, Scope::All), (0..20).collect::<Vec<_>>());
    }

    #[test]
    fn a_session_rolls_into_history_and_history_is_trimmed() {
        let mut writer = SeriesWriter::new(Interval::ONE_MINUTE, false);
        for day in 0..5_i64 {
            writer.start_session(true, day * 1_000 - 2_000, 400, day as u64 * 2);
            for minute in 0..300 {
                writer.append(&bar(day * 1_000 + minute), 0, day as u64 * 2 + 1);
            }
            writer.publish();
            let snapshot = writer.series().snapshot(day as u64 * 2 + 1).unwrap();
            let first_day = (day - 2).max(0);
            let expected: Vec<i64> = (first_day..=day)
                .flat_map(|d| (0..300).map(move |m| d * 1_000 + m))
                .collect();
            assert_eq!(stamps(&snapshot, Scope::All), expected);
            assert_eq!(stamps(&snapshot, Scope::Session).len(), 300);
            let (_, last) = snapshot.view().scope(Scope::All);
            if day > 0 {
                assert_eq!(
                    snapshot.view().slices(last - 500, last).len(),
                    1,
                    "the look-back is contiguous over the open"
                );
            }
        }
    }

    #[test]
    fn a_session_takes_the_memory_of_the_one_before_unless_somebody_holds_it() {
        let mut writer = SeriesWriter::new(Interval::ONE_MINUTE, false);
        let day = |day: i64| day * 1_000..day * 1_000 + 300;
        let (mut memory, mut held) = (Vec::new(), Vec::new());
        for number in 0..4_i64 {
            let epoch = number as u64 * 2 + 1;
            writer.start_session(false, i64::MIN, 400, epoch);
            assert!(writer.series().snapshot(epoch - 1).is_none());
            day(number).for_each(|ts| writer.append(&bar(ts), 0, epoch + 1));
            writer.publish();
            let snapshot = writer.series().snapshot(epoch + 1).unwrap();
            assert_eq!(
                stamps(&snapshot, Scope::All),
                day(number).collect::<Vec<_>>()
            );
            memory.push(Arc::as_ptr(&snapshot.state.live));
            if number == 1 {
                held.push(snapshot);
            }
        }
        assert!(memory[0] == memory[1] && memory[2] == memory[3]);
        assert_ne!(memory[1], memory[2], "somebody holds it");
        assert_eq!(stamps(&held[0], Scope::All), day(1).collect::<Vec<_>>());
    }
}
