//! Follows one series from bar to bar, to the end of its session, however late it looks.

use std::sync::{Arc, OnceLock};

use crate::columns::Columns;
use crate::series::{Scope, Series, Slice, Snapshot, View};

/// The session that a series is in, for those who follow it: in the end it holds the session's last rows.
#[derive(Debug, Default)]
pub(super) struct Tape {
    /// Epoch from which it counts.
    since: u64,
    last: OnceLock<Last>,
}

/// The rows of a session that is over, and the epoch from which it is.
#[derive(Debug)]
struct Last {
    rows: Snapshot,
    epoch: u64,
    /// Where no session was running: what those who wait follow from then on.
    next: Option<Arc<Tape>>,
}

impl Tape {
    pub(super) fn since(epoch: u64) -> Self {
        Self {
            since: epoch,
            last: OnceLock::new(),
        }
    }

    /// Say that the session is over. Only the writer may call this; the first time counts.
    pub(super) fn close(&self, rows: Snapshot, epoch: u64, next: Option<Arc<Self>>) {
        let _ = self.last.set(Last { rows, epoch, next });
    }

    fn closed_at(&self, epoch: u64) -> Option<&Last> {
        self.last.get().filter(|last| last.epoch <= epoch)
    }
}

/// What a cursor found.
#[derive(Debug, Default)]
pub struct News {
    /// Bars of the session that are new or changed since the last look, oldest first.
    pub slices: Vec<Slice>,
    /// Whether the session is over: nothing follows.
    pub ended: bool,
}

/// A place in the session of a series. It keeps the session's memory, so that who looks late loses nothing.
///
/// It stays with the session that is running when it is made, or with the next one if none is.
#[derive(Debug)]
pub struct Cursor {
    series: Arc<Series>,
    tape: Arc<Tape>,
    /// Epoch up to which everything was handed out.
    seen: u64,
    /// The rows at the last look.
    rows: Option<Snapshot>,
    ended: bool,
}

impl Cursor {
    /// Begin behind everything that is known at an epoch; `None` while the writer ends or begins a session, which is out
    /// with the next epoch.
    pub fn new(series: Arc<Series>, epoch: u64) -> Option<Self> {
        let tape = series.tape.load_full();
        (tape.since <= epoch).then(|| Self {
            tape,
            rows: series.snapshot(epoch),
            series,
            seen: epoch,
            ended: false,
        })
    }

    /// Whether a look at this epoch would find something.
    pub fn has_news(&self, epoch: u64) -> bool {
        if self.ended {
            return false;
        }
        if self.tape.closed_at(epoch).is_some() {
            return true;
        }
        if epoch <= self.seen {
            return false;
        }
        // Where the series is newer than the epoch, another epoch follows at once.
        self.series
            .snapshot(epoch)
            .is_some_and(|now| self.rows.as_ref().is_none_or(|rows| !rows.is_same(&now)))
    }

    /// What is new or changed at an epoch, each bar once with its newest values.
    pub fn take(&mut self, epoch: u64) -> News {
        let mut news = News {
            ended: self.ended,
            ..News::default()
        };
        // Closed before the epoch came out: who sees the epoch sees that.
        while let Some(last) = self.tape.closed_at(epoch).filter(|_| !self.ended) {
            news.slices
                .extend(rows_since(last.rows.view(), self.rows.as_ref(), self.seen));
            self.seen = self.seen.max(last.epoch);
            let next = last.next.clone();
            self.rows = None;
            match next {
                Some(next) => self.tape = next,
                None => self.ended = true,
            }
        }
        news.ended = self.ended;
        if self.ended {
            return news;
        }
        if let Some(now) = self.series.snapshot(epoch) {
            news.slices
                .extend(rows_since(now.view(), self.rows.as_ref(), self.seen));
            self.seen = self.seen.max(epoch);
            self.rows = Some(now);
        }
        news
    }
}

/// Rows of the session that became known after an epoch; `before` are the rows as they were then.
fn rows_since(now: View<'_>, before: Option<&Snapshot>, epoch: u64) -> Vec<Slice> {
    let (first, last) = now.scope(Scope::Session);
    let Some(before) = before else {
        return now.changed_since(epoch);
    };
    if std::ptr::eq(&raw const *before.state, now.state) {
        // Nothing but appended since.
        let known = before.view().scope(Scope::All).1.max(first);
        return if known < last {
            now.slices(known, last)
        } else {
            Vec::new()
        };
    }
    // What lies where it lay before is known: rows are never written again.
    let (from, to) = before.view().scope(Scope::Session);
    let known = before.view().slices(from, to);
    let slices = now.slices(first, last);
    slices
        .iter()
        .filter(|slice| !known.iter().any(|known| known.covers(slice)))
        .flat_map(|slice| newer_rows(slice, epoch))
        .collect()
}

