//! `Label`: what all bars of one series have in common, shared by them. Copying it is one reference.

use std::sync::Arc;

use pyo3::prelude::*;
use pyo3::types::PyString;
use tapeloom_core::time::Interval;

use crate::error::BindResult;
use crate::exchange::Exchange;

/// Symbol, interval and exchange of a series.
#[pyclass(frozen, name = "Label", module = "tapeloom._core")]
#[derive(Debug)]
pub(crate) struct PyLabel {
    pub(crate) symbol: Arc<str>,
    /// The same as Python knows it.
    pub(crate) symbol_text: Py<PyString>,
    pub(crate) interval: Interval,
    pub(crate) interval_text: Py<PyString>,
    pub(crate) is_derived: bool,
    pub(crate) exchange: Arc<Exchange>,
}

impl PyLabel {
    /// When a bar of the series ends.
    pub(crate) fn end_of(&self, ts: i64) -> BindResult<i64> {
        match &self.exchange.table {
            Some(table) if self.is_derived => Ok(table.bucket_end(
                ts,
                self.interval,
                self.exchange.anchor,
                self.exchange.extended_hours,
            )?),
            _ => self.exchange.bar_end(ts, self.interval),
        }
    }
}

impl PyLabel {
    /// That of a series derived from this one.
    pub(crate) fn derived(
        &self,
        py: Python<'_>,
        interval: Interval,
        interval_text: &Bound<'_, PyString>,
        exchange: Arc<Exchange>,
    ) -> PyResult<Py<Self>> {
        let label = Self {
            symbol: self.symbol.clone(),
            symbol_text: self.symbol_text.clone_ref(py),
            interval,
            interval_text: interval_text.clone().unbind(),
            is_derived: true,
            exchange,
        };
        Py::new(py, label)
    }

    pub(crate) fn new(
        py: Python<'_>,
        symbol: Arc<str>,
        interval: Interval,
        is_derived: bool,
        exchange: Arc<Exchange>,
    ) -> PyResult<Py<Self>> {
        let label = Self {
            symbol_text: PyString::intern(py, &symbol).unbind(),
            symbol,
            interval,
            interval_text: PyString::intern(py, &interval.to_string()).unbind(),
            is_derived,
            exchange,
        };
        Py::new(py, label)
    }
}
