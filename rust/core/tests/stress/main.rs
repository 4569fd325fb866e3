//! One writer and four readers at full speed: what a reader takes is whole, of one epoch, and never changes.
//!
//! Every scenario is seeded and bounded. `TAPELOOM_STRESS` says how many rounds each runs, 1 where it is not set. The
//! orders in which threads may see each other's writes are tried one by one in `src/models.rs`; here the real
//! pointers and locks are at work.
#![cfg(not(loom))]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

mod race;
mod subscriptions;

use std::sync::Arc;

use tapeloom_core::bar::Bar;
use tapeloom_core::columns::Columns;
use tapeloom_core::schedule::Stretch;
use tapeloom_core::series::{Scope, Series, Slice, Snapshot};
use tapeloom_core::session_table::{SessionTable, TableColumns};
use tapeloom_core::store::{SessionStart, Store, SymbolId, Writer};
use tapeloom_core::time::{DAY, Interval, MINUTE};

use race::{Chance, bar, race};

fn register(writer: &mut Writer, symbol: &str, derived: &[Interval]) -> SymbolId {
    writer
        .register(symbol, Some(Interval::ONE_MINUTE), derived)
        .unwrap()
}

fn bases(store: &Store) -> Vec<Arc<Series>> {
    let directory = store.directory();
    let entries = directory.entries().iter();
    entries.map(|entry| entry.base().clone()).collect()
}

/// Snapshots of several series as of one epoch, which comes with them.
fn snapshots(store: &Store, series: &[&Series]) -> (u64, Vec<Snapshot>) {
    loop {
        let epoch = store.epoch();
        if let Some(taken) = series.iter().map(|one| one.snapshot(epoch)).collect() {
            return (epoch, taken);
        }
        // One of them is changed for a later epoch: wait until that is out.
        drop(store.write());
    }
}

fn count(snapshot: &Snapshot, scope: Scope) -> u64 {
    let (first, last) = snapshot.view().scope(scope);
    (last - first) as u64
}

/// Some of the rows of a snapshot, at most 512.
fn some_rows(snapshot: &Snapshot, chance: &mut Chance) -> Vec<Slice> {
    let (first, last) = snapshot.view().scope(Scope::All);
    let from = first + chance.below(last - first + 1);
    let to = last.min(from + chance.below(512));
    let slices = snapshot.view().slices(from, to);
    let rows: usize = slices.iter().map(Slice::len).sum();
    assert_eq!(rows, to - from);
    slices
}

#[test]
fn every_instant_is_there_for_all_symbols_or_for_none() {
    const SYMBOLS: u32 = 8;
    race(
        |store| {
            let mut writing = store.write();
            for symbol in 0..SYMBOLS {
                register(&mut writing, &format!("S{symbol}"), &[]);
            }
        },
        |store, _| {
            for epoch in 2..4_000 {
                let mut writing = store.write();
                for symbol in 0..SYMBOLS {
                    let new = bar(epoch as i64, epoch);
                    writing.offer(SymbolId(symbol), new).unwrap();
                }
            }
        },
        |store, held, chance| {
            let series = bases(store);
            let series: Vec<&Series> = series.iter().map(|series| &**series).collect();
            let (epoch, taken) = snapshots(store, &series);
            for snapshot in &taken {
                assert_eq!(count(snapshot, Scope::All), epoch - 1);
                held.keep(some_rows(snapshot, chance), epoch, chance);
            }
            let entries: Vec<_> = store
                .directory()
                .entries()
                .iter()
                .cloned()
                .map(Some)
                .collect();
            let Some(newest) = store.latest_of_all(&entries) else {
                store.wait_for_writer();
                return;
            };
            assert_eq!(newest.len(), series.len());
            let same = |pair: &[Option<Bar>]| pair[0].map(|b| b.ts) == pair[1].map(|b| b.ts);
            assert!(newest.windows(2).all(same), "half an instant");
            let asked: Vec<Option<&Series>> = series.iter().copied().map(Some).collect();
            let looked = store.look_at_all(&asked, |view| view.scope(Scope::All).1);
            let Some(totals) = looked else {
                store.wait_for_writer();
                return;
            };
            assert!(
                totals.windows(2).all(|pair| pair[0] == pair[1]),
                "half an instant"
            );
            assert!(
                totals[0] >= Some(epoch as usize - 1),
                "time never goes back"
            );
        },
    );
}

