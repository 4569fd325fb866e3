//! Stretches of time in which all lanes have one row at each of the same instants: whole grids. They need no places: to
//! merge them is to transpose them.

use super::window::{Lane, Part};

/// Rows of such a stretch: row k of run i stands k times as many places behind the first as there are runs, and i more.
#[derive(Debug)]
pub struct Whole<'a> {
    /// Where the first row of the stretch stands within the part.
    pub first: usize,
    /// Lane and first row, in tie order.
    pub runs: &'a [(usize, usize)],
    /// Number of instants: rows of each run.
    pub instants: usize,
}

/// Neighbouring cells that are written together: of eight bytes, a line of the cache. One by one they would fetch it anew.
const BESIDE: usize = 8;

impl Whole<'_> {
    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.runs.len() * self.instants
    }

    /// Bring one column in order: `source(lane)` is where its rows come from, `target` the merged column of the part.
    pub fn scatter<'s, T: Copy + 's>(&self, source: impl Fn(usize) -> &'s [T], target: &mut [T]) {
        let target = &mut target[self.first..self.first + self.rows()];
        let column = |&(lane, row): &(usize, usize)| &source(lane)[row..row + self.instants];
        let mut done = 0;
        let groups = self.runs.chunks_exact(BESIDE);
        let rest = groups.remainder();
        for group in groups {
            let columns: [&[T]; BESIDE] = std::array::from_fn(|at| column(&group[at]));
            for (instant, line) in target.chunks_exact_mut(self.runs.len()).enumerate() {
                let cells = &mut line[done..done + BESIDE];
                cells.copy_from_slice(&columns.map(|column| column[instant]));
            }
            done += BESIDE;
        }
        for run in rest {
            let lines = target.chunks_exact_mut(self.runs.len());
            for (line, &value) in lines.zip(column(run)) {
                line[done] = value;
            }
            done += 1;
        }
    }

    /// Write for each row which lane it comes from, as `name(lane)`.
    pub fn scatter_lanes<T: Copy>(&self, name: impl Fn(usize) -> T, target: &mut [T]) {
        let target = &mut target[self.first..self.first + self.rows()];
        let (line, lines) = target.split_at_mut(self.runs.len());
        for (cell, &(lane, _)) in line.iter_mut().zip(self.runs) {
            *cell = name(lane);
        }
        for cells in lines.chunks_exact_mut(line.len()) {
            cells.copy_from_slice(line);
        }
    }

    /// Write what all rows of an instant have in common.
    pub fn spread<T: Copy>(&self, instants: &[T], target: &mut [T]) {
        let target = &mut target[self.first..self.first + self.rows()];
        for (cells, &value) in target.chunks_exact_mut(self.runs.len()).zip(instants) {
            cells.fill(value);
        }
    }
}

/// Instants that a stretch has at least: below, it is not worth the walk over the lanes.
const FEWEST: usize = 64;
/// Instants that are looked at.
const MOST: usize = 512;
/// The same where there was no such stretch before: the last of many lanes may show that there is none again.
const MOST_AFTER_NONE: usize = 128;

/// Looks for whole stretches.
#[derive(Debug, Default)]
pub(super) struct Finder {
    /// Lane and first row of those of the last one found.
    pub(super) runs: Vec<(usize, usize)>,
    has_failed: bool,
}

