//! Models: the core's own types under a checker that tries every order in which two threads may see each other's
//! writes. Built under `--cfg loom` only, with segments of a few rows.
//!
//! Each model is complete for its number of preemptions, three but for one: it runs out of orders, not of patience, or it fails.

#![allow(clippy::unwrap_used, reason = "a model that cannot go on should stop")]

mod figures;
mod instants;
mod segments;
mod sessions;
mod subscriptions;

use std::collections::BTreeSet;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use loom::model::Builder;

use crate::bar::Bar;
use crate::series::{Scope, Series, Snapshot};
use crate::store::Store;
use crate::time::MINUTE;

/// Run a model in every order of up to three preemptions and print in how many.
fn explore(name: &str, model: impl Fn() + Send + Sync + 'static) {
    explore_within(3, name, model);
}

/// The same for another number of preemptions.
fn explore_within(preemptions: usize, name: &str, model: impl Fn() + Send + Sync + 'static) {
    let runs = Arc::new(AtomicUsize::new(0));
    let counted = runs.clone();
    let mut builder = Builder::new();
    // The environment may ask for more: `LOOM_MAX_PREEMPTIONS`.
    builder.preemption_bound = builder.preemption_bound.or(Some(preemptions));
    // Beyond this an order counts as endless, and the model fails.
    builder.max_branches = 20_000;
    builder.max_permutations = None;
    builder.max_duration = None;
    builder.check(move || {
        counted.fetch_add(1, Ordering::Relaxed);
        model();
    });
    println!("{name}: {} permutations", runs.load(Ordering::Relaxed));
}

/// Epochs that readers met over all orders: a model in which nobody reads in between would show nothing.
#[derive(Debug, Clone, Default)]
struct Met(Arc<Mutex<BTreeSet<u64>>>);

impl Met {
    fn note(&self, epoch: u64) {
        self.0.lock().unwrap().insert(epoch);
    }

    /// All of these were met, and no other.
    fn check(&self, epochs: RangeInclusive<u64>) {
        let met: Vec<u64> = self.0.lock().unwrap().iter().copied().collect();
        assert_eq!(met, epochs.collect::<Vec<_>>());
    }
}

/// A valid bar that opens at a minute, with one number in all columns.
fn bar(minute: i64, price: f64) -> Bar {
    Bar {
        ts: minute * MINUTE,
        open: price,
        high: price,
        low: price,
        close: price,
        volume: price,
        flags: 0,
    }
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

/// Minute and price of the rows of a scope; no row may be half another.
fn rows(snapshot: &Snapshot, scope: Scope) -> Vec<(i64, f64)> {
    let view = snapshot.view();
    let (first, last) = view.scope(scope);
    let mut rows = Vec::new();
    for slice in view.slices(first, last) {
        for row in 0..slice.len() {
            let Bar {
                ts, open, volume, ..
            } = slice.bar(row);
            assert_eq!(open, volume, "half a row");
            rows.push((ts / MINUTE, open));
        }
    }
    rows
}
