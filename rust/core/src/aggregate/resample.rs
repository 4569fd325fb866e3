//! Whole columns into coarser bars, several targets in one pass. Gives the same bars, bit for bit, as streaming them.
//!
//! Per session the rows are laid on its grid, those of pre- and post-market on grids of their own where they take part; buckets without a hole are folded column by column. Coarser targets follow
//! from finer ones where no finer bar is absent and all volumes are whole numbers, so that sums are exact in any order;
//! else they too follow from the base bars.

mod fold;
mod follow;
mod plan;

use std::ops::Range;

use crate::aggregate::bucket::Bucket;
use crate::aggregate::forming::{Forming, higher, lower};
use crate::aggregate::{Completeness, Derived};
use crate::alignment::{Aligned, Aligner, Stamps};
use crate::bar::Bar;
use crate::columns::Columns;
use crate::error::Result;
use crate::metrics::Sum;
use crate::schedule::{Anchor, ExtendedHours, Role};
use crate::session_table::SessionTable;
use crate::time::{DAY, Interval};
use fold::{Added, fold_alike};
use follow::Waiting;
use plan::{Finer, Piece, StretchPlan, TargetPlan};

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
        .map(|(columns, rows)| {
            let stamps = Stamps::new(&columns.ts, rows.clone(), None);
            Running::new(columns, stamps, request, fresh)
        })
        .collect();
    run(table, request, &mut running)?;
    Ok(running.into_iter().map(Running::finish).collect())
}

/// Days that ordered stamps span, no more of them than stamps.
fn days(ts: &[i64]) -> usize {
    let ends = ts.first().zip(ts.last());
    let span = ends.map_or(0, |(first, last)| last.saturating_sub(*first) / DAY);
    usize::try_from(span).map_or(0, |days| days.min(ts.len()))
}

