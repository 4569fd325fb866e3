//! All sessions of one calendar. It is handed its rows; it knows no calendar rules and no time zone.

mod group;
mod lookup;

use std::sync::OnceLock;

pub use lookup::SessionType;

use crate::error::{Error, Result};
use crate::schedule::{Anchor, ExtendedGrids, ExtendedHours, Grid, Role, Stretch};
use crate::time::{DAY, Interval};

/// More days than int64 nanoseconds hold.
const MOST_DAYS: i64 = 300_000;

/// The columns a session table is made of, one row per session in rising order.
#[derive(Debug, Clone)]
pub struct TableColumns {
    /// First day the table covers, with or without a session, days since 1970-01-01.
    pub first_day: i32,
    /// Last day the table covers.
    pub last_day: i32,
    /// The time that the table covers.
    pub covered: Stretch,
    /// Session dates, days since 1970-01-01.
    pub dates: Vec<i32>,
    /// Regular opens, ns UTC.
    pub opens: Vec<i64>,
    /// Regular closes, ns UTC.
    pub closes: Vec<i64>,
    /// Regular stretches of session i are `segments[offsets[i]..offsets[i + 1]]`.
    pub segment_offsets: Vec<usize>,
    /// Regular stretches: one, or more where there is a break.
    pub segments: Vec<Stretch>,
    /// Start of pre-market trading, the open where there is none.
    pub pre_opens: Vec<i64>,
    /// End of post-market trading, the close where there is none.
    pub post_closes: Vec<i64>,
    /// The stretch of time that belongs to each session date.
    pub spans: Vec<Stretch>,
}

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

    /// When a bar that starts at `ts` is known: its end, clipped to the last trading it reaches.
    ///
    /// # Errors
    /// [`Error::Overflow`], and for intervals of sessions or weeks [`Error::NoSession`] when `ts` lies in no session.
    pub fn bar_end(&self, ts: i64, interval: Interval) -> Result<i64> {
        let index = self.session_of(ts);
        match interval {
            Interval::Fixed(ns) => {
                let end = ts.checked_add(ns).ok_or(Error::Overflow { ts })?;
                let Some(session) = index.map(|i| self.session(i)) else {
                    return Ok(end);
                };
                let stop = if ts < session.open {
                    session.open
                } else if ts < session.close {
                    // The end of the last trading in it; a bar that starts in a break has none.
                    let trading = session.segments.iter().rev().find(|s| s.start < end);
                    trading.map_or(end, |s| s.end)
                } else {
                    session.post_close
                };
                Ok(if session.pre_open <= ts && ts < stop {
                    end.min(stop)
                } else {
                    end
                })
            }
            Interval::Sessions(_) | Interval::Weeks(_) => {
                let first = index.ok_or(NO_SESSION_AT)?;
                Ok(self.columns.closes[self.group(first, interval).end - 1])
            }
        }
    }

    /// When a derived bar that starts at `ts` is known, its buckets counted from an anchor. A bar of days or weeks that
    /// extended hours take part in is known after the post-market of its last session.
    ///
    /// # Errors
    /// As [`SessionTable::bar_end`] and [`SessionTable::buckets`].
    pub fn bucket_end(
        &self,
        ts: i64,
        interval: Interval,
        anchor: Anchor,
        extended_hours: ExtendedHours,
    ) -> Result<i64> {
        let index = self.session_of(ts);
        match (interval, index) {
            (Interval::Fixed(_), Some(index)) if anchor != Anchor::Session => {
                let regular = self.buckets(index, interval, anchor)?;
                if let Some(slot) = regular.bucket_of(ts) {
                    return Ok(regular.end_of(slot));
                }
                let extended = self.extended_grids(index, interval, anchor)?;
                let bucket = extended
                    .grid_at(ts)
                    .and_then(|grid| Some(grid.end_of(grid.bucket_of(ts)?)));
                bucket.map_or_else(|| self.bar_end(ts, interval), Ok)
            }
            (Interval::Sessions(_) | Interval::Weeks(_), Some(index))
                if extended_hours == ExtendedHours::Full =>
            {
                Ok(self.columns.post_closes[self.group(index, interval).end - 1])
            }
            _ => self.bar_end(ts, interval),
        }
    }

    /// The expected bar starts of a session at an interval of at most one session.
    ///
    /// # Errors
    /// [`Error::TooCoarse`] for more than one session.
    pub fn grid(&self, index: usize, interval: Interval) -> Result<Grid> {
        Grid::new(self.session(index).segments, interval, Anchor::Session, 0)
    }

    /// The buckets of a session, counted from an anchor.
    ///
    /// # Errors
    /// As [`SessionTable::grid`]; [`Error::NoSession`] for wall-clock buckets while midnights are unknown.
    pub fn buckets(&self, index: usize, interval: Interval, anchor: Anchor) -> Result<Grid> {
        let midnight = self.midnight(index, anchor)?;
        Grid::new(self.session(index).segments, interval, anchor, midnight)
    }

    /// The bar starts or buckets of a session's pre- and post-market; none for bars of a day or longer.
    ///
    /// # Errors
    /// As [`SessionTable::buckets`].
    pub fn extended_grids(
        &self,
        index: usize,
        interval: Interval,
        anchor: Anchor,
    ) -> Result<ExtendedGrids> {
        let session = self.session(index);
        let stretches = [session.pre_market(), session.post_market()];
        let midnight = self.midnight(index, anchor)?;
        ExtendedGrids::new(stretches, interval, anchor, midnight)
    }

    /// From where wall-clock multiples of a session are counted; of no meaning for other anchors.
    fn midnight(&self, index: usize, anchor: Anchor) -> Result<i64> {
        match (anchor, self.midnights.get()) {
            (Anchor::Clock, None) => Err(NO_MIDNIGHTS),
            (Anchor::Clock, Some(midnights)) => Ok(midnights[index]),
            (Anchor::Session | Anchor::Segment, _) => Ok(0),
        }
    }

    /// Tell the table at which instant the local day of each session date begins. Doing so again changes nothing.
    ///
    /// # Errors
    /// [`Error::Shape`] unless there is one for each session.
    pub fn set_midnights(&self, midnights: Vec<i64>) -> Result<()> {
        if midnights.len() != self.len() {
            return Err(Error::Shape {
                column: "midnights",
                got: midnights.len(),
                expected: self.len(),
            });
        }
        // Midnights follow from zone and dates, so whoever comes second brings the same.
        let _ = self.midnights.set(midnights);
        Ok(())
    }

    /// Whether local midnights are known.
    pub fn has_midnights(&self) -> bool {
        self.midnights.get().is_some()
    }
}

