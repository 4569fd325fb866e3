//! Coarser bars that follow from finer ones, those of many sessions at once: a session gives so few of them that each by
//! itself would cost more than its bars.

use crate::aggregate::resample::fold::fold_exact;
use crate::aggregate::resample::plan::{Finer, Union};
use crate::bar::PARTIAL;
use crate::columns::Columns;

/// Finer bars that wait at most: they are still in the nearer caches when they are read again. Few in tests, which have
/// few sessions.
const MOST_WAITING: usize = if cfg!(test) { 100 } else { 1_024 };

/// Bars of a coarser target that are still to be made, in order. Their `ts` are there already.
#[derive(Debug, Clone, Default)]
pub(super) struct Waiting {
    finer: usize,
    /// Bars of the finer target that they are made of, `[from, to)`.
    from: usize,
    to: usize,
    unions: Vec<Union>,
}

impl Waiting {
    pub(super) fn is_empty(&self) -> bool {
        self.unions.is_empty()
    }

    pub(super) fn is_full(&self) -> bool {
        self.to - self.from >= MOST_WAITING
    }

    /// Whether finer bars from `row` on go on where those of this end.
    pub(super) fn goes_on(&self, finer: &Finer, row: usize) -> bool {
        self.is_empty() || (self.finer == finer.target && self.to == row)
    }

    /// Add unions of the finer bars from `row` on.
    pub(super) fn add(&mut self, finer: &Finer, row: usize) {
        if self.is_empty() {
            (self.finer, self.from, self.to) = (finer.target, row, row);
        }
        for union in &finer.unions {
            self.to += union.pieces * union.each;
            match self.unions.last_mut() {
                Some(last) if last.is_like(union) => last.pieces += union.pieces,
                _ => self.unions.push(*union),
            }
        }
    }

    /// Append the bars to those of the target, the last of `done`, which is behind all finer ones.
    pub(super) fn make(&mut self, done: &mut [Columns], may_be_partial: bool) {
        let Some((done, finer)) = done.split_last_mut() else {
            return;
        };
        // None at all for the finest target, for which nothing waits.
        let Some(finer) = finer.get(self.finer) else {
            return;
        };
        let mut row = self.from;
        for union in self.unions.drain(..) {
            let rows = row..row + union.pieces * union.each;
            row = rows.end;
            fold_exact(finer, rows.clone(), union.each, done);
            let begun = done.constituents.len();
            add_up(
                &finer.constituents[rows],
                union.each,
                &mut done.constituents,
            );
            let flags = done.constituents[begun..].iter().map(|&count| {
                let is_partial = may_be_partial && count < union.expected;
                union.flags | if is_partial { PARTIAL } else { 0 }
            });
            done.flags.extend(flags);
        }
    }
}

/// The sum of each `each` counts; the usual numbers without a loop inside.
fn add_up(counts: &[i32], each: usize, sums: &mut Vec<i32>) {
    fn known<const N: usize>(counts: &[i32], sums: &mut Vec<i32>) {
        let (blocks, _) = counts.as_chunks::<N>();
        sums.extend(blocks.iter().map(|block| block.iter().sum::<i32>()));
    }
    match each {
        2 => known::<2>(counts, sums),
        3 => known::<3>(counts, sums),
        4 => known::<4>(counts, sums),
        _ => sums.extend(counts.chunks_exact(each).map(|c| c.iter().sum::<i32>())),
    }
}
