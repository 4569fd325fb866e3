//! A store without sessions: what a reader of one epoch gets of all its symbols.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Met, bar, explore, explore_within, rows, snapshots};
use crate::bar::Bar;
use crate::series::{Scope, Series};
use crate::store::{Policies, Store, SymbolId};
use crate::time::{Interval, MINUTE};

/// Symbol, minute and price of an offered bar.
type Offer = (u32, i64, f64);
/// Minute and price of the rows of each symbol.
type Known = Vec<Vec<(i64, f64)>>;

/// What is known as of each epoch, by the plainest means.
fn known_by_epoch(symbols: usize, epochs: &[&[Offer]]) -> Vec<Known> {
    let mut known = vec![BTreeMap::new(); symbols];
    // Epoch 0 knows nobody, epoch 1 no bar.
    let mut all: Vec<Known> = vec![vec![Vec::new(); symbols]; 2];
    for offers in epochs {
        for &(symbol, minute, price) in *offers {
            known[symbol as usize].insert(minute, price);
        }
        let rows = |rows: &BTreeMap<i64, f64>| rows.iter().map(|(&m, &p)| (m, p)).collect();
        all.push(known.iter().map(rows).collect());
    }
    all
}

fn register(store: &Store, symbols: &[&str]) {
    let mut writing = store.write();
    for symbol in symbols {
        writing
            .register(symbol, Some(Interval::ONE_MINUTE), &[])
            .unwrap();
    }
}

fn write(store: &Store, offers: &[Offer]) {
    let mut writing = store.write();
    for &(symbol, minute, price) in offers {
        writing.offer(SymbolId(symbol), bar(minute, price)).unwrap();
    }
}

/// Read `reads` times: each time all of one epoch, nothing newer, and what is held never changes.
fn read(store: &Store, series: &[&Series], known: &[Known], reads: usize, met: &Met) {
    let mut held: Vec<(u64, Vec<_>)> = Vec::new();
    for _ in 0..reads {
        let (epoch, taken) = snapshots(store, series);
        let newest = held.last().map_or(0, |(epoch, _)| *epoch);
        assert!(epoch >= newest, "an epoch never goes back");
        held.push((epoch, taken));
    }
    for (epoch, taken) in held {
        met.note(epoch);
        let seen: Known = taken.iter().map(|s| rows(s, Scope::All)).collect();
        assert_eq!(seen, known[epoch as usize], "as of epoch {epoch}");
    }
}

/// One thread writes epochs of which the first `before` are out before the other reads.
fn explore_epochs(
    name: &str,
    (symbols, reads, before): (usize, usize, usize),
    epochs: &'static [&'static [Offer]],
) {
    let known = Arc::new(known_by_epoch(symbols, epochs));
    let met = Met::default();
    let noted = met.clone();
    explore(name, move || {
        let store = Arc::new(Store::new(Policies::default()));
        register(&store, &["A", "B"][..symbols]);
        let (first, rest) = epochs.split_at(before);
        first.iter().for_each(|offers| write(&store, offers));
        let reader = {
            let (store, known, noted) = (store.clone(), known.clone(), noted.clone());
            loom::thread::spawn(move || {
                let directory = store.directory();
                let series: Vec<_> = directory.entries().iter().map(|e| &**e.base()).collect();
                read(&store, &series, &known, reads, &noted);
            })
        };
        rest.iter().for_each(|offers| write(&store, offers));
        reader.join().unwrap();
    });
    met.check(before as u64 + 1..=epochs.len() as u64 + 1);
}

#[test]
fn an_instant_is_never_half_there() {
    explore_epochs(
        "epoch",
        (2, 1, 1),
        &[
            &[(0, 1, 1.0), (1, 1, 2.0)],
            &[(0, 2, 3.0), (1, 2, 4.0)],
            &[(0, 3, 5.0), (1, 3, 6.0)],
        ],
    );
}

#[test]
fn an_instant_with_a_correction_is_never_half_there() {
    explore_epochs(
        "epoch with a correction",
        (2, 1, 1),
        &[
            &[(0, 1, 1.0), (1, 1, 2.0)],
            &[(0, 1, 3.0), (1, 2, 4.0)],
            &[(0, 2, 5.0), (1, 3, 6.0)],
        ],
    );
}

#[test]
fn late_bars_and_corrections_leave_old_snapshots_alone() {
    explore_epochs(
        "late bar, then correction",
        (1, 2, 1),
        &[&[(0, 1, 1.0), (0, 3, 2.0)], &[(0, 2, 3.0)], &[(0, 3, 4.0)]],
    );
}

#[test]
fn a_late_bar_in_the_middle_of_an_instant_waits_for_its_end() {
    explore_epochs(
        "late bar within an instant",
        (1, 1, 1),
        &[
            &[(0, 1, 1.0), (0, 3, 2.0)],
            &[(0, 4, 3.0), (0, 2, 4.0), (0, 5, 5.0)],
        ],
    );
}

#[test]
fn a_batch_beyond_the_window_is_not_seen_before_its_epoch() {
    explore_epochs(
        "long batch over a roll",
        (1, 1, 1),
        &[
            &[(0, 1, 1.0), (0, 2, 2.0)],
            &[(0, 3, 3.0), (0, 4, 4.0)],
            &[(0, 5, 5.0), (0, 6, 6.0), (0, 7, 7.0), (0, 8, 8.0)],
        ],
    );
}

