//! What those who submit and the thread that writes share: what waits, what is durable, how it ended, and who wakes whom.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

use super::Start;
use crate::error::{Error, Result};
use crate::records::Records;

#[derive(Debug)]
pub(super) struct State {
    /// What is not durable yet, oldest first; the pieces of the commit under way are still here.
    pub(super) waiting: VecDeque<Arc<Records>>,
    pub(super) waiting_records: usize,
    /// Since when the oldest of them lies there, where that counts.
    pub(super) waiting_since: Option<Instant>,
    pub(super) last_seq: u64,
    /// The newest record that somebody waits for.
    pub(super) awaited_seq: u64,
    pub(super) durable: Start,
    pub(super) stopped: Option<Error>,
    pub(super) is_closing: bool,
    pub(super) is_done: bool,
}

impl State {
    pub(super) fn stop(&mut self, reason: Error) {
        // The first error is the one that counts.
        self.stopped.get_or_insert(reason);
    }

    pub(super) fn check(&self) -> Result<()> {
        match &self.stopped {
            Some(error) => Err(stopped(error)),
            None if self.is_closing => Err(Error::Closed),
            None => Ok(()),
        }
    }
}

#[derive(Debug)]
pub(super) struct Shared {
    pub(super) state: Mutex<State>,
    /// [`Start::last_seq`] of what is durable, for those who look at it again and again.
    pub(super) durable_seq: AtomicU64,
    /// Whether somebody does so right now: many who look would keep the thread that writes from its processor.
    is_watched: AtomicBool,
    /// Something to write, or an end.
    pub(super) work: Condvar,
    /// Something became durable, or an end.
    pub(super) news: Condvar,
}

impl Shared {
    pub(super) fn new(start: Start) -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::new(State {
                waiting: VecDeque::new(),
                waiting_records: 0,
                waiting_since: None,
                last_seq: start.last_seq,
                awaited_seq: start.last_seq,
                durable: start,
                stopped: None,
                is_closing: false,
                is_done: false,
            }),
            durable_seq: AtomicU64::new(start.last_seq),
            is_watched: AtomicBool::new(false),
            work: Condvar::new(),
            news: Condvar::new(),
        })
    }

    /// Look for a moment whether a record is durable: to be woken takes as long as half of a sync. One does; others sleep.
    pub(super) fn is_soon_durable(&self, seq: u64, moment: Duration) -> bool {
        let is_durable = || self.durable_seq.load(Ordering::Acquire) >= seq;
        if is_durable() || self.is_watched.swap(true, Ordering::Relaxed) {
            return is_durable();
        }
        let began = Instant::now();
        while !is_durable() && began.elapsed() < moment {
            // The thread that writes may wait for this processor.
            thread::yield_now();
        }
        self.is_watched.store(false, Ordering::Relaxed);
        is_durable()
    }
}

/// What to tell who comes after an error.
pub(super) fn stopped(error: &Error) -> Error {
    match error {
        Error::Closed => Error::Closed,
        Error::Stopped { .. } => error.clone(),
        other => Error::Stopped {
            reason: other.to_string(),
        },
    }
}