#[test]
fn a_series_without_end_rolls_under_its_readers() {
    const EPOCHS: u64 = 60;
    // How many rows each epoch adds: many small batches, some beyond the window that stays one slice.
    let rows = |epoch: u64| match epoch % 6 {
        0 => 4_097 + (epoch * 53 % 2_000) as i64,
        rest => 1 + (epoch * rest * 97 % 700) as i64,
    };
    let total = |epoch: u64| (2..=epoch).map(rows).sum::<i64>();
    race(
        |store| {
            register(&mut store.write(), "A", &[]);
        },
        |store, _| {
            for epoch in 2..EPOCHS {
                let mut batch = Columns::default();
                for minute in total(epoch - 1)..total(epoch) {
                    batch.push(bar(minute, epoch));
                }
                let mut writing = store.write();
                writing.offer_batch(SymbolId(0), &batch, None).unwrap();
            }
        },
        |store, held, chance| {
            let series = bases(store);
            let (epoch, taken) = snapshots(store, &[&series[0]]);
            assert_eq!(count(&taken[0], Scope::All), total(epoch) as u64);
            let slices = some_rows(&taken[0], chance);
            let stamps = slices
                .iter()
                .flat_map(|slice| (0..slice.len()).map(move |row| slice.ts(row)));
            let stamps: Vec<i64> = stamps.collect();
            assert!(stamps.windows(2).all(|pair| pair[1] - pair[0] == MINUTE));
            held.keep(slices, epoch, chance);
        },
    );
}

#[test]
fn late_bars_and_corrections_change_no_view() {
    const HALF: i64 = 300;
    race(
        |store| {
            register(&mut store.write(), "A", &[]);
        },
        |store, chance| {
            let mut odd: Vec<i64> = (0..HALF).map(|n| 2 * n + 1).collect();
            for epoch in 2..2 + 3 * HALF as u64 {
                // First the even minutes, one by one; then corrections of them and the odd ones in any order.
                let minute = match epoch as i64 - 2 {
                    early if early <= HALF => 2 * early,
                    late if late % 2 == 0 && !odd.is_empty() => {
                        odd.swap_remove(chance.below(odd.len()))
                    }
                    _ => 2 * chance.below(HALF as usize) as i64,
                };
                let mut writing = store.write();
                writing.offer(SymbolId(0), bar(minute, epoch)).unwrap();
            }
        },
        |store, held, chance| {
            let series = bases(store);
            let (epoch, taken) = snapshots(store, &[&series[0]]);
            let (first, last) = taken[0].view().scope(Scope::All);
            let newest = (first..last).map(|row| taken[0].view().bar(row).volume as u64);
            assert_eq!(newest.max().unwrap_or(1), epoch, "its own bar is there");
            let in_order = (first + 1..last)
                .all(|r| taken[0].view().bar(r - 1).ts < taken[0].view().bar(r).ts);
            assert!(in_order);
            held.keep(some_rows(&taken[0], chance), epoch, chance);
        },
    );
}

/// Sessions on consecutive days, each from minute 600 for a number of minutes.
fn sessions(days: i64, minutes: i64) -> SessionTable {
    let each = |minute: i64| {
        (0..days)
            .map(|day| day * DAY + minute * MINUTE)
            .collect::<Vec<_>>()
    };
    let (opens, closes) = (each(600), each(600 + minutes));
    let stretch = |(&start, &end): (&i64, &i64)| Stretch { start, end };
    SessionTable::new(TableColumns {
        first_day: 0,
        last_day: days as i32 - 1,
        covered: Stretch {
            start: 0,
            end: days * DAY,
        },
        dates: (0..days as i32).collect(),
        segment_offsets: (0..=days as usize).collect(),
        segments: opens.iter().zip(&closes).map(stretch).collect(),
        spans: each(0).iter().zip(&each(24 * 60)).map(stretch).collect(),
        pre_opens: opens.clone(),
        post_closes: closes.clone(),
        opens,
        closes,
    })
    .unwrap()
}

