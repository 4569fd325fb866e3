//! Which slots of a session make up which buckets, worked out once for all series.

use std::ops::Range;

use crate::aggregate::bucket::{Bucket, Rule, bucket_within, check_union, group_bucket};
use crate::aggregate::resample::Request;
use crate::bar::{DERIVED, EXTENDED};
use crate::error::Result;
use crate::schedule::{Anchor, ExtendedGrids, Grid, Role};
use crate::session_table::SessionTable;
use crate::time::Interval;

/// The regular hours of one session, its pre-market or its post-market.
#[derive(Debug)]
pub(super) struct StretchPlan {
    pub(super) grid: Grid,
    /// One for each target.
    pub(super) targets: Vec<TargetPlan>,
}

/// The buckets of one target in one stretch.
#[derive(Debug)]
pub(super) struct TargetPlan {
    /// What the slots fall into, in order; together they are all slots. None where these hours take no part.
    pub(super) pieces: Vec<Piece>,
    /// The label of each piece's bar.
    pub(super) starts: Vec<i64>,
    /// The coarsest target before this one whose pieces its own are unions of.
    pub(super) finer: Option<Finer>,
}

/// A finer target that a coarser one follows from.
#[derive(Debug)]
pub(super) struct Finer {
    pub(super) target: usize,
    /// In order; together they are all pieces of the coarser target.
    pub(super) unions: Vec<Union>,
}

/// Consecutive pieces of a coarser target, all alike.
#[derive(Debug, Clone, Copy)]
pub(super) struct Union {
    /// Pieces of the coarser target.
    pub(super) pieces: usize,
    /// Pieces of the finer target in each.
    pub(super) each: usize,
    /// Base bars that each should have.
    pub(super) expected: i32,
    /// Of a whole one.
    pub(super) flags: u8,
}

impl Union {
    /// Whether both differ in the number of pieces only.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        let facts = |union: &Self| (union.each, union.expected, union.flags);
        facts(self) == facts(other)
    }
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

impl Piece {
    /// The flags of its bar, if none is missing.
    pub(super) fn flags(&self) -> u8 {
        let extended = if self.bucket.is_extended() {
            EXTENDED
        } else {
            0
        };
        DERIVED | extended
    }
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
    let mut targets: Vec<TargetPlan> = Vec::with_capacity(request.targets.len());
    for (&target, group) in request.targets.iter().zip(groups) {
        let rule = Rule {
            base: request.base,
            target,
            anchor: request.anchor,
            extended_hours: request.extended_hours,
        };
        let takes_part = hours == Hours::Regular || rule.takes_extended();
        let pieces = if !takes_part {
            Vec::new()
        } else if rule.divides(&table.session(index)) {
            buckets(table, (index, hours), rule)?
                .map(|buckets| check_union(&grid, &buckets, rule).map(|()| buckets))
                .transpose()?
                .map_or_else(Vec::new, |buckets| within(&grid, &buckets, hours.role()))
        } else {
            let role = hours.role();
            vec![part_of_group(table, (index, role), rule, &grid, group)?]
        };
        let finer = targets.iter().enumerate().rev().find_map(|(fine, plan)| {
            let unions = unions(&plan.pieces, &pieces)?;
            Some(Finer {
                target: fine,
                unions,
            })
        });
        targets.push(TargetPlan {
            starts: pieces.iter().map(|piece| piece.bucket.start).collect(),
            pieces,
            finer,
        });
    }
    Ok(StretchPlan { grid, targets })
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

/// How pieces of `fine` make up those of `coarse`; `None` where an edge falls within one, or buckets go on beyond the
/// session.
fn unions(fine: &[Piece], coarse: &[Piece]) -> Option<Vec<Union>> {
    let mut unions: Vec<Union> = Vec::new();
    let mut rest = fine.iter();
    for piece in coarse {
        let (mut slots, mut each) = (0, 0);
        while slots < piece.slots {
            let part = rest.next().filter(|part| part.alike > 0)?;
            slots += part.slots;
            each += 1;
        }
        (slots == piece.slots && piece.alike > 0).then_some(())?;
        let union = Union {
            pieces: 1,
            each,
            expected: piece.bucket.expected as i32,
            flags: piece.flags(),
        };
        match unions.last_mut() {
            Some(last) if last.is_like(&union) => last.pieces += 1,
            _ => unions.push(union),
        }
    }
    Some(unions)
}
