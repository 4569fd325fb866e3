//! Which slots of a session make up which buckets, worked out once for all series.

use std::ops::Range;

use crate::aggregate::bucket::{Bucket, Rule, bucket_within, check_union, group_bucket};
use crate::aggregate::resample::Request;
use crate::error::Result;
use crate::schedule::Grid;
use crate::session_table::SessionTable;
use crate::time::Interval;

/// One session.
pub(super) struct SessionPlan {
    pub(super) grid: Grid,
    /// For each target the pieces that its slots fall into, in order; together they are all slots.
    pub(super) pieces: Vec<Vec<Piece>>,
    /// For each target the coarsest one before it whose pieces its own are unions of.
    pub(super) finer: Vec<Option<Finer>>,
}

/// A finer target that a coarser one follows from.
#[derive(Debug)]
pub(super) struct Finer {
    pub(super) target: usize,
    /// Pieces of the finer target in each piece of the coarser one.
    pub(super) counts: Vec<u32>,
}

/// Consecutive slots of one bucket.
#[derive(Debug, Clone, Copy)]
pub(super) struct Piece {
    pub(super) bucket: Bucket,
    /// Slots in this session.
    pub(super) slots: u32,
    /// Whether the bucket ends with it.
    pub(super) is_last: bool,
    /// How many pieces from this one on are whole buckets of as many slots; 0 for a part of a bucket.
    pub(super) alike: u32,
}

/// Plan the first of `sessions`, as many as fit, and take them off the range.
pub(super) fn plan(
    table: &SessionTable,
    sessions: &mut Range<usize>,
    request: &Request,
    most_slots: usize,
) -> Result<Vec<SessionPlan>> {
    let mut plans = Vec::new();
    let mut slots = 0;
    let mut groups = vec![None; request.targets.len()];
    while slots < most_slots {
        let Some(index) = sessions.next() else { break };
        let grid = table.grid(index, request.base)?;
        slots += grid.len() as usize;
        let mut pieces = Vec::with_capacity(request.targets.len());
        for (&target, group) in request.targets.iter().zip(&mut groups) {
            let rule = Rule {
                base: request.base,
                target,
                anchor: request.anchor,
            };
            pieces.push(match target {
                Interval::Fixed(_) | Interval::Sessions(1) => {
                    let buckets = table.buckets(index, target, request.anchor)?;
                    check_union(&grid, &buckets, rule)?;
                    within(&grid, &buckets)
                }
                Interval::Sessions(_) | Interval::Weeks(_) => {
                    vec![part_of_group(table, index, rule, &grid, group)?]
                }
            });
        }
        let finer = (0..pieces.len()).map(|at| {
            let unions = (0..at)
                .rev()
                .map(|fine| (fine, union_counts(&pieces[fine], &pieces[at])));
            let (target, counts) = unions.into_iter().find_map(|(t, c)| Some((t, c?)))?;
            Some(Finer { target, counts })
        });
        let finer = finer.collect();
        plans.push(SessionPlan {
            grid,
            pieces,
            finer,
        });
    }
    Ok(plans)
}

fn within(grid: &Grid, target: &Grid) -> Vec<Piece> {
    let mut pieces: Vec<Piece> = (0..target.len())
        .map(|slot| bucket_within(grid, target, slot))
        .filter(|bucket| bucket.expected > 0)
        .map(|bucket| Piece {
            bucket,
            slots: bucket.expected,
            is_last: true,
            alike: 1,
        })
        .collect();
    for at in (1..pieces.len()).rev() {
        if pieces[at - 1].slots == pieces[at].slots {
            pieces[at - 1].alike = pieces[at].alike + 1;
        }
    }
    pieces
}

fn part_of_group(
    table: &SessionTable,
    index: usize,
    rule: Rule,
    grid: &Grid,
    known: &mut Option<Bucket>,
) -> Result<Piece> {
    let close = table.session(index).close;
    let bucket = match *known {
        Some(bucket) if bucket.holds(close - 1) => bucket,
        _ => group_bucket(table, index, rule)?,
    };
    *known = Some(bucket);
    Ok(Piece {
        bucket,
        slots: grid.len(),
        is_last: bucket.end == close,
        alike: 0,
    })
}

/// How many pieces of `fine` make up each of `coarse`; `None` where an edge falls within one, or buckets go on beyond the
/// session.
fn union_counts(fine: &[Piece], coarse: &[Piece]) -> Option<Vec<u32>> {
    let mut counts = Vec::with_capacity(coarse.len());
    let mut rest = fine.iter();
    for piece in coarse {
        let (mut slots, mut count) = (0, 0);
        while slots < piece.slots {
            let part = rest.next().filter(|part| part.alike > 0)?;
            slots += part.slots;
            count += 1;
        }
        (slots == piece.slots && piece.alike > 0).then_some(())?;
        counts.push(count);
    }
    Some(counts)
}
