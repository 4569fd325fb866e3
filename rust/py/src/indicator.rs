//! Values of whole sessions over loaded series, and averages and extremes that move along them.

use numpy::{
    Element, IntoPyArray, PyArray2, PyArrayMethods, PyReadonlyArray2, PyUntypedArrayMethods,
};
use pyo3::prelude::*;
use tapeloom_core::Result;
use tapeloom_core::alignment::Aligner;
use tapeloom_core::columns::Columns;
use tapeloom_core::indicator::{self, Extreme, Value};
use tapeloom_core::schedule::Grid;
use tapeloom_core::time::Interval;

use crate::bars::PyBars;
use crate::convert;
use crate::error::{BindError, BindResult};
use crate::missing::check_sessions;
use crate::session_table::PySessionTable;
use crate::sources::{Source, check_threads, grids, read, shared_out};
use crate::spare::{self, whole};

/// Minutes in a week: no session is longer.
const MOST_SLOTS: usize = 10_080;

type Pair<'py> = (Bound<'py, PyArray2<f64>>, Bound<'py, PyArray2<i32>>);

fn value(field: &str) -> BindResult<Value> {
    Ok(match field {
        "open" => Value::Open,
        "high" => Value::High,
        "low" => Value::Low,
        "close" => Value::Close,
        "volume" => Value::Volume,
        _ => {
            return Err(BindError::argument(format!(
                "field is '{field}'; it must be 'open', 'high', 'low', 'close' or 'volume'"
            )));
        }
    })
}

/// Rows of cells with any content, to be filled as a whole.
fn matrix<T: Element>(
    py: Python<'_>,
    rows: usize,
    columns: usize,
) -> PyResult<Bound<'_, PyArray2<T>>> {
    spare::array(py, rows * columns)?.reshape([rows, columns])
}

/// The same for averages, and how much is behind each.
fn answer(py: Python<'_>, rows: usize, columns: usize) -> PyResult<Pair<'_>> {
    Ok((matrix(py, rows, columns)?, matrix(py, rows, columns)?))
}

/// Lay rows out over threads, each answering with the cells of its rows.
fn by_source<T: Send>(
    sources: &[Source],
    threads: usize,
    job: impl Fn(&Source, &mut Aligner, &mut Vec<T>) + Sync,
) -> Vec<T> {
    let rows = sources.iter().map(|source| source.len()).sum();
    let mut shares: Vec<&Source> = sources.iter().collect();
    let parts = shared_out(&mut shares, threads, rows, |part| {
        let mut cells = Vec::new();
        let mut aligner = Aligner::default();
        for source in &*part {
            job(source, &mut aligner, &mut cells);
        }
        cells
    });
    parts.into_iter().flatten().collect()
}

/// See `_core.pyi`.
#[pyfunction]
#[pyo3(signature = (sources, table, *, first, last, field, threads=2))]
pub(crate) fn daily_values<'py>(
    py: Python<'py>,
    sources: Vec<Bound<'py, PyBars>>,
    table: &Bound<'py, PySessionTable>,
    first: usize,
    last: usize,
    field: &str,
    threads: usize,
) -> BindResult<Bound<'py, PyArray2<f64>>> {
    check_threads(threads)?;
    let value = value(field)?;
    let table = &table.get().table;
    check_sessions(first, last, table.len())?;
    let sources = read(&sources)?;
    let grids = grids(table, first..last, &sources)?;
    let cells = py.detach(|| {
        by_source(&sources, threads, |source, aligner, cells| {
            let columns: &Columns = &source.columns;
            let begun = cells.len();
            cells.resize(begun + last - first, f64::NAN);
            let grids = &grids[&source.interval];
            let (stamps, cells) = (source.stamps(), &mut cells[begun..]);
            indicator::daily_values(columns, stamps, grids, value, aligner, cells);
        })
    });
    Ok(cells
        .into_pyarray(py)
        .reshape([sources.len(), last - first])?)
}

/// See `_core.pyi`.
#[pyfunction]
#[pyo3(signature = (sources, table, sessions, *, field, slots, threads=2))]
pub(crate) fn minute_average<'py>(
    py: Python<'py>,
    sources: Vec<Bound<'py, PyBars>>,
    table: &Bound<'py, PySessionTable>,
    sessions: Vec<usize>,
    field: &str,
    slots: usize,
    threads: usize,
) -> BindResult<Pair<'py>> {
    check_threads(threads)?;
    let value = value(field)?;
    if slots > MOST_SLOTS {
        return Err(BindError::argument(format!(
            "slots is {slots}; a session has at most {MOST_SLOTS} minutes"
        )));
    }
    let table = &table.get().table;
    let beyond = sessions.iter().find(|&&session| session >= table.len());
    if let Some(&session) =
        beyond.or_else(|| sessions.windows(2).find(|p| p[0] >= p[1]).map(|p| &p[1]))
    {
        return Err(BindError::argument(format!(
            "sessions names {session}; positions must rise and lie below the table's {}",
            table.len()
        )));
    }
    let sources = read(&sources)?;
    if let Some(other) = sources.iter().find(|s| s.interval != Interval::ONE_MINUTE) {
        return Err(BindError::argument(format!(
            "a source has {} bars; averages of each minute need 1m bars",
            other.interval
        )));
    }
    let grids: Result<Vec<Grid>> = sessions
        .iter()
        .map(|&session| table.grid(session, Interval::ONE_MINUTE))
        .collect();
    let grids = grids?;
    let (means, used) = answer(py, sources.len(), slots)?;
    {
        let (mut means, mut used) = (means.readwrite(), used.readwrite());
        // Each thread fills its rows of them.
        let cells = whole(means.as_slice_mut())?
            .chunks_mut(slots.max(1))
            .zip(whole(used.as_slice_mut())?.chunks_mut(slots.max(1)));
        let mut shares: Vec<_> = sources.iter().zip(cells).collect();
        let rows = sources.iter().map(Source::len).sum();
        py.detach(|| {
            shared_out(&mut shares, threads, rows, |part| {
                let mut aligner = Aligner::default();
                for (source, (means, used)) in part {
                    let (columns, stamps): (&Columns, _) = (&source.columns, source.stamps());
                    indicator::minute_average(
                        columns,
                        stamps,
                        &grids,
                        value,
                        &mut aligner,
                        means,
                        used,
                    );
                }
            });
        });
    }
    Ok((means, used))
}

