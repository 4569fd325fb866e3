//! `Group`: many series of a store, found once and read together as of one epoch.

use std::sync::Arc;

use arc_swap::ArcSwap;
use numpy::{IntoPyArray, PyArray1, PyArrayMethods};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};
use tapeloom_core::bar::Bar;
use tapeloom_core::columns::Columns;
use tapeloom_core::series::{Scope, Series, View};
use tapeloom_core::store::{Directory, Entry, LatestBars, Store};
use tapeloom_core::time::Interval;

use crate::bars::{Parts, PyBars};
use crate::convert::{self, AskedScope};
use crate::error::BindResult;
use crate::exchange::Exchange;
use crate::gather::newest_of;
use crate::label::PyLabel;
use crate::store::{COUNTS, count_cells};

type Floats<'py> = Bound<'py, PyArray1<f64>>;

/// See `_core.pyi`.
#[pyclass(frozen, name = "Group", module = "tapeloom._core")]
#[derive(Debug)]
pub(crate) struct PyGroup {
    store: Arc<Store>,
    exchange: Arc<Exchange>,
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
    /// The series of the interval asked for.
    series: Vec<Option<Arc<Series>>>,
    /// The newest bars of the base series.
    latest: LatestBars,
}

impl PyGroup {
    pub(crate) fn new(
        store: Arc<Store>,
        exchange: Arc<Exchange>,
        names: Vec<String>,
        interval: Option<Interval>,
        symbols: Py<PyTuple>,
    ) -> Self {
        Self {
            store,
            exchange,
            names,
            found: ArcSwap::default(),
            interval,
            symbols,
        }
    }

    /// Look at all series as of one epoch. Writers that replace a series at each look are waited for, detached.
    fn look_at_each<R>(
        &self,
        py: Python<'_>,
        found: &Found,
        look: impl Fn(View<'_>) -> R,
    ) -> BindResult<Vec<Option<R>>> {
        let series: Vec<Option<&Series>> = found.series.iter().map(Option::as_deref).collect();
        loop {
            self.store.check()?;
            if let Some(seen) = self.store.look_at_all(&series, &look) {
                return Ok(seen);
            }
            py.detach(|| self.store.wait_for_writer());
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
        let entries: Vec<Option<Arc<Entry>>> = entries.collect();
        let series = |entry: &Option<Arc<Entry>>| match self.interval {
            Some(interval) => entry.as_ref()?.find(interval).cloned(),
            None => Some(entry.as_ref()?.base().clone()),
        };
        let found = Arc::new(Found {
            series: entries.iter().map(series).collect(),
            latest: LatestBars::of(&entries),
            entries,
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

/// The row of a symbol without a bar.
const NO_BAR: Bar = Bar {
    ts: 0,
    open: f64::NAN,
    high: f64::NAN,
    low: f64::NAN,
    close: f64::NAN,
    volume: f64::NAN,
    flags: 0,
};

/// The same as columns, in one go where the base series are asked for.
fn newest_columns(store: &Store, found: &Found, interval: Option<Interval>) -> Option<Columns> {
    if interval.is_none() {
        return store.latest_columns(&found.latest, NO_BAR);
    }
    let mut columns = Columns::with_capacity(found.entries.len(), false);
    for bar in look_at_newest(store, &found.entries, interval)? {
        columns.push(bar.map_or(NO_BAR, |(bar, _)| bar));
    }
    Some(columns)
}

#[pymethods]
impl PyGroup {
    #[getter]
    fn symbols(&self, py: Python<'_>) -> Py<PyTuple> {
        self.symbols.clone_ref(py)
    }

    fn latest<'py>(&self, py: Python<'py>) -> BindResult<Bound<'py, PyDict>> {
        let found = self.found();
        let newest = loop {
            self.store.check()?;
            if let Some(newest) = newest_columns(&self.store, &found, self.interval) {
                break newest;
            }
            py.detach(|| self.store.wait_for_writer());
        };
        let columns = PyDict::new(py);
        columns.set_item(intern!(py, "ts"), newest.ts.into_pyarray(py))?;
        columns.set_item(intern!(py, "open"), newest.open.into_pyarray(py))?;
        columns.set_item(intern!(py, "high"), newest.high.into_pyarray(py))?;
        columns.set_item(intern!(py, "low"), newest.low.into_pyarray(py))?;
        columns.set_item(intern!(py, "close"), newest.close.into_pyarray(py))?;
        columns.set_item(intern!(py, "volume"), newest.volume.into_pyarray(py))?;
        columns.set_item(intern!(py, "flags"), newest.flags.into_pyarray(py))?;
        Ok(columns)
    }

    #[pyo3(
        signature = (n, *, scope=AskedScope::SESSION),
        text_signature = "($self, n, *, scope='session')"
    )]
    fn last<'py>(
        &self,
        py: Python<'py>,
        n: &Bound<'py, PyAny>,
        scope: AskedScope,
    ) -> BindResult<Bound<'py, PyDict>> {
        let AskedScope(scope) = scope;
        let n = convert::rows(n, "n")?;
        let found = self.found();
        let newest = loop {
            self.store.check()?;
            if let Some(newest) = newest_of(py, &self.store, &found.series, n, scope)? {
                break newest;
            }
            py.detach(|| self.store.wait_for_writer());
        };
        let columns = PyDict::new(py);
        let [open, high, low, close, volume] = newest.prices;
        columns.set_item(intern!(py, "ts"), newest.times.into_pyarray(py))?;
        columns.set_item(intern!(py, "open"), open)?;
        columns.set_item(intern!(py, "high"), high)?;
        columns.set_item(intern!(py, "low"), low)?;
        columns.set_item(intern!(py, "close"), close)?;
        columns.set_item(intern!(py, "volume"), volume)?;
        columns.set_item(intern!(py, "flags"), newest.flags)?;
        Ok(columns)
    }

