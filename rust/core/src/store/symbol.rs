//! One symbol while it is written: its series, aggregators, figures and counters.

mod place;
mod settle;

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use crate::aggregate::resample::Planned;
use crate::aggregate::{Aggregator, Derived, Pushed, Rule};
use crate::bar::Bar;
use crate::error::Result;
use crate::gap::{Bits, Presence};
use crate::metrics::Metrics;
use crate::schedule::{Role, Stretch};
use crate::segment::Places;
use crate::series::SeriesWriter;
use crate::session_table::SessionTable;
use crate::store::{Entry, IngestCounts, Outcome, Policies, Revision, Shared, SymbolId};
use crate::sync::AtomicU64;
use crate::time::Interval;
pub(super) use place::Home;

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

/// One symbol while it is written. What each bar that comes as it should changes comes first, in three lines of the
/// cache.
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
    /// Whether bars form those of other intervals.
    is_derived_from: bool,
    /// Whose bits of `bits` are this symbol's.
    column: u32,
    /// The bits of the presence.
    bits: Option<Arc<Bits>>,
    shared: Arc<Shared>,
    /// Bars that came as they should.
    in_turn: u64,
    base_series: SeriesWriter,
    presence: Option<Arc<Presence>>,
    /// Coarser ones, finest first.
    derived: Vec<SeriesWriter>,
    /// What became of all others.
    others: IngestCounts,
    pub(super) entry: Arc<Entry>,
    /// One for each derived series.
    pub(super) aggregators: Vec<Aggregator>,
    pub(super) revisions: Vec<Revision>,
    /// Sessions whose history was asked for, by position in the table, rising.
    pub(super) history_sessions: Vec<usize>,
    /// Sessions of history to keep, where this symbol has a number of its own; few intervals.
    pub(super) history_days: Vec<(Interval, usize)>,
    pub(super) touched: Vec<Touched>,
    history_touched: Vec<i64>,
}

/// One expected bar of the session, and how the next one is found: the grid itself lies elsewhere.
#[derive(Debug, Clone, Copy)]
struct Slot {
    start: i64,
    slot: u32,
    /// See [`Grid::even_until`].
    even_until: u32,
    step: i64,
}

impl Slot {
    /// None: no bar starts then.
    const NONE: Self = Self {
        start: i64::MIN,
        slot: u32::MAX,
        even_until: 0,
        step: 0,
    };
}

impl SymbolWriter {
    pub(super) fn new(id: SymbolId, symbol: &str, base: Interval) -> Self {
        let shared = Arc::new(Shared::default());
        let base_series = SeriesWriter::new(base, false);
        let entry = Entry {
            id,
            symbol: symbol.into(),
            series: vec![base_series.series().clone()],
            shared: shared.clone(),
        };
        Self {
            entry: Arc::new(entry),
            shared,
            base_series,
            derived: Vec::new(),
            aggregators: Vec::new(),
            presence: None,
            column: 0,
            bits: None,
            metrics: Metrics::default(),
            expected: Slot::NONE,
            dirty: false,
            is_fresh: false,
            is_derived_from: false,
            in_turn: 0,
            others: IngestCounts::default(),
            revisions: Vec::new(),
            history_sessions: Vec::new(),
            history_days: Vec::new(),
            touched: Vec::new(),
            history_touched: Vec::new(),
        }
    }

    /// All series: the base first, then derived ones, finest first.
    pub(super) fn series(&self) -> impl Iterator<Item = &SeriesWriter> {
        std::iter::once(&self.base_series).chain(&self.derived)
    }

    pub(super) fn series_mut(&mut self) -> impl Iterator<Item = &mut SeriesWriter> {
        std::iter::once(&mut self.base_series).chain(&mut self.derived)
    }

