//! One bar after the other: its outcome, what follows from it. Batches are in `batch`.

use crate::aggregate::Derived;
use crate::bar::{Bar, EXTENDED, Fault};
use crate::error::{Error, Result};
use crate::schedule::{ExtendedHours, Role};
use crate::series::NO_REPLAY;
use crate::store::symbol::Home;
use crate::store::writer::{Change, ChangeKind, Collect, Writer};
use crate::store::{Outcome, Quarantined, SymbolId};

impl Writer {
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

    pub(super) fn emit(&mut self, id: SymbolId, series: usize, derived: &Derived) {
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

    pub(super) fn note(
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
}
