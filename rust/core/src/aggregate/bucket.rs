//! Which bucket holds a base bar: the grids of one session, and groups of sessions for days and weeks.

use std::sync::Arc;

use crate::error::{Error, Result};
use crate::schedule::{Anchor, ExtendedGrids, ExtendedHours, Grid, Role, Stretch};
use crate::session_table::{Session, SessionTable};
use crate::time::Interval;

/// What is derived from what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    /// Interval of the base bars.
    pub base: Interval,
    /// Interval of the derived bars; the base divides it.
    pub target: Interval,
    /// From where buckets are counted.
    pub anchor: Anchor,
    /// What bars of pre- and post-market take part in.
    pub extended_hours: ExtendedHours,
}

impl Rule {
    /// Whether bars of pre- and post-market take part.
    pub fn takes_extended(&self) -> bool {
        self.extended_hours.feeds(self.base, self.target)
    }

    /// Whether a session has its buckets for itself and each lies within one of its stretches.
    pub(super) fn divides(&self, session: &Session<'_>) -> bool {
        match self.target {
            Interval::Fixed(_) => true,
            Interval::Sessions(1) => {
                let is_longer =
                    session.pre_open < session.open || session.close < session.post_close;
                !(is_longer && self.takes_extended())
            }
            Interval::Sessions(_) | Interval::Weeks(_) => false,
        }
    }
}

/// A stretch of time that yields one derived bar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bucket {
    /// The label of its bar.
    pub start: i64,
    /// First instant: before the label where a pre-market takes part.
    pub from: i64,
    /// First instant after it.
    pub end: i64,
    /// Base bars it should have, all of them in regular hours.
    pub expected: u32,
}

impl Bucket {
    /// Whether an instant lies in it. A break inside holds no bar that takes part.
    pub fn holds(&self, ts: i64) -> bool {
        self.from <= ts && ts < self.end
    }

    /// Whether it lies in pre- or post-market, where no bar is expected.
    pub fn is_extended(&self) -> bool {
        self.expected == 0
    }
}

/// The base bars of one session that take part.
#[derive(Debug, Clone)]
pub(crate) struct BaseGrids {
    regular: Grid,
    /// Empty where pre- and post-market take no part.
    extended: ExtendedGrids,
}

impl BaseGrids {
    pub(crate) fn new(table: &SessionTable, index: usize, rule: Rule) -> Result<Self> {
        let extended = if rule.takes_extended() {
            table.extended_grids(index, rule.base, Anchor::Session)?
        } else {
            ExtendedGrids::default()
        };
        Ok(Self {
            regular: table.grid(index, rule.base)?,
            extended,
        })
    }

    /// As what a bar takes part, `None` outside the hours that do.
    fn role_of(&self, ts: i64) -> Option<Role> {
        if self.regular.bucket_of(ts).is_some() {
            return Some(Role::Regular);
        }
        self.extended.grid_at(ts).map(|_| Role::Extended)
    }

    /// The same, `None` between two slots too.
    pub(crate) fn role_on_grid(&self, ts: i64) -> Option<Role> {
        if self.regular.slot_of(ts).is_some() {
            return Some(Role::Regular);
        }
        let slot = self.extended.grid_at(ts)?.slot_of(ts);
        slot.map(|_| Role::Extended)
    }
}

/// One session as a derived series sees it.
#[derive(Debug, Clone)]
pub struct Day {
    span: Stretch,
    base: Arc<BaseGrids>,
    target: Target,
}

#[derive(Debug, Clone)]
enum Target {
    /// Buckets within the session: those of regular hours, those of pre- and post-market.
    Within(Arc<(Grid, ExtendedGrids)>),
    /// The session is part of one bucket.
    Part(Bucket),
}