const NO_SESSION_AT: Error = Error::NoSession {
    what: "the bar starts outside every session of the table",
};

const NO_MIDNIGHTS: Error = Error::NoSession {
    what: "the table does not know when its local days begin",
};

fn unsorted(row: usize) -> Error {
    Error::Unsorted {
        what: "session table",
        source: 0,
        row,
    }
}

impl TableColumns {
    fn check_lengths(&self) -> Result<()> {
        let n = self.dates.len();
        let offsets = &self.segment_offsets;
        let lengths = [
            ("opens", self.opens.len(), n),
            ("closes", self.closes.len(), n),
            ("pre_opens", self.pre_opens.len(), n),
            ("post_closes", self.post_closes.len(), n),
            ("spans", self.spans.len(), n),
            ("segment_offsets", offsets.len(), n + 1),
        ];
        if let Some(&(column, got, expected)) = lengths.iter().find(|l| l.1 != l.2) {
            return Err(Error::Shape {
                column,
                got,
                expected,
            });
        }
        let all = self.segments.len();
        if offsets[0] != 0 || offsets[n] != all || offsets.windows(2).any(|pair| pair[0] >= pair[1])
        {
            return Err(Error::Shape {
                column: "segment_offsets",
                got: offsets[n],
                expected: all,
            });
        }
        Ok(())
    }
}

