//! `MarketHours`: base class of `TimeManager`. Answers what is asked per bar, and leaves the rest to Python.

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyInt, PyTuple};
use tapeloom_core::session_table::{SessionTable, SessionType};

use crate::convert;
use crate::session_table::PySessionTable;

/// See `_core.pyi`.
#[pyclass(frozen, subclass, name = "MarketHours", module = "tapeloom._core")]
#[derive(Debug)]
pub(crate) struct PyMarketHours {
    /// None until somebody needs the calendar.
    table: ArcSwapOption<SessionTable>,
}

#[pymethods]
impl PyMarketHours {
    #[new]
    #[pyo3(signature = (*_args, **_kwargs))]
    fn new(_args: &Bound<'_, PyTuple>, _kwargs: Option<&Bound<'_, PyDict>>) -> Self {
        Self {
            table: ArcSwapOption::empty(),
        }
    }

    #[pyo3(signature = (ts, include_extended=false))]
    fn is_market_open(
        slf: &Bound<'_, Self>,
        ts: &Bound<'_, PyAny>,
        include_extended: bool,
    ) -> PyResult<bool> {
        match slf.get().look_up(ts)? {
            Some(kind) => Ok(kind.is_open(include_extended)),
            None => slf
                .call_method1("_is_market_open", (ts, include_extended))?
                .extract(),
        }
    }

    fn get_session_type<'py>(
        slf: &Bound<'py, Self>,
        ts: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        match slf.get().look_up(ts)? {
            Some(kind) => Ok(pyo3::types::PyString::intern(slf.py(), kind.as_str()).into_any()),
            None => slf.call_method1("_get_session_type", (ts,)),
        }
    }

    fn _set_table(&self, table: &Bound<'_, PySessionTable>) {
        self.table.store(Some(Arc::clone(&table.get().table)));
    }
}

impl PyMarketHours {
    /// The answer for a plain int or aware datetime that the table covers.
    fn look_up(&self, ts: &Bound<'_, PyAny>) -> PyResult<Option<SessionType>> {
        let table = self.table.load();
        let Some(table) = table.as_ref() else {
            return Ok(None);
        };
        // A number of another unit lies far outside every table.
        let ns = if ts.is_exact_instance_of::<PyInt>() {
            ts.extract().ok()
        } else {
            convert::aware_datetime(ts)?
        };
        Ok(ns
            .filter(|&ns| table.covers(ns))
            .map(|ns| table.session_type(ns)))
    }
}
