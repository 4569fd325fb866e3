//! How stamps follow each other, found out once and then known for every question: whether one falls below the one before it,
//! and where they leave an even step.

use std::ops::Range;

/// Stamps compared at once.
const BLOCK: usize = 16;

/// Rows for each stretch of even steps below which the stretches are not kept: to compare the stamps again is as good.
const FEWEST_ROWS: usize = 8;

/// An even step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Step {
    pub(super) ns: i64,
    offsets: [i64; BLOCK],
}

impl Step {
    pub(super) fn new(ns: i64) -> Self {
        let offsets = std::array::from_fn(|k| (k as i64).saturating_mul(ns));
        Self { ns, offsets }
    }

    /// Number of leading stamps that rise by the step from `expected` on.
    pub(super) fn matching(&self, ts: &[i64], expected: i64) -> usize {
        let mut matched = 0;
        let mut next = expected;
        for block in ts.chunks_exact(BLOCK) {
            let mut differences = 0;
            for (stamp, offset) in block.iter().zip(&self.offsets) {
                differences |= stamp ^ (next.wrapping_add(*offset));
            }
            // Beyond the last instant there is none.
            let after = next.checked_add((BLOCK as i64).saturating_mul(self.ns));
            let Some(after) = after.filter(|_| differences == 0) else {
                break;
            };
            matched += BLOCK;
            next = after;
        }
        for &stamp in &ts[matched..] {
            if stamp != next {
                break;
            }
            matched += 1;
            let Some(after) = next.checked_add(self.ns) else {
                break;
            };
            next = after;
        }
        matched
    }
}

/// What is known of stamps that no longer change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// First row that starts before the row ahead of it.
    pub fall: Option<usize>,
    step: i64,
    /// Stretches of stamps that rise by one step each, in order: the first row and its stamp. None where they are not kept.
    stretches: Vec<(usize, i64)>,
}

impl Order {
    /// Look at all stamps, which should be `step` apart; where bars have no fixed length there is none.
    pub fn of(ts: &[i64], step: Option<i64>) -> Self {
        Self::in_stretches(ts, step, ts.len() / FEWEST_ROWS + 1)
    }

    /// The same, with at most so many stretches.
    pub(super) fn in_stretches(ts: &[i64], step: Option<i64>, most: usize) -> Self {
        let unknown = |fall| Self {
            fall,
            step: 0,
            stretches: Vec::new(),
        };
        let Some(step) = step.filter(|&step| step > 0).map(Step::new) else {
            return unknown(first_fall(ts));
        };
        let mut stretches = Vec::new();
        let mut row = 0;
        while let Some(&start) = ts.get(row) {
            if row > 0 && start < ts[row - 1] {
                return unknown(Some(row));
            }
            if stretches.len() == most {
                let rest = first_fall(&ts[row - 1..]);
                return unknown(rest.map(|fall| row - 1 + fall));
            }
            stretches.push((row, start));
            row += step.matching(&ts[row..], start);
        }
        Self {
            fall: None,
            step: step.ns,
            stretches,
        }
    }
}

/// A row as it is met.
#[derive(Debug, Clone, Copy)]
pub(super) struct Met {
    pub(super) row: usize,
    /// Its stamp, `None` after the last row.
    pub(super) at: Option<i64>,
    /// The row after the stretch it is in, where that is known.
    pub(super) even_until: Option<usize>,
}

/// Ordered stamps of some rows, with what is known of their order.
#[derive(Debug, Clone, Copy)]
pub struct Stamps<'a> {
    ts: &'a [i64],
    first: usize,
    order: Option<&'a Order>,
}

impl<'a> Stamps<'a> {
    /// The stamps in some rows of `ts`. An order must be that of these rows alone.
    pub fn new(ts: &'a [i64], rows: Range<usize>, order: Option<&'a Order>) -> Self {
        Self {
            ts: &ts[..rows.end],
            first: rows.start,
            order: order.filter(|order| !order.stretches.is_empty()),
        }
    }

    /// All stamps up to the last of these rows.
    pub fn ts(&self) -> &'a [i64] {
        self.ts
    }

    /// The same, with rows that count from the first of them.
    pub fn alone(self) -> Self {
        let ts = &self.ts[self.first..];
        Self {
            ts,
            first: 0,
            ..self
        }
    }

    /// Those before a row.
    pub fn until(self, row: usize) -> Self {
        let ts = &self.ts[..row];
        Self { ts, ..self }
    }

    /// The rows.
    pub fn rows(&self) -> Range<usize> {
        self.first..self.ts.len()
    }

    /// Meet a row. `near` is the stretch that was met the last time, of these or of other stamps.
    ///
    /// Its stamp is not read where the stretches are known: the rows that are met are far apart, and to wait for the memory of
    /// each would take as long as to read all between them.
    #[inline]
    pub(super) fn meet(&self, row: usize, step: i64, near: &mut usize) -> Met {
        let known = self.order.filter(|order| order.step == step);
        match known.zip(row.checked_sub(self.first)) {
            Some((order, place)) if row < self.ts.len() => {
                let all = order.stretches.as_slice();
                let first = |at: usize| all.get(at).map(|&(first, _)| first);
                let is_in = |at: usize| {
                    let goes_on = first(at + 1).is_none_or(|next| place < next);
                    first(at).is_some_and(|first| first <= place && goes_on)
                };
                // As a rule the next one.
                if is_in(*near + 1) {
                    *near += 1;
                } else if !is_in(*near) {
                    // The first one begins with the first row.
                    *near = all.partition_point(|&(first, _)| first <= place) - 1;
                }
                let (first, start) = all[*near];
                let end = all.get(*near + 1).map(|&(next, _)| self.first + next);
                Met {
                    row,
                    at: Some(start + (place - first) as i64 * step),
                    even_until: Some(end.map_or(self.ts.len(), |end| end.min(self.ts.len()))),
                }
            }
            _ => Met {
                row,
                at: self.ts.get(row).copied(),
                even_until: None,
            },
        }
    }
}

