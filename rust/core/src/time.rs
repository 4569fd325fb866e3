//! Instants and intervals. Reads no clock and knows no time zone.

use std::fmt;
use std::str::FromStr;

use crate::error::{Error, Result};

/// Nanoseconds in a second.
pub const SECOND: i64 = 1_000_000_000;
/// Nanoseconds in a minute.
pub const MINUTE: i64 = 60 * SECOND;
/// Nanoseconds in an hour.
pub const HOUR: i64 = 60 * MINUTE;
/// Nanoseconds in a day of 24 hours, which is not a session.
pub const DAY: i64 = 24 * HOUR;

/// Length of a bar.
///
/// The derived order compares lengths: every fixed length is below a session, every number of sessions below a week.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Interval {
    /// A fixed number of nanoseconds, below 24 hours.
    Fixed(i64),
    /// A number of sessions.
    Sessions(u32),
    /// A number of ISO weeks.
    Weeks(u32),
}

impl Interval {
    /// One minute, the default base interval.
    pub const ONE_MINUTE: Self = Self::Fixed(MINUTE);
    /// One session.
    pub const ONE_DAY: Self = Self::Sessions(1);

    /// A fixed interval of `ns` nanoseconds.
    ///
    /// # Errors
    /// [`Error::Interval`] unless `ns` is a whole number of seconds, above zero and below 24 hours.
    pub fn fixed(ns: i64) -> Result<Self> {
        let fault = |rule| {
            Err(Error::Interval {
                text: format!("{ns} ns"),
                rule,
            })
        };
        if ns <= 0 {
            fault(POSITIVE)
        } else if ns >= DAY {
            fault(BELOW_A_DAY)
        } else if ns % SECOND != 0 {
            fault("must be a whole number of seconds")
        } else {
            Ok(Self::Fixed(ns))
        }
    }

    /// An interval of whole minutes.
    ///
    /// # Errors
    /// [`Error::Interval`] unless above zero and below 24 hours.
    pub fn minutes(count: i64) -> Result<Self> {
        count
            .checked_mul(MINUTE)
            .map_or_else(|| Self::fixed(i64::MAX), Self::fixed)
            .map_err(|e| match e {
                Error::Interval { rule, .. } => Error::Interval {
                    text: count.to_string(),
                    rule,
                },
                other => other,
            })
    }

    /// Length in nanoseconds, `None` for sessions and weeks, whose length the calendar decides.
    pub fn ns(self) -> Option<i64> {
        match self {
            Self::Fixed(ns) => Some(ns),
            Self::Sessions(_) | Self::Weeks(_) => None,
        }
    }

    /// Whether every bucket of `coarser` is a union of buckets of `self`.
    pub fn divides(self, coarser: Self) -> bool {
        match (self, coarser) {
            (Self::Fixed(fine), Self::Fixed(coarse)) => coarse % fine == 0,
            (Self::Fixed(_), _) | (Self::Sessions(1), Self::Weeks(_)) => true,
            (Self::Sessions(fine), Self::Sessions(coarse))
            | (Self::Weeks(fine), Self::Weeks(coarse)) => coarse % fine == 0,
            (Self::Sessions(_), _) | (Self::Weeks(_), _) => false,
        }
    }
}

const POSITIVE: &str = "must be above zero";
const BELOW_A_DAY: &str = "must be below 24 hours; a day is a session, not 24 hours; use '1d'";
const FORM: &str = "must be a whole number followed by s, m, h, d or w, such as '5m'";

