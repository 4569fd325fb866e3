//! One session played through the store: merge, append, presence, aggregate, indicators, epoch, instant by instant.
//!
//! An instant is a moment at which bars become known or a bucket ends. The caller decides how far to go: one instant,
//! to the next that changes a series somebody waits for, or to the end.

use std::sync::Arc;

use crate::alignment::search_near;
use crate::bar::Bar;
use crate::changes::{Changes, Lanes, Taken};
use crate::error::Result;
use crate::merge::{BarMerge, Helper, Source};
use crate::realtime::RealtimeIndicators;
use crate::store::{Collect, Entry, Store, Writer, Writing};
use crate::time::Interval;

/// What to wake for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wake {
    /// Every instant.
    EachInstant,
    /// Instants that change one of these intervals of any symbol.
    Intervals(Vec<Interval>),
    /// Only the end.
    Never,
}

/// Where a replay stopped.
#[derive(Debug, Clone, PartialEq)]
pub struct Stop {
    /// The clock, ns UTC.
    pub clock: i64,
    /// The epoch that holds everything known at the clock.
    pub epoch: u64,
    /// What changed in the last instant, if it was one to wake for.
    pub changes: Changes,
    /// Whether to wake for it.
    pub woke: bool,
    /// Whether the session is over.
    pub ended: bool,
    /// Whether it stands at the limit it was given, everything up to there played and nothing after it.
    pub held: bool,
}

/// How much was played.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Progress {
    /// Instants.
    pub instants: u64,
    /// Base bars delivered.
    pub bars: u64,
    /// Derived bars emitted, replaced ones included.
    pub derived_bars: u64,
}

/// Bars whose symbols are fetched from memory at once.
const TOGETHER: usize = 16;

/// One session being played.
#[derive(Debug)]
pub struct Replay {
    store: Arc<Store>,
    /// Which of the store's it is.
    number: u64,
    merge: BarMerge,
    indicators: Option<Arc<RealtimeIndicators>>,
    /// Whose bars each source has.
    lanes: Arc<Lanes>,
    /// Whether each source alone has the bars of its symbol.
    alone: bool,
    close: i64,
    progress: Progress,
    ended: bool,
}

impl Replay {
    /// Prepare to play the sources of one session, which ends at `close`. A helper may bring the bars in order while those
    /// before are played, and the first of them before anybody asks for them; what comes of it is the same.
    ///
    /// `None` where a symbol was removed since it was looked up.
    ///
    /// # Errors
    /// Those of [`BarMerge::new`]; [`crate::Error::Poisoned`], [`crate::Error::Forked`].
    pub fn new(
        store: Arc<Store>,
        sources: Vec<(Arc<Entry>, Source)>,
        close: i64,
        helper: Option<Box<dyn Helper<Bar>>>,
    ) -> Result<Option<Self>> {
        store.check()?;
        let (entries, mut lanes): (Vec<Arc<Entry>>, Vec<Source>) = sources.into_iter().unzip();
        let table = store.write().table();
        for lane in &mut lanes {
            let ts = &lane.columns.ts[lane.from..lane.to];
            // What begins at the close or later is not part of this session; as a rule there is nothing.
            lane.to = lane.from + search_near(ts, 0, ts.len(), close);
            if let Some(table) = &table {
                let ts = &lane.columns.ts[lane.from..lane.to];
                lane.known_at = table.known_at(ts, lane.interval)?;
            }
        }
        let symbols = entries.iter().map(|entry| entry.id);
        let intervals = lanes.iter().map(|lane| lane.interval);
        let taken_from = Arc::new(Lanes::new(symbols.clone().zip(intervals.clone())));
        let rows = lanes.iter().map(|lane| lane.to - lane.from);
        let sources = symbols.zip(intervals).zip(rows);
        let sources: Vec<_> = sources.map(|((id, of), rows)| (id, of, rows)).collect();
        let mut merge = BarMerge::idle(lanes)?;
        let (number, alone) = {
            // From here on nobody removes a symbol.
            let mut writing = store.write();
            if !entries.iter().all(|entry| writing.keeps(entry)) {
                return Ok(None);
            }
            let (number, places) = writing.begin_replay(&sources);
            let alone = places.iter().all(Option::is_some);
            merge.begin(helper, places, writing.take_windows());
            (number, alone)
        };
        Ok(Some(Self {
            store,
            number,
            merge,
            indicators: None,
            lanes: taken_from,
            alone,
            close,
            progress: Progress::default(),
            ended: false,
        }))
    }

    /// Let values of this store follow each instant, and show with its epoch.
    #[must_use]
    pub fn with_indicators(mut self, indicators: Arc<RealtimeIndicators>) -> Self {
        self.indicators = Some(indicators);
        self
    }

    /// How much was played so far.
    pub fn progress(&self) -> Progress {
        self.progress
    }

    /// The next instant, ns: when a bar becomes known or a bucket ends; the close when there is none.
    pub fn next_ts(&mut self) -> i64 {
        self.merge.go_on();
        let next_end = self.store.write().next_end();
        self.next_instant(next_end).unwrap_or(self.close)
    }

