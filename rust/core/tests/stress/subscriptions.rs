//! Subscriptions at full speed: no unit is lost, what was written before a signal is there after the wake, all wake at last.

use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::time::Duration;

use tapeloom_core::Error;
use tapeloom_core::subscription::Subscription;

use crate::race::rounds;

const UNITS: u64 = 20_000;
/// Far longer than any wake-up takes: who sleeps through one fails the test by its time.
const SLICE: Duration = Duration::from_secs(60);

/// Play consumer: take what is ready until the subscription is closed. Returns how many units were acknowledged.
fn consume(edge: &Subscription, written: &AtomicU64) -> u64 {
    let mut acknowledged = 0;
    loop {
        let is_ready = match edge.wait_until_ready(SLICE) {
            Err(Error::SubscriptionClosed { pending, .. }) => return acknowledged + pending,
            other => other.unwrap(),
        };
        assert!(is_ready, "slept through a signal");
        let (before, _) = edge.hold().counts();
        // No ordering of its own: the signal has to carry what was written before it.
        assert!(written.load(Relaxed) >= before, "a unit without its data");
        let mut held = edge.hold();
        if held.acknowledge().is_ok() {
            let (produced, now) = held.counts();
            assert!(acknowledged <= now && now <= produced);
            acknowledged = now;
        }
    }
}

/// Watch until all is over: counts never go back.
fn watch(edge: &Subscription, is_over: &AtomicBool) {
    let mut known = (0, 0);
    while !is_over.load(Relaxed) {
        let Some(held) = edge.try_hold() else {
            std::thread::yield_now();
            continue;
        };
        let counts = held.counts();
        assert!(known.0 <= counts.0 && known.1 <= counts.1 && counts.1 <= counts.0);
        known = counts;
    }
}

#[test]
fn no_unit_is_lost_whether_the_producer_waits_or_not() {
    for round in 0..rounds() {
        // Each unit by itself, some at a time, or none is waited for.
        let each = [1, 7, UNITS][round as usize % 3];
        let edge = Subscription::new("edge", true);
        let (written, is_over) = (AtomicU64::new(0), AtomicBool::new(false));
        std::thread::scope(|scope| {
            let consumer = scope.spawn(|| consume(&edge, &written));
            let watchers = [(); 2].map(|()| scope.spawn(|| watch(&edge, &is_over)));
            for unit in 1..=UNITS {
                written.store(unit, Relaxed);
                edge.hold().signal().unwrap();
                if unit % each == 0 {
                    let is_done = edge.hold().ask_acknowledged().unwrap();
                    assert!(is_done || edge.wait_until_acknowledged(SLICE).unwrap());
                }
            }
            edge.hold().close();
            assert_eq!(consumer.join().unwrap(), UNITS);
            is_over.store(true, Relaxed);
            // Joined one by one: how a scope waits for the others is hidden in std, which a sanitizer does not see.
            for watcher in watchers {
                watcher.join().unwrap();
            }
        });
        assert_eq!(edge.hold().counts().0, UNITS);
    }
}

#[test]
fn who_sleeps_while_it_is_closed_wakes() {
    for _ in 0..rounds() * 500 {
        let edge = Subscription::new("edge", false);
        std::thread::scope(|scope| {
            let consumer = scope.spawn(|| consume(&edge, &AtomicU64::new(u64::MAX)));
            let producer = scope.spawn(|| {
                let mut made = 0;
                while edge.hold().signal().is_ok() {
                    made += 1;
                    if edge.wait_until_acknowledged(SLICE).is_err() {
                        break;
                    }
                }
                made
            });
            edge.hold().close();
            assert_eq!(consumer.join().unwrap(), producer.join().unwrap());
        });
    }
}
