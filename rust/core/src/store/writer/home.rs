//! Where a bar belongs: its place on the session's grid, outside it, in history or nowhere; and when it is known there.

use crate::store::symbol::Home;
use crate::store::writer::{HistoryGrid, Writer};

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
}
