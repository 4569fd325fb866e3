//! `BarData`: one bar of one symbol.

use std::sync::Arc;

use pyo3::basic::CompareOp;
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDateTime, PyString, PyTzInfo, PyTzInfoAccess};
use tapeloom_core::bar::Bar;
use tapeloom_core::columns::Columns;
use tapeloom_core::schedule::{Anchor, ExtendedHours};
use tapeloom_core::series::Slice;
use tapeloom_core::time::Interval;

use crate::bars::PyBars;
use crate::convert;
use crate::error::{BindError, BindResult};
use crate::exchange::Exchange;
use crate::export::{Exclusive, InTurn, is_unshared, unshared};
use crate::label::PyLabel;

/// Where a bar comes from.
#[derive(Debug)]
enum Origin {
    /// A series of an exchange.
    Series(Py<PyLabel>),
    /// A user.
    User(Box<Given>),
}

/// What a user said of a bar.
#[derive(Debug)]
struct Given {
    symbol: Arc<str>,
    interval: Interval,
    /// The time as it was given.
    timestamp: Py<PyAny>,
    /// Whether it is wall time without a zone.
    is_naive: bool,
}

/// See `_core.pyi`.
#[pyclass(frozen, name = "BarData", module = "tapeloom._core")]
#[derive(Debug)]
pub(crate) struct PyBarData(Exclusive<Content>);

/// One bar and where it comes from.
#[derive(Debug)]
struct Content {
    bar: Bar,
    /// Below 0 for a base bar.
    constituents: i32,
    origin: Origin,
}

/// Bars that were handed out, to be used again once nobody holds them: making an object costs more than filling it.
#[derive(Debug, Default)]
struct Handed {
    bars: Vec<Py<PyBarData>>,
    next: usize,
}

/// Enough for what is read at once and dropped.
const HANDED: usize = 1_024;

/// Those of this process.
static OUT: InTurn<Handed> = InTurn::new(Handed {
    bars: Vec::new(),
    next: 0,
});

impl Handed {
    /// Begin with the first again if it is free: what was used last is near.
    #[inline]
    fn start_over(&mut self, py: Python<'_>) {
        let first = self.bars.first();
        if first.is_some_and(|first| is_unshared(py, first.as_any())) {
            self.next = 0;
        }
    }

    /// A bar that comes out of a series, in an object that was used before if the next one is free.
    #[inline(always)]
    fn fill<'py>(
        &mut self,
        py: Python<'py>,
        label: &Py<PyLabel>,
        bar: Bar,
        constituents: i32,
    ) -> PyResult<Bound<'py, PyBarData>> {
        let at = self.next;
        self.next = (at + 1) % HANDED;
        if let Some(object) = self.bars.get_mut(at)
            && let Some(content) = unshared(py, object, |data| &data.0)
            && let Origin::Series(known) = &mut content.origin
        {
            content.bar = bar;
            content.constituents = constituents;
            if !known.is(label) {
                // As who is attached drops it, which need not be found out.
                drop(std::mem::replace(known, label.clone_ref(py)).into_bound(py));
            }
            return Ok(object.bind(py).clone());
        }
        let new = PyBarData::new_known(py, label, bar, constituents)?;
        self.keep(at, new.clone().unbind());
        Ok(new)
    }

    /// Keep a new bar, to be used again in its turn.
    #[cold]
    fn keep(&mut self, at: usize, new: Py<PyBarData>) {
        match self.bars.get_mut(at) {
            Some(held) => *held = new,
            None => self.bars.push(new),
        }
    }
}

