//! Placement merge of loaded sources: cut time into windows, count the rows of each instant, place every row.
//!
//! A counting sort by time bucket, linear in the rows and stable by construction. Rows that share a bucket without sharing
//! an instant are put in order afterwards; on a minute grid there are none.

mod buckets;
mod part;

use super::whole::{Finder, Whole};
use buckets::Window;
pub use part::{Lane, Part, split};

/// Rows of one window, each with its place.
#[derive(Debug)]
pub struct Placed<'a> {
    /// Where the first row of the window stands within the part.
    pub first: usize,
    /// Lane, first row, number of rows: in the order of `places`.
    pub runs: &'a [(usize, usize, usize)],
    /// Place of each row within the window.
    pub places: &'a [u32],
    /// Whether stamps lie on no grid: neighbouring rows of neighbouring lanes then stand far apart.
    pub is_jittered: bool,
}

impl Placed<'_> {
    /// Bring one column in order: `source(lane)` is where its rows come from, `target` the merged column of the part.
    pub fn scatter<'s, T: Copy + 's>(&self, source: impl Fn(usize) -> &'s [T], target: &mut [T]) {
        let target = &mut target[self.first..self.first + self.places.len()];
        let mut places = self.places;
        for &(lane, row, len) in self.runs {
            let (here, rest) = places.split_at(len);
            for (&value, &place) in source(lane)[row..row + len].iter().zip(here) {
                target[place as usize] = value;
            }
            places = rest;
        }
    }

    /// Write for each row which lane it comes from, as `name(lane)`.
    pub fn scatter_lanes<T: Copy>(&self, name: impl Fn(usize) -> T, target: &mut [T]) {
        let target = &mut target[self.first..self.first + self.places.len()];
        let mut places = self.places;
        for &(lane, _, len) in self.runs {
            let (here, rest) = places.split_at(len);
            let value = name(lane);
            for &place in here {
                target[place as usize] = value;
            }
            places = rest;
        }
    }
}

/// Rows a window holds, more or less, where few lanes have more than their share of them.
const WINDOW_ROWS: usize = 8_192;
/// Rows that a window takes of each lane at least. Neighbouring lanes write into the same cache lines, one for each
/// instant and column: so many stay in the nearer caches, while fewer would not make the walk over the lanes worth it. Each
/// lane's rows lie elsewhere in memory, and the first of them are waited for.
const LANE_ROWS: usize = 128;
/// The same without a grid: the rows of an instant are strewn over more cache lines.
const JITTERED_LANE_ROWS: usize = 32;

/// The same for windows that another thread takes: those of the first one, a line of the cache of each column, and the most.
/// Two such windows stay in the caches between the two threads.
const FIRST_LANE_ROWS: usize = 8;
const MOST_LANE_ROWS: usize = 32;

/// The windows of one part, in order. The lanes are handed in at each step, always the same ones, in tie order.
#[derive(Debug)]
pub struct Windows {
    part: Part,
    next: Vec<usize>,
    finder: Finder,
    window: Window,
    done: usize,
    /// Rows to take of each lane at least, now and at most.
    fewest: usize,
    most: usize,
}

impl Windows {
    /// Stand before the first window.
    pub fn new(part: Part) -> Self {
        Self {
            next: part.rows.iter().map(|&(from, _)| from).collect(),
            part,
            finder: Finder::default(),
            window: Window::default(),
            done: 0,
            fewest: LANE_ROWS,
            most: LANE_ROWS,
        }
    }

    /// Let windows be small, and the first ones smaller: another thread takes each of them, and the first rows are there soon.
    pub(crate) fn begin_small(&mut self) {
        (self.fewest, self.most) = (FIRST_LANE_ROWS, MOST_LANE_ROWS);
    }

    /// Whether the rows are so few that the first window takes them all.
    pub fn is_one(&self) -> bool {
        self.part.len <= WINDOW_ROWS
    }

    /// Whether all rows are placed.
    pub fn is_done(&self) -> bool {
        let mut rest = self.next.iter().zip(&self.part.rows);
        rest.all(|(&next, &(_, to))| next == to)
    }

