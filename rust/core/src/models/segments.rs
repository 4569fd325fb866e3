//! One segment and one series: rows are published whole, and a roll takes nothing from who reads.

use std::sync::Arc;

use super::{bar, explore, rows};
use crate::bar::Bar;
use crate::columns::Columns;
use crate::segment::Segment;
use crate::series::{NO_REPLAY, Scope, SeriesWriter};
use crate::time::Interval;

#[test]
fn a_reader_sees_whole_published_rows_only() {
    explore("publish and read", || {
        let segment = Arc::new(Segment::with_capacity(2, true));
        let reader = {
            let segment = segment.clone();
            loom::thread::spawn(move || {
                let seen = segment.len();
                for row in 0..seen {
                    let expected = Bar {
                        flags: 3,
                        ..bar(row as i64, 1.0 + row as f64)
                    };
                    assert_eq!(segment.bar(row), expected);
                    assert_eq!(segment.constituents(row), Some(5));
                    assert_eq!(segment.epoch(row), 7);
                }
                assert!(segment.len() >= seen, "a length never shrinks");
            })
        };
        for row in 0..2 {
            let new = Bar {
                flags: 3,
                ..bar(row as i64, 1.0 + row as f64)
            };
            segment.write(row, &new, 5, 7);
            segment.publish(row + 1);
        }
        reader.join().unwrap();
    });
}

/// What a reader gets while `appended` rows follow the first four, published one by one or at once.
fn roll(name: &str, appended: i64, at_once: bool) {
    let price = |minute: i64| 1.0 + minute as f64;
    explore(name, move || {
        let mut writer = SeriesWriter::new(Interval::ONE_MINUTE, false);
        for minute in 0..4 {
            writer.append(&bar(minute, price(minute)), 0, 1);
        }
        writer.publish();
        let series = writer.series().clone();
        let reader = loom::thread::spawn(move || {
            let held = series.snapshot(1).unwrap();
            let before = rows(&held, Scope::All);
            let later = rows(&series.snapshot(1).unwrap(), Scope::All);
            let expected: Vec<_> = (0..4 + appended).map(|m| (m, price(m))).collect();
            assert!(before.len() >= 4 && later.len() >= before.len());
            assert_eq!(later, expected[..later.len()]);
            assert_eq!(before, expected[..before.len()]);
            assert_eq!(rows(&held, Scope::All), before, "a snapshot never changes");
            if at_once {
                assert!([4, expected.len()].contains(&later.len()), "half a batch");
            }
        });
        for minute in 4..4 + appended {
            writer.append(&bar(minute, price(minute)), 0, 1);
            if !at_once {
                writer.publish();
            }
        }
        writer.publish();
        reader.join().unwrap();
    });
}

#[test]
fn a_roll_leaves_a_reader_its_rows() {
    roll("roll while reading", 3, false);
}

#[test]
fn rows_that_are_not_published_stay_hidden_over_rolls() {
    roll("roll before publishing", 5, true);
}

#[test]
fn rows_that_wait_for_their_time_are_seen_with_their_epoch_and_not_before() {
    let price = |minute: i64| 1.0 + minute as f64;
    explore("preload while reading", move || {
        let mut writer = SeriesWriter::new(Interval::ONE_MINUTE, false);
        writer.append(&bar(0, price(0)), 0, 1);
        writer.publish();
        let series = writer.series().clone();
        let reader = loom::thread::spawn(move || {
            for epoch in [3, 2] {
                let seen = rows(&series.snapshot(epoch).unwrap(), Scope::All);
                let known: Vec<_> = (0..epoch as i64).map(|m| (m, price(m))).collect();
                assert_eq!(seen, known[..seen.len()]);
                assert!(!seen.is_empty());
            }
        });
        let mut waiting = Columns::default();
        for minute in 1..3 {
            waiting.push(bar(minute, price(minute)));
        }
        writer.places(2, 0, 1).put(0, &waiting, 0..2);
        for minute in 1..3 {
            writer.append_next(&bar(minute, price(minute)), 1 + minute as u64, 1);
            writer.publish();
        }
        reader.join().unwrap();
    });
}

#[test]
fn rows_that_are_put_in_their_places_after_another_came_are_seen_by_nobody() {
    explore("places while somebody else brings a bar", || {
        let mut writer = SeriesWriter::new(Interval::ONE_MINUTE, false);
        writer.append(&bar(0, 1.0), 0, 1);
        writer.publish();
        let series = writer.series().clone();
        let places = writer.places(1, 0, 1);
        let helper = loom::thread::spawn(move || {
            let mut waiting = Columns::default();
            waiting.push(bar(5, 6.0));
            places.put(0, &waiting, 0..1);
        });
        let reader = loom::thread::spawn(move || {
            let seen = rows(&series.snapshot(2).unwrap(), Scope::All);
            let known = [(0, 1.0), (1, 2.0)];
            assert_eq!(seen, known[..seen.len()]);
            assert!(!seen.is_empty());
        });
        writer.append_anew(&bar(1, 2.0), 2, NO_REPLAY);
        writer.publish();
        helper.join().unwrap();
        reader.join().unwrap();
    });
}
