//! `missing_runs`: what loaded series lack over a range of sessions.

use numpy::IntoPyArray;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use tapeloom_core::alignment::Aligner;
use tapeloom_core::gap::{LoadedCounts, MissingRun, missing_runs as find};

use crate::bars::PyBars;
use crate::error::{BindError, BindResult};
use crate::session_table::PySessionTable;
use crate::sources::{Source, check_threads, grids, read, shared_out};

type Found = (Vec<(i32, MissingRun)>, Vec<LoadedCounts>);

/// See `_core.pyi`.
#[pyfunction]
#[pyo3(signature = (sources, table, *, first, last, threads=2))]
pub(crate) fn missing_runs<'py>(
    py: Python<'py>,
    sources: Vec<Bound<'py, PyBars>>,
    table: &Bound<'py, PySessionTable>,
    first: usize,
    last: usize,
    threads: usize,
) -> BindResult<(Bound<'py, PyDict>, Bound<'py, PyDict>)> {
    check_threads(threads)?;
    let table = &table.get().table;
    check_sessions(first, last, table.len())?;
    let sources = read(&sources)?;
    let grids = grids(table, first..last, &sources)?;
    let mut numbered: Vec<(i32, &Source)> = (0..).zip(&sources).collect();
    let rows = sources.iter().map(|source| source.len()).sum();
    let parts = py.detach(|| {
        shared_out(&mut numbered, threads, rows, |part| {
            let mut found: Found = (Vec::new(), Vec::with_capacity(part.len()));
            let mut aligner = Aligner::default();
            let mut runs = Vec::new();
            for (number, source) in &*part {
                let grids = &grids[&source.interval];
                let counts = find(
                    table,
                    first..last,
                    grids,
                    source.stamps(),
                    &mut aligner,
                    &mut runs,
                );
                found.0.extend(runs.drain(..).map(|run| (*number, run)));
                found.1.push(counts);
            }
            found
        })
    });
    let runs = || parts.iter().flat_map(|part| &part.0);
    let counts = |value: fn(&LoadedCounts) -> u64| {
        let all = parts.iter().flat_map(|part| &part.1);
        all.map(|counts| value(counts) as i64)
            .collect::<Vec<i64>>()
            .into_pyarray(py)
    };
    let columns = PyDict::new(py);
    let of_source: Vec<i32> = runs().map(|(source, _)| *source).collect();
    let starts: Vec<i64> = runs().map(|(_, run)| run.start).collect();
    let ends: Vec<i64> = runs().map(|(_, run)| run.end).collect();
    let bars: Vec<i32> = runs().map(|(_, run)| run.bars as i32).collect();
    columns.set_item("source", of_source.into_pyarray(py))?;
    columns.set_item("start", starts.into_pyarray(py))?;
    columns.set_item("end", ends.into_pyarray(py))?;
    columns.set_item("bars", bars.into_pyarray(py))?;
    let per_source = PyDict::new(py);
    per_source.set_item("expected", counts(|c| c.expected))?;
    per_source.set_item("present", counts(|c| c.present))?;
    per_source.set_item("missing", counts(|c| c.expected - c.present))?;
    per_source.set_item("duplicates", counts(|c| c.duplicates))?;
    per_source.set_item("off_grid", counts(|c| c.off_grid))?;
    per_source.set_item("out_of_session", counts(|c| c.out_of_session))?;
    Ok((columns, per_source))
}

/// Refuse positions of sessions that the table does not have.
pub(crate) fn check_sessions(first: usize, last: usize, len: usize) -> BindResult<()> {
    if first > last || last > len {
        return Err(BindError::argument(format!(
            "first is {first} and last is {last}; sessions are [first, last) of the table's {len}"
        )));
    }
    Ok(())
}
