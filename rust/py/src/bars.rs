//! `Bars`: a snapshot of bars of one symbol and interval. Columns are views; nothing is copied unless it spans pieces.

mod columns;
mod handed;
mod parts;
mod whole;

use std::sync::{Arc, OnceLock};

use pyo3::basic::CompareOp;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyIterator, PyList, PyString};
use tapeloom_core::columns::Columns;
use tapeloom_core::schedule::{Anchor, ExtendedHours};
use tapeloom_core::segment::Field;
use tapeloom_core::series::{Rows, Slice};
use tapeloom_core::time::Interval;

use crate::bar::PyBarData;
use crate::convert;
use crate::error::BindResult;
use crate::exchange::Exchange;
use crate::export::Exclusive;
use crate::label::PyLabel;
use crate::resample;
use crate::session_table::PySessionTable;
pub(crate) use handed::Handed;
pub(crate) use parts::Parts;
use whole::{Asked, Invalid};

/// See `_core.pyi`.
#[pyclass(frozen, sequence, name = "Bars", module = "tapeloom._core")]
#[derive(Debug)]
pub(crate) struct PyBars(Exclusive<Content>);

/// What a snapshot holds.
#[derive(Debug)]
pub(crate) struct Content {
    label: Py<PyLabel>,
    parts: Parts,
    rows: usize,
    /// Whether they were cut out of rows that were known to be in order.
    is_of_sorted: bool,
    /// What few ever ask, kept apart so that a snapshot stays small.
    asked: OnceLock<Box<Asked>>,
}

impl PyBars {
    pub(crate) fn new(label: Py<PyLabel>, parts: Parts) -> Self {
        Self::cut(label, parts, false)
    }

    fn cut(label: Py<PyLabel>, parts: Parts, is_of_sorted: bool) -> Self {
        let rows = parts.all().iter().map(Slice::len).sum();
        Self(Exclusive::new(Content {
            label,
            parts,
            rows,
            is_of_sorted,
            asked: OnceLock::new(),
        }))
    }

    /// Columns in one piece.
    pub(crate) fn of_columns(label: Py<PyLabel>, columns: Arc<Columns>) -> Self {
        let to = columns.len();
        let rows = Rows::Sealed(columns);
        Self::new(label, Parts::One(Slice { rows, from: 0, to }))
    }

    fn rows(&self) -> usize {
        self.0.get().rows
    }

    pub(crate) fn label_of(&self, py: Python<'_>) -> Py<PyLabel> {
        self.0.get().label.clone_ref(py)
    }

    pub(crate) fn label(&self) -> &PyLabel {
        self.0.get().label.get()
    }

    pub(crate) fn interval(&self) -> Interval {
        self.label().interval
    }

    fn exchange(&self) -> &Exchange {
        &self.label().exchange
    }

    fn sealed(&self, py: Python<'_>, columns: Columns) -> Self {
        Self::of_columns(self.0.get().label.clone_ref(py), Arc::new(columns))
    }

    fn with_part(&self, py: Python<'_>, part: Slice) -> Self {
        self.of_parts(py, Parts::One(part))
    }

    /// Some of these rows, in the order in which they are.
    pub(crate) fn of_parts(&self, py: Python<'_>, parts: Parts) -> Self {
        Self::cut(self.label_of(py), parts, self.is_known_sorted())
    }

    fn bar<'py>(&self, py: Python<'py>, row: usize) -> PyResult<Bound<'py, PyBarData>> {
        let whole = self.whole();
        PyBarData::known(
            py,
            &self.0.get().label,
            whole.bar(row),
            whole.constituents(row),
        )
    }
}

