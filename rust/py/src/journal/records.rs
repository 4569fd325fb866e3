//! `JournalRecords`: records that were read, as columns; and what Python hands over as records.

use std::path::PathBuf;

use numpy::{Element, IntoPyArray, PyArrayMethods};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};
use tapeloom_core::time::Interval;
use tapeloom_journal::{Kind, Record, Records};

use crate::bar::PyBarData;
use crate::bars::PyBars;
use crate::convert;
use crate::error::{BindError, BindResult};

/// See `_core.pyi`.
#[pyclass(frozen, name = "JournalRecords", module = "tapeloom._core")]
#[derive(Debug)]
pub(crate) struct PyJournalRecords {
    #[pyo3(get)]
    pub(super) first_seq: u64,
    pub(super) records: Records,
    pub(super) path: PathBuf,
}

#[pymethods]
impl PyJournalRecords {
    fn __len__(&self) -> usize {
        self.records.len()
    }

    /// The columns by name, copies.
    fn columns<'py>(&self, py: Python<'py>) -> BindResult<Bound<'py, PyDict>> {
        let found = PyDict::new(py);
        let records = &self.records;
        found.set_item("kind", sealed(py, &records.kind)?)?;
        found.set_item("flags", sealed(py, &records.flags)?)?;
        found.set_item("joined", sealed(py, &records.joined)?)?;
        found.set_item("symbol", sealed(py, &records.symbol)?)?;
        found.set_item("extra", sealed(py, &records.extra)?)?;
        found.set_item("arrival", sealed(py, &records.arrival)?)?;
        found.set_item("ts", sealed(py, &records.ts)?)?;
        found.set_item("interval", sealed(py, &records.interval)?)?;
        let names = ["open", "high", "low", "close", "volume"];
        for (name, column) in names.into_iter().zip(&records.values) {
            found.set_item(name, sealed(py, column)?)?;
        }
        Ok(found)
    }

    #[getter]
    fn texts(&self) -> Vec<(usize, String)> {
        self.records.texts.clone()
    }

    /// Rows that a replay does not take, in order.
    #[getter]
    fn events(&self) -> Vec<usize> {
        let kinds = self.records.kind.iter().enumerate();
        kinds
            .filter(|(_, kind)| !is_replayed(**kind))
            .map(|(row, _)| row)
            .collect()
    }
}

fn sealed<'py, T: Element + Copy>(py: Python<'py>, column: &[T]) -> PyResult<Bound<'py, PyAny>> {
    let array = column.to_vec().into_pyarray(py);
    array.readwrite().make_nonwriteable();
    Ok(array.into_any())
}

/// Bars that were taken in one step of a live session.
pub(super) const AS_STEP: i32 = 4;
/// Added to how bars were offered while somebody else moved the clock.
pub(super) const WHILE_LIVE: i32 = 8;

pub(super) fn is_bar(kind: u8) -> bool {
    kind == Kind::Bar as u8 || kind == Kind::Correction as u8
}

/// Whether a replay takes records of a kind.
fn is_replayed(kind: u8) -> bool {
    let kind = Kind::from_byte(kind);
    kind.is_some_and(|kind| {
        matches!(
            kind,
            Kind::Bar | Kind::Correction | Kind::Symbol | Kind::Register | Kind::Clock
        )
    })
}

/// One length, one number: nanoseconds; sessions and weeks below 0, even and odd.
fn encoded(interval: Interval) -> i64 {
    match interval {
        Interval::Fixed(ns) => ns,
        Interval::Sessions(count) => -2 * i64::from(count),
        Interval::Weeks(count) => -2 * i64::from(count) - 1,
    }
}

pub(super) fn decoded(code: i64) -> Result<Option<Interval>, String> {
    let odd = || format!("no interval has the code {code}");
    match code {
        0 => Ok(None),
        1.. => Interval::fixed(code).map(Some).map_err(|_| odd()),
        ..0 => {
            let count = u32::try_from(code.unsigned_abs() / 2).ok();
            let count = count.filter(|count| *count > 0).ok_or_else(odd)?;
            Ok(Some(if code % 2 == 0 {
                Interval::Sessions(count)
            } else {
                Interval::Weeks(count)
            }))
        }
    }
}

/// A record of a kind that is no bar.
pub(super) fn event(kind: u8, interval: Option<&Bound<'_, PyAny>>) -> BindResult<Record> {
    let mut record = Record::new(known(kind)?, 0);
    if let Some(interval) = interval {
        record.interval = encoded(convert::interval(interval)?);
    }
    Ok(record)
}

