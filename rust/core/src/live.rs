//! A running session whose bars arrive as they will. A step takes what has come by now.
//!
//! The clock is the wall clock, handed in: this room reads none. A bar may come before its turn, late, twice or corrected;
//! a bucket that lacks bars at its end waits a grace for them.

use std::sync::Arc;

use crate::bar::{BACKFILLED, Bar, IMPORTED, STREAMED};
use crate::error::{Error, Result};
use crate::realtime::RealtimeIndicators;
use crate::replay::{Progress, Stop};
use crate::store::{Entry, Store, Writer};

/// How long to wait and whom to believe, ns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// How long a bucket that is not whole waits after its end.
    pub grace: i64,
    /// By how much the end of a bar may lie after the clock.
    pub tolerance: i64,
}

/// What became of a step.
#[derive(Debug)]
pub struct Step {
    /// Where the session stands, and what changed.
    pub stop: Stop,
    /// Bars that were refused, by their position; each is counted as rejected.
    pub refused: Vec<(usize, Error)>,
}

/// One session that bars arrive in.
#[derive(Debug)]
pub struct Live {
    store: Arc<Store>,
    patience: Patience,
    indicators: Option<Arc<RealtimeIndicators>>,
    progress: Progress,
    ended: bool,
}

impl Live {
    /// Take over the clock of a store.
    pub fn new(
        store: Arc<Store>,
        patience: Patience,
        indicators: Option<Arc<RealtimeIndicators>>,
    ) -> Self {
        store.write().set_coordinated(true);
        Self {
            store,
            patience,
            indicators,
            progress: Progress::default(),
            ended: false,
        }
    }

    /// How much came so far.
    pub fn progress(&self) -> Progress {
        self.progress
    }

    /// Take what has come, in order of arrival, and move the clock; it never goes back.
    ///
    /// `None` where a symbol was removed since it was looked up: nothing was taken then.
    ///
    /// # Errors
    /// Those of a store that has failed. A bar that breaks a rule is refused alone.
    pub fn step(&mut self, arrivals: &[(Arc<Entry>, Bar)], clock: i64) -> Result<Option<Step>> {
        self.store.check()?;
        let store = self.store.clone();
        let mut writing = store.write();
        if !arrivals.iter().all(|(entry, _)| writing.keeps(entry)) {
            return Ok(None);
        }
        let clock = clock.max(writing.clock());
        let derived_before = writing.derived_bars();
        writing.collect_changes(true);
        let refused = self.take(&mut writing, arrivals, clock);
        let finished = writing.finish_live(clock, self.patience.grace);
        let mut changes = writing.take_changes();
        writing.collect_changes(false);
        if let Some(indicators) = &self.indicators {
            indicators.follow(&writing);
        }
        writing.publish();
        self.progress.instants += 1;
        self.progress.bars += (arrivals.len() - refused.len()) as u64;
        self.progress.derived_bars += writing.derived_bars() - derived_before;
        drop(writing);
        finished?;
        // All are known at once: the finest interval first, then the configured order.
        changes.sort_by_key(|change| (change.interval, change.symbol, change.bar.ts));
        let stop = Stop {
            clock: store.clock(),
            epoch: store.epoch(),
            woke: !changes.is_empty(),
            changes,
            ended: self.ended,
            held: false,
        };
        Ok(Some(Step { stop, refused }))
    }

    fn take(
        &self,
        writing: &mut Writer,
        arrivals: &[(Arc<Entry>, Bar)],
        clock: i64,
    ) -> Vec<(usize, Error)> {
        let latest = clock.saturating_add(self.patience.tolerance);
        let mut refused = Vec::new();
        for (at, (entry, bar)) in arrivals.iter().enumerate() {
            let mut bar = *bar;
            if bar.flags & (IMPORTED | BACKFILLED) == 0 {
                bar.flags |= STREAMED;
            }
            if let Err(error) = writing.arrive(entry.id, bar, latest) {
                refused.push((at, error));
            }
        }
        refused
    }

    /// Give the clock back to the store. Doing so again changes nothing.
    pub fn finish(&mut self) {
        if !self.ended {
            self.ended = true;
            self.store.write().set_coordinated(false);
        }
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.finish();
    }
}
