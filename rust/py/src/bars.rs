//! `Bars`: a snapshot of bars of one symbol and interval. Columns are views; nothing is copied unless it spans pieces.

use std::sync::{Arc, OnceLock};

use numpy::{PyArray1, PyArrayMethods};
use pyo3::basic::CompareOp;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict, PyIterator, PyList, PySlice, PyString};
use tapeloom_core::alignment::first_fall;
use tapeloom_core::columns::Columns;
use tapeloom_core::segment::Field;
use tapeloom_core::series::{Rows, Slice};
use tapeloom_core::time::Interval;

use crate::bar::PyBarData;
use crate::convert;
use crate::error::{BindError, BindResult};
use crate::exchange::Exchange;
use crate::export;
use crate::resample;
use crate::session_table::PySessionTable;

/// See `_core.pyi`.
#[pyclass(frozen, sequence, name = "Bars", module = "tapeloom._core")]
#[derive(Debug)]
pub(crate) struct PyBars {
    pub(crate) symbol: Arc<str>,
    pub(crate) interval: Interval,
    derived: bool,
    parts: Vec<Slice>,
    rows: usize,
    /// The parts in one piece, made when a column is first touched and there are several.
    joined: OnceLock<Slice>,
    /// First row that starts before the row ahead of it; looked for once.
    fall: OnceLock<Option<usize>>,
    exchange: Arc<Exchange>,
}

impl PyBars {
    pub(crate) fn new(
        symbol: Arc<str>,
        interval: Interval,
        derived: bool,
        parts: Vec<Slice>,
        exchange: Arc<Exchange>,
    ) -> Self {
        let rows = parts.iter().map(Slice::len).sum();
        Self {
            symbol,
            interval,
            derived,
            parts,
            rows,
            joined: OnceLock::new(),
            fall: OnceLock::new(),
            exchange,
        }
    }

    /// Derived bars in one piece.
    pub(crate) fn derived(
        symbol: Arc<str>,
        interval: Interval,
        columns: Arc<Columns>,
        exchange: Arc<Exchange>,
    ) -> Self {
        let to = columns.len();
        let part = Slice {
            rows: Rows::Sealed(columns),
            from: 0,
            to,
        };
        Self::new(symbol, interval, true, vec![part], exchange)
    }

    fn sealed(&self, columns: Columns) -> Self {
        let to = columns.len();
        let part = Slice {
            rows: Rows::Sealed(Arc::new(columns)),
            from: 0,
            to,
        };
        self.with_parts(vec![part])
    }

    fn with_parts(&self, parts: Vec<Slice>) -> Self {
        Self::new(
            self.symbol.clone(),
            self.interval,
            self.derived,
            parts,
            self.exchange.clone(),
        )
    }

    /// All rows as one piece of memory.
    fn whole(&self) -> &Slice {
        if let [only] = self.parts.as_slice() {
            return only;
        }
        self.joined.get_or_init(|| {
            let columns = self.copied();
            Slice {
                from: 0,
                to: columns.len(),
                rows: Rows::Sealed(Arc::new(columns)),
            }
        })
    }

    fn copied(&self) -> Columns {
        let mut columns = Columns::with_capacity(self.rows, self.derived);
        self.parts
            .iter()
            .for_each(|part| part.copy_into(&mut columns));
        columns
    }

    /// The rows as sealed columns with the range that counts: shared where they are in one sealed piece, else copied.
    pub(crate) fn columns(&self) -> (Arc<Columns>, usize, usize) {
        let whole = self.whole();
        match &whole.rows {
            Rows::Sealed(columns) => (columns.clone(), whole.from, whole.to),
            Rows::Live(_) => (Arc::new(self.copied()), 0, self.rows),
        }
    }

    /// First row that starts before the row ahead of it.
    pub(crate) fn first_fall(&self) -> Option<usize> {
        *self.fall.get_or_init(|| {
            let (columns, from, to) = self.columns();
            first_fall(&columns.ts[from..to])
        })
    }

    fn bar(&self, row: usize) -> BindResult<PyBarData> {
        let whole = self.whole();
        let bar = whole.bar(row);
        let constituents = whole.constituents(row).map(|n| n as u32);
        let end = self
            .exchange
            .bar_end(bar.ts, self.interval)
            .unwrap_or(bar.ts);
        Ok(PyBarData::known(
            self.symbol.clone(),
            self.interval,
            bar,
            constituents,
            end,
            self.exchange.clone(),
        ))
    }

    fn floats<'py>(slf: &Bound<'py, Self>, field: Field) -> Bound<'py, PyArray1<f64>> {
        let whole = slf.get().whole();
        match &whole.rows {
            Rows::Live(segment) => {
                export::view(slf, &segment.float_cells(field)[whole.from..whole.to])
            }
            Rows::Sealed(columns) => {
                let column = match field {
                    Field::Open => &columns.open,
                    Field::High => &columns.high,
                    Field::Low => &columns.low,
                    Field::Close => &columns.close,
                    Field::Volume => &columns.volume,
                };
                export::view(slf, &column[whole.from..whole.to])
            }
        }
    }
}

