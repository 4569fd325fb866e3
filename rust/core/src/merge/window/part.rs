//! Loaded sources, and stretches of time whose rows can be merged apart from all others.

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
    pub(super) fn night(&self, from: usize, rows: usize, start: i64) -> Option<i64> {
        let ts = &self.ts[from..=from + rows];
        let pauses = ts.windows(2).map(|pair| pair[0].abs_diff(pair[1]));
        let (row, longest) = pauses.enumerate().max_by_key(|&(_, pause)| pause)?;
        let end = self.known_at(from + row + 1);
        let whole = ts[0].abs_diff(ts[rows]);
        (longest > whole / 2 && end > start).then_some(end)
    }

    /// First row from `from` on that is known at `instant` or later.
    pub(super) fn lower_bound(&self, from: usize, instant: i64) -> usize {
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
