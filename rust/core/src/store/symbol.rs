//! One symbol while it is written: its series, aggregators, figures and counters.

mod settle;

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use crate::aggregate::resample::Planned;
use crate::aggregate::{Aggregator, Derived, Pushed, Rule};
use crate::bar::{Bar, CORRECTED, EXTENDED, LATE};
use crate::columns::Columns;
use crate::error::{Error, Result};
use crate::gap::Presence;
use crate::metrics::Metrics;
use crate::schedule::{Role, Stretch};
use crate::series::{SeriesWriter, Slice};
use crate::session_table::SessionTable;
use crate::store::{
    Entry, IngestCounts, OnDuplicate, Outcome, Policies, Revision, Shared, SymbolId,
};
use crate::sync::AtomicU64;
use crate::time::Interval;

/// Where a valid bar belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Home {
    /// The current session: a slot of its grid, or none without a schedule.
    Regular(Option<u32>),
    /// The current session, outside regular hours.
    Extended {
        /// Whether it is an expected start of a pre- or post-market that takes part.
        takes_part: bool,
    },
    /// An earlier session date.
    History {
        /// Whether it lies outside the regular hours of that date.
        is_extended: bool,
    },
    /// An earlier session date, between two expected starts.
    OffGridInHistory,
    /// Nowhere, with the reason.
    Nowhere(&'static str),
}

impl Home {
    /// Whether it is the current session, outside regular hours.
    pub(super) fn is_extended(self) -> bool {
        matches!(self, Self::Extended { .. })
    }

    /// Whether it is an earlier session date.
    pub(super) fn is_history(self) -> bool {
        matches!(self, Self::History { .. })
    }

    /// Whether a bar can be kept there.
    pub(super) fn is_place(self) -> bool {
        !matches!(self, Self::Nowhere(_) | Self::OffGridInHistory)
    }
}

/// A bar that came late or changed an earlier one, until its consequences are drawn.
#[derive(Debug, Clone, Copy)]
pub(super) struct Touched {
    pub(super) bar: Bar,
    pub(super) is_correction: bool,
    /// Whether the earlier bar came in the same instant.
    pub(super) is_fresh: bool,
}

/// What follows from a base bar.
#[derive(Debug, Clone, Copy)]
pub(super) struct Followed {
    /// A bucket that has ended must be computed again.
    pub(super) is_past: bool,
    /// Earliest end of the buckets that it opened.
    pub(super) next_end: i64,
}

/// One symbol while it is written. What each bar that comes as it should changes comes first, in two lines of the cache.
#[derive(Debug)]
#[repr(C, align(64))]
pub(super) struct SymbolWriter {
    metrics: Metrics,
    /// The bar that should come next, as long as the newest one is older.
    expected: Slot,
    /// Whether there is something to publish, and nothing is known of what.
    pub(super) dirty: bool,
    /// Whether there is one bar at the end of the base series to publish, and no more.
    is_fresh: bool,
    presence: Option<Arc<Presence>>,
    shared: Arc<Shared>,
    pub(super) series: Vec<SeriesWriter>,
    /// Bars that came as they should.
    in_turn: u64,
    /// What became of all others.
    others: IngestCounts,
    pub(super) entry: Arc<Entry>,
    /// One for each series but the first.
    pub(super) aggregators: Vec<Aggregator>,
    pub(super) revisions: Vec<Revision>,
    /// Sessions whose history was asked for, by position in the table, rising.
    pub(super) history_sessions: Vec<usize>,
    /// Sessions of history to keep, where this symbol has a number of its own; few intervals.
    pub(super) history_days: Vec<(Interval, usize)>,
    pub(super) touched: Vec<Touched>,
    history_touched: Vec<i64>,
}

/// One expected bar of the session.
#[derive(Debug, Clone, Copy)]
struct Slot {
    start: i64,
    slot: u32,
}

