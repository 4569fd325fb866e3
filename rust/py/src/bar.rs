//! `BarData`: one bar of one symbol.

mod handed;
mod origin;

use std::sync::Arc;

use pyo3::basic::CompareOp;
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDateTime, PyString, PyTzInfo, PyTzInfoAccess};
use tapeloom_core::bar::Bar;
use tapeloom_core::columns::Columns;
use tapeloom_core::schedule::{Anchor, ExtendedHours};
use tapeloom_core::time::Interval;

use crate::bars::PyBars;
use crate::convert;
use crate::error::{BindError, BindResult};
use crate::exchange::Exchange;
use crate::export::Exclusive;
use origin::{Given, Origin, unresolved};

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

impl PyBarData {
    pub(crate) fn bar(&self) -> Bar {
        self.0.get().bar
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
            symbol: convert::symbol(symbol)?,
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
