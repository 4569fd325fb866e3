//! The bars a session should have. Built from the session table it is given; knows no calendar rules and no time zone.

use crate::error::{Error, Result};
use crate::time::Interval;

/// A stretch of regular trading, `[start, end)`, ns UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stretch {
    /// First instant.
    pub start: i64,
    /// First instant after it.
    pub end: i64,
}

/// The columns a session table is made of, one row per session in rising order.
#[derive(Debug, Clone, Default)]
pub struct TableColumns {
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
}

impl SessionTable {
    /// Check the columns and freeze them.
    ///
    /// # Errors
    /// [`Error::Shape`] for columns of unequal length, [`Error::Unsorted`] for sessions out of order or hours that do
    /// not nest (`span ⊇ pre ≤ open < close ≤ post`).
    pub fn new(columns: TableColumns) -> Result<Self> {
        let n = columns.dates.len();
        let lengths = [
            ("opens", columns.opens.len()),
            ("closes", columns.closes.len()),
            ("pre_opens", columns.pre_opens.len()),
            ("post_closes", columns.post_closes.len()),
            ("spans", columns.spans.len()),
        ];
        for (column, got) in lengths {
            if got != n {
                return Err(Error::Shape {
                    column,
                    got,
                    expected: n,
                });
            }
        }
        if columns.segment_offsets.len() != n + 1 {
            return Err(Error::Shape {
                column: "segment_offsets",
                got: columns.segment_offsets.len(),
                expected: n + 1,
            });
        }
        if columns.segment_offsets[n] != columns.segments.len() || columns.segment_offsets[0] != 0 {
            return Err(Error::Shape {
                column: "segment_offsets",
                got: columns.segment_offsets[n],
                expected: columns.segments.len(),
            });
        }
        let table = Self { columns };
        for index in 0..n {
            let row = table.session(index);
            let nested = row.span.start <= row.pre_open
                && row.pre_open <= row.open
                && row.open < row.close
                && row.close <= row.post_close
                && row.post_close <= row.span.end;
            let (from, to) = (
                table.columns.segment_offsets[index],
                table.columns.segment_offsets[index + 1],
            );
            let covered = from < to
                && row.segments[0].start == row.open
                && row.segments[to - from - 1].end == row.close
                && row.segments.iter().all(|s| s.start < s.end)
                && row
                    .segments
                    .windows(2)
                    .all(|pair| pair[0].end < pair[1].start);
            let rising = index == 0 || {
                let before = table.session(index - 1);
                before.date < row.date && before.span.end <= row.span.start
            };
            if !(nested && covered && rising) {
                return Err(Error::Unsorted {
                    what: "session table",
                    source: 0,
                    row: index,
                });
            }
        }
        Ok(table)
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

    /// Position of a session date, `None` when that date does not trade.
    pub fn index_of(&self, day: i32) -> Option<usize> {
        self.columns.dates.binary_search(&day).ok()
    }

    /// The session to whose date an instant belongs, `None` between sessions.
    pub fn session_at(&self, ts: i64) -> Option<usize> {
        let after = self.columns.spans.partition_point(|span| span.start <= ts);
        let index = after.checked_sub(1)?;
        (ts < self.columns.spans[index].end).then_some(index)
    }

    /// When a bar that starts at `ts` is known: its end, clipped to the stretch of trading it lies in.
    ///
    /// # Errors
    /// [`Error::Overflow`], and for intervals of sessions or weeks [`Error::NoSession`] when `ts` lies in no session.
    pub fn bar_end(&self, ts: i64, interval: Interval) -> Result<i64> {
        let index = self.session_at(ts);
        match interval {
            Interval::Fixed(ns) => {
                let end = ts.checked_add(ns).ok_or(Error::Overflow { ts })?;
                let Some(session) = index.map(|i| self.session(i)) else {
                    return Ok(end);
                };
                let stretches = [
                    (session.pre_open, session.open),
                    (session.open, session.close),
                    (session.close, session.post_close),
                ];
                let inside = stretches
                    .into_iter()
                    .find(|&(start, stop)| start <= ts && ts < stop);
                Ok(inside.map_or(end, |(_, stop)| end.min(stop)))
            }
            Interval::Sessions(n) => {
                let first = index.ok_or(NO_SESSION_AT)?;
                let last = (first + n as usize - 1).min(self.len() - 1);
                Ok(self.columns.closes[last])
            }
            Interval::Weeks(n) => {
                let first = index.ok_or(NO_SESSION_AT)?;
                // Day 4 (1970-01-05) was a Monday.
                let monday = |date: i32| date - (date - 4).rem_euclid(7);
                let next = monday(self.columns.dates[first]) + 7 * n as i32;
                let after = self.columns.dates.partition_point(|&date| date < next);
                Ok(self.columns.closes[after - 1])
            }
        }
    }

    /// The expected bar starts of a session at an interval of at most one session.
    ///
    /// # Errors
    /// [`Error::TooCoarse`] for more than one session.
    pub fn grid(&self, index: usize, interval: Interval) -> Result<Grid> {
        Grid::new(&self.session(index), interval)
    }
}

const NO_SESSION_AT: Error = Error::NoSession {
    what: "the bar starts outside every session of the table",
};

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
}

