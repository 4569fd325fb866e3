//! Placement merge of loaded sources: cut time into windows, count the rows of each instant, place every row.
//!
//! A counting sort by time bucket, linear in the rows and stable by construction. Rows that share a bucket without sharing
//! an instant are put in order afterwards; on a minute grid there are none.

use super::whole::{Finder, Whole};
use crate::alignment::advance_to;

/// One loaded source, sorted by `ts`.
#[derive(Debug, Clone, Copy)]
pub struct Lane<'a> {
    /// Opening instants.
    pub ts: &'a [i64],
    /// What is added to `ts` for the instant at which a bar is known. The sum never overflows.
    pub length: i64,
}

impl Lane<'_> {
    /// When the bar of a row is known.
    #[inline]
    pub fn known_at(&self, row: usize) -> i64 {
        self.ts[row] + self.length
    }

    /// Where among some rows from `from` on a pause ends that is longer than all the others together.
    fn night(&self, from: usize, rows: usize, start: i64) -> Option<i64> {
        let ts = &self.ts[from..=from + rows];
        let pauses = ts.windows(2).map(|pair| pair[0].abs_diff(pair[1]));
        let (row, longest) = pauses.enumerate().max_by_key(|&(_, pause)| pause)?;
        let end = self.known_at(from + row + 1);
        let whole = ts[0].abs_diff(ts[rows]);
        (longest > whole / 2 && end > start).then_some(end)
    }

    /// First row from `from` on that is known at `instant` or later.
    fn lower_bound(&self, from: usize, instant: i64) -> usize {
        advance_to(self.ts, from, instant.saturating_sub(self.length))
    }
}

/// A stretch of time whose rows can be merged apart from all others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Rows `[from, to)` of each lane.
    pub rows: Vec<(usize, usize)>,
    /// Where its first row stands among all merged rows.
    pub first: usize,
    /// Number of its rows.
    pub len: usize,
}

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

