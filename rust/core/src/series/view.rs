//! The rows of a series at one epoch: held (`Snapshot`) or seen for a moment (`View`), and what is asked of them.

use std::ops::Range;
use std::sync::Arc;

use crate::bar::Bar;
use crate::segment::Segment;
use crate::series::{Rows, Slice, State};

/// Which part of a series is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Bars of the current session date.
    Session,
    /// Bars of earlier session dates.
    History,
    /// Both.
    All,
}

/// The rows of a series at one epoch. Never changes.
#[derive(Debug, Clone)]
pub struct Snapshot {
    pub(super) state: Arc<State>,
    pub(super) live_rows: usize,
}

impl Snapshot {
    /// What can be asked of it.
    pub fn view(&self) -> View<'_> {
        View {
            state: &self.state,
            live_rows: self.live_rows,
        }
    }
}

/// The rows of a series at one epoch, seen for a moment.
#[derive(Debug, Clone, Copy)]
pub struct View<'a> {
    pub(super) state: &'a State,
    pub(super) live_rows: usize,
}

impl View<'_> {
    /// Rows of a scope, `[first, last)`.
    #[inline]
    pub fn scope(&self, scope: Scope) -> (usize, usize) {
        let total = self.state.live_first() + self.live_rows;
        match scope {
            Scope::Session => (self.state.session_first.min(total), total),
            Scope::History => (0, self.state.session_first.min(total)),
            Scope::All => (0, total),
        }
    }

    /// The bar in a row.
    #[inline]
    pub fn bar(&self, row: usize) -> Bar {
        match row.checked_sub(self.state.live_first()) {
            Some(at) => self.state.live.bar(at),
            None => {
                let (piece, at) = self.locate(row);
                piece.bar(at)
            }
        }
    }

    /// Base bars in a row, `None` unless derived.
    #[inline]
    pub fn constituents(&self, row: usize) -> Option<i32> {
        match row.checked_sub(self.state.live_first()) {
            Some(at) => self.state.live.constituents(at),
            None => {
                let (piece, at) = self.locate(row);
                piece.constituents(at)
            }
        }
    }

    fn live(&self, from: usize, to: usize) -> Slice {
        Slice {
            rows: Rows::Live(self.state.live.clone()),
            from,
            to,
        }
    }

    /// The piece that holds a row, and the row within it.
    fn locate(&self, row: usize) -> (Slice, usize) {
        let mut first = 0;
        for piece in &self.state.pieces {
            if row < first + piece.len() {
                return (piece.clone(), row - first);
            }
            first += piece.len();
        }
        (self.live(0, self.live_rows), row)
    }

    /// First row of `[first, last)` with `ts >= instant`.
    pub fn lower_bound(&self, first: usize, last: usize, instant: i64) -> usize {
        let live_first = self.state.live_first();
        if last > live_first && (first >= live_first || self.state.live.ts(0) < instant) {
            let from = first.max(live_first) - live_first;
            return live_first
                + self
                    .state
                    .live
                    .lower_bound(from, last - live_first, instant);
        }
        let mut at = 0;
        for piece in &self.state.pieces {
            let end = at + piece.len();
            if end > first && !piece.is_empty() && piece.ts(piece.len() - 1) >= instant {
                return (at + piece.lower_bound(instant)).clamp(first, last);
            }
            at = end;
        }
        last.min(at.max(first))
    }

    /// The segment and its rows that hold `[first, last)`, where the live segment holds them all.
    #[inline]
    pub fn live_rows(&self, first: usize, last: usize) -> Option<(&Arc<Segment>, Range<usize>)> {
        let live_first = self.state.live_first();
        let rows = || first - live_first..last - live_first;
        (first >= live_first).then(|| (&self.state.live, rows()))
    }

    /// The rows `[first, last)` as one slice of memory, where the live segment holds them all.
    pub fn slice(&self, first: usize, last: usize) -> Option<Slice> {
        let live_first = self.state.live_first();
        (first >= live_first).then(|| self.live(first - live_first, last - live_first))
    }

    /// The rows `[first, last)` as slices of memory: one wherever the live segment holds them all.
    pub fn slices(&self, first: usize, last: usize) -> Vec<Slice> {
        if let Some(slice) = self.slice(first, last) {
            return vec![slice];
        }
        let live_first = self.state.live_first();
        let mut parts = Vec::with_capacity(self.state.pieces.len() + 1);
        let mut at = 0;
        for piece in &self.state.pieces {
            let (from, to) = (first.max(at), last.min(at + piece.len()));
            if from < to {
                parts.push(piece.sub(from - at, to - at));
            }
            at += piece.len();
        }
        if last > at {
            let from = first.max(at);
            parts.push(self.live(from - live_first, last - live_first));
        }
        parts
    }
}
