//! One bar after the other: its place, its outcome, what follows from it. Batches are in `batch`.

use crate::aggregate::Derived;
use crate::bar::{Bar, EXTENDED, Fault, STREAMED};
use crate::error::{Error, Result};
use crate::merge::Items;
use crate::schedule::{ExtendedHours, Role};
use crate::segment::Places;
use crate::series::NO_REPLAY;
use crate::store::symbol::Home;
use crate::store::writer::{Change, ChangeKind, Collect, HistoryGrid, Writer};
use crate::store::{Outcome, Quarantined, SymbolId};
use crate::time::Interval;

impl Writer {
    pub(super) fn home(&self, symbol: usize, ts: i64) -> Home {
        let Some(session) = &self.session else {
            return Home::Regular(None);
        };
        if ts < session.span.start {
            return self.home_in_history(symbol, ts);
        }
        if ts >= session.span.end {
            return Home::Nowhere("later_session");
        }
        let Some(presence) = self.symbols[symbol].presence() else {
            // A date without trading has no regular hours; bars longer than a session have no grid in one.
            return if session.index.is_none() {
                Home::Extended { takes_part: false }
            } else {
                Home::Regular(None)
            };
        };
        match presence.grid().slot_of(ts) {
            Some(slot) => Home::Regular(Some(slot)),
            None if presence.grid().is_trading(ts) => Home::Nowhere("off_grid"),
            None => self.home_outside(symbol, ts),
        }
    }

    /// Where a bar outside the regular hours of the current session belongs.
    fn home_outside(&self, symbol: usize, ts: i64) -> Home {
        let extended = self.extended(self.symbols[symbol].base());
        match extended.and_then(|grids| grids.grid_at(ts)) {
            None => Home::Extended { takes_part: false },
            Some(grid) if grid.slot_of(ts).is_some() => Home::Extended { takes_part: true },
            Some(_) => Home::Nowhere("off_grid"),
        }
    }

    /// Where a bar of an earlier session date belongs.
    fn home_in_history(&self, symbol: usize, ts: i64) -> Home {
        let Some(table) = &self.table else {
            return Home::History { is_extended: false };
        };
        let mut known = self.history_grid.borrow_mut();
        let base = self.symbols[symbol].base();
        if !known.as_ref().is_some_and(|known| {
            known.interval == base && (known.span.start..known.span.end).contains(&ts)
        }) {
            let grid = table.session_of(ts).and_then(|index| {
                // Bars longer than a session have no grid in one.
                let grid = table.grid(index, base).ok()?;
                Some(HistoryGrid {
                    interval: base,
                    span: table.session(index).span,
                    grid,
                    extended: self.extended_grids(table, index, base),
                })
            });
            *known = grid;
        }
        let is_between = |known: &HistoryGrid| {
            let extended = known.extended.grid_at(ts);
            let grid = extended.or_else(|| known.grid.is_trading(ts).then_some(&known.grid));
            grid.is_some_and(|grid| grid.slot_of(ts).is_none())
        };
        match known.as_ref() {
            Some(known) if is_between(known) => Home::OffGridInHistory,
            Some(known) => Home::History {
                is_extended: !known.grid.is_trading(ts),
            },
            // A date without trading, or a bar of several days.
            None => Home::History {
                is_extended: base.ns().is_some(),
            },
        }
    }

