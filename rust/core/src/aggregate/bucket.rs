//! Which bucket holds a base bar: the grids of one session, and groups of sessions for days and weeks.

use std::sync::Arc;

use crate::error::{Error, Result};
use crate::schedule::{Anchor, Grid, Stretch};
use crate::session_table::SessionTable;
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
}

/// A stretch of time that yields one derived bar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bucket {
    /// First instant, the label of its bar.
    pub start: i64,
    /// First instant after it.
    pub end: i64,
    /// Base bars it should have.
    pub expected: u32,
}

impl Bucket {
    /// Whether an instant lies in it. A break inside holds no regular bar.
    pub fn holds(&self, ts: i64) -> bool {
        self.start <= ts && ts < self.end
    }
}

/// One session as a derived series sees it.
#[derive(Debug, Clone)]
pub struct Day {
    span: Stretch,
    base: Arc<Grid>,
    target: Target,
}

#[derive(Debug, Clone)]
enum Target {
    /// Buckets within the session.
    Within(Arc<Grid>),
    /// The session is part of one bucket.
    Part(Bucket),
}

impl Day {
    /// The buckets of a session.
    ///
    /// # Errors
    /// Those of [`SessionTable::buckets`].
    pub fn new(table: &SessionTable, index: usize, rule: Rule) -> Result<Self> {
        let base = Arc::new(table.grid(index, rule.base)?);
        let target = match rule.target {
            Interval::Fixed(_) | Interval::Sessions(1) => {
                let target = table.buckets(index, rule.target, rule.anchor)?;
                check_union(&base, &target, rule)?;
                Target::Within(Arc::new(target))
            }
            Interval::Sessions(_) | Interval::Weeks(_) => {
                Target::Part(group_bucket(table, index, rule)?)
            }
        };
        Ok(Self {
            span: table.session(index).span,
            base,
            target,
        })
    }

    /// Whether an instant belongs to the session's date.
    pub fn holds(&self, ts: i64) -> bool {
        self.span.start <= ts && ts < self.span.end
    }

    /// Whether a base bar lies in regular hours, breaks left out.
    pub fn is_regular(&self, ts: i64) -> bool {
        self.base.bucket_of(ts).is_some()
    }

    /// The bucket that holds a base bar, `None` outside regular hours.
    pub fn bucket_at(&self, ts: i64) -> Option<Bucket> {
        self.base.bucket_of(ts)?;
        match &self.target {
            Target::Part(bucket) => Some(*bucket),
            Target::Within(grid) => grid
                .bucket_of(ts)
                .map(|slot| bucket_within(&self.base, grid, slot)),
        }
    }
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
    Ok(Bucket {
        start: table.session(group.start).open,
        end: table.session(group.end - 1).close,
        expected,
    })
}
