//! The columns a session table is made of.

use crate::error::{Error, Result};
use crate::schedule::Stretch;

/// The columns a session table is made of, one row per session in rising order.
#[derive(Debug, Clone)]
pub struct TableColumns {
    /// First day the table covers, with or without a session, days since 1970-01-01.
    pub first_day: i32,
    /// Last day the table covers.
    pub last_day: i32,
    /// The time that the table covers.
    pub covered: Stretch,
    /// Session dates, days since 1970-01-01.
    pub dates: Vec<i32>,
    /// Regular opens, ns UTC.
    pub opens: Vec<i64>,
    /// Regular closes, ns UTC.
    pub closes: Vec<i64>,
    /// Regular stretches of session i are `segments[offsets[i]..offsets[i + 1]]`.
    pub segment_offsets: Vec<usize>,
    /// Regular stretches: one, or more where there is a break.
    pub segments: Vec<Stretch>,
    /// Start of pre-market trading, the open where there is none.
    pub pre_opens: Vec<i64>,
    /// End of post-market trading, the close where there is none.
    pub post_closes: Vec<i64>,
    /// The stretch of time that belongs to each session date.
    pub spans: Vec<Stretch>,
}

impl TableColumns {
    pub(super) fn check_lengths(&self) -> Result<()> {
        let n = self.dates.len();
        let offsets = &self.segment_offsets;
        let lengths = [
            ("opens", self.opens.len(), n),
            ("closes", self.closes.len(), n),
            ("pre_opens", self.pre_opens.len(), n),
            ("post_closes", self.post_closes.len(), n),
            ("spans", self.spans.len(), n),
            ("segment_offsets", offsets.len(), n + 1),
        ];
        if let Some(&(column, got, expected)) = lengths.iter().find(|l| l.1 != l.2) {
            return Err(Error::Shape {
                column,
                got,
                expected,
            });
        }
        let all = self.segments.len();
        if offsets[0] != 0 || offsets[n] != all || offsets.windows(2).any(|pair| pair[0] >= pair[1])
        {
            return Err(Error::Shape {
                column: "segment_offsets",
                got: offsets[n],
                expected: all,
            });
        }
        Ok(())
    }
}
