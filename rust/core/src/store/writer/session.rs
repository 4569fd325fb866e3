//! How a session begins and ends, and what is emptied on the way.

use std::sync::Arc;

use crate::error::{Error, Result};
use crate::gap::Presence;
use crate::schedule::Grid;
use crate::store::writer::{Current, SessionStart, Writer};
use crate::store::{SessionState, SymbolId};
use crate::time::Interval;

impl Writer {
    pub(super) fn new_presence(&mut self, interval: Interval) -> Result<Option<Arc<Presence>>> {
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
    pub(super) fn expected_bars(&self) -> impl Fn(Interval) -> usize + use<> {
        let index = self.session.as_ref().and_then(|session| session.index);
        let table = self.table.clone();
        move |interval| {
            let grid = index
                .zip(table.as_ref())
                .and_then(|(index, table)| table.grid(index, interval).ok());
            grid.map_or(0, |grid| grid.len() as usize)
        }
    }

    /// A replay owns the session it plays.
    fn check_idle(&self) -> Result<()> {
        if self.coordinated {
            return Err(Error::ReplayRunning);
        }
        Ok(())
    }

    /// Begin a session: bars, figures and counters of the old one go or become history; symbols stay.
    ///
    /// # Errors
    /// Those of [`crate::schedule::SessionTable::grid`].
    pub fn start_session(&mut self, start: SessionStart) -> Result<()> {
        self.check_idle()?;
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
    /// Those of [`crate::schedule::SessionTable::grid`].
    pub fn clear_session(&mut self) -> Result<()> {
        self.check_idle()?;
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
    ///
    /// # Errors
    /// [`Error::ReplayRunning`].
    pub fn clear_history(&mut self) -> Result<()> {
        self.check_idle()?;
        for at in 0..self.symbols.len() {
            let epoch = self.epoch;
            self.symbols[at]
                .series
                .iter_mut()
                .for_each(|series| series.clear_history(epoch));
            self.symbols[at].history_sessions.clear();
            self.mark(SymbolId(at as u32));
        }
        Ok(())
    }

    /// Forget symbols, bars, counters and the session.
    ///
    /// # Errors
    /// [`Error::ReplayRunning`].
    pub fn clear_all(&mut self) -> Result<()> {
        self.check_idle()?;
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
