//! The clock moves, and the buckets that it reached end.

use crate::error::Result;
use crate::store::SymbolId;
use crate::store::writer::Writer;

impl Writer {
    /// All bars of an instant are in: late ones are settled, the clock moves, buckets end.
    pub(crate) fn finish_instant(&mut self, clock: i64) -> Result<()> {
        self.settle_all()?;
        self.advance(clock)
    }

    /// As [`Writer::finish_instant`] where bars may still be on their way: a bucket that is not whole ends `grace` later.
    ///
    /// Before `due` only symbols with new bars are looked at. Returns when any other has to be.
    pub(crate) fn finish_live(
        &mut self,
        clock: i64,
        grace: i64,
        due: i64,
        touched: &[SymbolId],
    ) -> Result<i64> {
        self.settle_all()?;
        self.clock = clock;
        self.unpublished = true;
        if clock < due {
            let ends = touched.iter().map(|id| self.close_live(*id, clock, grace));
            return Ok(ends.fold(due, i64::min));
        }
        let all = 0..self.symbols.len() as u32;
        let ends = all.map(|at| self.close_live(SymbolId(at), clock, grace));
        let due = ends.fold(i64::MAX, i64::min);
        self.refresh_next_end();
        Ok(due)
    }

    /// End the buckets of a symbol that are due; when the next one is.
    fn close_live(&mut self, id: SymbolId, clock: i64, grace: i64) -> i64 {
        let mut due = i64::MAX;
        let at = id.0 as usize;
        for series in 0..self.symbols[at].aggregators.len() {
            let aggregator = &mut self.symbols[at].aggregators[series];
            let grace = if aggregator.is_whole() { 0 } else { grace };
            if let Some(derived) = aggregator.close(clock.saturating_sub(grace)) {
                self.emit(id, series + 1, &derived);
            } else if let Some(bucket) = aggregator.forming_bucket() {
                due = due.min(bucket.end.saturating_add(grace));
            }
        }
        due
    }

    /// Move the clock and end the buckets that it reached.
    pub(super) fn advance(&mut self, clock: i64) -> Result<()> {
        self.clock = clock;
        self.unpublished = true;
        if clock < self.next_end {
            return Ok(());
        }
        for at in 0..self.symbols.len() {
            for series in 0..self.symbols[at].aggregators.len() {
                if let Some(derived) = self.symbols[at].aggregators[series].close(clock) {
                    self.emit(SymbolId(at as u32), series + 1, &derived);
                }
            }
        }
        self.refresh_next_end();
        Ok(())
    }

    /// Earliest end of a bucket that is forming.
    pub fn next_end(&self) -> Option<i64> {
        (self.next_end != i64::MAX).then_some(self.next_end)
    }

    pub(super) fn refresh_next_end(&mut self) {
        let forming = self
            .symbols
            .iter()
            .flat_map(|s| &s.aggregators)
            .filter_map(|a| a.forming_bucket());
        self.next_end = forming.map(|bucket| bucket.end).min().unwrap_or(i64::MAX);
    }
}