impl FromStr for Interval {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let fault = |rule| Error::Interval {
            text: text.to_owned(),
            rule,
        };
        let trimmed = text.trim();
        let split = trimmed
            .find(|c: char| !c.is_ascii_digit())
            .ok_or_else(|| fault(FORM))?;
        let (digits, unit) = trimmed.split_at(split);
        let count: i64 = digits.parse().map_err(|_| fault(FORM))?;
        let fixed = |unit_ns: i64| {
            count
                .checked_mul(unit_ns)
                .map_or_else(|| Self::fixed(i64::MAX), Self::fixed)
                .map_err(|e| match e {
                    Error::Interval { rule, .. } => fault(rule),
                    other => other,
                })
        };
        let whole = || {
            u32::try_from(count)
                .ok()
                .filter(|&n| n > 0)
                .ok_or_else(|| fault(POSITIVE))
        };
        match unit {
            "s" => fixed(SECOND),
            "m" => fixed(MINUTE),
            "h" => fixed(HOUR),
            "d" => Ok(Self::Sessions(whole()?)),
            "w" => Ok(Self::Weeks(whole()?)),
            "S" | "M" | "H" | "D" | "W" => Err(fault("units are lower case: s, m, h, d, w")),
            _ => Err(fault(FORM)),
        }
    }
}

impl fmt::Display for Interval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Fixed(ns) if ns % HOUR == 0 => write!(f, "{}h", ns / HOUR),
            Self::Fixed(ns) if ns % MINUTE == 0 => write!(f, "{}m", ns / MINUTE),
            Self::Fixed(ns) => write!(f, "{}s", ns / SECOND),
            Self::Sessions(n) => write!(f, "{n}d"),
            Self::Weeks(n) => write!(f, "{n}w"),
        }
    }
}

/// Earliest and latest instants that an integer without a unit may mean, in seconds since the epoch: 1990 and 2100.
const YEARS: std::ops::Range<i64> = 631_152_000..4_102_444_800;

/// Name of the unit an integer seems to be in when it is too early to be nanoseconds.
///
/// Seconds, milliseconds and microseconds from 1990 to 2100 do not overlap and all lie, read as nanoseconds, before 1990.
pub fn likely_unit(value: i64) -> Option<(&'static str, i64)> {
    if !(YEARS.start..YEARS.start * SECOND).contains(&value) {
        return None;
    }
    [
        ("seconds", SECOND),
        ("milliseconds", 1_000_000),
        ("microseconds", 1_000),
    ]
    .into_iter()
    .find(|&(_, factor)| YEARS.contains(&value.div_euclid(SECOND / factor)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Interval {
        text.parse().unwrap()
    }

    #[test]
    fn intervals_print_in_the_largest_unit_that_divides_them() {
        for (text, shown) in [
            ("60m", "1h"),
            ("60s", "1m"),
            ("90m", "90m"),
            ("120m", "2h"),
            ("1d", "1d"),
            ("2w", "2w"),
        ] {
            assert_eq!(parse(text).to_string(), shown);
        }
    }

    #[test]
    fn intervals_that_break_a_rule_are_errors() {
        for text in [
            "0m",
            "-1m",
            "1.5m",
            "5M",
            "m",
            "5",
            "",
            "24h",
            "1440m",
            "1x",
            "1D",
            "99999999999999999999m",
            "0d",
        ] {
            assert!(text.parse::<Interval>().is_err(), "{text}");
        }
    }

    #[test]
    fn finer_divides_coarser_only_without_rest() {
        assert!(parse("15m").divides(parse("1h")));
        assert!(!parse("30m").divides(parse("45m")));
        assert!(parse("1m").divides(parse("1d")));
        assert!(!parse("1d").divides(parse("1h")));
        assert!(parse("1d").divides(parse("1w")));
    }

    #[test]
    fn integers_in_another_unit_are_named() {
        assert_eq!(likely_unit(1_751_463_000), Some(("seconds", SECOND)));
        assert_eq!(
            likely_unit(1_751_463_000_000),
            Some(("milliseconds", 1_000_000))
        );
        assert_eq!(
            likely_unit(1_751_463_000_000_000),
            Some(("microseconds", 1_000))
        );
        assert_eq!(likely_unit(1_751_463_000_000_000_000), None);
        assert_eq!(likely_unit(0), None);
    }
}
