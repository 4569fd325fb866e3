//! How a session begins and ends, and what is emptied on the way.

use std::sync::Arc;

use crate::error::{Error, Result};
use crate::gap::{Presence, Presences};
use crate::schedule::{Anchor, ExtendedGrids, ExtendedHours, Grid};
use crate::session_table::SessionTable;
use crate::store::writer::{Current, SessionStart, Writer};
use crate::store::{Directory, SessionState, SymbolId};
use crate::time::Interval;

impl Writer {
    /// Presence over the current session's grid; none without a schedule.
    pub(super) fn new_presence(&mut self, interval: Interval) -> Option<Arc<Presence>> {
        let grid = self.grid(interval)?;
        let all = self.presences.entry(interval);
        let all = all.or_insert_with(|| Presences::new(grid));
        Some(Arc::new(all.one_more(self.symbols.len(), self.epoch)))
    }

    /// The current session's grid of an interval; none without a schedule, and for bars longer than a session, of which
    /// no single session can expect one.
    fn grid(&mut self, interval: Interval) -> Option<Arc<Grid>> {
        if let Some(grid) = self.grids.get(&interval) {
            return Some(grid.clone());
        }
        let index = self.session.as_ref().and_then(|session| session.index)?;
        let table = self.table.clone()?;
        let grid = Arc::new(table.grid(index, interval).ok()?);
        self.grids.insert(interval, grid.clone());
        let extended = self.extended_grids(&table, index, interval);
        if !extended.is_empty() {
            self.extended.push((interval, extended));
        }
        Some(grid)
    }

    /// The grids of a session's pre- and post-market; empty where they take no part.
    pub(super) fn extended_grids(
        &self,
        table: &SessionTable,
        index: usize,
        interval: Interval,
    ) -> ExtendedGrids {
        if self.policies.extended_hours == ExtendedHours::Off {
            return ExtendedGrids::default();
        }
        // Bars of a table are counted from where its stretches begin, which every session knows.
        let grids = table.extended_grids(index, interval, Anchor::Session);
        grids.unwrap_or_default()
    }

    /// Pre- and post-market of the current session at an interval, where they take part.
    pub(super) fn extended(&self, interval: Interval) -> Option<&ExtendedGrids> {
        let known = self.extended.iter().find(|known| known.0 == interval);
        known.map(|(_, grids)| grids)
    }

    /// How many bars of an interval the current session expects; 0 where nothing says.
    pub(super) fn expected_bars(&mut self, interval: Interval) -> usize {
        let regular = self.grid(interval).map_or(0, |grid| grid.len());
        let extended = self.extended(interval).map_or(0, ExtendedGrids::len);
        (regular + extended) as usize
    }

    /// The same for all series of a symbol.
    fn expected_per_series(&mut self, symbol: usize) -> Vec<usize> {
        let intervals: Vec<Interval> = self.symbols[symbol].intervals().collect();
        intervals
            .into_iter()
            .map(|interval| self.expected_bars(interval))
            .collect()
    }

    /// A replay owns the session it plays.
    fn check_idle(&self) -> Result<()> {
        if self.is_coordinated() {
            return Err(Error::ReplayRunning);
        }
        Ok(())
    }

