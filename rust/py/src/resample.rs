//! `resample`: coarser bars of loaded series, several intervals in one pass.

use std::sync::Arc;

use pyo3::prelude::*;
use pyo3::types::PyString;
use tapeloom_core::Error;
use tapeloom_core::aggregate::resample::{Request, Running, run};
use tapeloom_core::columns::Columns;
use tapeloom_core::schedule::Anchor;
use tapeloom_core::time::Interval;

use crate::bars::PyBars;
use crate::convert;
use crate::error::{BindError, BindResult};
use crate::session_table::PySessionTable;
use crate::sources::{check_threads, read, shared_out};
use crate::spare::SpareColumns;

/// See `_core.pyi`.
#[pyfunction]
#[pyo3(signature = (sources, intervals, table, *, completeness="any", anchor="session", extended_hours="off", threads=2))]
#[expect(clippy::too_many_arguments, reason = "rules by keyword")]
pub(crate) fn resample(
    py: Python<'_>,
    sources: Vec<Bound<'_, PyBars>>,
    intervals: Vec<Bound<'_, PyAny>>,
    table: &Bound<'_, PySessionTable>,
    completeness: &str,
    anchor: &str,
    extended_hours: &str,
    threads: usize,
) -> BindResult<Vec<Vec<PyBars>>> {
    check_threads(threads)?;
    let rule = convert::completeness(completeness)?;
    let anchor = convert::anchor(anchor)?;
    let extended_hours = convert::extended_hours(extended_hours)?;
    let asked: Vec<Interval> = intervals
        .iter()
        .map(convert::interval)
        .collect::<BindResult<_>>()?;
    if anchor == Anchor::Clock {
        PySessionTable::know_midnights(table)?;
    }
    let loaded = read(&sources)?;
    for source in &loaded {
        let base = source.interval;
        if let Some(&target) = asked.iter().find(|&&t| !base.divides(t) || base == t) {
            return Err(Error::NotDivisible { base, target }.into());
        }
    }
    // Finest first, so that the others can follow from it.
    let mut targets = asked.clone();
    targets.sort_unstable();
    targets.dedup();
    let core = &table.get().table;
    let rows = loaded.iter().map(|source| source.len()).sum();
    let mut spare = SpareColumns::for_answer(rows);
    // One request for each stretch of sources with the same interval.
    let mut requests: Vec<(Request, Vec<Running<'_>>)> = Vec::new();
    for same in loaded.chunk_by(|a, b| a.interval == b.interval) {
        let request = Request {
            base: same[0].interval,
            targets: targets.clone(),
            anchor,
            completeness: rule,
            extended_hours,
        };
        // Memory for the answers comes from this thread, which will also give it back.
        let running = same
            .iter()
            .map(|source| {
                let room_for = |rows| spare.room_for(rows);
                Running::new(&source.columns, source.stamps(), &request, room_for)
            })
            .collect();
        requests.push((request, running));
    }
    let mut all: Vec<Vec<Arc<Columns>>> = Vec::with_capacity(loaded.len());
    for (request, mut running) in requests {
        let parts = py.detach(|| {
            shared_out(&mut running, threads, rows, |part| {
                run(core, &request, part)
            })
        });
        parts.into_iter().collect::<Result<Vec<()>, Error>>()?;
        let done = running.into_iter().map(Running::finish);
        all.extend(done.map(|columns| columns.into_iter().map(Arc::new).collect()));
    }
    spare.keep(all.iter().flatten());
    let exchange = PySessionTable::exchange(table, anchor, extended_hours);
    let texts: Vec<Bound<'_, PyString>> = asked
        .iter()
        .map(|target| PyString::intern(py, &target.to_string()))
        .collect();
    let named = all.iter().zip(&sources).map(|(columns, source)| {
        let bars = asked.iter().zip(&texts).map(|(&target, text)| {
            let at = targets.binary_search(&target).unwrap_or_default();
            let base = source.get().label();
            let label = base.derived(py, target, text, exchange.clone())?;
            Ok(PyBars::of_columns(label, columns[at].clone()))
        });
        bars.collect::<PyResult<Vec<PyBars>>>()
    });
    Ok(named.collect::<PyResult<_>>()?)
}

/// An empty list of targets says nothing.
pub(crate) fn one(bars: Vec<Vec<PyBars>>) -> BindResult<PyBars> {
    bars.into_iter()
        .flatten()
        .next()
        .ok_or_else(|| BindError::Named("InternalError", "resampling gave no answer".into()))
}
