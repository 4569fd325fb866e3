//! Records as bytes: fixed-width little-endian columns, then the texts. It reads nothing that was not checked for length.
#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use crate::error::{Error, Result};
use crate::records::{Kind, Records};

/// Most records in one group.
pub const MOST_RECORDS: usize = 65_536;
/// Longest text of a record, in bytes: a configuration, of 1 MiB at most, is one.
pub const MOST_TEXT: usize = 2 * 1_048_576;

/// Bytes of a record without its text.
const WIDTH: usize = 3 + 3 * 4 + 8 * 8;

/// The bytes of records.
///
/// # Errors
///
/// [`Error::Records`] for too many, an unknown kind, columns of several lengths or a text that is too long.
pub(crate) fn encode(records: &Records) -> Result<Vec<u8>> {
    let n = records.len();
    let refused = |row, rule: String| Err(Error::Records { row, rule });
    if n == 0 || n > MOST_RECORDS {
        return refused(
            n,
            format!("a group holds 1 to {MOST_RECORDS} records, not {n}"),
        );
    }
    if !records.is_square() {
        return refused(0, "the columns differ in length".to_owned());
    }
    if let Some(row) = records
        .kind
        .iter()
        .position(|&kind| Kind::from_byte(kind).is_none())
    {
        return refused(row, "its kind is unknown".to_owned());
    }
    if let Some(row) = records.joined.iter().position(|&joined| joined > 1) {
        return refused(row, "joined is neither 0 nor 1".to_owned());
    }
    let mut lengths = vec![0_u32; n];
    let mut area = 0_usize;
    for (row, text) in &records.texts {
        if text.is_empty() || text.len() > MOST_TEXT {
            return refused(
                *row,
                format!(
                    "its text has {} bytes; it must have 1 to {MOST_TEXT}",
                    text.len()
                ),
            );
        }
        area = area.saturating_add(text.len());
        if let (Some(length), Ok(bytes)) = (lengths.get_mut(*row), u32::try_from(text.len())) {
            *length = bytes;
        }
    }
    let mut bytes = Vec::with_capacity(n.saturating_mul(WIDTH).saturating_add(area));
    bytes.extend_from_slice(&records.kind);
    bytes.extend_from_slice(&records.flags);
    bytes.extend_from_slice(&records.joined);
    bytes.extend(records.symbol.iter().flat_map(|v| v.to_le_bytes()));
    bytes.extend(records.extra.iter().flat_map(|v| v.to_le_bytes()));
    bytes.extend(lengths.iter().flat_map(|v| v.to_le_bytes()));
    for column in [&records.arrival, &records.ts, &records.interval] {
        bytes.extend(column.iter().flat_map(|v| v.to_le_bytes()));
    }
    for column in &records.values {
        bytes.extend(column.iter().flat_map(|v| v.to_le_bytes()));
    }
    for (_, text) in &records.texts {
        bytes.extend_from_slice(text.as_bytes());
    }
    Ok(bytes)
}

/// The records of some bytes, or the rule that they break.
pub(crate) fn decode(n: usize, bytes: &[u8]) -> std::result::Result<Records, &'static str> {
    if n == 0 || n > MOST_RECORDS {
        return Err("the number of records is out of range");
    }
    let fixed = n.checked_mul(WIDTH).ok_or("too many records")?;
    // Before anything is allocated.
    let (mut fixed, mut area) = bytes
        .split_at_checked(fixed)
        .ok_or("fewer bytes than the records need")?;
    let kind = take(&mut fixed, n)?.to_vec();
    if kind.iter().any(|&byte| Kind::from_byte(byte).is_none()) {
        return Err("a record of an unknown kind");
    }
    let flags = take(&mut fixed, n)?.to_vec();
    let joined = take(&mut fixed, n)?.to_vec();
    if joined.iter().any(|&byte| byte > 1) {
        return Err("a mark that is neither 0 nor 1");
    }
    let symbol = words(&mut fixed, n, u32::from_le_bytes)?;
    let extra = words(&mut fixed, n, i32::from_le_bytes)?;
    let lengths = words(&mut fixed, n, u32::from_le_bytes)?;
    let arrival = words(&mut fixed, n, i64::from_le_bytes)?;
    let ts = words(&mut fixed, n, i64::from_le_bytes)?;
    let interval = words(&mut fixed, n, i64::from_le_bytes)?;
    let mut values: [Vec<f64>; 5] = Default::default();
    for column in &mut values {
        *column = words(&mut fixed, n, f64::from_le_bytes)?;
    }
    let mut texts = Vec::new();
    for (row, &length) in lengths
        .iter()
        .enumerate()
        .filter(|(_, length)| **length > 0)
    {
        let length = usize::try_from(length).map_err(|_| "a text is too long")?;
        if length > MOST_TEXT {
            return Err("a text is too long");
        }
        let text =
            std::str::from_utf8(take(&mut area, length)?).map_err(|_| "a text is no text")?;
        texts.push((row, text.to_owned()));
    }
    if !area.is_empty() {
        return Err("more bytes than the records have");
    }
    Ok(Records {
        kind,
        flags,
        joined,
        symbol,
        extra,
        arrival,
        ts,
        interval,
        values,
        texts,
    })
}

fn take<'a>(bytes: &mut &'a [u8], length: usize) -> std::result::Result<&'a [u8], &'static str> {
    let (head, rest) = bytes
        .split_at_checked(length)
        .ok_or("fewer bytes than the records need")?;
    *bytes = rest;
    Ok(head)
}

fn words<const W: usize, T>(
    bytes: &mut &[u8],
    n: usize,
    read: fn([u8; W]) -> T,
) -> std::result::Result<Vec<T>, &'static str> {
    let cells = take(bytes, n.checked_mul(W).ok_or("too many records")?)?;
    let (words, _) = cells.as_chunks::<W>();
    Ok(words.iter().map(|word| read(*word)).collect())
}

#[cfg(test)]
#[allow(clippy::indexing_slicing, clippy::arithmetic_side_effects)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Behind a checksum nothing of this kind should come; if it does, it is refused and not followed.
        #[test]
        fn any_bytes_are_read_or_refused(n in 0_usize..70_000, bytes in prop::collection::vec(any::<u8>(), 0..2_000)) {
            if let Ok(records) = decode(n, &bytes) {
                prop_assert_eq!(records.len(), n);
                prop_assert_eq!(encode(&records), Ok(bytes));
            }
        }

        #[test]
        fn small_numbers_of_any_bytes_are_read_or_refused(n in 1_usize..3, kind in 1_u8..14, rest in prop::collection::vec(0_u8..3, 70..260)) {
            let mut bytes = rest;
            bytes[..n].fill(kind);
            if let Ok(records) = decode(n, &bytes) {
                prop_assert_eq!(encode(&records), Ok(bytes));
            }
        }
    }

    #[test]
    fn what_cannot_be_read_back_is_not_written() {
        let one = || {
            let mut records = Records::default();
            records.push(crate::Record::new(Kind::Bar, 1));
            records
        };
        assert!(encode(&one()).is_ok());
        let mut uneven = one();
        uneven.ts.push(0);
        let mut unknown = one();
        unknown.kind = vec![99];
        let mut long = one();
        long.texts = vec![(0, "x".repeat(MOST_TEXT + 1))];
        let mut nowhere = one();
        nowhere.texts = vec![(1, "x".to_owned())];
        for odd in [uneven, unknown, long, nowhere, Records::default()] {
            assert!(matches!(encode(&odd), Err(Error::Records { .. })));
        }
    }
}