fn daily<'a, 'py>(values: &'a PyReadonlyArray2<'py, f64>) -> BindResult<(&'a [f64], usize, usize)> {
    let rule = || BindError::argument("values must be C-contiguous; use numpy.ascontiguousarray");
    if !values.is_c_contiguous() {
        return Err(rule());
    }
    let cells = values.as_slice().map_err(|_| rule())?;
    Ok((cells, values.shape()[0], values.shape()[1]))
}

/// See `_core.pyi`.
#[pyfunction]
#[pyo3(signature = (values, days, *, skip=None))]
pub(crate) fn rolling_average<'py>(
    py: Python<'py>,
    values: &Bound<'py, PyAny>,
    days: usize,
    skip: Option<&Bound<'py, PyAny>>,
) -> BindResult<Pair<'py>> {
    if days == 0 {
        return Err(BindError::argument("days is 0; it must be at least 1"));
    }
    let values = convert::matrix(values, "values")?;
    let (cells, rows, columns) = daily(&values)?;
    let skip: Option<Vec<bool>> = skip
        .map(|skip| convert::column(skip, "skip", "bool"))
        .transpose()?;
    if let Some(skip) = skip.as_ref().filter(|skip| skip.len() != columns) {
        return Err(BindError::argument(format!(
            "skip has {} cells; values has {columns} columns",
            skip.len()
        )));
    }
    let (means, used) = answer(py, rows, columns + 1)?;
    {
        let (mut means, mut used) = (means.readwrite(), used.readwrite());
        let (means, used) = (whole(means.as_slice_mut())?, whole(used.as_slice_mut())?);
        // Attached: another thread might write the values meanwhile.
        for row in 0..rows {
            let range = row * (columns + 1)..(row + 1) * (columns + 1);
            indicator::rolling_average(
                &cells[row * columns..(row + 1) * columns],
                days,
                skip.as_deref(),
                &mut means[range.clone()],
                &mut used[range],
            );
        }
    }
    Ok((means, used))
}

type Extremes<'py> = (Bound<'py, PyArray2<f64>>, Option<Bound<'py, PyArray2<i32>>>);

/// See `_core.pyi`.
#[pyfunction]
#[pyo3(signature = (values, starts, kind, *, positions=true))]
pub(crate) fn rolling_extreme<'py>(
    py: Python<'py>,
    values: &Bound<'py, PyAny>,
    starts: &Bound<'py, PyAny>,
    kind: &str,
    positions: bool,
) -> BindResult<Extremes<'py>> {
    let kind = match kind {
        "max" => Extreme::Max,
        "min" => Extreme::Min,
        _ => {
            return Err(BindError::argument(format!(
                "kind is '{kind}'; it must be 'max' or 'min'"
            )));
        }
    };
    let values = convert::matrix(values, "values")?;
    let (cells, rows, columns) = daily(&values)?;
    let starts: Vec<i64> = convert::column(starts, "starts", "int64")?;
    let fits = starts.len() == columns + 1
        && starts.is_sorted()
        && (0..)
            .zip(&starts)
            .all(|(j, &start)| 0 <= start && start <= j);
    if !fits {
        return Err(BindError::argument(format!(
            "starts must have {} cells, never fall, and lie in 0..=j",
            columns + 1
        )));
    }
    let starts: Vec<usize> = starts.iter().map(|&start| start as usize).collect();
    // Windows of one length, as long as there is one.
    let days = columns - starts[columns];
    let is_even = days > 0
        && (0..)
            .zip(&starts)
            .all(|(j, &start)| start == usize::saturating_sub(j, days));
    let extremes = matrix::<f64>(py, rows, columns + 1)?;
    let found = positions
        .then(|| matrix::<i32>(py, rows, columns + 1))
        .transpose()?;
    {
        let mut extremes = extremes.readwrite();
        let mut found = found.as_ref().map(PyArrayMethods::readwrite);
        let extremes = whole(extremes.as_slice_mut())?.chunks_exact_mut(columns + 1);
        let mut found = match &mut found {
            Some(found) => Some(whole(found.as_slice_mut())?.chunks_exact_mut(columns + 1)),
            None => None,
        };
        // Nobody asks for them.
        let mut unasked = vec![0; columns + 1];
        let mut scratch = Default::default();
        // Attached, as above.
        for (row, extremes) in extremes.enumerate() {
            let cells = &cells[row * columns..(row + 1) * columns];
            match found.as_mut().and_then(Iterator::next) {
                None if is_even => {
                    indicator::moving_extreme(cells, days, kind, extremes, &mut scratch);
                }
                found => {
                    let found = found.unwrap_or(&mut unasked);
                    indicator::rolling_extreme(cells, &starts, kind, extremes, found);
                }
            }
        }
    }
    Ok((extremes, found))
}
