//! The bars a session should have, from its regular hours. Knows no calendar rules and no time zone.

use crate::error::{Error, Result};
use crate::time::Interval;

/// A stretch of regular trading, `[start, end)`, ns UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stretch {
    /// First instant.
    pub start: i64,
    /// First instant after it.
    pub end: i64,
}

/// Expected bar starts of one session: multiples of the step from the open that meet regular hours.
///
/// Slots number them from 0. A break leaves out the multiples that lie in it as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grid {
    open: i64,
    close: i64,
    step: i64,
    runs: Vec<Run>,
    len: u32,
}

/// Multiples `[first, end)` of the step, which are the slots from `slot`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Run {
    first: i64,
    end: i64,
    slot: u32,
}

impl Grid {
    /// The grid of a session's regular stretches, of which there is at least one.
    ///
    /// # Errors
    /// [`Error::TooCoarse`] for more than one session.
    pub fn new(stretches: &[Stretch], interval: Interval) -> Result<Self> {
        let (open, close) = stretches
            .first()
            .zip(stretches.last())
            .map_or((0, 0), |(first, last)| (first.start, last.end));
        let step = match interval {
            Interval::Fixed(ns) => ns,
            Interval::Sessions(1) => close - open,
            Interval::Sessions(_) | Interval::Weeks(_) => {
                return Err(Error::TooCoarse { interval });
            }
        };
        let mut runs: Vec<Run> = Vec::with_capacity(stretches.len());
        for stretch in stretches {
            let first = (stretch.start - open) / step;
            let end = (stretch.end - open + step - 1) / step;
            match runs.last_mut() {
                Some(run) if first <= run.end => run.end = end.max(run.end),
                _ => runs.push(Run {
                    first,
                    end,
                    slot: 0,
                }),
            }
        }
        let mut len = 0;
        for run in &mut runs {
            run.slot = len;
            len += (run.end - run.first) as u32;
        }
        Ok(Self {
            open,
            close,
            step,
            runs,
            len,
        })
    }

    /// Number of expected bars.
    pub fn len(&self) -> u32 {
        self.len
    }

    /// Whether no bar is expected.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The slot of a bar that starts at `ts`, `None` off the grid.
    pub fn slot_of(&self, ts: i64) -> Option<u32> {
        let offset = ts - self.open;
        if offset < 0 || offset % self.step != 0 {
            return None;
        }
        let multiple = offset / self.step;
        let run = self.runs.iter().find(|run| multiple < run.end)?;
        (multiple >= run.first).then(|| run.slot + (multiple - run.first) as u32)
    }

    /// The slot of the bucket that holds an instant, on the step or between two steps.
    pub fn bucket_of(&self, ts: i64) -> Option<u32> {
        if ts < self.open || ts >= self.close {
            return None;
        }
        self.slot_of(ts - (ts - self.open) % self.step)
    }

    /// Start of a slot below `len()`.
    pub fn start_of(&self, slot: u32) -> i64 {
        // The runs cover all slots below `len()`, so one always fits.
        let run = self.runs.iter().rev().find(|run| run.slot <= slot).copied();
        run.map_or(self.close, |run| {
            self.open + (run.first + i64::from(slot - run.slot)) * self.step
        })
    }

    /// End of a slot below `len()`, clipped to the close.
    pub fn end_of(&self, slot: u32) -> i64 {
        (self.start_of(slot) + self.step).min(self.close)
    }

    /// Number of slots that start before an instant.
    pub fn slots_before(&self, instant: i64) -> u32 {
        if instant <= self.open {
            return 0;
        }
        let multiple = (instant - self.open + self.step - 1) / self.step;
        self.below(multiple)
    }

    /// Number of slots whose bar is known at the clock, that is, due.
    pub fn due(&self, clock: i64) -> u32 {
        if clock >= self.close {
            return self.len;
        }
        if clock <= self.open {
            return 0;
        }
        self.below((clock - self.open) / self.step)
    }

    fn below(&self, multiple: i64) -> u32 {
        self.runs
            .iter()
            .map(|run| (multiple.min(run.end) - run.first).max(0) as u32)
            .sum()
    }

    /// Whether a slot follows the one before it without a break between them.
    pub fn adjoins(&self, slot: u32) -> bool {
        !self.runs.iter().any(|run| run.slot == slot)
    }

    /// All starts in order.
    pub fn starts(&self) -> impl Iterator<Item = i64> + '_ {
        self.runs
            .iter()
            .flat_map(move |run| (run.first..run.end).map(move |k| self.open + k * self.step))
    }
}