    /// The series at a position of the entry.
    pub(super) fn series_at(&self, at: usize) -> Option<&SeriesWriter> {
        match at {
            0 => Some(&self.base_series),
            _ => self.derived.get(at - 1),
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
        let at = self
            .derived
            .partition_point(|s| s.series().interval() < interval);
        self.derived.insert(at, SeriesWriter::new(interval, true));
        self.is_derived_from = true;
        self.aggregators
            .insert(at, Aggregator::new(rule, policies.completeness));
        let history = self.base_series.history_rows();
        let earlier = self.base_series.bars_between(history, i64::MIN, i64::MAX);
        let mut sessions: Vec<usize> = earlier
            .iter()
            .filter_map(|bar| table.session_of(bar.ts))
            .collect();
        sessions.dedup();
        self.derive_target(at, table, &sessions, session, epoch, planned)?;
        let rows = self.base_series.session_rows();
        // A bucket that goes on from history has the session's bars already.
        let bars = match self.aggregators[at].forming_bucket() {
            Some(_) => Vec::new(),
            None => self.base_series.bars_between(rows, i64::MIN, i64::MAX),
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
        self.derived[at].publish();
        self.renumber(self.entry.id);
        Ok(())
    }

    /// Make the entry anew, with all series and this position.
    pub(super) fn renumber(&mut self, id: SymbolId) {
        self.entry = Arc::new(Entry {
            id,
            symbol: self.entry.symbol.clone(),
            series: self.series().map(|s| s.series().clone()).collect(),
            shared: self.shared.clone(),
        });
    }

    /// Intervals of all series: the base first, then derived ones, finest first.
    pub(super) fn intervals(&self) -> impl Iterator<Item = Interval> + '_ {
        self.series().map(|series| series.series().interval())
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
                self.derived[at].rewrite_history(|_, _| false, [bar], epoch);
            }
        }
        // With the bars of the buckets that have just ended.
        self.end_tapes(epoch, was_running);
        for ((series, &start), &bars) in self.series_mut().zip(history_starts).zip(expected) {
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
        for series in self.series_mut() {
            series.end_tape(epoch, was_running);
        }
    }

    /// Places behind the bars of the base series, where the rows that a replay brings wait for their time.
    pub(super) fn places(&mut self, rows: usize, added: u8, replay: u64) -> Places {
        self.base_series.places(rows, added, replay)
    }

    /// A replay is over.
    pub(super) fn end_replay(&mut self, replay: u64) {
        self.base_series.end_replay(replay);
    }

    /// The symbol goes.
    pub(super) fn end_for_ever(&mut self, epoch: u64) {
        for series in self.series_mut() {
            series.end_for_ever(epoch);
        }
    }

    pub(super) fn set_presence(&mut self, presence: Option<Arc<Presence>>) {
        self.shared.presence.store(presence.clone());
        let first = presence.as_ref().and_then(|presence| {
            let grid = presence.grid();
            let first = Slot {
                start: grid.open(),
                slot: 0,
                even_until: grid.even_until(),
                step: grid.step(),
            };
            (!grid.is_empty()).then_some(first)
        });
        self.expected = first.unwrap_or(Slot::NONE);
        let bits = presence.as_ref().map(|presence| presence.bits());
        (self.bits, self.column) =
            bits.map_or((None, 0), |(bits, column)| (Some(bits.clone()), column));
        self.presence = presence;
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
        self.is_derived_from
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

    pub(super) fn presence(&self) -> Option<&Arc<Presence>> {
        self.presence.as_ref()
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
        let series = &mut self.derived[at - 1];
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
            self.base_series.publish();
            self.shared.metrics.store(&self.metrics);
            self.shared.latest.store(Some(bar), epoch);
        }
    }

    pub(super) fn publish(&mut self, epoch: u64) {
        if std::mem::take(&mut self.dirty) {
            let newest = self.base_series.newest_bar();
            self.series_mut().for_each(SeriesWriter::publish);
            self.shared.metrics.store(&self.metrics);
            self.shared.latest.store(newest.as_ref(), epoch);
        }
    }
}

/// Only the writer stores, so load and store need not be one operation.
fn add(cell: &AtomicU64, n: u64) {
    cell.store(cell.load(Relaxed) + n, Relaxed);
}
