//! Append-only columns with a published length: one writer, any number of readers without a lock.
//!
//! The writer stores the cells of the next rows, then publishes the new length. A reader loads the length once
//! and owns the rows below it for as long as it holds the segment: until then a published row is never written again.
//! What changes an old row builds a new segment instead, or empties one that nobody holds any more (see `series`).

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use crate::bar::Bar;
use crate::columns::Columns;
use crate::sync::{AtomicI32, AtomicI64, AtomicU8, AtomicU64, AtomicUsize, order};

/// Columns of fixed capacity of which the first `len()` rows are published.
///
/// What an append asks for lies in one line of the cache: with many symbols none of it is there from the bar before.
#[derive(Debug)]
#[repr(C, align(64))]
pub struct Segment {
    published: AtomicUsize,
    ts: Box<[AtomicI64]>,
    /// Prices, volume as the bits of an f64, and the epoch in which each row became known: one column behind the other, so that
    /// all are found by one pointer.
    words: Box<[AtomicU64]>,
    flags: Box<[AtomicU8]>,
    /// Base bars in each row; `None` unless the series is derived.
    constituents: Option<Box<[AtomicI32]>>,
}

/// One column of floats, as the binding exports it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Field {
    /// First price.
    Open,
    /// Highest price.
    High,
    /// Lowest price.
    Low,
    /// Last price.
    Close,
    /// Volume.
    Volume,
}

/// Columns of `words`: those of [`Field`], then the epochs.
const WORDS: usize = 6;
const EPOCH: usize = 5;

impl Segment {
    /// An empty segment for `capacity` bars, with a column of constituents for a derived series.
    pub fn with_capacity(capacity: usize, derived: bool) -> Self {
        Self {
            published: AtomicUsize::new(0),
            ts: (0..capacity).map(|_| AtomicI64::new(0)).collect(),
            words: (0..WORDS * capacity).map(|_| AtomicU64::new(0)).collect(),
            flags: (0..capacity).map(|_| AtomicU8::new(0)).collect(),
            constituents: derived.then(|| (0..capacity).map(|_| AtomicI32::new(0)).collect()),
        }
    }

    /// Let the rows go, so that others take their place. Nobody else has the segment, so nobody can miss them.
    pub(crate) fn clear(&mut self) {
        self.published.store(0, Relaxed);
    }

    /// Number of rows there is room for.
    pub fn capacity(&self) -> usize {
        self.ts.len()
    }

    /// Number of published rows.
    #[inline]
    pub fn len(&self) -> usize {
        // Pairs with the release in `publish`: the cells of all rows below are visible.
        self.published.load(order!(Acquire, "segment.len"))
    }

    /// Whether no row is published.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Store a row that is not published yet. Only the writer may call this, with `row >= len()`.
    #[inline]
    pub(crate) fn write(&self, row: usize, bar: &Bar, constituents: i32, epoch: u64) {
        debug_assert!(
            row >= self.published.load(Relaxed),
            "a published row is never written again"
        );
        self.ts[row].store(bar.ts, Relaxed);
        let rows = self.ts.len();
        // The places are looked at one by one, so that the sums need no look of their own.
        let open = row;
        let high = open.wrapping_add(rows);
        let low = high.wrapping_add(rows);
        let close = low.wrapping_add(rows);
        let volume = close.wrapping_add(rows);
        let known = volume.wrapping_add(rows);
        self.words[open].store(bar.open.to_bits(), Relaxed);
        self.words[high].store(bar.high.to_bits(), Relaxed);
        self.words[low].store(bar.low.to_bits(), Relaxed);
        self.words[close].store(bar.close.to_bits(), Relaxed);
        self.words[volume].store(bar.volume.to_bits(), Relaxed);
        self.words[known].store(epoch, Relaxed);
        self.flags[row].store(bar.flags, Relaxed);
        if let Some(cells) = &self.constituents {
            cells[row].store(constituents, Relaxed);
        }
    }

    /// Store several rows of loaded columns, with `added` among their flags: column by column, so that memory is gone
    /// through in order. Only who has the [`Places`] of these rows may call this; the epochs come when the rows do.
    fn preload(&self, row: usize, columns: &Columns, rows: Range<usize>, added: u8) {
        let cells = row..row + rows.len();
        let stamps = self.ts[cells.clone()].iter().zip(&columns.ts[rows.clone()]);
        stamps.for_each(|(cell, &ts)| cell.store(ts, Relaxed));
        let floats = [
            (Field::Open, &columns.open),
            (Field::High, &columns.high),
            (Field::Low, &columns.low),
            (Field::Close, &columns.close),
            (Field::Volume, &columns.volume),
        ];
        for (field, column) in floats {
            let places = self.float_cells(field)[cells.clone()].iter();
            let values = places.zip(&column[rows.clone()]);
            values.for_each(|(cell, value)| cell.store(value.to_bits(), Relaxed));
        }
        let flags = self.flags[cells].iter().zip(&columns.flags[rows]);
        flags.for_each(|(cell, flags)| cell.store(flags | added, Relaxed));
    }

