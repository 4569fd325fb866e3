//! A store with sessions: starts, rolls into history, derived series and loaded history while somebody reads.

use std::sync::Arc;

use super::figures::{in_session, start};
use super::{Met, bar, explore, rows, snapshots};
use crate::columns::Columns;
use crate::series::{Scope, Series};
use crate::store::{Store, SymbolId};
use crate::time::Interval;

const A: SymbolId = SymbolId(0);
/// Midnight of the second session, in minutes.
const NEXT: i64 = 24 * 60;

fn two_minutes() -> Interval {
    Interval::minutes(2).unwrap()
}

fn offer(store: &Store, minute: i64, price: f64) {
    store.write().offer(A, bar(minute, price)).unwrap();
}

/// Read one symbol's series on another thread while `write` runs on this one.
fn beside(
    store: &Arc<Store>,
    read: impl FnOnce(&Store, &[Arc<Series>]) + Send + 'static,
    write: impl FnOnce(&Store),
) {
    let series = store.directory().entries()[0].series.clone();
    let reader = {
        let store = store.clone();
        loom::thread::spawn(move || read(&store, &series))
    };
    write(store);
    reader.join().unwrap();
}

#[test]
fn a_session_rolls_into_history_at_one_epoch() {
    let met = Met::default();
    let noted = met.clone();
    explore("session start", move || {
        let noted = noted.clone();
        let store = in_session(0, &[]);
        offer(&store, 2, 1.0);
        let read = move |store: &Store, series: &[Arc<Series>]| {
            let began = store.epoch();
            assert!(began < 4 || store.session().date == Some(1));
            let (epoch, taken) = snapshots(store, &[&series[0]]);
            noted.note(epoch);
            let scopes = [Scope::History, Scope::Session].map(|scope| rows(&taken[0], scope));
            let expected = match epoch {
                3 => [vec![], vec![(2, 1.0)]],
                4 => [vec![(2, 1.0)], vec![]],
                _ => [vec![(2, 1.0)], vec![(NEXT + 2, 2.0)]],
            };
            assert_eq!(scopes, expected, "as of epoch {epoch}");
        };
        beside(&store, read, |store| {
            start(store, 1);
            offer(store, NEXT + 2, 2.0);
        });
    });
    met.check(3..=5);
}

#[test]
fn a_session_takes_the_memory_of_the_one_before_but_not_from_who_reads_it() {
    let met = Met::default();
    let noted = met.clone();
    explore("memory of the session before", move || {
        let noted = noted.clone();
        let store = in_session(0, &[]);
        offer(&store, 2, 1.0);
        let read = move |store: &Store, series: &[Arc<Series>]| {
            let (epoch, held) = snapshots(store, &[&series[0]]);
            noted.note(epoch);
            let expected = match epoch {
                3 => vec![(2, 1.0)],
                4 => vec![],
                _ => vec![(2, 9.0)],
            };
            assert_eq!(rows(&held[0], Scope::All), expected, "as of epoch {epoch}");
            // Whoever only looks has no hold of the memory but while he looks.
            let looked = store.look(&series[0], |view| {
                let (first, last) = view.scope(Scope::All);
                (first..last).map(|row| view.bar(row).close).collect()
            });
            let possible: [Vec<f64>; 3] = [vec![1.0], vec![], vec![9.0]];
            assert!(looked.is_none_or(|closes| possible.contains(&closes)));
            assert_eq!(rows(&held[0], Scope::All), expected, "held meanwhile");
        };
        // The same session again, so that its memory has the right size.
        beside(&store, read, |store| {
            store.write().clear_session().unwrap();
            offer(store, 2, 9.0);
        });
    });
    met.check(3..=5);
}

#[test]
fn a_derived_bar_comes_with_the_bar_that_ends_it() {
    let met = Met::default();
    let noted = met.clone();
    explore("derived series", move || {
        let noted = noted.clone();
        let store = in_session(0, &[two_minutes()]);
        offer(&store, 2, 1.0);
        let read = move |store: &Store, series: &[Arc<Series>]| {
            let (epoch, taken) = snapshots(store, &[&series[0], &series[1]]);
            noted.note(epoch);
            let seen = [0, 1].map(|at| {
                let (first, last) = taken[at].view().scope(Scope::Session);
                let close = |row| taken[at].view().bar(row).close;
                (first..last).map(close).collect::<Vec<_>>()
            });
            let expected = match epoch {
                3 => [vec![1.0], vec![]],
                4 => [vec![1.0, 2.0], vec![2.0]],
                _ => [vec![1.0, 3.0], vec![3.0]],
            };
            assert_eq!(seen, expected, "as of epoch {epoch}");
        };
        beside(&store, read, |store| {
            offer(store, 3, 2.0);
            offer(store, 3, 3.0);
        });
    });
    met.check(3..=5);
}

#[test]
fn a_derived_interval_that_is_added_is_filled_at_once() {
    explore("derived interval added", || {
        let store = in_session(0, &[]);
        offer(&store, 2, 1.0);
        offer(&store, 3, 2.0);
        let read = |store: &Store, _: &[Arc<Series>]| {
            let began = store.epoch();
            let directory = store.directory();
            let found = directory.entries()[0].find(two_minutes());
            assert!(began < 5 || found.is_some());
            if let Some(series) = found {
                let (epoch, taken) = snapshots(store, &[series]);
                let (first, last) = taken[0].view().scope(Scope::Session);
                assert_eq!(last - first, usize::from(epoch >= 5));
            }
        };
        beside(&store, read, |store| {
            store.write().register("A", None, &[two_minutes()]).unwrap();
        });
    });
}

#[test]
fn history_is_loaded_and_emptied_as_a_whole() {
    let met = Met::default();
    let noted = met.clone();
    explore("history", move || {
        let noted = noted.clone();
        let store = in_session(1, &[]);
        offer(&store, NEXT + 2, 9.0);
        let read = move |store: &Store, series: &[Arc<Series>]| {
            let (epoch, taken) = snapshots(store, &[&series[0]]);
            noted.note(epoch);
            let loaded = [(2, 1.0), (3, 2.0)];
            let expected = if epoch == 4 { &loaded[..] } else { &[] };
            assert_eq!(rows(&taken[0], Scope::History), expected);
            assert_eq!(rows(&taken[0], Scope::Session), [(NEXT + 2, 9.0)]);
        };
        beside(&store, read, |store| {
            let mut columns = Columns::default();
            columns.push(bar(2, 1.0));
            columns.push(bar(3, 2.0));
            let rows = (&std::sync::Arc::new(columns), 0..2);
            let mut writing = store.write();
            writing
                .load_history(A, Interval::ONE_MINUTE, &[0], rows)
                .unwrap();
            drop(writing);
            store.write().clear_history().unwrap();
        });
    });
    met.check(3..=5);
}
