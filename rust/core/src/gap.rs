//! Which expected bars are there: a presence bitmap per series and session, and the runs that are missing.
//! Says what is missing, not why.

mod loaded;

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use crate::schedule::Grid;
use crate::sync::AtomicU64;
pub use loaded::{LoadedCounts, missing_runs};

/// One bit per expected bar of a session.
///
/// The writer sets bits, readers on other threads read them. A reader cuts at the clock it took first, so bits of an
/// instant that is still being written do not count.
#[derive(Debug)]
pub struct Presence {
    grid: Arc<Grid>,
    bits: Arc<Bits>,
    /// Which of the series that have their bits there.
    column: u32,
    /// A reader at an earlier epoch must not use this one.
    since_epoch: u64,
}

/// The bits of several series over one grid. Those of the same bars lie one behind the other, series by series: an instant
/// sets them all, and they are few lines of the cache rather than one for each series.
#[derive(Debug)]
pub(crate) struct Bits {
    words: Box<[AtomicU64]>,
    columns: u32,
}

impl Bits {
    /// None is set.
    fn new(grid: &Grid, columns: u32) -> Self {
        let words = (grid.len() as usize).div_ceil(64) * columns as usize;
        Self {
            words: (0..words).map(|_| AtomicU64::new(0)).collect(),
            columns,
        }
    }

    /// The word with the bit of a slot; `None` beyond the last.
    #[inline]
    fn word(&self, column: u32, slot: u32) -> Option<&AtomicU64> {
        let words_before = (slot / 64) as usize * self.columns as usize;
        self.words.get(words_before.wrapping_add(column as usize))
    }

    /// Note that the bar of a slot came. Setting it again changes nothing.
    #[inline]
    pub(crate) fn set(&self, column: u32, slot: u32) {
        let Some(word) = self.word(column, slot) else {
            return;
        };
        // Only the writer stores, so load and store need not be one operation.
        word.store(word.load(Relaxed) | 1 << (slot % 64), Relaxed);
    }
}

/// Makes the presences of several series over one grid.
#[derive(Debug)]
pub(crate) struct Presences {
    grid: Arc<Grid>,
    bits: Arc<Bits>,
    /// How many have their bits there.
    taken: u32,
}

impl Presences {
    /// Over a grid; none is made yet.
    pub(crate) fn new(grid: Arc<Grid>) -> Self {
        Self {
            bits: Arc::new(Bits::new(&grid, 0)),
            grid,
            taken: 0,
        }
    }

    /// One more, for readers from an epoch on. Where there is no room beside the others, room for `together` is made.
    pub(crate) fn one_more(&mut self, together: usize, since_epoch: u64) -> Presence {
        if self.taken == self.bits.columns {
            self.bits = Arc::new(Bits::new(&self.grid, together.max(1) as u32));
            self.taken = 0;
        }
        self.taken += 1;
        Presence {
            grid: self.grid.clone(),
            bits: self.bits.clone(),
            column: self.taken - 1,
            since_epoch,
        }
    }
}

/// A run of expected bars that did not come: slots `[first, end)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MissingRun {
    /// Start of the first missing bar, ns UTC.
    pub start: i64,
    /// End of the last missing bar, ns UTC.
    pub end: i64,
    /// Number of bars missing.
    pub bars: u32,
}

impl Presence {
    /// No bar is there yet.
    pub fn new(grid: Arc<Grid>) -> Self {
        Presences::new(grid).one_more(1, 0)
    }

    /// The first epoch of the session it belongs to.
    pub(crate) fn since_epoch(&self) -> u64 {
        self.since_epoch
    }

    /// The expected bars.
    pub fn grid(&self) -> &Grid {
        &self.grid
    }

    /// Where its bits are, beside those of others: whose they are.
    pub(crate) fn bits(&self) -> (&Arc<Bits>, u32) {
        (&self.bits, self.column)
    }

    #[inline]
    fn word(&self, slot: u32) -> Option<&AtomicU64> {
        self.bits.word(self.column, slot)
    }

    fn words(&self) -> impl Iterator<Item = &AtomicU64> {
        let own = self.bits.words.iter().skip(self.column as usize);
        own.step_by(self.bits.columns as usize)
    }

    /// Note that the bar of a slot came. Setting it again changes nothing.
    pub fn set(&self, slot: u32) {
        self.bits.set(self.column, slot);
    }

    /// `(present, due)` among the bars due at the clock.
    pub fn counts(&self, clock: i64) -> (u32, u32) {
        let due = self.grid.due(clock);
        let whole = due as usize / 64;
        let mut present: u32 = self
            .words()
            .take(whole)
            .map(|w| w.load(Relaxed).count_ones())
            .sum();
        if !due.is_multiple_of(64) {
            let last = self.word(due).map_or(0, |word| word.load(Relaxed));
            present += (last & ((1 << (due % 64)) - 1)).count_ones();
        }
        (present, due)
    }

