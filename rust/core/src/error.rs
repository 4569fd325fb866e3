//! Everything that can go wrong in the core, a variant per cause. Text only in `Display`.

use std::fmt;

use crate::time::Interval;

/// Result of the core.
pub type Result<T> = std::result::Result<T, Error>;

/// One fault, with its facts as fields.
#[derive(Debug, Clone, PartialEq)]
pub enum Error {
    /// A text or number that is no interval.
    Interval {
        /// What came.
        text: String,
        /// Which rule it breaks.
        rule: &'static str,
    },
    /// A bar breaks a rule of its values.
    InvalidBar {
        /// Symbol, upper-cased.
        symbol: String,
        /// Start of the bar, ns UTC.
        ts: i64,
        /// Position in the batch, or 0 for a single bar.
        row: usize,
        /// Field that breaks the rule.
        field: &'static str,
        /// Its value.
        value: f64,
        /// The rule.
        rule: &'static str,
    },
    /// A batch holds bars that break a rule: the first ten, and how many there are.
    InvalidBars {
        /// Symbol, upper-cased.
        symbol: String,
        /// `(row, ts, field, value, rule)` of the first ten.
        first: Vec<(usize, i64, &'static str, f64, &'static str)>,
        /// Number of bad rows in all.
        total: usize,
    },
    /// A key came twice and duplicates are an error.
    DuplicateBar {
        /// Symbol, upper-cased.
        symbol: String,
        /// Interval of the series.
        interval: Interval,
        /// Start of the bar, ns UTC.
        ts: i64,
    },
    /// The base interval of a symbol is fixed already, or the series is derived.
    SeriesConflict {
        /// Symbol, upper-cased.
        symbol: String,
        /// What was asked for.
        asked: Interval,
        /// The base interval that stands.
        base: Interval,
    },
    /// A derived interval that the base cannot feed.
    NotDivisible {
        /// Interval of the base series.
        base: Interval,
        /// Interval asked for.
        target: Interval,
    },
    /// A derived interval whose buckets, counted from an anchor, cut base bars in two.
    Cut {
        /// Interval of the base series.
        base: Interval,
        /// Interval asked for.
        target: Interval,
    },
    /// An interval longer than one session where the grid of one is asked for.
    TooCoarse {
        /// Interval asked for.
        interval: Interval,
    },
    /// Columns of different length, or offsets that do not fit.
    Shape {
        /// Which column.
        column: &'static str,
        /// Its length.
        got: usize,
        /// The length it should have.
        expected: usize,
    },
    /// Times that fall where they must rise.
    Unsorted {
        /// What is unsorted.
        what: &'static str,
        /// Source, or 0 where there is one.
        source: usize,
        /// First row that falls.
        row: usize,
    },
    /// A time outside the session table.
    OutOfCalendar {
        /// Day since 1970-01-01.
        day: i32,
        /// First day covered.
        first: i32,
        /// Last day covered.
        last: i32,
    },
    /// A call that needs a session, or a session table, which is not there.
    NoSession {
        /// What is missing.
        what: &'static str,
    },
    /// A call that a running replay forbids.
    ReplayRunning,
    /// A writer failed half-way in this store.
    Poisoned,
    /// A forked child used the copy of its parent's store.
    Forked,
    /// One symbol more than the store may keep.
    Capacity {
        /// The symbol.
        symbol: String,
        /// How many it may keep.
        limit: usize,
    },
    /// A subscription that is closed was used or waited for.
    SubscriptionClosed {
        /// Its stream.
        stream_id: String,
        /// Units that were made and not acknowledged.
        pending: u64,
    },
    /// One name more than is measured.
    TooManyNames {
        /// What has the name.
        what: &'static str,
        /// The name.
        name: String,
        /// How many there may be.
        limit: usize,
    },
    /// An indicator that breaks a rule of its kind.
    Indicator {
        /// Its kind.
        kind: &'static str,
        /// The period that came.
        period: Option<usize>,
        /// The rule.
        rule: &'static str,
    },
    /// An instant so late that its end does not fit 64 bits.
    Overflow {
        /// Start of the bar, ns UTC.
        ts: i64,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Interval { text, rule } => write!(f, "interval '{text}': {rule}"),
            Self::InvalidBar {
                symbol,
                ts,
                row,
                field,
                value,
                rule,
            } => {
                write!(
                    f,
                    "{symbol} bar at {} (row {row}): {field} is {value}, {rule}",
                    Iso(*ts)
                )
            }
            Self::InvalidBars {
                symbol,
                first,
                total,
            } => {
                write!(f, "{total} invalid bars of {symbol}, nothing stored:")?;
                for (row, ts, field, value, rule) in first {
                    write!(
                        f,
                        "\n  row {row} at {}: {field} is {value}, {rule}",
                        Iso(*ts)
                    )?;
                }
                if *total > first.len() {
                    write!(f, "\n  and {} more", total - first.len())?;
                }
                Ok(())
            }
            Self::DuplicateBar {
                symbol,
                interval,
                ts,
            } => write!(
                f,
                "{symbol} {interval} bar at {} came twice with different values and on_duplicate is 'error'; use 'replace' or 'ignore'",
                Iso(*ts)
            ),
            Self::SeriesConflict {
                symbol,
                asked,
                base,
            } => {
                if asked == base {
                    write!(
                        f,
                        "{symbol} {asked} is the base series and cannot be derived too"
                    )
                } else {
                    write!(
                        f,
                        "{symbol} has the base interval {base}; bars of {asked} cannot be added to it"
                    )
                }
            }
            Self::NotDivisible { base, target } => {
                write!(
                    f,
                    "{base} bars cannot be aggregated into {target}: {base} does not divide {target}"
                )
            }
            Self::Cut { base, target } => {
                write!(
                    f,
                    "{base} bars cannot be aggregated into {target} with this anchor: a bucket would cut one of them in two; use anchor 'session' or a finer base"
                )
            }
            Self::TooCoarse { interval } => {
                write!(
                    f,
                    "{interval} bars are longer than a session; only bars of at most 1d fit the grid of one, so use '1d' as the base"
                )
            }
            Self::Shape {
                column,
                got,
                expected,
            } => {
                write!(f, "column {column} has {got} rows, expected {expected}")
            }
            Self::Unsorted { what, source, row } => {
                write!(
                    f,
                    "{what} {source} is not sorted: row {row} is earlier than the row before it"
                )
            }
            Self::OutOfCalendar { day, first, last } => write!(
                f,
                "{} is outside the session table, which covers {} to {}",
                Day(*day),
                Day(*first),
                Day(*last)
            ),
            Self::NoSession { what } => write!(f, "{what}"),
            Self::ReplayRunning => write!(
                f,
                "a replay is running in this store; sessions begin, end and are cleared when it is over"
            ),
            Self::Poisoned => write!(
                f,
                "this session stopped after an internal error and what it holds may be incomplete; make a new one"
            ),
            Self::Forked => write!(
                f,
                "a forked child used a session of its parent, whose threads it does not have; make one in the child, or start the child with 'spawn'"
            ),
            Self::Capacity { symbol, limit } => write!(
                f,
                "{symbol} would be symbol {} of a store that keeps at most {limit}; raise max_symbols",
                limit + 1
            ),
            Self::SubscriptionClosed { stream_id, pending } => {
                write!(f, "the subscription to '{stream_id}' is closed, ")?;
                match pending {
                    0 => write!(f, "and all that came was acknowledged")?,
                    1 => write!(f, "with 1 unit that was not acknowledged")?,
                    _ => write!(f, "with {pending} units that were not acknowledged")?,
                }
                write!(f, "; make a new one to go on")
            }
            Self::TooManyNames { what, name, limit } => write!(
                f,
                "{what} '{name}' would be {what} {} of at most {limit}; give things of one kind one name",
                limit + 1
            ),
            Self::Indicator { kind, period, rule } => match period {
                Some(period) => write!(f, "{kind} with period {period}: {rule}"),
                None => write!(f, "{kind}: {rule}"),
            },
            Self::Overflow { ts } => write!(f, "the bar at {ts} ns ends beyond what 64 bits hold"),
        }
    }
}

