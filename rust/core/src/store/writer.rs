//! The rules for arriving bars: one outcome each, buckets end on the clock, everything becomes visible as one epoch.

use std::collections::HashMap;
use std::sync::Arc;

use crate::bar::{Bar, EXTENDED, IMPORTED};
use crate::columns::Columns;
use crate::error::{Error, Result};
use crate::gap::Presence;
use crate::schedule::{Grid, SessionTable, Stretch};
use crate::store::symbol::{Home, SymbolWriter};
use crate::store::{
    Directory, IngestCounts, OnDuplicate, OnInvalid, Outcome, Policies, Quarantined, Revision,
    SessionState, SymbolId,
};
use crate::time::Interval;

/// How many invalid rows an error lists.
const LISTED: usize = 10;

/// What happened to a series in one instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ChangeKind {
    /// A new bar at the end.
    New,
    /// A bar inserted before the newest.
    Late,
    /// A bar with new values.
    Corrected,
}

/// A bar that became known in one instant.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Change {
    /// Whose.
    pub symbol: SymbolId,
    /// Position of the series in its entry: 0 is the base.
    pub series: u16,
    /// Interval of the series.
    pub interval: Interval,
    /// What happened.
    pub kind: ChangeKind,
    /// The bar.
    pub bar: Bar,
    /// Base bars in it, 0 for a base bar.
    pub constituents: u32,
    /// Its end.
    pub end: i64,
}

/// How a session begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionStart {
    /// Session date, days since 1970-01-01.
    pub day: i32,
    /// The time that belongs to the date; for a date without trading its 24 hours.
    pub span: Stretch,
    /// Whether the session that stands becomes history (or is dropped).
    pub roll: bool,
}

/// What became of a batch.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct BatchReport {
    /// Counts of this batch.
    pub counts: IngestCounts,
    /// Invalid rows that were skipped: row, field, value, rule.
    pub skipped: Vec<(usize, &'static str, f64, &'static str)>,
}

#[derive(Debug, Clone)]
struct Current {
    day: i32,
    index: Option<usize>,
    span: Stretch,
}

/// The writing side of a store.
#[derive(Debug)]
pub struct Writer {
    policies: Policies,
    table: Option<Arc<SessionTable>>,
    symbols: Vec<SymbolWriter>,
    directory: Directory,
    directory_changed: bool,
    session: Option<Current>,
    session_state: SessionState,
    session_changed: bool,
    grids: HashMap<Interval, Arc<Grid>>,
    /// Sessions of history to keep per interval when a session rolls; all where nothing is said.
    history_days: HashMap<Interval, usize>,
    default_history_days: Option<usize>,
    clock: i64,
    /// Whether a replay moves the clock.
    coordinated: bool,
    /// Earliest end of a forming bucket.
    next_end: i64,
    /// Number of the epoch being written.
    epoch: u64,
    unpublished: bool,
    dirty: Vec<u32>,
    unsettled: Vec<u32>,
    quarantine: Vec<Quarantined>,
    changes: Vec<Change>,
    collects: bool,
}

impl Writer {
    pub(super) fn new(policies: Policies) -> Self {
        Self {
            policies,
            table: None,
            symbols: Vec::new(),
            directory: Directory::default(),
            directory_changed: false,
            session: None,
            session_state: SessionState::default(),
            session_changed: false,
            grids: HashMap::new(),
            history_days: HashMap::new(),
            default_history_days: None,
            clock: i64::MIN,
            coordinated: false,
            next_end: i64::MAX,
            epoch: 1,
            unpublished: false,
            dirty: Vec::new(),
            unsettled: Vec::new(),
            quarantine: Vec::new(),
            changes: Vec::new(),
            collects: false,
        }
    }

    /// The policies.
    pub fn policies(&self) -> &Policies {
        &self.policies
    }

    /// Clock of the store, ns UTC.
    pub fn clock(&self) -> i64 {
        self.clock
    }

    /// Give the store its session table.
    pub fn set_table(&mut self, table: Arc<SessionTable>) {
        self.table = Some(table);
    }