#[test]
fn sessions_start_under_their_readers() {
    const DAYS: i64 = 60;
    const MINUTES: u64 = 20;
    const KEPT: u64 = 3;
    let five = Interval::minutes(5).unwrap();
    let start = |writer: &mut Writer, day: i64| {
        let span = Stretch {
            start: day * DAY,
            end: (day + 1) * DAY,
        };
        let (day, roll) = (day as i32, true);
        writer
            .start_session(SessionStart { day, span, roll })
            .unwrap();
    };
    race(
        |store| {
            let mut writing = store.write();
            writing.set_table(Arc::new(sessions(DAYS, MINUTES as i64)));
            writing.set_history_days(None, KEPT as usize);
            start(&mut writing, 0);
            for symbol in ["A", "B", "C"] {
                register(&mut writing, symbol, &[five]);
            }
        },
        |store, _| {
            // Each day takes one epoch to start and one for each minute.
            for epoch in 2..=DAYS as u64 * (MINUTES + 1) {
                let (day, minute) = ((epoch - 1) / (MINUTES + 1), (epoch - 1) % (MINUTES + 1));
                let mut writing = store.write();
                if minute == 0 {
                    start(&mut writing, day as i64);
                    continue;
                }
                let minute = (day * 24 * 60 + 599 + minute) as i64;
                for symbol in 0..3 {
                    writing.offer(SymbolId(symbol), bar(minute, epoch)).unwrap();
                }
            }
        },
        |store, held, chance| {
            let directory = store.directory();
            let entry = &directory.entries()[chance.below(3)];
            let (epoch, taken) = snapshots(store, &[&entry.series[0], &entry.series[1]]);
            let (day, minute) = ((epoch - 1) / (MINUTES + 1), (epoch - 1) % (MINUTES + 1));
            let kept = day.min(KEPT);
            assert_eq!(count(&taken[0], Scope::Session), minute);
            assert_eq!(count(&taken[0], Scope::History), kept * MINUTES);
            assert_eq!(count(&taken[1], Scope::Session), minute / 5);
            assert_eq!(count(&taken[1], Scope::History), kept * MINUTES / 5);
            held.keep(some_rows(&taken[0], chance), epoch, chance);
            let (present, due) = store.presence_counts(entry).unwrap();
            assert_eq!(present, due, "a bar that came counts as missing");
            if let Some(figures) = entry.metrics() {
                let minute = figures.last_update / MINUTE % (24 * 60) - 599;
                assert_eq!(figures.bars as i64, minute, "figures of two publications");
            }
        },
    );
}

#[test]
fn symbols_are_registered_under_their_readers() {
    const SYMBOLS: u64 = 400;
    race(
        |_| {},
        |store, _| {
            for epoch in 1..=SYMBOLS {
                let mut writing = store.write();
                let id = register(&mut writing, &format!("S{epoch}"), &[]);
                writing.offer(id, bar(epoch as i64, epoch)).unwrap();
            }
        },
        |store, held, chance| {
            let known_by = store.epoch();
            let series = bases(store);
            assert!(
                series.len() as u64 >= known_by,
                "a symbol came after its epoch"
            );
            let all: Vec<&Series> = series.iter().map(|series| &**series).collect();
            let (epoch, taken) = snapshots(store, &all);
            assert!(epoch >= known_by);
            for (at, snapshot) in taken.iter().enumerate() {
                assert_eq!(count(snapshot, Scope::All), 1);
                assert_eq!(snapshot.view().bar(0).volume as usize, at + 1);
            }
            if let Some(snapshot) = taken.last() {
                held.keep(some_rows(snapshot, chance), epoch, chance);
            }
        },
    );
}
