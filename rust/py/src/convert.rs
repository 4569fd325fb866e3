//! Arguments from Python into the core's types. Exact forms only: whatever needs a rule of its own goes to Python.

use std::sync::Arc;

use numpy::{PyArrayMethods, PyReadonlyArray1, PyReadonlyArray2, PyUntypedArray};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{
    PyBool, PyDateAccess, PyDateTime, PyDelta, PyDeltaAccess, PyInt, PyString, PyTimeAccess,
    PyTzInfoAccess,
};
use tapeloom_core::aggregate::Completeness;
use tapeloom_core::error::days_since_epoch;
use tapeloom_core::schedule::{Anchor, ExtendedHours};
use tapeloom_core::series::Scope;
use tapeloom_core::time::{Interval, likely_unit};

use crate::error::{BindError, BindResult};
use crate::interval::PyInterval;

/// Whether a symbol is seen to be in the form that all are compared in, as nearly all are.
#[inline(always)]
pub(crate) fn is_plain_symbol(text: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_graphic() && !byte.is_ascii_lowercase();
    !text.is_empty() && text.bytes().all(is_plain)
}

/// The symbol of bars, in the form that all are compared in; one that has none as it is, for a session to refuse.
#[inline(always)]
pub(crate) fn symbol(given: &Bound<'_, PyString>) -> BindResult<Arc<str>> {
    let text = given.to_str()?;
    if is_plain_symbol(text) {
        return Ok(text.into());
    }
    odd_symbol(given)
}

/// The same for what Python has to look at.
#[cold]
fn odd_symbol(given: &Bound<'_, PyString>) -> BindResult<Arc<str>> {
    let py = given.py();
    let normalise = py.import("tapeloom.bars")?.getattr("normalise_symbol")?;
    match normalise.call1((given,)) {
        Ok(name) => Ok(name.extract::<&str>()?.into()),
        // Blank, or not to be printed.
        Err(error) if error.is_instance_of::<PyValueError>(py) => Ok(given.to_str()?.into()),
        Err(error) => Err(error.into()),
    }
}

/// An interval from minutes, text, timedelta or `Interval`.
pub(crate) fn interval(value: &Bound<'_, PyAny>) -> BindResult<Interval> {
    if let Ok(text) = value.cast::<PyString>() {
        // A lone surrogate is text in Python and no interval anywhere.
        let text = text.to_str().map_err(|_| not_an_interval(value))?;
        return Ok(text.parse()?);
    }
    if let Ok(known) = value.cast::<PyInterval>() {
        return Ok(known.get().0);
    }
    if value.is_instance_of::<PyBool>() {
        return Err(BindError::argument_type(
            "interval is a bool; give minutes as int, or text such as '5m'",
        ));
    }
    if value.is_instance_of::<PyInt>() {
        let minutes: i64 = value.extract().map_err(|_| not_an_interval(value))?;
        return Ok(Interval::minutes(minutes)?);
    }
    if let Ok(delta) = value.cast::<PyDelta>() {
        let seconds = i64::from(delta.get_days()) * 86_400 + i64::from(delta.get_seconds());
        let ns = seconds
            .saturating_mul(1_000_000_000)
            .saturating_add(i64::from(delta.get_microseconds()) * 1_000);
        return Ok(Interval::fixed(ns)?);
    }
    let got = value.get_type().name()?.to_string();
    Err(BindError::argument_type(format!(
        "interval is {got}; give minutes as int, text such as '5m' or a timedelta"
    )))
}

fn not_an_interval(value: &Bound<'_, PyAny>) -> BindError {
    let got = value
        .repr()
        .map(|text| text.to_string())
        .unwrap_or_default();
    BindError::Named(
        "IntervalError",
        format!("interval {got} is out of range; use text such as '5m'"),
    )
}

/// A number of rows, 0 or more; beyond what fits it means all.
#[inline]
pub(crate) fn rows(value: &Bound<'_, PyAny>, name: &str) -> BindResult<usize> {
    if value.is_exact_instance_of::<PyInt>()
        && let Ok(n) = value.extract()
    {
        return Ok(n);
    }
    odd_rows(value, name)
}

