//! Whole columns into coarser bars, several targets in one pass. Gives the same bars, bit for bit, as streaming them.
//!
//! Per session the rows are laid on its grid, those of pre- and post-market on grids of their own where they take part; buckets without a hole are folded column by column. Coarser targets follow
//! from finer ones where no finer bar is absent and all volumes are whole numbers, so that sums are exact in any order;
//! else they too follow from the base bars.

mod plan;

use std::ops::Range;

use crate::aggregate::bucket::Bucket;
use crate::aggregate::forming::{Forming, higher, lower};
use crate::aggregate::{Completeness, Derived};
use crate::alignment::{Aligned, Aligner, advance_to};
use crate::bar::{Bar, DERIVED, EXTENDED, PARTIAL};
use crate::columns::Columns;
use crate::error::Result;
use crate::metrics::{Sum, exact_sum};
use crate::schedule::{Anchor, ExtendedHours, Role};
use crate::session_table::SessionTable;
use crate::time::Interval;
use plan::{Finer, Piece, StretchPlan};

/// What is asked for: coarser bars at several intervals.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Interval of the base bars.
    pub base: Interval,
    /// Intervals of the derived bars; the base divides each.
    pub targets: Vec<Interval>,
    /// From where buckets are counted.
    pub anchor: Anchor,
    /// When a bucket yields a bar.
    pub completeness: Completeness,
    /// What bars of pre- and post-market take part in.
    pub extended_hours: ExtendedHours,
}

/// Slots planned at once: their memory stays small however long the columns are.
const PLANNED_SLOTS: usize = 1 << 20;

/// The derived bars of several series of one base interval, a vector of targets each.
///
/// # Errors
/// Those of [`SessionTable::buckets`].
pub fn resample(
    table: &SessionTable,
    request: &Request,
    series: &[(&Columns, Range<usize>)],
) -> Result<Vec<Vec<Columns>>> {
    let mut running: Vec<Running<'_>> = series
        .iter()
        .map(|(columns, rows)| Running::new(columns, rows.clone(), request))
        .collect();
    run(table, request, &mut running)?;
    Ok(running.into_iter().map(Running::finish).collect())
}

/// What was planned last, for who asks for the same sessions of one series after the other.
#[derive(Debug, Default)]
pub struct Planned(Vec<(Request, Range<usize>, Vec<StretchPlan>)>);

/// Plans that are kept: as many as a symbol has derived intervals, as a rule.
const PLANS: usize = 8;

impl Planned {
    /// The derived bars of one series, a vector of targets. The table must always be the same one.
    ///
    /// # Errors
    /// Those of [`SessionTable::buckets`].
    pub fn resample(
        &mut self,
        table: &SessionTable,
        request: &Request,
        (columns, rows): (&Columns, Range<usize>),
    ) -> Result<Vec<Columns>> {
        let mut running = Running::new(columns, rows, request);
        if let (Some(first), Some(last)) = (running.first_ts(), running.last_ts()) {
            let sessions = table.sessions_spanning(first, last);
            let is_known = |known: &&(Request, Range<usize>, Vec<StretchPlan>)| {
                known.0 == *request && known.1 == sessions
            };
            if let Some((_, _, plans)) = self.0.iter().find(is_known) {
                plans.iter().for_each(|plan| running.take(plan));
                return Ok(running.finish());
            }
            let mut rest = sessions.clone();
            while !rest.is_empty() {
                let is_first = rest == sessions;
                let plans = plan::plan(table, &mut rest, request, PLANNED_SLOTS)?;
                plans.iter().for_each(|plan| running.take(plan));
                // More than is planned at once is not kept.
                if is_first && rest.is_empty() {
                    self.0.truncate(PLANS - 1);
                    self.0.insert(0, (request.clone(), sessions.clone(), plans));
                }
            }
        }
        Ok(running.finish())
    }
}

