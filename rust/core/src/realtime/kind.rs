//! What an indicator is: its kind, its period, the field of a bar that it reads.

use crate::bar::Bar;
use crate::error::{Error, Result};

/// How a value follows from the bars.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Mean of the newest `n` values.
    Sma,
    /// Exponential average with the weight 2 / (n + 1), which starts from the mean of the first `n` values.
    Ema,
    /// Relative strength over `n` changes.
    ///
    /// J. W. Wilder, New Concepts in Technical Trading Systems (1978).
    Rsi,
    /// Average of the true range over `n` bars (the same book).
    Atr,
    /// Average of the typical price (high + low + close) / 3 since the open, weighted by volume.
    Vwap,
    /// Sample deviation of the newest `n` values.
    Stdev,
    /// Highest of the newest `n` values.
    High,
    /// Lowest of the newest `n` values.
    Low,
}

/// Every kind with the word for it.
pub const KINDS: [(&str, Kind); 8] = [
    ("sma", Kind::Sma),
    ("ema", Kind::Ema),
    ("rsi", Kind::Rsi),
    ("atr", Kind::Atr),
    ("vwap", Kind::Vwap),
    ("stdev", Kind::Stdev),
    ("high", Kind::High),
    ("low", Kind::Low),
];

/// Which number of a bar is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Field {
    /// First price.
    Open,
    /// Highest price.
    High,
    /// Lowest price.
    Low,
    /// Last price.
    #[default]
    Close,
    /// Traded volume.
    Volume,
}

/// Every field with the word for it.
pub const FIELDS: [(&str, Field); 5] = [
    ("open", Field::Open),
    ("high", Field::High),
    ("low", Field::Low),
    ("close", Field::Close),
    ("volume", Field::Volume),
];

impl Field {
    /// The number of a bar; a negative zero counts as zero.
    #[inline]
    pub(super) fn of(self, bar: &Bar) -> f64 {
        let value = match self {
            Self::Open => bar.open,
            Self::High => bar.high,
            Self::Low => bar.low,
            Self::Close => bar.close,
            Self::Volume => bar.volume,
        };
        value + 0.0
    }
}

/// An indicator that keeps its rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spec {
    pub(super) kind: Kind,
    pub(super) period: usize,
    pub(super) field: Field,
    pub(super) warmup: bool,
}

impl Spec {
    /// An indicator over `period` bars that reads `field`, by default the close.
    ///
    /// With `warmup` the bars of history feed it before those of the session. An average since the open has no period and
    /// no history; it and the true range read the prices they need.
    ///
    /// # Errors
    /// [`Error::Indicator`] for a period that is missing, too short or not wanted, or a field that is not wanted.
    pub fn new(
        kind: Kind,
        period: Option<usize>,
        field: Option<Field>,
        warmup: bool,
    ) -> Result<Self> {
        let fault = |rule| {
            let named = KINDS.iter().find(|(_, known)| *known == kind);
            Err(Error::Indicator {
                kind: named.map_or("", |(name, _)| name),
                period,
                rule,
            })
        };
        if matches!(kind, Kind::Vwap | Kind::Atr) && field.is_some_and(|f| f != Field::Close) {
            return fault("it reads high, low and close; leave field out");
        }
        let period = match (kind, period) {
            (Kind::Vwap, None) => 0,
            (Kind::Vwap, Some(_)) => return fault("it runs since the open; leave period out"),
            (_, None) => return fault("period is missing; give a number of bars such as 14"),
            (_, Some(0)) => return fault("period must be at least 1 bar"),
            (Kind::Stdev, Some(1)) => return fault("period must be at least 2 bars"),
            (_, Some(period)) if period > MOST => return fault("period must be at most 1,000,000"),
            (_, Some(period)) => period,
        };
        Ok(Self {
            kind,
            period,
            field: field.unwrap_or_default(),
            warmup: warmup && kind != Kind::Vwap,
        })
    }

    /// How many bars of history it takes at most; `None` takes all.
    pub(super) fn history(&self) -> Option<usize> {
        match self.kind {
            _ if !self.warmup => Some(0),
            Kind::Sma | Kind::Stdev | Kind::High | Kind::Low => Some(self.period),
            Kind::Ema | Kind::Rsi | Kind::Atr | Kind::Vwap => None,
        }
    }
}

/// The longest period.
const MOST: usize = 1_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn periods_and_fields_that_make_no_sense_are_refused() {
        let refused = |kind, period, field| Spec::new(kind, period, field, true).is_err();
        for (_, kind) in KINDS {
            assert_eq!(refused(kind, None, None), kind != Kind::Vwap);
            assert!(refused(kind, Some(0), None));
            assert!(refused(kind, Some(MOST + 1), None));
            assert_eq!(
                refused(kind, Some(1), None),
                matches!(kind, Kind::Vwap | Kind::Stdev)
            );
        }
        assert!(refused(Kind::Atr, Some(3), Some(Field::Volume)));
        assert!(refused(Kind::Vwap, None, Some(Field::High)));
        assert!(!refused(Kind::Atr, Some(3), Some(Field::Close)));
    }
}
