//! Fine bars into coarse ones: anchored to the session's open, never across its close, complete or flagged.
//!
//! Streaming, batch and late filling all add the base bars of a bucket in order of `ts`, so their values agree to the
//! last bit. Cost: O(1) per base bar and target.

use std::sync::Arc;

use crate::bar::{Bar, DERIVED, PARTIAL};
use crate::columns::Columns;
use crate::error::Result;
use crate::metrics::Sum;
use crate::schedule::{Grid, Stretch};
use crate::session_table::SessionTable;
use crate::time::Interval;

/// When a bucket yields a bar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Completeness {
    /// With at least one base bar, flagged `PARTIAL` when some are missing.
    #[default]
    Any,
    /// Only with every expected base bar.
    Complete,
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

/// The grids of one session that a derived series needs.
#[derive(Debug, Clone)]
pub struct Day {
    span: Stretch,
    base: Arc<Grid>,
    target: Arc<Grid>,
}

impl Day {
    /// Grids of a session for one base and one target interval.
    ///
    /// # Errors
    /// Those of [`SessionTable::grid`].
    pub fn new(
        table: &SessionTable,
        index: usize,
        base: Interval,
        target: Interval,
    ) -> Result<Self> {
        Ok(Self {
            span: table.session(index).span,
            base: Arc::new(table.grid(index, base)?),
            target: Arc::new(table.grid(index, target)?),
        })
    }

    fn holds(&self, ts: i64) -> bool {
        self.span.start <= ts && ts < self.span.end
    }

    /// Whether a base bar lies in regular hours, breaks left out.
    pub fn is_regular(&self, ts: i64) -> bool {
        self.base.bucket_of(ts).is_some()
    }

    /// The bucket that holds a base bar, `None` outside regular hours.
    pub fn bucket_at(&self, ts: i64) -> Option<Bucket> {
        self.base.bucket_of(ts)?;
        let slot = self.target.bucket_of(ts)?;
        let (start, end) = (self.target.start_of(slot), self.target.end_of(slot));
        Some(Bucket {
            start,
            end,
            expected: self.base.slots_before(end) - self.base.slots_before(start),
        })
    }
}

/// A stretch of a session that yields one derived bar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bucket {
    /// First instant, the label of its bar.
    pub start: i64,
    /// First instant after it.
    pub end: i64,
    /// Base bars it should have.
    pub expected: u32,
}

/// A bucket that is being filled.
#[derive(Debug, Clone, Copy)]
struct Forming {
    bucket: Bucket,
    bar: Bar,
    volume: Sum,
    count: u32,
}

impl Forming {
    fn new(bucket: Bucket, first: &Bar) -> Self {
        let mut volume = Sum::default();
        volume.add(first.volume);
        Self {
            bucket,
            bar: Bar {
                ts: bucket.start,
                ..*first
            },
            volume,
            count: 1,
        }
    }

    fn push(&mut self, bar: &Bar) {
        self.bar.high = self.bar.high.max(bar.high);
        self.bar.low = self.bar.low.min(bar.low);
        self.bar.close = bar.close;
        self.volume.add(bar.volume);
        self.count += 1;
    }

    fn finish(&self, completeness: Completeness) -> Option<Derived> {
        let whole = self.count >= self.bucket.expected;
        if completeness == Completeness::Complete && !whole {
            return None;
        }
        let flags = DERIVED | if whole { 0 } else { PARTIAL };
        let bar = Bar {
            volume: self.volume.value(),
            flags,
            ..self.bar
        };
        Some(Derived {
            bar,
            constituents: self.count,
            end: self.bucket.end,
        })
    }
}

/// The bar of one bucket from its base bars in order, `None` without one or when the rule asks for all of them.
pub fn fold(
    bucket: Bucket,
    bars: impl IntoIterator<Item = Bar>,
    completeness: Completeness,
) -> Option<Derived> {
    fill(bucket, bars)?.finish(completeness)
}

fn fill(bucket: Bucket, bars: impl IntoIterator<Item = Bar>) -> Option<Forming> {
    let mut bars = bars.into_iter();
    let mut forming = Forming::new(bucket, &bars.next()?);
    bars.for_each(|bar| forming.push(&bar));
    Some(forming)
}

/// What became of a base bar.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Pushed {
    /// It is part of the forming bucket, or of none. It may have ended an earlier bucket, whose bar this is.
    Taken(Option<Derived>),
    /// Its bucket has ended already and must be computed again.
    Past,
}

/// One derived series of one symbol while its base bars stream in.
#[derive(Debug)]
pub struct Aggregator {
    base: Interval,
    target: Interval,
    completeness: Completeness,
    day: Option<Day>,
    forming: Option<Forming>,
}

