//! The thread of a journal: waits, commits what queued up, names it in the witness, folds the log.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use parking_lot::MutexGuard;

use super::log::Log;
use super::state::{Shared, State};
use super::{Journal, Options, Start};
use crate::error::{Error, Result};
use crate::group::Group;
use crate::records::Records;

/// Tells those who wait when the thread ends, also where it fails.
struct TellEnd<'a>(&'a Shared);

impl Drop for TellEnd<'_> {
    fn drop(&mut self) {
        let mut state = self.0.state.lock();
        if !state.is_done && state.stopped.is_none() {
            let said = "it ended without an error of the disk";
            state.stop(Error::disk("the journal thread".as_ref(), "run", said));
        }
        drop(state);
        self.0.news.notify_all();
    }
}

/// What the thread does next.
#[derive(Debug)]
struct Turn {
    /// The pieces of the next commit; none when there is something else to do.
    pieces: Vec<Arc<Records>>,
    /// Whether nothing waits, and nothing came for so long that the log may be folded, or made room for.
    is_pause: bool,
    /// Whether nothing waits, and nothing more will come.
    is_last: bool,
}

/// What the thread knows.
#[derive(Debug)]
pub(super) struct Loop {
    journal: Box<dyn Journal>,
    at: Start,
    committed: Instant,
    witnessed_seq: u64,
    witnessed: Instant,
    log: Log,
    options: Options,
}

impl Loop {
    pub(super) fn new(journal: Box<dyn Journal>, start: Start, options: Options) -> Self {
        Self {
            journal,
            at: start,
            committed: Instant::now(),
            witnessed_seq: start.last_seq,
            witnessed: Instant::now(),
            log: Log::new(&options),
            options,
        }
    }

    pub(super) fn run(mut self, shared: &Shared) {
        let _told = TellEnd(shared);
        let ended = self.work(shared);
        let ended = match ended {
            // Dropped without a checkpoint: after an error nothing on this file can be relied on.
            Err(error) => {
                drop(self.journal);
                Err(error)
            }
            Ok(()) => self.journal.close(),
        };
        let mut state = shared.state.lock();
        match ended {
            Ok(()) => state.is_done = true,
            Err(error) => state.stop(error),
        }
    }

    fn work(&mut self, shared: &Shared) -> Result<()> {
        loop {
            let Turn {
                pieces,
                is_pause,
                is_last,
            } = self.next(shared)?;
            if !pieces.is_empty() {
                self.commit(shared, &pieces)?;
            }
            if is_last || self.is_witness_due() {
                self.witness()?;
            }
            if is_last || self.log.is_fold_due(is_pause) {
                self.witness()?;
                self.journal.checkpoint()?;
                self.log.was_folded();
            } else {
                self.make_room(is_pause)?;
            }
            if is_last {
                return Ok(());
            }
        }
    }

    /// Write all that waits, and say so in the witness: nobody asks for the time here.
    pub(super) fn catch_up(&mut self, shared: &Shared) -> Result<()> {
        loop {
            let pieces = {
                let state = shared.state.lock();
                if let Some(error) = &state.stopped {
                    return Err(error.clone());
                }
                self.group_of(&state)
            };
            if pieces.is_empty() {
                return self.witness();
            }
            self.commit(shared, &pieces)?;
        }
    }

    /// Wait until there is something to do.
    fn next(&self, shared: &Shared) -> Result<Turn> {
        let mut state = shared.state.lock();
        loop {
            if let Some(error) = &state.stopped {
                return Err(error.clone());
            }
            if self.is_group_due(&state) {
                return Ok(Turn {
                    pieces: self.group_of(&state),
                    is_pause: false,
                    is_last: false,
                });
            }
            if state.is_closing || self.wait_for(&mut state, shared) {
                // Since the time was up, somebody may have put records, and closed.
                let is_idle = state.waiting.is_empty();
                return Ok(Turn {
                    pieces: Vec::new(),
                    is_pause: is_idle && self.committed.elapsed() >= self.options.pause,
                    is_last: is_idle && state.is_closing,
                });
            }
        }
    }

