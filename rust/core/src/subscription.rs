//! A one-shot signal between one producer and one consumer: how many units were made, how many are acknowledged.
//!
//! It counts and wakes. What the units are, how long anybody waits in all and what is said of who is late, others know.

use std::time::Duration;

use crate::error::{Error, Result};
use crate::sync::{Condvar, Mutex, MutexGuard, sleep, step};

/// One edge between a producer and a consumer. A signal is never lost: it is a count, not a flag.
#[derive(Debug)]
pub struct Subscription {
    stream_id: Box<str>,
    counts_overruns: bool,
    state: Mutex<State>,
    /// The consumer sleeps here until something is ready.
    ready: Condvar,
    /// The producer sleeps here until all is acknowledged.
    acknowledged: Condvar,
}

#[derive(Debug, Default)]
struct State {
    produced: u64,
    /// What the consumer saw when it last woke: all that `acknowledge` may take back.
    seen: u64,
    acknowledged: u64,
    overruns: u64,
    backpressure: u64,
    is_closed: bool,
}

impl State {
    fn pending(&self) -> u64 {
        self.produced - self.acknowledged
    }
}

impl Subscription {
    /// A subscription with nothing ready. Overruns are counted where the consumer is expected to keep up.
    pub fn new(stream_id: &str, counts_overruns: bool) -> Self {
        Self {
            stream_id: stream_id.into(),
            counts_overruns,
            state: Mutex::new(State::default()),
            ready: Condvar::new(),
            acknowledged: Condvar::new(),
        }
    }

    /// Wait for the lock, which is never held for longer than a few additions.
    pub fn hold(&self) -> Held<'_> {
        let state = self.state.lock();
        Held { of: self, state }
    }

    /// Take the lock if it is free.
    pub fn try_hold(&self) -> Option<Held<'_>> {
        let state = self.state.try_lock()?;
        Some(Held { of: self, state })
    }

    /// Consumer: sleep until something is ready, for one slice at most, and note what is; `false` if nothing is.
    ///
    /// # Errors
    ///
    /// `SubscriptionClosed`, also where it is closed during the wait.
    pub fn wait_until_ready(&self, slice: Duration) -> Result<bool> {
        let mut state = self.state.lock();
        if !state.is_closed && state.pending() == 0 {
            let looked = step!("subscription.consumer_sleeps_as_it_looked", state, {
                drop(state);
                self.state.lock()
            });
            state = sleep(&self.ready, looked, slice);
        }
        self.check(&state)?;
        if state.pending() == 0 {
            return Ok(false);
        }
        state.seen = state.produced;
        Ok(true)
    }

    /// Producer: sleep until everything is acknowledged, for one slice at most; `false` if something is not.
    ///
    /// # Errors
    ///
    /// `SubscriptionClosed`, also where it is closed during the wait.
    pub fn wait_until_acknowledged(&self, slice: Duration) -> Result<bool> {
        let mut state = self.state.lock();
        if !state.is_closed && state.pending() > 0 {
            let looked = step!("subscription.producer_sleeps_as_it_looked", state, {
                drop(state);
                self.state.lock()
            });
            state = sleep(&self.acknowledged, looked, slice);
        }
        self.check(&state)?;
        Ok(state.pending() == 0)
    }

    fn check(&self, state: &State) -> Result<()> {
        if state.is_closed {
            return Err(Error::SubscriptionClosed {
                stream_id: self.stream_id.to_string(),
                pending: state.pending(),
            });
        }
        Ok(())
    }
}

/// A subscription whose lock is held: what takes a few additions and no wait.
#[derive(Debug)]
pub struct Held<'a> {
    of: &'a Subscription,
    state: MutexGuard<'a, State>,
}