#[pymethods]
impl PyBars {
    #[staticmethod]
    #[pyo3(signature = (symbol, interval, *, ts, open, high, low, close, volume, zone, table=None, flags=None, constituents=None, anchor="session", extended_hours="off"))]
    #[expect(clippy::too_many_arguments, reason = "one per column, all by keyword")]
    fn from_columns(
        symbol: &Bound<'_, PyString>,
        interval: &Bound<'_, PyAny>,
        ts: &Bound<'_, PyAny>,
        open: &Bound<'_, PyAny>,
        high: &Bound<'_, PyAny>,
        low: &Bound<'_, PyAny>,
        close: &Bound<'_, PyAny>,
        volume: &Bound<'_, PyAny>,
        zone: Py<PyAny>,
        table: Option<&Bound<'_, PySessionTable>>,
        flags: Option<&Bound<'_, PyAny>>,
        constituents: Option<&Bound<'_, PyAny>>,
        anchor: &str,
        extended_hours: &str,
    ) -> BindResult<Self> {
        let columns = Columns {
            ts: convert::column(ts, "ts", "int64")?,
            open: convert::column(open, "open", "float64")?,
            high: convert::column(high, "high", "float64")?,
            low: convert::column(low, "low", "float64")?,
            close: convert::column(close, "close", "float64")?,
            volume: convert::column(volume, "volume", "float64")?,
            flags: flags.map_or_else(
                || Ok(Vec::new()),
                |flags| convert::column(flags, "flags", "uint8"),
            )?,
            constituents: constituents.map_or_else(
                || Ok(Vec::new()),
                |n| convert::column(n, "constituents", "int32"),
            )?,
        }
        .checked()?;
        let py = symbol.py();
        let anchor = convert::anchor(anchor)?;
        if let Some(table) = table.filter(|_| anchor == Anchor::Clock) {
            PySessionTable::know_midnights(table)?;
        }
        let exchange = Exchange {
            zone,
            table: table.map(|table| table.get().table.clone()),
            python_table: table.map(|table| table.clone().unbind()),
            anchor,
            extended_hours: convert::extended_hours(extended_hours)?,
        };
        let label = PyLabel::new(
            py,
            convert::symbol(symbol)?,
            convert::interval(interval)?,
            constituents.is_some(),
            Arc::new(exchange),
        )?;
        Ok(Self::of_columns(label, Arc::new(columns)))
    }

    #[staticmethod]
    fn concat(py: Python<'_>, parts: Vec<Bound<'_, PyBars>>) -> BindResult<Self> {
        Self::joined(py, &parts)
    }