impl Slot {
    /// None: no bar starts then.
    const NONE: Self = Self {
        start: i64::MIN,
        slot: u32::MAX,
    };
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
            expected: Slot::NONE,
            dirty: false,
            is_fresh: false,
            in_turn: 0,
            others: IngestCounts::default(),
            revisions: Vec::new(),
            history_sessions: Vec::new(),
            history_days: Vec::new(),
            touched: Vec::new(),
            history_touched: Vec::new(),
        }
    }

    pub(super) fn base(&self) -> Interval {
        self.entry.base().interval()
    }

    /// Add a derived series in its place and fill it from what is stored. `session` is the time of the current one.
    pub(super) fn add_derived(
        &mut self,
        interval: Interval,
        table: &SessionTable,
        policies: &Policies,
        session: Option<Stretch>,
        (clock, epoch): (i64, u64),
        planned: &mut Planned,
    ) -> Result<()> {
        let rule = Rule {
            base: self.base(),
            target: interval,
            anchor: policies.anchor,
            extended_hours: policies.extended_hours,
        };
        let at = self.series[1..].partition_point(|s| s.series().interval() < interval);
        self.series
            .insert(at + 1, SeriesWriter::new(interval, true));
        self.aggregators
            .insert(at, Aggregator::new(rule, policies.completeness));
        let history = self.series[0].history_rows();
        let earlier = self.series[0].bars_between(history, i64::MIN, i64::MAX);
        let mut sessions: Vec<usize> = earlier
            .iter()
            .filter_map(|bar| table.session_of(bar.ts))
            .collect();
        sessions.dedup();
        self.derive_target(at, table, &sessions, session, epoch, planned)?;
        let rows = self.series[0].session_rows();
        // A bucket that goes on from history has the session's bars already.
        let bars = match self.aggregators[at].forming_bucket() {
            Some(_) => Vec::new(),
            None => self.series[0].bars_between(rows, i64::MIN, i64::MAX),
        };
        for bar in bars {
            let index = table.session_of(bar.ts);
            let session = index.map(|index| table.session(index));
            let role = session.and_then(|s| s.role_of(bar.ts, rule.takes_extended()));
            if let Some(role) = role
                && let Pushed::Opened(Some(ended)) =
                    self.aggregators[at].push_as(role, table, &bar, i64::MIN)?
            {
                self.emit(at + 1, &ended, epoch);
            }
        }
        if let Some(ended) = self.aggregators[at].close(clock) {
            self.emit(at + 1, &ended, epoch);
        }
        self.series[at + 1].publish();
        self.renumber(self.entry.id);
        Ok(())
    }

    /// Make the entry anew, with all series and this position.
    pub(super) fn renumber(&mut self, id: SymbolId) {
        self.entry = Arc::new(Entry {
            id,
            symbol: self.entry.symbol.clone(),
            series: self.series.iter().map(|s| s.series().clone()).collect(),
            shared: self.shared.clone(),
        });
    }

    /// Intervals of all series: the base first, then derived ones, finest first.
    pub(super) fn intervals(&self) -> impl Iterator<Item = Interval> + '_ {
        self.series.iter().map(|series| series.series().interval())
    }

    /// Begin a session at `start`: everything of the old one goes or becomes history.
    ///
    /// `history_starts` and `expected` have one entry per series: from when history is kept with `roll`, and how many
    /// bars the session should have. `was_running` says whether a session was running until now.
    #[expect(clippy::too_many_arguments, reason = "what a session begins with")]
    pub(super) fn start_session(
        &mut self,
        start: i64,
        presence: Option<Arc<Presence>>,
        roll: bool,
        history_starts: &[i64],
        expected: &[usize],
        was_running: bool,
        epoch: u64,
    ) {
        for at in 0..self.aggregators.len() {
            let Some(ended) = self.aggregators[at].begin_session(start, roll) else {
                continue;
            };
            if roll {
                self.emit(at + 1, &ended, epoch);
            } else {
                // The session's bars go, but not what earlier ones gave to a bucket that has ended since.
                let bar = (ended.bar, ended.constituents as i32);
                self.series[at + 1].rewrite_history(|_, _| false, [bar], epoch);
            }
        }
        // With the bars of the buckets that have just ended.
        self.end_tapes(epoch, was_running);
        for ((series, &start), &bars) in self.series.iter_mut().zip(history_starts).zip(expected) {
            series.start_session(roll, start, bars, epoch);
        }
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

    /// The session is over for those who follow it bar by bar.
    pub(super) fn end_tapes(&mut self, epoch: u64, was_running: bool) {
        for series in &mut self.series {
            series.end_tape(epoch, was_running);
        }
    }

    /// The symbol goes.
    pub(super) fn end_for_ever(&mut self, epoch: u64) {
        for series in &mut self.series {
            series.end_for_ever(epoch);
        }
    }

    pub(super) fn set_presence(&mut self, presence: Option<Arc<Presence>>) {
        self.shared.presence.store(presence.clone());
        let first = presence.as_ref().and_then(|presence| {
            let first = Slot {
                start: presence.grid().open(),
                slot: 0,
            };
            (!presence.grid().is_empty()).then_some(first)
        });
        self.expected = first.unwrap_or(Slot::NONE);
        self.presence = presence;
    }

    /// What follows the newest bar on the grid.
    #[inline]
    fn expect_after(&mut self, slot: u32, start: i64) {
        let presence = self.presence.as_ref();
        let next = presence.and_then(|presence| presence.grid().next_start(slot, start));
        self.expected = next.map_or(Slot::NONE, |start| Slot {
            start,
            slot: slot + 1,
        });
    }

    /// Put one valid bar in its place, and into the figures, if it is the one that should come next, which most are.
    /// Whoever calls says that there is something to publish.
    #[inline]
    pub(super) fn place_next(&mut self, bar: &Bar, epoch: u64) -> Option<Home> {
        let Slot { start, slot } = self.expected;
        let is_next = start == bar.ts && slot != Slot::NONE.slot;
        let presence = self.presence.as_ref().filter(|_| is_next)?;
        presence.set(slot);
        self.series[0].append(bar, 0, epoch);
        self.expect_after(slot, start);
        self.in_turn += 1;
        self.metrics.push(bar);
        Some(Home::Regular(Some(slot)))
    }

    /// Note that the bar in hand, and nothing else, is to be published; says whether that is so.
    #[inline]
    pub(super) fn note_fresh(&mut self) -> bool {
        let is_first = !self.dirty && !self.is_fresh;
        self.is_fresh |= is_first;
        is_first
    }

    /// Note that there is something to publish.
    #[inline]
    pub(super) fn note_dirty(&mut self) {
        (self.dirty, self.is_fresh) = (true, false);
    }

    /// Whether bars form those of other intervals.
    #[inline]
    pub(super) fn is_derived_from(&self) -> bool {
        self.series.len() > 1
    }

    /// How many bars were offered, and what became of them.
    pub(super) fn counts(&self) -> IngestCounts {
        IngestCounts {
            offered: self.others.offered + self.in_turn,
            accepted: self.others.accepted + self.in_turn,
            ..self.others
        }
    }

    /// Count what became of a bar that did not come as it should.
    pub(super) fn count(&mut self, outcome: Outcome) {
        self.others.count(outcome);
    }

    /// Look at what the next bar is put into: how many the base series has room for, whether the bar is there already.
    #[inline]
    pub(super) fn next_place(&self) -> (usize, bool) {
        let presence = self.presence.as_ref();
        let is_there = presence.is_some_and(|presence| presence.has(self.expected.slot));
        (self.series[0].room(), is_there)
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
        (clock, epoch): (i64, u64),
    ) -> Result<Outcome> {
        let newest = self.series[0].newest();
        if !home.is_history() && newest.is_some_and(|newest| bar.ts < newest) {
            add(&self.shared.counts.out_of_order, 1);
        }
        let outcome = match home {
            Home::OffGridInHistory => Outcome::Quarantined,
            Home::Nowhere(_) => {
                if home == Home::Nowhere("off_grid") {
                    add(&self.shared.counts.off_grid, 1);
                }
                Outcome::Quarantined
            }
            Home::History { is_extended } => {
                if is_extended {
                    bar.flags |= EXTENDED;
                }
                self.place_in_history(bar, policies, clock)?
            }
            Home::Regular(_) | Home::Extended { .. } => {
                if home.is_extended() {
                    bar.flags |= EXTENDED;
                }
                if newest.is_none_or(|newest| bar.ts > newest) {
                    self.series[0].append(&bar, 0, epoch);
                    match home {
                        Home::Regular(Some(slot)) => self.expect_after(slot, bar.ts),
                        _ if self.expected.start <= bar.ts => self.expected = Slot::NONE,
                        _ => {}
                    }
                    Outcome::Accepted
                } else {
                    self.place_among(bar, policies, (clock, epoch))?
                }
            }
        };
        if let (Home::Regular(Some(slot)), Some(presence)) = (home, &self.presence) {
            presence.set(slot);
        }
        if home.is_extended() && matches!(outcome, Outcome::Accepted | Outcome::Late) {
            add(&self.shared.counts.out_of_session, 1);
        }
        let is_repeat = matches!(outcome, Outcome::Duplicate | Outcome::Correction);
        if is_repeat && !home.is_history() {
            add(&self.shared.counts.duplicates, 1);
        }
        self.count(outcome);
        self.dirty = true;
        Ok(outcome)
    }

    /// A bar at or before the newest of the session.
    fn place_among(
        &mut self,
        mut bar: Bar,
        policies: &Policies,
        (clock, epoch): (i64, u64),
    ) -> Result<Outcome> {
        let series = &mut self.series[0];
        let Some(found) = series.find(bar.ts) else {
            bar.flags |= LATE;
            series.stage(bar, 0);
            self.touched.push(Touched {
                bar,
                is_correction: false,
                is_fresh: false,
            });
            return Ok(Outcome::Late);
        };
        if found.bar.same_values(&bar) || policies.on_duplicate == OnDuplicate::Ignore {
            return Ok(Outcome::Duplicate);
        }
        if policies.on_duplicate == OnDuplicate::Error {
            self.count(Outcome::Rejected);
            return Err(self.duplicate(bar.ts));
        }
        bar.flags |= CORRECTED | (found.bar.flags & LATE);
        let interval = series.series().interval();
        self.revisions.push(Revision {
            interval,
            old: found.bar,
            new: bar,
            clock,
        });
        let is_fresh = series.replace_newest(&bar, 0, epoch);
        if !is_fresh {
            series.stage(bar, 0);
        }
        self.touched.push(Touched {
            bar,
            is_correction: true,
            is_fresh,
        });
        Ok(Outcome::Correction)
    }

    fn place_in_history(
        &mut self,
        mut bar: Bar,
        policies: &Policies,
        clock: i64,
    ) -> Result<Outcome> {
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
                self.count(Outcome::Rejected);
                return Err(self.duplicate(bar.ts));
            }
            Some(found) => {
                bar.flags |= CORRECTED;
                let interval = series.series().interval();
                self.revisions.push(Revision {
                    interval,
                    old: found.bar,
                    new: bar,
                    clock,
                });
                Outcome::Correction
            }
        };
        self.series[0].stage_history(bar, 0);
        self.history_touched.push(bar.ts);
        Ok(outcome)
    }

    /// Opening instant of the newest bar of history.
    pub(super) fn newest_in_history(&self) -> Option<i64> {
        self.series[0].newest_in_history()
    }

    /// Put valid rows behind those of history; they rise, and all are newer. Counts the outcomes.
    ///
    /// `stamps` has one at least of each session that they lie in.
    pub(super) fn append_to_history(&mut self, columns: &Columns, stamps: &[i64], epoch: u64) {
        self.series[0].append_history(columns, epoch);
        self.count_in_history(columns.len(), stamps);
    }

    /// The same for loaded rows, which stay where they are if history holds none yet.
    pub(super) fn load_into_history(&mut self, rows: Slice, stamps: &[i64], epoch: u64) {
        let many = rows.len();
        if self.series[0].has_no_history() {
            self.series[0].begin_history(rows, epoch);
        } else {
            let mut columns = Columns::with_capacity(many, false);
            rows.copy_into(&mut columns);
            self.series[0].append_history(&columns, epoch);
        }
        self.count_in_history(many, stamps);
    }

    fn count_in_history(&mut self, rows: usize, stamps: &[i64]) {
        self.history_touched.extend_from_slice(stamps);
        for _ in 0..rows {
            self.count(Outcome::Accepted);
        }
        self.dirty = true;
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
            Home::History { .. } => series.find_in_history(bar.ts),
            Home::Nowhere(_) | Home::OffGridInHistory => None,
            Home::Regular(_) | Home::Extended { .. } => series.find(bar.ts),
        };
        found.is_some_and(|found| !found.bar.same_values(bar))
    }

    /// An accepted bar enters the figures.
    pub(super) fn measure(&mut self, bar: &Bar) {
        self.metrics.push(bar);
    }

    /// An accepted bar enters the forming buckets, if it has a role in them. `ended` gets the bars of buckets that it ends,
    /// with the position of their series.
    pub(super) fn follow(
        &mut self,
        bar: &Bar,
        role: Option<Role>,
        table: Option<&SessionTable>,
        clock: i64,
        mut ended: impl FnMut(usize, Derived),
    ) -> Result<Followed> {
        let mut followed = Followed {
            is_past: false,
            next_end: i64::MAX,
        };
        let Some((table, role)) = table.zip(role) else {
            return Ok(followed);
        };
        for (at, aggregator) in self.aggregators.iter_mut().enumerate() {
            match aggregator.push_as(role, table, bar, clock)? {
                Pushed::Taken => {}
                Pushed::Opened(derived) => {
                    let bucket = aggregator.forming_bucket();
                    let end = bucket.map_or(i64::MAX, |bucket| bucket.end);
                    followed.next_end = followed.next_end.min(end);
                    if let Some(derived) = derived {
                        ended(at + 1, derived);
                    }
                }
                Pushed::Past => followed.is_past = true,
            }
        }
        if followed.is_past {
            self.touched.push(Touched {
                bar: *bar,
                is_correction: false,
                is_fresh: false,
            });
        }
        Ok(followed)
    }

    /// Store a derived bar; one that is older than the newest is staged.
    pub(super) fn emit(&mut self, at: usize, derived: &Derived, epoch: u64) {
        let series = &mut self.series[at];
        if series.newest().is_none_or(|newest| derived.bar.ts > newest) {
            series.append(&derived.bar, derived.constituents as i32, epoch);
        } else {
            series.stage(derived.bar, derived.constituents as i32);
            series.apply_staged(epoch);
        }
        self.dirty = true;
    }

    /// Publish one bar at the end of the base series, if it is all there is to publish.
    #[inline]
    pub(super) fn publish_fresh(&mut self, bar: &Bar, epoch: u64) {
        if std::mem::take(&mut self.is_fresh) {
            self.series[0].publish();
            self.shared.metrics.store(&self.metrics);
            self.shared.latest.store(Some(bar), epoch);
        }
    }

    pub(super) fn publish(&mut self, epoch: u64) {
        if std::mem::take(&mut self.dirty) {
            let newest = self.series[0].newest_bar();
            self.series.iter_mut().for_each(SeriesWriter::publish);
            self.shared.metrics.store(&self.metrics);
            self.shared.latest.store(newest.as_ref(), epoch);
        }
    }
}

/// Only the writer stores, so load and store need not be one operation.
fn add(cell: &AtomicU64, n: u64) {
    cell.store(cell.load(Relaxed) + n, Relaxed);
}
