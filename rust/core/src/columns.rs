//! Sealed columns: bars that no longer change, as plain slices. Appending while others read is `segment`.

use std::ops::Range;

use crate::bar::{Bar, Fault};
use crate::error::{Error, Result};
use crate::segment::Field;

/// The bars of one symbol and interval as one vector per field.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Columns {
    /// Opening instants, ns UTC.
    pub ts: Vec<i64>,
    /// First prices.
    pub open: Vec<f64>,
    /// Highest prices.
    pub high: Vec<f64>,
    /// Lowest prices.
    pub low: Vec<f64>,
    /// Last prices.
    pub close: Vec<f64>,
    /// Volumes.
    pub volume: Vec<f64>,
    /// Provenance bits.
    pub flags: Vec<u8>,
    /// Number of base bars in each bar of a derived series; empty for a base series.
    pub constituents: Vec<i32>,
}

/// Rows that are looked at together.
const SOUND_ROWS: usize = 256;

impl Columns {
    /// One column of floats.
    pub fn floats(&self, field: Field) -> &[f64] {
        match field {
            Field::Open => &self.open,
            Field::High => &self.high,
            Field::Low => &self.low,
            Field::Close => &self.close,
            Field::Volume => &self.volume,
        }
    }

    /// Forget all rows, but not their memory.
    pub fn clear(&mut self) {
        self.ts.clear();
        self.open.clear();
        self.high.clear();
        self.low.clear();
        self.close.clear();
        self.volume.clear();
        self.flags.clear();
        self.constituents.clear();
    }

    /// Empty columns with room for `rows` bars.
    pub fn with_capacity(rows: usize, derived: bool) -> Self {
        let floats = || Vec::with_capacity(rows);
        Self {
            ts: Vec::with_capacity(rows),
            open: floats(),
            high: floats(),
            low: floats(),
            close: floats(),
            volume: floats(),
            flags: Vec::with_capacity(rows),
            constituents: if derived {
                Vec::with_capacity(rows)
            } else {
                Vec::new()
            },
        }
    }

    /// Check that all columns have the length of `ts`; empty `flags` are filled with zeros.
    ///
    /// # Errors
    /// [`Error::Shape`] naming the first column that differs.
    pub fn checked(mut self) -> Result<Self> {
        let expected = self.ts.len();
        if self.flags.is_empty() {
            self.flags = vec![0; expected];
        }
        let lengths = [
            ("open", self.open.len()),
            ("high", self.high.len()),
            ("low", self.low.len()),
            ("close", self.close.len()),
            ("volume", self.volume.len()),
            ("flags", self.flags.len()),
        ];
        for (column, got) in lengths {
            if got != expected {
                return Err(Error::Shape {
                    column,
                    got,
                    expected,
                });
            }
        }
        if !self.constituents.is_empty() && self.constituents.len() != expected {
            return Err(Error::Shape {
                column: "constituents",
                got: self.constituents.len(),
                expected,
            });
        }
        Ok(self)
    }

    /// Number of bars.
    pub fn len(&self) -> usize {
        self.ts.len()
    }

    /// Whether there is no bar.
    pub fn is_empty(&self) -> bool {
        self.ts.is_empty()
    }

    /// The bar in one row. Panics outside `0..len()`.
    #[inline]
    pub fn bar(&self, row: usize) -> Bar {
        Bar {
            ts: self.ts[row],
            open: self.open[row],
            high: self.high[row],
            low: self.low[row],
            close: self.close[row],
            volume: self.volume[row],
            flags: self.flags[row],
        }
    }

    /// So many rows, each as `bar` says for its position; `None` as soon as it says so of one.
    #[inline]
    pub(crate) fn of_rows(rows: usize, bar: impl Fn(usize) -> Option<Bar>) -> Option<Self> {
        let mut all = Self {
            ts: vec![0; rows],
            open: vec![0.0; rows],
            high: vec![0.0; rows],
            low: vec![0.0; rows],
            close: vec![0.0; rows],
            volume: vec![0.0; rows],
            flags: vec![0; rows],
            constituents: Vec::new(),
        };
        // All have the same length, which is said here, so that the place of a row needs no look at each.
        let (ts, flags) = (&mut all.ts[..rows], &mut all.flags[..rows]);
        let (open, high) = (&mut all.open[..rows], &mut all.high[..rows]);
        let (low, close) = (&mut all.low[..rows], &mut all.close[..rows]);
        let volume = &mut all.volume[..rows];
        for row in 0..rows {
            let bar = bar(row)?;
            (ts[row], flags[row]) = (bar.ts, bar.flags);
            (open[row], high[row]) = (bar.open, bar.high);
            (low[row], close[row]) = (bar.low, bar.close);
            volume[row] = bar.volume;
        }
        Some(all)
    }

    /// Append one bar.
    #[inline]
    pub fn push(&mut self, bar: Bar) {
        self.ts.push(bar.ts);
        self.open.push(bar.open);
        self.high.push(bar.high);
        self.low.push(bar.low);
        self.close.push(bar.close);
        self.volume.push(bar.volume);
        self.flags.push(bar.flags);
    }

    /// Append one bar of a derived series.
    pub fn push_derived(&mut self, bar: Bar, constituents: i32) {
        self.push(bar);
        self.constituents.push(constituents);
    }

    /// The rows named, in that order.
    pub fn take(&self, rows: &[usize]) -> Self {
        let mut taken = Self::with_capacity(rows.len(), !self.constituents.is_empty());
        for &row in rows {
            taken.push(self.bar(row));
            if let Some(&count) = self.constituents.get(row) {
                taken.constituents.push(count);
            }
        }
        taken
    }

