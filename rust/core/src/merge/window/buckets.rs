//! Places of the rows of one window: rows into buckets of time by counting, those of mixed buckets sorted.

use super::{JITTERED_LANE_ROWS, LANE_ROWS, Lane, Part};

/// Scratch memory of one merge, kept from window to window.
#[derive(Debug, Default)]
pub(super) struct Window {
    pub(super) runs: Vec<(usize, usize, usize)>,
    /// Bucket, later the place, of each row of `runs`.
    pub(super) places: Vec<u32>,
    /// Rows in each bucket, later where the next one goes.
    counts: Vec<u32>,
    /// An instant in each bucket.
    instants: Vec<i64>,
    /// Whether stamps were met that lie on no grid; not known before the first window.
    pub(super) is_jittered: Option<bool>,
    /// Instant and row of each place, in one word.
    order: Vec<u64>,
}

impl Window {
    /// Rows to take of each lane at least.
    pub(super) fn lane_rows(&self) -> usize {
        match self.is_jittered {
            Some(false) => LANE_ROWS,
            // A first window that is large would be so in vain where there is no grid.
            Some(true) | None => JITTERED_LANE_ROWS,
        }
    }

    /// Take the rows known before `end` from every lane.
    pub(super) fn choose(&mut self, lanes: &[Lane<'_>], part: &Part, next: &mut [usize], end: i64) {
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
    pub(super) fn place(&mut self, lanes: &[Lane<'_>], start: i64) {
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