/// The stretches of a slice whose rows became known after an epoch.
fn newer_rows(slice: &Slice, epoch: u64) -> Vec<Slice> {
    let mut found = Vec::new();
    let mut row = 0;
    while row < slice.len() {
        let from = row;
        while row < slice.len() && slice.epoch(row) > epoch {
            row += 1;
        }
        if row > from {
            found.push(slice.sub(from, row));
        }
        row += 1;
    }
    found
}

impl Slice {
    /// Whether all rows of another slice are rows of this one, in the same memory.
    fn covers(&self, other: &Self) -> bool {
        self.is_of_memory_of(other) && self.from <= other.from && other.to <= self.to
    }
}

impl View<'_> {
    /// Bars of the session that became known or changed after an epoch, oldest first.
    pub fn changed_since(&self, epoch: u64) -> Vec<Slice> {
        let (first, last) = self.scope(Scope::Session);
        let slices = self.slices(first, last);
        slices
            .iter()
            .flat_map(|slice| newer_rows(slice, epoch))
            .collect()
    }
}

impl Snapshot {
    /// Whether another snapshot shows the very same rows.
    fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.state, &other.state) && self.live_rows == other.live_rows
    }
}

impl News {
    /// All bars in one piece.
    pub fn columns(&self, is_derived: bool) -> Columns {
        let rows = self.slices.iter().map(Slice::len).sum();
        let mut columns = Columns::with_capacity(rows, is_derived);
        self.slices
            .iter()
            .for_each(|slice| slice.copy_into(&mut columns));
        columns
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bar::Bar;
    use crate::series::SeriesWriter;
    use crate::time::Interval;

    fn bar(ts: i64, close: f64) -> Bar {
        Bar {
            ts,
            close,
            ..Bar::default()
        }
    }

    fn found(cursor: &mut Cursor, epoch: u64) -> (Vec<(i64, f64)>, bool) {
        let news = cursor.take(epoch);
        let columns = news.columns(false);
        let rows = columns.ts.into_iter().zip(columns.close);
        (rows.collect(), news.ended)
    }

    #[test]
    fn a_cursor_hands_out_each_change_once_and_ends_with_its_session() {
        let mut writer = SeriesWriter::new(Interval::ONE_MINUTE, false);
        writer.append(&bar(0, 1.0), 0, 1);
        writer.publish();
        let mut cursor = Cursor::new(writer.series().clone(), 1).unwrap();
        assert_eq!(found(&mut cursor, 1), (vec![], false));
        for ts in [1, 3] {
            writer.append(&bar(ts, 1.0), 0, 2);
        }
        writer.publish();
        assert!(!cursor.has_news(1) && cursor.has_news(2));
        assert_eq!(found(&mut cursor, 2), (vec![(1, 1.0), (3, 1.0)], false));
        // A late bar and a correction.
        writer.stage(bar(2, 1.0), 0);
        writer.stage(bar(0, 5.0), 0);
        writer.apply_staged(3);
        writer.append(&bar(4, 1.0), 0, 3);
        writer.publish();
        assert_eq!(
            found(&mut cursor, 3),
            (vec![(0, 5.0), (2, 1.0), (4, 1.0)], false)
        );
        assert_eq!(found(&mut cursor, 3), (vec![], false));
        // Nobody looks until the next session has begun.
        writer.append(&bar(5, 1.0), 0, 4);
        writer.publish();
        writer.end_tape(5, true);
        writer.start_session(true, i64::MIN, 8, 5);
        writer.append(&bar(100, 1.0), 0, 5);
        writer.publish();
        assert_eq!(found(&mut cursor, 5), (vec![(5, 1.0)], true));
        assert_eq!(found(&mut cursor, 6), (vec![], true));
    }

    #[test]
    fn a_cursor_made_between_sessions_follows_the_next_one() {
        let mut writer = SeriesWriter::new(Interval::ONE_MINUTE, false);
        writer.append(&bar(0, 1.0), 0, 1);
        writer.publish();
        writer.end_tape(2, true);
        let mut cursor = Cursor::new(writer.series().clone(), 2).unwrap();
        writer.end_tape(3, false);
        writer.start_session(false, i64::MIN, 8, 3);
        writer.append(&bar(9, 1.0), 0, 4);
        writer.publish();
        assert_eq!(found(&mut cursor, 4), (vec![(9, 1.0)], false));
    }

    #[test]
    fn a_cursor_follows_a_series_through_its_rolls() {
        let mut writer = SeriesWriter::new(Interval::ONE_MINUTE, false);
        let mut cursor = Cursor::new(writer.series().clone(), 0).unwrap();
        let mut all = Vec::new();
        for ts in 0..20_000 {
            writer.append(&bar(ts, 1.0), 0, ts as u64 + 1);
            writer.publish();
            if ts % 777 == 0 {
                all.extend(found(&mut cursor, ts as u64 + 1).0);
            }
        }
        all.extend(found(&mut cursor, 20_000).0);
        assert_eq!(all.len(), 20_000);
        assert!(all.iter().zip(0..).all(|(&(ts, _), at)| ts == at));
    }
}
