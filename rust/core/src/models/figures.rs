//! Figures that change in place: never torn, and never ahead of or behind the clock that was read first.

use std::sync::Arc;

use super::{bar, explore};
use crate::metrics::{Metrics, MetricsCell};
use crate::schedule::Stretch;
use crate::session_table::tests::table;
use crate::store::{Policies, SessionStart, Store};
use crate::time::{DAY, Interval};

#[test]
fn figures_are_of_one_publication() {
    explore("figures", || {
        let cell = Arc::new(MetricsCell::default());
        let mut metrics = Metrics::default();
        metrics.push(&bar(1, 1.0));
        cell.store(&metrics);
        let reader = {
            let cell = cell.clone();
            loom::thread::spawn(move || {
                let view = cell.load().unwrap();
                let bars = view.bars as f64;
                assert_eq!(view.volume, bars * (bars + 1.0) / 2.0);
                assert_eq!((view.high, view.low), (bars, 1.0));
                assert_eq!(view.last_update, bar(view.bars as i64, 1.0).ts);
            })
        };
        metrics.push(&bar(2, 2.0));
        cell.store(&metrics);
        reader.join().unwrap();
    });
}

/// Begin the session of a day; the one that stands becomes history.
pub(super) fn start(store: &Store, day: i32) {
    let day_ns = i64::from(day) * DAY;
    let span = Stretch {
        start: day_ns,
        end: day_ns + DAY,
    };
    let roll = true;
    let mut writing = store.write();
    writing
        .start_session(SessionStart { day, span, roll })
        .unwrap();
}

/// A store with one symbol in the session of a day, of two that last from minute 2 to minute 4.
pub(super) fn in_session(day: i32, derived: &[Interval]) -> Arc<Store> {
    let store = Arc::new(Store::new(Policies::default()));
    let mut writing = store.write();
    writing.set_table(Arc::new(table(&[&[(2, 4)], &[(2, 4)]])));
    drop(writing);
    start(&store, day);
    store
        .write()
        .register("A", Some(Interval::ONE_MINUTE), derived)
        .unwrap();
    store
}

#[test]
fn bars_due_by_the_clock_are_there() {
    explore("clock and presence", || {
        let store = in_session(0, &[]);
        let entry = store.directory().entries()[0].clone();
        let reader = {
            let (store, entry) = (store.clone(), entry.clone());
            loom::thread::spawn(move || {
                let (present, due) = store.presence_counts(&entry).unwrap();
                assert_eq!(present, due, "a bar that came counts as missing");
                assert!(store.missing(&entry).is_empty());
            })
        };
        for minute in 2..4 {
            store.write().offer(entry.id, bar(minute, 1.0)).unwrap();
        }
        reader.join().unwrap();
    });
}

/// A reader of the presence of a session in which no bar is missing, while another start takes its place.
fn explore_start(name: &str, restart: impl Fn(&Store) + Send + Sync + 'static) {
    explore(name, move || {
        let store = in_session(0, &[]);
        let entry = store.directory().entries()[0].clone();
        store.write().offer(entry.id, bar(2, 1.0)).unwrap();
        let reader = {
            let store = store.clone();
            loom::thread::spawn(move || {
                let (present, due) = store.presence_counts(&entry).unwrap();
                assert_eq!(present, due, "what one session is due counts for another");
            })
        };
        restart(&store);
        reader.join().unwrap();
    });
}

#[test]
fn a_session_that_starts_afresh_misses_nothing() {
    explore_start("presence over a fresh start", |store| {
        store.write().clear_session().unwrap();
    });
}

#[test]
fn a_session_that_is_left_early_misses_nothing() {
    explore_start("presence over the next start", |store| start(store, 1));
}
