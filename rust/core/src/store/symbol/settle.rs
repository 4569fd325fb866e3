//! The consequences of late and corrected bars: rows in place, figures afresh, buckets and history computed again.

use crate::aggregate::{Day, Derived, aggregate_session, fold};
use crate::bar::{Bar, CORRECTED, DERIVED, LATE};
use crate::columns::Columns;
use crate::error::Result;
use crate::metrics::Metrics;
use crate::session_table::SessionTable;
use crate::store::symbol::{SymbolWriter, Touched};
use crate::time::Interval;

impl SymbolWriter {
    /// Draw the consequences of late and corrected bars: rows in place, figures afresh, buckets re-opened.
    ///
    /// `changed` gets each derived bar that was inserted or replaced.
    pub(in crate::store) fn settle(
        &mut self,
        table: Option<&SessionTable>,
        is_regular: impl Fn(i64) -> bool,
        clock: i64,
        epoch: u64,
        mut changed: impl FnMut(usize, Derived, bool),
    ) -> Result<()> {
        self.settle_history(table, epoch)?;
        if self.touched.is_empty() {
            return Ok(());
        }
        let touched = std::mem::take(&mut self.touched);
        self.series[0].apply_staged(epoch);
        let session = self.series[0].session_rows();
        self.metrics = Metrics::default();
        for bar in self.series[0].bars_between(session, i64::MIN, i64::MAX) {
            if is_regular(bar.ts) {
                self.metrics.push(&bar);
            }
        }
        let Some(table) = table else { return Ok(()) };
        for at in 0..self.aggregators.len() {
            for touch in &touched {
                let Some(day) = self.aggregators[at].day_at(table, touch.bar.ts)? else {
                    continue;
                };
                if let Some((derived, is_correction)) = self.reopen(at, &day, touch, session, clock)
                {
                    changed(at + 1, derived, is_correction);
                }
            }
            self.series[at + 1].apply_staged(epoch);
        }
        Ok(())
    }

    /// Compute one bucket again. Returns the derived bar if it is new or different.
    fn reopen(
        &mut self,
        at: usize,
        day: &Day,
        touch: &Touched,
        session: (usize, usize),
        clock: i64,
    ) -> Option<(Derived, bool)> {
        let bucket = day.bucket_at(touch.bar.ts)?;
        let bars = self.series[0].bars_between(session, bucket.start, bucket.end);
        let regular = bars.into_iter().filter(|bar| day.is_regular(bar.ts));
        let aggregator = &mut self.aggregators[at];
        let forming = aggregator.forming_bucket();
        if forming == Some(bucket) || (forming.is_none() && bucket.end > clock) {
            aggregator.refill(bucket, regular);
            return None;
        }
        let mut derived = fold(bucket, regular, aggregator.completeness())?;
        let series = &mut self.series[at + 1];
        derived.bar.flags |= if touch.is_correction { CORRECTED } else { LATE };
        if let Some(found) = series.find(bucket.start) {
            if found.bar.same_values(&derived.bar)
                && found.constituents == derived.constituents as i32
            {
                return None;
            }
            derived.bar.flags |= found.bar.flags & (LATE | CORRECTED);
        }
        series.stage(derived.bar, derived.constituents as i32);
        Some((derived, touch.is_correction))
    }

    fn settle_history(&mut self, table: Option<&SessionTable>, epoch: u64) -> Result<()> {
        if self.history_touched.is_empty() {
            return Ok(());
        }
        let touched = std::mem::take(&mut self.history_touched);
        self.series[0].apply_staged_history(epoch);
        let Some(table) = table else { return Ok(()) };
        let sessions: Vec<usize> = touched
            .iter()
            .filter_map(|&ts| table.session_of(ts))
            .collect();
        self.derive_history(table, &sessions, epoch)
    }

    /// Note which sessions history covers, so that a session without any bar counts as missing.
    pub(in crate::store) fn cover_history(&mut self, sessions: &[usize]) {
        self.history_sessions.extend_from_slice(sessions);
        self.history_sessions.sort_unstable();
        self.history_sessions.dedup();
    }

    /// Compute the derived bars of sessions of history again. Bars that were stored as such stay.
    pub(in crate::store) fn derive_history(
        &mut self,
        table: &SessionTable,
        sessions: &[usize],
        epoch: u64,
    ) -> Result<()> {
        self.cover_history(sessions);
        let base = self.base();
        let mut wanted = sessions.to_vec();
        wanted.sort_unstable();
        wanted.dedup();
        for at in 0..self.aggregators.len() {
            let interval = self.series[at + 1].series().interval();
            let completeness = self.aggregators[at].completeness();
            let mut rows = Vec::new();
            for &index in &wanted {
                let span = table.session(index).span;
                let bars = self.series[0].bars_between(
                    self.series[0].history_rows(),
                    span.start,
                    span.end,
                );
                let derived = aggregate_session(table, index, base, interval, bars, completeness)?;
                rows.extend(derived.iter().map(|d| (d.bar, d.constituents as i32)));
            }
            let stale = |bar: &Bar| {
                bar.flags & DERIVED != 0
                    && table
                        .session_of(bar.ts)
                        .is_some_and(|index| wanted.binary_search(&index).is_ok())
            };
            self.series[at + 1].rewrite_history(stale, rows, epoch);
        }
        self.dirty = true;
        Ok(())
    }

    /// Put loaded bars of a derived interval into its history, where no bar is yet.
    pub(in crate::store) fn add_derived_history(
        &mut self,
        interval: Interval,
        columns: &Columns,
        epoch: u64,
    ) -> bool {
        let Some(series) = self
            .series
            .iter_mut()
            .find(|s| s.series().interval() == interval)
        else {
            return false;
        };
        let rows = (0..columns.len()).map(|row| {
            (
                columns.bar(row),
                columns.constituents.get(row).copied().unwrap_or(0),
            )
        });
        series.rewrite_history(|_| false, rows, epoch);
        self.dirty = true;
        true
    }
}
