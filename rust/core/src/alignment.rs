//! Loaded rows laid on the grid of their session: which row is which expected bar, and which are none.
//!
//! Real series are long stretches without a hole, so the answer is a few stretches, found by comparing many stamps at once.
//! Missing runs, coarser bars and averages over history all begin here.

use std::ops::Range;

use crate::schedule::Grid;

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

/// Stamps compared at once.
const BLOCK: usize = 16;

/// Lays rows on grids of one step after the other; keeps its memory between sessions.
#[derive(Debug, Clone)]
pub struct Aligner {
    found: Vec<Aligned>,
    strays: Vec<usize>,
    step: i64,
    offsets: [i64; BLOCK],
}

impl Default for Aligner {
    fn default() -> Self {
        Self {
            found: Vec::new(),
            strays: Vec::new(),
            step: 0,
            offsets: [0; BLOCK],
        }
    }
}

impl Aligner {
    /// Lay the ordered stamps from row `from` on, none before the open, on a grid. Returns the first row after the close.
    ///
    /// Of rows with the same stamp the last one counts. The others, and rows between two slots, are strays.
    pub fn align(&mut self, ts: &[i64], from: usize, grid: &Grid) -> usize {
        if self.step != grid.step() {
            self.step = grid.step();
            self.offsets = std::array::from_fn(|k| (k as i64).saturating_mul(self.step));
        }
        self.found.clear();
        self.strays.clear();
        let mut row = from;
        for run in grid.runs() {
            row = self.align_run(ts, row, run);
        }
        while ts.get(row).is_some_and(|&at| at < grid.close()) {
            self.strays.push(row);
            row += 1;
        }
        row
    }

    fn align_run(&mut self, ts: &[i64], mut row: usize, run: (u32, i64, u32)) -> usize {
        let (first_slot, start, len) = run;
        let begun = self.found.len();
        let mut slot = 0;
        while slot < len && row < ts.len() {
            let expected = start + i64::from(slot) * self.step;
            let most = (len - slot) as usize;
            let matched = self.matching(&ts[row..], expected, most);
            if matched > 0 {
                self.found.push(Aligned {
                    slot: first_slot + slot,
                    row,
                    len: matched as u32,
                });
                slot += matched as u32;
                row += matched;
            } else if ts[row] > expected {
                let ahead = (ts[row] - expected).div_euclid(self.step).max(1);
                slot = (i64::from(slot) + ahead).min(i64::from(len)) as u32;
            } else if slot > 0
                && row > 0
                && ts[row] == ts[row - 1]
                && self.is_newest(row - 1, begun)
            {
                // The same bar again: it takes the place of the one before.
                self.drop_newest();
                self.strays.push(row - 1);
                slot -= 1;
            } else {
                self.strays.push(row);
                row += 1;
            }
        }
        // Repeats of the last slot.
        while row < ts.len() && row > 0 && ts[row] == ts[row - 1] && self.is_newest(row - 1, begun)
        {
            let slot = self.drop_newest();
            self.strays.push(row - 1);
            self.found.push(Aligned { slot, row, len: 1 });
            row += 1;
        }
        row
    }

    /// Number of leading stamps that rise by the step from `expected` on.
    fn matching(&self, ts: &[i64], expected: i64, most: usize) -> usize {
        let ts = &ts[..most.min(ts.len())];
        let mut matched = 0;
        let mut next = expected;
        for block in ts.chunks_exact(BLOCK) {
            let mut differences = 0;
            for (stamp, offset) in block.iter().zip(&self.offsets) {
                differences |= stamp ^ (next.wrapping_add(*offset));
            }
            if differences != 0 {
                break;
            }
            matched += BLOCK;
            next += BLOCK as i64 * self.step;
        }
        for &stamp in &ts[matched..] {
            if stamp != next {
                break;
            }
            matched += 1;
            next = next.wrapping_add(self.step);
        }
        matched
    }

    fn is_newest(&self, row: usize, begun: usize) -> bool {
        self.found[begun..]
            .last()
            .is_some_and(|last| last.rows().end == row + 1)
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

/// First row from `from` on with `ts >= instant`. Doubles its steps, since it is mostly near.
pub fn advance_to(ts: &[i64], from: usize, instant: i64) -> usize {
    let rest = &ts[from..];
    if rest.first().is_none_or(|&at| at >= instant) {
        return from;
    }
    let mut step = 64;
    while step < rest.len() && rest[step - 1] < instant {
        step *= 2;
    }
    from + rest[..step.min(rest.len())].partition_point(|&at| at < instant)
}

/// First row from `from` on with `ts >= instant`, looked for around a guess: sessions are as long as the one before, as a
/// rule, and rows that are far apart are not in the caches.
pub fn search_near(ts: &[i64], from: usize, guess: usize, instant: i64) -> usize {
    let guess = guess.clamp(from, ts.len());
    let (mut low, mut high, mut step) = (guess, guess, 4);
    while low > from && ts[low - 1] >= instant {
        high = low - 1;
        low = low.saturating_sub(step).max(from);
        step *= 2;
    }
    while high < ts.len() && ts[high] < instant {
        low = high + 1;
        high = (high + step).min(ts.len());
        step *= 2;
    }
    low + ts[low..high.max(low)].partition_point(|&at| at < instant)
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
    use crate::session_table::tests::table;
    use crate::time::{Interval, MINUTE};

    fn align(stretches: &[(i64, i64)], minutes: &[f64]) -> (Vec<(u32, usize)>, Vec<usize>) {
        let grid = table(&[stretches]).grid(0, Interval::ONE_MINUTE).unwrap();
        let ts: Vec<i64> = minutes.iter().map(|m| (m * MINUTE as f64) as i64).collect();
        let mut aligner = Aligner::default();
        aligner.align(&ts, 0, &grid);
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
        assert_eq!(aligner.align(&ts, 0, &grid), 390);
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
    fn a_search_finds_the_row_whatever_is_guessed() {
        let ts: Vec<i64> = (0..90).map(|row| row / 3 * 10).collect();
        for from in [0, 1, 40, 89, 90] {
            for guess in 0..100 {
                for instant in -5..310 {
                    let expected = from + ts[from..].partition_point(|&at| at < instant);
                    assert_eq!(search_near(&ts, from, guess, instant), expected);
                }
            }
        }
    }

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
    fn every_pattern_agrees_with_looking_up_each_row() {
        for pattern in 0..4_000_u64 {
            let bits = pattern.wrapping_mul(0x9E37_79B9_7F4A_7C15);
            let mut ts: Vec<i64> = Vec::new();
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
            let mut aligner = Aligner::default();
            assert_eq!(aligner.align(&ts, from, &grid), to);
            let mut expected = vec![None; grid.len() as usize];
            for (row, &at) in ts.iter().enumerate().take(to).skip(from) {
                if let Some(slot) = grid.slot_of(at) {
                    expected[slot as usize] = Some(row);
                }
            }
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