    /// The missing runs among the bars due at the clock, in order. A break separates two runs.
    pub fn missing(&self, clock: i64) -> Vec<MissingRun> {
        let due = self.grid.due(clock);
        let mut runs: Vec<MissingRun> = Vec::new();
        let mut previous = None;
        let mut slot = 0;
        while slot < due {
            // Present bars come in long stretches: skip the ones at the bottom of the word at once.
            let word = self.word(slot).map_or(0, |word| word.load(Relaxed));
            let rest = !word >> (slot % 64);
            if rest == 0 {
                slot = (slot / 64 + 1) * 64;
                continue;
            }
            slot += rest.trailing_zeros();
            if slot >= due {
                break;
            }
            let end = self.grid.end_of(slot);
            match runs.last_mut() {
                Some(run) if previous == Some(slot - 1) && self.grid.adjoins(slot) => {
                    run.end = end;
                    run.bars += 1;
                }
                _ => runs.push(MissingRun {
                    start: self.grid.start_of(slot),
                    end,
                    bars: 1,
                }),
            }
            previous = Some(slot);
            slot += 1;
        }
        runs
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session_table::tests::table;
    use crate::time::{Interval, MINUTE};

    fn presence(stretches: &[(i64, i64)], present: impl Fn(u32) -> bool) -> Presence {
        let grid = table(&[stretches]).grid(0, Interval::ONE_MINUTE).unwrap();
        let presence = Presence::new(Arc::new(grid));
        for slot in (0..presence.grid().len()).filter(|&slot| present(slot)) {
            presence.set(slot);
        }
        presence
    }

    #[test]
    fn consecutive_missing_bars_are_one_run() {
        let all = presence(&[(570, 960)], |slot| {
            !(100..117).contains(&slot) && slot != 389
        });
        let runs = all.missing(i64::MAX);
        assert_eq!(runs.len(), 2);
        assert_eq!(
            runs[0],
            MissingRun {
                start: 670 * MINUTE,
                end: 687 * MINUTE,
                bars: 17
            }
        );
        assert_eq!(
            runs[1],
            MissingRun {
                start: 959 * MINUTE,
                end: 960 * MINUTE,
                bars: 1
            }
        );
        assert_eq!(all.counts(i64::MAX), (372, 390));
    }

    #[test]
    fn a_break_separates_two_runs() {
        let none = presence(&[(540, 690), (750, 900)], |_| false);
        let runs = none.missing(i64::MAX);
        assert_eq!(runs.iter().map(|r| r.bars).collect::<Vec<_>>(), [150, 150]);
        assert_eq!(runs[0].end, 690 * MINUTE);
    }

    #[test]
    fn series_over_one_grid_have_bits_of_their_own() {
        let grid = table(&[&[(570, 960)]]).grid(0, Interval::ONE_MINUTE);
        let mut all = Presences::new(Arc::new(grid.unwrap()));
        // The third finds no room beside the others.
        let series: Vec<Presence> = (0..3).map(|_| all.one_more(2, 0)).collect();
        for (first, one) in series.iter().enumerate() {
            (first as u32..400)
                .step_by(3)
                .for_each(|slot| one.set(slot));
        }
        for (first, one) in series.iter().enumerate() {
            assert_eq!(one.counts(i64::MAX), (130, 390));
            let missing: u32 = one.missing(i64::MAX).iter().map(|run| run.bars).sum();
            let begins = 570 + i64::from(first == 0);
            assert_eq!(missing, 260);
            assert_eq!(one.missing(i64::MAX)[0].start, begins * MINUTE);
        }
    }

    #[test]
    fn only_bars_that_are_due_count() {
        let early = presence(&[(570, 960)], |slot| slot < 2);
        assert_eq!(early.counts(573 * MINUTE), (2, 3));
        assert_eq!(early.missing(573 * MINUTE).len(), 1);
        assert_eq!(early.counts(570 * MINUTE), (0, 0));
    }

    #[test]
    fn runs_and_counts_agree_for_every_pattern() {
        for pattern in 0..2_000_u64 {
            let bits = pattern.wrapping_mul(0x9E37_79B9_7F4A_7C15);
            let some = presence(&[(570, 720)], |slot| bits >> (slot % 61) & 1 == 1);
            let (present, due) = some.counts(i64::MAX);
            let missing: u32 = some.missing(i64::MAX).iter().map(|r| r.bars).sum();
            assert_eq!(present + missing, due);
        }
    }
}