impl PyBarData {
    /// A bar that comes out of a series.
    #[inline(always)]
    pub(crate) fn known<'py>(
        py: Python<'py>,
        label: &Py<PyLabel>,
        bar: Bar,
        constituents: Option<i32>,
    ) -> PyResult<Bound<'py, Self>> {
        let constituents = constituents.unwrap_or(-1);
        let Some(mut handed) = OUT.try_use(py) else {
            return Self::new_known(py, label, bar, constituents);
        };
        handed.start_over(py);
        handed.fill(py, label, bar, constituents)
    }

    /// All bars of some rows of a series.
    pub(crate) fn all_known<'py>(
        py: Python<'py>,
        label: &Py<PyLabel>,
        rows: &Slice,
    ) -> PyResult<Vec<Bound<'py, Self>>> {
        let mut spare = Handed::default();
        let mut out = OUT.try_use(py);
        let handed = out.as_deref_mut().unwrap_or(&mut spare);
        handed.start_over(py);
        let mut all = Vec::with_capacity(rows.len());
        rows.try_each(|bar, constituents| -> PyResult<()> {
            all.push(handed.fill(py, label, bar, constituents.unwrap_or(-1))?);
            Ok(())
        })?;
        Ok(all)
    }

    /// A bar that comes out of a series, in a new object.
    #[cold]
    fn new_known<'py>(
        py: Python<'py>,
        label: &Py<PyLabel>,
        bar: Bar,
        constituents: i32,
    ) -> PyResult<Bound<'py, Self>> {
        let content = Content {
            bar,
            constituents,
            origin: Origin::Series(label.clone_ref(py)),
        };
        Bound::new(py, Self(Exclusive::new(content)))
    }

    /// A base bar of a user, with its instant.
    pub(crate) fn given<'py>(
        py: Python<'py>,
        symbol: &str,
        bar: Bar,
        interval: Interval,
    ) -> PyResult<Bound<'py, Self>> {
        let given = Given {
            symbol: symbol.into(),
            interval,
            timestamp: bar.ts.into_pyobject(py)?.into_any().unbind(),
            is_naive: false,
        };
        let content = Content {
            bar,
            constituents: -1,
            origin: Origin::User(Box::new(given)),
        };
        Bound::new(py, Self(Exclusive::new(content)))
    }

    pub(crate) fn bar(&self) -> Bar {
        self.0.get().bar
    }

    fn origin(&self) -> &Origin {
        &self.0.get().origin
    }

    pub(crate) fn symbol(&self) -> &Arc<str> {
        match self.origin() {
            Origin::Series(label) => &label.get().symbol,
            Origin::User(given) => &given.symbol,
        }
    }

    pub(crate) fn interval(&self) -> Interval {
        match self.origin() {
            Origin::Series(label) => label.get().interval,
            Origin::User(given) => given.interval,
        }
    }

    /// Start of the bar, `None` while it is wall time without a zone.
    pub(crate) fn start(&self) -> Option<i64> {
        match self.origin() {
            Origin::User(given) if given.is_naive => None,
            Origin::User(_) | Origin::Series(_) => Some(self.bar().ts),
        }
    }

    fn end_ns(&self) -> BindResult<i64> {
        let ts = self.start().ok_or_else(unresolved)?;
        match (self.origin(), self.interval().ns()) {
            (Origin::Series(label), _) => Ok(label.get().end_of(ts).unwrap_or(ts)),
            (Origin::User(_), Some(ns)) => Ok(ts.saturating_add(ns)),
            (Origin::User(given), None) => Err(BindError::Named(
                "TimestampError",
                format!(
                    "the end of a {} bar is known once it belongs to a session",
                    given.interval
                ),
            )),
        }
    }

    fn same(&self, other: &Self, py: Python<'_>) -> PyResult<bool> {
        let times = match (self.naive(), other.naive()) {
            (Some(a), Some(b)) => a.bind(py).eq(b.bind(py))?,
            (Some(_), None) | (None, Some(_)) => false,
            (None, None) => self.bar().ts == other.bar().ts,
        };
        Ok(times
            && self.symbol() == other.symbol()
            && self.interval() == other.interval()
            && self.bar().same_values(&other.bar())
            && self.bar().flags == other.bar().flags
            && self.constituents() == other.constituents())
    }

    /// The wall time without a zone that it was given.
    fn naive(&self) -> Option<&Py<PyAny>> {
        match self.origin() {
            Origin::User(given) if given.is_naive => Some(&given.timestamp),
            Origin::User(_) | Origin::Series(_) => None,
        }
    }
}

fn unresolved() -> BindError {
    BindError::Named(
        "TimestampError",
        "timestamp is wall time without a zone; it is resolved by the session the bar is added to"
            .into(),
    )
}

