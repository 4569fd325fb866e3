//! Tables of made-up sessions, and their grids.

use super::*;
use crate::time::{HOUR, Interval, MINUTE};

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