/// Cut the lanes at instants into about `parts` stretches of equal size.
pub fn split(lanes: &[Lane<'_>], parts: usize) -> Vec<Part> {
    let longest = lanes.iter().max_by_key(|lane| lane.ts.len());
    let mut cuts: Vec<i64> = longest.map_or_else(Vec::new, |lane| {
        (1..parts)
            .filter_map(|part| {
                let row = lane.ts.len() * part / parts;
                (row > 0).then(|| lane.known_at(row))
            })
            .collect()
    });
    cuts.dedup();
    cuts.push(i64::MAX);
    let mut from = vec![0; lanes.len()];
    let mut first = 0;
    let mut found = Vec::with_capacity(cuts.len());
    for cut in cuts {
        let rows: Vec<(usize, usize)> = lanes
            .iter()
            .zip(&from)
            .map(|(lane, &from)| {
                let last = cut == i64::MAX;
                (
                    from,
                    if last {
                        lane.ts.len()
                    } else {
                        lane.lower_bound(from, cut)
                    },
                )
            })
            .collect();
        from = rows.iter().map(|&(_, to)| to).collect();
        let len = rows.iter().map(|&(from, to)| to - from).sum();
        found.push(Part { rows, first, len });
        first += len;
    }
    found
}

/// Scratch memory of one merge, kept from window to window.
#[derive(Debug, Default)]
struct Window {
    runs: Vec<(usize, usize, usize)>,
    /// Bucket, later the place, of each row of `runs`.
    places: Vec<u32>,
    /// Rows in each bucket, later where the next one goes.
    counts: Vec<u32>,
    /// An instant in each bucket.
    instants: Vec<i64>,
    /// Whether stamps were met that lie on no grid; not known before the first window.
    is_jittered: Option<bool>,
    /// Instant and row of each place, in one word.
    order: Vec<u64>,
}

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

impl Window {
    /// Rows to take of each lane at least.
    fn lane_rows(&self) -> usize {
        match self.is_jittered {
            Some(false) => LANE_ROWS,
            // A first window that is large would be so in vain where there is no grid.
            Some(true) | None => JITTERED_LANE_ROWS,
        }
    }

    /// Take the rows known before `end` from every lane.
    fn choose(&mut self, lanes: &[Lane<'_>], part: &Part, next: &mut [usize], end: i64) {
        self.runs.clear();
        for (index, (lane, next)) in lanes.iter().zip(next).enumerate() {
            let to = part.rows[index].1;
            let until = if end == i64::MAX {
                to
            } else {
                lane.lower_bound(*next, end).min(to)
            };
            if until > *next {
                self.runs.push((index, *next, until - *next));
                *next = until;
            }
        }
    }

    /// Give every row its place.
    fn place(&mut self, lanes: &[Lane<'_>], start: i64) {
        let rows: usize = self.runs.iter().map(|&(_, _, len)| len).sum();
        let last = self
            .runs
            .iter()
            .map(|&(lane, row, len)| lanes[lane].known_at(row + len - 1));
        let span = last.max().unwrap_or(start).abs_diff(start);
        let is_jittered = self.is_jittered == Some(true) || {
            let shift = self.grid_shift(lanes).max(shift_for(span, 4 * rows + 1024));
            self.count(lanes, start, span, shift)
        };
        self.is_jittered = Some(is_jittered);
        if is_jittered {
            self.place_jittered(lanes, start, span, rows);
            return;
        }
        self.add_up();
        for place in &mut self.places {
            let free = &mut self.counts[*place as usize];
            *place = *free;
            *free += 1;
        }
    }

    /// Put the rows into buckets; whether some bucket holds more than one instant.
    fn count(&mut self, lanes: &[Lane<'_>], start: i64, span: u64, shift: u32) -> bool {
        let buckets = (span >> shift) as usize + 1;
        self.counts.clear();
        self.counts.resize(buckets, 0);
        self.instants.clear();
        self.instants.resize(buckets, i64::MIN);
        self.places.clear();
        let mut mixed = false;
        for &(lane, row, len) in &self.runs {
            let length = lanes[lane].length;
            let ts = lanes[lane].ts[row..row + len].iter();
            self.places.extend(ts.map(|&ts| {
                let known_at = ts + length;
                let bucket = (known_at.wrapping_sub(start) as u64 >> shift) as usize;
                self.counts[bucket] += 1;
                let instant = &mut self.instants[bucket];
                mixed |= *instant != known_at && *instant != i64::MIN;
                *instant = known_at;
                bucket as u32
            }));
        }
        mixed
    }

    /// From how many rows a bucket has to where its first one goes.
    fn add_up(&mut self) {
        let mut before = 0;
        for count in &mut self.counts {
            before += std::mem::replace(count, before);
        }
    }

    /// Width of a bucket as a power of two, below the distance of the stamps of a grid.
    fn grid_shift(&self, lanes: &[Lane<'_>]) -> u32 {
        let longest = self.runs.iter().max_by_key(|run| run.2);
        let ts = longest.map_or(&[][..], |&(lane, row, len)| &lanes[lane].ts[row..row + len]);
        let gaps = ts.windows(2).map(|pair| pair[1].abs_diff(pair[0]));
        let nearest = gaps.filter(|&gap| gap > 0).min().unwrap_or(u64::MAX);
        63 - nearest.leading_zeros()
    }

    /// Give every row its place where a bucket may hold several instants: each is sorted for itself. The sort is stable, as
    /// rows are numbered in the order of the lanes.
    fn place_jittered(&mut self, lanes: &[Lane<'_>], start: i64, span: u64, rows: usize) {
        let row_bits = usize::BITS - rows.leading_zeros();
        if span >> (u64::BITS - row_bits) > 0 {
            self.sort_far_apart(lanes);
            return;
        }
        // Most buckets hold one row or none.
        let shift = shift_for(span, 2 * rows + 1024);
        self.counts.clear();
        self.counts.resize((span >> shift) as usize + 1, 0);
        for &(lane, row, len) in &self.runs {
            let from = start.wrapping_sub(lanes[lane].length);
            for ts in &lanes[lane].ts[row..row + len] {
                let since = ts.wrapping_sub(from) as u64;
                self.counts[(since >> shift) as usize] += 1;
            }
        }
        let most = self.counts.iter().fold(0, |most, &count| most.max(count));
        self.add_up();
        self.order.resize(rows, 0);
        let mut number = 0;
        for &(lane, row, len) in &self.runs {
            let from = start.wrapping_sub(lanes[lane].length);
            for ts in &lanes[lane].ts[row..row + len] {
                let since = ts.wrapping_sub(from) as u64;
                let free = &mut self.counts[(since >> shift) as usize];
                self.order[*free as usize] = since << row_bits | number;
                *free += 1;
                number += 1;
            }
        }
        if most > CROWD {
            self.sort_buckets();
        }
        // Over all buckets at once: where hardly a row is out of place, that is seldom noticed.
        insertion_sort(&mut self.order);
        self.places.resize(rows, 0);
        let row_mask = (1_u64 << row_bits) - 1;
        for (place, entry) in (0..).zip(&self.order) {
            self.places[(*entry & row_mask) as usize] = place;
        }
    }

    /// Sort each bucket, whose count now stands at its end.
    fn sort_buckets(&mut self) {
        let mut from = 0;
        for &end in &self.counts {
            self.order[from as usize..end as usize].sort_unstable();
            from = end;
        }
    }

    /// The same where instant and row do not fit into a word.
    fn sort_far_apart(&mut self, lanes: &[Lane<'_>]) {
        let mut order: Vec<(i64, u32)> = Vec::with_capacity(self.places.len());
        for &(lane, row, len) in &self.runs {
            let length = lanes[lane].length;
            let first = order.len();
            let ts = lanes[lane].ts[row..row + len].iter();
            order.extend(ts.zip(first..).map(|(&ts, at)| (ts + length, at as u32)));
        }
        order.sort_unstable();
        self.places.resize(order.len(), 0);
        for (place, &(_, row)) in order.iter().enumerate() {
            self.places[row as usize] = place as u32;
        }
    }
}

/// Width of a bucket as a power of two that makes at most so many of them.
fn shift_for(span: u64, buckets: usize) -> u32 {
    (0..63)
        .find(|shift| span >> shift < buckets as u64)
        .unwrap_or(63)
}

/// Rows of a bucket that are too many for a sort by insertion.
const CROWD: u32 = 32;

/// Sort entries that are near their places, all different.
fn insertion_sort(entries: &mut [u64]) {
    for at in 1..entries.len() {
        let entry = entries[at];
        let mut free = at;
        while free > 0 && entries[free - 1] > entry {
            entries[free] = entries[free - 1];
            free -= 1;
        }
        entries[free] = entry;
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
