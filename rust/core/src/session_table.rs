//! All sessions of one calendar. It is handed its rows; it knows no calendar rules and no time zone.

mod columns;
mod ends;
mod grids;
mod group;
mod lookup;
mod session;
#[cfg(test)]
pub(crate) mod tests;

use std::sync::OnceLock;

use crate::error::{Error, Result};
use crate::schedule::Stretch;
use crate::time::DAY;
pub use columns::TableColumns;
pub use lookup::SessionType;
pub use session::Session;

/// More days than int64 nanoseconds hold.
const MOST_DAYS: i64 = 300_000;

/// All sessions of one calendar, immutable.
#[derive(Debug)]
pub struct SessionTable {
    columns: TableColumns,
    /// Number of sessions before each covered day, and before the day after the last.
    sessions_before: Vec<u32>,
    /// By how many days the time of a session may begin ahead of its date, at most.
    lead: i64,
    /// Local midnight of each session date; known once somebody counts from it.
    midnights: OnceLock<Vec<i64>>,
}

impl SessionTable {
    /// Check the columns and freeze them.
    ///
    /// # Errors
    /// [`Error::Shape`] for columns of unequal length, [`Error::Unsorted`] for sessions out of order or hours that do
    /// not nest (`span ⊇ pre ≤ open < close ≤ post`).
    pub fn new(columns: TableColumns) -> Result<Self> {
        columns.check_lengths()?;
        let c = &columns;
        let days = i64::from(c.last_day) - i64::from(c.first_day) + 1;
        let n = c.dates.len();
        let inside = |row: usize| {
            (c.first_day..=c.last_day).contains(&c.dates[row])
                && c.covered.start <= c.spans[row].start
                && c.spans[row].end <= c.covered.end
        };
        // Rows rise, so the outermost two stand for all.
        if !(1..MOST_DAYS).contains(&days) || (n > 0 && !(inside(0) && inside(n - 1))) {
            return Err(unsorted(0));
        }
        let mut table = Self {
            columns,
            sessions_before: Vec::new(),
            lead: 0,
            midnights: OnceLock::new(),
        };
        if let Some(row) = (0..n).find(|&row| !table.holds_together(row)) {
            return Err(unsorted(row));
        }
        table.index_days(days as usize);
        Ok(table)
    }

    /// Whether the hours of a session nest, its stretches fill them and it comes after the session before it.
    fn holds_together(&self, index: usize) -> bool {
        let row = self.session(index);
        let nested = row.span.start <= row.pre_open
            && row.pre_open <= row.open
            && row.open < row.close
            && row.close <= row.post_close
            && row.post_close <= row.span.end;
        let filled = row.segments.first().map(|s| s.start) == Some(row.open)
            && row.segments.last().map(|s| s.end) == Some(row.close)
            && row.segments.iter().all(|s| s.start < s.end)
            && row.segments.windows(2).all(|s| s[0].end < s[1].start);
        let rising = index == 0 || {
            let before = self.session(index - 1);
            before.date < row.date && before.span.end <= row.span.start
        };
        nested && filled && rising
    }

    fn index_days(&mut self, days: usize) {
        let c = &self.columns;
        let mut before = Vec::with_capacity(days + 1);
        for (row, &date) in c.dates.iter().enumerate() {
            before.resize((date - c.first_day) as usize + 1, row as u32);
        }
        before.resize(days + 1, c.dates.len() as u32);
        let lead = |(date, span): (&i32, &Stretch)| i64::from(*date) - span.start.div_euclid(DAY);
        self.lead = c.dates.iter().zip(&c.spans).map(lead).max().unwrap_or(0);
        self.sessions_before = before;
    }

    /// The columns, read-only.
    pub fn columns(&self) -> &TableColumns {
        &self.columns
    }

    /// Number of sessions.
    pub fn len(&self) -> usize {
        self.columns.dates.len()
    }

    /// Whether the table has no session.
    pub fn is_empty(&self) -> bool {
        self.columns.dates.is_empty()
    }

    /// One session. Panics outside `0..len()`.
    pub fn session(&self, index: usize) -> Session<'_> {
        let c = &self.columns;
        Session {
            date: c.dates[index],
            open: c.opens[index],
            close: c.closes[index],
            pre_open: c.pre_opens[index],
            post_close: c.post_closes[index],
            span: c.spans[index],
            segments: &c.segments[c.segment_offsets[index]..c.segment_offsets[index + 1]],
        }
    }

    /// Number of sessions before a day; days outside the covered ones count as the nearest.
    pub fn sessions_before(&self, day: i32) -> usize {
        let at = i64::from(day) - i64::from(self.columns.first_day);
        self.sessions_before[at.clamp(0, self.sessions_before.len() as i64 - 1) as usize] as usize
    }

    /// Position of a session date, `None` when that date does not trade.
    pub fn index_of(&self, day: i32) -> Option<usize> {
        let index = self.sessions_before(day);
        (self.columns.dates.get(index) == Some(&day)).then_some(index)
    }
}

fn unsorted(row: usize) -> Error {
    Error::Unsorted {
        what: "session table",
        source: 0,
        row,
    }
}