impl<'a> From<&'a [i64]> for Stamps<'a> {
    /// Ordered stamps of which nothing else is known.
    fn from(ts: &'a [i64]) -> Self {
        Self::new(ts, 0..ts.len(), None)
    }
}

/// First row whose stamp falls below that of the row before it.
pub fn first_fall(ts: &[i64]) -> Option<usize> {
    let exact = |from: usize| {
        let pairs = ts[from..].windows(2);
        pairs
            .take(BLOCKS)
            .position(|pair| pair[1] < pair[0])
            .map(|at| from + at + 1)
    };
    // Without a branch for each row; where a block holds a fall it is looked for again.
    const BLOCKS: usize = 256;
    (0..ts.len().saturating_sub(1))
        .step_by(BLOCKS)
        .find_map(|from| {
            let to = (from + BLOCKS + 1).min(ts.len());
            let pairs = ts[from..to - 1].iter().zip(&ts[from + 1..to]);
            let falls = pairs.fold(false, |falls, (a, b)| falls | (b < a));
            falls.then(|| exact(from)).flatten()
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_fall_is_found_wherever_it_is() {
        assert_eq!(first_fall(&[]), None);
        let mut ts: Vec<i64> = (0..1_000).collect();
        assert_eq!(first_fall(&ts), None);
        for at in [999, 700, 257, 256, 255, 1] {
            ts[at] = -1;
            assert_eq!(first_fall(&ts), Some(at));
        }
        assert_eq!(first_fall(&[i64::MIN, i64::MAX, i64::MIN]), Some(2));
    }

    #[test]
    fn stretches_end_where_a_step_is_another() {
        let ts: Vec<i64> = (0..60).chain(61..100).chain([100, 100, 250]).collect();
        let order = Order::of(&ts, Some(1));
        assert_eq!(order.stretches, [(0, 0), (60, 61), (100, 100), (101, 250)]);
        let stamps = Stamps::new(&ts, 0..ts.len(), Some(&order));
        for near in [0, 1, 3, 4, 9] {
            for (row, end) in [(0, 60), (59, 60), (60, 100), (100, 101), (101, 102)] {
                let met = stamps.meet(row, 1, &mut { near });
                assert_eq!((met.at, met.even_until), (Some(ts[row]), Some(end)));
            }
            assert_eq!(stamps.meet(102, 1, &mut { near }).at, None);
        }
        assert_eq!(stamps.meet(5, 2, &mut 0).even_until, None);
        assert_eq!(stamps.until(50).meet(5, 1, &mut 0).even_until, Some(50));
    }

    #[test]
    fn rows_count_from_the_first_of_the_columns() {
        let ts = [7, 1, 2, 3, 9];
        let order = Order::in_stretches(&ts[1..], Some(1), 2);
        let stamps = Stamps::new(&ts, 1..5, Some(&order));
        let met = |stamps: Stamps<'_>, row| {
            let met = stamps.meet(row, 1, &mut 0);
            (met.at, met.even_until)
        };
        assert_eq!(met(stamps, 1), (Some(1), Some(4)));
        assert_eq!(met(stamps, 3), (Some(3), Some(4)));
        assert_eq!(met(stamps, 4), (Some(9), Some(5)));
        assert_eq!(met(stamps.alone(), 0), (Some(1), Some(3)));
        assert_eq!(met(stamps.alone(), 3), (Some(9), Some(4)));
    }

    #[test]
    fn the_order_of_stamps_without_even_steps_is_known_too() {
        let odd: Vec<i64> = (0..1_000).map(|n| n * n).collect();
        let unknown = |fall| Order {
            fall,
            step: 0,
            stretches: Vec::new(),
        };
        assert_eq!(Order::of(&odd, Some(1)), unknown(None));
        for fall in [1, 2, 100, 126, 127, 128, 999] {
            let mut ts = odd.clone();
            ts[fall..].iter_mut().for_each(|stamp| *stamp -= 3_000_000);
            assert_eq!(Order::of(&ts, Some(1)), unknown(Some(fall)));
            assert_eq!(Order::of(&ts, None), unknown(Some(fall)));
        }
        let around = [i64::MAX - 1, i64::MAX, i64::MIN, i64::MIN + 1];
        assert_eq!(Order::of(&around, Some(1)), unknown(Some(2)));
    }
}
