//! `SessionTable`: all sessions of one calendar.

use std::sync::Arc;

use numpy::{IntoPyArray, PyArray1, PyArrayMethods};
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
}

fn read_only<'py, T: numpy::Element>(py: Python<'py>, values: Vec<T>) -> Bound<'py, PyArray1<T>> {
    let array = values.into_pyarray(py);
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
        Ok(Self {
            table: Arc::new(SessionTable::new(columns)?),
            calendar,
            zone,
            fingerprint,
        })
    }

    fn __len__(&self) -> usize {
        self.table.len()
    }

    #[getter]
    fn dates<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<i32>> {
        read_only(py, self.table.columns().dates.clone())
    }

    #[getter]
    fn opens<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<i64>> {
        read_only(py, self.table.columns().opens.clone())
    }

    #[getter]
    fn closes<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<i64>> {
        read_only(py, self.table.columns().closes.clone())
    }

    #[getter]
    fn segment_offsets<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<i64>> {
        read_only(
            py,
            self.table
                .columns()
                .segment_offsets
                .iter()
                .map(|&at| at as i64)
                .collect(),
        )
    }

    #[getter]
    fn segment_starts<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<i64>> {
        read_only(
            py,
            self.table
                .columns()
                .segments
                .iter()
                .map(|s| s.start)
                .collect(),
        )
    }

    #[getter]
    fn segment_ends<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<i64>> {
        read_only(
            py,
            self.table
                .columns()
                .segments
                .iter()
                .map(|s| s.end)
                .collect(),
        )
    }

    #[getter]
    fn pre_opens<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<i64>> {
        read_only(py, self.table.columns().pre_opens.clone())
    }

    #[getter]
    fn post_closes<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<i64>> {
        read_only(py, self.table.columns().post_closes.clone())
    }

    #[getter]
    fn span_starts<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<i64>> {
        read_only(
            py,
            self.table.columns().spans.iter().map(|s| s.start).collect(),
        )
    }

    #[getter]
    fn span_ends<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<i64>> {
        read_only(
            py,
            self.table.columns().spans.iter().map(|s| s.end).collect(),
        )
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
        Ok(read_only(py, grid.starts().collect()))
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