impl Day {
    /// The buckets of a session.
    ///
    /// # Errors
    /// Those of [`SessionTable::buckets`].
    pub fn new(table: &SessionTable, index: usize, rule: Rule) -> Result<Self> {
        let session = table.session(index);
        let base = Arc::new(BaseGrids::new(table, index, rule)?);
        let target = if rule.divides(&session) {
            let regular = table.buckets(index, rule.target, rule.anchor)?;
            check_union(&base.regular, &regular, rule)?;
            let mut extended = ExtendedGrids::default();
            if !base.extended.is_empty() {
                extended = table.extended_grids(index, rule.target, rule.anchor)?;
                check_extended(&base.extended, &extended, rule)?;
            }
            Target::Within(Arc::new((regular, extended)))
        } else {
            Target::Part(group_bucket(table, index, rule)?)
        };
        Ok(Self {
            span: session.span,
            base,
            target,
        })
    }

    /// Whether an instant belongs to the session's date.
    pub fn holds(&self, ts: i64) -> bool {
        self.span.start <= ts && ts < self.span.end
    }

    /// As what a base bar takes part, `None` outside the hours that do, breaks left out.
    pub fn role_of(&self, ts: i64) -> Option<Role> {
        self.base.role_of(ts)
    }

    /// The bucket that holds a base bar, `None` outside the hours that take part.
    pub fn bucket_at(&self, ts: i64) -> Option<Bucket> {
        let role = self.role_of(ts)?;
        let grids = match &self.target {
            Target::Part(bucket) => return Some(*bucket),
            Target::Within(grids) => grids,
        };
        match role {
            Role::Regular => {
                let slot = grids.0.bucket_of(ts)?;
                Some(bucket_within(&self.base.regular, &grids.0, slot))
            }
            Role::Extended => {
                let (base, target) = (self.base.extended.grid_at(ts)?, grids.1.grid_at(ts)?);
                let slot = target.bucket_of(ts)?;
                Some(bucket_within(base, target, slot).in_extended_hours())
            }
        }
    }
}

impl Bucket {
    /// The same in pre- or post-market, where no bar is expected.
    pub(super) fn in_extended_hours(self) -> Self {
        Self {
            expected: 0,
            ..self
        }
    }
}

/// As [`check_union`], for pre- and post-market.
pub(super) fn check_extended(
    base: &ExtendedGrids,
    target: &ExtendedGrids,
    rule: Rule,
) -> Result<()> {
    let pairs = [(&base.pre, &target.pre), (&base.post, &target.post)];
    for (base, target) in pairs {
        if let (Some(base), Some(target)) = (base, target) {
            check_union(base, target, rule)?;
        }
    }
    Ok(())
}

/// Refuse buckets that cut a base bar in two, as an anchor other than the open can.
pub(super) fn check_union(base: &Grid, target: &Grid, rule: Rule) -> Result<()> {
    if rule.anchor == Anchor::Session {
        // Both count from the open, and the one length is a multiple of the other.
        return Ok(());
    }
    let is_whole = |slot: u32| {
        let bucket = target.bucket_of(base.start_of(slot));
        bucket.is_some_and(|bucket| base.end_of(slot) <= target.end_of(bucket))
    };
    if (0..base.len()).all(is_whole) {
        return Ok(());
    }
    Err(Error::Cut {
        base: rule.base,
        target: rule.target,
    })
}

/// The bucket of one slot of a target grid.
pub(super) fn bucket_within(base: &Grid, target: &Grid, slot: u32) -> Bucket {
    let (start, end) = (target.start_of(slot), target.end_of(slot));
    Bucket {
        start,
        from: start,
        end,
        expected: base.slots_before(end) - base.slots_before(start),
    }
}

/// The bucket of days or weeks that session `index` is part of.
pub(super) fn group_bucket(table: &SessionTable, index: usize, rule: Rule) -> Result<Bucket> {
    let group = table.group(index, rule.target);
    let mut expected = 0;
    for session in group.clone() {
        expected += table.grid(session, rule.base)?.len();
    }
    let (first, last) = (table.session(group.start), table.session(group.end - 1));
    let (from, end) = if rule.takes_extended() {
        (first.pre_open, last.post_close)
    } else {
        (first.open, last.close)
    };
    Ok(Bucket {
        start: first.open,
        from,
        end,
        expected,
    })
}
