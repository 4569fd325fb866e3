//! The rows of earlier sessions: read, put before the rows of the session, rewritten, forgotten.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use crate::bar::Bar;
use crate::columns::Columns;
use crate::series::writer::SeriesWriter;
use crate::series::writer::late::Found;
use crate::series::{Slice, sealed};

impl SeriesWriter {
    /// Whether history holds no bar.
    pub(crate) fn has_no_history(&self) -> bool {
        self.state.session_first == 0 && self.staged_history.is_empty()
    }

    /// Rows of history, `[first, last)`.
    pub(crate) fn history_rows(&self) -> (usize, usize) {
        (0, self.state.session_first)
    }

    /// The bar of history with this key, staged or stored.
    pub(crate) fn find_in_history(&self, ts: i64) -> Option<Found> {
        self.find_in(&self.staged_history, self.history_rows(), ts)
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

    /// Forget the bars of history.
    pub(crate) fn clear_history(&mut self, epoch: u64) {
        let kept = self.session_copy(self.session_rows());
        self.rewrites.history += 1;
        self.rebuild(Vec::new(), &kept, epoch);
    }
}