    /// Sessions of history to keep when a session rolls: for one interval, or for all without one of their own.
    pub fn set_history_days(&mut self, interval: Option<Interval>, days: usize) {
        match interval {
            Some(interval) => {
                self.history_days.insert(interval, days);
            }
            None => self.default_history_days = Some(days),
        }
    }

    /// Keep a symbol with a base interval and derived ones. Doing so again adds derived intervals.
    ///
    /// # Errors
    /// [`Error::SeriesConflict`] for another base, [`Error::NotDivisible`] and [`Error::TooCoarse`] for derived intervals,
    /// [`Error::NoSession`] without a table. Nothing changes then.
    pub fn register(
        &mut self,
        symbol: &str,
        base: Option<Interval>,
        derived: &[Interval],
    ) -> Result<SymbolId> {
        let known = self.directory.get(symbol).map(|entry| entry.id);
        let stands = known.map(|id| self.symbols[id.0 as usize].base());
        let interval = base.or(stands).unwrap_or(Interval::ONE_MINUTE);
        if let Some(stands) = stands.filter(|&stands| stands != interval) {
            return Err(Error::SeriesConflict {
                symbol: symbol.to_owned(),
                asked: interval,
                base: stands,
            });
        }
        for &target in derived {
            if target == interval {
                return Err(Error::SeriesConflict {
                    symbol: symbol.to_owned(),
                    asked: target,
                    base: interval,
                });
            }
            if !interval.divides(target) {
                return Err(Error::NotDivisible {
                    base: interval,
                    target,
                });
            }
            if !matches!(target, Interval::Fixed(_) | Interval::Sessions(1)) {
                return Err(Error::TooCoarse { interval: target });
            }
            if self.table.is_none() {
                return Err(Error::NoSession {
                    what: "derived intervals need a session table",
                });
            }
        }
        let id = known.unwrap_or(SymbolId(self.symbols.len() as u32));
        if known.is_none() {
            let mut writer = SymbolWriter::new(id, symbol, interval);
            let presence = self.new_presence(interval)?;
            let expected = self.expected_bars();
            writer.start_session(presence, false, |_| i64::MIN, expected, self.epoch);
            self.directory
                .by_symbol
                .insert(symbol.into(), self.symbols.len());
            self.directory.entries.push(writer.entry.clone());
            self.symbols.push(writer);
            self.directory_changed = true;
            self.mark(id);
        }
        let Some(table) = self.table.clone() else {
            return Ok(id);
        };
        for &target in derived {
            let at = id.0 as usize;
            if self.symbols[at].entry.find(target).is_none() {
                self.symbols[at].add_derived(
                    target,
                    &table,
                    &self.policies,
                    self.clock,
                    self.epoch,
                )?;
                self.directory.entries[at] = self.symbols[at].entry.clone();
                self.directory_changed = true;
                self.refresh_next_end();
                self.mark(id);
            }
        }
        Ok(id)
    }

    fn new_presence(&mut self, interval: Interval) -> Result<Option<Arc<Presence>>> {
        Ok(self
            .grid(interval)?
            .map(|grid| Arc::new(Presence::new(grid))))
    }

    /// The current session's grid of an interval; none without a schedule.
    fn grid(&mut self, interval: Interval) -> Result<Option<Arc<Grid>>> {
        let index = self.session.as_ref().and_then(|session| session.index);
        let (Some(index), Some(table)) = (index, &self.table) else {
            return Ok(None);
        };
        if let Some(grid) = self.grids.get(&interval) {
            return Ok(Some(grid.clone()));
        }
        let grid = Arc::new(table.grid(index, interval)?);
        self.grids.insert(interval, grid.clone());
        Ok(Some(grid))
    }

    /// How many bars of an interval the current session expects.
    fn expected_bars(&self) -> impl Fn(Interval) -> usize + use<> {
        let index = self.session.as_ref().and_then(|session| session.index);
        let table = self.table.clone();
        move |interval| {
            let grid = index
                .zip(table.as_ref())
                .and_then(|(index, table)| table.grid(index, interval).ok());
            grid.map_or(0, |grid| grid.len() as usize)
        }
    }

