//! Bars of the session that come late or corrected: kept until the end of their epoch, then put in their places.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering::Relaxed;

use crate::bar::Bar;
use crate::series::writer::SeriesWriter;

impl SeriesWriter {
    /// The session's bar with this key, staged or written.
    pub(crate) fn find(&self, ts: i64) -> Option<Found> {
        self.find_in(&self.staged, self.session_rows(), ts)
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

    pub(super) fn find_in(
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
}

/// A stored bar and its constituents.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Found {
    pub(crate) bar: Bar,
    pub(crate) constituents: i32,
}