#[pymethods]
impl PyBars {
    #[staticmethod]
    #[pyo3(signature = (symbol, interval, *, ts, open, high, low, close, volume, zone, table=None, flags=None, constituents=None))]
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
        let exchange = Exchange {
            zone,
            table: table.map(|table| table.get().table.clone()),
        };
        let derived = constituents.is_some();
        let empty = Self::new(
            symbol.to_str()?.into(),
            convert::interval(interval)?,
            derived,
            Vec::new(),
            Arc::new(exchange),
        );
        Ok(empty.sealed(columns))
    }

    #[staticmethod]
    fn concat(parts: Vec<Bound<'_, PyBars>>) -> BindResult<Self> {
        let Some(first) = parts.first().map(Bound::get) else {
            return Err(BindError::argument(
                "parts is empty; give at least one Bars",
            ));
        };
        if let Some(other) = parts
            .iter()
            .map(Bound::get)
            .find(|p| p.symbol != first.symbol || p.interval != first.interval)
        {
            return Err(BindError::argument(format!(
                "parts differ: {} {} and {} {}; they must have one symbol and interval",
                first.symbol, first.interval, other.symbol, other.interval
            )));
        }
        let slices = parts
            .iter()
            .flat_map(|p| p.get().parts.iter().cloned())
            .filter(|part| !part.is_empty())
            .collect();
        Ok(first.with_parts(slices))
    }

    #[getter]
    fn symbol(&self) -> &str {
        &self.symbol
    }

    #[getter]
    fn interval(&self) -> String {
        self.interval.to_string()
    }

    #[getter]
    fn ts<'py>(slf: &Bound<'py, Self>) -> Bound<'py, PyArray1<i64>> {
        let whole = slf.get().whole();
        match &whole.rows {
            Rows::Live(segment) => export::view(slf, &segment.ts_cells()[whole.from..whole.to]),
            Rows::Sealed(columns) => export::view(slf, &columns.ts[whole.from..whole.to]),
        }
    }

    #[getter]
    fn open<'py>(slf: &Bound<'py, Self>) -> Bound<'py, PyArray1<f64>> {
        Self::floats(slf, Field::Open)
    }

    #[getter]
    fn high<'py>(slf: &Bound<'py, Self>) -> Bound<'py, PyArray1<f64>> {
        Self::floats(slf, Field::High)
    }

    #[getter]
    fn low<'py>(slf: &Bound<'py, Self>) -> Bound<'py, PyArray1<f64>> {
        Self::floats(slf, Field::Low)
    }

    #[getter]
    fn close<'py>(slf: &Bound<'py, Self>) -> Bound<'py, PyArray1<f64>> {
        Self::floats(slf, Field::Close)
    }

    #[getter]
    fn volume<'py>(slf: &Bound<'py, Self>) -> Bound<'py, PyArray1<f64>> {
        Self::floats(slf, Field::Volume)
    }

    #[getter]
    fn flags<'py>(slf: &Bound<'py, Self>) -> Bound<'py, PyArray1<u8>> {
        let whole = slf.get().whole();
        match &whole.rows {
            Rows::Live(segment) => export::view(slf, &segment.flag_cells()[whole.from..whole.to]),
            Rows::Sealed(columns) => export::view(slf, &columns.flags[whole.from..whole.to]),
        }
    }

    #[getter]
    fn constituents<'py>(slf: &Bound<'py, Self>) -> Bound<'py, PyArray1<i32>> {
        let this = slf.get();
        let whole = this.whole();
        if !this.derived {
            // A base bar is made of itself.
            let ones = PyArray1::from_vec(slf.py(), vec![1; this.rows]);
            ones.readwrite().make_nonwriteable();
            return ones;
        }
        match &whole.rows {
            Rows::Live(segment) => {
                export::view(slf, &segment.constituent_cells()[whole.from..whole.to])
            }
            Rows::Sealed(columns) => {
                let counts = columns.constituents.get(whole.from..whole.to);
                export::view(slf, counts.unwrap_or(&[]))
            }
        }
    }

    #[getter]
    fn timestamps<'py>(&self, py: Python<'py>) -> BindResult<Bound<'py, PyList>> {
        let whole = self.whole();
        let list = PyList::empty(py);
        for row in 0..self.rows {
            list.append(self.exchange.datetime(py, whole.ts(row))?)?;
        }
        Ok(list)
    }

    fn to_numpy<'py>(slf: &Bound<'py, Self>) -> BindResult<Bound<'py, PyDict>> {
        let columns = PyDict::new(slf.py());
        columns.set_item("ts", Self::ts(slf))?;
        columns.set_item("open", Self::open(slf))?;
        columns.set_item("high", Self::high(slf))?;
        columns.set_item("low", Self::low(slf))?;
        columns.set_item("close", Self::close(slf))?;
        columns.set_item("volume", Self::volume(slf))?;
        columns.set_item("flags", Self::flags(slf))?;
        Ok(columns)
    }

    fn to_list(&self) -> BindResult<Vec<PyBarData>> {
        (0..self.rows).map(|row| self.bar(row)).collect()
    }

    fn is_sorted(&self) -> bool {
        self.first_fall().is_none()
    }

    fn sorted(&self) -> Self {
        self.sealed(self.copied().sorted())
    }

    #[pyo3(signature = (start, end))]
    fn between(&self, start: Option<i64>, end: Option<i64>) -> Self {
        let whole = self.whole();
        let from = start.map_or(0, |start| whole.lower_bound(start));
        let to = end
            .map_or(self.rows, |end| whole.lower_bound(end))
            .max(from);
        self.with_parts(vec![whole.sub(from, to)])
    }

    #[pyo3(signature = (interval, *, table, completeness="any", anchor="session"))]
    fn aggregate(
        slf: &Bound<'_, Self>,
        interval: &Bound<'_, PyAny>,
        table: &Bound<'_, PySessionTable>,
        completeness: &str,
        anchor: &str,
    ) -> BindResult<Self> {
        resample::one(resample::resample(
            slf.py(),
            vec![slf.clone()],
            vec![interval.clone()],
            table,
            completeness,
            anchor,
            1,
        )?)
    }

    fn count_duplicates(&self) -> (usize, usize) {
        self.copied().count_duplicates()
    }

    #[pyo3(signature = (*, allow_negative_prices=false))]
    fn find_invalid(
        &self,
        allow_negative_prices: bool,
    ) -> Vec<(usize, &'static str, f64, &'static str)> {
        let faults = self.copied().find_invalid(allow_negative_prices);
        faults
            .into_iter()
            .map(|(row, fault)| (row, fault.field, fault.value, fault.rule))
            .collect()
    }

    fn drop_rows(&self, rows: Vec<usize>) -> Self {
        let dropped: std::collections::HashSet<usize> = rows.into_iter().collect();
        let kept: Vec<usize> = (0..self.rows)
            .filter(|row| !dropped.contains(row))
            .collect();
        self.sealed(self.copied().take(&kept))
    }

    fn __len__(&self) -> usize {
        self.rows
    }

    fn __iter__<'py>(&self, py: Python<'py>) -> BindResult<Bound<'py, PyIterator>> {
        Ok(PyList::new(py, self.to_list()?)?.try_iter()?)
    }

    fn __getitem__<'py>(
        slf: &Bound<'py, Self>,
        at: &Bound<'py, PyAny>,
    ) -> BindResult<Bound<'py, PyAny>> {
        let this = slf.get();
        let py = slf.py();
        if let Ok(slice) = at.cast::<PySlice>() {
            let range = slice.indices(this.rows as isize)?;
            if range.step != 1 {
                return Err(BindError::argument(format!(
                    "step is {}; bars are sliced in steps of 1",
                    range.step
                )));
            }
            // With a step of 1 both bounds lie within 0..=len; an empty range may have stop before start.
            let (from, to) = (range.start as usize, range.stop.max(range.start) as usize);
            let part = this.whole().sub(from, to);
            return Ok(Bound::new(py, this.with_parts(vec![part]))?.into_any());
        }
        let index: isize = at.extract()?;
        let row = if index < 0 {
            index + this.rows as isize
        } else {
            index
        };
        if row < 0 || row as usize >= this.rows {
            return Err(pyo3::exceptions::PyIndexError::new_err(format!(
                "index {index} of {} bars",
                this.rows
            ))
            .into());
        }
        Ok(Bound::new(py, this.bar(row as usize)?)?.into_any())
    }

    fn __richcmp__(&self, other: &Bound<'_, PyAny>, op: CompareOp) -> Py<PyAny> {
        let py = other.py();
        let Ok(other) = other.cast::<Self>() else {
            return py.NotImplemented();
        };
        let other = other.get();
        let same = self.symbol == other.symbol
            && self.interval == other.interval
            && self.rows == other.rows
            && self.copied() == other.copied();
        match op {
            CompareOp::Eq => PyBool::new(py, same).to_owned().into_any().unbind(),
            CompareOp::Ne => PyBool::new(py, !same).to_owned().into_any().unbind(),
            CompareOp::Lt | CompareOp::Le | CompareOp::Gt | CompareOp::Ge => py.NotImplemented(),
        }
    }

    fn __repr__(&self, py: Python<'_>) -> BindResult<String> {
        let head = format!(
            "Bars('{}', '{}', {} bars",
            self.symbol, self.interval, self.rows
        );
        if self.rows == 0 {
            return Ok(head + ")");
        }
        let show = |row: usize| -> PyResult<String> {
            let at = self.exchange.datetime(py, self.whole().ts(row))?;
            at.call_method1("isoformat", (" ", "minutes"))?.extract()
        };
        Ok(format!("{head}, {} to {})", show(0)?, show(self.rows - 1)?))
    }
}