    /// Begin a session: bars, figures and counters of the old one go or become history; symbols stay.
    ///
    /// # Errors
    /// Those of [`SessionTable::grid`].
    pub fn start_session(&mut self, start: SessionStart) -> Result<()> {
        let table = self.table.clone();
        let index = table.as_ref().and_then(|table| table.index_of(start.day));
        let ended = self.session.as_ref().and_then(|session| session.index);
        self.session = Some(Current {
            day: start.day,
            index,
            span: start.span,
        });
        self.grids.clear();
        let first_kept = |days: Option<usize>| {
            let (Some(table), Some(days)) = (&table, days) else {
                return 0;
            };
            table
                .columns()
                .dates
                .partition_point(|&date| date < start.day)
                .saturating_sub(days)
        };
        let kept_from = |interval: Interval| {
            first_kept(
                self.history_days
                    .get(&interval)
                    .copied()
                    .or(self.default_history_days),
            )
        };
        let history_start = |interval: Interval| {
            let first = kept_from(interval);
            // Nothing is cut where all is kept.
            if first == 0 {
                i64::MIN
            } else {
                table
                    .as_ref()
                    .map_or(i64::MIN, |table| table.session(first).span.start)
            }
        };
        let expected = self.expected_bars();
        for at in 0..self.symbols.len() {
            let base = self.symbols[at].base();
            let grid = match (&table, index) {
                (Some(table), Some(index)) => Some(Arc::new(table.grid(index, base)?)),
                _ => None,
            };
            let presence = grid.map(|grid| Arc::new(Presence::new(grid)));
            self.symbols[at].start_session(
                presence,
                start.roll,
                history_start,
                &expected,
                self.epoch,
            );
            if start.roll {
                let first = kept_from(base);
                self.symbols[at].cover_history(ended.as_slice());
                self.symbols[at]
                    .history_sessions
                    .retain(|&session| session >= first);
            }
        }
        for at in 0..self.symbols.len() {
            self.mark(SymbolId(at as u32));
        }
        self.clock = start.span.start;
        self.next_end = i64::MAX;
        self.session_state = SessionState {
            date: Some(start.day),
            ended: false,
        };
        self.session_changed = true;
        self.unpublished = true;
        Ok(())
    }

    /// End the session: the clock goes to the close, the last buckets end. Everything stays readable.
    ///
    /// # Errors
    /// [`Error::NoSession`] without one.
    pub fn end_session(&mut self) -> Result<()> {
        let Some(session) = &self.session else {
            return Err(Error::NoSession {
                what: "no session has been started",
            });
        };
        let close = session
            .index
            .zip(self.table.as_ref())
            .map(|(index, table)| table.session(index).close);
        self.advance(self.clock.max(close.unwrap_or(i64::MIN)))?;
        self.session_state.ended = true;
        self.session_changed = true;
        self.unpublished = true;
        Ok(())
    }

    /// Empty the session's bars of all symbols; the session goes on.
    ///
    /// # Errors
    /// Those of [`SessionTable::grid`].
    pub fn clear_session(&mut self) -> Result<()> {
        match self.session.clone() {
            Some(Current { day, span, .. }) => {
                let ended = self.session_state.ended;
                self.start_session(SessionStart {
                    day,
                    span,
                    roll: false,
                })?;
                self.session_state.ended = ended;
            }
            None => {
                for at in 0..self.symbols.len() {
                    self.symbols[at].start_session(None, false, |_| i64::MIN, |_| 0, self.epoch);
                    self.mark(SymbolId(at as u32));
                }
                self.clock = i64::MIN;
                self.next_end = i64::MAX;
            }
        }
        Ok(())
    }

    /// Empty the history of all symbols.
    pub fn clear_history(&mut self) {
        for at in 0..self.symbols.len() {
            let epoch = self.epoch;
            self.symbols[at]
                .series
                .iter_mut()
                .for_each(|series| series.clear_history(epoch));
            self.symbols[at].history_sessions.clear();
            self.mark(SymbolId(at as u32));
        }
    }