    /// Go over a whole stretch, if the lanes stand before one.
    fn whole(&mut self, lanes: &[Lane<'_>]) -> Option<Whole<'_>> {
        let instants = self.finder.find(lanes, &self.part, &self.next)?;
        for &(lane, _) in &self.finder.runs {
            self.next[lane] += instants;
        }
        let found = Whole {
            first: self.done,
            runs: &self.finder.runs,
            instants,
        };
        self.done += found.rows();
        Some(found)
    }

    /// Go to the next window; `None` when all rows are placed.
    pub fn advance(&mut self, lanes: &[Lane<'_>]) -> Option<Placed<'_>> {
        let start = earliest(lanes, &self.part, &self.next)?;
        let fewest = self.fewest.min(self.window.lane_rows());
        self.fewest = self.most.min(2 * self.fewest);
        let end = window_end(lanes, &self.part, &self.next, start, fewest);
        self.window.choose(lanes, &self.part, &mut self.next, end);
        self.window.place(lanes, start);
        let first = self.done;
        self.done += self.window.places.len();
        Some(Placed {
            first,
            runs: &self.window.runs,
            places: &self.window.places,
            is_jittered: self.window.is_jittered == Some(true),
        })
    }
}

/// The next rows of a merge.
#[derive(Debug)]
pub enum Rows<'a> {
    /// Of a whole stretch.
    Whole(Whole<'a>),
    /// Of a window, each with its place.
    Placed(Placed<'a>),
}

impl Rows<'_> {
    /// Bring one column in order: `source(lane)` is where its rows come from, `target` the merged column of the part.
    pub fn scatter<'s, T: Copy + 's>(&self, source: impl Fn(usize) -> &'s [T], target: &mut [T]) {
        match self {
            Self::Whole(whole) => whole.scatter(source, target),
            Self::Placed(placed) => placed.scatter(source, target),
        }
    }

    /// Write for each row which lane it comes from, as `name(lane)`.
    pub fn scatter_lanes<T: Copy>(&self, name: impl Fn(usize) -> T, target: &mut [T]) {
        match self {
            Self::Whole(whole) => whole.scatter_lanes(name, target),
            Self::Placed(placed) => placed.scatter_lanes(name, target),
        }
    }
}

/// Merge one part: `take` gets its rows in order. Lanes are given in tie order.
pub fn merge_part(lanes: &[Lane<'_>], part: &Part, mut take: impl FnMut(&Rows<'_>)) {
    let mut windows = Windows::new(part.clone());
    while !windows.is_done() {
        if let Some(whole) = windows.whole(lanes) {
            take(&Rows::Whole(whole));
        } else if let Some(placed) = windows.advance(lanes) {
            take(&Rows::Placed(placed));
        }
    }
}

/// When the next row of any lane is known.
fn earliest(lanes: &[Lane<'_>], part: &Part, next: &[usize]) -> Option<i64> {
    lanes
        .iter()
        .zip(next)
        .zip(&part.rows)
        .filter(|((_, next), (_, to))| *next < to)
        .map(|((lane, &next), _)| lane.known_at(next))
        .min()
}

/// First instant after a window that begins at `start`: as many rows of each lane as fit, but `fewest` at least, of the
/// lane that has most. A window ends before a night, so that its buckets are filled evenly.
fn window_end(lanes: &[Lane<'_>], part: &Part, next: &[usize], start: i64, fewest: usize) -> i64 {
    let each = (WINDOW_ROWS / lanes.len().max(1)).max(fewest);
    // The lane that comes to its share first is the densest here.
    let end = lanes
        .iter()
        .zip(next)
        .zip(&part.rows)
        .filter(|((_, next), (_, to))| *next + each < *to)
        .map(|((lane, &next), _)| (lane.known_at(next + each), lane, next))
        .min_by_key(|&(end, _, _)| end);
    match end {
        None => i64::MAX,
        Some((end, lane, next)) if end > start => lane.night(next, each, start).unwrap_or(end),
        // More rows of one instant than a share: that instant alone, as the other lanes may have many rows after it.
        Some(_) => start.saturating_add(1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn merged(lanes: &[Lane<'_>], parts: usize) -> Vec<(i64, usize, usize)> {
        let numbers: Vec<usize> =
            (0..lanes.iter().map(|lane| lane.ts.len()).max().unwrap_or(0)).collect();
        let mut all = Vec::new();
        for part in split(lanes, parts) {
            let mut keys = vec![0_i64; part.len];
            let mut sources = vec![0_usize; part.len];
            let mut rows = vec![0_usize; part.len];
            merge_part(lanes, &part, |found| {
                found.scatter(|lane| lanes[lane].ts, &mut keys);
                found.scatter_lanes(|lane| lane, &mut sources);
                found.scatter(|lane| &numbers[..lanes[lane].ts.len()], &mut rows);
            });
            assert_eq!(part.first, all.len());
            all.extend(
                keys.into_iter()
                    .zip(sources)
                    .zip(rows)
                    .map(|((k, s), r)| (k, s, r)),
            );
        }
        all
    }

    fn sorted(lanes: &[Lane<'_>]) -> Vec<(i64, usize, usize)> {
        let mut all: Vec<(i64, usize, usize)> = lanes
            .iter()
            .enumerate()
            .flat_map(|(index, lane)| lane.ts.iter().enumerate().map(move |(r, &t)| (t, index, r)))
            .collect();
        all.sort_by_key(|&(ts, lane, _)| ts + lanes[lane].length);
        all
    }

    #[test]
    fn many_rows_of_one_instant_make_no_window_of_other_instants_larger() {
        let (burst, grid) = (vec![5; 40_000], Vec::from_iter(0..100_000));
        let lanes = [&burst, &grid].map(|ts| Lane { ts, length: 0 });
        let mut windows = Windows::new(split(&lanes, 1).remove(0));
        let mut rows = Vec::new();
        while let Some(placed) = windows.advance(&lanes) {
            rows.push(placed.places.len());
        }
        assert_eq!(rows.iter().sum::<usize>(), 140_000);
        assert_eq!(rows.iter().max(), Some(&40_001));
    }

    #[test]
    fn lanes_of_every_shape_are_merged_as_a_stable_sort() {
        let minute = 60_000_000_000_i64;
        let grid: Vec<i64> = (0..5_000).map(|k| k * minute).collect();
        let holes: Vec<i64> = grid
            .iter()
            .copied()
            .filter(|t| t / minute % 7 != 3)
            .collect();
        let mut jitter: Vec<i64> = (0..9_000_u64)
            .map(|k| (k.wrapping_mul(6_364_136_223_846_793_005) >> 20) as i64 % (3_000 * minute))
            .collect();
        jitter.sort_unstable();
        let same = vec![7 * minute; 40_000];
        let far = vec![i64::MIN / 2, 0, i64::MAX / 2];
        let bursts: Vec<i64> = (0..9_000)
            .map(|k| k / 300 * 50 * minute + k % 300)
            .collect();
        // Rows of one instant where stretches of a whole grid end otherwise.
        let mut twice = grid[..2_000].to_vec();
        for row in [64, 127, 128, 129, 511, 512, 1_100, 1_500] {
            twice.insert(row, twice[row]);
        }
        let mut crowd = vec![&grid[..2_000]; 19];
        (crowd[3], crowd[7]) = (&grid[700..2_000], &grid[..1_100]);
        let shapes: Vec<Vec<&[i64]>> = vec![
            vec![],
            vec![&[]],
            vec![&grid],
            vec![&grid, &holes, &[], &grid[..1]],
            vec![&jitter, &grid, &jitter],
            vec![&same, &grid, &same],
            vec![&far, &grid, &far],
            vec![&bursts, &jitter, &bursts],
            vec![&twice, &twice],
            vec![&grid, &twice, &grid],
            crowd,
        ];
        for shape in shapes {
            for length in [0, minute] {
                let lanes: Vec<Lane<'_>> = shape.iter().map(|&ts| Lane { ts, length }).collect();
                for parts in [1, 2, 3] {
                    assert_eq!(merged(&lanes, parts), sorted(&lanes));
                }
            }
        }
    }
}
