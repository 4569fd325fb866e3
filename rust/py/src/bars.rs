//! `Bars`: a snapshot of bars of one symbol and interval. Columns are views; nothing is copied unless it spans pieces.

use std::ops::Range;
use std::sync::{Arc, OnceLock};

use numpy::{PyArray1, PyArrayMethods};
use pyo3::basic::CompareOp;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBool, PyDict, PyIterator, PyList, PySlice, PyString};
use tapeloom_core::alignment::Order;
use tapeloom_core::columns::Columns;
use tapeloom_core::schedule::{Anchor, ExtendedHours};
use tapeloom_core::segment::{Field, Segment};
use tapeloom_core::series::{Rows, Slice};
use tapeloom_core::time::Interval;

use crate::bar::PyBarData;
use crate::convert;
use crate::error::{BindError, BindResult};
use crate::exchange::Exchange;
use crate::export::{self, Exclusive, unshared};
use crate::label::PyLabel;
use crate::resample;
use crate::session_table::PySessionTable;

/// Where the rows of a snapshot are.
#[derive(Debug, Clone)]
pub(crate) enum Parts {
    /// In one piece of memory.
    One(Slice),
    /// In several, or nowhere.
    Several(Vec<Slice>),
}

impl Parts {
    /// Slices one after the other; those that follow each other in memory are one.
    pub(crate) fn joined(slices: impl IntoIterator<Item = Slice>) -> Self {
        let mut all: Vec<Slice> = Vec::new();
        for slice in slices.into_iter().filter(|slice| !slice.is_empty()) {
            match all.last_mut() {
                Some(last) if last.is_continued_by(&slice) => last.to = slice.to,
                _ => all.push(slice),
            }
        }
        match <[Slice; 1]>::try_from(all) {
            Ok([only]) => Self::One(only),
            Err(all) => Self::Several(all),
        }
    }

    /// The rows of a slice that start in some stretches of time, one after the other.
    pub(crate) fn within(whole: &Slice, stretches: &[(i64, i64)]) -> Self {
        let (mut row, mut length) = (0, 0);
        Self::joined(stretches.iter().map(|&(start, end)| {
            let from = whole.lower_bound_from(row, start);
            row = whole.lower_bound_near(from, from + length, end);
            length = row - from;
            whole.sub(from, row)
        }))
    }

    pub(crate) fn all(&self) -> &[Slice] {
        match self {
            Self::One(only) => std::slice::from_ref(only),
            Self::Several(all) => all,
        }
    }
}

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
    /// What few ever ask, kept apart so that a snapshot stays small.
    asked: OnceLock<Box<Asked>>,
}

/// Snapshots of one series that were handed out, to be used again once nobody holds them or a column of theirs.
///
/// Two, taken in turn: as a rule the one before is still held when the next one is asked for. Each keeps the memory of its rows
/// until it is used again.
#[derive(Debug, Default)]
pub(crate) struct Handed {
    bars: [Option<Py<PyBars>>; 2],
    next: usize,
}

impl Content {
    /// Hold other rows of the same series.
    #[inline]
    fn put(&mut self, segment: &Arc<Segment>, rows: Range<usize>) {
        self.asked.take();
        self.rows = rows.len();
        match &mut self.parts {
            // As a rule the same memory: no reference comes or goes.
            Parts::One(Slice {
                rows: Rows::Live(known),
                from,
                to,
            }) if Arc::ptr_eq(known, segment) => (*from, *to) = (rows.start, rows.end),
            parts => {
                *parts = Parts::One(Slice {
                    rows: Rows::Live(segment.clone()),
                    from: rows.start,
                    to: rows.end,
                });
            }
        }
    }
}

/// Answers that are worked out at most once.
#[derive(Debug, Default)]
struct Asked {
    /// The parts in one piece, made when a column is first touched and there are several.
    joined: OnceLock<Slice>,
    /// How the rows follow each other.
    order: OnceLock<Arc<Order>>,
}

impl PyBars {
    pub(crate) fn new(label: Py<PyLabel>, parts: Parts) -> Self {
        let rows = parts.all().iter().map(Slice::len).sum();
        Self(Exclusive::new(Content {
            label,
            parts,
            rows,
            asked: OnceLock::new(),
        }))
    }

