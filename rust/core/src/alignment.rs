//! Loaded rows laid on the grid of their session: which row is which expected bar, and which are none.
//!
//! Real series are long stretches without a hole, so the answer is a few stretches, found by comparing many stamps at once.
//! Missing runs, coarser bars and averages over history all begin here.

mod order;
mod search;

use std::ops::Range;

use crate::schedule::Grid;
use order::{Met, Step};
pub use order::{Order, Stamps, first_fall};
pub use search::{advance_to, search_near};

/// Rows and slots that correspond one to one: `len` rows from `row` on are the slots from `slot` on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Aligned {
    /// First slot of the grid.
    pub slot: u32,
    /// First row.
    pub row: usize,
    /// Number of rows and slots.
    pub len: u32,
}

impl Aligned {
    /// The rows.
    pub fn rows(&self) -> Range<usize> {
        self.row..self.row + self.len as usize
    }

    /// First slot after the last.
    pub fn end(&self) -> u32 {
        self.slot + self.len
    }
}

/// Lays rows on grids of one step after the other; keeps its memory between sessions.
#[derive(Debug, Clone)]
pub struct Aligner {
    found: Vec<Aligned>,
    strays: Vec<usize>,
    step: Step,
    /// Which stretch of even steps was met last.
    stretch: usize,
}

impl Default for Aligner {
    fn default() -> Self {
        Self {
            found: Vec::new(),
            strays: Vec::new(),
            step: Step::new(0),
            stretch: 0,
        }
    }
}

impl Aligner {
    /// Lay the ordered stamps from a row on, those before the open left out, on a grid. Returns the rows from the open to the
    /// close.
    ///
    /// Of rows with the same stamp the last one counts. The others, and rows between two slots, are strays.
    pub fn align(&mut self, stamps: Stamps<'_>, row: usize, grid: &Grid) -> Range<usize> {
        if self.step.ns != grid.step() {
            self.step = Step::new(grid.step());
        }
        self.found.clear();
        self.strays.clear();
        let mut next = self.meet(stamps, row);
        if next.at.is_some_and(|at| at < grid.open()) {
            next = self.meet(stamps, advance_to(stamps.ts(), row, grid.open()));
        }
        let first = next.row;
        for run in grid.runs() {
            next = self.align_run(stamps, next, run);
        }
        while next.at.is_some_and(|at| at < grid.close()) {
            self.strays.push(next.row);
            next = self.meet(stamps, next.row + 1);
        }
        first..next.row
    }

    /// Lay rows from the next one on. Returns the one after them.
    fn align_run(&mut self, stamps: Stamps<'_>, mut next: Met, run: (u32, i64, u32)) -> Met {
        let (first_slot, start, len) = run;
        let step = self.step.ns;
        let begun = self.found.len();
        // Whether the row after the newest of this run is the same bar again.
        let is_repeated = |all: &[Aligned], row: usize, at: i64| {
            let newest = all[begun..]
                .last()
                .filter(|newest| newest.rows().end == row);
            newest.is_some_and(|one| at == start + i64::from(one.end() - 1 - first_slot) * step)
        };
        let mut slot = 0;
        while slot < len
            && let Met {
                row, at: Some(at), ..
            } = next
        {
            let expected = start + i64::from(slot) * step;
            if at == expected {
                let most = (len - slot) as usize;
                let matched = match next.even_until {
                    Some(end) => (end - row).min(most),
                    None => {
                        let rest = &stamps.ts()[row..];
                        self.step.matching(&rest[..most.min(rest.len())], expected)
                    }
                };
                self.found.push(Aligned {
                    slot: first_slot + slot,
                    row,
                    len: matched as u32,
                });
                slot += matched as u32;
                next = self.meet(stamps, row + matched);
            } else if at > expected {
                let ahead = (at - expected).div_euclid(step).max(1);
                slot = (i64::from(slot) + ahead).min(i64::from(len)) as u32;
            } else if is_repeated(&self.found, row, at) {
                // It takes the place of the one before.
                self.drop_newest();
                self.strays.push(row - 1);
                slot -= 1;
            } else {
                self.strays.push(row);
                next = self.meet(stamps, row + 1);
            }
        }
        // Repeats of the last slot.
        while let Met {
            row, at: Some(at), ..
        } = next
            && is_repeated(&self.found, row, at)
        {
            let slot = self.drop_newest();
            self.strays.push(row - 1);
            self.found.push(Aligned { slot, row, len: 1 });
            next = self.meet(stamps, row + 1);
        }
        next
    }

    fn meet(&mut self, stamps: Stamps<'_>, row: usize) -> Met {
        stamps.meet(row, self.step.ns, &mut self.stretch)
    }

