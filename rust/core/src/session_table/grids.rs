//! The grids of a session: expected bar starts and buckets, of its extended hours too, and from where they are counted.

use crate::error::{Error, Result};
use crate::schedule::{Anchor, ExtendedGrids, Grid};
use crate::session_table::SessionTable;
use crate::time::Interval;

impl SessionTable {
    /// The expected bar starts of a session at an interval of at most one session.
    ///
    /// # Errors
    /// [`Error::TooCoarse`] for more than one session.
    pub fn grid(&self, index: usize, interval: Interval) -> Result<Grid> {
        Grid::new(self.session(index).segments, interval, Anchor::Session, 0)
    }

    /// The buckets of a session, counted from an anchor.
    ///
    /// # Errors
    /// As [`SessionTable::grid`]; [`Error::NoSession`] for wall-clock buckets while midnights are unknown.
    pub fn buckets(&self, index: usize, interval: Interval, anchor: Anchor) -> Result<Grid> {
        let midnight = self.midnight(index, anchor)?;
        Grid::new(self.session(index).segments, interval, anchor, midnight)
    }

    /// The bar starts or buckets of a session's pre- and post-market; none for bars of a day or longer.
    ///
    /// # Errors
    /// As [`SessionTable::buckets`].
    pub fn extended_grids(
        &self,
        index: usize,
        interval: Interval,
        anchor: Anchor,
    ) -> Result<ExtendedGrids> {
        let session = self.session(index);
        let stretches = [session.pre_market(), session.post_market()];
        let midnight = self.midnight(index, anchor)?;
        ExtendedGrids::new(stretches, interval, anchor, midnight)
    }

    /// From where wall-clock multiples of a session are counted; of no meaning for other anchors.
    fn midnight(&self, index: usize, anchor: Anchor) -> Result<i64> {
        match (anchor, self.midnights.get()) {
            (Anchor::Clock, None) => Err(NO_MIDNIGHTS),
            (Anchor::Clock, Some(midnights)) => Ok(midnights[index]),
            (Anchor::Session | Anchor::Segment, _) => Ok(0),
        }
    }

    /// Tell the table at which instant the local day of each session date begins. Doing so again changes nothing.
    ///
    /// # Errors
    /// [`Error::Shape`] unless there is one for each session.
    pub fn set_midnights(&self, midnights: Vec<i64>) -> Result<()> {
        if midnights.len() != self.len() {
            return Err(Error::Shape {
                column: "midnights",
                got: midnights.len(),
                expected: self.len(),
            });
        }
        // Midnights follow from zone and dates, so whoever comes second brings the same.
        let _ = self.midnights.set(midnights);
        Ok(())
    }

    /// Whether local midnights are known.
    pub fn has_midnights(&self) -> bool {
        self.midnights.get().is_some()
    }
}

const NO_MIDNIGHTS: Error = Error::NoSession {
    what: "the table does not know when its local days begin",
};