    #[getter]
    fn symbol<'py>(&self, py: Python<'py>) -> Bound<'py, PyString> {
        self.label().symbol_text.bind(py).clone()
    }

    #[getter(interval)]
    fn interval_text<'py>(&self, py: Python<'py>) -> Bound<'py, PyString> {
        self.label().interval_text.bind(py).clone()
    }

    #[getter]
    fn ts<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        Self::stamps(slf)
    }

    #[getter]
    fn open<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        Self::floats(slf, Field::Open)
    }

    #[getter]
    fn high<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        Self::floats(slf, Field::High)
    }

    #[getter]
    fn low<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        Self::floats(slf, Field::Low)
    }

    #[getter]
    fn close<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        Self::floats(slf, Field::Close)
    }

    #[getter]
    fn volume<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        Self::floats(slf, Field::Volume)
    }

    #[getter]
    fn flags<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        Self::flag_bits(slf)
    }

    #[getter]
    fn constituents<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        Self::base_bars(slf)
    }

    #[getter]
    fn timestamps<'py>(&self, py: Python<'py>) -> BindResult<Bound<'py, PyList>> {
        let whole = self.whole();
        let list = PyList::empty(py);
        for row in 0..self.rows() {
            list.append(self.exchange().datetime(py, whole.ts(row))?)?;
        }
        Ok(list)
    }

    #[getter]
    fn zone<'py>(&self, py: Python<'py>) -> Bound<'py, PyAny> {
        self.exchange().zone.bind(py).clone()
    }

    #[getter]
    fn table<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PySessionTable>> {
        let table = self.exchange().python_table.as_ref();
        table.map(|table| table.bind(py).clone())
    }

    #[getter]
    fn anchor(&self) -> &'static str {
        match self.exchange().anchor {
            Anchor::Session => "session",
            Anchor::Segment => "segment",
            Anchor::Clock => "clock",
        }
    }

    #[getter]
    fn extended_hours(&self) -> &'static str {
        match self.exchange().extended_hours {
            ExtendedHours::Off => "off",
            ExtendedHours::Show => "show",
            ExtendedHours::Full => "full",
        }
    }

    #[getter]
    fn is_derived(&self) -> bool {
        self.label().is_derived
    }

    #[pyo3(signature = (*, structured=false))]
    fn to_numpy<'py>(slf: &Bound<'py, Self>, structured: bool) -> BindResult<Bound<'py, PyAny>> {
        if structured {
            return Ok(Self::as_table(slf, "to_structured")?);
        }
        Ok(Self::all_columns(slf)?.into_any())
    }

    fn to_pandas<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        Self::as_table(slf, "to_pandas")
    }

    fn to_polars<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        Self::as_table(slf, "to_polars")
    }

    fn to_arrow<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        Self::as_table(slf, "to_arrow")
    }

    #[pyo3(signature = (requested_schema=None))]
    fn __arrow_c_stream__<'py>(
        slf: &Bound<'py, Self>,
        requested_schema: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        tables(slf.py())?.call_method1("arrow_stream", (slf, requested_schema))
    }

    fn __arrow_c_schema__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        Self::as_table(slf, "arrow_schema")
    }

    fn _repr_html_<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        Self::as_table(slf, "as_html")
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        Self::as_table(slf, "reduce")
    }

    fn __copy__<'py>(slf: &Bound<'py, Self>) -> Bound<'py, Self> {
        slf.clone()
    }

    fn __deepcopy__<'py>(slf: &Bound<'py, Self>, _memo: &Bound<'py, PyAny>) -> Bound<'py, Self> {
        slf.clone()
    }

    fn to_list<'py>(&self, py: Python<'py>) -> BindResult<Bound<'py, PyList>> {
        let bars = PyBarData::all_known(py, &self.0.get().label, self.whole())?;
        Ok(PyList::new(py, bars)?)
    }

    fn is_sorted(&self) -> bool {
        self.first_fall().is_none()
    }

    fn sorted(&self, py: Python<'_>) -> Self {
        self.sealed(py, self.copied().sorted())
    }

    #[pyo3(signature = (start, end))]
    fn between(&self, py: Python<'_>, start: Option<i64>, end: Option<i64>) -> Self {
        let whole = self.whole();
        let from = start.map_or(0, |start| whole.lower_bound(start));
        let to = end
            .map_or(self.rows(), |end| whole.lower_bound(end))
            .max(from);
        self.with_part(py, whole.sub(from, to))
    }

    fn within(&self, py: Python<'_>, stretches: Vec<(i64, i64)>) -> Self {
        self.of_parts(py, Parts::within(self.whole(), &stretches))
    }

    fn find_jumps(&self, most: f64) -> Vec<usize> {
        let (columns, from, to) = self.columns_but_flags();
        columns.find_jumps(from..to, most)
    }

    #[pyo3(signature = (interval, *, table, completeness="any", anchor="session", extended_hours="off"))]
    fn aggregate(
        slf: &Bound<'_, Self>,
        interval: &Bound<'_, PyAny>,
        table: &Bound<'_, PySessionTable>,
        completeness: &str,
        anchor: &str,
        extended_hours: &str,
    ) -> BindResult<Self> {
        resample::one(resample::resample(
            slf.py(),
            vec![slf.clone()],
            vec![interval.clone()],
            table,
            completeness,
            anchor,
            extended_hours,
            1,
        )?)
    }

    fn count_duplicates(&self) -> (usize, usize) {
        let (columns, from, to) = self.columns_but_flags();
        columns.count_duplicates(from..to)
    }

    #[pyo3(signature = (*, allow_negative_prices=false))]
    fn find_invalid(&self, allow_negative_prices: bool) -> Vec<Invalid> {
        self.invalid(allow_negative_prices)
    }

    fn drop_rows(&self, py: Python<'_>, rows: Vec<usize>) -> Self {
        let dropped: std::collections::HashSet<usize> = rows.into_iter().collect();
        let kept: Vec<usize> = (0..self.rows())
            .filter(|row| !dropped.contains(row))
            .collect();
        self.sealed(py, self.copied().take(&kept))
    }

    fn __len__(&self) -> usize {
        self.rows()
    }

    fn __iter__<'py>(&self, py: Python<'py>) -> BindResult<Bound<'py, PyIterator>> {
        Ok(self.to_list(py)?.try_iter()?)
    }

    fn __getitem__<'py>(
        slf: &Bound<'py, Self>,
        at: &Bound<'py, PyAny>,
    ) -> BindResult<Bound<'py, PyAny>> {
        Self::item(slf, at)
    }

    fn __richcmp__(&self, other: &Bound<'_, PyAny>, op: CompareOp) -> Py<PyAny> {
        let py = other.py();
        let Ok(other) = other.cast::<Self>() else {
            return py.NotImplemented();
        };
        let other = other.get();
        let (a, b) = (self.label(), other.label());
        let same = a.symbol == b.symbol
            && a.interval == b.interval
            && self.rows() == other.rows()
            && self.copied() == other.copied();
        match op {
            CompareOp::Eq => PyBool::new(py, same).to_owned().into_any().unbind(),
            CompareOp::Ne => PyBool::new(py, !same).to_owned().into_any().unbind(),
            CompareOp::Lt | CompareOp::Le | CompareOp::Gt | CompareOp::Ge => py.NotImplemented(),
        }
    }

    fn __repr__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        Self::as_table(slf, "as_text")
    }
}

impl PyBars {
    /// What another tool knows as a table.
    fn as_table<'py>(slf: &Bound<'py, Self>, function: &str) -> PyResult<Bound<'py, PyAny>> {
        tables(slf.py())?.call_method1(function, (slf,))
    }
}

/// Where bars become tables of other tools.
fn tables(py: Python<'_>) -> PyResult<Bound<'_, PyModule>> {
    py.import("tapeloom.tables.bars")
}
