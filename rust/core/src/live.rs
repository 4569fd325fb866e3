//! A running session whose bars arrive as they will. A step takes what has come by now.
//!
//! The clock is the wall clock, handed in: this room reads none. A bar may come before its turn, late, twice or corrected;
//! a bucket that lacks bars at its end waits a grace for them.

use std::sync::Arc;

use crate::bar::{BACKFILLED, Bar, IMPORTED, STREAMED};
use crate::changes::Changes;
use crate::error::{Error, Result};
use crate::realtime::RealtimeIndicators;
use crate::replay::{Progress, Stop};
use crate::store::{Collect, Entry, Store, SymbolId, Writer, Writing};

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

/// Takes the bars of one step after the other into a store that somebody holds.
#[derive(Debug)]
pub struct Intake {
    patience: Patience,
    /// When a bucket is due of a symbol that has no bar in the step; `i64::MIN` for not known.
    due: i64,
    /// The epoch that was written then.
    epoch: u64,
    touched: Vec<SymbolId>,
}

impl Intake {
    /// One that knows nothing of the store yet.
    pub fn new(patience: Patience) -> Self {
        Self {
            patience,
            due: i64::MIN,
            epoch: 0,
            touched: Vec::new(),
        }
    }

    /// Say that the store changed otherwise.
    pub fn forget(&mut self) {
        self.due = i64::MIN;
    }

    /// Take bars and move the clock; the bars that were refused by their position.
    ///
    /// # Errors
    /// Those of a store that has failed.
    pub fn take(
        &mut self,
        writing: &mut Writer,
        arrivals: impl Iterator<Item = (SymbolId, Bar)>,
        clock: i64,
    ) -> Result<Vec<(usize, Error)>> {
        if self.epoch != writing.writes_epoch() {
            self.forget();
        }
        let clock = clock.max(writing.clock());
        let latest = clock.saturating_add(self.patience.tolerance);
        let mut refused = Vec::new();
        self.touched.clear();
        for (at, (id, mut bar)) in arrivals.enumerate() {
            if bar.flags & (IMPORTED | BACKFILLED) == 0 {
                bar.flags |= STREAMED;
            }
            self.touched.push(id);
            if let Err(error) = writing.arrive(id, bar, latest) {
                refused.push((at, error));
            }
        }
        let grace = self.patience.grace;
        self.due = writing.finish_live(clock, grace, self.due, &self.touched)?;
        self.epoch = writing.writes_epoch();
        Ok(refused)
    }

    /// What was written is out: nobody else wrote in between.
    fn published(&mut self, writing: &Writer) {
        self.epoch = writing.writes_epoch();
    }
}

/// One session that bars arrive in.
#[derive(Debug)]
pub struct Live {
    store: Arc<Store>,
    intake: Intake,
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
        store.write().take_clock();
        Self {
            store,
            intake: Intake::new(patience),
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
        self.step_in(store.write(), arrivals, clock)
    }

    /// As [`Live::step`] if nobody else writes; `None` if somebody does, and nothing was taken then.
    ///
    /// # Errors
    /// As of [`Live::step`].
    pub fn try_step(
        &mut self,
        arrivals: &[(Arc<Entry>, Bar)],
        clock: i64,
    ) -> Result<Option<Option<Step>>> {
        self.store.check()?;
        let store = self.store.clone();
        let Some(writing) = store.try_write() else {
            return Ok(None);
        };
        self.step_in(writing, arrivals, clock).map(Some)
    }

    fn step_in(
        &mut self,
        mut writing: Writing<'_>,
        arrivals: &[(Arc<Entry>, Bar)],
        clock: i64,
    ) -> Result<Option<Step>> {
        let store = self.store.clone();
        if !arrivals.iter().all(|(entry, _)| writing.keeps(entry)) {
            return Ok(None);
        }
        let derived_before = writing.derived_bars();
        writing.collect_changes(Collect::All);
        let known = arrivals.iter().map(|(entry, bar)| (entry.id, *bar));
        let taken = self.intake.take(&mut writing, known, clock);
        let changes = Changes::new(Vec::new(), writing.take_changes());
        writing.collect_changes(Collect::Nothing);
        if let Some(indicators) = &self.indicators {
            indicators.follow(&writing);
        }
        writing.publish();
        self.intake.published(&writing);
        let derived_bars = writing.derived_bars() - derived_before;
        drop(writing);
        let refused = taken?;
        self.progress.instants += 1;
        self.progress.bars += (arrivals.len() - refused.len()) as u64;
        self.progress.derived_bars += derived_bars;
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

    /// Give the clock back to the store. Doing so again changes nothing.
    pub fn finish(&mut self) {
        if !self.ended {
            self.ended = true;
            self.store.write().return_clock();
        }
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.finish();
    }
}
