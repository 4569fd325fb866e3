//! The bars a session should have, from its regular hours. Knows no calendar rules and no time zone.

mod extended;

pub use extended::{ExtendedGrids, ExtendedHours, Role};

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

/// From where buckets are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Anchor {
    /// From the session's open.
    #[default]
    Session,
    /// From the open, and again after each break.
    Segment,
    /// From local midnight. The first bucket of a session may be short, and starts at the open.
    Clock,
}

/// Expected bar starts of one session: multiples of the step from the anchor that meet regular hours.
///
/// Slots number them from 0. A break leaves out the multiples that lie in it as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grid {
    open: i64,
    close: i64,
    step: i64,
    stretches: Vec<Stretch>,
    runs: Vec<Run>,
    len: u32,
}

/// Slots in equal distance: multiples `[first, end)` of the step from `origin`, which are the slots from `slot` on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Run {
    origin: i64,
    first: i64,
    end: i64,
    slot: u32,
    /// First instant.
    start: i64,
    /// First instant after the last slot.
    stop: i64,
}

impl Grid {
    /// The grid of a session's regular stretches, of which there is at least one.
    ///
    /// `midnight` is the local midnight that multiples of wall-clock time are counted from.
    ///
    /// # Errors
    /// [`Error::TooCoarse`] for more than one session.
    pub fn new(
        stretches: &[Stretch],
        interval: Interval,
        anchor: Anchor,
        midnight: i64,
    ) -> Result<Self> {
        let (open, close) = stretches
            .first()
            .zip(stretches.last())
            .map_or((0, 0), |(first, last)| (first.start, last.end));
        let (step, anchor) = match interval {
            Interval::Fixed(ns) => (ns, anchor),
            // A whole session has one bucket, wherever others are counted from.
            Interval::Sessions(1) => (close - open, Anchor::Session),
            Interval::Sessions(_) | Interval::Weeks(_) => {
                return Err(Error::TooCoarse { interval });
            }
        };
        let mut runs: Vec<Run> = Vec::with_capacity(stretches.len());
        for stretch in stretches {
            let origin = match anchor {
                Anchor::Session => open,
                Anchor::Segment => stretch.start,
                Anchor::Clock => midnight,
            };
            let first = (stretch.start - origin).div_euclid(step);
            let end = -(origin - stretch.end).div_euclid(step);
            match runs.last_mut() {
                Some(run) if run.origin == origin && first <= run.end => {
                    run.end = end.max(run.end);
                    run.stop = stretch.end;
                }
                _ => runs.push(Run {
                    origin,
                    first,
                    end,
                    slot: 0,
                    start: (origin + first * step).max(open),
                    stop: stretch.end,
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
            stretches: stretches.to_vec(),
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

    /// First instant of regular hours.
    pub fn open(&self) -> i64 {
        self.open
    }

    /// First instant after regular hours.
    pub fn close(&self) -> i64 {
        self.close
    }

    /// Distance of two slots.
    pub fn step(&self) -> i64 {
        self.step
    }

    /// The run whose slots may hold an instant.
    fn run_at(&self, ts: i64) -> Option<&Run> {
        let run = self.runs.iter().find(|run| ts < run.stop)?;
        (ts >= run.start).then_some(run)
    }

    /// The slot of a bar that starts at `ts`, `None` off the grid.
    pub fn slot_of(&self, ts: i64) -> Option<u32> {
        let run = self.run_at(ts)?;
        let offset = ts - run.origin;
        let multiple = offset.div_euclid(self.step);
        (multiple * self.step == offset || ts == run.start)
            .then(|| run.slot + (multiple - run.first) as u32)
    }

    /// Whether an instant lies in regular hours, breaks left out.
    pub fn is_trading(&self, ts: i64) -> bool {
        self.stretches.iter().any(|s| s.start <= ts && ts < s.end)
    }

    /// The slot of the bucket that holds an instant, on the step or between two steps.
    pub fn bucket_of(&self, ts: i64) -> Option<u32> {
        let run = self.run_at(ts)?;
        let multiple = (ts - run.origin).div_euclid(self.step);
        let slot = run.slot + (multiple - run.first) as u32;
        (ts < self.end_of(slot)).then_some(slot)
    }

    /// Start of a slot below `len()`.
    pub fn start_of(&self, slot: u32) -> i64 {
        // The runs cover all slots below `len()`, so one always fits.
        let run = self.runs.iter().rev().find(|run| run.slot <= slot);
        run.map_or(self.close, |run| {
            (run.origin + (run.first + i64::from(slot - run.slot)) * self.step).max(run.start)
        })
    }

    /// End of a slot below `len()`: one step after its start, or the end of the last trading in it if that is earlier.
    pub fn end_of(&self, slot: u32) -> i64 {
        let run = self.runs.iter().rev().find(|run| run.slot <= slot);
        run.map_or(self.close, |run| {
            let end = run.origin + (run.first + i64::from(slot - run.slot) + 1) * self.step;
            let trading = self.stretches.iter().rev().find(|s| s.start < end);
            end.min(run.stop).min(trading.map_or(end, |s| s.end))
        })
    }

    /// End of the bar that starts at an instant of a grid of stored bars, counted from the open.
    pub fn end_at(&self, ts: i64) -> i64 {
        let end = ts + self.step;
        match self.stretches.as_slice() {
            [_] if end <= self.close => end,
            _ => self.bucket_of(ts).map_or(end, |slot| self.end_of(slot)),
        }
    }

    /// Number of slots that start before an instant.
    pub fn slots_before(&self, instant: i64) -> u32 {
        let begun = self.runs.iter().take_while(|run| run.start < instant);
        let before = |run: &Run| {
            let multiple = -(run.origin - instant).div_euclid(self.step);
            (multiple.min(run.end) - run.first) as u32
        };
        begun.map(before).sum()
    }

    /// Number of slots whose bar is known at the clock, that is, due.
    pub fn due(&self, clock: i64) -> u32 {
        if clock >= self.close {
            return self.len;
        }
        let mut due = 0;
        for run in &self.runs {
            let steps = (clock - run.origin).div_euclid(self.step);
            due += (steps.min(run.end) - run.first).max(0) as u32;
        }
        // The bar before a break may end ahead of its step.
        while due < self.len && self.end_of(due) <= clock {
            due += 1;
        }
        due
    }

    /// Start of the slot after another one, `None` after the last.
    pub fn next_start(&self, slot: u32) -> Option<i64> {
        let next = slot + 1;
        (next < self.len).then(|| self.start_of(next))
    }

    /// From the second slot on until this one, each is followed by another one step later. The first may be shorter; 0 with
    /// breaks.
    pub fn even_until(&self) -> u32 {
        match self.runs.len() {
            1 => self.len.saturating_sub(1),
            _ => 0,
        }
    }

    /// Whether a slot follows the one before it without a break between them.
    pub fn adjoins(&self, slot: u32) -> bool {
        slot > 0 && (self.stretches.len() == 1 || self.end_of(slot - 1) == self.start_of(slot))
    }

    /// Runs of slots in equal distance: first slot, its start, number of slots.
    pub fn runs(&self) -> impl Iterator<Item = (u32, i64, u32)> + '_ {
        self.runs
            .iter()
            .map(|run| (run.slot, run.start, (run.end - run.first) as u32))
    }

    /// All starts in order.
    pub fn starts(&self) -> impl Iterator<Item = i64> + '_ {
        (0..self.len).map(|slot| self.start_of(slot))
    }
}
