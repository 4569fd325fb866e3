//! A journal done again: symbols and bars offered to a store as they were offered when they came.

use std::iter;
use std::ops::Range;

use parking_lot::Mutex;
use pyo3::prelude::*;
use tapeloom_core::Error;
use tapeloom_core::bar::{BACKFILLED, Bar, IMPORTED, STREAMED};
use tapeloom_core::columns::Columns;
use tapeloom_core::live::{Intake, Patience};
use tapeloom_core::store::{OnInvalid, SymbolId, Writing};
use tapeloom_core::time::Interval;
use tapeloom_journal::{Kind, Records};

use super::records::{AS_STEP, PyJournalRecords, WHILE_LIVE, decoded, is_bar};
use crate::error::{BindError, BindResult, raised};
use crate::store::PyStore;

/// How an arrival was offered: as a bar, or as a batch with the store's rule for invalid rows or one of its own.
const AS_BAR: i32 = 0;
const SKIPPING: i32 = 3;
const REFUSING: i32 = 2;
/// More symbols than any store keeps.
const MOST_SYMBOLS: usize = 1 << 24;

/// So many records ahead are looked at together.
const TOGETHER: usize = 64;

const NO_PATIENCE: &str = "it is of a live session, and the header says nothing of one";
const AMONG_BARS: &str = "an event stands among bars";
const NO_INTERVAL: &str = "a bar has no interval";

/// See `_core.pyi`.
#[pyclass(frozen, name = "JournalReplay", module = "tapeloom._core")]
#[derive(Debug)]
pub(crate) struct PyJournalReplay {
    session: Py<PyStore>,
    /// How its live session took steps; `None` where it took none.
    patience: Option<Patience>,
    names: Mutex<Names>,
}

#[pymethods]
impl PyJournalReplay {
    #[new]
    #[pyo3(signature = (session, *, patience))]
    fn new(session: &Bound<'_, PyStore>, patience: Option<(i64, i64)>) -> Self {
        Self {
            session: session.clone().unbind(),
            patience: patience.map(|(grace, tolerance)| Patience { grace, tolerance }),
            names: Mutex::default(),
        }
    }

    #[getter]
    fn names(&self, py: Python<'_>) -> Vec<Option<String>> {
        py.detach(|| self.names.lock().0.clone())
    }

    fn name(&self, py: Python<'_>, number: u32) -> Option<String> {
        py.detach(|| self.names.lock().get(number).map(str::to_owned))
    }

    fn take(
        &self,
        py: Python<'_>,
        records: &Bound<'_, PyJournalRecords>,
        start: usize,
        end: usize,
        has_holes: bool,
    ) -> BindResult<(usize, usize)> {
        let read = records.get();
        let end = end.min(read.records.len());
        let store = self.session.get();
        let core = store.store.clone();
        let done = store.told(py, || {
            py.detach(|| {
                core.check()?;
                let mut writing = core.write();
                let mut again = Again {
                    intake: self.patience.map(Intake::new),
                    records: &read.records,
                    names: &mut self.names.lock(),
                    has_holes,
                    found: Vec::new(),
                    bars: 0,
                    refused: 0,
                    taken: Vec::new(),
                };
                let done = again.rows(&mut writing, start..end);
                // A store that failed half-way is no store to go on with.
                core.check()?;
                Ok::<_, BindError>(done.map(|()| (again.bars, again.refused)))
            })
        })??;
        done.map_err(|(row, rule)| damaged(py, read, row, &rule))
    }
}

/// A row, and what is wrong with it.
type Damage = (usize, String);

fn damaged(py: Python<'_>, read: &PyJournalRecords, row: usize, rule: &str) -> BindError {
    let (path, seq) = (&read.path, read.first_seq + row as u64);
    let path_text = path.display();
    let text = format!("{path_text}: record {seq} cannot be used: {rule}; salvage keeps the rest");
    BindError::Python(raised(py, "JournalError", text, |named| {
        named.set_item("path", path)?;
        named.set_item("first_seq", seq)
    }))
}

/// Symbols by number; 0 is none.
#[derive(Debug)]
struct Names(Vec<Option<String>>);

impl Default for Names {
    fn default() -> Self {
        Self(vec![None])
    }
}

impl Names {
    fn get(&self, number: u32) -> Option<&str> {
        self.0.get(number as usize)?.as_deref()
    }

    /// Give a symbol its number, which is the next one unless records were lost.
    fn put(&mut self, number: u32, name: String, has_holes: bool) -> Result<(), String> {
        let at = number as usize;
        if (at > self.0.len() && !has_holes) || at > MOST_SYMBOLS {
            return Err("the number of a symbol is out of order".to_owned());
        }
        if at >= self.0.len() {
            self.0.resize(at + 1, None);
        }
        self.0[at] = Some(name);
        Ok(())
    }
}

/// Does everything again that was done with symbols and bars.
struct Again<'a> {
    intake: Option<Intake>,
    records: &'a Records,
    names: &'a mut Names,
    has_holes: bool,
    /// Where the base bars of a symbol, by its number, and an interval, by its code, were found. Nothing is removed meanwhile.
    found: Vec<Option<(i64, SymbolId)>>,
    bars: usize,
    refused: usize,
    /// The bars of a step; its memory is used again.
    taken: Vec<(SymbolId, Bar)>,
}