    /// Take the newest row out again; returns its slot.
    fn drop_newest(&mut self) -> u32 {
        let Some(last) = self.found.last_mut() else {
            return 0;
        };
        last.len -= 1;
        let (slot, is_empty) = (last.end(), last.len == 0);
        if is_empty {
            self.found.pop();
        }
        slot
    }

    /// Rows on the grid, in order.
    pub fn found(&self) -> &[Aligned] {
        &self.found
    }

    /// Rows that are no expected bar or were repeated, in order.
    pub fn strays(&self) -> &[usize] {
        &self.strays
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session_table::tests::table;
    use crate::time::{Interval, MINUTE};

    fn align(stretches: &[(i64, i64)], minutes: &[f64]) -> (Vec<(u32, usize)>, Vec<usize>) {
        let grid = table(&[stretches]).grid(0, Interval::ONE_MINUTE).unwrap();
        let ts: Vec<i64> = minutes.iter().map(|m| (m * MINUTE as f64) as i64).collect();
        let mut aligner = Aligner::default();
        aligner.align(ts[..].into(), 0, &grid);
        let pairs = aligner.found().iter();
        let pairs = pairs.flat_map(|a| (0..a.len).map(|k| (a.slot + k, a.row + k as usize)));
        (pairs.collect(), aligner.strays().to_vec())
    }

    #[test]
    fn whole_sessions_are_one_stretch() {
        let ts: Vec<i64> = (570..960).map(|m| m * MINUTE).collect();
        let grid = table(&[&[(570, 960)]])
            .grid(0, Interval::ONE_MINUTE)
            .unwrap();
        let mut aligner = Aligner::default();
        assert_eq!(aligner.align(ts[..].into(), 0, &grid), 0..390);
        assert_eq!(
            aligner.found(),
            [Aligned {
                slot: 0,
                row: 0,
                len: 390
            }]
        );
    }

    #[test]
    fn the_last_of_repeated_rows_counts_and_rows_between_slots_are_strays() {
        let (pairs, strays) = align(
            &[(540, 544), (550, 553)],
            &[
                540.0, 541.0, 541.0, 541.5, 543.0, 543.0, 545.0, 550.0, 551.0, 552.0, 552.0, 552.0,
            ],
        );
        assert_eq!(pairs, [(0, 0), (1, 2), (3, 5), (4, 7), (5, 8), (6, 11)]);
        assert_eq!(strays, [1, 3, 4, 6, 9, 10]);
    }

    #[test]
    fn every_pattern_agrees_with_looking_up_each_row() {
        for pattern in 0..4_000_u64 {
            let bits = pattern.wrapping_mul(0x9E37_79B9_7F4A_7C15);
            // The first row is left out.
            let mut ts: Vec<i64> = vec![0];
            for minute in 538..602_i64 {
                match bits >> (minute % 31 * 2) & 3 {
                    0 => {}
                    1 => ts.extend([minute * MINUTE, minute * MINUTE]),
                    2 if minute % 5 == 0 => ts.extend([minute * MINUTE, minute * MINUTE + 7]),
                    _ => ts.push(minute * MINUTE),
                }
            }
            let table = table(&[&[(540, 571), (580, 600)]]);
            let grid = table.grid(0, Interval::ONE_MINUTE).unwrap();
            let from = ts.partition_point(|&at| at < 540 * MINUTE);
            let to = ts.partition_point(|&at| at < 600 * MINUTE);
            let mut expected = vec![None; grid.len() as usize];
            for (row, &at) in ts.iter().enumerate().take(to).skip(from) {
                if let Some(slot) = grid.slot_of(at) {
                    expected[slot as usize] = Some(row);
                }
            }
            let known = Order::in_stretches(&ts[1..], Some(MINUTE), ts.len());
            let other = Order::in_stretches(&ts[1..], Some(MINUTE + 7), ts.len());
            let mut aligner = Aligner::default();
            for order in [None, Some(&known), Some(&other)] {
                let stamps = Stamps::new(&ts, 1..ts.len(), order);
                assert_eq!(aligner.align(stamps, 1, &grid), from..to);
                let mut got = vec![None; grid.len() as usize];
                for found in aligner.found() {
                    for k in 0..found.len {
                        got[(found.slot + k) as usize] = Some(found.row + k as usize);
                    }
                }
                assert_eq!(got, expected);
                let on_grid: usize = aligner.found().iter().map(|a| a.len as usize).sum();
                assert_eq!(on_grid + aligner.strays().len(), to - from);
                assert!(aligner.strays().is_sorted());
            }
        }
    }
}