fn minute_and_price(bar: Bar) -> (i64, f64) {
    assert_eq!(bar.open, bar.volume, "half a bar");
    (bar.ts / MINUTE, bar.close)
}

#[test]
fn a_look_at_all_symbols_is_of_one_instant() {
    let instants: [&[Offer]; 3] = [
        &[(0, 1, 1.0), (1, 1, 2.0)],
        &[(0, 1, 3.0), (1, 2, 4.0)],
        &[(0, 2, 5.0), (1, 3, 6.0)],
    ];
    let known = Arc::new(known_by_epoch(2, &instants));
    explore("look at all", move || {
        let store = Arc::new(Store::new(Policies::default()));
        register(&store, &["A", "B"]);
        write(&store, instants[0]);
        let reader = {
            let (store, known) = (store.clone(), known.clone());
            loom::thread::spawn(move || {
                let directory = store.directory();
                let entries = directory.entries().iter();
                let series: Vec<_> = entries.map(|entry| Some(&**entry.base())).collect();
                let before = store.epoch();
                let look = || {
                    store.look_at_all(&series, |view| {
                        let (_, last) = view.scope(Scope::Session);
                        minute_and_price(view.bar(last - 1))
                    })
                };
                let seen = look().unwrap_or_else(|| {
                    store.wait_for_writer();
                    look().unwrap()
                });
                let newest = |symbol: &Vec<(i64, f64)>| symbol.last().copied();
                let possible: Vec<Vec<_>> = (before..=store.epoch())
                    .map(|epoch| known[epoch as usize].iter().map(newest).collect())
                    .collect();
                assert!(possible.contains(&seen), "{seen:?} of {possible:?}");
            })
        };
        write(&store, instants[1]);
        write(&store, instants[2]);
        reader.join().unwrap();
    });
}

#[test]
fn the_newest_bar_of_a_symbol_is_never_behind_a_known_epoch() {
    // Its eight words can be old or new each: a third preemption would take a minute.
    explore_within(2, "newest bar", || {
        let store = Arc::new(Store::new(Policies::default()));
        register(&store, &["A"]);
        write(&store, &[(0, 1, 1.0)]);
        let reader = {
            let store = store.clone();
            loom::thread::spawn(move || {
                let directory = store.directory();
                let before = store.epoch();
                let newest = store.latest(&directory.entries()[0]);
                // The only writer writes once, so one of three tries finds it at rest.
                let newest = newest.unwrap().unwrap();
                let (minute, price) = minute_and_price(newest);
                assert_eq!(price, minute as f64);
                assert!((before as i64 - 1..=store.epoch() as i64 - 1).contains(&minute));
            })
        };
        write(&store, &[(0, 2, 2.0)]);
        reader.join().unwrap();
    });
}

#[test]
fn a_revision_is_told_with_the_snapshot_that_shows_it() {
    explore("revision", || {
        let store = Arc::new(Store::new(Policies::default()));
        register(&store, &["A"]);
        write(&store, &[(0, 1, 1.0), (0, 2, 2.0)]);
        let reader = {
            let store = store.clone();
            loom::thread::spawn(move || {
                let directory = store.directory();
                let base = directory.entries()[0].base();
                let seen = rows(&store.snapshot(base), Scope::All);
                if seen[0].1 == 9.0 {
                    assert_eq!(base.revision(), 1);
                }
            })
        };
        write(&store, &[(0, 1, 9.0)]);
        reader.join().unwrap();
    });
}

#[test]
fn a_symbol_is_registered_whole() {
    explore("registering", || {
        let store = Arc::new(Store::new(Policies::default()));
        register(&store, &["A"]);
        let reader = {
            let store = store.clone();
            loom::thread::spawn(move || {
                let epoch = store.epoch();
                let directory = store.directory();
                assert!(epoch < 2 || directory.get("B").is_some());
                let Some(entry) = directory.get("B") else {
                    return;
                };
                assert_eq!(entry.id, SymbolId(1));
                let seen = rows(&store.snapshot(entry.base()), Scope::All);
                assert!(epoch < 3 || seen == [(1, 1.0)]);
                assert!(seen.len() <= 1);
            })
        };
        register(&store, &["B"]);
        write(&store, &[(1, 1, 1.0)]);
        reader.join().unwrap();
    });
}

#[test]
fn two_writers_take_turns() {
    explore("two writers", || {
        let store = Arc::new(Store::new(Policies::default()));
        register(&store, &["A", "B"]);
        let other = {
            let store = store.clone();
            loom::thread::spawn(move || write(&store, &[(1, 1, 1.0)]))
        };
        let reader = {
            let store = store.clone();
            loom::thread::spawn(move || {
                let directory = store.directory();
                let series: Vec<_> = directory.entries().iter().map(|e| &**e.base()).collect();
                let (epoch, taken) = snapshots(&store, &series);
                let seen: usize = taken.iter().map(|s| rows(s, Scope::All).len()).sum();
                assert_eq!(
                    seen as u64,
                    epoch - 1,
                    "each epoch after the first adds a bar"
                );
            })
        };
        write(&store, &[(0, 1, 1.0)]);
        other.join().unwrap();
        reader.join().unwrap();
        assert_eq!(store.epoch(), 3);
    });
}