impl std::error::Error for Error {}

/// Days since 1970-01-01 as `YYYY-MM-DD`.
pub(crate) struct Day(pub(crate) i32);

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = civil(i64::from(self.0));
        write!(f, "{year:04}-{month:02}-{day:02}")
    }
}

/// Nanoseconds since 1970-01-01 UTC as ISO 8601, seconds shown, fractions only where there are any.
pub(crate) struct Iso(pub(crate) i64);

impl fmt::Display for Iso {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.div_euclid(1_000_000_000);
        let nanos = self.0.rem_euclid(1_000_000_000);
        let (year, month, day) = civil(seconds.div_euclid(86_400));
        let rest = seconds.rem_euclid(86_400);
        write!(
            f,
            "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}",
            rest / 3600,
            rest / 60 % 60,
            rest % 60
        )?;
        if nanos != 0 {
            write!(f, ".{nanos:09}")?;
        }
        write!(f, "Z")
    }
}

/// Year, month and day of a day number in the proleptic Gregorian calendar.
///
/// Counts in 400-year eras of 146,097 days from 0000-03-01, so that the leap day is the last of its year.
pub fn civil(day: i64) -> (i64, u32, u32) {
    let shifted = day + 719_468;
    let era = shifted.div_euclid(146_097);
    let of_era = shifted.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * of_year + 2) / 153;
    let day_of_month = (of_year - (153 * shifted_month + 2) / 5 + 1) as u32;
    let month = if shifted_month < 10 {
        shifted_month + 3
    } else {
        shifted_month - 9
    } as u32;
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day_of_month)
}

/// Days since 1970-01-01 of a date in the proleptic Gregorian calendar: the inverse of [`civil`].
pub fn days_since_epoch(year: i32, month: u8, day: u8) -> i64 {
    let year = i64::from(year) - i64::from(month <= 2);
    let shifted_month = (i64::from(month) + 9) % 12;
    let of_year = (153 * shifted_month + 2) / 5 + i64::from(day) - 1;
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_and_days_are_one_to_one() {
        for day in -800_000..800_000 {
            let (year, month, of_month) = civil(day);
            assert_eq!(
                days_since_epoch(year as i32, month as u8, of_month as u8),
                day
            );
        }
    }

    #[test]
    fn days_print_as_civil_dates() {
        assert_eq!(Day(0).to_string(), "1970-01-01");
        assert_eq!(Day(19_782).to_string(), "2024-02-29");
        assert_eq!(Day(-1).to_string(), "1969-12-31");
    }

    #[test]
    fn instants_print_as_iso() {
        assert_eq!(
            Iso(1_751_463_000_000_000_000).to_string(),
            "2025-07-02T13:30:00Z"
        );
        assert_eq!(Iso(-1).to_string(), "1969-12-31T23:59:59.999999999Z");
    }
}
