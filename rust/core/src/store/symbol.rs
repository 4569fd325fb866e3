//! One symbol while it is written: its series, aggregators, figures and counters.

mod settle;

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

use crate::aggregate::{Aggregator, Derived, Pushed, aggregate_session};
use crate::bar::{Bar, CORRECTED, EXTENDED, LATE};
use crate::error::{Error, Result};
use crate::gap::Presence;
use crate::metrics::Metrics;
use crate::series::SeriesWriter;
use crate::session_table::SessionTable;
use crate::store::{
    Entry, IngestCounts, OnDuplicate, Outcome, Policies, Revision, Shared, SymbolId,
};
use crate::time::Interval;

/// Where a valid bar belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Home {
    /// The current session: a slot of its grid, or none without a schedule.
    Regular(Option<u32>),
    /// The current session, outside regular hours.
    Extended,
    /// An earlier session date.
    History,
    /// Nowhere, with the reason.
    Nowhere(&'static str),
}

/// A bar that came late or changed an earlier one, until its consequences are drawn.
#[derive(Debug, Clone, Copy)]
pub(super) struct Touched {
    pub(super) bar: Bar,
    pub(super) is_correction: bool,
}

#[derive(Debug)]
pub(super) struct SymbolWriter {
    pub(super) entry: Arc<Entry>,
    shared: Arc<Shared>,
    pub(super) series: Vec<SeriesWriter>,
    /// One for each series but the first.
    pub(super) aggregators: Vec<Aggregator>,
    presence: Option<Arc<Presence>>,
    metrics: Metrics,
    pub(super) counts: IngestCounts,
    pub(super) revisions: Vec<Revision>,
    /// Sessions whose history was asked for, by position in the table, rising.
    pub(super) history_sessions: Vec<usize>,
    pub(super) touched: Vec<Touched>,
    history_touched: Vec<i64>,
    pub(super) dirty: bool,
}

impl SymbolWriter {
    pub(super) fn new(id: SymbolId, symbol: &str, base: Interval) -> Self {
        let shared = Arc::new(Shared::default());
        let series = vec![SeriesWriter::new(base, false)];
        let entry = Entry {
            id,
            symbol: symbol.into(),
            series: series.iter().map(|s| s.series().clone()).collect(),
            shared: shared.clone(),
        };
        Self {
            entry: Arc::new(entry),
            shared,
            series,
            aggregators: Vec::new(),
            presence: None,
            metrics: Metrics::default(),
            counts: IngestCounts::default(),
            revisions: Vec::new(),
            history_sessions: Vec::new(),
            touched: Vec::new(),
            history_touched: Vec::new(),
            dirty: false,
        }
    }

    pub(super) fn base(&self) -> Interval {
        self.entry.base().interval()
    }

    /// Add a derived series in its place and fill it from what is stored.
    pub(super) fn add_derived(
        &mut self,
        interval: Interval,
        table: &SessionTable,
        policies: &Policies,
        clock: i64,
        epoch: u64,
    ) -> Result<()> {
        let base = self.base();
        if interval == base {
            return Err(Error::SeriesConflict {
                symbol: self.entry.symbol.to_string(),
                asked: interval,
                base,
            });
        }
        if !base.divides(interval) {
            return Err(Error::NotDivisible {
                base,
                target: interval,
            });
        }
        if !matches!(interval, Interval::Fixed(_) | Interval::Sessions(1)) {
            return Err(Error::TooCoarse { interval });
        }
        let mut aggregator = Aggregator::new(base, interval, policies.completeness);
        let mut writer = SeriesWriter::new(interval, true);
        let history = self.series[0].history_rows();
        let mut rows = Vec::new();
        let earlier = self.series[0].bars_between(history, i64::MIN, i64::MAX);
        let mut sessions: Vec<usize> = earlier
            .iter()
            .filter_map(|bar| table.session_of(bar.ts))
            .collect();
        sessions.dedup();
        for index in sessions {
            let derived = aggregate_session(
                table,
                index,
                base,
                interval,
                earlier.iter().copied(),
                policies.completeness,
            )?;
            rows.extend(derived.iter().map(|d| (d.bar, d.constituents as i32)));
        }
        if !rows.is_empty() {
            writer.rewrite_history(|_| false, rows, epoch);
        }
        let session = self.series[0].session_rows();
        for bar in self.series[0].bars_between(session, i64::MIN, i64::MAX) {
            if let Pushed::Taken(Some(d)) = aggregator.push(table, &bar, i64::MIN)? {
                writer.append(&d.bar, d.constituents as i32, epoch);
            }
        }
        if let Some(d) = aggregator.close(clock) {
            writer.append(&d.bar, d.constituents as i32, epoch);
        }
        writer.publish();
        let at = self.series[1..].partition_point(|s| s.series().interval() < interval) + 1;
        self.series.insert(at, writer);
        self.aggregators.insert(at - 1, aggregator);
        self.entry = Arc::new(Entry {
            id: self.entry.id,
            symbol: self.entry.symbol.clone(),
            series: self.series.iter().map(|s| s.series().clone()).collect(),
            shared: self.shared.clone(),
        });
        Ok(())
    }

