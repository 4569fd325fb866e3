//! Bars of a journal offered to a store as they were offered when they came.

use std::iter;
use std::ops::Range;

use pyo3::prelude::*;
use tapeloom_core::Error;
use tapeloom_core::bar::{BACKFILLED, Bar, IMPORTED, STREAMED};
use tapeloom_core::columns::Columns;
use tapeloom_core::live::{Intake, Patience};
use tapeloom_core::store::{OnInvalid, SymbolId, Writing};
use tapeloom_journal::Records;

use super::records::{AS_STEP, CLOCK, PyJournalRecords, WHILE_LIVE, decoded, is_bar};
use crate::error::{BindError, BindResult};
use crate::store::PyStore;

/// How an arrival was offered: as a bar, or as a batch with the store's rule for invalid rows or one of its own.
const AS_BAR: i32 = 0;
const SKIPPING: i32 = 3;
const REFUSING: i32 = 2;

/// What is known of a journal beside its rows.
pub(super) struct Known<'a> {
    /// Symbols by number.
    pub(super) names: &'a [Option<String>],
    /// Whether records were lost.
    pub(super) has_holes: bool,
    /// How its live session took steps; `None` where it took none.
    pub(super) patience: Option<Patience>,
}

impl Known<'_> {
    fn name(&self, records: &Records, row: usize) -> Option<&str> {
        let number = records.symbol.get(row).copied()?;
        self.names.get(number as usize)?.as_deref()
    }

    fn intake(&self) -> Option<Intake> {
        self.patience.map(Intake::new)
    }
}

/// Offer the bars of some rows: how many there were, and how many of them the store refused.
pub(super) fn replay(
    py: Python<'_>,
    read: &PyJournalRecords,
    store: &PyStore,
    known: &Known<'_>,
    rows: Range<usize>,
) -> BindResult<(usize, usize)> {
    let core = store.store.clone();
    store.told(py, || {
        py.detach(|| {
            core.check()?;
            let mut writing = core.write();
            let mut again = Again {
                intake: known.intake(),
                records: &read.records,
                known,
            };
            let (mut row, mut bars, mut refused) = (rows.start, 0, 0);
            while row < rows.end {
                let end = arrival_end(&read.records, row, rows.end);
                let (came, not_taken) = again
                    .arrival(&mut writing, row..end)
                    .map_err(|what| damaged(read, row, what))?;
                bars += came;
                refused += not_taken;
                row = end;
            }
            // A store that failed half-way is no store to go on with.
            core.check()?;
            Ok((bars, refused))
        })
    })?
}

/// Offers arrivals as they were offered: bars and how many of them were refused, or what is wrong with the record.
struct Again<'a> {
    intake: Option<Intake>,
    records: &'a Records,
    known: &'a Known<'a>,
}

impl Again<'_> {
    fn arrival(
        &mut self,
        writing: &mut Writing<'_>,
        rows: Range<usize>,
    ) -> Result<(usize, usize), String> {
        let (records, row) = (self.records, rows.start);
        if records.kind[row] == CLOCK {
            let intake = self.intake.as_mut().ok_or(NO_PATIENCE)?;
            let clock = records.ts[row];
            let done = intake.take(writing, iter::empty(), clock);
            return done.map(|_| (0, 0)).map_err(|error| error.to_string());
        }
        let count = rows.len();
        if records.extra[row] & !WHILE_LIVE == AS_STEP {
            return self.step(writing, rows).map(|refused| (count, refused));
        }
        let Some(name) = self.known.name(records, row) else {
            return self.nameless(count).map(|refused| (count, refused));
        };
        writing.set_coordinated(records.extra[row] & WHILE_LIVE != 0);
        let done = offer(writing, records, name, rows);
        writing.set_coordinated(false);
        if let Some(intake) = &mut self.intake {
            intake.forget();
        }
        done.map(|done| (count, if done { 0 } else { count }))
    }

    /// Its name was lost with the records that a salvage could not keep.
    fn nameless(&self, count: usize) -> Result<usize, String> {
        let refused = self.known.has_holes.then_some(count);
        refused.ok_or_else(|| "a bar has no known symbol".to_owned())
    }

    /// Take a step again: how many bars were refused. Like the step itself it is refused as a whole for a bar that no
    /// series takes; of a salvaged one the bars that are known are taken.
    fn step(&mut self, writing: &mut Writing<'_>, rows: Range<usize>) -> Result<usize, String> {
        let mut taken = Vec::with_capacity(rows.len());
        for row in rows.clone() {
            if !is_bar(self.records.kind[row]) {
                return Err(AMONG_BARS.to_owned());
            }
            let interval = decoded(self.records.interval[row])?.ok_or(NO_INTERVAL)?;
            let Some(name) = self.known.name(self.records, row) else {
                self.nameless(1)?;
                continue;
            };
            match writing.base_series(name, interval) {
                Some(id) => taken.push((id, bar(self.records, row))),
                None if self.known.has_holes => {}
                None => return Ok(rows.len()),
            }
        }
        let unknown = rows.len() - taken.len();
        let clock = self.records.arrival[rows.start];
        let intake = self.intake.as_mut().ok_or(NO_PATIENCE)?;
        let refused = intake.take(writing, taken.into_iter(), clock);
        let refused = refused.map_err(|error| error.to_string())?;
        Ok(unknown + refused.len())
    }
}

const NO_PATIENCE: &str = "it is of a live session, and the header says nothing of one";
const AMONG_BARS: &str = "an event stands among bars";
const NO_INTERVAL: &str = "a bar has no interval";

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
    rows: Range<usize>,
) -> Result<bool, String> {
    let row = rows.start;
    if !is_bar(records.kind[row]) {
        return Err(AMONG_BARS.to_owned());
    }
    let interval = decoded(records.interval[row])?.ok_or(NO_INTERVAL)?;
    let known = writing.base_series(name, interval);
    let Ok(id) = known.map_or_else(|| writing.register(name, Some(interval), &[]), Ok) else {
        return Ok(false);
    };
    let offered = records.extra[row] & !WHILE_LIVE;
    let done = if offered == AS_BAR {
        let mut bar = bar(records, row);
        bar.flags = with_provenance(writing, bar.flags);
        writing.offer(id, bar).map(|_| ())
    } else {
        offer_batch(writing, id, records, offered, rows)
    };
    Ok(done.is_ok())
}

fn offer_batch(
    writing: &mut Writing<'_>,
    id: SymbolId,
    records: &Records,
    offered: i32,
    rows: Range<usize>,
) -> Result<(), Error> {
    let on_invalid = match offered {
        REFUSING => Some(OnInvalid::Error),
        SKIPPING => Some(OnInvalid::Skip),
        _ => None,
    };
    let mut columns = Columns::default();
    for row in rows {
        let mut bar = bar(records, row);
        bar.flags = with_provenance(writing, bar.flags);
        columns.push(bar);
    }
    writing.offer_batch(id, &columns, on_invalid).map(|_| ())
}

fn with_provenance(writing: &Writing<'_>, flags: u8) -> u8 {
    if writing.has_session() && flags & (IMPORTED | BACKFILLED) == 0 {
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