impl Held<'_> {
    /// Producer: one more unit is ready.
    ///
    /// # Errors
    ///
    /// `SubscriptionClosed`: the unit is not counted.
    pub fn signal(&mut self) -> Result<()> {
        self.of.check(&self.state)?;
        let is_early = step!(
            "subscription.overrun_until_acknowledged",
            self.state.pending() > 0,
            self.state.produced > self.state.seen
        );
        if is_early && self.of.counts_overruns {
            self.state.overruns += 1;
        }
        self.state.produced += 1;
        step!("subscription.signal_wakes", self.of.ready.notify_all(), {});
        Ok(())
    }

    /// Consumer: acknowledge what was seen at the last wake. Returns how many units came since and stay ready.
    ///
    /// # Errors
    ///
    /// `SubscriptionClosed`
    pub fn acknowledge(&mut self) -> Result<u64> {
        self.of.check(&self.state)?;
        self.state.acknowledged = step!(
            "subscription.acknowledge_what_was_seen",
            self.state.seen,
            self.state.produced
        );
        if self.state.pending() == 0 {
            let all = &self.of.acknowledged;
            step!("subscription.acknowledge_wakes", all.notify_all(), {});
        }
        Ok(self.state.pending())
    }

    /// Whether something is ready.
    ///
    /// # Errors
    ///
    /// `SubscriptionClosed`
    pub fn is_ready(&self) -> Result<bool> {
        self.of.check(&self.state)?;
        Ok(self.state.pending() > 0)
    }

    /// Producer: whether everything is acknowledged. A no counts as backpressure: who asks is about to wait.
    ///
    /// # Errors
    ///
    /// `SubscriptionClosed`
    pub fn ask_acknowledged(&mut self) -> Result<bool> {
        let is_ready = self.is_ready()?;
        self.state.backpressure += u64::from(is_ready);
        Ok(!is_ready)
    }

    /// Wake everybody for good. Closing again changes nothing.
    pub fn close(&mut self) {
        self.state.is_closed = true;
        let (ready, all) = (&self.of.ready, &self.of.acknowledged);
        step!("subscription.close_wakes_consumer", ready.notify_all(), {});
        step!("subscription.close_wakes_producer", all.notify_all(), {});
    }

    /// Whether it was closed.
    pub fn is_closed(&self) -> bool {
        self.state.is_closed
    }

    /// Units made so far, and those of them that are acknowledged.
    pub fn counts(&self) -> (u64, u64) {
        (self.state.produced, self.state.acknowledged)
    }

    /// Signals given while an earlier one was unacknowledged; 0 where they are not counted.
    pub fn overruns(&self) -> u64 {
        self.state.overruns
    }

    /// How often the producer found something unacknowledged and had to wait.
    pub fn backpressure(&self) -> u64 {
        self.state.backpressure
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    const NOT_AT_ALL: Duration = Duration::ZERO;

    #[test]
    fn what_came_after_the_wake_stays_ready() {
        let edge = Subscription::new("edge", true);
        assert_eq!(edge.wait_until_ready(NOT_AT_ALL), Ok(false));
        edge.hold().signal().unwrap();
        edge.hold().signal().unwrap();
        assert_eq!(edge.wait_until_ready(NOT_AT_ALL), Ok(true));
        edge.hold().signal().unwrap();
        assert_eq!(edge.hold().acknowledge(), Ok(1));
        assert_eq!(edge.hold().is_ready(), Ok(true));
        assert_eq!(edge.wait_until_acknowledged(NOT_AT_ALL), Ok(false));
        assert_eq!(edge.wait_until_ready(NOT_AT_ALL), Ok(true));
        assert_eq!(edge.hold().acknowledge(), Ok(0));
        assert_eq!(edge.wait_until_acknowledged(NOT_AT_ALL), Ok(true));
        let held = edge.hold();
        assert_eq!((held.counts(), held.overruns()), ((3, 3), 2));
    }

    #[test]
    fn nothing_is_acknowledged_that_nobody_woke_for() {
        let edge = Subscription::new("edge", false);
        edge.hold().signal().unwrap();
        assert_eq!(edge.hold().acknowledge(), Ok(1));
        edge.hold().signal().unwrap();
        assert_eq!(edge.hold().overruns(), 0);
    }

    #[test]
    fn who_uses_a_closed_one_hears_what_is_left() {
        let edge = Subscription::new("feed", true);
        edge.hold().signal().unwrap();
        edge.hold().close();
        edge.hold().close();
        let closed = Error::SubscriptionClosed {
            stream_id: "feed".into(),
            pending: 1,
        };
        assert_eq!(edge.hold().signal(), Err(closed.clone()));
        assert_eq!(edge.hold().acknowledge(), Err(closed.clone()));
        assert_eq!(edge.hold().is_ready(), Err(closed.clone()));
        assert_eq!(edge.hold().ask_acknowledged(), Err(closed.clone()));
        assert_eq!(edge.wait_until_ready(NOT_AT_ALL), Err(closed.clone()));
        assert_eq!(edge.wait_until_acknowledged(NOT_AT_ALL), Err(closed));
        let held = edge.hold();
        assert_eq!((held.counts(), held.backpressure()), ((1, 0), 0));
    }
}
