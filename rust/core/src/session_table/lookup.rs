//! What the market does at an instant, and when it opens or closes next. All O(1): the day leads to the session.

use super::SessionTable;
use crate::schedule::Stretch;
use crate::time::DAY;

/// What the market does at an instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SessionType {
    /// No trading.
    Closed,
    /// Trading before the open.
    PreMarket,
    /// Regular hours.
    Regular,
    /// A break between two stretches of regular hours.
    Break,
    /// Trading after the close.
    PostMarket,
}

impl SessionType {
    /// The name that users read.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::PreMarket => "pre_market",
            Self::Regular => "regular",
            Self::Break => "break",
            Self::PostMarket => "post_market",
        }
    }

    /// Whether there is trading, at `extended` hours too.
    pub fn is_open(self, extended: bool) -> bool {
        match self {
            Self::Regular => true,
            Self::PreMarket | Self::PostMarket => extended,
            Self::Closed | Self::Break => false,
        }
    }
}

impl SessionTable {
    /// Whether an instant lies in the time the table covers.
    pub fn covers(&self, ts: i64) -> bool {
        let covered = self.columns.covered;
        covered.start <= ts && ts < covered.end
    }

    /// The session to whose date an instant belongs, `None` between sessions.
    pub fn session_of(&self, ts: i64) -> Option<usize> {
        let index = self.begun(ts)?;
        (ts < self.columns.spans[index].end).then_some(index)
    }

    /// What the market does at an instant.
    pub fn session_type(&self, ts: i64) -> SessionType {
        let Some(index) = self.session_of(ts) else {
            return SessionType::Closed;
        };
        let session = self.session(index);
        if ts < session.pre_open || ts >= session.post_close {
            SessionType::Closed
        } else if ts < session.open {
            SessionType::PreMarket
        } else if ts >= session.close {
            SessionType::PostMarket
        } else if session.is_regular(ts) {
            SessionType::Regular
        } else {
            SessionType::Break
        }
    }

    /// Whether the market trades at each instant of a column; else the first row that the table does not cover.
    ///
    /// # Errors
    /// That row.
    pub fn is_open_at_each(
        &self,
        column: &[i64],
        extended: bool,
    ) -> std::result::Result<Vec<bool>, usize> {
        // Neighbours mostly lie in one stretch, whose answer then stands.
        let (mut stretch, mut open) = (Stretch { start: 0, end: 0 }, false);
        let mut answers = Vec::with_capacity(column.len());
        for (row, &ts) in column.iter().enumerate() {
            if ts < stretch.start || ts >= stretch.end {
                if !self.covers(ts) {
                    return Err(row);
                }
                stretch = self.stretch_of(ts);
                open = self.session_type(ts).is_open(extended);
            }
            answers.push(open);
        }
        Ok(answers)
    }

    /// The stretch around a covered instant in which the market does the same as at it.
    fn stretch_of(&self, ts: i64) -> Stretch {
        let mut stretch = self.columns.covered;
        let mut narrow = |bound: i64| {
            if bound <= ts {
                stretch.start = stretch.start.max(bound);
            } else {
                stretch.end = stretch.end.min(bound);
            }
        };
        let begun = self.begun(ts);
        let next = begun.map_or(0, |index| index + 1);
        if let Some(span) = self.columns.spans.get(next) {
            narrow(span.start);
        }
        if let Some(session) = begun.map(|index| self.session(index)) {
            let bounds = [
                session.span.start,
                session.pre_open,
                session.post_close,
                session.span.end,
            ];
            bounds.into_iter().for_each(&mut narrow);
            for segment in session.segments {
                narrow(segment.start);
                narrow(segment.end);
            }
        }
        stretch
    }

    /// The first regular open after an instant.
    pub fn next_open(&self, ts: i64) -> Option<i64> {
        self.next(&self.columns.opens, ts)
    }

    /// The first regular close after an instant.
    pub fn next_close(&self, ts: i64) -> Option<i64> {
        self.next(&self.columns.closes, ts)
    }

    /// The last regular open before an instant.
    pub fn previous_open(&self, ts: i64) -> Option<i64> {
        self.previous(&self.columns.opens, ts)
    }

    /// The last regular close before an instant.
    pub fn previous_close(&self, ts: i64) -> Option<i64> {
        self.previous(&self.columns.closes, ts)
    }

    fn next(&self, bounds: &[i64], ts: i64) -> Option<i64> {
        let from = self.begun(ts).unwrap_or(0);
        // Of the session that has begun, or of the one after it.
        bounds[from.min(bounds.len())..]
            .iter()
            .take(2)
            .copied()
            .find(|&bound| bound > ts)
    }

    fn previous(&self, bounds: &[i64], ts: i64) -> Option<i64> {
        let until = self.begun(ts)?;
        bounds[..=until]
            .iter()
            .rev()
            // The session may have begun at the instant, which is also when the one before it closed.
            .take(3)
            .copied()
            .find(|&bound| bound < ts)
    }

    /// The last session whose time has begun.
    pub(super) fn begun(&self, ts: i64) -> Option<usize> {
        let day = ts.div_euclid(DAY).saturating_add(self.lead);
        let after = i32::try_from(day + 1).unwrap_or(i32::MAX);
        // Sessions of later dates have not begun, so a step or two back is enough.
        let mut index = self.sessions_before(after);
        while index > 0 {
            index -= 1;
            if self.columns.spans[index].start <= ts {
                return Some(index);
            }
        }
        None
    }
}