/// The same for what is no plain number of rows.
#[cold]
fn odd_rows(value: &Bound<'_, PyAny>, name: &str) -> BindResult<usize> {
    let shown = || value.repr().map(|text| text.to_string());
    if value.is_instance_of::<PyBool>() {
        let got = shown()?;
        return Err(BindError::argument_type(format!(
            "{name} is {got}; it must be a whole number, such as 20"
        )));
    }
    // Whatever Python takes for an index: NumPy's integers too.
    let Ok(whole) = value.call_method0(pyo3::intern!(value.py(), "__index__")) else {
        let (got, kind) = (shown()?, value.get_type().name()?);
        return Err(BindError::argument_type(format!(
            "{name} is {got} ({kind}); it must be a whole number, such as 20"
        )));
    };
    if whole.lt(0)? {
        let got = shown()?;
        return Err(BindError::argument(format!(
            "{name} is {got}; it must be 0 or more"
        )));
    }
    Ok(whole.extract().unwrap_or(usize::MAX))
}

/// A scope, asked for by its name.
#[derive(Debug, Clone, Copy)]
pub(crate) struct AskedScope(pub(crate) Scope);

impl AskedScope {
    pub(crate) const SESSION: Self = Self(Scope::Session);
}

impl<'a, 'py> FromPyObject<'a, 'py> for AskedScope {
    type Error = PyErr;

    #[inline]
    fn extract(value: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        let name = value.cast::<PyString>().ok();
        match name.as_ref().map(|name| name.to_str()) {
            Some(Ok("session")) => Ok(Self(Scope::Session)),
            Some(Ok("history")) => Ok(Self(Scope::History)),
            Some(Ok("all")) => Ok(Self(Scope::All)),
            _ => Err(no_scope(&value).into()),
        }
    }
}

#[cold]
fn no_scope(value: &Bound<'_, PyAny>) -> BindError {
    let rule = "it must be 'session', 'history' or 'all'";
    let got = match value.repr() {
        Ok(got) => got.to_string_lossy().into_owned(),
        Err(error) => return error.into(),
    };
    if value.is_instance_of::<PyString>() {
        return BindError::argument(format!("scope is {got}; {rule}"));
    }
    match value.get_type().name() {
        Ok(kind) => BindError::argument_type(format!("scope is {got} ({kind}); {rule}")),
        Err(error) => error.into(),
    }
}

/// A completeness rule by its name.
pub(crate) fn completeness(name: &str) -> BindResult<Completeness> {
    match name {
        "any" => Ok(Completeness::Any),
        "complete" => Ok(Completeness::Complete),
        // The rule of `no_trade="expected"`, which no caller names.
        "present" => Ok(Completeness::Present),
        _ => Err(BindError::argument(format!(
            "completeness is '{name}'; it must be 'any' or 'complete'"
        ))),
    }
}

/// An anchor of buckets by its name.
pub(crate) fn anchor(name: &str) -> BindResult<Anchor> {
    match name {
        "session" => Ok(Anchor::Session),
        "segment" => Ok(Anchor::Segment),
        "clock" => Ok(Anchor::Clock),
        _ => Err(BindError::argument(format!(
            "anchor is '{name}'; it must be 'session', 'segment' or 'clock'"
        ))),
    }
}

/// What extended hours take part in, by its name.
pub(crate) fn extended_hours(name: &str) -> BindResult<ExtendedHours> {
    match name {
        "off" => Ok(ExtendedHours::Off),
        "show" => Ok(ExtendedHours::Show),
        "full" => Ok(ExtendedHours::Full),
        _ => Err(BindError::argument(format!(
            "extended_hours is '{name}'; it must be 'off', 'show' or 'full'"
        ))),
    }
}

/// Whether a number is an instant, ns UTC, and not one in another unit.
pub(crate) fn is_instant(ns: i64) -> bool {
    ns != i64::MIN && likely_unit(ns).is_none()
}

