//! `SessionTable`: all sessions of one calendar, and when the market is open.

mod lookup;

use std::sync::{Arc, OnceLock};

use numpy::{PyArray1, PyArrayMethods};
use pyo3::prelude::*;
use pyo3::sync::OnceLockExt;
use pyo3::types::{PyDateTime, PyTimeAccess};
use tapeloom_core::alignment::first_fall;
use tapeloom_core::schedule::{Anchor, ExtendedHours, Stretch};
use tapeloom_core::session_table::{SessionTable, TableColumns};
use tapeloom_core::time::SECOND;

use crate::bars::PyBars;
use crate::convert;
use crate::error::{BindError, BindResult};
use crate::exchange::{Exchange, aware};

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
    dates: OnceLock<Py<PyArray1<i32>>>,
    columns: [OnceLock<Py<PyArray1<i64>>>; 9],
}

/// A column as a read-only array, made at the first access: every later one hands out the same.
fn once<T: numpy::Element>(
    py: Python<'_>,
    cell: &OnceLock<Py<PyArray1<T>>>,
    values: impl IntoIterator<Item = T>,
) -> Py<PyArray1<T>> {
    cell.get_or_init_py_attached(py, || read_only(py, values).unbind())
        .clone_ref(py)
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
    #[pyo3(signature = (*, calendar, zone, fingerprint, first_day, last_day, covered, dates, segment_offsets,
                         segment_starts, segment_ends, pre_opens, post_closes, span_starts, span_ends))]
    #[expect(
        clippy::too_many_arguments,
        reason = "one per column of the table, all by keyword"
    )]
    fn new(
        calendar: String,
        zone: Py<PyAny>,
        fingerprint: String,
        first_day: i32,
        last_day: i32,
        covered: (i64, i64),
        dates: &Bound<'_, PyAny>,
        segment_offsets: &Bound<'_, PyAny>,
        segment_starts: &Bound<'_, PyAny>,
        segment_ends: &Bound<'_, PyAny>,
        pre_opens: &Bound<'_, PyAny>,
        post_closes: &Bound<'_, PyAny>,
        span_starts: &Bound<'_, PyAny>,
        span_ends: &Bound<'_, PyAny>,
    ) -> BindResult<Self> {
        let offsets: Vec<i64> = convert::column(segment_offsets, "segment_offsets", "int64")?;
        // A place outside is nowhere, which the table refuses.
        let offsets: Vec<usize> = offsets
            .into_iter()
            .map(|at| usize::try_from(at).unwrap_or(usize::MAX))
            .collect();
        let segments = stretches(
            segment_starts,
            segment_ends,
            ["segment_starts", "segment_ends"],
        )?;
        let edges = offsets.windows(2).map_while(|pair| {
            let last = pair[1].checked_sub(1)?;
            Some((segments.get(pair[0])?.start, segments.get(last)?.end))
        });
        let (opens, closes) = edges.unzip();
        let columns = TableColumns {
            first_day,
            last_day,
            covered: Stretch {
                start: covered.0,
                end: covered.1,
            },
            dates: convert::column(dates, "dates", "int32")?,
            opens,
            closes,
            segment_offsets: offsets,
            segments,
            pre_opens: convert::column(pre_opens, "pre_opens", "int64")?,
            post_closes: convert::column(post_closes, "post_closes", "int64")?,
            spans: stretches(span_starts, span_ends, ["span_starts", "span_ends"])?,
        };
        Ok(Self {
            table: Arc::new(SessionTable::new(columns)?),
            calendar,
            zone,
            fingerprint,
            dates: OnceLock::new(),
            columns: Default::default(),
        })
    }

    #[getter]
    fn first_day(&self) -> i32 {
        self.table.columns().first_day
    }

    #[getter]
    fn last_day(&self) -> i32 {
        self.table.columns().last_day
    }

    #[getter]
    fn covered(&self) -> (i64, i64) {
        let covered = self.table.columns().covered;
        (covered.start, covered.end)
    }

    #[getter]
    fn dates(&self, py: Python<'_>) -> Py<PyArray1<i32>> {
        once(py, &self.dates, self.table.columns().dates.iter().copied())
    }

    #[getter]
    fn opens(&self, py: Python<'_>) -> Py<PyArray1<i64>> {
        self.instants_of(py, 0, &self.table.columns().opens)
    }

    #[getter]
    fn closes(&self, py: Python<'_>) -> Py<PyArray1<i64>> {
        self.instants_of(py, 1, &self.table.columns().closes)
    }

    #[getter]
    fn pre_opens(&self, py: Python<'_>) -> Py<PyArray1<i64>> {
        self.instants_of(py, 2, &self.table.columns().pre_opens)
    }

    #[getter]
    fn post_closes(&self, py: Python<'_>) -> Py<PyArray1<i64>> {
        self.instants_of(py, 3, &self.table.columns().post_closes)
    }

    #[getter]
    fn segment_offsets(&self, py: Python<'_>) -> Py<PyArray1<i64>> {
        let offsets = &self.table.columns().segment_offsets;
        once(py, &self.columns[4], offsets.iter().map(|&at| at as i64))
    }

    #[getter]
    fn segment_starts(&self, py: Python<'_>) -> Py<PyArray1<i64>> {
        let segments = &self.table.columns().segments;
        once(py, &self.columns[5], segments.iter().map(|s| s.start))
    }

    #[getter]
    fn segment_ends(&self, py: Python<'_>) -> Py<PyArray1<i64>> {
        let segments = &self.table.columns().segments;
        once(py, &self.columns[6], segments.iter().map(|s| s.end))
    }

    #[getter]
    fn span_starts(&self, py: Python<'_>) -> Py<PyArray1<i64>> {
        let spans = &self.table.columns().spans;
        once(py, &self.columns[7], spans.iter().map(|s| s.start))
    }

    #[getter]
    fn span_ends(&self, py: Python<'_>) -> Py<PyArray1<i64>> {
        let spans = &self.table.columns().spans;
        once(py, &self.columns[8], spans.iter().map(|s| s.end))
    }

    fn __len__(&self) -> usize {
        self.table.len()
    }

    fn index_of(&self, day: i32) -> Option<usize> {
        self.table.index_of(day)
    }

    fn sessions_before(&self, day: i32) -> usize {
        self.table.sessions_before(day)
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

    fn group(&self, index: usize, interval: &Bound<'_, PyAny>) -> BindResult<(usize, usize)> {
        self.check(index)?;
        let group = self.table.group(index, convert::interval(interval)?);
        Ok((group.start, group.end))
    }

    fn bar_end(&self, ts: i64, interval: &Bound<'_, PyAny>) -> BindResult<i64> {
        Ok(self.table.bar_end(ts, convert::interval(interval)?)?)
    }

    fn known_at<'py>(
        &self,
        py: Python<'py>,
        ts: &Bound<'py, PyAny>,
        interval: &Bound<'py, PyAny>,
    ) -> BindResult<Bound<'py, PyArray1<i64>>> {
        let interval = convert::interval(interval)?;
        let ts: Vec<i64> = convert::column(ts, "ts", "int64")?;
        let length = interval.ns().unwrap_or(0);
        // A bar that a bound cuts short may stand before a longer one that began earlier.
        let known = if first_fall(&ts).is_some() {
            let each = ts.iter().map(|&at| self.table.bar_end(at, interval));
            each.collect::<Result<Vec<i64>, _>>()?
        } else {
            match self.table.known_at(&ts, interval)? {
                Some(known) => known,
                None => ts.iter().map(|ts| ts + length).collect(),
            }
        };
        Ok(PyArray1::from_vec(py, known))
    }

    #[pyo3(signature = (ts, include_extended=false))]
    fn is_open<'py>(
        &self,
        ts: &Bound<'py, PyAny>,
        include_extended: bool,
    ) -> BindResult<Bound<'py, PyAny>> {
        match self.column(ts)? {
            Some(column) => self.is_open_at_each(ts.py(), &column, include_extended),
            None => self.at_instant(ts, |table, at| {
                Some(table.session_type(at).is_open(include_extended))
            }),
        }
    }

    fn session_type<'py>(&self, ts: &Bound<'py, PyAny>) -> BindResult<Bound<'py, PyAny>> {
        self.at_instant(ts, |table, at| Some(table.session_type(at).as_str()))
    }

    fn session_of<'py>(&self, ts: &Bound<'py, PyAny>) -> BindResult<Bound<'py, PyAny>> {
        self.positions(ts)
    }

    fn sessions_with(&self, bars: &Bound<'_, PyBars>) -> Vec<usize> {
        let (columns, from, to) = bars.get().columns_but_flags();
        self.table.sessions_with(&columns.ts[from..to])
    }

    fn next_open<'py>(&self, ts: &Bound<'py, PyAny>) -> BindResult<Bound<'py, PyAny>> {
        self.look_up(ts, SessionTable::next_open)
    }

    fn next_close<'py>(&self, ts: &Bound<'py, PyAny>) -> BindResult<Bound<'py, PyAny>> {
        self.look_up(ts, SessionTable::next_close)
    }

    fn previous_open<'py>(&self, ts: &Bound<'py, PyAny>) -> BindResult<Bound<'py, PyAny>> {
        self.look_up(ts, SessionTable::previous_open)
    }

    fn previous_close<'py>(&self, ts: &Bound<'py, PyAny>) -> BindResult<Bound<'py, PyAny>> {
        self.look_up(ts, SessionTable::previous_close)
    }

    fn __repr__(&self) -> String {
        let short: String = self.fingerprint.chars().take(12).collect();
        let (calendar, sessions) = (&self.calendar, self.table.len());
        format!("SessionTable('{calendar}', {sessions} sessions, fingerprint {short})")
    }
}

