//! One bar: its values, its flags, its validity. Not where bars are kept.

/// Delivered by a replay or feed, or added during a session.
pub const STREAMED: u8 = 1;
/// Fetched by the gap filler.
pub const BACKFILLED: u8 = 2;
/// Replaced an earlier bar of the same key with other values.
pub const CORRECTED: u8 = 4;
/// Computed from the base series.
pub const DERIVED: u8 = 8;
/// Starts outside the regular hours of its session date.
pub const EXTENDED: u8 = 16;
/// Came from storage or an import.
pub const IMPORTED: u8 = 32;
/// Derived from fewer base bars than expected.
pub const PARTIAL: u8 = 64;
/// Entered after a later bar of its series was there.
pub const LATE: u8 = 128;

/// Open, high, low, close and volume over one interval, labelled by its start.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Bar {
    /// Opening instant, ns UTC.
    pub ts: i64,
    /// First price.
    pub open: f64,
    /// Highest price.
    pub high: f64,
    /// Lowest price.
    pub low: f64,
    /// Last price.
    pub close: f64,
    /// Traded volume.
    pub volume: f64,
    /// Provenance bits.
    pub flags: u8,
}

/// A field that breaks its rule.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Fault {
    /// Name of the field.
    pub field: &'static str,
    /// Its value.
    pub value: f64,
    /// The rule it breaks.
    pub rule: &'static str,
}

impl Bar {
    /// Whether the five values are equal; flags do not count.
    pub fn same_values(&self, other: &Self) -> bool {
        self.open == other.open
            && self.high == other.high
            && self.low == other.low
            && self.close == other.close
            && self.volume == other.volume
    }

    /// Whether no rule is broken: what nearly every bar is asked, without saying which rule.
    #[inline]
    pub(crate) fn is_sound(&self, allow_negative_prices: bool) -> bool {
        let least = if allow_negative_prices {
            f64::NEG_INFINITY
        } else {
            0.0
        };
        // NaN fails every comparison, and what lies between two finite prices is finite. Without a branch for each. A number
        // is compared with the largest there is: from two comparisons with infinity the compiler makes a longer look at bits.
        (self.low <= self.open)
            & (self.open <= self.high)
            & (self.low <= self.close)
            & (self.close <= self.high)
            & (self.low > least)
            & (self.high <= f64::MAX)
            & (self.volume >= 0.0)
            & (self.volume <= f64::MAX)
    }

    /// The first rule the values break, or `None`.
    #[inline]
    pub fn fault(&self, allow_negative_prices: bool) -> Option<Fault> {
        if self.is_sound(allow_negative_prices) {
            return None;
        }
        self.first_broken_rule(allow_negative_prices)
    }

    #[cold]
    fn first_broken_rule(&self, allow_negative_prices: bool) -> Option<Fault> {
        let prices = [
            ("open", self.open),
            ("high", self.high),
            ("low", self.low),
            ("close", self.close),
        ];
        for (field, value) in prices.into_iter().chain([("volume", self.volume)]) {
            if !value.is_finite() {
                return Some(Fault {
                    field,
                    value,
                    rule: "must be a finite number",
                });
            }
        }
        if self.low > self.high {
            return Some(Fault {
                field: "low",
                value: self.low,
                rule: "must not be above high",
            });
        }
        for (field, value) in [("open", self.open), ("close", self.close)] {
            if value < self.low || value > self.high {
                return Some(Fault {
                    field,
                    value,
                    rule: "must lie between low and high",
                });
            }
        }
        if self.volume < 0.0 {
            return Some(Fault {
                field: "volume",
                value: self.volume,
                rule: "must not be negative",
            });
        }
        // With open and close between low and high, the lowest price decides.
        if !allow_negative_prices && self.low <= 0.0 {
            return Some(Fault {
                field: "low",
                value: self.low,
                rule: "must be above zero unless allow_negative_prices is set",
            });
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bar() -> Bar {
        Bar {
            ts: 0,
            open: 2.0,
            high: 3.0,
            low: 1.0,
            close: 2.5,
            volume: 10.0,
            flags: 0,
        }
    }

    #[test]
    fn each_broken_rule_names_its_field() {
        let cases = [
            (
                Bar {
                    open: f64::NAN,
                    ..bar()
                },
                "open",
            ),
            (
                Bar {
                    volume: f64::INFINITY,
                    ..bar()
                },
                "volume",
            ),
            (Bar { high: 0.5, ..bar() }, "low"),
            (Bar { open: 3.5, ..bar() }, "open"),
            (
                Bar {
                    close: 0.5,
                    ..bar()
                },
                "close",
            ),
            (
                Bar {
                    volume: -1.0,
                    ..bar()
                },
                "volume",
            ),
            (Bar { low: 0.0, ..bar() }, "low"),
        ];
        for (broken, field) in cases {
            assert_eq!(broken.fault(false).map(|f| f.field), Some(field));
        }
        assert_eq!(bar().fault(false), None);
    }

    #[test]
    fn negative_prices_pass_where_they_are_allowed() {
        let oil = Bar {
            open: -37.0,
            high: -30.0,
            low: -40.0,
            close: -37.6,
            ..bar()
        };
        assert!(oil.fault(false).is_some());
        assert_eq!(oil.fault(true), None);
    }
}