    /// A snapshot of rows of a segment, in an object that was used before if one is free.
    #[inline(always)]
    pub(crate) fn handed_out<'py>(
        py: Python<'py>,
        label: &Py<PyLabel>,
        out: &mut Handed,
        (segment, rows): (&Arc<Segment>, Range<usize>),
    ) -> PyResult<Bound<'py, Self>> {
        let object = &mut out.bars[out.next];
        out.next ^= 1;
        if let Some(object) = object
            && let Some(content) = unshared(py, object, |bars| &bars.0)
        {
            content.put(segment, rows);
            return Ok(object.bind(py).clone());
        }
        let new = Self::of_segment(py, label, segment, rows)?;
        *object = Some(new.clone().unbind());
        Ok(new)
    }

    #[cold]
    fn of_segment<'py>(
        py: Python<'py>,
        label: &Py<PyLabel>,
        segment: &Arc<Segment>,
        rows: Range<usize>,
    ) -> PyResult<Bound<'py, Self>> {
        let slice = Slice {
            rows: Rows::Live(segment.clone()),
            from: rows.start,
            to: rows.end,
        };
        Bound::new(py, Self::new(label.clone_ref(py), Parts::One(slice)))
    }

    fn asked(&self) -> &Asked {
        self.0.get().asked.get_or_init(Box::default)
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

    /// Other rows of the same series.
    pub(crate) fn of_parts(&self, py: Python<'_>, parts: Parts) -> Self {
        Self::new(self.label_of(py), parts)
    }

    /// All rows as one piece of memory.
    pub(crate) fn whole(&self) -> &Slice {
        if let Parts::One(only) = &self.0.get().parts {
            return only;
        }
        self.asked().joined.get_or_init(|| {
            let columns = self.copied();
            Slice {
                from: 0,
                to: columns.len(),
                rows: Rows::Sealed(Arc::new(columns)),
            }
        })
    }

    fn copied(&self) -> Columns {
        let mut columns = Columns::with_capacity(self.rows(), self.label().is_derived);
        self.0
            .get()
            .parts
            .all()
            .iter()
            .for_each(|part| part.copy_into(&mut columns));
        columns
    }

    /// The rows as sealed columns with the range that counts: shared where they are in one sealed piece, else copied.
    pub(crate) fn columns(&self) -> (Arc<Columns>, usize, usize) {
        let whole = self.whole();
        match &whole.rows {
            Rows::Sealed(columns) => (columns.clone(), whole.from, whole.to),
            Rows::Flagged { .. } | Rows::Live(_) => (Arc::new(self.copied()), 0, self.rows()),
        }
    }

    /// The same for who does not read flags.
    pub(crate) fn columns_but_flags(&self) -> (Arc<Columns>, usize, usize) {
        let whole = self.whole();
        match whole.columns() {
            Some(columns) => (columns.clone(), whole.from, whole.to),
            None => self.columns(),
        }
    }

    /// Number of base bars in the bar that starts at an instant; rows are in order.
    pub(crate) fn constituents_at(&self, ts: i64) -> Option<i32> {
        let whole = self.whole();
        let row = whole.lower_bound(ts);
        (row < self.rows() && whole.ts(row) == ts)
            .then(|| whole.constituents(row))
            .flatten()
    }

    /// How the rows follow each other.
    pub(crate) fn order(&self) -> &Arc<Order> {
        self.asked().order.get_or_init(|| {
            let (columns, from, to) = self.columns_but_flags();
            Arc::new(Order::of(&columns.ts[from..to], self.interval().ns()))
        })
    }

    /// First row that starts before the row ahead of it.
    pub(crate) fn first_fall(&self) -> Option<usize> {
        self.order().fall
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

    fn floats<'py>(slf: &Bound<'py, Self>, field: Field) -> PyResult<Bound<'py, PyAny>> {
        let whole = slf.get().whole();
        match &whole.rows {
            Rows::Live(segment) => {
                export::view(slf, &segment.float_cells(field)[whole.from..whole.to])
            }
            Rows::Sealed(columns) | Rows::Flagged { columns, .. } => {
                export::view(slf, &columns.floats(field)[whole.from..whole.to])
            }
        }
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
            symbol.to_str()?.into(),
            convert::interval(interval)?,
            constituents.is_some(),
            Arc::new(exchange),
        )?;
        Ok(Self::of_columns(label, Arc::new(columns)))
    }

    #[staticmethod]
    fn concat(py: Python<'_>, parts: Vec<Bound<'_, PyBars>>) -> BindResult<Self> {
        let Some(first) = parts.first().map(Bound::get) else {
            return Err(BindError::argument(
                "parts is empty; give at least one Bars",
            ));
        };
        let (one, mut all) = (first.label(), parts.iter().map(|part| part.get().label()));
        if let Some(other) =
            all.find(|other| other.symbol != one.symbol || other.interval != one.interval)
        {
            return Err(BindError::argument(format!(
                "parts differ: {} {} and {} {}; they must have one symbol and interval",
                one.symbol, one.interval, other.symbol, other.interval
            )));
        }
        if let Some(other) = parts
            .iter()
            .map(|part| part.get().label())
            .find(|other| other.is_derived != one.is_derived)
        {
            return Err(BindError::argument(format!(
                "parts differ: some {} {} bars are derived and some are not",
                other.symbol, other.interval
            )));
        }
        let slices = parts.iter().flat_map(|part| part.get().0.get().parts.all());
        Ok(Self::new(
            first.label_of(py),
            Parts::joined(slices.cloned()),
        ))
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
        let whole = slf.get().whole();
        match &whole.rows {
            Rows::Live(segment) => export::view(slf, &segment.ts_cells()[whole.from..whole.to]),
            Rows::Sealed(columns) | Rows::Flagged { columns, .. } => {
                export::view(slf, &columns.ts[whole.from..whole.to])
            }
        }
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
        let whole = slf.get().whole();
        match &whole.rows {
            Rows::Live(segment) => export::view(slf, &segment.flag_cells()[whole.from..whole.to]),
            Rows::Sealed(columns) => export::view(slf, &columns.flags[whole.from..whole.to]),
            Rows::Flagged { flags, .. } => export::view(slf, flags.of(whole.from..whole.to)),
        }
    }

    #[getter]
    fn constituents<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        let this = slf.get();
        let whole = this.whole();
        if !this.label().is_derived {
            // A base bar is made of itself.
            let ones = PyArray1::from_vec(slf.py(), vec![1_i32; this.rows()]);
            ones.readwrite().make_nonwriteable();
            return Ok(ones.into_any());
        }
        match &whole.rows {
            Rows::Live(segment) => {
                export::view(slf, &segment.constituent_cells()[whole.from..whole.to])
            }
            Rows::Sealed(columns) | Rows::Flagged { columns, .. } => {
                let counts = columns.constituents.get(whole.from..whole.to);
                export::view(slf, counts.unwrap_or(&[]))
            }
        }
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
        let py = slf.py();
        if structured {
            return Ok(Self::as_table(slf, "to_structured")?);
        }
        // With room for all names: a dict that grows is laid out anew on the way.
        let columns = COLUMNS.get_or_try_init(py, || no_columns(py))?;
        let columns = columns.bind(py).copy()?;
        columns.set_item(intern!(py, "ts"), Self::ts(slf)?)?;
        columns.set_item(intern!(py, "open"), Self::open(slf)?)?;
        columns.set_item(intern!(py, "high"), Self::high(slf)?)?;
        columns.set_item(intern!(py, "low"), Self::low(slf)?)?;
        columns.set_item(intern!(py, "close"), Self::close(slf)?)?;
        columns.set_item(intern!(py, "volume"), Self::volume(slf)?)?;
        columns.set_item(intern!(py, "flags"), Self::flags(slf)?)?;
        Ok(columns.into_any())
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
    fn find_invalid(
        &self,
        allow_negative_prices: bool,
    ) -> Vec<(usize, &'static str, f64, &'static str)> {
        let (columns, from, to) = self.columns_but_flags();
        let faults = columns.find_invalid_in(from..to, allow_negative_prices);
        faults
            .into_iter()
            .map(|(row, fault)| (row, fault.field, fault.value, fault.rule))
            .collect()
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
        let this = slf.get();
        let py = slf.py();
        if let Ok(slice) = at.cast::<PySlice>() {
            let range = slice.indices(this.rows() as isize)?;
            if range.step != 1 {
                return Err(BindError::argument(format!(
                    "step is {}; bars are sliced in steps of 1",
                    range.step
                )));
            }
            // With a step of 1 both bounds lie within 0..=len; an empty range may have stop before start.
            let (from, to) = (range.start as usize, range.stop.max(range.start) as usize);
            let part = this.whole().sub(from, to);
            return Ok(Bound::new(py, this.with_part(py, part))?.into_any());
        }
        let index: isize = at.extract()?;
        let row = if index < 0 {
            index + this.rows() as isize
        } else {
            index
        };
        if row < 0 || row as usize >= this.rows() {
            return Err(pyo3::exceptions::PyIndexError::new_err(format!(
                "index {index} of {} bars",
                this.rows()
            ))
            .into());
        }
        Ok(this.bar(py, row as usize)?.into_any())
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

/// A dict of all columns without their values, to be copied.
static COLUMNS: PyOnceLock<Py<PyDict>> = PyOnceLock::new();

fn no_columns(py: Python<'_>) -> PyResult<Py<PyDict>> {
    let columns = PyDict::new(py);
    for name in ["ts", "open", "high", "low", "close", "volume", "flags"] {
        columns.set_item(PyString::intern(py, name), py.None())?;
    }
    Ok(columns.unbind())
}

/// Where bars become tables of other tools.
fn tables(py: Python<'_>) -> PyResult<Bound<'_, PyModule>> {
    py.import("tapeloom.tables.bars")
}
