//! Errors of the core as exceptions of `tapeloom.errors`: one match, no catch-all.

use pyo3::IntoPyObjectExt;
use pyo3::PyTypeInfo;
use pyo3::panic::PanicException;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};
use tapeloom_core::Error;

/// Result of a binding function.
pub(crate) type BindResult<T> = Result<T, BindError>;

/// A fault on either side of the boundary.
#[derive(Debug)]
pub(crate) enum BindError {
    /// The core refused.
    Core(Error),
    /// Python raised.
    Python(PyErr),
    /// An argument broke its rule: class in `tapeloom.errors` and text.
    Named(&'static str, String),
}

impl BindError {
    pub(crate) fn argument(text: impl Into<String>) -> Self {
        Self::Named("ArgumentError", text.into())
    }

    pub(crate) fn argument_type(text: impl Into<String>) -> Self {
        Self::Named("ArgumentTypeError", text.into())
    }
}

impl From<Error> for BindError {
    fn from(error: Error) -> Self {
        Self::Core(error)
    }
}

impl From<PyErr> for BindError {
    fn from(error: PyErr) -> Self {
        Self::Python(error)
    }
}

impl From<BindError> for PyErr {
    fn from(error: BindError) -> Self {
        match error {
            BindError::Python(error) => error,
            BindError::Named(class, text) => {
                Python::attach(|py| raised(py, class, text, |_| Ok(())))
            }
            BindError::Core(error) => Python::attach(|py| from_core(py, &error)),
        }
    }
}

fn from_core(py: Python<'_>, error: &Error) -> PyErr {
    let text = error.to_string();
    match error {
        Error::Interval { text: got, .. } => raised(py, "IntervalError", text, |facts| {
            facts.set_item("got", got)
        }),
        Error::InvalidBar {
            symbol,
            ts,
            row,
            field,
            value,
            rule,
        } => raised(py, "InvalidBarError", text, |facts| {
            facts.set_item("symbol", symbol)?;
            facts.set_item("ts", ts)?;
            facts.set_item("row", row)?;
            facts.set_item("field", field)?;
            facts.set_item("value", value)?;
            facts.set_item("rule", rule)
        }),
        Error::InvalidBars {
            symbol,
            first,
            total,
        } => raised(py, "InvalidBarError", text, |facts| {
            facts.set_item("symbol", symbol)?;
            facts.set_item(
                "rows",
                first.iter().map(|fault| fault.0).collect::<Vec<_>>(),
            )?;
            facts.set_item("total", total)
        }),
        Error::DuplicateBar {
            symbol,
            interval,
            ts,
        } => raised(py, "DuplicateBarError", text, |facts| {
            facts.set_item("symbol", symbol)?;
            facts.set_item("interval", interval.to_string())?;
            facts.set_item("ts", ts)
        }),
        Error::SeriesConflict {
            symbol,
            asked,
            base,
        } => raised(py, "SeriesConflictError", text, |facts| {
            facts.set_item("symbol", symbol)?;
            facts.set_item("got", asked.to_string())?;
            facts.set_item("expected", base.to_string())
        }),
        Error::NotDivisible { .. } | Error::Cut { .. } | Error::TooCoarse { .. } => {
            raised(py, "IntervalError", text, |_| Ok(()))
        }
        Error::Shape {
            column,
            got,
            expected,
        } => raised(py, "ArgumentError", text, |facts| {
            facts.set_item("column", column)?;
            facts.set_item("got", got)?;
            facts.set_item("expected", expected)
        }),
        Error::Unsorted { source, row, .. } => raised(py, "ArgumentError", text, |facts| {
            facts.set_item("source", source)?;
            facts.set_item("row", row)
        }),
        Error::Indicator { period, .. } => raised(py, "ArgumentError", text, |facts| {
            facts.set_item("got", period)
        }),
        Error::OutOfCalendar { .. } => raised(py, "OutOfCalendarError", text, |_| Ok(())),
        Error::Poisoned => raised(py, "InternalError", text, |_| Ok(())),
        Error::Forked => raised(py, "ForkedSessionError", text, |_| Ok(())),
        Error::Capacity { symbol, limit } => raised(py, "CapacityError", text, |facts| {
            facts.set_item("symbol", symbol)?;
            facts.set_item("limit", limit)
        }),
        Error::SubscriptionClosed { stream_id, pending } => {
            raised(py, "SubscriptionClosedError", text, |facts| {
                facts.set_item("stream_id", stream_id)?;
                facts.set_item("pending", pending)
            })
        }
        Error::TooManyNames { name, limit, .. } => raised(py, "CapacityError", text, |facts| {
            facts.set_item("name", name)?;
            facts.set_item("limit", limit)
        }),
        Error::NoSession { .. } | Error::ReplayRunning => {
            raised(py, "StateError", text, |_| Ok(()))
        }
        Error::Overflow { ts } => {
            raised(py, "TimestampError", text, |facts| facts.set_item("ts", ts))
        }
    }
}

/// An exception of `tapeloom.errors` with its facts, or the error of trying to make it.
pub(crate) fn raised(
    py: Python<'_>,
    class: &str,
    text: String,
    facts: impl FnOnce(&Bound<'_, PyDict>) -> PyResult<()>,
) -> PyErr {
    let make = || -> PyResult<PyErr> {
        let class = py.import("tapeloom.errors")?.getattr(class)?;
        let named = PyDict::new(py);
        facts(&named)?;
        let args = PyTuple::new(py, [text.into_bound_py_any(py)?])?;
        Ok(PyErr::from_value(class.call(args, Some(&named))?))
    };
    make().unwrap_or_else(|error| error)
}

/// Let a failure of the core be an `InternalError`: PyO3's own class for it is none that `except Exception` catches.
pub(crate) fn make_panics_ordinary(py: Python<'_>) -> PyResult<()> {
    let internal = py.import("tapeloom.errors")?.getattr("InternalError")?;
    PanicException::type_object(py).setattr("__bases__", (internal,))
}
