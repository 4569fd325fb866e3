//! When bars are known: their ends, clipped to the last trading they reach.

use crate::alignment::advance_to;
use crate::error::{Error, Result};
use crate::schedule::{Anchor, ExtendedHours};
use crate::session_table::SessionTable;
use crate::time::Interval;

impl SessionTable {
    /// When a bar that starts at `ts` is known: its end, clipped to the last trading it reaches.
    ///
    /// # Errors
    /// [`Error::Overflow`], and for intervals of sessions or weeks [`Error::NoSession`] when `ts` lies in no session.
    pub fn bar_end(&self, ts: i64, interval: Interval) -> Result<i64> {
        let index = self.session_of(ts);
        match interval {
            Interval::Fixed(ns) => {
                let end = ts.checked_add(ns).ok_or(Error::Overflow { ts })?;
                let Some(session) = index.map(|i| self.session(i)) else {
                    return Ok(end);
                };
                let stop = if ts < session.open {
                    session.open
                } else if ts < session.close {
                    // The end of the last trading in it; a bar that starts in a break has none.
                    let trading = session.segments.iter().rev().find(|s| s.start < end);
                    trading.map_or(end, |s| s.end)
                } else {
                    session.post_close
                };
                Ok(if session.pre_open <= ts && ts < stop {
                    end.min(stop)
                } else {
                    end
                })
            }
            Interval::Sessions(_) | Interval::Weeks(_) => {
                let first = index.ok_or(NO_SESSION_AT)?;
                Ok(self.columns.closes[self.group(first, interval).end - 1])
            }
        }
    }

    /// When a derived bar that starts at `ts` is known, its buckets counted from an anchor. A bar of days or weeks that
    /// extended hours take part in is known after the post-market of its last session.
    ///
    /// # Errors
    /// As [`SessionTable::bar_end`] and [`SessionTable::buckets`].
    pub fn bucket_end(
        &self,
        ts: i64,
        interval: Interval,
        anchor: Anchor,
        extended_hours: ExtendedHours,
    ) -> Result<i64> {
        let index = self.session_of(ts);
        match (interval, index) {
            (Interval::Fixed(_), Some(index)) if anchor != Anchor::Session => {
                let regular = self.buckets(index, interval, anchor)?;
                if let Some(slot) = regular.bucket_of(ts) {
                    return Ok(regular.end_of(slot));
                }
                let extended = self.extended_grids(index, interval, anchor)?;
                let bucket = extended
                    .grid_at(ts)
                    .and_then(|grid| Some(grid.end_of(grid.bucket_of(ts)?)));
                bucket.map_or_else(|| self.bar_end(ts, interval), Ok)
            }
            (Interval::Sessions(_) | Interval::Weeks(_), Some(index))
                if extended_hours == ExtendedHours::Full =>
            {
                Ok(self.columns.post_closes[self.group(index, interval).end - 1])
            }
            _ => self.bar_end(ts, interval),
        }
    }

    /// When the bars of an ordered column are known, `None` where all of them are known `ns` after their start.
    ///
    /// # Errors
    /// Those of [`SessionTable::bar_end`].
    pub fn known_at(&self, ts: &[i64], interval: Interval) -> Result<Option<Vec<i64>>> {
        let (Some(&first), Some(&last)) = (ts.first(), ts.last()) else {
            return Ok(None);
        };
        let Some(ns) = interval.ns() else {
            return ts
                .iter()
                .map(|&at| self.bar_end(at, interval))
                .collect::<Result<_>>()
                .map(Some);
        };
        let reached = last.checked_add(ns).ok_or(Error::Overflow { ts: last })?;
        let mut clipped: Option<Vec<i64>> = None;
        let mut from = 0;
        let begin = self.begun(first).unwrap_or(0);
        for index in begin..self.len() {
            let session = self.session(index);
            if session.span.start > last {
                break;
            }
            // The close is the end of the last stretch.
            let ends = session.segments.iter().map(|stretch| stretch.end);
            for end in [session.open]
                .into_iter()
                .chain(ends)
                .chain([session.post_close])
            {
                // As a rule nothing goes beyond a bound. To look for where would wait for the memory of each row looked at.
                if reached <= end {
                    continue;
                }
                // Only bars that start before the bound and would end after it.
                from = advance_to(ts, from, (end + 1).saturating_sub(ns));
                let cut = ts[from..].iter().take_while(|&&at| at < end);
                for (row, &at) in (from..).zip(cut) {
                    let known = self.bar_end(at, interval)?;
                    if known != at + ns {
                        // No sum overflows, as the last does not.
                        let whole = || ts.iter().map(|&at| at.wrapping_add(ns)).collect();
                        clipped.get_or_insert_with(whole)[row] = known;
                    }
                }
            }
        }
        Ok(clipped)
    }
}

const NO_SESSION_AT: Error = Error::NoSession {
    what: "the bar starts outside every session of the table",
};