    /// Forget symbols, bars, counters and the session.
    pub fn clear_all(&mut self) {
        let fresh = Self::new(self.policies);
        let (table, epoch, coordinated) = (self.table.take(), self.epoch, self.coordinated);
        let (days, default_days) = (
            std::mem::take(&mut self.history_days),
            self.default_history_days,
        );
        *self = Self {
            table,
            epoch,
            coordinated,
            history_days: days,
            default_history_days: default_days,
            directory_changed: true,
            session_changed: true,
            unpublished: true,
            ..fresh
        };
    }

    /// Take over the clock, or give it back.
    pub(crate) fn set_coordinated(&mut self, coordinated: bool) {
        self.coordinated = coordinated;
    }

    /// Whether changes are kept for [`Writer::take_changes`].
    pub(crate) fn collect_changes(&mut self, collects: bool) {
        self.collects = collects;
    }

    /// The changes of this instant: by symbol, base first, then ascending.
    pub(crate) fn take_changes(&mut self) -> Vec<Change> {
        let mut changes = std::mem::take(&mut self.changes);
        changes.sort_by_key(|change| (change.symbol, change.series, change.bar.ts));
        changes
    }

    fn home(&self, symbol: usize, ts: i64) -> Home {
        let Some(session) = &self.session else {
            return Home::Regular(None);
        };
        if ts < session.span.start {
            return Home::History;
        }
        if ts >= session.span.end {
            return Home::Nowhere("later_session");
        }
        let Some(presence) = self.symbols[symbol].presence() else {
            return Home::Extended;
        };
        match presence.grid().slot_of(ts) {
            Some(slot) => Home::Regular(Some(slot)),
            None if presence.grid().bucket_of(ts).is_some() => Home::Nowhere("off_grid"),
            None => Home::Extended,
        }
    }

    /// When a base bar is known; its start where nothing bounds it.
    fn end_of(&self, symbol: usize, ts: i64, home: Home) -> i64 {
        let writer = &self.symbols[symbol];
        match (home, writer.presence(), &self.table) {
            (Home::Regular(Some(slot)), Some(presence), _) => presence.grid().end_of(slot),
            (_, _, Some(table)) => table.bar_end(ts, writer.base()).unwrap_or(ts),
            (_, _, None) => ts.saturating_add(writer.base().ns().unwrap_or(0)),
        }
    }

    /// Offer one bar and draw all its consequences.
    ///
    /// # Errors
    /// [`Error::InvalidBar`], [`Error::DuplicateBar`]; the bar counts as rejected and nothing is stored.
    pub fn offer(&mut self, id: SymbolId, bar: Bar) -> Result<Outcome> {
        let (outcome, end) = self.place(id, bar, 0)?;
        self.settle_all()?;
        if !self.coordinated {
            self.advance(self.clock.max(end))?;
        }
        Ok(outcome)
    }

    /// Offer one bar of an instant that [`Writer::finish_instant`] completes.
    pub(crate) fn deliver(&mut self, id: SymbolId, bar: Bar) -> Result<Outcome> {
        self.place(id, bar, 0).map(|(outcome, _)| outcome)
    }

    /// All bars of an instant are in: late ones are settled, the clock moves, buckets end.
    pub(crate) fn finish_instant(&mut self, clock: i64) -> Result<()> {
        self.settle_all()?;
        self.advance(clock)
    }