impl PySessionTable {
    /// Zone and table, for bars that belong to it.
    pub(crate) fn exchange(
        slf: &Bound<'_, Self>,
        anchor: Anchor,
        extended_hours: ExtendedHours,
    ) -> Arc<Exchange> {
        Arc::new(Exchange {
            zone: slf.get().zone.clone_ref(slf.py()),
            table: Some(slf.get().table.clone()),
            python_table: Some(slf.clone().unbind()),
            anchor,
            extended_hours,
        })
    }

    /// Work out when the local days of its sessions begin, once.
    pub(crate) fn know_midnights(slf: &Bound<'_, Self>) -> BindResult<()> {
        let this = slf.get();
        if this.table.has_midnights() {
            return Ok(());
        }
        let py = slf.py();
        let mut midnights = Vec::with_capacity(this.table.len());
        for &open in &this.table.columns().opens {
            let local = aware(py, &this.zone, open)?;
            let local = local.cast::<PyDateTime>().map_err(PyErr::from)?;
            let since = (i64::from(local.get_hour()) * 60 + i64::from(local.get_minute())) * 60
                + i64::from(local.get_second());
            midnights.push(open - since * SECOND - open.rem_euclid(SECOND));
        }
        Ok(this.table.set_midnights(midnights)?)
    }

    fn instants_of(&self, py: Python<'_>, at: usize, values: &[i64]) -> Py<PyArray1<i64>> {
        once(py, &self.columns[at], values.iter().copied())
    }

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