    /// Store the epoch of a row that is there but for it. Only the writer may call this, with `row >= len()`.
    #[inline]
    pub(crate) fn note_epoch(&self, row: usize, epoch: u64) {
        self.column(EPOCH)[row].store(epoch, Relaxed);
    }

    /// Make the first `rows` rows visible. Only the writer may call this.
    #[inline]
    pub(crate) fn publish(&self, rows: usize) {
        // Pairs with the acquire in `len`.
        self.published
            .store(rows, order!(Release, "segment.publish"));
    }

    /// Opening instant of a row below `len()` (or below what the writer wrote).
    #[inline]
    pub fn ts(&self, row: usize) -> i64 {
        self.ts[row].load(Relaxed)
    }

    /// Epoch in which a row became known.
    #[inline]
    pub fn epoch(&self, row: usize) -> u64 {
        debug_assert!(row < self.capacity(), "a row of the segment");
        // The place is looked at, so that the sum needs no look of its own.
        let known = EPOCH.wrapping_mul(self.ts.len()).wrapping_add(row);
        self.words[known].load(Relaxed)
    }

    /// The bar in a row.
    #[inline]
    pub fn bar(&self, row: usize) -> Bar {
        let float = |field| f64::from_bits(self.float_cells(field)[row].load(Relaxed));
        Bar {
            ts: self.ts(row),
            open: float(Field::Open),
            high: float(Field::High),
            low: float(Field::Low),
            close: float(Field::Close),
            volume: float(Field::Volume),
            flags: self.flags[row].load(Relaxed),
        }
    }

    /// Base bars in a row, `None` unless the series is derived.
    #[inline]
    pub fn constituents(&self, row: usize) -> Option<i32> {
        let cells = self.constituents.as_ref()?;
        Some(cells[row].load(Relaxed))
    }

    /// The bars of published rows and their base bars, in order.
    #[inline]
    pub fn bars(&self, rows: Range<usize>) -> impl Iterator<Item = (Bar, Option<i32>)> + '_ {
        let floats = |field| {
            let cells = self.float_cells(field)[rows.clone()].iter();
            cells.map(|cell| f64::from_bits(cell.load(Relaxed)))
        };
        let counts = self.constituents.as_ref().map(|cells| &cells[rows.clone()]);
        let prices = (floats(Field::Open).zip(floats(Field::High)))
            .zip(floats(Field::Low).zip(floats(Field::Close)));
        let rest = floats(Field::Volume).zip(&self.flags[rows.clone()]);
        let all = self.ts[rows.clone()].iter().zip(prices.zip(rest));
        all.enumerate().map(
            move |(row, (ts, (((open, high), (low, close)), (volume, flags))))| {
                let bar = Bar {
                    ts: ts.load(Relaxed),
                    open,
                    high,
                    low,
                    close,
                    volume,
                    flags: flags.load(Relaxed),
                };
                (bar, counts.map(|cells| cells[row].load(Relaxed)))
            },
        )
    }

    /// Append published rows to `columns`, column by column.
    pub fn copy_into(&self, rows: Range<usize>, columns: &mut Columns) {
        let floats = |field, column: &mut Vec<f64>| {
            let cells = &self.float_cells(field)[rows.clone()];
            let bits = cells.iter().map(|cell| cell.load(Relaxed));
            column.extend(bits.map(f64::from_bits));
        };
        let stamps = self.ts[rows.clone()].iter().map(|cell| cell.load(Relaxed));
        columns.ts.extend(stamps);
        floats(Field::Open, &mut columns.open);
        floats(Field::High, &mut columns.high);
        floats(Field::Low, &mut columns.low);
        floats(Field::Close, &mut columns.close);
        floats(Field::Volume, &mut columns.volume);
        let flags = self.flags[rows.clone()]
            .iter()
            .map(|cell| cell.load(Relaxed));
        columns.flags.extend(flags);
        if let Some(cells) = &self.constituents {
            let counts = cells[rows].iter().map(|cell| cell.load(Relaxed));
            columns.constituents.extend(counts);
        }
    }

    /// First row in `from..to` with `ts >= instant`; the rows are in order.
    pub fn lower_bound(&self, from: usize, to: usize, instant: i64) -> usize {
        from + self.ts[from..to].partition_point(|cell| cell.load(Relaxed) < instant)
    }

    /// Cells of `ts`, for views over published rows.
    pub fn ts_cells(&self) -> &[AtomicI64] {
        &self.ts
    }

    /// Cells of a float column as bits, for views over published rows.
    #[inline]
    pub fn float_cells(&self, field: Field) -> &[AtomicU64] {
        self.column(match field {
            Field::Open => 0,
            Field::High => 1,
            Field::Low => 2,
            Field::Close => 3,
            Field::Volume => 4,
        })
    }

    #[inline]
    fn column(&self, at: usize) -> &[AtomicU64] {
        // The place is looked at, so that the sums need no look of their own.
        let rows = self.ts.len();
        let first = at.wrapping_mul(rows);
        &self.words[first..first.wrapping_add(rows)]
    }

    /// Cells of the flags, for views over published rows.
    pub fn flag_cells(&self) -> &[AtomicU8] {
        &self.flags
    }

    /// Cells of the constituents, empty unless the series is derived.
    pub fn constituent_cells(&self) -> &[AtomicI32] {
        self.constituents.as_deref().unwrap_or_default()
    }
}