    fn place(&mut self, id: SymbolId, bar: Bar, row: usize) -> Result<(Outcome, i64)> {
        let at = id.0 as usize;
        if let Some(fault) = bar.fault(self.policies.allow_negative_prices) {
            self.symbols[at].counts.count(Outcome::Rejected);
            return Err(Error::InvalidBar {
                symbol: self.symbols[at].entry.symbol.to_string(),
                ts: bar.ts,
                row,
                field: fault.field,
                value: fault.value,
                rule: fault.rule,
            });
        }
        let home = self.home(at, bar.ts);
        let end = self.end_of(at, bar.ts, home);
        let (epoch, policies) = (self.epoch, self.policies);
        let outcome = self.symbols[at].place(bar, home, &policies, epoch)?;
        self.mark(id);
        match outcome {
            Outcome::Accepted if home != Home::History => self.accepted(id, bar, home, end)?,
            Outcome::Late | Outcome::Correction if home != Home::History => {
                self.touched(id, home, end)
            }
            Outcome::Late | Outcome::Correction | Outcome::Accepted => self.unsettled.push(id.0),
            Outcome::Quarantined => {
                if let Home::Nowhere(reason) = home {
                    let symbol = self.symbols[at].entry.symbol.to_string();
                    let interval = self.symbols[at].base();
                    self.quarantine.push(Quarantined {
                        symbol,
                        interval,
                        bar,
                        reason,
                    });
                }
                // A bar without a place says nothing about the time.
                return Ok((outcome, i64::MIN));
            }
            Outcome::Duplicate | Outcome::Rejected => {}
        }
        Ok((outcome, end))
    }

    fn accepted(&mut self, id: SymbolId, mut bar: Bar, home: Home, end: i64) -> Result<()> {
        if home == Home::Extended {
            bar.flags |= EXTENDED;
        }
        self.note(id, 0, ChangeKind::New, bar, 0, end);
        if home == Home::Extended {
            return Ok(());
        }
        let at = id.0 as usize;
        let mut ended = Vec::new();
        let symbol = &mut self.symbols[at];
        let table = self.table.as_deref();
        let is_past = symbol.follow(&bar, table, self.clock, |series, derived| {
            ended.push((series, derived));
        })?;
        if is_past {
            self.unsettled.push(id.0);
        }
        for aggregator in &symbol.aggregators {
            if let Some(bucket) = aggregator.forming_bucket() {
                self.next_end = self.next_end.min(bucket.end);
            }
        }
        for (series, derived) in ended {
            self.emit(id, series, &derived);
        }
        Ok(())
    }

    fn touched(&mut self, id: SymbolId, home: Home, end: i64) {
        let Some(touch) = self.symbols[id.0 as usize].touched.last().copied() else {
            return;
        };
        self.unsettled.push(id.0);
        let mut bar = touch.bar;
        if home == Home::Extended {
            bar.flags |= EXTENDED;
        }
        // A bar that is corrected in the instant in which it came is still new to everybody.
        let fresh = self
            .changes
            .iter_mut()
            .rev()
            .find(|c| c.symbol == id && c.series == 0 && c.bar.ts == bar.ts);
        if let Some(change) = fresh {
            change.bar = bar;
        } else {
            let kind = if touch.is_correction {
                ChangeKind::Corrected
            } else {
                ChangeKind::Late
            };
            self.note(id, 0, kind, bar, 0, end);
        }
    }

    fn emit(&mut self, id: SymbolId, series: usize, derived: &crate::aggregate::Derived) {
        self.symbols[id.0 as usize].emit(series, derived, self.epoch);
        self.note(
            id,
            series,
            ChangeKind::New,
            derived.bar,
            derived.constituents,
            derived.end,
        );
        self.mark(id);
    }

    fn note(
        &mut self,
        symbol: SymbolId,
        series: usize,
        kind: ChangeKind,
        bar: Bar,
        constituents: u32,
        end: i64,
    ) {
        if self.collects {
            let interval = self.symbols[symbol.0 as usize].series[series]
                .series()
                .interval();
            self.changes.push(Change {
                symbol,
                series: series as u16,
                interval,
                kind,
                bar,
                constituents,
                end,
            });
        }
    }

    fn settle_all(&mut self) -> Result<()> {
        if self.unsettled.is_empty() {
            return Ok(());
        }
        let mut ids = std::mem::take(&mut self.unsettled);
        ids.sort_unstable();
        ids.dedup();
        for id in ids {
            self.settle(SymbolId(id))?;
        }
        self.refresh_next_end();
        Ok(())
    }

