//! `SessionTable`: all sessions of one calendar.

use std::sync::Arc;

use numpy::{PyArray1, PyArrayMethods};
use pyo3::prelude::*;
use tapeloom_core::schedule::{SessionTable, Stretch, TableColumns};

use crate::convert;
use crate::error::{BindError, BindResult};

/// See `_core.pyi`.
#[pyclass(frozen, name = "SessionTable", module = "tapeloom._core")]
#[derive(Debug)]
pub(crate) struct PySessionTable {
    pub(crate) table: Arc<SessionTable>,
    #[pyo3(get)]
    calendar: String,
    #[pyo3(get)]
    pub(crate) zone: Py<PyAny>,
    #[pyo3(get)]
    fingerprint: String,
    // Read-only and made once: every access hands out the same arrays.
    #[pyo3(get)]
    dates: Py<PyArray1<i32>>,
    #[pyo3(get)]
    opens: Py<PyArray1<i64>>,
    #[pyo3(get)]
    closes: Py<PyArray1<i64>>,
    #[pyo3(get)]
    segment_offsets: Py<PyArray1<i64>>,
    #[pyo3(get)]
    segment_starts: Py<PyArray1<i64>>,
    #[pyo3(get)]
    segment_ends: Py<PyArray1<i64>>,
    #[pyo3(get)]
    pre_opens: Py<PyArray1<i64>>,
    #[pyo3(get)]
    post_closes: Py<PyArray1<i64>>,
    #[pyo3(get)]
    span_starts: Py<PyArray1<i64>>,
    #[pyo3(get)]
    span_ends: Py<PyArray1<i64>>,
}

fn read_only<T: numpy::Element>(
    py: Python<'_>,
    values: impl IntoIterator<Item = T>,
) -> Bound<'_, PyArray1<T>> {
    let array = PyArray1::from_iter(py, values);
    array.readwrite().make_nonwriteable();
    array
}

fn stretches(
    starts: &Bound<'_, PyAny>,
    ends: &Bound<'_, PyAny>,
    names: [&str; 2],
) -> BindResult<Vec<Stretch>> {
    let starts: Vec<i64> = convert::column(starts, names[0], "int64")?;
    let ends: Vec<i64> = convert::column(ends, names[1], "int64")?;
    if starts.len() != ends.len() {
        return Err(BindError::argument(format!(
            "{} has {} rows, {} has {}",
            names[0],
            starts.len(),
            names[1],
            ends.len()
        )));
    }
    Ok(starts
        .into_iter()
        .zip(ends)
        .map(|(start, end)| Stretch { start, end })
        .collect())
}

#[pymethods]
impl PySessionTable {
    #[new]
    #[pyo3(signature = (*, calendar, zone, fingerprint, dates, opens, closes, segment_offsets, segment_starts,
                        segment_ends, pre_opens, post_closes, span_starts, span_ends))]
    #[expect(
        clippy::too_many_arguments,
        reason = "one per column of the table, all by keyword"
    )]
    fn new(
        py: Python<'_>,
        calendar: String,
        zone: Py<PyAny>,
        fingerprint: String,
        dates: &Bound<'_, PyAny>,
        opens: &Bound<'_, PyAny>,
        closes: &Bound<'_, PyAny>,
        segment_offsets: &Bound<'_, PyAny>,
        segment_starts: &Bound<'_, PyAny>,
        segment_ends: &Bound<'_, PyAny>,
        pre_opens: &Bound<'_, PyAny>,
        post_closes: &Bound<'_, PyAny>,
        span_starts: &Bound<'_, PyAny>,
        span_ends: &Bound<'_, PyAny>,
    ) -> BindResult<Self> {
        let offsets: Vec<i64> = convert::column(segment_offsets, "segment_offsets", "int64")?;
        let columns = TableColumns {
            dates: convert::column(dates, "dates", "int32")?,
            opens: convert::column(opens, "opens", "int64")?,
            closes: convert::column(closes, "closes", "int64")?,
            segment_offsets: offsets
                .into_iter()
                .map(|at| usize::try_from(at).unwrap_or(usize::MAX))
                .collect(),
            segments: stretches(
                segment_starts,
                segment_ends,
                ["segment_starts", "segment_ends"],
            )?,
            pre_opens: convert::column(pre_opens, "pre_opens", "int64")?,
            post_closes: convert::column(post_closes, "post_closes", "int64")?,
            spans: stretches(span_starts, span_ends, ["span_starts", "span_ends"])?,
        };
        let table = Arc::new(SessionTable::new(columns)?);
        let kept = table.columns();
        let ns = |values: &[i64]| read_only(py, values.iter().copied()).unbind();
        let starts = |all: &[Stretch]| read_only(py, all.iter().map(|s| s.start)).unbind();
        let ends = |all: &[Stretch]| read_only(py, all.iter().map(|s| s.end)).unbind();
        Ok(Self {
            calendar,
            zone,
            fingerprint,
            dates: read_only(py, kept.dates.iter().copied()).unbind(),
            opens: ns(&kept.opens),
            closes: ns(&kept.closes),
            segment_offsets: read_only(py, kept.segment_offsets.iter().map(|&at| at as i64))
                .unbind(),
            segment_starts: starts(&kept.segments),
            segment_ends: ends(&kept.segments),
            pre_opens: ns(&kept.pre_opens),
            post_closes: ns(&kept.post_closes),
            span_starts: starts(&kept.spans),
            span_ends: ends(&kept.spans),
            table,
        })
    }

    fn __len__(&self) -> usize {
        self.table.len()
    }

    fn index_of(&self, day: i32) -> Option<usize> {
        self.table.index_of(day)
    }

    fn session_at(&self, ts: i64) -> Option<usize> {
        self.table.session_at(ts)
    }

    fn segments(&self, index: usize) -> BindResult<Vec<(i64, i64)>> {
        self.check(index)?;
        Ok(self
            .table
            .session(index)
            .segments
            .iter()
            .map(|s| (s.start, s.end))
            .collect())
    }

    fn grid<'py>(
        &self,
        py: Python<'py>,
        index: usize,
        interval: &Bound<'py, PyAny>,
    ) -> BindResult<Bound<'py, PyArray1<i64>>> {
        self.check(index)?;
        let grid = self.table.grid(index, convert::interval(interval)?)?;
        Ok(read_only(py, grid.starts()))
    }

    fn bar_end(&self, ts: i64, interval: &Bound<'_, PyAny>) -> BindResult<i64> {
        Ok(self.table.bar_end(ts, convert::interval(interval)?)?)
    }

    fn __repr__(&self) -> String {
        let short: String = self.fingerprint.chars().take(12).collect();
        let (calendar, sessions) = (&self.calendar, self.table.len());
        format!("SessionTable('{calendar}', {sessions} sessions, fingerprint {short})")
    }
}

impl PySessionTable {
    fn check(&self, index: usize) -> BindResult<()> {
        if index < self.table.len() {
            return Ok(());
        }
        Err(BindError::argument(format!(
            "index is {index}; the table has {} sessions",
            self.table.len()
        )))
    }
}