impl Finder {
    /// Find how many instants a stretch has that begins where the lanes stand.
    pub(super) fn find(
        &mut self,
        lanes: &[Lane<'_>],
        part: &Part,
        next: &[usize],
    ) -> Option<usize> {
        let most = if self.has_failed {
            MOST_AFTER_NONE
        } else {
            MOST
        };
        let found = find(lanes, part, next, most, &mut self.runs);
        self.has_failed = found.is_none();
        found
    }
}

/// The same, of `most` instants at most. All lanes must be of one length.
fn find(
    lanes: &[Lane<'_>],
    part: &Part,
    next: &[usize],
    most: usize,
    runs: &mut Vec<(usize, usize)>,
) -> Option<usize> {
    runs.clear();
    let mut left = (0..lanes.len()).filter(|&lane| next[lane] < part.rows[lane].1);
    let first = left.next()?;
    let length = lanes[first].length;
    let grid = rest(lanes, part, next, first);
    let grid = &grid[..grid.len().min(most)];
    let mut instants = grid.windows(2).take_while(|two| two[0] < two[1]).count();
    if instants + 1 == grid.len() {
        instants = grid.len();
    }
    for lane in first..lanes.len() {
        let ts = rest(lanes, part, next, lane);
        let Some(&begin) = ts.first() else {
            continue;
        };
        if lanes[lane].length != length {
            return None;
        }
        if begin > grid[0] {
            // It begins later.
            instants = grid[..instants].partition_point(|&at| at < begin);
        } else {
            instants = shared(&grid[..instants], ts);
            runs.push((lane, next[lane]));
        }
        if instants < FEWEST {
            return None;
        }
    }
    Some(instants)
}

/// The rows of a lane that are left.
fn rest<'a>(lanes: &[Lane<'a>], part: &Part, next: &[usize], lane: usize) -> &'a [i64] {
    &lanes[lane].ts[next[lane]..part.rows[lane].1]
}

/// How many rows of a lane stand at the first instants of a grid, one at each.
fn shared(grid: &[i64], ts: &[i64]) -> usize {
    let same = if ts.get(..grid.len()) == Some(grid) {
        grid.len()
    } else {
        grid.iter().zip(ts).take_while(|(a, b)| a == b).count()
    };
    // An instant of two rows is none of the stretch.
    if same > 0 && ts.get(same) == Some(&ts[same - 1]) {
        return same - 1;
    }
    same
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(lanes: &[Lane<'_>], next: &[usize]) -> Option<(usize, Vec<usize>)> {
        let rows: Vec<_> = lanes.iter().map(|lane| (0, lane.ts.len())).collect();
        let part = Part {
            first: 0,
            len: rows.iter().map(|&(_, to)| to).sum(),
            rows,
        };
        let mut finder = Finder::default();
        let instants = finder.find(lanes, &part, next)?;
        Some((
            instants,
            finder.runs.iter().map(|&(lane, _)| lane).collect(),
        ))
    }

    fn lane(ts: &[i64]) -> Lane<'_> {
        Lane { ts, length: 5 }
    }

    #[test]
    fn a_stretch_ends_where_the_lanes_part() {
        let grid: Vec<i64> = (0..600).collect();
        let mut hole = grid.clone();
        hole.remove(90);
        let mut twice = grid.clone();
        twice.insert(80, 80);
        let all = |ts| found(&[lane(&grid), lane(ts), lane(&grid)], &[0; 3]);
        assert_eq!(all(&grid), Some((512, vec![0, 1, 2])));
        assert_eq!(all(&hole), Some((90, vec![0, 1, 2])));
        assert_eq!(all(&twice), Some((80, vec![0, 1, 2])));
        assert_eq!(all(&grid[..70]), Some((70, vec![0, 1, 2])));
        // They end before it begins.
        assert_eq!(all(&grid[100..]), Some((100, vec![0, 2])));
        assert_eq!(all(&[]), Some((512, vec![0, 2])));
        assert_eq!(all(&grid[..63]), None);
        assert_eq!(all(&grid[63..]), None);
    }

    #[test]
    fn rows_that_are_done_count_no_more() {
        let grid: Vec<i64> = (0..600).collect();
        let (ends, late) = (lane(&grid[..100]), lane(&grid[500..]));
        let lanes = [ends, lane(&grid), late];
        assert_eq!(found(&lanes, &[100, 100, 0]), Some((400, vec![1])));
        assert_eq!(found(&lanes, &[100, 500, 0]), Some((100, vec![1, 2])));
        assert_eq!(found(&lanes, &[100, 600, 100]), None);
    }

    #[test]
    fn lanes_of_two_lengths_have_no_stretch() {
        let grid: Vec<i64> = (0..600).collect();
        let other = Lane {
            length: 4,
            ..lane(&grid)
        };
        assert_eq!(found(&[lane(&grid), other], &[0, 0]), None);
    }
}
