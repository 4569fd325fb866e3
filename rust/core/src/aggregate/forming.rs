//! The bar of one bucket while its base bars come in.

use crate::aggregate::bucket::Bucket;
use crate::aggregate::{Completeness, Derived};
use crate::bar::{Bar, DERIVED, EXTENDED, PARTIAL};
use crate::metrics::Sum;
use crate::schedule::Role;

/// A bucket that is being filled with base bars in order of `ts`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Forming {
    pub(super) bucket: Bucket,
    pub(super) bar: Bar,
    pub(super) volume: Sum,
    pub(super) count: u32,
    /// How many of them none expected.
    pub(super) extended: u32,
}

impl Forming {
    pub(super) fn new(bucket: Bucket, first: &Bar, role: Role) -> Self {
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
            extended: u32::from(role == Role::Extended),
        }
    }

    pub(super) fn push(&mut self, bar: &Bar) {
        self.bar.high = higher(self.bar.high, bar.high);
        self.bar.low = lower(self.bar.low, bar.low);
        self.bar.close = bar.close;
        self.volume.add(bar.volume);
        self.count += 1;
    }

    pub(super) fn push_extended(&mut self, bar: &Bar) {
        self.push(bar);
        self.extended += 1;
    }

    pub(super) fn is_whole(&self) -> bool {
        self.count - self.extended >= self.bucket.expected
    }

    pub(super) fn finish(&self, completeness: Completeness) -> Option<Derived> {
        let whole = completeness == Completeness::Present || self.is_whole();
        if completeness == Completeness::Complete && !whole {
            return None;
        }
        let mut flags = DERIVED | if whole { 0 } else { PARTIAL };
        if self.bucket.is_extended() {
            flags |= EXTENDED;
        }
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

    /// The base bars of a bucket on top of those that came before them.
    pub(super) fn fill(
        bucket: Bucket,
        carried: Option<Self>,
        bars: impl IntoIterator<Item = (Bar, Role)>,
    ) -> Option<Self> {
        let mut forming = carried;
        for (bar, role) in bars {
            match (&mut forming, role) {
                (Some(forming), Role::Regular) => forming.push(&bar),
                (Some(forming), Role::Extended) => forming.push_extended(&bar),
                (None, _) => forming = Some(Self::new(bucket, &bar, role)),
            }
        }
        forming
    }
}

/// The same choice everywhere, so that streaming and batch agree to the bit even on the two zeros.
pub(super) fn higher(a: f64, b: f64) -> f64 {
    if b > a { b } else { a }
}

/// As [`higher`].
pub(super) fn lower(a: f64, b: f64) -> f64 {
    if b < a { b } else { a }
}
