//! `Instants`: merged bars, instant by instant.

use std::ops::Range;

use numpy::PyReadonlyArray1;
use parking_lot::Mutex;
use pyo3::prelude::*;
use pyo3::types::PyType;
use tapeloom_core::alignment::first_fall;
use tapeloom_core::session_table::SessionTable;
use tapeloom_core::time::Interval;

use super::columns::{PyMergedColumns, PyMerging};
use crate::error::{BindError, BindResult};
use crate::export::unshared;

/// See `_core.pyi`.
#[pyclass(frozen, name = "Instants", module = "tapeloom._core")]
#[derive(Debug)]
pub(crate) struct PyInstants(Mutex<Walk>);

/// How far it is.
#[derive(Debug)]
struct Walk {
    /// What is handed out.
    class: Py<PyType>,
    /// Whether an object of it has nothing beside its rows: no attributes of the user's, no weak references.
    is_plain: bool,
    merging: Py<PyMerging>,
    /// When each instant is, and the row after its last one.
    instants: std::vec::IntoIter<(i64, usize)>,
    /// First row of the next one.
    row: usize,
    out: Handed,
}

/// Parts that were handed out, to be used again in turn once nobody holds them.
#[derive(Debug, Default)]
struct Handed {
    parts: [Option<Py<PyMergedColumns>>; 2],
    next: usize,
}

impl PyInstants {
    /// Of some rows of merged bars.
    pub(super) fn of(
        columns: &Bound<'_, PyMergedColumns>,
        merging: &Bound<'_, PyMerging>,
        rows: Range<usize>,
    ) -> BindResult<Self> {
        let py = columns.py();
        let all = merging.get();
        let known = match all.interval() {
            Some(interval) => {
                let ts = all.block.columns(py).ts;
                edges(cells(&ts, &rows)?, interval, &all.table.get().table)?
            }
            None => None,
        };
        let mut instants = match known {
            Some(found) => found,
            // Bars of several lengths, or some that are cut short: the table is asked for each.
            None => {
                let known: PyReadonlyArray1<'_, i64> =
                    columns.call_method0("known_at")?.extract()?;
                changes(cells(&known, &(0..rows.len()))?, 0)
            }
        };
        instants.iter_mut().for_each(|(_, to)| *to += rows.start);
        let class = columns.get_type();
        let has = |name| -> PyResult<bool> { Ok(class.getattr(name)?.extract::<isize>()? != 0) };
        Ok(Self(Mutex::new(Walk {
            is_plain: !has("__dictoffset__")? && !has("__weakrefoffset__")?,
            class: class.unbind(),
            merging: merging.clone().unbind(),
            instants: instants.into_iter(),
            row: rows.start,
            out: Handed::default(),
        })))
    }
}

impl Walk {
    /// Some rows, in an object that was used before if one is free.
    fn part<'py>(
        &mut self,
        py: Python<'py>,
        rows: Range<usize>,
    ) -> BindResult<Bound<'py, PyMergedColumns>> {
        let place = &mut self.out.parts[self.out.next];
        self.out.next ^= 1;
        if self.is_plain
            && let Some(part) = place
            && let Some(content) = unshared(py, part, |part| &part.0)
        {
            content.rows = rows;
            return Ok(part.bind(py).clone());
        }
        let new = self.class.bind(py).call1((&self.merging,))?;
        let new = new.cast_into::<PyMergedColumns>().map_err(PyErr::from)?;
        let part = place.insert(new.unbind());
        let Some(content) = unshared(py, part, |part| &part.0) else {
            // Only a class of the user's can have kept it.
            let text = "a class of merged bars must not keep its objects while they are made";
            return Err(BindError::Named("StateError", text.into()));
        };
        content.rows = rows;
        Ok(part.bind(py).clone())
    }
}

#[pymethods]
impl PyInstants {
    fn __iter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    fn __next__<'py>(
        &self,
        py: Python<'py>,
    ) -> BindResult<Option<(i64, Bound<'py, PyMergedColumns>)>> {
        let mut walk = self.0.try_lock().ok_or_else(|| {
            let text = "the instants are asked for in another thread";
            BindError::Named("StateError", text.into())
        })?;
        let Some((at, to)) = walk.instants.next() else {
            return Ok(None);
        };
        let from = std::mem::replace(&mut walk.row, to);
        Ok(Some((at, walk.part(py, from..to)?)))
    }
}

/// Each instant of some rows, and the row after its last one; `None` where the starts of the bars fall.
fn edges(
    ts: &[i64],
    interval: Interval,
    table: &SessionTable,
) -> BindResult<Option<Vec<(i64, usize)>>> {
    if first_fall(ts).is_some() {
        return Ok(None);
    }
    let known = table.known_at(ts, interval)?;
    Ok(Some(match &known {
        Some(known) => changes(known, 0),
        None => changes(ts, interval.ns().unwrap_or(0)),
    }))
}

/// Each value, `length` later, and the row after its last one.
fn changes(values: &[i64], length: i64) -> Vec<(i64, usize)> {
    let mut found = Vec::new();
    let mut row = 0;
    for same in values.chunk_by(|a, b| a == b) {
        row += same.len();
        // A chunk has a value at least.
        found.push((same[0] + length, row));
    }
    found
}

fn cells<'a>(column: &'a PyReadonlyArray1<'_, i64>, rows: &Range<usize>) -> BindResult<&'a [i64]> {
    let cells = column.as_slice().ok().and_then(|all| all.get(rows.clone()));
    cells.ok_or_else(|| BindError::argument("columns must be contiguous and keep their length"))
}
