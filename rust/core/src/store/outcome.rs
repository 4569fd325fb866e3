//! What becomes of an offered bar, and the counters that prove that none is lost.

use crate::bar::Bar;
use crate::time::Interval;

/// Exactly one of these happens to every offered bar that is not an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// New key, newer than all bars of its series and scope: appended.
    Accepted,
    /// New key, older than the newest: inserted in order.
    Late,
    /// The key exists with the same values, or repeats are ignored: dropped.
    Duplicate,
    /// The key exists with other values: replaced.
    Correction,
    /// Invalid, or a repeat where repeats are errors: nothing stored.
    Rejected,
    /// Valid but without a place: kept aside.
    Quarantined,
}

/// What to do when a key comes again with other values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnDuplicate {
    /// Replace the stored bar.
    #[default]
    Replace,
    /// Keep the stored bar.
    Ignore,
    /// Refuse.
    Error,
}

/// What to do with invalid rows of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnInvalid {
    /// Refuse the whole batch.
    #[default]
    Error,
    /// Store the good rows, count the bad ones.
    Skip,
}

/// How many bars were offered and what became of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct IngestCounts {
    /// Bars offered.
    pub offered: u64,
    /// Appended.
    pub accepted: u64,
    /// Dropped as repeats.
    pub duplicates: u64,
    /// Replaced an earlier bar.
    pub corrections: u64,
    /// Inserted in order.
    pub late: u64,
    /// Refused.
    pub rejected: u64,
    /// Kept aside.
    pub quarantined: u64,
}

impl IngestCounts {
    /// Count one outcome.
    pub fn count(&mut self, outcome: Outcome) {
        self.offered += 1;
        match outcome {
            Outcome::Accepted => self.accepted += 1,
            Outcome::Late => self.late += 1,
            Outcome::Duplicate => self.duplicates += 1,
            Outcome::Correction => self.corrections += 1,
            Outcome::Rejected => self.rejected += 1,
            Outcome::Quarantined => self.quarantined += 1,
        }
    }

    /// Add another set of counts.
    pub fn add(&mut self, other: &Self) {
        self.offered += other.offered;
        self.accepted += other.accepted;
        self.duplicates += other.duplicates;
        self.corrections += other.corrections;
        self.late += other.late;
        self.rejected += other.rejected;
        self.quarantined += other.quarantined;
    }

    /// What was counted since `earlier`.
    pub fn since(&self, earlier: &Self) -> Self {
        Self {
            offered: self.offered - earlier.offered,
            accepted: self.accepted - earlier.accepted,
            duplicates: self.duplicates - earlier.duplicates,
            corrections: self.corrections - earlier.corrections,
            late: self.late - earlier.late,
            rejected: self.rejected - earlier.rejected,
            quarantined: self.quarantined - earlier.quarantined,
        }
    }
}

/// Counters beside the quality of one symbol's session.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SessionCounts {
    /// Repeats, whether dropped or applied as corrections.
    pub duplicates: u64,
    /// Arrivals that start before the newest bar, whatever became of them.
    pub out_of_order: u64,
    /// Bars outside the regular hours of their date.
    pub out_of_session: u64,
    /// Bars off the grid's step.
    pub off_grid: u64,
}

/// A replaced bar.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Revision {
    /// Interval of the series.
    pub interval: Interval,
    /// The bar before.
    pub old: Bar,
    /// The bar after.
    pub new: Bar,
    /// Clock of the store when the new bar came, ns UTC; `i64::MIN` before there is one.
    pub clock: i64,
}

/// A valid bar without a place.
#[derive(Debug, Clone, PartialEq)]
pub struct Quarantined {
    /// Symbol, upper-cased.
    pub symbol: String,
    /// Interval of the series it was offered to.
    pub interval: Interval,
    /// The bar.
    pub bar: Bar,
    /// Why it has no place: `off_grid` or `later_session`.
    pub reason: &'static str,
}

/// Policies of a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policies {
    /// Repeated keys with other values.
    pub on_duplicate: OnDuplicate,
    /// Invalid rows.
    pub on_invalid: OnInvalid,
    /// Whether prices may be zero or below.
    pub allow_negative_prices: bool,
    /// When a bucket yields a bar.
    pub completeness: crate::aggregate::Completeness,
    /// From where buckets are counted.
    pub anchor: crate::schedule::Anchor,
    /// What bars of pre- and post-market take part in.
    pub extended_hours: crate::schedule::ExtendedHours,
    /// How many symbols it keeps at most.
    pub max_symbols: usize,
}

impl Default for Policies {
    fn default() -> Self {
        Self {
            on_duplicate: OnDuplicate::default(),
            on_invalid: OnInvalid::default(),
            allow_negative_prices: false,
            completeness: Default::default(),
            anchor: Default::default(),
            extended_hours: Default::default(),
            max_symbols: 100_000,
        }
    }
}
