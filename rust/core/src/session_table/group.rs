//! Sessions that share one bar: days counted from the new year, ISO weeks counted from week 1.

use std::ops::Range;

use crate::error::{civil, days_since_epoch};
use crate::session_table::SessionTable;
use crate::time::Interval;

impl SessionTable {
    /// The sessions that share a bar with session `index`; the session alone for intervals up to one session.
    ///
    /// `Nd` counts sessions from the first of each calendar year, `Nw` counts ISO weeks from week 1 of each ISO year; the
    /// last group of a year may be short.
    pub fn group(&self, index: usize, interval: Interval) -> Range<usize> {
        match interval {
            Interval::Fixed(_) | Interval::Sessions(1) => index..index + 1,
            Interval::Sessions(days) => {
                let (year, _, _) = civil(i64::from(self.columns.dates[index]));
                let year = year as i32;
                let first_of_year = self.sessions_before(new_year(year));
                let first_of_next = self.sessions_before(new_year(year + 1));
                let days = days as usize;
                let first = index - (index - first_of_year) % days;
                first..(first + days).min(first_of_next)
            }
            Interval::Weeks(weeks) => {
                let date = i64::from(self.columns.dates[index]);
                let monday = monday_of(date);
                // The Thursday of a week decides to which year it belongs.
                let (year, _, _) = civil(monday + 3);
                let first_week = monday_of(i64::from(fourth_of_january(year as i32)));
                let next_year = monday_of(i64::from(fourth_of_january(year as i32 + 1)));
                let span = 7 * i64::from(weeks);
                let start = monday - (monday - first_week) % span;
                let end = (start + span).min(next_year);
                self.sessions_before(start as i32)..self.sessions_before(end as i32)
            }
        }
    }

    /// The sessions that stamps from `first` to `last` can belong to.
    pub fn sessions_spanning(&self, first: i64, last: i64) -> Range<usize> {
        let spans = &self.columns.spans;
        let from = spans.partition_point(|span| span.end <= first);
        let to = spans.partition_point(|span| span.start <= last);
        from..to.max(from)
    }

    /// The sessions to whose time stamps belong, which are in order.
    pub fn sessions_with(&self, ts: &[i64]) -> Vec<usize> {
        let (Some(&first), Some(&last)) = (ts.first(), ts.last()) else {
            return Vec::new();
        };
        let mut row = 0;
        self.sessions_spanning(first, last)
            .filter(|&index| {
                let span = self.columns.spans[index];
                let from = row + ts[row..].partition_point(|&at| at < span.start);
                row = from + ts[from..].partition_point(|&at| at < span.end);
                row > from
            })
            .collect()
    }
}

fn new_year(year: i32) -> i32 {
    days_since_epoch(year, 1, 1) as i32
}

/// Week 1 of an ISO year is the one that holds the fourth of January.
fn fourth_of_january(year: i32) -> i32 {
    days_since_epoch(year, 1, 4) as i32
}

/// The Monday on or before a day. Day 4 (1970-01-05) was one.
fn monday_of(day: i64) -> i64 {
    day - (day - 4).rem_euclid(7)
}

#[cfg(test)]
mod tests {
    use crate::session_table::tests::table;
    use crate::time::Interval;

    #[test]
    fn weeks_run_from_monday_to_sunday_and_days_from_the_new_year() {
        // Forty trading days from 1970-01-01, a Thursday, weekends included.
        let table = table(&vec![[(570, 960)].as_slice(); 40]);
        assert_eq!(table.group(0, Interval::Weeks(1)), 0..4);
        assert_eq!(table.group(3, Interval::Weeks(1)), 0..4);
        assert_eq!(table.group(4, Interval::Weeks(1)), 4..11);
        // 1970-01-01 lies in week 1 of 1970.
        assert_eq!(table.group(4, Interval::Weeks(2)), 0..11);
        assert_eq!(table.group(11, Interval::Weeks(2)), 11..25);
        assert_eq!(table.group(7, Interval::Sessions(5)), 5..10);
        assert_eq!(table.group(7, Interval::ONE_DAY), 7..8);
    }
}