fn fresh(rows: usize) -> Columns {
    Columns::with_capacity(rows, true)
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
        let stamps = Stamps::new(&columns.ts, rows, None);
        let mut running = Running::new(columns, stamps, request, fresh);
        let mut work = Work::default();
        if let (Some(first), Some(last)) = (running.first_ts(), running.last_ts()) {
            let sessions = table.sessions_spanning(first, last);
            let is_known = |known: &&(Request, Range<usize>, Vec<StretchPlan>)| {
                known.0 == *request && known.1 == sessions
            };
            if let Some((_, _, plans)) = self.0.iter().find(is_known) {
                running.take(plans, &mut work);
                return Ok(running.finish());
            }
            let mut rest = sessions.clone();
            while !rest.is_empty() {
                let is_first = rest == sessions;
                let plans = plan::plan(table, &mut rest, request, PLANNED_SLOTS)?;
                running.take(&plans, &mut work);
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
        let mut work = Work::default();
        while !sessions.is_empty() {
            let plans = plan::plan(table, &mut sessions, request, PLANNED_SLOTS)?;
            for one in &mut *running {
                one.take(&plans, &mut work);
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
    volume: Added,
}

/// What one series after the other is worked out with.
#[derive(Debug, Default)]
struct Work {
    aligner: Aligner,
    /// For each target the first bar of the stretch, and the bars that are still to follow from finer ones.
    begun: Vec<usize>,
    waiting: Vec<Waiting>,
}

impl Work {
    /// Make all bars that wait, finer ones first.
    fn make_waiting(&mut self, done: &mut [Columns], completeness: Completeness) {
        let may_be_partial = completeness != Completeness::Present;
        for (target, waiting) in self.waiting.iter_mut().enumerate() {
            waiting.make(&mut done[..=target], may_be_partial);
        }
    }
}

/// One series on its way. Rows are in order of `ts`.
///
/// Rows off the grid and outside the hours that take part do not count; of rows with the same stamp the last one counts.
#[derive(Debug)]
pub struct Running<'a> {
    columns: &'a Columns,
    stamps: Stamps<'a>,
    /// The first one that is not taken in.
    row: usize,
    completeness: Completeness,
    /// One for each target: the bucket that is filling, and what is done.
    forming: Vec<Option<Forming>>,
    done: Vec<Columns>,
}

impl<'a> Running<'a> {
    /// Nothing is taken in yet; all memory that the answer needs is there. The stamps are those of the columns. `room_for` gives empty columns with room for a
    /// number of bars.
    pub fn new(
        columns: &'a Columns,
        stamps: Stamps<'a>,
        request: &Request,
        mut room_for: impl FnMut(usize) -> Columns,
    ) -> Self {
        let targets = request.targets.len();
        let rows = stamps.rows();
        let rest = &stamps.ts()[rows.clone()];
        let capacity = |target: &Interval| match (request.base.ns(), target.ns()) {
            // A few rows are absent as a rule, but no bucket for that.
            (Some(base), Some(target)) => {
                (rows.len() + rows.len() / 16) / (target / base).max(1) as usize + 8
            }
            _ => days(rest) + 2,
        };
        Self {
            columns,
            stamps,
            row: rows.start,
            completeness: request.completeness,
            forming: vec![None; targets],
            done: request
                .targets
                .iter()
                .map(|target| room_for(capacity(target)))
                .collect(),
        }
    }

    fn first_ts(&self) -> Option<i64> {
        self.stamps.ts()[self.row..].first().copied()
    }

    fn last_ts(&self) -> Option<i64> {
        self.stamps.ts()[self.row..].last().copied()
    }

    /// Take in the rows of some stretches. All bars that follow are made before another series is taken up: what they follow
    /// from is near then.
    fn take(&mut self, plans: &[StretchPlan], work: &mut Work) {
        work.begun.resize(self.done.len(), 0);
        work.waiting.resize_with(self.done.len(), Waiting::default);
        for plan in plans {
            self.take_stretch(plan, work);
        }
        work.make_waiting(&mut self.done, self.completeness);
    }

    fn take_stretch(&mut self, plan: &StretchPlan, work: &mut Work) {
        self.row = work.aligner.align(self.stamps, self.row, &plan.grid).end;
        // What the first target from the base rows finds out about their volumes.
        let mut volumes: Option<Added> = None;
        for (target, buckets) in plan.targets.iter().enumerate() {
            let begun = self.done[target].len();
            let is_exact = volumes.is_some_and(Added::is_exact);
            let whole = buckets.finer.as_ref().filter(|finer| {
                let bars = self.done[finer.target].len() - work.begun[finer.target];
                is_exact && bars == plan.targets[finer.target].pieces.len()
            });
            match whole {
                Some(finer) => self.follow(target, buckets, finer, work),
                None if buckets.pieces.is_empty() => {}
                None => {
                    if !work.waiting[target].is_empty() {
                        work.make_waiting(&mut self.done, self.completeness);
                    }
                    volumes = Some(self.fold_base(target, buckets, work.aligner.found()));
                }
            }
            work.begun[target] = begun;
        }
        if work.waiting.iter().any(Waiting::is_full) {
            work.make_waiting(&mut self.done, self.completeness);
        }
    }

    /// Buckets of one target from the base rows. Gives back what all of their volumes add up to.
    fn fold_base(&mut self, target: usize, buckets: &TargetPlan, found: &[Aligned]) -> Added {
        let mut added = Added::default();
        let (mut slot, mut at, mut next) = (0, 0, 0);
        while let Some(piece) = buckets.pieces.get(next) {
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
                let row = here.row + (slot - here.slot) as usize;
                let alike = next..next + whole as usize;
                added.add(self.put_slices(target, buckets, alike, row));
                slot += whole * piece.slots;
                next += whole as usize;
                continue;
            }
            if here.slot < end {
                let rows = rows_within(&found[at..], slot..end);
                let part = self.fold_rows(rows.clone());
                added.add(part.volume);
                self.add_rows(target, piece, &part, rows);
            }
            slot = end;
            next += 1;
        }
        added
    }

    /// Buckets of as many slots each without a hole, their rows one after the other.
    fn put_slices(
        &mut self,
        target: usize,
        buckets: &TargetPlan,
        alike: Range<usize>,
        row: usize,
    ) -> Added {
        let first = &buckets.pieces[alike.start];
        let each = first.slots as usize;
        let done = &mut self.done[target];
        let added = fold_alike(self.columns, row..row + alike.len() * each, each, done);
        done.ts.extend_from_slice(&buckets.starts[alike]);
        done.flags.resize(done.ts.len(), first.flags());
        done.constituents.resize(done.ts.len(), each as i32);
        added
    }

    /// Add the rows of one piece, folded already in `part`, to the bucket that is filling.
    fn add_rows(
        &mut self,
        target: usize,
        piece: &Piece,
        part: &Part,
        rows: impl Iterator<Item = Range<usize>>,
    ) {
        let volume = &self.columns.volume;
        self.begin(target, &piece.bucket);
        let forming = &mut self.forming[target];
        let sum = forming.as_ref().map_or_else(Sum::default, |f| f.volume);
        let mut grown = sum;
        if !(part.volume.is_exact() && grown.add_exactly(part.volume.total)) {
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

    /// Let the buckets of a coarser target wait for those of a finer one, of which none is absent and all volumes are exact.
    fn follow(&mut self, target: usize, buckets: &TargetPlan, finer: &Finer, work: &mut Work) {
        let row = work.begun[finer.target];
        if !work.waiting[target].goes_on(finer, row) {
            work.make_waiting(&mut self.done, self.completeness);
        }
        work.waiting[target].add(finer, row);
        self.done[target].ts.extend_from_slice(&buckets.starts);
    }

    /// Prices, volumes and count of some rows.
    fn fold_rows(&self, rows: impl Iterator<Item = Range<usize>>) -> Part {
        let c = self.columns;
        let mut part: Option<Part> = None;
        for rows in rows {
            let (high, low) = (&c.high[rows.clone()], &c.low[rows.clone()]);
            let folded = fold::fold_rows(high, low, &c.volume[rows.clone()]);
            let here = Part {
                bar: Bar {
                    ts: 0,
                    open: c.open[rows.start],
                    high: folded.high,
                    low: folded.low,
                    close: c.close[rows.end - 1],
                    volume: 0.0,
                    flags: 0,
                },
                count: rows.len() as u32,
                volume: folded.added,
            };
            match &mut part {
                Some(part) => part.extend(&here),
                None => part = Some(here),
            }
        }
        part.unwrap_or(Part {
            bar: Bar::default(),
            count: 0,
            volume: Added::default(),
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
        self.volume.add(later.volume);
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

#[cfg(test)]
mod tests;