impl Again<'_> {
    fn rows(&mut self, writing: &mut Writing<'_>, rows: Range<usize>) -> Result<(), Damage> {
        let mut row = rows.start;
        let mut fetched = row;
        while row < rows.end {
            if row >= fetched {
                fetched = rows.end.min(row + TOGETHER);
                self.fetch(writing, row..fetched);
            }
            let end = arrival_end(self.records, row, rows.end);
            self.arrival(writing, row..end)
                .map_err(|what| (row, what))?;
            row = end;
        }
        Ok(())
    }

    /// Look at where the next bars go, all at once.
    fn fetch(&self, writing: &Writing<'_>, rows: Range<usize>) {
        let symbols = self.records.symbol[rows].iter();
        let known = symbols.filter_map(|&symbol| *self.found.get(symbol as usize)?);
        writing.fetch(known.map(|(_, id)| id));
    }

    fn arrival(&mut self, writing: &mut Writing<'_>, rows: Range<usize>) -> Result<(), String> {
        let (records, row) = (self.records, rows.start);
        match Kind::from_byte(records.kind[row]) {
            Some(Kind::Symbol) => {
                let name = text_of(records, row).to_owned();
                return self.names.put(records.symbol[row], name, self.has_holes);
            }
            Some(Kind::Register) => return self.register(writing, row),
            Some(Kind::Clock) => return self.clock(writing, records.ts[row]),
            Some(Kind::Bar | Kind::Correction) => {}
            _ => return Err(AMONG_BARS.to_owned()),
        }
        self.bars += rows.len();
        if records.extra[row] & !WHILE_LIVE == AS_STEP {
            return self.step(writing, rows);
        }
        let Some(name) = self.names.get(records.symbol[row]) else {
            return self.nameless(rows.len());
        };
        let count = rows.len();
        let was_live = records.extra[row] & WHILE_LIVE != 0;
        if was_live {
            writing.take_clock();
        }
        let done = offer(writing, records, name, rows);
        if was_live {
            writing.return_clock();
        }
        self.changed();
        self.refused += if done? { 0 } else { count };
        Ok(())
    }

    /// The store changed otherwise than by steps.
    fn changed(&mut self) {
        if let Some(intake) = &mut self.intake {
            intake.forget();
        }
    }

    fn register(&mut self, writing: &mut Writing<'_>, row: usize) -> Result<(), String> {
        let base = decoded(self.records.interval[row])?;
        let number = self.records.symbol[row];
        let Some(name) = self.names.get(number) else {
            return self.nameless(1);
        };
        let derived = text_of(self.records, row).split_whitespace();
        let derived: Result<Vec<Interval>, Error> = derived.map(str::parse).collect();
        let done = derived.and_then(|derived| writing.register(name, base, &derived));
        self.changed();
        self.refused += usize::from(done.is_err());
        Ok(())
    }

    fn clock(&mut self, writing: &mut Writing<'_>, clock: i64) -> Result<(), String> {
        let intake = self.intake.as_mut().ok_or(NO_PATIENCE)?;
        let done = intake.take(writing, iter::empty(), clock);
        done.map(|_| ()).map_err(|error| error.to_string())
    }

    /// The name was lost with the records that a salvage could not keep.
    fn nameless(&mut self, count: usize) -> Result<(), String> {
        if !self.has_holes {
            return Err("its symbol has no name".to_owned());
        }
        self.refused += count;
        Ok(())
    }

    /// Take a step again. Like the step itself it is refused as a whole for a bar that no series takes; of a salvaged one
    /// the bars that are known are taken.
    fn step(&mut self, writing: &mut Writing<'_>, rows: Range<usize>) -> Result<(), String> {
        let clock = self.records.arrival[rows.start];
        self.taken.clear();
        for row in rows.clone() {
            if !is_bar(self.records.kind[row]) {
                return Err(AMONG_BARS.to_owned());
            }
            match self.base_series(writing, row)? {
                Some(id) => self.taken.push((id, bar(self.records, row))),
                None if self.has_holes => self.refused += 1,
                None => {
                    self.refused += rows.len();
                    return Ok(());
                }
            }
        }
        let intake = self.intake.as_mut().ok_or(NO_PATIENCE)?;
        let refused = intake.take(writing, self.taken.iter().copied(), clock);
        self.refused += refused.map_err(|error| error.to_string())?.len();
        Ok(())
    }

    /// Where the bar of a row goes; `None` if no series takes it.
    fn base_series(
        &mut self,
        writing: &Writing<'_>,
        row: usize,
    ) -> Result<Option<SymbolId>, String> {
        let (number, code) = (self.records.symbol[row], self.records.interval[row]);
        let at = number as usize;
        if let Some(Some((known, id))) = self.found.get(at)
            && *known == code
        {
            return Ok(Some(*id));
        }
        let interval = decoded(code)?.ok_or(NO_INTERVAL)?;
        let Some(name) = self.names.get(number) else {
            return match self.has_holes {
                true => Ok(None),
                false => Err("its symbol has no name".to_owned()),
            };
        };
        let id = writing.base_series(name, interval);
        if let Some(id) = id {
            if at >= self.found.len() {
                self.found.resize(self.names.0.len(), None);
            }
            self.found[at] = Some((code, id));
        }
        Ok(id)
    }
}

fn text_of(records: &Records, row: usize) -> &str {
    let at = records.texts.binary_search_by_key(&row, |(row, _)| *row);
    at.map_or("", |at| &records.texts[at].1)
}

/// The row behind those that arrived together.
fn arrival_end(records: &Records, row: usize, to: usize) -> usize {
    let joined = records.joined[row + 1..to].iter();
    row + 1 + joined.take_while(|joined| **joined == 1).count()
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