    fn settle(&mut self, id: SymbolId) -> Result<()> {
        let at = id.0 as usize;
        let table = self.table.clone();
        let presence = self.symbols[at].presence().cloned();
        let has_session = self.session.is_some();
        let is_regular = |ts: i64| {
            presence.as_ref().map_or(!has_session, |presence| {
                presence.grid().slot_of(ts).is_some()
            })
        };
        let mut changed = Vec::new();
        self.symbols[at].settle(
            table.as_deref(),
            is_regular,
            self.clock,
            self.epoch,
            |series, derived, is_correction| {
                changed.push((series, derived, is_correction));
            },
        )?;
        for (series, derived, is_correction) in changed {
            let kind = if is_correction {
                ChangeKind::Corrected
            } else {
                ChangeKind::Late
            };
            self.note(
                id,
                series,
                kind,
                derived.bar,
                derived.constituents,
                derived.end,
            );
        }
        self.mark(id);
        Ok(())
    }

    /// Earliest end of a bucket that is forming.
    pub fn next_end(&self) -> Option<i64> {
        (self.next_end != i64::MAX).then_some(self.next_end)
    }

    fn refresh_next_end(&mut self) {
        let forming = self
            .symbols
            .iter()
            .flat_map(|s| &s.aggregators)
            .filter_map(|a| a.forming_bucket());
        self.next_end = forming.map(|bucket| bucket.end).min().unwrap_or(i64::MAX);
    }

