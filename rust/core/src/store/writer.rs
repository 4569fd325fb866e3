//! The writing side of a store: who is kept, what is pending, what becomes visible as one epoch.

mod arrival;
mod batch;
mod clock;
mod followed;
mod home;
mod replay;
mod session;
mod settle;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;

use crate::aggregate::resample::Planned;
use crate::aggregate::{Day, Rule};
use crate::bar::Bar;
use crate::error::{Error, Result};
use crate::gap::Presences;
use crate::merge::Items;
use crate::schedule::{ExtendedGrids, Grid, Stretch};
use crate::series::NO_REPLAY;
use crate::session_table::SessionTable;
use crate::store::symbol::SymbolWriter;
use crate::store::{
    Directory, Entry, IngestCounts, Policies, Quarantined, Revision, SessionState, SymbolId,
};
use crate::time::Interval;
pub(crate) use followed::Place;

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
}

/// Which changes are kept for [`Writer::take_changes`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Collect {
    /// None.
    Nothing,
    /// All but bars that are delivered and are the ones that should come next.
    Others,
    /// All.
    All,
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

/// The expected bars of one earlier session.
#[derive(Debug)]
struct HistoryGrid {
    interval: Interval,
    span: Stretch,
    grid: Grid,
    /// Empty where pre- and post-market take no part.
    extended: ExtendedGrids,
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
    grids: BTreeMap<Interval, Arc<Grid>>,
    presences: BTreeMap<Interval, Presences>,
    /// Pre- and post-market of the current session, where they take part; few intervals.
    extended: Vec<(Interval, ExtendedGrids)>,
    /// The grid that was asked for last of an earlier session: as a rule the next bar belongs to it too.
    history_grid: RefCell<Option<HistoryGrid>>,
    /// Sessions of history to keep per interval when a session rolls; all where nothing is said.
    history_days: BTreeMap<Interval, usize>,
    default_history_days: Option<usize>,
    clock: i64,
    /// How many move the clock: replays, live sessions.
    coordinators: usize,
    /// How many replays began.
    replays: u64,
    /// Memory of the windows of the last one, for the next: the system would have to clear other memory.
    windows: Vec<Items<Bar>>,
    /// Earliest end of a forming bucket.
    next_end: i64,
    /// Number of the epoch being written.
    epoch: u64,
    unpublished: bool,
    /// Symbols with nothing to publish but one bar that came as it should.
    fresh: Vec<u32>,
    /// The bars of those that are not shown yet: one behind the other, not strewn over all that is known of the symbols.
    fresh_bars: Vec<Bar>,
    /// How many of `fresh` are shown.
    shown: usize,
    /// Symbols with something else to publish.
    dirty: Vec<u32>,
    unsettled: Vec<u32>,
    quarantine: Vec<Quarantined>,
    changes: Vec<Change>,
    collects: Collect,
    /// Derived bars emitted since the store exists.
    derived_bars: u64,
    /// Buckets of the sessions for which derived bars of history were computed last.
    planned: Planned,
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
            grids: BTreeMap::new(),
            presences: BTreeMap::new(),
            extended: Vec::new(),
            history_grid: RefCell::new(None),
            history_days: BTreeMap::new(),
            default_history_days: None,
            clock: i64::MIN,
            coordinators: 0,
            replays: NO_REPLAY,
            windows: Vec::new(),
            next_end: i64::MAX,
            epoch: 1,
            unpublished: false,
            fresh: Vec::new(),
            fresh_bars: Vec::new(),
            shown: 0,
            dirty: Vec::new(),
            unsettled: Vec::new(),
            quarantine: Vec::new(),
            changes: Vec::new(),
            collects: Collect::Nothing,
            derived_bars: 0,
            planned: Planned::default(),
        }
    }

    /// Derived bars emitted since the store exists.
    pub(crate) fn derived_bars(&self) -> u64 {
        self.derived_bars
    }

    /// The policies.
    pub fn policies(&self) -> &Policies {
        &self.policies
    }

    /// Clock of the store, ns UTC.
    pub fn clock(&self) -> i64 {
        self.clock
    }

    /// The session table.
    pub(crate) fn table(&self) -> Option<Arc<SessionTable>> {
        self.table.clone()
    }

    /// Give the store its session table.
    pub fn set_table(&mut self, table: Arc<SessionTable>) {
        self.table = Some(table);
        self.planned = Planned::default();
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

    /// The same for one interval of one symbol; it goes before what is said for all symbols.
    pub fn set_history_days_of(&mut self, id: SymbolId, interval: Interval, days: usize) {
        let own = &mut self.symbols[id.0 as usize].history_days;
        match own.iter_mut().find(|known| known.0 == interval) {
            Some(known) => known.1 = days,
            None => own.push((interval, days)),
        }
    }

    /// Keep a symbol with a base interval and derived ones. Doing so again adds derived intervals.
    ///
    /// # Errors
    /// [`Error::SeriesConflict`] for another base, [`Error::NotDivisible`] for derived intervals, [`Error::Capacity`],
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
        if !derived.is_empty() && interval > Interval::ONE_DAY {
            return Err(Error::TooCoarse { interval });
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
            let Some(table) = &self.table else {
                return Err(Error::NoSession {
                    what: "derived intervals need a session table",
                });
            };
            // Whether buckets cut base bars in two shows in any session.
            if let Some(last) = table.len().checked_sub(1) {
                let rule = Rule {
                    base: interval,
                    target,
                    anchor: self.policies.anchor,
                    extended_hours: self.policies.extended_hours,
                };
                Day::new(table, last, rule)?;
            }
        }
        let id = known.unwrap_or(SymbolId(self.symbols.len() as u32));
        if known.is_none() && self.symbols.len() >= self.policies.max_symbols {
            return Err(Error::Capacity {
                symbol: symbol.to_owned(),
                limit: self.policies.max_symbols,
            });
        }
        if known.is_none() {
            let mut writer = SymbolWriter::new(id, symbol, interval);
            let presence = self.new_presence(interval);
            let expected = self.expected_bars(interval);
            writer.start_session(
                self.clock,
                presence,
                false,
                &[i64::MIN],
                &[expected],
                false,
                self.epoch,
            );
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
                    self.session.as_ref().map(|session| session.span),
                    (self.clock, self.epoch),
                    &mut self.planned,
                )?;
                self.directory.entries[at] = self.symbols[at].entry.clone();
                self.directory_changed = true;
                let forming = self.symbols[at].aggregators.iter();
                let ends = forming.filter_map(|a| a.forming_bucket()).map(|b| b.end);
                self.next_end = ends.fold(self.next_end, i64::min);
                self.mark(id);
            }
        }
        Ok(id)
    }

    /// Whether a session has been started.
    pub fn has_session(&self) -> bool {
        self.session.is_some()
    }

    /// Whether somebody else moves the clock.
    pub fn is_coordinated(&self) -> bool {
        self.coordinators > 0
    }

    /// Take over the clock.
    pub fn take_clock(&mut self) {
        self.coordinators += 1;
    }

    /// Give the clock back, once for each time it was taken over.
    pub fn return_clock(&mut self) {
        self.coordinators = self.coordinators.saturating_sub(1);
    }

    /// Which changes are kept for [`Writer::take_changes`].
    pub(crate) fn collect_changes(&mut self, collects: Collect) {
        self.collects = collects;
    }

    /// The changes of this instant that were kept, in order of arrival.
    pub(crate) fn take_changes(&mut self) -> Vec<Change> {
        std::mem::take(&mut self.changes)
    }

    /// Where a symbol is kept now.
    pub fn id_of(&self, symbol: &str) -> Option<SymbolId> {
        self.directory.get(symbol).map(|entry| entry.id)
    }

    /// Where a symbol is kept now, if bars of this interval are its base.
    pub fn base_series(&self, symbol: &str, interval: Interval) -> Option<SymbolId> {
        let id = self.id_of(symbol)?;
        (self.symbols[id.0 as usize].base() == interval).then_some(id)
    }

    /// Whether a symbol that was looked up before is still kept where it was.
    pub fn keeps(&self, entry: &Entry) -> bool {
        let here = self.symbols.get(entry.id.0 as usize);
        here.is_some_and(|writer| Arc::ptr_eq(&writer.entry.symbol, &entry.symbol))
    }

    /// Counts of one symbol since it is kept.
    pub fn counts(&self, id: SymbolId) -> IngestCounts {
        self.symbols[id.0 as usize].counts()
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
            .series()
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
        self.symbols[id.0 as usize].note_dirty();
    }

    /// The same for a bar that came as it should.
    #[inline(always)]
    fn mark_next(&mut self, id: SymbolId, bar: &Bar) {
        if self.symbols[id.0 as usize].note_fresh() {
            self.fresh.push(id.0);
            self.fresh_bars.push(*bar);
            self.unpublished = true;
        } else {
            self.mark(id);
        }
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

    /// Put the bars that came as they should where readers of the epoch that is being written will look, while what is written
    /// of their symbols is still in the nearest cache. No bar of these symbols may come before that epoch is out.
    pub(crate) fn show_fresh(&mut self) {
        for (&id, bar) in self.fresh[self.shown..].iter().zip(&self.fresh_bars) {
            if let Some(symbol) = self.symbols.get_mut(id as usize) {
                symbol.publish_fresh(bar, self.epoch);
            }
        }
        self.shown = self.fresh.len();
        self.fresh_bars.clear();
    }

    pub(super) fn publish_series(&mut self) -> u64 {
        self.show_fresh();
        self.fresh.clear();
        self.shown = 0;
        for id in self.dirty.drain(..) {
            if let Some(symbol) = self.symbols.get_mut(id as usize) {
                symbol.publish(self.epoch);
            }
        }
        self.unpublished = false;
        let epoch = self.epoch;
        self.epoch += 1;
        epoch
    }
}