/// An instant. Integers are nanoseconds; every other form is read by `tapeloom.timestamps.to_ns`.
pub(crate) fn timestamp(value: &Bound<'_, PyAny>, zone: &Py<PyAny>, name: &str) -> BindResult<i64> {
    if value.is_exact_instance_of::<PyInt>() {
        // What does not fit, or looks like another unit, is refused there.
        if let Some(ns) = value.extract().ok().filter(|&ns| is_instant(ns)) {
            return Ok(ns);
        }
    } else if let Some(ns) = aware_datetime(value)? {
        return Ok(ns);
    }
    let py = value.py();
    let kwargs = pyo3::types::PyDict::new(py);
    kwargs.set_item("name", name)?;
    let ns = py
        .import("tapeloom.timestamps")?
        .getattr("to_ns")?
        .call((value, zone), Some(&kwargs))?;
    Ok(ns.extract()?)
}

/// An aware datetime as nanoseconds; `None` for naive ones and for subclasses, which may hold nanoseconds.
pub(crate) fn aware_datetime(value: &Bound<'_, PyAny>) -> PyResult<Option<i64>> {
    let Ok(at) = value.cast_exact::<PyDateTime>() else {
        return Ok(None);
    };
    if at.get_tzinfo().is_none() {
        return Ok(None);
    }
    let offset = at.call_method0(pyo3::intern!(value.py(), "utcoffset"))?;
    let Ok(offset) = offset.cast::<PyDelta>() else {
        return Ok(None);
    };
    let days = days_since_epoch(at.get_year(), at.get_month(), at.get_day());
    let clock = (i64::from(at.get_hour()) * 60 + i64::from(at.get_minute())) * 60
        + i64::from(at.get_second());
    let shift = i64::from(offset.get_days()) * 86_400 + i64::from(offset.get_seconds());
    let micros = (days * 86_400 + clock - shift) * 1_000_000 + i64::from(at.get_microsecond())
        - i64::from(offset.get_microseconds());
    Ok(micros.checked_mul(1_000))
}

/// A bound that may be open.
pub(crate) fn bound(
    value: Option<&Bound<'_, PyAny>>,
    zone: &Py<PyAny>,
    name: &str,
) -> BindResult<Option<i64>> {
    value.map(|value| timestamp(value, zone, name)).transpose()
}

/// An array whose cells lie where the processor can read them: those of a packed structured array are copied.
pub(crate) fn aligned<'py>(value: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    let Ok(array) = value.cast::<PyUntypedArray>() else {
        return Ok(value.clone());
    };
    if array.getattr("flags")?.getattr("aligned")?.is_truthy()? {
        return Ok(value.clone());
    }
    value.call_method0("copy")
}

/// A one-dimensional column.
pub(crate) fn array<'py, T: numpy::Element>(
    value: &Bound<'py, PyAny>,
    name: &str,
    dtype: &str,
) -> BindResult<PyReadonlyArray1<'py, T>> {
    aligned(value)?
        .extract()
        .map_err(|_| other_array(value, &format!("column {name} must be a 1-d {dtype} array")))
}

/// A one-dimensional column, copied.
pub(crate) fn column<T: numpy::Element + Copy>(
    value: &Bound<'_, PyAny>,
    name: &str,
    dtype: &str,
) -> BindResult<Vec<T>> {
    let array = array::<T>(value, name, dtype)?;
    // A strided view is copied row by row, a contiguous one as a whole.
    Ok(match array.as_slice() {
        Ok(slice) => slice.to_vec(),
        Err(_) => array
            .to_vec()
            .unwrap_or_else(|_| array.as_array().iter().copied().collect()),
    })
}

/// A table of float64 cells.
pub(crate) fn matrix<'py>(
    value: &Bound<'py, PyAny>,
    name: &str,
) -> BindResult<PyReadonlyArray2<'py, f64>> {
    aligned(value)?
        .extract()
        .map_err(|_| other_array(value, &format!("{name} must be a 2-d float64 array")))
}

fn other_array(value: &Bound<'_, PyAny>, rule: &str) -> BindError {
    let shape = value
        .getattr("shape")
        .map(|s| s.to_string())
        .unwrap_or_else(|_| "none".into());
    let got = value
        .getattr("dtype")
        .map(|d| d.to_string())
        .unwrap_or_else(|_| value.get_type().to_string());
    BindError::argument_type(format!("{rule}; got dtype {got}, shape {shape}"))
}
