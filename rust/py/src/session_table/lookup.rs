//! Look-ups at one instant or at a column of them.

use numpy::{Element, PyArray1, PyArrayDescrMethods, PyReadonlyArray1, PyUntypedArrayMethods};
use pyo3::IntoPyObjectExt;
use pyo3::prelude::*;
use pyo3::types::{PyDate, PyInt};
use tapeloom_core::error::civil;
use tapeloom_core::session_table::SessionTable;
use tapeloom_core::time::likely_unit;

use super::PySessionTable;
use crate::convert;
use crate::error::{BindError, BindResult, raised};
use crate::exchange::aware;

impl PySessionTable {
    /// The answers at an instant (int, or what `to_ns` reads) or at an array of them; outside the table is an error.
    pub(super) fn look_up<'py, T>(
        &self,
        ts: &Bound<'py, PyAny>,
        answer: impl Fn(&SessionTable, i64) -> Option<T> + Sync,
    ) -> BindResult<Bound<'py, PyAny>>
    where
        T: Element + Copy + Send + IntoPyObjectExt<'py>,
    {
        let py = ts.py();
        let table = &*self.table;
        let Some(column) = self.column(ts)? else {
            return self.at_instant(ts, answer);
        };
        let answers = py.detach(|| {
            let each = column.iter().enumerate().map(|(row, &at)| {
                let found = if table.covers(at) {
                    answer(table, at)
                } else {
                    None
                };
                found.ok_or((row, at))
            });
            each.collect::<Result<Vec<T>, (usize, i64)>>()
        });
        match answers {
            Err((row, at)) => Err(self.outside(py, at, Some(row))),
            Ok(answers) => Ok(PyArray1::from_vec(py, answers).into_any()),
        }
    }

    /// The answer at one instant.
    pub(super) fn at_instant<'py, T: IntoPyObjectExt<'py>>(
        &self,
        ts: &Bound<'py, PyAny>,
        answer: impl Fn(&SessionTable, i64) -> Option<T>,
    ) -> BindResult<Bound<'py, PyAny>> {
        let at = convert::timestamp(ts, &self.zone, "ts")?;
        let found = if self.table.covers(at) {
            answer(&self.table, at)
        } else {
            None
        };
        match found {
            Some(found) => Ok(found.into_bound_py_any(ts.py())?),
            None => Err(self.outside(ts.py(), at, None)),
        }
    }

    /// A column of instants, copied: whoever owns the array may write to it while others run. `None` for no array.
    pub(super) fn column(&self, ts: &Bound<'_, PyAny>) -> BindResult<Option<Vec<i64>>> {
        let column = instants(ts, &self.zone)?;
        Ok(column.map(|column| match column.as_slice() {
            Ok(whole) => whole.to_vec(),
            Err(_) => column.as_array().iter().copied().collect(),
        }))
    }

    pub(super) fn is_open_at_each<'py>(
        &self,
        py: Python<'py>,
        column: &[i64],
        include_extended: bool,
    ) -> BindResult<Bound<'py, PyAny>> {
        match py.detach(|| self.table.is_open_at_each(column, include_extended)) {
            Ok(answers) => Ok(PyArray1::from_vec(py, answers).into_any()),
            Err(row) => Err(self.outside(py, column[row], Some(row))),
        }
    }

    /// Positions of sessions: `None`, or -1 in an array, for what belongs to none.
    pub(super) fn positions<'py>(&self, ts: &Bound<'py, PyAny>) -> BindResult<Bound<'py, PyAny>> {
        let py = ts.py();
        let Some(column) = self.column(ts)? else {
            let at = convert::timestamp(ts, &self.zone, "ts")?;
            return Ok(self.table.session_of(at).into_bound_py_any(py)?);
        };
        let table = &*self.table;
        let position = |&at: &i64| table.session_of(at).map_or(-1, |index| index as i64);
        let found: Vec<i64> = py.detach(|| column.iter().map(position).collect());
        Ok(PyArray1::from_vec(py, found).into_any())
    }

    /// The error for an instant that the table does not cover, or beyond which it knows of no session.
    fn outside(&self, py: Python<'_>, ts: i64, row: Option<usize>) -> BindError {
        let make = || -> PyResult<PyErr> {
            let columns = self.table.columns();
            let day = |day: i32| {
                let (year, month, day) = civil(i64::from(day));
                PyDate::new(py, year as i32, month as u8, day as u8)
            };
            let (start, end) = (day(columns.first_day)?, day(columns.last_day)?);
            let shown: String = aware(py, &self.zone, ts)?
                .call_method0("isoformat")?
                .extract()?;
            let place = row.map_or(String::new(), |row| format!(" in row {row}"));
            let what = match self.table.covers(ts) {
                false => "lies outside",
                true if columns.opens.last().is_some_and(|&open| open <= ts) => {
                    "has no later session in"
                }
                true => "has no earlier session in",
            };
            let text = format!(
                "ts{place} is {shown}, which {what} the session table of {}, which covers {start} to {end}",
                self.calendar
            );
            Ok(raised(py, "OutOfCalendarError", text, |facts| {
                facts.set_item("got", ts)?;
                facts.set_item("start", start)?;
                facts.set_item("end", end)
            }))
        };
        BindError::Python(make().unwrap_or_else(|error| error))
    }
}

/// A column of instants, int64 nanoseconds or datetime64; `None` for anything that is no array.
fn instants<'py>(
    ts: &Bound<'py, PyAny>,
    zone: &Py<PyAny>,
) -> BindResult<Option<PyReadonlyArray1<'py, i64>>> {
    if ts.is_exact_instance_of::<PyInt>() {
        return Ok(None);
    }
    let ts = &convert::aligned(ts)?;
    let Ok(array) = ts.cast::<numpy::PyUntypedArray>() else {
        return Ok(None);
    };
    let (is_instants, dimensions) = (array.dtype().kind() == b'M', array.ndim());
    // The outermost two stand for all: their unit, and whether they fit into 64 bits.
    let check = |value: &Bound<'_, PyAny>| -> BindResult<()> {
        for name in ["min", "max"] {
            convert::timestamp(&value.call_method0(name)?, zone, "ts")?;
        }
        Ok(())
    };
    if let Ok(column) = ts.extract::<PyReadonlyArray1<'py, i64>>() {
        let view = column.as_array();
        let odd = view.iter().any(|&at| likely_unit(at).is_some());
        if odd {
            check(ts)?;
        }
        return Ok(Some(column));
    }
    if is_instants && dimensions == 1 {
        if array.len() > 0 {
            check(ts)?;
        }
        let ns = ts
            .call_method1("astype", ("datetime64[ns]",))?
            .call_method1("view", ("int64",))?;
        return Ok(Some(ns.extract()?));
    }
    Err(BindError::argument_type(format!(
        "ts is an array of {}, {dimensions} dimensions; give 1-d int64 nanoseconds or datetime64",
        array.dtype(),
    )))
}
