//! Fine bars into coarse ones: anchored to the session, never across its close, complete or flagged.
//!
//! Streaming, batch and late filling all add the base bars of a bucket in order of `ts`, so their values agree to the
//! last bit. Cost: O(1) per base bar and target. Here bars come one by one; whole columns are in [`resample`].

mod bucket;
mod forming;
pub mod resample;

use crate::bar::{Bar, PARTIAL};
use crate::error::Result;
use crate::schedule::Role;
use crate::session_table::SessionTable;
pub(crate) use bucket::BaseGrids;
pub use bucket::{Bucket, Day, Rule};
use forming::Forming;

/// When a bucket yields a bar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Completeness {
    /// With at least one base bar, flagged `PARTIAL` when some are missing.
    #[default]
    Any,
    /// Only with every expected base bar.
    Complete,
    /// With at least one base bar, which makes it whole: where nobody trades, none is missing.
    Present,
}

/// A bar of a derived series.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Derived {
    /// Its values; flags hold `DERIVED` and, where base bars are missing, `PARTIAL`.
    pub bar: Bar,
    /// Number of base bars in it.
    pub constituents: u32,
    /// Its end, from which it is known.
    pub end: i64,
}

/// What became of a base bar.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Pushed {
    /// It is part of the bucket that was forming already, or of none.
    Taken,
    /// It opened a bucket, which may have ended an earlier one, whose bar this is.
    Opened(Option<Derived>),
    /// Its bucket has ended already and must be computed again.
    Past,
}

/// One derived series of one symbol while its base bars stream in.
#[derive(Debug)]
pub struct Aggregator {
    rule: Rule,
    completeness: Completeness,
    day: Option<Day>,
    forming: Option<Forming>,
    /// What earlier sessions gave to a bucket of days or weeks that is not over.
    carried: Option<Box<Forming>>,
}

impl Aggregator {
    /// Nothing is forming yet.
    pub fn new(rule: Rule, completeness: Completeness) -> Self {
        Self {
            rule,
            completeness,
            day: None,
            forming: None,
            carried: None,
        }
    }

    /// What is derived from what.
    pub fn rule(&self) -> Rule {
        self.rule
    }

    /// Begin a session at `start`. A bucket that ended before is given back; one of days or weeks that goes on is kept,
    /// without the bars of the session that stands where these are dropped.
    pub fn begin_session(&mut self, start: i64, keeps: bool) -> Option<Derived> {
        self.day = None;
        if !keeps {
            self.forming = self.carried.as_deref().copied();
        }
        let ended = self.close(start);
        // Buckets within a session end with it, whatever the clock says.
        let goes_on = |forming: &Forming| forming.bucket.end > start && forming.bucket.from < start;
        self.forming = self.forming.filter(goes_on);
        self.carried = self.forming.map(Box::new);
        ended
    }

    /// The bucket of days or weeks that session `index` is part of.
    ///
    /// # Errors
    /// Those of [`SessionTable::grid`].
    pub fn group_bucket(&self, table: &SessionTable, index: usize) -> Result<Bucket> {
        bucket::group_bucket(table, index, self.rule)
    }

    /// Let a bucket of days or weeks go on from the base bars that earlier sessions gave to it.
    pub fn carry(&mut self, bucket: Bucket, bars: impl IntoIterator<Item = (Bar, Role)>) {
        let known = self.carried_into(bucket);
        let found = Forming::fill(bucket, None, bars);
        // Of a bucket whose base bars were let go of since, what is left is not the truth.
        let fewer = known.is_some_and(|known| found.is_none_or(|found| found.count < known.count));
        self.forming = if fewer { known } else { found };
        self.carried = self.forming.map(Box::new);
    }

    /// The session's buckets for an instant, `None` outside every session.
    ///
    /// # Errors
    /// Those of [`SessionTable::buckets`].
    pub fn day_at(&self, table: &SessionTable, ts: i64) -> Result<Option<Day>> {
        match &self.day {
            Some(day) if day.holds(ts) => Ok(Some(day.clone())),
            _ => table
                .session_of(ts)
                .map(|index| Day::new(table, index, self.rule))
                .transpose(),
        }
    }