/// Expected bar starts of one session: multiples of the step from the open that meet regular hours.
///
/// Slots number them from 0. A break leaves out the multiples that lie in it as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grid {
    open: i64,
    close: i64,
    step: i64,
    runs: Vec<Run>,
    len: u32,
}

/// Multiples `[first, end)` of the step, which are the slots from `slot`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Run {
    first: i64,
    end: i64,
    slot: u32,
}

impl Grid {
    fn new(session: &Session<'_>, interval: Interval) -> Result<Self> {
        let step = match interval {
            Interval::Fixed(ns) => ns,
            Interval::Sessions(1) => session.close - session.open,
            Interval::Sessions(_) | Interval::Weeks(_) => {
                return Err(Error::TooCoarse { interval });
            }
        };
        let mut runs: Vec<Run> = Vec::with_capacity(session.segments.len());
        for segment in session.segments {
            let first = (segment.start - session.open) / step;
            let end = (segment.end - session.open + step - 1) / step;
            match runs.last_mut() {
                Some(run) if first <= run.end => run.end = end.max(run.end),
                _ => runs.push(Run {
                    first,
                    end,
                    slot: 0,
                }),
            }
        }
        let mut len = 0;
        for run in &mut runs {
            run.slot = len;
            len += (run.end - run.first) as u32;
        }
        Ok(Self {
            open: session.open,
            close: session.close,
            step,
            runs,
            len,
        })
    }

    /// Number of expected bars.
    pub fn len(&self) -> u32 {
        self.len
    }

    /// Whether no bar is expected.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The slot of a bar that starts at `ts`, `None` off the grid.
    pub fn slot_of(&self, ts: i64) -> Option<u32> {
        let offset = ts - self.open;
        if offset < 0 || offset % self.step != 0 {
            return None;
        }
        let multiple = offset / self.step;
        let run = self.runs.iter().find(|run| multiple < run.end)?;
        (multiple >= run.first).then(|| run.slot + (multiple - run.first) as u32)
    }

    /// The slot of the bucket that holds an instant, on the step or between two steps.
    pub fn bucket_of(&self, ts: i64) -> Option<u32> {
        if ts < self.open || ts >= self.close {
            return None;
        }
        self.slot_of(ts - (ts - self.open) % self.step)
    }

    /// Start of a slot below `len()`.
    pub fn start_of(&self, slot: u32) -> i64 {
        // The runs cover all slots below `len()`, so one always fits.
        let run = self.runs.iter().rev().find(|run| run.slot <= slot).copied();
        run.map_or(self.close, |run| {
            self.open + (run.first + i64::from(slot - run.slot)) * self.step
        })
    }

    /// End of a slot below `len()`, clipped to the close.
    pub fn end_of(&self, slot: u32) -> i64 {
        (self.start_of(slot) + self.step).min(self.close)
    }

    /// Number of slots that start before an instant.
    pub fn slots_before(&self, instant: i64) -> u32 {
        if instant <= self.open {
            return 0;
        }
        let multiple = (instant - self.open + self.step - 1) / self.step;
        self.below(multiple)
    }

    /// Number of slots whose bar is known at the clock, that is, due.
    pub fn due(&self, clock: i64) -> u32 {
        if clock >= self.close {
            return self.len;
        }
        if clock <= self.open {
            return 0;
        }
        self.below((clock - self.open) / self.step)
    }

    fn below(&self, multiple: i64) -> u32 {
        self.runs
            .iter()
            .map(|run| (multiple.min(run.end) - run.first).max(0) as u32)
            .sum()
    }

    /// Whether a slot follows the one before it without a break between them.
    pub fn adjoins(&self, slot: u32) -> bool {
        !self.runs.iter().any(|run| run.slot == slot)
    }

    /// All starts in order.
    pub fn starts(&self) -> impl Iterator<Item = i64> + '_ {
        self.runs
            .iter()
            .flat_map(move |run| (run.first..run.end).map(move |k| self.open + k * self.step))
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::time::{HOUR, MINUTE};

    /// Sessions of the given regular stretches, each on its own day of 24 hours.
    pub(crate) fn table(days: &[&[(i64, i64)]]) -> SessionTable {
        let mut c = TableColumns {
            segment_offsets: vec![0],
            ..TableColumns::default()
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
        assert_eq!(table.session_at(0), Some(0));
        assert_eq!(table.session_at(24 * HOUR), Some(1));
        assert_eq!(table.session_at(48 * HOUR), None);
        assert_eq!(table.session_at(-1), None);
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