    /// Move the clock and end the buckets that it reached.
    fn advance(&mut self, clock: i64) -> Result<()> {
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

    /// Offer a batch as one arrival: put in order first, then row by row; all or nothing where invalid rows are errors.
    /// `on_invalid` overrides the store's policy.
    ///
    /// # Errors
    /// [`Error::InvalidBars`] with the first ten, [`Error::DuplicateBar`]; all rows count as rejected.
    pub fn offer_batch(
        &mut self,
        id: SymbolId,
        columns: &Columns,
        on_invalid: Option<OnInvalid>,
    ) -> Result<BatchReport> {
        let at = id.0 as usize;
        let before = self.symbols[at].counts;
        let invalid = columns.find_invalid(self.policies.allow_negative_prices);
        let reject_all = |symbol: &mut SymbolWriter| {
            (0..columns.len()).for_each(|_| symbol.counts.count(Outcome::Rejected));
        };
        if !invalid.is_empty() && on_invalid.unwrap_or(self.policies.on_invalid) == OnInvalid::Error
        {
            reject_all(&mut self.symbols[at]);
            let first = invalid.iter().take(LISTED);
            return Err(Error::InvalidBars {
                symbol: self.symbols[at].entry.symbol.to_string(),
                first: first
                    .map(|(row, f)| (*row, columns.ts[*row], f.field, f.value, f.rule))
                    .collect(),
                total: invalid.len(),
            });
        }
        let is_bad: std::collections::HashSet<usize> =
            invalid.iter().map(|(row, _)| *row).collect();
        let mut rows: Vec<usize> = (0..columns.len())
            .filter(|row| !is_bad.contains(row))
            .collect();
        rows.sort_by_key(|&row| columns.ts[row]);
        if self.policies.on_duplicate == OnDuplicate::Error {
            let repeats = rows.windows(2).find(|pair| {
                let (a, b) = (columns.bar(pair[0]), columns.bar(pair[1]));
                a.ts == b.ts && !a.same_values(&b)
            });
            let stored = rows.iter().find(|&&row| {
                let bar = columns.bar(row);
                self.symbols[at].conflicts(&bar, self.home(at, bar.ts))
            });
            if let Some(&row) = stored.or(repeats.map(|pair| &pair[1])) {
                reject_all(&mut self.symbols[at]);
                return Err(Error::DuplicateBar {
                    symbol: self.symbols[at].entry.symbol.to_string(),
                    interval: self.symbols[at].base(),
                    ts: columns.ts[row],
                });
            }
        }
        for _ in &invalid {
            self.symbols[at].counts.count(Outcome::Rejected);
        }
        let mut latest = self.clock;
        for row in rows {
            let (_, end) = self.place(id, columns.bar(row), row)?;
            latest = latest.max(end);
        }
        self.settle_all()?;
        if !self.coordinated {
            self.advance(latest)?;
        }
        let skipped = invalid
            .into_iter()
            .map(|(row, f)| (row, f.field, f.value, f.rule))
            .collect();
        Ok(BatchReport {
            counts: self.symbols[at].counts.since(&before),
            skipped,
        })
    }

    /// Load bars of earlier sessions. `sessions` names, by position in the table, the ones that were asked for, so that a
    /// session without any bar counts as missing. Bars of a derived interval enter its series where none is yet.
    ///
    /// # Errors
    /// As [`Writer::offer_batch`]; [`Error::SeriesConflict`] when the interval is neither the base nor derived.
    pub fn load_history(
        &mut self,
        id: SymbolId,
        interval: Interval,
        sessions: &[usize],
        columns: &Columns,
    ) -> Result<BatchReport> {
        let at = id.0 as usize;
        let mut imported = columns.clone();
        imported
            .flags
            .iter_mut()
            .for_each(|flags| *flags |= IMPORTED);
        if interval != self.symbols[at].base() {
            if !self.symbols[at].add_derived_history(interval, &imported, self.epoch) {
                let symbol = self.symbols[at].entry.symbol.to_string();
                return Err(Error::SeriesConflict {
                    symbol,
                    asked: interval,
                    base: self.symbols[at].base(),
                });
            }
            self.mark(id);
            return Ok(BatchReport::default());
        }
        let clock = self.clock;
        let report = self.offer_batch(id, &imported, None)?;
        // What was known before the session says nothing about its time.
        self.clock = clock;
        self.symbols[at].cover_history(sessions);
        Ok(report)
    }

    /// Counts of one symbol since it is kept.
    pub fn counts(&self, id: SymbolId) -> IngestCounts {
        self.symbols[id.0 as usize].counts
    }

    /// Corrections of one symbol, oldest first.
    pub fn revisions(&self, id: SymbolId) -> &[Revision] {
        &self.symbols[id.0 as usize].revisions
    }

    /// Sessions of history that were asked for, by position in the table.
    pub fn history_sessions(&self, id: SymbolId) -> &[usize] {
        &self.symbols[id.0 as usize].history_sessions
    }

    /// The bar of a derived series that is still forming.
    pub fn forming_bar(
        &self,
        id: SymbolId,
        interval: Interval,
    ) -> Option<crate::aggregate::Derived> {
        let symbol = &self.symbols[id.0 as usize];
        let at = symbol
            .series
            .iter()
            .position(|series| series.series().interval() == interval)?;
        symbol.aggregators.get(at.checked_sub(1)?)?.forming_bar()
    }

    /// Bars without a place, in order of arrival.
    pub fn quarantine(&self) -> &[Quarantined] {
        &self.quarantine
    }

    fn mark(&mut self, id: SymbolId) {
        self.unpublished = true;
        if self.dirty.last() != Some(&id.0) {
            self.dirty.push(id.0);
        }
        self.symbols[id.0 as usize].dirty = true;
    }

    pub(super) fn has_unpublished(&self) -> bool {
        self.unpublished
    }

    pub(super) fn take_directory(&mut self) -> Option<Directory> {
        std::mem::take(&mut self.directory_changed).then(|| self.directory.clone())
    }

    pub(super) fn take_session_state(&mut self) -> Option<SessionState> {
        std::mem::take(&mut self.session_changed).then_some(self.session_state)
    }

    pub(super) fn publish_series(&mut self) -> u64 {
        for id in std::mem::take(&mut self.dirty) {
            if let Some(symbol) = self.symbols.get_mut(id as usize) {
                symbol.publish();
            }
        }
        self.unpublished = false;
        let epoch = self.epoch;
        self.epoch += 1;
        epoch
    }
}