fn known(kind: u8) -> BindResult<Kind> {
    Kind::from_byte(kind)
        .ok_or_else(|| BindError::argument(format!("kind is {kind}; it must be 1 to 13")))
}

/// A bar as a record.
pub(super) fn of_bar(
    bar: &PyBarData,
    kind: u8,
    arrival: i64,
    symbol: u32,
    extra: i32,
) -> BindResult<Record> {
    let mut record = Record::new(known_bar(kind)?, arrival);
    record.interval = encoded(bar.interval());
    let bar = bar.bar();
    record.flags = bar.flags;
    record.symbol = symbol;
    record.extra = extra;
    record.ts = bar.ts;
    record.values = [bar.open, bar.high, bar.low, bar.close, bar.volume];
    Ok(record)
}

fn known_bar(kind: u8) -> BindResult<Kind> {
    if !is_bar(kind) {
        return Err(BindError::argument(format!(
            "kind is {kind}; that of a bar is 7 or 8"
        )));
    }
    known(kind)
}

/// The bars of one step as records, behind the clock that came between this step and the one before.
pub(super) fn of_step(
    bars: &[Bound<'_, PyBarData>],
    corrections: &[i64],
    clock: i64,
    ticked: Option<i64>,
    numbers: &Bound<'_, PyDict>,
) -> BindResult<Records> {
    let mut kinds = vec![Kind::Bar; bars.len()];
    for &at in corrections {
        let named = usize::try_from(at).ok().and_then(|at| kinds.get_mut(at));
        *named.ok_or_else(|| {
            BindError::argument(format!(
                "corrections names position {at}; there are {} bars, counted from 0",
                bars.len()
            ))
        })? = Kind::Correction;
    }
    let mut records = Records::default();
    if let Some(ticked) = ticked {
        let mut record = Record::new(Kind::Clock, clock);
        record.ts = ticked;
        records.push(record);
    }
    for (at, (bar, kind)) in bars.iter().zip(kinds).enumerate() {
        let mut record = of_bar(bar.get(), kind as u8, clock, number(numbers, bar)?, AS_STEP)?;
        record.joined = at > 0;
        records.push(record);
    }
    Ok(records)
}

/// Bars of any symbols that came together, as records of their own.
pub(super) fn of_each(
    bars: &Bound<'_, PyList>,
    kind: u8,
    arrival: i64,
    extra: i32,
    numbers: &Bound<'_, PyDict>,
) -> BindResult<Records> {
    let mut records = Records::default();
    for pair in bars.iter() {
        let (_, bar): (Bound<'_, PyAny>, Bound<'_, PyBarData>) = pair.extract()?;
        let symbol = number(numbers, &bar)?;
        records.push(of_bar(bar.get(), kind, arrival, symbol, extra)?);
    }
    Ok(records)
}

fn number(numbers: &Bound<'_, PyDict>, bar: &Bound<'_, PyBarData>) -> BindResult<u32> {
    let symbol = bar.get().symbol();
    let Some(number) = numbers.get_item(&**symbol)? else {
        let text = format!("a bar of {symbol} arrived, which the journal does not know");
        return Err(BindError::Named(
            "UnknownSymbolError",
            format!("{text}; register the symbol through it"),
        ));
    };
    Ok(number.extract()?)
}

/// The bars of one arrival as records.
pub(super) fn of_bars(
    bars: &PyBars,
    kind: u8,
    arrival: i64,
    symbol: u32,
    extra: i32,
) -> BindResult<Records> {
    let kind = known_bar(kind)? as u8;
    let (columns, from, to) = bars.columns();
    let n = to - from;
    let mut records = Records {
        kind: vec![kind; n],
        flags: columns.flags[from..to].to_vec(),
        joined: vec![1; n],
        symbol: vec![symbol; n],
        extra: vec![extra; n],
        arrival: vec![arrival; n],
        ts: columns.ts[from..to].to_vec(),
        interval: vec![encoded(bars.interval()); n],
        values: [
            &columns.open,
            &columns.high,
            &columns.low,
            &columns.close,
            &columns.volume,
        ]
        .map(|column| column[from..to].to_vec()),
        texts: Vec::new(),
    };
    if let Some(first) = records.joined.first_mut() {
        *first = 0;
    }
    Ok(records)
}