    /// Take in the next base bar of regular hours.
    ///
    /// `clock` is the instant up to which buckets have ended: a bar of an earlier bucket does not form it anew.
    ///
    /// # Errors
    /// Those of [`SessionTable::buckets`].
    #[inline]
    pub fn push(&mut self, table: &SessionTable, bar: &Bar, clock: i64) -> Result<Pushed> {
        if let Some(forming) = &mut self.forming
            && forming.bucket.holds(bar.ts)
        {
            forming.push(bar);
            return Ok(Pushed::Taken);
        }
        self.open_bucket(table, bar, Role::Regular, clock)
    }

    /// The same for a bar of pre- or post-market, which may take no part.
    ///
    /// # Errors
    /// As [`Aggregator::push`].
    pub fn push_extended(&mut self, table: &SessionTable, bar: &Bar, clock: i64) -> Result<Pushed> {
        if !self.rule.takes_extended() {
            return Ok(Pushed::Taken);
        }
        if let Some(forming) = &mut self.forming
            && forming.bucket.holds(bar.ts)
        {
            forming.push_extended(bar);
            return Ok(Pushed::Taken);
        }
        self.open_bucket(table, bar, Role::Extended, clock)
    }

    /// The same for a bar of either role.
    ///
    /// # Errors
    /// As [`Aggregator::push`].
    #[inline]
    pub fn push_as(
        &mut self,
        role: Role,
        table: &SessionTable,
        bar: &Bar,
        clock: i64,
    ) -> Result<Pushed> {
        match role {
            Role::Regular => self.push(table, bar, clock),
            Role::Extended => self.push_extended(table, bar, clock),
        }
    }

    fn open_bucket(
        &mut self,
        table: &SessionTable,
        bar: &Bar,
        role: Role,
        clock: i64,
    ) -> Result<Pushed> {
        if !self.day.as_ref().is_some_and(|day| day.holds(bar.ts)) {
            let Some(day) = self.day_at(table, bar.ts)? else {
                return Ok(Pushed::Taken);
            };
            self.day = Some(day);
        }
        let bucket = self.day.as_ref().and_then(|day| day.bucket_at(bar.ts));
        let Some(bucket) = bucket else {
            return Ok(Pushed::Taken);
        };
        if bucket.end <= clock {
            return Ok(Pushed::Past);
        }
        let ended = self.forming.replace(Forming::new(bucket, bar, role));
        Ok(Pushed::Opened(
            ended.and_then(|forming| forming.finish(self.completeness)),
        ))
    }

    /// The bucket that is forming.
    pub fn forming_bucket(&self) -> Option<Bucket> {
        self.forming.as_ref().map(|forming| forming.bucket)
    }

    /// The bar that is forming, always flagged `PARTIAL`.
    pub fn forming_bar(&self) -> Option<Derived> {
        let forming = self.forming.as_ref()?;
        let mut derived = forming.finish(Completeness::Any)?;
        derived.bar.flags |= PARTIAL;
        Some(derived)
    }

    /// Whether the forming bucket lacks none of its bars.
    pub fn is_whole(&self) -> bool {
        self.forming.as_ref().is_some_and(Forming::is_whole)
    }

    /// End the forming bucket if the clock has reached its end. The bucket is gone afterwards, with or without a bar.
    pub fn close(&mut self, clock: i64) -> Option<Derived> {
        self.forming
            .take_if(|forming| forming.bucket.end <= clock)?
            .finish(self.completeness)
    }

    fn carried_into(&self, bucket: Bucket) -> Option<Forming> {
        let carried = self.carried.as_deref().copied();
        carried.filter(|carried| carried.bucket == bucket)
    }

