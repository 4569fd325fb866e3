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

/// Add the records of some bytes to others; none of them, and the rule that they break, where they break one.
pub(crate) fn decode_into(
    n: usize,
    bytes: &[u8],
    found: &mut Records,
) -> std::result::Result<(), &'static str> {
    if n == 0 || n > MOST_RECORDS {
        return Err("the number of records is out of range");
    }
    let fixed = n.checked_mul(WIDTH).ok_or("too many records")?;
    // Before anything is allocated.
    let (mut fixed, mut area) = bytes
        .split_at_checked(fixed)
        .ok_or("fewer bytes than the records need")?;
    let kind = take(&mut fixed, n)?;
    if kind.iter().any(|&byte| Kind::from_byte(byte).is_none()) {
        return Err("a record of an unknown kind");
    }
    let flags = take(&mut fixed, n)?;
    let joined = take(&mut fixed, n)?;
    if joined.iter().any(|&byte| byte > 1) {
        return Err("a mark that is neither 0 nor 1");
    }
    let symbol = words::<4>(&mut fixed, n)?;
    let extra = words::<4>(&mut fixed, n)?;
    let lengths = words::<4>(&mut fixed, n)?;
    let arrival = words::<8>(&mut fixed, n)?;
    let ts = words::<8>(&mut fixed, n)?;
    let interval = words::<8>(&mut fixed, n)?;
    let mut values: [&[[u8; 8]]; 5] = Default::default();
    for column in &mut values {
        *column = words(&mut fixed, n)?;
    }
    // The last that may be refused; what follows only copies.
    let before = found.len();
    let kept = found.texts.len();
    if let Err(rule) = texts_into(lengths, &mut area, before, &mut found.texts) {
        found.texts.truncate(kept);
        return Err(rule);
    }
    found.kind.extend_from_slice(kind);
    found.flags.extend_from_slice(flags);
    found.joined.extend_from_slice(joined);
    found
        .symbol
        .extend(symbol.iter().copied().map(u32::from_le_bytes));
    found
        .extra
        .extend(extra.iter().copied().map(i32::from_le_bytes));
    found
        .arrival
        .extend(arrival.iter().copied().map(i64::from_le_bytes));
    found.ts.extend(ts.iter().copied().map(i64::from_le_bytes));
    found
        .interval
        .extend(interval.iter().copied().map(i64::from_le_bytes));
    for (column, cells) in found.values.iter_mut().zip(values) {
        column.extend(cells.iter().copied().map(f64::from_le_bytes));
    }
    Ok(())
}

/// Add the texts, each with its row behind those that are there.
fn texts_into(
    lengths: &[[u8; 4]],
    area: &mut &[u8],
    before: usize,
    texts: &mut Vec<(usize, String)>,
) -> std::result::Result<(), &'static str> {
    for (row, length) in (before..).zip(lengths) {
        let length =
            usize::try_from(u32::from_le_bytes(*length)).map_err(|_| "a text is too long")?;
        if length > MOST_TEXT {
            return Err("a text is too long");
        }
        if length > 0 {
            let text = std::str::from_utf8(take(area, length)?).map_err(|_| "a text is no text")?;
            texts.push((row, text.to_owned()));
        }
    }
    match area.is_empty() {
        true => Ok(()),
        false => Err("more bytes than the records have"),
    }
}

fn take<'a>(bytes: &mut &'a [u8], length: usize) -> std::result::Result<&'a [u8], &'static str> {
    let (head, rest) = bytes
        .split_at_checked(length)
        .ok_or("fewer bytes than the records need")?;
    *bytes = rest;
    Ok(head)
}

fn words<'a, const W: usize>(
    bytes: &mut &'a [u8],
    n: usize,
) -> std::result::Result<&'a [[u8; W]], &'static str> {
    let cells = take(bytes, n.checked_mul(W).ok_or("too many records")?)?;
    let (words, _) = cells.as_chunks::<W>();
    Ok(words)
}

#[cfg(test)]
#[allow(clippy::indexing_slicing, clippy::arithmetic_side_effects)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Behind others, which stay as they are whatever comes.
    fn decode(n: usize, bytes: &[u8]) -> std::result::Result<Records, &'static str> {
        let mut others = Records::default();
        let mut record = crate::Record::new(Kind::Bar, 1);
        record.text = "another".to_owned();
        others.push(record);
        let mut found = others.clone();
        let done = decode_into(n, bytes, &mut found);
        let mut both = others.clone();
        if done.is_ok() {
            let mut alone = Records::default();
            decode_into(n, bytes, &mut alone)?;
            both.extend(&alone);
            others = alone;
        }
        // Not by ==, for which no price that is no number equals itself.
        assert_eq!(format!("{found:?}"), format!("{both:?}"));
        done.map(|()| others)
    }

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