    /// Begin a session: bars, figures and counters of the old one go or become history; symbols stay.
    ///
    /// # Errors
    /// [`Error::ReplayRunning`].
    pub fn start_session(&mut self, start: SessionStart) -> Result<()> {
        self.check_idle()?;
        let table = self.table.clone();
        let index = table.as_ref().and_then(|table| table.index_of(start.day));
        let ended = self.session.as_ref().and_then(|session| session.index);
        let was_running = self.session.is_some() && !self.session_state.ended;
        self.session = Some(Current {
            day: start.day,
            index,
            span: start.span,
        });
        self.grids.clear();
        self.presences.clear();
        self.extended.clear();
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
        let (days, default_days) = (self.history_days.clone(), self.default_history_days);
        let kept_from = |own: &[(Interval, usize)], interval: Interval| {
            let own = own.iter().find(|known| known.0 == interval);
            let days = own
                .map(|known| known.1)
                .or_else(|| days.get(&interval).copied());
            first_kept(days.or(default_days))
        };
        let history_start = |own: &[(Interval, usize)], interval: Interval| {
            let first = kept_from(own, interval);
            // Nothing is cut where all is kept.
            if first == 0 {
                i64::MIN
            } else {
                // A bar of several days stays as long as one of its days does.
                table.as_ref().map_or(i64::MIN, |table| {
                    table.session(table.group(first, interval).start).span.start
                })
            }
        };
        for at in 0..self.symbols.len() {
            let base = self.symbols[at].base();
            let presence = self.new_presence(base);
            let expected = self.expected_per_series(at);
            let own = self.symbols[at].history_days.clone();
            let intervals = self.symbols[at].intervals();
            let starts: Vec<i64> = intervals.map(|i| history_start(&own, i)).collect();
            self.symbols[at].start_session(
                start.span.start,
                presence,
                start.roll,
                &starts,
                &expected,
                was_running,
                self.epoch,
            );
            if start.roll {
                let first = kept_from(&own, base);
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
        self.refresh_next_end();
        self.session_state = SessionState {
            date: Some(start.day),
            ended: false,
        };
        self.session_changed = true;
        self.unpublished = true;
        Ok(())
    }

    /// End the session: the clock goes to the close, with extended hours to the end of the post-market, and the last buckets
    /// end. Everything stays readable.
    ///
    /// # Errors
    /// [`Error::NoSession`] without one, [`Error::ReplayRunning`].
    pub fn end_session(&mut self) -> Result<()> {
        self.check_idle()?;
        let Some(session) = &self.session else {
            return Err(Error::NoSession {
                what: "no session has been started",
            });
        };
        let close = session
            .index
            .zip(self.table.as_ref())
            .map(|(index, table)| match self.policies.extended_hours {
                ExtendedHours::Off => table.session(index).close,
                ExtendedHours::Show | ExtendedHours::Full => table.session(index).post_close,
            });
        self.advance(self.clock.max(close.unwrap_or(i64::MIN)))?;
        let was_running = !self.session_state.ended;
        for symbol in &mut self.symbols {
            symbol.end_tapes(self.epoch, was_running);
        }
        self.session_state.ended = true;
        self.session_changed = true;
        self.unpublished = true;
        Ok(())
    }

    /// Empty the session's bars of all symbols; the session goes on.
    ///
    /// # Errors
    /// [`Error::ReplayRunning`].
    pub fn clear_session(&mut self) -> Result<()> {
        self.check_idle()?;
        match self.session.clone() {
            Some(Current { day, span, .. }) => {
                let was_ended = self.session_state.ended;
                self.start_session(SessionStart {
                    day,
                    span,
                    roll: false,
                })?;
                if was_ended {
                    // Nobody who follows the next session is told of an end.
                    self.session_state.ended = true;
                    self.end_session()?;
                }
            }
            None => {
                for at in 0..self.symbols.len() {
                    let series = self.symbols[at].series().count();
                    self.symbols[at].start_session(
                        i64::MIN,
                        None,
                        false,
                        &vec![i64::MIN; series],
                        &vec![0; series],
                        true,
                        self.epoch,
                    );
                    self.mark(SymbolId(at as u32));
                }
                self.clock = i64::MIN;
                self.next_end = i64::MAX;
            }
        }
        Ok(())
    }

    /// Empty the history of all symbols.
    ///
    /// # Errors
    /// [`Error::ReplayRunning`].
    pub fn clear_history(&mut self) -> Result<()> {
        self.check_idle()?;
        for at in 0..self.symbols.len() {
            let epoch = self.epoch;
            self.symbols[at]
                .series_mut()
                .for_each(|series| series.clear_history(epoch));
            self.symbols[at].history_sessions.clear();
            self.mark(SymbolId(at as u32));
        }
        Ok(())
    }

    /// Forget one symbol. Those behind it move up.
    ///
    /// # Errors
    /// [`Error::ReplayRunning`].
    pub fn remove(&mut self, id: SymbolId) -> Result<()> {
        self.check_idle()?;
        let at = id.0 as usize;
        let mut gone = self.symbols.remove(at);
        gone.end_for_ever(self.epoch);
        let mut directory = Directory::default();
        for (at, symbol) in self.symbols.iter_mut().enumerate() {
            symbol.renumber(SymbolId(at as u32));
            let name = (*symbol.entry.symbol).into();
            directory.by_symbol.insert(name, at);
            directory.entries.push(symbol.entry.clone());
        }
        self.directory = directory;
        self.directory_changed = true;
        self.quarantine
            .retain(|kept| kept.symbol != *gone.entry.symbol);
        // What was marked by number has other numbers now.
        self.fresh.clear();
        self.fresh_bars.clear();
        self.shown = 0;
        self.dirty.clear();
        self.unsettled.clear();
        for at in 0..self.symbols.len() {
            self.mark(SymbolId(at as u32));
        }
        self.unpublished = true;
        self.refresh_next_end();
        Ok(())
    }

    /// Forget symbols, bars, counters and the session.
    ///
    /// # Errors
    /// [`Error::ReplayRunning`].
    pub fn clear_all(&mut self) -> Result<()> {
        self.check_idle()?;
        for symbol in &mut self.symbols {
            symbol.end_for_ever(self.epoch);
        }
        let fresh = Self::new(self.policies);
        let (table, epoch) = (self.table.take(), self.epoch);
        let (days, default_days) = (
            std::mem::take(&mut self.history_days),
            self.default_history_days,
        );
        *self = Self {
            table,
            epoch,
            history_days: days,
            default_history_days: default_days,
            directory_changed: true,
            session_changed: true,
            unpublished: true,
            ..fresh
        };
        Ok(())
    }
}