    /// When a base bar is known; its start where nothing bounds it.
    pub(super) fn end_of(&self, symbol: usize, ts: i64, home: Home) -> i64 {
        let writer = &self.symbols[symbol];
        match (home, writer.presence(), &self.table) {
            (Home::Regular(Some(_)), Some(presence), _) => presence.grid().end_at(ts),
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
        if !self.is_coordinated() {
            self.advance(self.clock.max(end))?;
        }
        Ok(outcome)
    }

    /// Look at what the next bars of some symbols will be put into. Many symbols do not fit into the nearest caches, and the
    /// processor waits for all of these at once, rather than for each when its bar comes.
    pub fn fetch(&self, ids: impl Iterator<Item = SymbolId>) {
        for id in ids {
            if let Some(symbol) = self.symbols.get(id.0 as usize) {
                std::hint::black_box(symbol.next_place());
            }
        }
    }

    /// A replay begins, which moves the clock: its number, and where the rows of each source wait for their time, given the
    /// symbol, interval and number of rows. They do where one source alone has the base bars of a symbol.
    pub(crate) fn begin_replay(
        &mut self,
        sources: &[(SymbolId, Interval, usize)],
    ) -> (u64, Vec<Option<Places>>) {
        self.take_clock();
        self.replays += 1;
        let mut many = vec![0_u32; self.symbols.len()];
        for (id, _, _) in sources {
            many[id.0 as usize] += 1;
        }
        let places = sources.iter().map(|&(id, interval, rows)| {
            let at = id.0 as usize;
            let symbol = &mut self.symbols[at];
            let is_alone = many[at] == 1 && symbol.base() == interval;
            is_alone.then(|| symbol.places(rows, STREAMED, self.replays))
        });
        let places = places.collect();
        (self.replays, places)
    }

    /// A replay is over, nobody puts rows in their places any more, and `windows` is memory for the next one.
    pub(crate) fn end_replay(&mut self, number: u64, windows: Vec<Items<Bar>>) {
        self.return_clock();
        for symbol in &mut self.symbols {
            symbol.end_replay(number);
        }
        self.windows = windows;
    }

    /// Memory for the windows of a replay, warm from the one before.
    pub(crate) fn take_windows(&mut self) -> Vec<Items<Bar>> {
        std::mem::take(&mut self.windows)
    }

    /// Offer one bar of an instant that [`Writer::finish_instant`] completes: of a replay, or [`NO_REPLAY`]. Says whether it
    /// is new as it is.
    pub(crate) fn deliver(&mut self, id: SymbolId, bar: &Bar, replay: u64) -> Result<bool> {
        let symbol = &mut self.symbols[id.0 as usize];
        if !bar.is_sound(self.policies.allow_negative_prices)
            || symbol.place_next(bar, self.epoch, replay).is_none()
        {
            return self.deliver_anywhere(id, bar, replay).map(|()| false);
        }
        let is_derived_from = symbol.is_derived_from();
        self.mark_next(id, bar);
        if self.collects == Collect::All {
            self.note(id, 0, ChangeKind::New, *bar, 0);
        }
        if is_derived_from {
            self.form(id, bar, Some(Role::Regular))?;
        }
        Ok(true)
    }

    /// The same for a bar that is not the one that should come next, or breaks a rule.
    #[cold]
    fn deliver_anywhere(&mut self, id: SymbolId, bar: &Bar, replay: u64) -> Result<()> {
        self.check(id, bar, 0)?;
        self.place_anywhere(id, *bar, replay).map(|_| ())
    }

    /// Offer a bar that arrives in a running session. One that ends after `latest` is kept aside: no clock is so wrong.
    pub(crate) fn arrive(&mut self, id: SymbolId, bar: Bar, latest: i64) -> Result<()> {
        let at = id.0 as usize;
        let home = self.home(at, bar.ts);
        if bar.fault(self.policies.allow_negative_prices).is_some()
            || self.end_of(at, bar.ts, home) <= latest
        {
            return self.deliver(id, &bar, NO_REPLAY).map(|_| ());
        }
        self.symbols[at].count(Outcome::Quarantined);
        self.put_aside(at, bar, "after_clock");
        self.mark(id);
        Ok(())
    }

    fn put_aside(&mut self, at: usize, bar: Bar, reason: &'static str) {
        self.quarantine.push(Quarantined {
            symbol: self.symbols[at].entry.symbol.to_string(),
            interval: self.symbols[at].base(),
            bar,
            reason,
        });
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

    /// All bars of an instant are in: late ones are settled, the clock moves, buckets end.
    pub(crate) fn finish_instant(&mut self, clock: i64) -> Result<()> {
        self.settle_all()?;
        self.advance(clock)
    }

    #[inline]
    fn check(&mut self, id: SymbolId, bar: &Bar, row: usize) -> Result<()> {
        match bar.fault(self.policies.allow_negative_prices) {
            None => Ok(()),
            Some(fault) => Err(self.reject(id, bar, row, fault)),
        }
    }

    #[cold]
    fn reject(&mut self, id: SymbolId, bar: &Bar, row: usize, fault: Fault) -> Error {
        let symbol = &mut self.symbols[id.0 as usize];
        symbol.count(Outcome::Rejected);
        Error::InvalidBar {
            symbol: symbol.entry.symbol.to_string(),
            ts: bar.ts,
            row,
            field: fault.field,
            value: fault.value,
            rule: fault.rule,
        }
    }

    /// Check a bar and put it in its place. Returns when it is known too; a bar without a place says nothing about time.
    pub(super) fn place(&mut self, id: SymbolId, bar: Bar, row: usize) -> Result<(Outcome, i64)> {
        self.check(id, &bar, row)?;
        let symbol = &mut self.symbols[id.0 as usize];
        let is_derived_from = symbol.is_derived_from();
        let (outcome, home) = match symbol.place_next(&bar, self.epoch, NO_REPLAY) {
            Some(home) => {
                self.mark_next(id, &bar);
                self.note(id, 0, ChangeKind::New, bar, 0);
                if is_derived_from {
                    self.form(id, &bar, Some(Role::Regular))?;
                }
                (Outcome::Accepted, home)
            }
            None => self.place_anywhere(id, bar, NO_REPLAY)?,
        };
        let end = match outcome {
            Outcome::Quarantined => i64::MIN,
            _ => self.end_of(id.0 as usize, bar.ts, home),
        };
        Ok((outcome, end))
    }

    fn place_anywhere(&mut self, id: SymbolId, bar: Bar, replay: u64) -> Result<(Outcome, Home)> {
        let at = id.0 as usize;
        let home = self.home(at, bar.ts);
        let policies = self.policies;
        let now = (self.clock, self.epoch);
        let outcome = self.symbols[at].place(bar, home, &policies, now, replay)?;
        self.mark(id);
        match outcome {
            Outcome::Accepted if !home.is_history() => self.accepted(id, bar, home)?,
            Outcome::Late | Outcome::Correction if !home.is_history() => self.touched(id, home),
            Outcome::Late | Outcome::Correction | Outcome::Accepted => self.unsettled.push(id.0),
            Outcome::Quarantined => {
                let reason = match home {
                    Home::Nowhere(reason) => Some(reason),
                    Home::OffGridInHistory => Some("off_grid"),
                    Home::Regular(_) | Home::Extended { .. } | Home::History { .. } => None,
                };
                if let Some(reason) = reason {
                    self.put_aside(at, bar, reason);
                }
            }
            Outcome::Duplicate | Outcome::Rejected => {}
        }
        Ok((outcome, home))
    }

    fn accepted(&mut self, id: SymbolId, mut bar: Bar, home: Home) -> Result<()> {
        if home.is_extended() {
            bar.flags |= EXTENDED;
        }
        self.note(id, 0, ChangeKind::New, bar, 0);
        self.follow(id, &bar, home)
    }

    /// What follows from a bar that was accepted.
    fn follow(&mut self, id: SymbolId, bar: &Bar, home: Home) -> Result<()> {
        let table = self.table.as_deref();
        let extended_hours = self.policies.extended_hours;
        let role = match home {
            Home::Extended { takes_part: false } => return Ok(()),
            Home::Extended { takes_part: true } => Some(Role::Extended),
            // Without a schedule the bar's own date says in which hours it lies.
            Home::Regular(None) => table.and_then(|table| {
                let session = table.session(table.session_of(bar.ts)?);
                session.role_of(bar.ts, extended_hours != ExtendedHours::Off)
            }),
            _ => Some(Role::Regular),
        };
        if !home.is_extended() || extended_hours == ExtendedHours::Full {
            self.symbols[id.0 as usize].measure(bar);
        }
        self.form(id, bar, role)
    }

    /// Let an accepted bar enter the forming buckets in which it has a role.
    fn form(&mut self, id: SymbolId, bar: &Bar, role: Option<Role>) -> Result<()> {
        let mut ended = Vec::new();
        let symbol = &mut self.symbols[id.0 as usize];
        let table = self.table.as_deref();
        let followed = symbol.follow(bar, role, table, self.clock, |series, derived| {
            ended.push((series, derived));
        })?;
        if followed.is_past {
            self.unsettled.push(id.0);
        }
        self.next_end = self.next_end.min(followed.next_end);
        for (series, derived) in ended {
            self.emit(id, series, &derived);
        }
        Ok(())
    }

    fn touched(&mut self, id: SymbolId, home: Home) {
        let Some(touch) = self.symbols[id.0 as usize].touched.last().copied() else {
            return;
        };
        self.unsettled.push(id.0);
        let mut bar = touch.bar;
        if home.is_extended() {
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
            let kind = match touch.is_correction {
                true if touch.is_fresh => ChangeKind::New,
                true => ChangeKind::Corrected,
                false => ChangeKind::Late,
            };
            self.note(id, 0, kind, bar, 0);
        }
    }

    fn emit(&mut self, id: SymbolId, series: usize, derived: &Derived) {
        self.symbols[id.0 as usize].emit(series, derived, self.epoch);
        self.derived_bars += 1;
        self.note(
            id,
            series,
            ChangeKind::New,
            derived.bar,
            derived.constituents,
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
    ) {
        if self.collects == Collect::Nothing {
            return;
        }
        if let Some(changed) = self.symbols[symbol.0 as usize].series_at(series) {
            let interval = changed.series().interval();
            self.changes.push(Change {
                symbol,
                series: series as u16,
                interval,
                kind,
                bar,
                constituents,
            });
        }
    }

    pub(super) fn settle_all(&mut self) -> Result<()> {
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
        // Without a grid only a date that does not trade has no regular hours.
        let all_regular = self
            .session
            .as_ref()
            .is_none_or(|session| session.index.is_some());
        let extended = match self.policies.extended_hours {
            ExtendedHours::Full => self.extended(self.symbols[at].base()).cloned(),
            ExtendedHours::Off | ExtendedHours::Show => None,
        };
        let counts = |ts: i64| {
            presence.as_ref().map_or(all_regular, |presence| {
                let is_extended = || extended.as_ref().is_some_and(|e| e.grid_at(ts).is_some());
                presence.grid().slot_of(ts).is_some() || is_extended()
            })
        };
        let mut changed = Vec::new();
        self.symbols[at].settle(
            table.as_deref(),
            self.session.as_ref().map(|session| session.span),
            counts,
            (self.clock, self.epoch),
            &mut self.planned,
            |series, derived, is_correction, is_new| {
                changed.push((series, derived, is_correction));
                self.derived_bars += u64::from(is_new);
            },
        )?;
        for (series, derived, is_correction) in changed {
            let kind = if is_correction {
                ChangeKind::Corrected
            } else {
                ChangeKind::Late
            };
            self.note(id, series, kind, derived.bar, derived.constituents);
        }
        self.mark(id);
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
}