    /// Some rows that follow each other.
    pub fn part(&self, rows: Range<usize>) -> Self {
        let mut part = Self::with_capacity(rows.len(), !self.constituents.is_empty());
        part.extend_from(self, rows);
        part
    }

    /// The rows in order of `ts`; rows of equal `ts` keep their order.
    pub fn sorted(&self) -> Self {
        let mut rows: Vec<usize> = (0..self.len()).collect();
        rows.sort_by_key(|&row| self.ts[row]);
        self.take(&rows)
    }

    /// Repeated keys of ordered rows: how many repeat the same values, how many bring others.
    pub fn count_duplicates(&self, rows: Range<usize>) -> (usize, usize) {
        let (mut same, mut other) = (0, 0);
        for row in rows.skip(1) {
            if self.ts[row] == self.ts[row - 1] {
                if self.bar(row).same_values(&self.bar(row - 1)) {
                    same += 1;
                } else {
                    other += 1;
                }
            }
        }
        (same, other)
    }

    /// Every row that breaks a rule, with the first rule it breaks.
    pub fn find_invalid(&self, allow_negative_prices: bool) -> Vec<(usize, Fault)> {
        self.find_invalid_in(0..self.len(), allow_negative_prices)
    }

    /// The same of some rows; positions count from the first of them.
    pub fn find_invalid_in(
        &self,
        rows: Range<usize>,
        allow_negative_prices: bool,
    ) -> Vec<(usize, Fault)> {
        let mut found = Vec::new();
        let first = rows.start;
        for start in rows.clone().step_by(SOUND_ROWS) {
            let stretch = start..rows.end.min(start + SOUND_ROWS);
            // What nearly every stretch is: sound, told without a branch per row.
            if self.are_sound(stretch.clone(), allow_negative_prices) {
                continue;
            }
            found.extend(stretch.filter_map(|row| {
                let fault = self.bar(row).fault(allow_negative_prices)?;
                Some((row - first, fault))
            }));
        }
        found
    }

    /// Rows, counted from the first of some, whose open is more than `most` times the close of the row before, or less than
    /// one part in `most` of it.
    pub fn find_jumps(&self, rows: Range<usize>, most: f64) -> Vec<usize> {
        let (first, least) = (rows.start, 1.0 / most);
        let is_jump = |(&before, &after): (&f64, &f64)| {
            let ratio = after / before;
            (ratio > most) | (ratio < least)
        };
        let mut found = Vec::new();
        for start in (first + 1..rows.end).step_by(SOUND_ROWS) {
            let end = rows.end.min(start + SOUND_ROWS);
            let pairs = || {
                self.close[start - 1..end - 1]
                    .iter()
                    .zip(&self.open[start..end])
            };
            // Hardly any row jumps: told for all of a stretch without a branch per row.
            if pairs().fold(false, |any, pair| any | is_jump(pair)) {
                let jumps = pairs().enumerate().filter(|(_, pair)| is_jump(*pair));
                found.extend(jumps.map(|(row, _)| start + row - first));
            }
        }
        found
    }

    /// Whether no rule is broken in some rows; see [`Bar::fault`].
    fn are_sound(&self, rows: Range<usize>, allow_negative_prices: bool) -> bool {
        let least = if allow_negative_prices {
            f64::NEG_INFINITY
        } else {
            0.0
        };
        let (open, high) = (&self.open[rows.clone()], &self.high[rows.clone()]);
        let (low, close) = (&self.low[rows.clone()], &self.close[rows.clone()]);
        let volume = &self.volume[rows];
        let prices = open.iter().zip(high).zip(low.iter().zip(close));
        prices
            .zip(volume)
            .fold(true, |sound, (((&o, &h), (&l, &c)), &v)| {
                sound
                    & (l <= o)
                    & (o <= h)
                    & (l <= c)
                    & (c <= h)
                    & (l > least)
                    & (h <= f64::MAX)
                    & (0.0..=f64::MAX).contains(&v)
            })
    }

    /// Append all rows of `other`.
    pub fn extend(&mut self, other: &Self) {
        self.extend_from(other, 0..other.len());
    }

    /// Append some rows of `other`.
    pub fn extend_from(&mut self, other: &Self, rows: Range<usize>) {
        self.ts.extend_from_slice(&other.ts[rows.clone()]);
        self.open.extend_from_slice(&other.open[rows.clone()]);
        self.high.extend_from_slice(&other.high[rows.clone()]);
        self.low.extend_from_slice(&other.low[rows.clone()]);
        self.close.extend_from_slice(&other.close[rows.clone()]);
        self.volume.extend_from_slice(&other.volume[rows.clone()]);
        self.flags.extend_from_slice(&other.flags[rows.clone()]);
        if let Some(counts) = other.constituents.get(rows) {
            self.constituents.extend_from_slice(counts);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn columns(stamps: &[i64]) -> Columns {
        let mut all = Columns::default();
        for (row, &ts) in stamps.iter().enumerate() {
            all.push(Bar {
                ts,
                open: 1.0,
                high: 1.0,
                low: 1.0,
                close: 1.0,
                volume: row as f64,
                flags: 0,
            });
        }
        all
    }

    #[test]
    fn sorting_is_stable() {
        let sorted = columns(&[3, 1, 3, 1]).sorted();
        assert_eq!(sorted.ts, [1, 1, 3, 3]);
        assert_eq!(sorted.volume, [1.0, 3.0, 0.0, 2.0]);
    }

    #[test]
    fn columns_of_unequal_length_are_refused() {
        let mut broken = columns(&[1, 2]);
        broken.high.pop();
        assert_eq!(
            broken.checked(),
            Err(Error::Shape {
                column: "high",
                got: 1,
                expected: 2
            })
        );
    }
}