    /// Play to the next instant to wake for, or about `most_bars` bars, or the limit `until`, or the end.
    ///
    /// # Errors
    /// Those of the store for a bar it refuses; the replay is over then.
    pub fn run(&mut self, wake: &Wake, most_bars: u64, until: Option<i64>) -> Result<Stop> {
        if self.ended {
            return Ok(self.stop(Changes::default(), false));
        }
        self.store.check()?;
        self.merge.go_on();
        let enough = self.progress.bars.saturating_add(most_bars);
        let result = self.run_until(wake, enough, until.unwrap_or(i64::MAX));
        if result.is_err() {
            self.finish();
        }
        result
    }

    fn run_until(&mut self, wake: &Wake, enough: u64, until: i64) -> Result<Stop> {
        let store = self.store.clone();
        loop {
            let mut writing = store.write();
            let next_end = writing.next_end();
            let next = self.next_instant(next_end);
            if next.unwrap_or(self.close) > until {
                // The clock of the store stands at the limit too: what is due by then counts.
                if writing.clock() < until {
                    writing.finish_instant(until)?;
                    self.publish(&mut writing);
                }
                drop(writing);
                return Ok(Stop {
                    held: true,
                    ..self.stop(Changes::default(), false)
                });
            }
            let Some(instant) = next else {
                let close = self.close.max(writing.clock());
                writing.finish_instant(close)?;
                self.publish(&mut writing);
                drop(writing);
                self.finish();
                return Ok(self.stop(Changes::default(), false));
            };
            let derived_before = writing.derived_bars();
            writing.collect_changes(match wake {
                Wake::Never => Collect::Nothing,
                _ => Collect::Others,
            });
            let mut taken = Vec::new();
            let tells = *wake != Wake::Never;
            let played = self.play(&mut writing, instant, tells, &mut taken);
            let others = writing.take_changes();
            writing.collect_changes(Collect::Nothing);
            self.publish(&mut writing);
            self.progress.derived_bars += writing.derived_bars() - derived_before;
            played?;
            drop(writing);
            let changes = Changes::new(taken, others);
            let woke = match wake {
                Wake::EachInstant => !changes.is_empty(),
                Wake::Intervals(wanted) => changes.has_any_of(wanted),
                Wake::Never => false,
            };
            let changes = if woke { changes } else { Changes::default() };
            if woke || self.progress.bars >= enough {
                return Ok(self.stop(changes, woke));
            }
        }
    }

    /// Values first: who sees the epoch sees them.
    fn publish(&self, writing: &mut Writing<'_>) {
        if let Some(indicators) = &self.indicators {
            indicators.follow(writing);
        }
        writing.publish();
    }

    fn next_instant(&self, next_end: Option<i64>) -> Option<i64> {
        let next = [self.merge.next_known_at(), next_end]
            .into_iter()
            .flatten()
            .min()?;
        // What would be known only after the close is not part of this session.
        (next <= self.close).then_some(next)
    }

    /// Play one instant. Where somebody may be told of it, `taken` gets the bars of the merge that came.
    fn play(
        &mut self,
        writing: &mut Writer,
        instant: i64,
        tells: bool,
        taken: &mut Vec<Taken>,
    ) -> Result<()> {
        while let Some((items, rows)) = self.merge.take_some(instant) {
            let mut odd = Vec::new();
            for first in rows.clone().step_by(TOGETHER) {
                let few = first..rows.end.min(first + TOGETHER);
                writing.fetch(
                    items[few.clone()]
                        .iter()
                        .map(|item| self.lanes.symbol(item)),
                );
                for at in few.clone() {
                    let item = &items[at];
                    if !writing.deliver(self.lanes.symbol(item), &item.row, self.number)? {
                        odd.push(at);
                    }
                    self.progress.bars += 1;
                }
                // A bar may come twice in its source; nobody else brings one of these symbols.
                let is_split = items
                    .get(few.end)
                    .is_some_and(|next| next.source == items[few.end - 1].source);
                if self.alone && !is_split {
                    writing.show_fresh();
                }
            }
            match tells {
                true => taken.push(Taken::new(items, rows, odd, self.lanes.clone())),
                false => drop(items),
            }
            self.merge.go_on();
        }
        self.progress.instants += 1;
        writing.finish_instant(instant)
    }

    fn stop(&self, changes: Changes, woke: bool) -> Stop {
        Stop {
            clock: self.store.clock(),
            epoch: self.store.epoch(),
            changes,
            woke,
            ended: self.ended,
            held: false,
        }
    }

    /// End the replay where it stands and give the clock back to the store. Doing so again changes nothing.
    pub fn finish(&mut self) {
        // In a forked child the lock may be held by nobody who is there.
        if !self.ended && self.store.check_process().is_ok() {
            self.ended = true;
            let windows = self.merge.let_go();
            self.store.write().end_replay(self.number, windows);
        }
    }
}

impl Drop for Replay {
    fn drop(&mut self) {
        self.finish();
    }
}