impl Aggregator {
    /// Nothing is forming yet.
    pub fn new(base: Interval, target: Interval, completeness: Completeness) -> Self {
        Self {
            base,
            target,
            completeness,
            day: None,
            forming: None,
        }
    }

    /// Forget the bucket that is forming, at the end of a session.
    pub fn reset(&mut self) {
        self.day = None;
        self.forming = None;
    }

    /// The session grids for an instant, `None` outside every session.
    ///
    /// # Errors
    /// Those of [`SessionTable::grid`].
    pub fn day_at(&self, table: &SessionTable, ts: i64) -> Result<Option<Day>> {
        match &self.day {
            Some(day) if day.holds(ts) => Ok(Some(day.clone())),
            _ => table
                .session_of(ts)
                .map(|index| Day::new(table, index, self.base, self.target))
                .transpose(),
        }
    }

    /// Take in the next base bar.
    ///
    /// `clock` is the instant up to which buckets have ended: a bar of an earlier bucket does not form it anew.
    ///
    /// # Errors
    /// Those of [`SessionTable::grid`].
    pub fn push(&mut self, table: &SessionTable, bar: &Bar, clock: i64) -> Result<Pushed> {
        if let Some(forming) = &mut self.forming {
            // Breaks inside the bucket hold no regular bar, so the bounds decide, but for bars out of hours.
            if forming.bucket.start <= bar.ts && bar.ts < forming.bucket.end {
                if self.day.as_ref().is_some_and(|day| day.is_regular(bar.ts)) {
                    forming.push(bar);
                }
                return Ok(Pushed::Taken(None));
            }
        }
        if !self.day.as_ref().is_some_and(|day| day.holds(bar.ts)) {
            let Some(day) = self.day_at(table, bar.ts)? else {
                return Ok(Pushed::Taken(None));
            };
            self.day = Some(day);
        }
        let bucket = self.day.as_ref().and_then(|day| day.bucket_at(bar.ts));
        let Some(bucket) = bucket else {
            return Ok(Pushed::Taken(None));
        };
        if bucket.end <= clock {
            return Ok(Pushed::Past);
        }
        let ended = self.forming.replace(Forming::new(bucket, bar));
        Ok(Pushed::Taken(
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

    /// End the forming bucket if the clock has reached its end. The bucket is gone afterwards, with or without a bar.
    pub fn close(&mut self, clock: i64) -> Option<Derived> {
        self.forming
            .take_if(|forming| forming.bucket.end <= clock)?
            .finish(self.completeness)
    }

    /// Fill the forming bucket again from its base bars, after one of them came late or was corrected.
    pub fn refill(&mut self, bucket: Bucket, bars: impl IntoIterator<Item = Bar>) {
        self.forming = fill(bucket, bars);
    }

    /// The completeness rule.
    pub fn completeness(&self) -> Completeness {
        self.completeness
    }
}

/// All derived bars of one session from its base bars in order.
///
/// # Errors
/// Those of [`SessionTable::grid`].
pub fn aggregate_session(
    table: &SessionTable,
    index: usize,
    base: Interval,
    target: Interval,
    bars: impl IntoIterator<Item = Bar>,
    completeness: Completeness,
) -> Result<Vec<Derived>> {
    let mut aggregator = Aggregator::new(base, target, completeness);
    aggregator.day = Some(Day::new(table, index, base, target)?);
    let span = table.session(index).span;
    let mut derived = Vec::new();
    for bar in bars {
        if span.start <= bar.ts && bar.ts < span.end {
            if let Pushed::Taken(Some(ended)) = aggregator.push(table, &bar, i64::MIN)? {
                derived.push(ended);
            }
        }
    }
    derived.extend(aggregator.close(i64::MAX));
    Ok(derived)
}

/// All derived bars of all sessions of a table from base bars in order. Bars outside regular hours take no part.
///
/// # Errors
/// Those of [`SessionTable::grid`].
pub fn aggregate(
    table: &SessionTable,
    base: Interval,
    target: Interval,
    bars: impl IntoIterator<Item = Bar>,
    completeness: Completeness,
) -> Result<Columns> {
    let mut aggregator = Aggregator::new(base, target, completeness);
    let mut columns = Columns::with_capacity(0, true);
    for bar in bars {
        if let Pushed::Taken(Some(derived)) = aggregator.push(table, &bar, i64::MIN)? {
            columns.push_derived(derived.bar, derived.constituents as i32);
        }
    }
    if let Some(derived) = aggregator.close(i64::MAX) {
        columns.push_derived(derived.bar, derived.constituents as i32);
    }
    Ok(columns)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session_table::tests::table;
    use crate::time::MINUTE;

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
        let target = target.parse().unwrap();
        aggregate_session(
            &table,
            0,
            Interval::ONE_MINUTE,
            target,
            minutes.map(minute),
            rule,
        )
        .unwrap()
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