    /// Whether what waits is to be written now.
    fn is_group_due(&self, state: &State) -> bool {
        !state.waiting.is_empty()
            && (state.is_closing
                || state.awaited_seq > state.durable.last_seq
                || state.waiting_records >= self.options.group_records
                || state
                    .waiting_since
                    .is_none_or(|since| since.elapsed() >= self.options.linger))
    }

    /// Sleep until there is work; whether something fell due instead.
    fn wait_for(&self, state: &mut MutexGuard<'_, State>, shared: &Shared) -> bool {
        let mut due = None;
        if self.witnessed_seq < self.at.last_seq {
            due = self.witnessed.checked_add(self.options.witness_every);
        }
        if state.waiting.is_empty() {
            let pause = self.committed.checked_add(self.options.pause);
            due = due.into_iter().chain(self.log.due(pause)).min();
        }
        if let Some(since) = state.waiting_since {
            let group = since.checked_add(self.options.linger);
            due = due.into_iter().chain(group).min();
        }
        match due {
            Some(due) => shared.work.wait_until(state, due).timed_out(),
            None => {
                shared.work.wait(state);
                false
            }
        }
    }

    /// As many pieces as fit a group; at least one.
    fn group_of(&self, state: &State) -> Vec<Arc<Records>> {
        let mut pieces: Vec<Arc<Records>> = Vec::new();
        let mut records = 0;
        for piece in &state.waiting {
            records += piece.len();
            if records > self.options.group_records && !pieces.is_empty() {
                break;
            }
            pieces.push(piece.clone());
        }
        pieces
    }

    fn commit(&mut self, shared: &Shared, pieces: &[Arc<Records>]) -> Result<()> {
        let began = (!self.options.linger.is_zero()).then(Instant::now);
        let joined;
        let records: &Records = match pieces {
            [one] => one,
            several => {
                let mut all = Records::default();
                several.iter().for_each(|piece| all.extend(piece));
                joined = all;
                &joined
            }
        };
        let group = Group::new(
            self.at.batch_seq + 1,
            self.at.last_seq + 1,
            records,
            self.at.hash,
        )?;
        self.journal.commit(&group)?;
        self.at = Start {
            batch_seq: group.batch_seq,
            last_seq: group.last_seq(),
            hash: group.hash,
        };
        self.committed = Instant::now();
        self.log.grew(group.payload.len());
        let mut state = shared.state.lock();
        if let Some(error) = &state.stopped {
            // Somebody gave up waiting: what they were told stands.
            return Err(error.clone());
        }
        for piece in pieces {
            state.waiting.pop_front();
            state.waiting_records -= piece.len();
        }
        // What came meanwhile lies there since this began, at the most.
        state.waiting_since = began.filter(|_| !state.waiting.is_empty());
        state.durable = self.at;
        shared
            .durable_seq
            .store(self.at.last_seq, Ordering::Release);
        drop(state);
        shared.news.notify_all();
        Ok(())
    }

    fn make_room(&mut self, is_pause: bool) -> Result<()> {
        if let Some(bytes) = self.log.room_to_make(is_pause) {
            let is_made = self.journal.reserve(bytes)?;
            self.log.asked_for_room(is_made);
        }
        Ok(())
    }

    fn is_witness_due(&self) -> bool {
        self.witnessed_seq < self.at.last_seq
            && self.witnessed.elapsed() >= self.options.witness_every
    }

    /// Only what was committed is ever named.
    fn witness(&mut self) -> Result<()> {
        if self.witnessed_seq < self.at.last_seq {
            self.journal.witness(self.at.last_seq, &self.at.hash)?;
            self.witnessed_seq = self.at.last_seq;
        }
        self.witnessed = Instant::now();
        Ok(())
    }
}