    /// Fill the forming bucket again from the session's base bars, after one of them came late or was corrected.
    pub fn refill(&mut self, bucket: Bucket, bars: impl IntoIterator<Item = (Bar, Role)>) {
        self.forming = Forming::fill(bucket, self.carried_into(bucket), bars);
    }

    /// Compute a bucket that has ended again, from the session's base bars.
    pub fn fold(
        &self,
        bucket: Bucket,
        bars: impl IntoIterator<Item = (Bar, Role)>,
    ) -> Option<Derived> {
        Forming::fill(bucket, self.carried_into(bucket), bars)?.finish(self.completeness)
    }

    /// The completeness rule.
    pub fn completeness(&self) -> Completeness {
        self.completeness
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bar::DERIVED;
    use crate::schedule::{Anchor, ExtendedHours};
    use crate::session_table::tests::table;
    use crate::time::{Interval, MINUTE};

    fn minute(at: i64) -> Bar {
        let price = at as f64;
        Bar {
            ts: at * MINUTE,
            open: price,
            high: price + 1.0,
            low: price - 1.0,
            close: price + 0.5,
            volume: 10.0,
            flags: 1,
        }
    }

    fn derive(
        stretches: &[(i64, i64)],
        minutes: impl Iterator<Item = i64>,
        target: &str,
        rule: Completeness,
    ) -> Vec<Derived> {
        let table = table(&[stretches]);
        let mut aggregator = Aggregator::new(
            Rule {
                base: Interval::ONE_MINUTE,
                target: target.parse().unwrap(),
                anchor: Anchor::Session,
                extended_hours: ExtendedHours::Off,
            },
            rule,
        );
        let mut derived = Vec::new();
        let grid = table.grid(0, Interval::ONE_MINUTE).unwrap();
        for at in minutes.filter(|at| grid.slot_of(at * MINUTE).is_some()) {
            if let Pushed::Opened(Some(ended)) =
                aggregator.push(&table, &minute(at), i64::MIN).unwrap()
            {
                derived.push(ended);
            }
        }
        derived.extend(aggregator.close(i64::MAX));
        derived
    }

    #[test]
    fn a_bucket_with_a_missing_minute_is_flagged_or_absent() {
        let present = || (570..590).filter(|&m| m != 582);
        let any = derive(&[(570, 960)], present(), "5m", Completeness::Any);
        assert_eq!(any.len(), 4);
        assert_eq!(
            (any[2].constituents, any[2].bar.flags),
            (4, DERIVED | PARTIAL)
        );
        assert_eq!((any[1].constituents, any[1].bar.flags), (5, DERIVED));
        let complete = derive(&[(570, 960)], present(), "5m", Completeness::Complete);
        assert_eq!(
            complete
                .iter()
                .map(|d| d.bar.ts / MINUTE)
                .collect::<Vec<_>>(),
            [570, 575, 585]
        );
    }

    #[test]
    fn the_last_bucket_expects_only_what_fits_before_the_close() {
        let hours = derive(&[(570, 960)], 570..960, "1h", Completeness::Complete);
        assert_eq!(hours.len(), 7);
        assert_eq!((hours[6].constituents, hours[6].end), (30, 960 * MINUTE));
    }

    #[test]
    fn a_day_takes_its_length_from_the_session() {
        let day = derive(&[(570, 780)], 570..780, "1d", Completeness::Complete);
        assert_eq!(day.len(), 1);
        assert_eq!((day[0].constituents, day[0].bar.volume), (210, 2_100.0));
        assert_eq!((day[0].bar.open, day[0].bar.close), (570.0, 779.5));
    }

    #[test]
    fn bars_in_a_break_or_out_of_hours_take_no_part() {
        let hours = derive(
            &[(540, 690), (750, 900)],
            500..1000,
            "1h",
            Completeness::Any,
        );
        assert_eq!(
            hours.iter().map(|d| d.constituents).collect::<Vec<_>>(),
            [60, 60, 30, 30, 60, 60]
        );
    }
}