/// Take in all rows of several series of one base interval.
///
/// # Errors
/// Those of [`SessionTable::buckets`].
pub fn run(table: &SessionTable, request: &Request, running: &mut [Running<'_>]) -> Result<()> {
    let first = running.iter().filter_map(|one| one.first_ts()).min();
    let last = running.iter().filter_map(|one| one.last_ts()).max();
    if let (Some(first), Some(last)) = (first, last) {
        let mut sessions = table.sessions_spanning(first, last);
        while !sessions.is_empty() {
            let plans = plan::plan(table, &mut sessions, request, PLANNED_SLOTS)?;
            for one in &mut *running {
                for plan in &plans {
                    one.take(plan);
                }
            }
        }
    }
    Ok(())
}

/// Base bars folded into one.
#[derive(Debug, Clone, Copy)]
struct Part {
    bar: Bar,
    count: u32,
}

/// One series on its way. Rows are in order of `ts`.
///
/// Rows off the grid and outside the hours that take part do not count; of rows with the same stamp the last one counts.
#[derive(Debug)]
pub struct Running<'a> {
    columns: &'a Columns,
    row: usize,
    end: usize,
    completeness: Completeness,
    aligner: Aligner,
    /// One for each target: the bucket that is filling, and what is done.
    forming: Vec<Option<Forming>>,
    done: Vec<Columns>,
    /// For each target the first bar of the stretch.
    begun: Vec<usize>,
}

impl<'a> Running<'a> {
    /// Nothing is taken in yet; all memory that the answer needs is there.
    pub fn new(columns: &'a Columns, rows: Range<usize>, request: &Request) -> Self {
        let targets = request.targets.len();
        let capacity = |target: &Interval| match (request.base.ns(), target.ns()) {
            // A few rows are absent as a rule, but no bucket for that.
            (Some(base), Some(target)) => {
                (rows.len() + rows.len() / 16) / (target / base).max(1) as usize + 8
            }
            _ => 8,
        };
        Self {
            columns,
            row: rows.start,
            end: rows.end,
            completeness: request.completeness,
            aligner: Aligner::default(),
            forming: vec![None; targets],
            done: request
                .targets
                .iter()
                .map(|target| Columns::with_capacity(capacity(target), true))
                .collect(),
            begun: vec![0; targets],
        }
    }

    fn first_ts(&self) -> Option<i64> {
        self.columns.ts[self.row..self.end].first().copied()
    }

    fn last_ts(&self) -> Option<i64> {
        self.columns.ts[self.row..self.end].last().copied()
    }

    fn take(&mut self, plan: &StretchPlan) {
        let ts = &self.columns.ts[..self.end];
        let from = advance_to(ts, self.row, plan.grid.open());
        let mut aligner = std::mem::take(&mut self.aligner);
        self.row = aligner.align(ts, from, &plan.grid);
        let found = aligner.found();
        let volumes = found.iter().map(|a| &self.columns.volume[a.rows()]);
        let is_exact = exact_sum(volumes).is_some();
        let is_complete = found
            .first()
            .is_some_and(|first| first.len == plan.grid.len());
        for (target, pieces) in plan.pieces.iter().enumerate() {
            let begun = self.done[target].len();
            let whole = plan.finer[target].as_ref().filter(|finer| {
                let bars = self.done[finer.target].len() - self.begun[finer.target];
                is_exact && bars == plan.pieces[finer.target].len()
            });
            match whole {
                Some(finer) => self.fold_fine(target, finer, pieces, is_complete),
                None => self.fold_base(target, pieces, found, is_exact),
            }
            self.begun[target] = begun;
        }
        self.aligner = aligner;
    }

    /// Buckets of one target from the base rows.
    fn fold_base(&mut self, target: usize, pieces: &[Piece], found: &[Aligned], is_exact: bool) {
        let (mut slot, mut at) = (0, 0);
        let mut rest = pieces;
        while let Some(piece) = rest.first() {
            let end = slot + piece.slots;
            while at < found.len() && found[at].end() <= slot {
                at += 1;
            }
            let Some(here) = found.get(at) else { break };
            let whole = match here.slot <= slot {
                true => ((here.end() - slot) / piece.slots).min(piece.alike),
                false => 0,
            };
            if whole > 0 {
                let (alike, more) = rest.split_at(whole as usize);
                let row = here.row + (slot - here.slot) as usize;
                self.put_slices(target, alike, row, is_exact);
                slot += whole * piece.slots;
                rest = more;
                continue;
            }
            if here.slot < end {
                let rows = rows_within(&found[at..], slot..end);
                let part = self.fold_rows(rows.clone());
                self.add_rows(target, piece, &part, rows, is_exact);
            }
            slot = end;
            rest = &rest[1..];
        }
    }

