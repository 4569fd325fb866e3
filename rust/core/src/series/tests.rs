//! What snapshots of a series see while its writer adds, changes and rolls rows.

use super::*;
use crate::bar::Bar;
use crate::columns::Columns;

fn bar(ts: i64) -> Bar {
    Bar {
        ts,
        volume: ts as f64,
        ..Bar::default()
    }
}

fn stamps(snapshot: &Snapshot, scope: Scope) -> Vec<i64> {
    let (first, last) = snapshot.view().scope(scope);
    let mut columns = Columns::default();
    for slice in snapshot.view().slices(first, last) {
        slice.copy_into(&mut columns);
    }
    columns.ts
}

#[test]
fn rows_survive_growing_and_rolling() {
    let mut writer = SeriesWriter::new(Interval::ONE_MINUTE, false);
    let held = {
        writer.append(&bar(0), 0, 1);
        writer.publish();
        writer.series().snapshot(1).unwrap()
    };
    for ts in 1..30_000 {
        writer.append(&bar(ts), 0, 1);
    }
    writer.publish();
    let snapshot = writer.series().snapshot(1).unwrap();
    assert_eq!(
        stamps(&snapshot, Scope::All),
        (0..30_000).collect::<Vec<_>>()
    );
    assert_eq!(stamps(&held, Scope::All), [0]);
    for row in [0, 1, 4_095, 4_096, 8_191, 12_345, 29_999] {
        assert_eq!(snapshot.view().bar(row).ts, row as i64);
        assert_eq!(snapshot.view().lower_bound(0, 30_000, row as i64), row);
    }
    assert_eq!(snapshot.view().slices(29_000, 30_000).len(), 1);
    assert_eq!(snapshot.view().lower_bound(0, 30_000, 99_999), 30_000);
    assert_eq!(snapshot.view().lower_bound(7, 30_000, -5), 7);
}

#[test]
fn late_and_changed_rows_build_a_new_segment_and_leave_snapshots_alone() {
    let mut writer = SeriesWriter::new(Interval::ONE_MINUTE, false);
    for ts in [1, 2, 5] {
        writer.append(&bar(ts), 0, 1);
    }
    writer.publish();
    let before = writer.series().snapshot(1).unwrap();
    writer.stage(
        Bar {
            volume: 9.0,
            ..bar(2)
        },
        0,
    );
    writer.stage(bar(3), 0);
    writer.apply_staged(2);
    writer.publish();
    assert_eq!(stamps(&before, Scope::Session), [1, 2, 5]);
    assert_eq!(before.view().bar(1).volume, 2.0);
    assert!(writer.series().snapshot(1).is_none());
    let after = writer.series().snapshot(2).unwrap();
    assert_eq!(stamps(&after, Scope::Session), [1, 2, 3, 5]);
    assert_eq!(after.view().bar(1).volume, 9.0);
}

#[test]
fn a_reader_that_comes_back_finds_what_was_added_and_what_was_replaced() {
    let mut writer = SeriesWriter::new(Interval::ONE_MINUTE, false);
    let mut reader = Reader::new(writer.series().clone());
    let mut rows = |epoch| reader.look(epoch, |view| view.scope(Scope::All).1);
    assert_eq!(rows(0), Some(0));
    for (ts, epoch) in [(1, 1), (2, 1), (5, 2)] {
        writer.append(&bar(ts), 0, epoch);
    }
    assert_eq!(rows(2), Some(0), "nothing is published");
    writer.publish();
    assert_eq!((rows(1), rows(2)), (Some(2), Some(3)));
    writer.stage(bar(3), 0);
    writer.apply_staged(3);
    writer.publish();
    assert_eq!((rows(2), rows(3)), (None, Some(4)));
    for ts in 6..30_000 {
        writer.append(&bar(ts), 0, 4);
    }
    writer.publish();
    assert_eq!(rows(4), Some(29_998));
}

#[test]
fn an_unpublished_row_is_invisible() {
    let mut writer = SeriesWriter::new(Interval::ONE_MINUTE, false);
    for ts in 0..100 {
        writer.append(&bar(ts), 0, 1);
        let seen = writer
            .series()
            .snapshot(1)
            .unwrap()
            .view()
            .scope(Scope::All)
            .1;
        assert_eq!(seen, 0);
    }
    writer.publish();
    assert_eq!(
        writer
            .series()
            .snapshot(0)
            .unwrap()
            .view()
            .scope(Scope::All)
            .1,
        0
    );
    assert_eq!(
        writer
            .series()
            .snapshot(1)
            .unwrap()
            .view()
            .scope(Scope::All)
            .1,
        100
    );
}

#[test]
fn a_roll_before_publishing_shows_an_earlier_epoch_nothing_newer() {
    let mut writer = SeriesWriter::new(Interval::ONE_MINUTE, false);
    for (rows, epoch) in [(0..10, 1), (10..20, 2), (20..20_000, 3)] {
        rows.for_each(|ts| writer.append(&bar(ts), 0, epoch));
        if epoch < 3 {
            writer.publish();
        }
    }
    let series = writer.series();
    assert!(series.snapshot(1).is_none());
    let newest = series.snapshot(2).unwrap();
    assert_eq!(stamps(&newest, Scope::All), (0..20).collect::<Vec<_>>());
}

#[test]
fn a_session_rolls_into_history_and_history_is_trimmed() {
    let mut writer = SeriesWriter::new(Interval::ONE_MINUTE, false);
    for day in 0..5_i64 {
        writer.start_session(true, day * 1_000 - 2_000, 400, day as u64 * 2);
        for minute in 0..300 {
            writer.append(&bar(day * 1_000 + minute), 0, day as u64 * 2 + 1);
        }
        writer.publish();
        let snapshot = writer.series().snapshot(day as u64 * 2 + 1).unwrap();
        let first_day = (day - 2).max(0);
        let expected: Vec<i64> = (first_day..=day)
            .flat_map(|d| (0..300).map(move |m| d * 1_000 + m))
            .collect();
        assert_eq!(stamps(&snapshot, Scope::All), expected);
        assert_eq!(stamps(&snapshot, Scope::Session).len(), 300);
        let (_, last) = snapshot.view().scope(Scope::All);
        if day > 0 {
            assert_eq!(
                snapshot.view().slices(last - 500, last).len(),
                1,
                "the look-back is contiguous over the open"
            );
        }
    }
}

#[test]
fn a_session_takes_the_memory_of_the_one_before_unless_somebody_holds_it() {
    let mut writer = SeriesWriter::new(Interval::ONE_MINUTE, false);
    let day = |day: i64| day * 1_000..day * 1_000 + 300;
    let (mut memory, mut held) = (Vec::new(), Vec::new());
    for number in 0..4_i64 {
        let epoch = number as u64 * 2 + 1;
        writer.start_session(false, i64::MIN, 400, epoch);
        assert!(writer.series().snapshot(epoch - 1).is_none());
        day(number).for_each(|ts| writer.append(&bar(ts), 0, epoch + 1));
        writer.publish();
        let snapshot = writer.series().snapshot(epoch + 1).unwrap();
        assert_eq!(
            stamps(&snapshot, Scope::All),
            day(number).collect::<Vec<_>>()
        );
        memory.push(Arc::as_ptr(&snapshot.state.live));
        if number == 1 {
            held.push(snapshot);
        }
    }
    assert!(memory[0] == memory[1] && memory[2] == memory[3]);
    assert_ne!(memory[1], memory[2], "somebody holds it");
    assert_eq!(stamps(&held[0], Scope::All), day(1).collect::<Vec<_>>());
}