/// One session of a table.
#[derive(Debug, Clone, Copy)]
pub struct Session<'a> {
    /// Session date, days since 1970-01-01.
    pub date: i32,
    /// Regular open.
    pub open: i64,
    /// Regular close.
    pub close: i64,
    /// Start of pre-market trading.
    pub pre_open: i64,
    /// End of post-market trading.
    pub post_close: i64,
    /// All time that belongs to the date.
    pub span: Stretch,
    /// Regular stretches, breaks between them.
    pub segments: &'a [Stretch],
}

impl Session<'_> {
    /// Whether an instant lies in regular hours, breaks left out.
    pub fn is_regular(&self, ts: i64) -> bool {
        self.segments.iter().any(|s| s.start <= ts && ts < s.end)
    }

    /// Trading before the open, if there is any.
    pub fn pre_market(&self) -> Option<Stretch> {
        (self.pre_open < self.open).then_some(Stretch {
            start: self.pre_open,
            end: self.open,
        })
    }

    /// Trading after the close, if there is any.
    pub fn post_market(&self) -> Option<Stretch> {
        (self.close < self.post_close).then_some(Stretch {
            start: self.close,
            end: self.post_close,
        })
    }

    /// As what a bar that starts at an instant takes part, pre- and post-market too if `extended` says so.
    pub fn role_of(&self, ts: i64, extended: bool) -> Option<Role> {
        if self.is_regular(ts) {
            return Some(Role::Regular);
        }
        let stretches = [self.pre_market(), self.post_market()];
        let holds = |stretch: Stretch| stretch.start <= ts && ts < stretch.end;
        (extended && stretches.into_iter().flatten().any(holds)).then_some(Role::Extended)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::time::{HOUR, MINUTE};

    /// Sessions of the given regular stretches, each on its own day of 24 hours.
    pub(crate) fn table(days: &[&[(i64, i64)]]) -> SessionTable {
        let end = days.len() as i64 * DAY;
        let mut c = TableColumns {
            first_day: 0,
            last_day: days.len() as i32 - 1,
            covered: Stretch { start: 0, end },
            dates: Vec::new(),
            opens: Vec::new(),
            closes: Vec::new(),
            segment_offsets: vec![0],
            segments: Vec::new(),
            pre_opens: Vec::new(),
            post_closes: Vec::new(),
            spans: Vec::new(),
        };
        for (day, stretches) in days.iter().enumerate() {
            let midnight = day as i64 * 24 * HOUR;
            c.dates.push(day as i32);
            for &(start, end) in *stretches {
                c.segments.push(Stretch {
                    start: midnight + start * MINUTE,
                    end: midnight + end * MINUTE,
                });
            }
            c.opens.push(midnight + stretches[0].0 * MINUTE);
            c.closes
                .push(midnight + stretches[stretches.len() - 1].1 * MINUTE);
            c.pre_opens.push(midnight + stretches[0].0 * MINUTE);
            c.post_closes
                .push(midnight + stretches[stretches.len() - 1].1 * MINUTE);
            c.spans.push(Stretch {
                start: midnight,
                end: midnight + 24 * HOUR,
            });
            c.segment_offsets.push(c.segments.len());
        }
        SessionTable::new(c).unwrap()
    }

    fn interval(text: &str) -> Interval {
        text.parse().unwrap()
    }

    #[test]
    fn a_short_last_bucket_ends_at_the_close() {
        let table = table(&[&[(570, 960)]]);
        let hours = table.grid(0, interval("1h")).unwrap();
        assert_eq!(hours.len(), 7);
        assert_eq!(hours.start_of(6), 930 * MINUTE);
        assert_eq!(hours.end_of(6), 960 * MINUTE);
        assert_eq!(table.grid(0, interval("5m")).unwrap().len(), 78);
        let day = table.grid(0, Interval::ONE_DAY).unwrap();
        assert_eq!(
            (day.len(), day.start_of(0), day.end_of(0)),
            (1, 570 * MINUTE, 960 * MINUTE)
        );
    }

    #[test]
    fn the_next_expected_start_is_a_step_away_where_the_grid_says_so() {
        let table = table(&[&[(570, 960)], &[(540, 690), (750, 900)]]);
        for (day, text, even_until) in [(0, "1m", 389), (0, "1h", 6), (1, "1m", 0), (1, "1h", 5)] {
            let grid = table.grid(day, interval(text)).unwrap();
            assert_eq!(grid.even_until(), even_until);
            let starts: Vec<i64> = grid.starts().collect();
            for slot in 0..grid.len() {
                let next = starts.get(slot as usize + 1).copied();
                assert_eq!(grid.next_start(slot), next);
                let is_even = slot > 0 && slot < even_until;
                assert!(!is_even || next == Some(grid.start_of(slot) + grid.step()));
            }
        }
    }

    #[test]
    fn points_inside_a_break_are_not_expected() {
        let table = table(&[&[(540, 690), (750, 900)]]);
        let minutes = table.grid(0, Interval::ONE_MINUTE).unwrap();
        assert_eq!(minutes.len(), 300);
        assert_eq!(minutes.slot_of(689 * MINUTE), Some(149));
        assert_eq!(minutes.slot_of(690 * MINUTE), None);
        assert_eq!(minutes.slot_of(750 * MINUTE), Some(150));
        assert_eq!(minutes.start_of(150), 750 * MINUTE);
        assert!(minutes.adjoins(149));
        assert!(!minutes.adjoins(150));
        assert_eq!(minutes.due(720 * MINUTE), 150);
        // The bucket from 11:00 keeps its thirty minutes before the break, the one from 12:00 those after it.
        assert_eq!(table.grid(0, interval("1h")).unwrap().len(), 6);
        assert_eq!(
            minutes.slots_before(720 * MINUTE) - minutes.slots_before(660 * MINUTE),
            30
        );
    }

    #[test]
    fn a_bar_is_due_when_it_has_ended() {
        let minutes = table(&[&[(570, 960)]])
            .grid(0, Interval::ONE_MINUTE)
            .unwrap();
        assert_eq!(minutes.due(570 * MINUTE), 0);
        assert_eq!(minutes.due(571 * MINUTE - 1), 0);
        assert_eq!(minutes.due(573 * MINUTE), 3);
        assert_eq!(minutes.due(960 * MINUTE), 390);
    }

    #[test]
    fn slots_and_starts_agree() {
        let grid = table(&[&[(540, 695), (750, 903)]])
            .grid(0, interval("7m"))
            .unwrap();
        let starts: Vec<i64> = grid.starts().collect();
        assert_eq!(starts.len(), grid.len() as usize);
        for (slot, &start) in starts.iter().enumerate() {
            assert_eq!(grid.slot_of(start), Some(slot as u32));
            assert_eq!(grid.start_of(slot as u32), start);
            assert_eq!(grid.slots_before(start), slot as u32);
        }
    }

    #[test]
    fn an_instant_belongs_to_the_session_of_its_date() {
        let table = table(&[&[(570, 960)], &[(570, 780)]]);
        assert_eq!(table.session_of(0), Some(0));
        assert_eq!(table.session_of(24 * HOUR), Some(1));
        assert_eq!(table.session_of(48 * HOUR), None);
        assert_eq!(table.session_of(-1), None);
        assert_eq!(
            table.bar_end(24 * HOUR + 570 * MINUTE, Interval::ONE_DAY),
            Ok(24 * HOUR + 780 * MINUTE)
        );
        assert_eq!(
            table.bar_end(930 * MINUTE, interval("1h")),
            Ok(960 * MINUTE)
        );
    }

    #[test]
    fn a_table_with_hours_that_do_not_nest_is_refused() {
        let mut columns = table(&[&[(570, 960)]]).columns().clone();
        columns.closes[0] = 0;
        assert!(SessionTable::new(columns).is_err());
    }
}