    /// Intervals of all series: the base first, then derived ones, finest first.
    pub(super) fn intervals(&self) -> impl Iterator<Item = Interval> + '_ {
        self.series.iter().map(|series| series.series().interval())
    }

    /// Begin a session: everything of the old one goes or becomes history.
    ///
    /// `history_starts` and `expected` have one entry per series: from when history is kept with `roll`, and how many
    /// bars the session should have.
    pub(super) fn start_session(
        &mut self,
        presence: Option<Arc<Presence>>,
        roll: bool,
        history_starts: &[i64],
        expected: &[usize],
        epoch: u64,
    ) {
        for ((series, &start), &bars) in self.series.iter_mut().zip(history_starts).zip(expected) {
            series.start_session(roll, start, bars, epoch);
        }
        self.aggregators.iter_mut().for_each(Aggregator::reset);
        self.set_presence(presence);
        self.metrics = Metrics::default();
        self.touched.clear();
        let counts = &self.shared.counts;
        for cell in [
            &counts.duplicates,
            &counts.out_of_order,
            &counts.out_of_session,
            &counts.off_grid,
        ] {
            cell.store(0, Relaxed);
        }
        self.dirty = true;
    }

    pub(super) fn set_presence(&mut self, presence: Option<Arc<Presence>>) {
        self.shared.presence.store(presence.clone());
        self.presence = presence;
    }

    pub(super) fn presence(&self) -> Option<&Arc<Presence>> {
        self.presence.as_ref()
    }

    /// Put one valid bar in its place; late bars and corrections are staged. Counts the outcome.
    pub(super) fn place(
        &mut self,
        mut bar: Bar,
        home: Home,
        policies: &Policies,
        epoch: u64,
    ) -> Result<Outcome> {
        let newest = self.series[0].newest();
        if home != Home::History && newest.is_some_and(|newest| bar.ts < newest) {
            add(&self.shared.counts.out_of_order, 1);
        }
        let outcome = match home {
            Home::Nowhere(_) => {
                if home == Home::Nowhere("off_grid") {
                    add(&self.shared.counts.off_grid, 1);
                }
                Outcome::Quarantined
            }
            Home::History => self.place_in_history(bar, policies)?,
            Home::Regular(_) | Home::Extended => {
                if home == Home::Extended {
                    bar.flags |= EXTENDED;
                }
                if newest.is_none_or(|newest| bar.ts > newest) {
                    self.series[0].append(&bar, 0, epoch);
                    Outcome::Accepted
                } else {
                    self.place_among(bar, policies, epoch)?
                }
            }
        };
        if let (Home::Regular(Some(slot)), Some(presence)) = (home, &self.presence) {
            presence.set(slot);
        }
        if home == Home::Extended && matches!(outcome, Outcome::Accepted | Outcome::Late) {
            add(&self.shared.counts.out_of_session, 1);
        }
        let is_repeat = matches!(outcome, Outcome::Duplicate | Outcome::Correction);
        if is_repeat && home != Home::History {
            add(&self.shared.counts.duplicates, 1);
        }
        self.counts.count(outcome);
        self.dirty = true;
        Ok(outcome)
    }

    /// A bar at or before the newest of the session.
    fn place_among(&mut self, mut bar: Bar, policies: &Policies, epoch: u64) -> Result<Outcome> {
        let series = &mut self.series[0];
        let Some(found) = series.find(bar.ts) else {
            bar.flags |= LATE;
            series.stage(bar, 0);
            self.touched.push(Touched {
                bar,
                is_correction: false,
            });
            return Ok(Outcome::Late);
        };
        if found.bar.same_values(&bar) || policies.on_duplicate == OnDuplicate::Ignore {
            return Ok(Outcome::Duplicate);
        }
        if policies.on_duplicate == OnDuplicate::Error {
            self.counts.count(Outcome::Rejected);
            return Err(self.duplicate(bar.ts));
        }
        bar.flags |= CORRECTED | (found.bar.flags & LATE);
        let interval = series.series().interval();
        self.revisions.push(Revision {
            interval,
            old: found.bar,
            new: bar,
            epoch,
        });
        if !series.replace_newest(&bar, 0, epoch) {
            series.stage(bar, 0);
        }
        self.touched.push(Touched {
            bar,
            is_correction: true,
        });
        Ok(Outcome::Correction)
    }

    fn place_in_history(&mut self, mut bar: Bar, policies: &Policies) -> Result<Outcome> {
        let series = &mut self.series[0];
        let outcome = match series.find_in_history(bar.ts) {
            None => {
                if series
                    .newest_in_history()
                    .is_some_and(|newest| newest > bar.ts)
                {
                    bar.flags |= LATE;
                    Outcome::Late
                } else {
                    Outcome::Accepted
                }
            }
            Some(found)
                if found.bar.same_values(&bar) || policies.on_duplicate == OnDuplicate::Ignore =>
            {
                return Ok(Outcome::Duplicate);
            }
            Some(_) if policies.on_duplicate == OnDuplicate::Error => {
                self.counts.count(Outcome::Rejected);
                return Err(self.duplicate(bar.ts));
            }
            Some(found) => {
                bar.flags |= CORRECTED;
                let interval = series.series().interval();
                self.revisions.push(Revision {
                    interval,
                    old: found.bar,
                    new: bar,
                    epoch: 0,
                });
                Outcome::Correction
            }
        };
        self.series[0].stage_history(bar, 0);
        self.history_touched.push(bar.ts);
        Ok(outcome)
    }

    fn duplicate(&self, ts: i64) -> Error {
        Error::DuplicateBar {
            symbol: self.entry.symbol.to_string(),
            interval: self.base(),
            ts,
        }
    }

    /// Whether a row would be refused as a repeat with other values.
    pub(super) fn conflicts(&self, bar: &Bar, home: Home) -> bool {
        let series = &self.series[0];
        let found = match home {
            Home::History => series.find_in_history(bar.ts),
            Home::Nowhere(_) => None,
            Home::Regular(_) | Home::Extended => series.find(bar.ts),
        };
        found.is_some_and(|found| !found.bar.same_values(bar))
    }

    /// An accepted bar of regular hours enters the figures and the forming buckets. `ended` gets the bars of buckets
    /// that it ends, with the position of their series. Says whether a bucket that has ended must be computed again.
    pub(super) fn follow(
        &mut self,
        bar: &Bar,
        table: Option<&SessionTable>,
        clock: i64,
        mut ended: impl FnMut(usize, Derived),
    ) -> Result<bool> {
        self.metrics.push(bar);
        let Some(table) = table else {
            return Ok(false);
        };
        let mut is_past = false;
        for (at, aggregator) in self.aggregators.iter_mut().enumerate() {
            match aggregator.push(table, bar, clock)? {
                Pushed::Taken(None) => {}
                Pushed::Taken(Some(derived)) => ended(at + 1, derived),
                Pushed::Past => is_past = true,
            }
        }
        if is_past {
            self.touched.push(Touched {
                bar: *bar,
                is_correction: false,
            });
        }
        Ok(is_past)
    }

    /// Store a derived bar; one that is older than the newest is staged.
    pub(super) fn emit(&mut self, at: usize, derived: &Derived, epoch: u64) {
        let series = &mut self.series[at];
        if series.newest().is_none_or(|newest| derived.bar.ts > newest) {
            series.append(&derived.bar, derived.constituents as i32, epoch);
        } else {
            series.stage(derived.bar, derived.constituents as i32);
        }
        self.dirty = true;
    }

    pub(super) fn publish(&mut self) {
        if std::mem::take(&mut self.dirty) {
            self.series.iter_mut().for_each(SeriesWriter::publish);
            self.shared.metrics.store(&self.metrics);
        }
    }
}

/// Only the writer stores, so load and store need not be one operation.
fn add(cell: &AtomicU64, n: u64) {
    cell.store(cell.load(Relaxed) + n, Relaxed);
}
