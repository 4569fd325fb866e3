//! Which slots of a session make up which buckets, worked out once for all series.

use std::ops::Range;

use crate::aggregate::bucket::{Bucket, Rule, bucket_within, check_union, group_bucket};
use crate::aggregate::resample::Request;
use crate::error::Result;
use crate::schedule::{Anchor, ExtendedGrids, Grid, Role};
use crate::session_table::SessionTable;
use crate::time::Interval;

/// The regular hours of one session, its pre-market or its post-market.
#[derive(Debug)]
pub(super) struct StretchPlan {
    pub(super) grid: Grid,
    /// For each target the pieces that its slots fall into, in order; together they are all slots. None where these hours
    /// take no part.
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
    /// As what its bars take part.
    pub(super) role: Role,
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
) -> Result<Vec<StretchPlan>> {
    let mut plans = Vec::new();
    let mut slots = 0;
    let mut groups = vec![None; request.targets.len()];
    let takes_extended = |&target: &Interval| request.extended_hours.feeds(request.base, target);
    let takes_extended = request.targets.iter().any(takes_extended);
    while slots < most_slots {
        let Some(index) = sessions.next() else { break };
        let extended = if takes_extended {
            table.extended_grids(index, request.base, Anchor::Session)?
        } else {
            ExtendedGrids::default()
        };
        let regular = table.grid(index, request.base)?;
        let stretches = [
            extended.pre.map(|grid| (grid, Hours::Pre)),
            Some((regular, Hours::Regular)),
            extended.post.map(|grid| (grid, Hours::Post)),
        ];
        for (grid, hours) in stretches.into_iter().flatten() {
            slots += grid.len() as usize;
            plans.push(plan_stretch(
                table,
                (index, hours),
                request,
                grid,
                &mut groups,
            )?);
        }
    }
    Ok(plans)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hours {
    Pre,
    Regular,
    Post,
}

impl Hours {
    fn role(self) -> Role {
        match self {
            Self::Regular => Role::Regular,
            Self::Pre | Self::Post => Role::Extended,
        }
    }
}

fn plan_stretch(
    table: &SessionTable,
    (index, hours): (usize, Hours),
    request: &Request,
    grid: Grid,
    groups: &mut [Option<Bucket>],
) -> Result<StretchPlan> {
    let mut pieces = Vec::with_capacity(request.targets.len());
    for (&target, group) in request.targets.iter().zip(groups) {
        let rule = Rule {
            base: request.base,
            target,
            anchor: request.anchor,
            extended_hours: request.extended_hours,
        };
        let takes_part = hours == Hours::Regular || rule.takes_extended();
        pieces.push(if !takes_part {
            Vec::new()
        } else if rule.divides(&table.session(index)) {
            buckets(table, (index, hours), rule)?
                .map(|buckets| check_union(&grid, &buckets, rule).map(|()| buckets))
                .transpose()?
                .map_or_else(Vec::new, |buckets| within(&grid, &buckets, hours.role()))
        } else {
            vec![part_of_group(
                table,
                (index, hours.role()),
                rule,
                &grid,
                group,
            )?]
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
    Ok(StretchPlan {
        grid,
        pieces,
        finer,
    })
}

fn buckets(
    table: &SessionTable,
    (index, hours): (usize, Hours),
    rule: Rule,
) -> Result<Option<Grid>> {
    if hours == Hours::Regular {
        return table.buckets(index, rule.target, rule.anchor).map(Some);
    }
    let extended = table.extended_grids(index, rule.target, rule.anchor)?;
    Ok(match hours {
        Hours::Pre => extended.pre,
        _ => extended.post,
    })
}

fn within(grid: &Grid, target: &Grid, role: Role) -> Vec<Piece> {
    let mut pieces: Vec<Piece> = (0..target.len())
        .map(|slot| bucket_within(grid, target, slot))
        .filter(|bucket| bucket.expected > 0)
        .map(|bucket| Piece {
            bucket: match role {
                Role::Regular => bucket,
                Role::Extended => bucket.in_extended_hours(),
            },
            slots: bucket.expected,
            role,
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
    (index, role): (usize, Role),
    rule: Rule,
    grid: &Grid,
    known: &mut Option<Bucket>,
) -> Result<Piece> {
    let close = grid.close();
    let bucket = match *known {
        Some(bucket) if bucket.holds(close - 1) => bucket,
        _ => group_bucket(table, index, rule)?,
    };
    *known = Some(bucket);
    Ok(Piece {
        bucket,
        slots: grid.len(),
        role,
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
