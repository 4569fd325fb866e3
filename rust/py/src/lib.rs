//! The Python binding of `tapeloom-core`, compiled as `tapeloom._core`: convert, call, convert back.
//!
//! This file only lists what is registered; see `_core.pyi` for the documentation of each name.
#![deny(unsafe_code)]

mod arrivals;
mod bar;
mod bar_frame;
mod bars;
mod batch;
mod beside;
#[cfg(unix)]
mod busy_poll;
mod convert;
mod cursor;
mod cut;
mod deliver;
mod error;
mod exchange;
mod export;
mod gather;
mod group;
mod indicator;
mod interval;
mod journal;
mod label;
mod live;
mod market_hours;
mod merge;
mod merged;
mod missing;
mod pieces;
mod realtime;
mod replay;
mod resample;
mod session_table;
mod sources;
mod spare;
mod store;
mod subscription;
mod timing;

use pyo3::prelude::*;

/// Core of tapeloom.
// Objects that are used again and NumPy views rest on the interpreter's lock.
#[pymodule(gil_used = true)]
fn _core(module: &Bound<'_, PyModule>) -> PyResult<()> {
    error::make_panics_ordinary(module.py())?;
    store::process::watch_forks(module.py())?;
    module.add_class::<interval::PyInterval>()?;
    module.add_class::<session_table::PySessionTable>()?;
    module.add_class::<market_hours::PyMarketHours>()?;
    module.add_class::<bar::PyBarData>()?;
    module.add_class::<bars::PyBars>()?;
    module.add_class::<store::PyStore>()?;
    module.add_class::<group::PyGroup>()?;
    module.add_class::<cursor::PyCursor>()?;
    module.add_class::<pieces::PyPiecewiseMerge>()?;
    module.add_class::<merged::PyMerging>()?;
    module.add_class::<merged::PyMergedColumns>()?;
    module.add_class::<realtime::PyRealtimeIndicators>()?;
    module.add_class::<replay::PyReplay>()?;
    module.add_class::<batch::PyBatch>()?;
    module.add_class::<live::PyLive>()?;
    module.add_class::<subscription::PySubscription>()?;
    module.add_class::<timing::PyTimings>()?;
    #[cfg(unix)]
    module.add_class::<busy_poll::PyBusyPoll>()?;
    module.add_class::<journal::PyJournal>()?;
    module.add_class::<journal::PyJournalReader>()?;
    module.add_class::<journal::PyJournalRecords>()?;
    module.add_class::<journal::PyJournalReplay>()?;
    module.add_class::<journal::PySimulatedDisk>()?;
    module.add_function(wrap_pyfunction!(arrivals::earliest_start, module)?)?;
    module.add_function(wrap_pyfunction!(bar_frame::bars_of_frame, module)?)?;
    module.add_function(wrap_pyfunction!(merge::merge_order, module)?)?;
    module.add_function(wrap_pyfunction!(merged::merge_bars, module)?)?;
    module.add_function(wrap_pyfunction!(missing::missing_runs, module)?)?;
    module.add_function(wrap_pyfunction!(cut::cut_session, module)?)?;
    module.add_function(wrap_pyfunction!(resample::resample, module)?)?;
    module.add_function(wrap_pyfunction!(indicator::daily_values, module)?)?;
    module.add_function(wrap_pyfunction!(indicator::minute_average, module)?)?;
    module.add_function(wrap_pyfunction!(indicator::rolling_average, module)?)?;
    module.add_function(wrap_pyfunction!(indicator::rolling_extreme, module)?)?;
    module.add("__version__", env!("CARGO_PKG_VERSION"))
}