/// Rows of a segment that are not published and wait for those of loaded columns. Whoever has them stores the rows, on any
/// thread, and hands each of them over before the writer takes it for written.
#[derive(Debug)]
pub(crate) struct Places {
    segment: Arc<Segment>,
    /// The row of the segment that the first row goes to.
    first: usize,
    rows: usize,
    /// What the rows get among their flags.
    added: u8,
}

impl Places {
    /// Places for `rows` rows from a row of the segment on, which has room for them.
    pub(crate) fn new(segment: Arc<Segment>, first: usize, rows: usize, added: u8) -> Self {
        Self {
            segment,
            first,
            rows,
            added,
        }
    }

    /// Store rows of columns from place number `place` on, as far as there are places.
    pub(crate) fn put(&self, place: usize, columns: &Columns, rows: Range<usize>) {
        let many = rows.len().min(self.rows.saturating_sub(place));
        if many > 0 {
            let rows = rows.start..rows.start + many;
            let row = self.first + place;
            self.segment.preload(row, columns, rows, self.added);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_beyond_the_places_are_put_nowhere() {
        let segment = Arc::new(Segment::with_capacity(3, false));
        let places = Places::new(segment.clone(), 1, 2, 4);
        let mut columns = Columns::default();
        for minute in 0..5 {
            columns.push(Bar {
                ts: minute,
                ..Bar::default()
            });
        }
        places.put(1, &columns, 1..3);
        places.put(3, &columns, 3..5);
        places.put(0, &columns, 0..1);
        assert_eq!([1, 2].map(|row| segment.bar(row).ts), [0, 1]);
        assert_eq!(segment.bar(2).flags, 4);
        assert!(segment.is_empty());
    }

    #[test]
    fn a_row_is_invisible_until_it_is_published() {
        let segment = Segment::with_capacity(4, true);
        segment.write(
            0,
            &Bar {
                ts: 7,
                close: 1.5,
                ..Bar::default()
            },
            5,
            1,
        );
        assert!(segment.is_empty());
        segment.publish(1);
        assert_eq!(segment.len(), 1);
        assert_eq!(segment.bar(0).close, 1.5);
        assert_eq!(segment.constituents(0), Some(5));
    }

    #[test]
    fn readers_on_other_threads_see_whole_rows_only() {
        let segment = std::sync::Arc::new(Segment::with_capacity(10_000, false));
        let reader = {
            let segment = segment.clone();
            std::thread::spawn(move || {
                let mut seen = 0;
                while seen < segment.capacity() {
                    seen = segment.len();
                    for row in seen.saturating_sub(64)..seen {
                        let bar = segment.bar(row);
                        assert_eq!(bar.ts, row as i64);
                        assert_eq!(bar.volume, row as f64);
                    }
                    std::hint::spin_loop();
                }
            })
        };
        for row in 0..segment.capacity() {
            segment.write(
                row,
                &Bar {
                    ts: row as i64,
                    volume: row as f64,
                    ..Bar::default()
                },
                0,
                0,
            );
            segment.publish(row + 1);
        }
        reader.join().unwrap();
    }
}