    /// Buckets of as many slots each without a hole, their rows one after the other: column by column.
    fn put_slices(&mut self, target: usize, pieces: &[Piece], row: usize, is_exact: bool) {
        let each = pieces[0].slots as usize;
        let rows = row..row + pieces.len() * each;
        let c = self.columns;
        let done = &mut self.done[target];
        done.ts
            .extend(pieces.iter().map(|piece| piece.bucket.start));
        let bars = |column: &'a [f64]| column[rows.clone()].chunks_exact(each);
        done.open.extend(bars(&c.open).map(|bucket| bucket[0]));
        fold_each(&c.high[rows.clone()], each, &mut done.high, higher);
        fold_each(&c.low[rows.clone()], each, &mut done.low, lower);
        done.close
            .extend(bars(&c.close).map(|bucket| bucket[each - 1]));
        if is_exact {
            fold_each(&c.volume[rows], each, &mut done.volume, |a, b| a + b);
        } else {
            done.volume.extend(bars(&c.volume).map(compensated));
        }
        done.flags.resize(done.ts.len(), flags_of(&pieces[0]));
        done.constituents.resize(done.ts.len(), each as i32);
    }

    /// Add the rows of one piece, folded already in `part`, to the bucket that is filling.
    fn add_rows(
        &mut self,
        target: usize,
        piece: &Piece,
        part: &Part,
        rows: impl Iterator<Item = Range<usize>>,
        is_exact: bool,
    ) {
        let volume = &self.columns.volume;
        self.begin(target, &piece.bucket);
        let forming = &mut self.forming[target];
        let sum = forming.as_ref().map_or_else(Sum::default, |f| f.volume);
        let mut grown = sum;
        if !(is_exact && grown.add_exactly(part.bar.volume)) {
            rows.flatten().for_each(|row| grown.add(volume[row]));
        }
        let extended = match piece.role {
            Role::Regular => 0,
            Role::Extended => part.count,
        };
        match forming {
            Some(forming) => {
                forming.bar.high = higher(forming.bar.high, part.bar.high);
                forming.bar.low = lower(forming.bar.low, part.bar.low);
                forming.bar.close = part.bar.close;
                forming.volume = grown;
                forming.count += part.count;
                forming.extended += extended;
            }
            None => {
                *forming = Some(Forming {
                    bucket: piece.bucket,
                    bar: Bar {
                        ts: piece.bucket.start,
                        ..part.bar
                    },
                    volume: grown,
                    count: part.count,
                    extended,
                });
            }
        }
        if piece.is_last {
            self.end_bucket(target);
        }
    }

    /// Buckets of a coarser target from those of a finer one, of which none is absent and all volumes are exact.
    fn fold_fine(&mut self, target: usize, finer: &Finer, pieces: &[Piece], is_complete: bool) {
        let may_be_partial = self.completeness != Completeness::Present;
        let (finer_done, coarser_done) = self.done.split_at_mut(target);
        let (fine, done) = (&finer_done[finer.target], &mut coarser_done[0]);
        let mut row = self.begun[finer.target];
        let mut at = 0;
        while at < pieces.len() {
            let here = &finer.counts[at..at + pieces[at].alike as usize];
            let alike = here.iter().take_while(|&&count| count == here[0]).count();
            let each = here[0] as usize;
            let rows = row..row + alike * each;
            let here = &pieces[at..at + alike];
            done.ts.extend(here.iter().map(|piece| piece.bucket.start));
            let opens = fine.open[rows.clone()].chunks_exact(each);
            done.open.extend(opens.map(|bucket| bucket[0]));
            fold_each(&fine.high[rows.clone()], each, &mut done.high, higher);
            fold_each(&fine.low[rows.clone()], each, &mut done.low, lower);
            let closes = fine.close[rows.clone()].chunks_exact(each);
            done.close.extend(closes.map(|bucket| bucket[each - 1]));
            fold_each(
                &fine.volume[rows.clone()],
                each,
                &mut done.volume,
                |a, b| a + b,
            );
            let (slots, expected) = (here[0].slots as i32, here[0].bucket.expected as i32);
            let plain = flags_of(&here[0]);
            if is_complete {
                done.constituents.resize(done.ts.len(), slots);
                done.flags.resize(done.ts.len(), plain);
            } else {
                let counts = fine.constituents[rows.clone()].chunks_exact(each);
                let begun = done.constituents.len();
                done.constituents
                    .extend(counts.map(|bucket| bucket.iter().sum::<i32>()));
                let partial = |&count: &i32| {
                    if may_be_partial && count < expected {
                        PARTIAL
                    } else {
                        0
                    }
                };
                let flags = done.constituents[begun..].iter().map(partial);
                done.flags.extend(flags.map(|partial| plain | partial));
            }
            row = rows.end;
            at += alike;
        }
    }

