//! `Group`: many series of a store, found once and read together as of one epoch.

use std::sync::Arc;

use arc_swap::ArcSwap;
use numpy::IntoPyArray;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};
use tapeloom_core::bar::Bar;
use tapeloom_core::series::{Scope, Series};
use tapeloom_core::store::{Directory, Entry, Store};
use tapeloom_core::time::Interval;

use crate::error::BindResult;

/// See `_core.pyi`.
#[pyclass(frozen, name = "Group", module = "tapeloom._core")]
#[derive(Debug)]
pub(crate) struct PyGroup {
    store: Arc<Store>,
    /// Upper-cased, in the order asked for.
    names: Vec<String>,
    found: ArcSwap<Found>,
    /// The interval asked for; `None` for the base series.
    interval: Option<Interval>,
    symbols: Py<PyTuple>,
}

/// Who was kept when it was last looked up.
#[derive(Debug, Default)]
struct Found {
    directory: Arc<Directory>,
    /// `None` for one that nobody keeps.
    entries: Vec<Option<Arc<Entry>>>,
}

impl PyGroup {
    pub(crate) fn new(
        store: Arc<Store>,
        names: Vec<String>,
        interval: Option<Interval>,
        symbols: Py<PyTuple>,
    ) -> Self {
        Self {
            store,
            names,
            found: ArcSwap::default(),
            interval,
            symbols,
        }
    }

    /// The entries, looked up again when a symbol came, went or got another series.
    fn found(&self) -> Arc<Found> {
        let found = self.found.load_full();
        let directory = self.store.directory();
        if Arc::ptr_eq(&found.directory, &directory) {
            return found;
        }
        let entries = self.names.iter().map(|name| directory.get(name).cloned());
        let found = Arc::new(Found {
            entries: entries.collect(),
            directory,
        });
        self.found.store(found.clone());
        found
    }
}

/// A bar and, of a derived series, the number of its base bars.
type Counted = (Bar, Option<i32>);

/// The newest bar of each symbol's session, all as of one epoch; of the base series unless an interval is named.
///
/// Bars that come at each look are waited for, detached.
pub(crate) fn newest_of_all(
    py: Python<'_>,
    store: &Store,
    entries: &[Option<Arc<Entry>>],
    interval: Option<Interval>,
) -> BindResult<Vec<Option<Counted>>> {
    loop {
        store.check()?;
        if let Some(newest) = look_at_newest(store, entries, interval) {
            return Ok(newest);
        }
        py.detach(|| store.wait_for_writer());
    }
}

fn look_at_newest(
    store: &Store,
    entries: &[Option<Arc<Entry>>],
    interval: Option<Interval>,
) -> Option<Vec<Option<Counted>>> {
    let Some(interval) = interval else {
        let bars = store.latest_of_all(entries)?.into_iter();
        return Some(bars.map(|bar| Some((bar?, None))).collect());
    };
    let series: Vec<Option<&Series>> = entries
        .iter()
        .map(|entry| entry.as_ref()?.find(interval).map(|series| &**series))
        .collect();
    let bars = store.look_at_all(&series, |view| {
        let (first, last) = view.scope(Scope::Session);
        (last > first).then(|| (view.bar(last - 1), view.constituents(last - 1)))
    })?;
    Some(bars.into_iter().map(Option::flatten).collect())
}

#[pymethods]
impl PyGroup {
    #[getter]
    fn symbols(&self, py: Python<'_>) -> Py<PyTuple> {
        self.symbols.clone_ref(py)
    }

    fn latest<'py>(&self, py: Python<'py>) -> BindResult<Bound<'py, PyDict>> {
        let found = self.found();
        let bars = newest_of_all(py, &self.store, &found.entries, self.interval)?;
        let bars: Vec<Option<Bar>> = bars.into_iter().map(|bar| Some(bar?.0)).collect();
        let floats = |value: fn(&Bar) -> f64| {
            let all = bars.iter().map(|bar| bar.as_ref().map_or(f64::NAN, value));
            all.collect::<Vec<f64>>().into_pyarray(py)
        };
        let columns = PyDict::new(py);
        let ts: Vec<i64> = bars.iter().map(|bar| bar.map_or(0, |b| b.ts)).collect();
        let flags: Vec<u8> = bars.iter().map(|bar| bar.map_or(0, |b| b.flags)).collect();
        columns.set_item(intern!(py, "ts"), ts.into_pyarray(py))?;
        columns.set_item(intern!(py, "open"), floats(|bar| bar.open))?;
        columns.set_item(intern!(py, "high"), floats(|bar| bar.high))?;
        columns.set_item(intern!(py, "low"), floats(|bar| bar.low))?;
        columns.set_item(intern!(py, "close"), floats(|bar| bar.close))?;
        columns.set_item(intern!(py, "volume"), floats(|bar| bar.volume))?;
        columns.set_item(intern!(py, "flags"), flags.into_pyarray(py))?;
        Ok(columns)
    }

    fn __len__(&self) -> usize {
        self.names.len()
    }

    fn __repr__(&self) -> String {
        format!("Group({} symbols)", self.names.len())
    }
}