    /// Snapshots of all series as of one epoch, `None` for one that nobody keeps.
    #[pyo3(signature = (scope))]
    fn _bars(&self, py: Python<'_>, scope: AskedScope) -> BindResult<Vec<Option<PyBars>>> {
        let AskedScope(scope) = scope;
        let found = self.found();
        let seen = self.look_at_each(py, &found, |view| {
            let (first, last) = view.scope(scope);
            view.slices(first, last)
        })?;
        let mut bars = Vec::with_capacity(seen.len());
        for ((entry, series), slices) in found.entries.iter().zip(&found.series).zip(seen) {
            let (Some(entry), Some(series), Some(slices)) = (entry, series, slices) else {
                bars.push(None);
                continue;
            };
            let (interval, derived) = (series.interval(), series.is_derived());
            let symbol = entry.symbol.clone();
            let label = PyLabel::new(py, symbol, interval, derived, self.exchange.clone())?;
            bars.push(Some(PyBars::new(label, Parts::joined(slices))));
        }
        Ok(bars)
    }

    /// Of each symbol, as columns of shape (k,), int64; zeros for one that nobody keeps.
    fn _wholeness<'py>(&self, py: Python<'py>) -> BindResult<Bound<'py, PyDict>> {
        self.store.check_process()?;
        let found = self.found();
        let all = py.detach(|| self.store.wholeness(&found.entries));
        let columns = PyDict::new(py);
        columns.set_item(intern!(py, "present"), all.present.into_pyarray(py))?;
        columns.set_item(intern!(py, "due"), all.due.into_pyarray(py))?;
        columns.set_item(intern!(py, "gaps"), all.gaps.into_pyarray(py))?;
        columns.set_item(intern!(py, "longest"), all.longest.into_pyarray(py))?;
        let (starts, ends) = (all.longest_start, all.longest_end);
        columns.set_item(intern!(py, "longest_start"), starts.into_pyarray(py))?;
        columns.set_item(intern!(py, "longest_end"), ends.into_pyarray(py))?;
        Ok(columns)
    }

    /// A row of counts for each symbol, in the order of `IngestCounts`.
    fn _counts<'py>(&self, py: Python<'py>) -> BindResult<Bound<'py, PyAny>> {
        self.store.check()?;
        let found = self.found();
        let all = py.detach(|| self.store.counts_of(&found.entries));
        let cells: Vec<u64> = all.iter().flat_map(count_cells).collect();
        let cells = PyArray1::from_iter(py, cells.into_iter().map(|count| count as i64));
        Ok(cells.reshape([self.names.len(), COUNTS])?.into_any())
    }

    /// The last close of each symbol's history, and the first open of its session; NaN without one.
    fn _openings<'py>(&self, py: Python<'py>) -> BindResult<(Floats<'py>, Floats<'py>)> {
        let found = self.found();
        let all = loop {
            self.store.check()?;
            if let Some(all) = self.store.openings(&found.entries) {
                break all;
            }
            py.detach(|| self.store.wait_for_writer());
        };
        let closes = all.iter().map(|opening| opening.close_before);
        let opens = all.iter().map(|opening| opening.open);
        Ok((
            PyArray1::from_iter(py, closes),
            PyArray1::from_iter(py, opens),
        ))
    }

    fn __len__(&self) -> usize {
        self.names.len()
    }

    fn __repr__(&self) -> String {
        format!("Group({} symbols)", self.names.len())
    }
}
