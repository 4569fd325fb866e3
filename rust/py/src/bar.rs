//! `BarData`: one bar of one symbol.

use std::sync::Arc;

use pyo3::basic::CompareOp;
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDateTime, PyInt, PyString, PyTzInfo, PyTzInfoAccess};
use tapeloom_core::bar::Bar;
use tapeloom_core::time::Interval;

use crate::convert;
use crate::error::{BindError, BindResult};
use crate::exchange::Exchange;

/// How the time of a bar is known.
#[derive(Debug)]
enum Stamp {
    /// It belongs to an exchange.
    Resolved { end: i64, exchange: Arc<Exchange> },
    /// As a user gave it: an instant, in whatever form.
    Given(Py<PyAny>),
    /// As a user gave it: wall time without a zone.
    Naive(Py<PyAny>),
}

/// See `_core.pyi`.
#[pyclass(frozen, name = "BarData", module = "tapeloom._core")]
#[derive(Debug)]
pub(crate) struct PyBarData {
    pub(crate) symbol: Arc<str>,
    pub(crate) interval: Interval,
    pub(crate) bar: Bar,
    constituents: Option<u32>,
    stamp: Stamp,
}

impl PyBarData {
    /// A bar that comes out of a series.
    pub(crate) fn known(
        symbol: Arc<str>,
        interval: Interval,
        bar: Bar,
        constituents: Option<u32>,
        end: i64,
        exchange: Arc<Exchange>,
    ) -> Self {
        Self {
            symbol,
            interval,
            bar,
            constituents,
            stamp: Stamp::Resolved { end, exchange },
        }
    }

    /// Start of the bar, `None` while it is wall time without a zone.
    pub(crate) fn start(&self) -> Option<i64> {
        match self.stamp {
            Stamp::Naive(_) => None,
            Stamp::Given(_) | Stamp::Resolved { .. } => Some(self.bar.ts),
        }
    }

    fn end_ns(&self) -> BindResult<i64> {
        match (&self.stamp, self.interval.ns()) {
            (Stamp::Resolved { end, .. }, _) => Ok(*end),
            (Stamp::Given(_), Some(ns)) => Ok(self.bar.ts.saturating_add(ns)),
            (Stamp::Given(_), None) => Err(BindError::Named(
                "TimestampError",
                format!(
                    "the end of a {} bar is known once it belongs to a session",
                    self.interval
                ),
            )),
            (Stamp::Naive(_), _) => Err(unresolved()),
        }
    }

    fn same(&self, other: &Self, py: Python<'_>) -> PyResult<bool> {
        let times = match (&self.stamp, &other.stamp) {
            (Stamp::Naive(a), Stamp::Naive(b)) => a.bind(py).eq(b.bind(py))?,
            (Stamp::Naive(_), _) | (_, Stamp::Naive(_)) => false,
            _ => self.bar.ts == other.bar.ts,
        };
        Ok(times
            && self.symbol == other.symbol
            && self.interval == other.interval
            && self.bar.same_values(&other.bar)
            && self.bar.flags == other.bar.flags
            && self.constituents == other.constituents)
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
        let given = timestamp.clone().unbind();
        let naive = timestamp
            .cast::<PyDateTime>()
            .is_ok_and(|at| at.get_tzinfo().is_none());
        let (ts, stamp) = if naive {
            (0, Stamp::Naive(given))
        } else {
            let utc: Py<PyAny> = PyTzInfo::utc(py)?.to_owned().into_any().unbind();
            (
                convert::timestamp(timestamp, &utc, "timestamp")?,
                Stamp::Given(given),
            )
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
        Ok(Self {
            symbol: symbol.to_str()?.into(),
            interval,
            bar,
            constituents,
            stamp,
        })
    }

    #[getter]
    fn symbol(&self) -> &str {
        &self.symbol
    }

    #[getter]
    fn timestamp<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        match &self.stamp {
            Stamp::Resolved { exchange, .. } => exchange.datetime(py, self.bar.ts),
            Stamp::Naive(given) => Ok(given.bind(py).clone()),
            Stamp::Given(given) if given.bind(py).is_instance_of::<PyDateTime>() => {
                Ok(given.bind(py).clone())
            }
            Stamp::Given(_) => utc(py)?.datetime(py, self.bar.ts),
        }
    }

    #[getter]
    fn ts(&self) -> BindResult<i64> {
        self.start().ok_or_else(unresolved)
    }

    #[getter]
    fn end<'py>(&self, py: Python<'py>) -> BindResult<Bound<'py, PyAny>> {
        let end = self.end_ns()?;
        Ok(match &self.stamp {
            Stamp::Resolved { exchange, .. } => exchange.datetime(py, end)?,
            Stamp::Given(given) | Stamp::Naive(given) => {
                let zone = given
                    .bind(py)
                    .getattr_opt("tzinfo")?
                    .filter(|zone| !zone.is_none());
                match zone {
                    Some(zone) => Exchange {
                        zone: zone.unbind(),
                        table: None,
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
        self.bar.open
    }

    #[getter]
    fn high(&self) -> f64 {
        self.bar.high
    }

    #[getter]
    fn low(&self) -> f64 {
        self.bar.low
    }

    #[getter]
    fn close(&self) -> f64 {
        self.bar.close
    }

    #[getter]
    fn volume(&self) -> f64 {
        self.bar.volume
    }

    #[getter]
    fn interval(&self) -> String {
        self.interval.to_string()
    }

    #[getter]
    fn flags(&self) -> u8 {
        self.bar.flags
    }

    #[getter]
    fn constituents(&self) -> Option<u32> {
        self.constituents
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
        self.symbol.hash(&mut hasher);
        self.interval.hash(&mut hasher);
        match &self.stamp {
            Stamp::Naive(given) => given.bind(py).hash()?.hash(&mut hasher),
            Stamp::Given(_) | Stamp::Resolved { .. } => self.bar.ts.hash(&mut hasher),
        }
        // Adding 0.0 makes the two zeros one, as equality does.
        (self.bar.close + 0.0).to_bits().hash(&mut hasher);
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
        } = self.bar;
        let flags = match self.bar.flags {
            0 => String::new(),
            flags => format!(", flags={flags}"),
        };
        let constituents = self
            .constituents
            .map_or_else(String::new, |n| format!(", constituents={n}"));
        Ok(format!(
            "BarData('{}', {at}, open={open}, high={high}, low={low}, close={close}, volume={volume}, interval='{}'{flags}{constituents})",
            self.symbol, self.interval
        ))
    }

    fn __reduce__<'py>(
        slf: &Bound<'py, Self>,
    ) -> BindResult<(Bound<'py, PyAny>, Bound<'py, PyAny>)> {
        let py = slf.py();
        let this = slf.get();
        // A copy by value keeps the instant, as nanoseconds, and the zone of a datetime.
        let at = match &this.stamp {
            Stamp::Naive(given) | Stamp::Given(given) => given.bind(py).clone(),
            Stamp::Resolved { .. } => PyInt::new(py, this.bar.ts).into_any(),
        };
        let Bar {
            open,
            high,
            low,
            close,
            volume,
            flags,
            ..
        } = this.bar;
        let args = (
            &*this.symbol,
            at,
            open,
            high,
            low,
            close,
            volume,
            this.interval.to_string(),
            flags,
            this.constituents,
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
    })
}