#[pymethods]
impl PyBarData {
    #[new]
    #[pyo3(
        signature = (symbol, timestamp, open, high, low, close, volume, interval=None, flags=0, constituents=None),
        text_signature = "(symbol, timestamp, open, high, low, close, volume, interval='1m', flags=0, constituents=None)"
    )]
    #[expect(
        clippy::too_many_arguments,
        reason = "the fields of a bar, in the order users know"
    )]
    fn new(
        symbol: &Bound<'_, PyString>,
        timestamp: &Bound<'_, PyAny>,
        open: f64,
        high: f64,
        low: f64,
        close: f64,
        volume: f64,
        interval: Option<&Bound<'_, PyAny>>,
        flags: u8,
        constituents: Option<u32>,
    ) -> BindResult<Self> {
        let py = timestamp.py();
        let interval = interval.map_or(Ok(Interval::ONE_MINUTE), convert::interval)?;
        let is_naive = timestamp
            .cast::<PyDateTime>()
            .is_ok_and(|at| at.get_tzinfo().is_none());
        let ts = if is_naive {
            0
        } else {
            let utc: Py<PyAny> = PyTzInfo::utc(py)?.to_owned().into_any().unbind();
            convert::timestamp(timestamp, &utc, "timestamp")?
        };
        let bar = Bar {
            ts,
            open,
            high,
            low,
            close,
            volume,
            flags,
        };
        let constituents = match constituents.map(i32::try_from) {
            None => -1,
            Some(Ok(count)) => count,
            Some(Err(_)) => return Err(BindError::argument("constituents does not fit 31 bits")),
        };
        let origin = Origin::User(Box::new(Given {
            symbol: symbol.to_str()?.into(),
            interval,
            timestamp: timestamp.clone().unbind(),
            is_naive,
        }));
        Ok(Self(Exclusive::new(Content {
            bar,
            constituents,
            origin,
        })))
    }

    #[getter(symbol)]
    fn symbol_text<'py>(&self, py: Python<'py>) -> Bound<'py, PyString> {
        match self.origin() {
            Origin::Series(label) => label.get().symbol_text.bind(py).clone(),
            Origin::User(given) => PyString::new(py, &given.symbol),
        }
    }

    #[getter]
    fn timestamp<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        match self.origin() {
            Origin::Series(label) => label.get().exchange.datetime(py, self.bar().ts),
            Origin::User(given)
                if given.is_naive || given.timestamp.bind(py).is_instance_of::<PyDateTime>() =>
            {
                Ok(given.timestamp.bind(py).clone())
            }
            Origin::User(_) => utc(py)?.datetime(py, self.bar().ts),
        }
    }

    #[getter]
    fn ts(&self) -> BindResult<i64> {
        self.start().ok_or_else(unresolved)
    }

    #[getter]
    fn end<'py>(&self, py: Python<'py>) -> BindResult<Bound<'py, PyAny>> {
        let end = self.end_ns()?;
        Ok(match self.origin() {
            Origin::Series(label) => label.get().exchange.datetime(py, end)?,
            Origin::User(given) => {
                let zone = given
                    .timestamp
                    .bind(py)
                    .getattr_opt("tzinfo")?
                    .filter(|zone| !zone.is_none());
                match zone {
                    Some(zone) => Exchange {
                        zone: zone.unbind(),
                        table: None,
                        python_table: None,
                        anchor: Anchor::Session,
                        extended_hours: ExtendedHours::Off,
                    }
                    .datetime(py, end)?,
                    None => utc(py)?.datetime(py, end)?,
                }
            }
        })
    }

    #[getter]
    fn available_at<'py>(&self, py: Python<'py>) -> BindResult<Bound<'py, PyAny>> {
        self.end(py)
    }

    #[getter]
    fn open(&self) -> f64 {
        self.bar().open
    }

    #[getter]
    fn high(&self) -> f64 {
        self.bar().high
    }

    #[getter]
    fn low(&self) -> f64 {
        self.bar().low
    }

    #[getter]
    fn close(&self) -> f64 {
        self.bar().close
    }

    #[getter]
    fn volume(&self) -> f64 {
        self.bar().volume
    }

    #[getter(interval)]
    fn interval_text<'py>(&self, py: Python<'py>) -> Bound<'py, PyString> {
        match self.origin() {
            Origin::Series(label) => label.get().interval_text.bind(py).clone(),
            Origin::User(given) => PyString::new(py, &given.interval.to_string()),
        }
    }

    #[getter]
    fn flags(&self) -> u8 {
        self.bar().flags
    }

    #[getter]
    fn constituents(&self) -> Option<i32> {
        let count = self.0.get().constituents;
        (count >= 0).then_some(count)
    }

    fn __richcmp__(&self, other: &Bound<'_, PyAny>, op: CompareOp) -> PyResult<Py<PyAny>> {
        let py = other.py();
        let Ok(other) = other.cast::<Self>() else {
            return Ok(py.NotImplemented());
        };
        let same = match op {
            CompareOp::Eq => self.same(other.get(), py)?,
            CompareOp::Ne => !self.same(other.get(), py)?,
            CompareOp::Lt | CompareOp::Le | CompareOp::Gt | CompareOp::Ge => {
                return Ok(py.NotImplemented());
            }
        };
        Ok(PyBool::new(py, same).to_owned().into_any().unbind())
    }

    fn __hash__(&self, py: Python<'_>) -> PyResult<u64> {
        use std::hash::{DefaultHasher, Hash, Hasher};
        let mut hasher = DefaultHasher::new();
        self.symbol().hash(&mut hasher);
        self.interval().hash(&mut hasher);
        match self.naive() {
            Some(given) => given.bind(py).hash()?.hash(&mut hasher),
            None => self.bar().ts.hash(&mut hasher),
        }
        // Adding 0.0 makes the two zeros one, as equality does.
        (self.bar().close + 0.0).to_bits().hash(&mut hasher);
        Ok(hasher.finish())
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let at = self.timestamp(py)?.call_method1("isoformat", (" ",))?;
        let Bar {
            open,
            high,
            low,
            close,
            volume,
            ..
        } = self.bar();
        let flags = match self.bar().flags {
            0 => String::new(),
            flags => format!(", flags={flags}"),
        };
        let constituents = self
            .constituents()
            .map_or_else(String::new, |n| format!(", constituents={n}"));
        Ok(format!(
            "BarData('{}', {at}, open={open}, high={high}, low={low}, close={close}, volume={volume}, interval='{}'{flags}{constituents})",
            self.symbol(),
            self.interval()
        ))
    }

    fn __reduce__<'py>(
        slf: &Bound<'py, Self>,
    ) -> BindResult<(Bound<'py, PyAny>, Bound<'py, PyAny>)> {
        let py = slf.py();
        let this = slf.get();
        let at = match this.origin() {
            Origin::User(given) => given.timestamp.bind(py).clone(),
            // With its series' zone and sessions, as the only bar of a snapshot.
            Origin::Series(label) => {
                let mut columns = Columns::with_capacity(1, label.get().is_derived);
                columns.push(this.bar());
                if label.get().is_derived {
                    columns
                        .constituents
                        .push(this.constituents().unwrap_or_default());
                }
                let bars = PyBars::of_columns(label.clone_ref(py), Arc::new(columns));
                let first = py.import("operator")?.getattr("getitem")?;
                return Ok((first, (bars, 0).into_pyobject(py)?.into_any()));
            }
        };
        let Bar {
            open,
            high,
            low,
            close,
            volume,
            flags,
            ..
        } = this.bar();
        let args = (
            &**this.symbol(),
            at,
            open,
            high,
            low,
            close,
            volume,
            this.interval().to_string(),
            flags,
            this.constituents(),
        );
        Ok((
            slf.get_type().into_any(),
            args.into_pyobject(py)?.into_any(),
        ))
    }

    fn __setattr__(&self, name: &str, _value: &Bound<'_, PyAny>) -> PyResult<()> {
        Err(PyTypeError::new_err(format!(
            "a bar cannot be changed: {name}"
        )))
    }
}

fn utc(py: Python<'_>) -> PyResult<Exchange> {
    Ok(Exchange {
        zone: PyTzInfo::utc(py)?.to_owned().into_any().unbind(),
        table: None,
        python_table: None,
        anchor: Anchor::Session,
        extended_hours: ExtendedHours::Off,
    })
}
