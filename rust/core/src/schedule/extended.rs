//! Hours outside the regular ones: what the bars of pre- and post-market take part in, and their grids.

use crate::error::Result;
use crate::schedule::{Anchor, Grid, Stretch};
use crate::time::Interval;

/// What bars of pre- and post-market take part in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum ExtendedHours {
    /// Nothing: they are stored.
    #[default]
    Off,
    /// Buckets of their own within pre- and post-market.
    Show,
    /// Such buckets, bars of days and weeks, and the figures of the session.
    Full,
}

impl ExtendedHours {
    /// Whether bars of pre- and post-market take part in bars of `target` that are derived from `base`.
    pub fn feeds(self, base: Interval, target: Interval) -> bool {
        // A base bar of a whole day holds what its maker counted.
        base.ns().is_some()
            && match target {
                Interval::Fixed(_) => self != Self::Off,
                Interval::Sessions(_) | Interval::Weeks(_) => self == Self::Full,
            }
    }
}

/// As what a base bar takes part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// A bar of regular hours, which is expected.
    Regular,
    /// A bar of pre- or post-market. None is expected, so none is missing.
    Extended,
}

/// The grids of a session's pre- and post-market, each counted as a session of its own. They never reach into each
/// other or into regular hours.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ExtendedGrids {
    /// That before the open.
    pub pre: Option<Grid>,
    /// That after the close.
    pub post: Option<Grid>,
}

impl ExtendedGrids {
    /// The grids of two stretches; none for bars of a day or longer.
    ///
    /// # Errors
    /// Those of [`Grid::new`].
    pub(crate) fn new(
        stretches: [Option<Stretch>; 2],
        interval: Interval,
        anchor: Anchor,
        midnight: i64,
    ) -> Result<Self> {
        if interval.ns().is_none() {
            return Ok(Self::default());
        }
        let grid = |stretch: Option<Stretch>| {
            stretch
                .map(|stretch| Grid::new(&[stretch], interval, anchor, midnight))
                .transpose()
        };
        let [pre, post] = stretches;
        Ok(Self {
            pre: grid(pre)?,
            post: grid(post)?,
        })
    }

    /// The grid of the stretch that holds an instant.
    pub fn grid_at(&self, ts: i64) -> Option<&Grid> {
        let holds = |grid: &&Grid| grid.open() <= ts && ts < grid.close();
        self.pre.iter().chain(&self.post).find(holds)
    }

    /// Number of slots of both.
    pub fn len(&self) -> u32 {
        self.pre.iter().chain(&self.post).map(Grid::len).sum()
    }

    /// Whether there is no slot.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
