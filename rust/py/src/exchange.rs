//! What a bar needs to speak of local time and of its end: the exchange's zone and session table.

use std::sync::Arc;

use pyo3::prelude::*;
use pyo3::types::{PyDateTime, PyTzInfo};
use tapeloom_core::error::civil;
use tapeloom_core::schedule::{Anchor, ExtendedHours};
use tapeloom_core::session_table::SessionTable;
use tapeloom_core::time::Interval;

use crate::error::{BindError, BindResult};
use crate::session_table::PySessionTable;

/// Zone and, where known, session table of one exchange.
#[derive(Debug)]
pub(crate) struct Exchange {
    pub(crate) zone: Py<PyAny>,
    pub(crate) table: Option<Arc<SessionTable>>,
    /// The table as Python knows it, where it came from there.
    pub(crate) python_table: Option<Py<PySessionTable>>,
    /// From where buckets of derived bars are counted.
    pub(crate) anchor: Anchor,
    /// What bars of pre- and post-market take part in.
    pub(crate) extended_hours: ExtendedHours,
}

impl Exchange {
    /// When a bar ends.
    pub(crate) fn bar_end(&self, ts: i64, interval: Interval) -> BindResult<i64> {
        match (&self.table, interval.ns()) {
            (Some(table), _) => Ok(table.bar_end(ts, interval)?),
            (None, Some(ns)) => Ok(ts.saturating_add(ns)),
            (None, None) => Err(BindError::Named(
                "TimestampError",
                format!("the end of a {interval} bar is known once it belongs to a session"),
            )),
        }
    }

    /// An instant as aware datetime in the zone; nanoseconds below a microsecond are cut.
    pub(crate) fn datetime<'py>(&self, py: Python<'py>, ns: i64) -> PyResult<Bound<'py, PyAny>> {
        aware(py, &self.zone, ns)
    }
}

/// An instant as aware datetime in a zone; nanoseconds below a microsecond are cut.
pub(crate) fn aware<'py>(
    py: Python<'py>,
    zone: &Py<PyAny>,
    ns: i64,
) -> PyResult<Bound<'py, PyAny>> {
    let utc = PyTzInfo::utc(py)?;
    let micros = ns.div_euclid(1_000);
    let seconds = micros.div_euclid(1_000_000);
    let (year, month, day) = civil(seconds.div_euclid(86_400));
    let rest = seconds.rem_euclid(86_400) as u32;
    let at = PyDateTime::new(
        py,
        year as i32,
        month as u8,
        day as u8,
        (rest / 3_600) as u8,
        (rest / 60 % 60) as u8,
        (rest % 60) as u8,
        micros.rem_euclid(1_000_000) as u32,
        Some(&utc),
    )?;
    at.call_method1("astimezone", (zone,))
}
