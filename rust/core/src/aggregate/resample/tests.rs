//! Resampling against pushing bar by bar.

use super::*;
use crate::aggregate::{Aggregator, Pushed, Rule};
use crate::schedule::ExtendedGrids;
use crate::schedule::ExtendedHours::{Full, Off, Show};
use crate::session_table::tests::table;
use crate::time::MINUTE;

fn bar(ts: i64, seed: u64, whole: bool) -> Bar {
    let price = 50.0 + (seed % 997) as f64 / 7.0;
    Bar {
        ts,
        open: price,
        high: price + 1.0,
        low: price - (seed % 5) as f64 / 3.0,
        close: price + 0.25,
        volume: if whole {
            (seed % 1_000) as f64
        } else {
            (seed % 1_000) as f64 / 3.0 + if seed.is_multiple_of(50) { 1e15 } else { 0.0 }
        },
        flags: 1,
    }
}

/// The same sessions with pre-market, post-market, both or neither, none of them a multiple of an interval.
fn with_extended_hours(table: &SessionTable) -> SessionTable {
    let mut columns = table.columns().clone();
    for index in 0..table.len() {
        if index % 4 != 0 {
            columns.pre_opens[index] -= 37 * MINUTE;
        }
        if index % 3 != 0 {
            columns.post_closes[index] += 52 * MINUTE;
        }
    }
    SessionTable::new(columns).unwrap()
}

/// Eight sessions, one short and one with a break, holes by pattern.
fn columns(pattern: u64, whole: bool) -> (SessionTable, Columns) {
    let normal: &[(i64, i64)] = &[(570, 700)];
    let days: [&[(i64, i64)]; 8] = [
        normal,
        &[(570, 633)],
        &[(540, 601), (640, 700)],
        normal,
        normal,
        normal,
        normal,
        normal,
    ];
    let table = with_extended_hours(&table(&days));
    let mut columns = Columns::default();
    for index in 0..table.len() {
        let grid = table.grid(index, Interval::ONE_MINUTE).unwrap();
        let anchor = Anchor::Session;
        let extended = table.extended_grids(index, Interval::ONE_MINUTE, anchor);
        let ExtendedGrids { pre, post } = extended.unwrap();
        let grids = [pre, Some(grid), post];
        let starts = grids.iter().flatten().flat_map(|grid| grid.starts());
        for (n, ts) in starts.enumerate() {
            let seed = (pattern ^ (index as u64 * 1_000 + n as u64))
                .wrapping_mul(0x9E37_79B9_7F4A_7C15)
                >> 7;
            let dropped = match pattern % 3 {
                0 => false,
                1 => seed.is_multiple_of(40),
                _ => !seed.is_multiple_of(3),
            };
            if !dropped {
                columns.push(bar(ts, seed, whole));
            }
        }
    }
    (table, columns)
}

fn streamed(
    table: &SessionTable,
    columns: &Columns,
    rule: Rule,
    complete: Completeness,
) -> Columns {
    let mut aggregator = Aggregator::new(rule, complete);
    let mut derived = Columns::with_capacity(0, true);
    for row in 0..columns.len() {
        let bar = columns.bar(row);
        let session = table.session(table.session_of(bar.ts).unwrap());
        let Some(role) = session.role_of(bar.ts, rule.takes_extended()) else {
            continue;
        };
        if let Pushed::Opened(Some(ended)) =
            aggregator.push_as(role, table, &bar, i64::MIN).unwrap()
        {
            derived.push_derived(ended.bar, ended.constituents as i32);
        }
    }
    if let Some(ended) = aggregator.close(i64::MAX) {
        derived.push_derived(ended.bar, ended.constituents as i32);
    }
    derived
}

#[test]
fn resampling_equals_pushing_bar_by_bar_to_the_bit() {
    for pattern in 0..60 {
        let (table, columns) = columns(pattern, pattern % 2 == 0);
        let all = [
            "2m", "5m", "15m", "7m", "1h", "90m", "1d", "2d", "3d", "1w", "2w",
        ];
        let mut targets: Vec<Interval> = all.iter().map(|text| text.parse().unwrap()).collect();
        targets.rotate_left((pattern % 3) as usize);
        targets.truncate(1 + (pattern % 11) as usize);
        targets.sort();
        let rules = [Anchor::Session, Anchor::Segment]
            .into_iter()
            .flat_map(|anchor| [Off, Show, Full].map(|extended_hours| (anchor, extended_hours)));
        for (anchor, extended_hours) in rules {
            for completeness in [Completeness::Any, Completeness::Complete] {
                let request = Request {
                    base: Interval::ONE_MINUTE,
                    targets: targets.clone(),
                    anchor,
                    completeness,
                    extended_hours,
                };
                let got = resample(&table, &request, &[(&columns, 0..columns.len())]).unwrap();
                for (&target, got) in targets.iter().zip(&got[0]) {
                    let rule = Rule {
                        base: Interval::ONE_MINUTE,
                        target,
                        anchor,
                        extended_hours,
                    };
                    let expected = streamed(&table, &columns, rule, completeness);
                    assert_eq!(
                        got, &expected,
                        "{target} {anchor:?} {extended_hours:?} {pattern}"
                    );
                }
            }
        }
    }
}

#[test]
fn nothing_comes_of_nothing() {
    let table = table(&[&[(570, 700)]]);
    let request = Request {
        base: Interval::ONE_MINUTE,
        targets: vec![Interval::ONE_DAY],
        anchor: Anchor::Session,
        completeness: Completeness::Any,
        extended_hours: ExtendedHours::Off,
    };
    let empty = Columns::default();
    assert!(resample(&table, &request, &[(&empty, 0..0)]).unwrap()[0][0].is_empty());
    assert!(resample(&table, &request, &[]).unwrap().is_empty());
}

#[test]
fn the_bar_before_a_break_ends_with_the_trading() {
    let table = table(&[&[(540, 690), (750, 900)]]);
    let hours = table.grid(0, Interval::Fixed(60 * MINUTE)).unwrap();
    assert_eq!(hours.end_of(2), 690 * MINUTE);
    assert_eq!(hours.end_of(3), 780 * MINUTE);
}
