//! A signal between two threads: no wake-up is lost, nothing is acknowledged unseen, closing wakes all, overruns are exact.
//!
//! The checker's sleep has no end, so whoever is not woken makes it a deadlock, which fails the model.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use super::explore;
use crate::error::Error;
use crate::subscription::Subscription;
use crate::sync::AtomicU64;

const SLICE: Duration = Duration::from_millis(100);

/// Consumer: look at each unit once, until all that will ever come were looked at.
fn consume(edge: &Subscription, made: &AtomicU64, looked_at: &AtomicU64, all: u64) {
    while looked_at.load(Relaxed) < all {
        if edge.wait_until_ready(SLICE).unwrap() {
            looked_at.store(made.load(Relaxed), Relaxed);
            edge.hold().acknowledge().unwrap();
        }
    }
}

fn produce(edge: &Subscription, made: &AtomicU64) {
    made.fetch_add(1, Relaxed);
    edge.hold().signal().unwrap();
}

#[test]
fn no_signal_is_lost_whenever_it_comes() {
    explore("signals", || {
        let edge = Arc::new(Subscription::new("edge", true));
        let made = Arc::new(AtomicU64::new(0));
        let consumer = {
            let (edge, made) = (edge.clone(), made.clone());
            loom::thread::spawn(move || consume(&edge, &made, &AtomicU64::new(0), 2))
        };
        produce(&edge, &made);
        produce(&edge, &made);
        consumer.join().unwrap();
    });
}

#[test]
fn the_producer_goes_on_only_when_its_unit_was_looked_at() {
    explore("hand-off", || {
        let edge = Arc::new(Subscription::new("edge", false));
        let made = Arc::new(AtomicU64::new(0));
        let looked_at = Arc::new(AtomicU64::new(0));
        let consumer = {
            let (edge, made, looked_at) = (edge.clone(), made.clone(), looked_at.clone());
            loom::thread::spawn(move || consume(&edge, &made, &looked_at, 2))
        };
        for unit in 1..=2 {
            produce(&edge, &made);
            while !edge.wait_until_acknowledged(SLICE).unwrap() {}
            assert_eq!(looked_at.load(Relaxed), unit, "acknowledged unseen");
        }
        consumer.join().unwrap();
        assert_eq!(edge.hold().counts(), (2, 2));
    });
}

#[test]
fn closing_wakes_the_consumer() {
    explore("closing while the consumer waits", || {
        let edge = Arc::new(Subscription::new("edge", true));
        let consumer = {
            let edge = edge.clone();
            loom::thread::spawn(move || edge.wait_until_ready(SLICE))
        };
        edge.hold().close();
        let heard = consumer.join().unwrap();
        assert!(matches!(heard, Err(Error::SubscriptionClosed { .. })));
    });
}

#[test]
fn closing_wakes_the_producer() {
    explore("closing while the producer waits", || {
        let edge = Arc::new(Subscription::new("edge", true));
        let producer = {
            let edge = edge.clone();
            loom::thread::spawn(move || {
                edge.hold().signal().unwrap();
                edge.wait_until_acknowledged(SLICE)
            })
        };
        edge.wait_until_ready(SLICE).unwrap();
        edge.hold().close();
        let heard = producer.join().unwrap();
        assert!(matches!(
            heard,
            Err(Error::SubscriptionClosed { pending: 1, .. })
        ));
    });
}

#[test]
fn overruns_are_the_signals_given_while_one_was_unacknowledged() {
    explore("overruns", || {
        let edge = Arc::new(Subscription::new("edge", true));
        let producer = {
            let edge = edge.clone();
            loom::thread::spawn(move || {
                for _ in 0..3 {
                    edge.hold().signal().unwrap();
                }
            })
        };
        // Of the signals that came before an acknowledgement, one was in time if nothing was left by the last one.
        let (mut all, mut left, mut late) = (0, 0, 0);
        while all < 3 || left > 0 {
            assert!(edge.wait_until_ready(SLICE).unwrap());
            let before = all;
            let mut held = edge.hold();
            let still_left = held.acknowledge().unwrap();
            all = held.counts().0;
            late += all - before;
            late -= u64::from(left == 0 && all > before);
            left = still_left;
        }
        producer.join().unwrap();
        assert_eq!(edge.hold().overruns(), late);
        assert_eq!(edge.hold().counts(), (3, 3));
    });
}
