//! Bars of a journal offered to a store as they were offered when they came.

use pyo3::prelude::*;
use tapeloom_core::Error;
use tapeloom_core::bar::{Bar, IMPORTED, STREAMED};
use tapeloom_core::columns::Columns;
use tapeloom_core::store::{OnInvalid, SymbolId, Writing};
use tapeloom_journal::Records;

use super::records::{PyJournalRecords, decoded, is_bar};
use crate::error::{BindError, BindResult};
use crate::store::PyStore;

/// How an arrival was offered: as a bar, or as a batch with the store's rule for invalid rows or one of its own.
const AS_BAR: i32 = 0;
const SKIPPING: i32 = 3;
const REFUSING: i32 = 2;

/// Offer the bars of rows `[from, to)`: how many there were, and how many of them the store refused.
pub(super) fn replay(
    py: Python<'_>,
    read: &PyJournalRecords,
    store: &PyStore,
    names: &[Option<String>],
    from: usize,
    to: usize,
    has_holes: bool,
) -> BindResult<(usize, usize)> {
    let records = &read.records;
    let core = store.store.clone();
    store.told(py, || {
        py.detach(|| {
            core.check()?;
            let mut writing = core.write();
            let (mut row, mut bars, mut refused) = (from, 0, 0);
            while row < to {
                let end = arrival_end(records, row, to);
                let known = names.get(records.symbol[row] as usize);
                let done = match known.and_then(Option::as_deref) {
                    Some(name) => offer(&mut writing, records, name, row, end)
                        .map_err(|what| damaged(read, row, what))?,
                    // Its name was lost with the records that a salvage could not keep.
                    None if has_holes => false,
                    None => return Err(damaged(read, row, "a bar has no known symbol".to_owned())),
                };
                bars += end - row;
                refused += usize::from(!done) * (end - row);
                row = end;
            }
            // A store that failed half-way is no store to go on with.
            core.check()?;
            Ok((bars, refused))
        })
    })?
}

/// The row behind those that arrived together.
fn arrival_end(records: &Records, row: usize, to: usize) -> usize {
    let joined = records.joined[row + 1..to].iter();
    row + 1 + joined.take_while(|joined| **joined == 1).count()
}

fn damaged(read: &PyJournalRecords, row: usize, what: String) -> BindError {
    let seq = read.first_seq + row as u64;
    BindError::Named(
        "JournalError",
        format!("record {seq} cannot be used: {what}; salvage keeps the rest"),
    )
}

/// Whether the store took the arrival: what it refused when it came it refuses again. Else what is wrong with the record.
fn offer(
    writing: &mut Writing<'_>,
    records: &Records,
    name: &str,
    row: usize,
    end: usize,
) -> Result<bool, String> {
    if !is_bar(records.kind[row]) {
        return Err("an event stands among bars".to_owned());
    }
    let interval = decoded(records.interval[row])?.ok_or("a bar has no interval")?;
    let known = writing.base_series(name, interval);
    let Ok(id) = known.map_or_else(|| writing.register(name, Some(interval), &[]), Ok) else {
        return Ok(false);
    };
    let done = if records.extra[row] == AS_BAR {
        let mut bar = bar(records, row);
        bar.flags = with_provenance(writing, bar.flags);
        writing.offer(id, bar).map(|_| ())
    } else {
        offer_batch(writing, id, records, row, end)
    };
    Ok(done.is_ok())
}

fn offer_batch(
    writing: &mut Writing<'_>,
    id: SymbolId,
    records: &Records,
    row: usize,
    end: usize,
) -> Result<(), Error> {
    let on_invalid = match records.extra[row] {
        REFUSING => Some(OnInvalid::Error),
        SKIPPING => Some(OnInvalid::Skip),
        _ => None,
    };
    let mut columns = Columns::default();
    for row in row..end {
        let mut bar = bar(records, row);
        bar.flags = with_provenance(writing, bar.flags);
        columns.push(bar);
    }
    writing.offer_batch(id, &columns, on_invalid).map(|_| ())
}

fn with_provenance(writing: &Writing<'_>, flags: u8) -> u8 {
    if writing.has_session() && flags & IMPORTED == 0 {
        flags | STREAMED
    } else {
        flags
    }
}

fn bar(records: &Records, row: usize) -> Bar {
    let [open, high, low, close, volume] = &records.values;
    Bar {
        ts: records.ts[row],
        open: open[row],
        high: high[row],
        low: low[row],
        close: close[row],
        volume: volume[row],
        flags: records.flags[row],
    }
}