    /// Prices and count of some rows; the volume is right where sums are exact.
    fn fold_rows(&self, rows: impl Iterator<Item = Range<usize>>) -> Part {
        let c = self.columns;
        let mut part: Option<Part> = None;
        for rows in rows {
            // All three on the way, so that none waits for the one before it alone.
            let (mut high, mut low) = (c.high[rows.start], c.low[rows.start]);
            let mut volume = c.volume[rows.start];
            let rest = rows.start + 1..rows.end;
            let prices = c.high[rest.clone()].iter().zip(&c.low[rest.clone()]);
            for ((&h, &l), &v) in prices.zip(&c.volume[rest]) {
                high = higher(high, h);
                low = lower(low, l);
                volume += v;
            }
            let here = Part {
                bar: Bar {
                    ts: 0,
                    open: c.open[rows.start],
                    high,
                    low,
                    close: c.close[rows.end - 1],
                    volume,
                    flags: 0,
                },
                count: rows.len() as u32,
            };
            match &mut part {
                Some(part) => part.extend(&here),
                None => part = Some(here),
            }
        }
        part.unwrap_or(Part {
            bar: Bar::default(),
            count: 0,
        })
    }

    /// Let go of an earlier bucket.
    fn begin(&mut self, target: usize, bucket: &Bucket) {
        let is_other = |forming: &Forming| forming.bucket.start != bucket.start;
        if self.forming[target].as_ref().is_some_and(is_other) {
            self.end_bucket(target);
        }
    }

    fn end_bucket(&mut self, target: usize) {
        let ended = self.forming[target].take();
        if let Some(Derived {
            bar, constituents, ..
        }) = ended.and_then(|forming| forming.finish(self.completeness))
        {
            self.done[target].push_derived(bar, constituents as i32);
        }
    }

    /// The bars of each target.
    pub fn finish(mut self) -> Vec<Columns> {
        (0..self.done.len()).for_each(|target| self.end_bucket(target));
        self.done
    }
}

impl Part {
    fn extend(&mut self, later: &Self) {
        self.bar.high = higher(self.bar.high, later.bar.high);
        self.bar.low = lower(self.bar.low, later.bar.low);
        self.bar.close = later.bar.close;
        self.bar.volume += later.bar.volume;
        self.count += later.count;
    }
}

/// The rows of some slots, as slices of rows in order.
fn rows_within(
    found: &[Aligned],
    slots: Range<u32>,
) -> impl Iterator<Item = Range<usize>> + Clone + '_ {
    let (from, to) = (slots.start, slots.end);
    found
        .iter()
        .skip_while(move |a| a.end() <= from)
        .take_while(move |a| a.slot < to)
        .map(move |a| {
            let first = a.slot.max(from);
            let last = a.end().min(to);
            let row = a.row + (first - a.slot) as usize;
            row..row + (last - first) as usize
        })
}

/// Values folded from left to right, so that even the sign of a zero is that of streaming.
fn fold(values: &[f64], choose: impl Fn(f64, f64) -> f64) -> f64 {
    let Some((&first, rest)) = values.split_first() else {
        return 0.0;
    };
    rest.iter().fold(first, |a, &b| choose(a, b))
}

/// The fold of each `each` values, one after the other; the usual numbers without a loop inside.
fn fold_each(values: &[f64], each: usize, folds: &mut Vec<f64>, choose: impl Fn(f64, f64) -> f64) {
    fn known<const N: usize>(
        values: &[f64],
        folds: &mut Vec<f64>,
        choose: impl Fn(f64, f64) -> f64,
    ) {
        let (blocks, _) = values.as_chunks::<N>();
        folds.extend(blocks.iter().map(|block| {
            let mut all = block[0];
            block[1..]
                .iter()
                .for_each(|&value| all = choose(all, value));
            all
        }));
    }
    match each {
        2 => known::<2>(values, folds, choose),
        3 => known::<3>(values, folds, choose),
        4 => known::<4>(values, folds, choose),
        5 => known::<5>(values, folds, choose),
        6 => known::<6>(values, folds, choose),
        10 => known::<10>(values, folds, choose),
        12 => known::<12>(values, folds, choose),
        15 => known::<15>(values, folds, choose),
        _ => folds.extend(values.chunks_exact(each).map(|block| fold(block, &choose))),
    }
}

/// The flags of a whole bucket.
fn flags_of(piece: &Piece) -> u8 {
    let extended = if piece.bucket.is_extended() {
        EXTENDED
    } else {
        0
    };
    DERIVED | extended
}

fn compensated(values: &[f64]) -> f64 {
    let mut sum = Sum::default();
    values.iter().for_each(|&value| sum.add(value));
    sum.value()
}

#[cfg(test)]
mod tests;
