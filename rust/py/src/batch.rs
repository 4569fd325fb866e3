//! `Batch`: what became known in one instant, and who makes one of where a session stands.

use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use tapeloom_core::changes::Changes;
use tapeloom_core::replay::{Progress, Stop};
use tapeloom_core::store::{Change, ChangeKind, Directory, Store};

use crate::bar::PyBarData;
use crate::exchange::Exchange;
use crate::label::PyLabel;
use crate::store::{PyStore, label_all};

/// Makes batches of the changes of one session.
#[derive(Debug)]
pub(crate) struct Teller {
    /// Labels by symbol and series; made anew when a symbol or series was added.
    labels: Mutex<Arc<Labels>>,
    exchange: Arc<Exchange>,
    session: Py<PyStore>,
    store: Arc<Store>,
}

impl Teller {
    pub(crate) fn new(session: &Bound<'_, PyStore>) -> Self {
        let store = session.get();
        Self {
            labels: Mutex::default(),
            exchange: store.exchange(session.py()),
            session: session.clone().unbind(),
            store: store.store.clone(),
        }
    }

    /// The store of the session, as Python has it.
    pub(crate) fn session(&self) -> &PyStore {
        self.session.get()
    }

    pub(crate) fn session_object(&self, py: Python<'_>) -> Py<PyStore> {
        self.session.clone_ref(py)
    }

    pub(crate) fn batch(
        &self,
        py: Python<'_>,
        stop: Stop,
        progress: Progress,
    ) -> PyResult<PyBatch> {
        Ok(PyBatch {
            ts: stop.clock,
            epoch: stop.epoch,
            woke: stop.woke,
            ended: stop.ended,
            held: stop.held,
            instants: progress.instants,
            base_bars: progress.bars,
            derived_bars: progress.derived_bars,
            changes: stop.changes,
            all: OnceLock::new(),
            delivered: AtomicUsize::new(0),
            labels: self.labels(py)?,
            exchange: self.exchange.clone(),
            session: self.session.clone_ref(py),
        })
    }

    fn labels(&self, py: Python<'_>) -> PyResult<Arc<Labels>> {
        let directory = self.store.directory();
        let known = self.labels.lock().clone();
        if Arc::ptr_eq(&known.directory, &directory) {
            return Ok(known);
        }
        let mut all = Vec::with_capacity(directory.entries().len());
        for entry in directory.entries() {
            all.push(label_all(py, entry, &self.exchange)?);
        }
        // Python objects are made and dropped while no lock is held.
        let made = Arc::new(Labels { directory, all });
        let before = std::mem::replace(&mut *self.labels.lock(), made.clone());
        drop(before);
        Ok(made)
    }
}

/// Labels of all series of a directory.
#[derive(Debug, Default)]
pub(crate) struct Labels {
    directory: Arc<Directory>,
    all: Vec<Vec<Py<PyLabel>>>,
}

/// See `_core.pyi`.
#[pyclass(frozen, name = "Batch", module = "tapeloom._core")]
#[derive(Debug)]
pub(crate) struct PyBatch {
    #[pyo3(get)]
    ts: i64,
    #[pyo3(get)]
    epoch: u64,
    #[pyo3(get)]
    woke: bool,
    #[pyo3(get)]
    ended: bool,
    #[pyo3(get)]
    held: bool,
    #[pyo3(get)]
    instants: u64,
    #[pyo3(get)]
    base_bars: u64,
    #[pyo3(get)]
    derived_bars: u64,
    #[pyo3(get)]
    session: Py<PyStore>,
    changes: Changes,
    /// The changes listed, once somebody asks.
    all: OnceLock<Vec<Change>>,
    /// The change being delivered, plus 1; 0 while none is.
    delivered: AtomicUsize,
    labels: Arc<Labels>,
    exchange: Arc<Exchange>,
}

impl PyBatch {
    fn all(&self) -> &[Change] {
        self.all.get_or_init(|| self.changes.all())
    }

    fn bar<'py>(&self, py: Python<'py>, change: &Change) -> PyResult<Bound<'py, PyBarData>> {
        let labels = self.labels.all.get(change.symbol.0 as usize);
        let label = labels.and_then(|labels| labels.get(change.series as usize));
        let label = label.ok_or_else(|| PyRuntimeError::new_err("a series without a label"))?;
        let constituents = (change.series > 0).then_some(change.constituents as i32);
        PyBarData::known(py, label, change.bar, constituents)
    }
}

#[pymethods]
impl PyBatch {
    #[getter]
    fn time<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.exchange.datetime(py, self.ts)
    }

    #[getter]
    fn bars<'py>(&self, py: Python<'py>) -> PyResult<Vec<Bound<'py, PyBarData>>> {
        let bars = self.all().iter().map(|change| self.bar(py, change));
        bars.collect()
    }

    fn each(&self, call: &Bound<'_, PyAny>, session: &Bound<'_, PyAny>) -> PyResult<()> {
        let py = call.py();
        for (at, change) in self.all().iter().enumerate() {
            if change.kind == ChangeKind::New {
                self.delivered.store(at + 1, Relaxed);
                call.call1((session, self.bar(py, change)?))?;
            }
        }
        self.delivered.store(0, Relaxed);
        Ok(())
    }

    #[getter]
    fn delivered<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyBarData>>> {
        let at = self.delivered.load(Relaxed).checked_sub(1);
        at.and_then(|at| self.all().get(at))
            .map(|change| self.bar(py, change))
            .transpose()
    }

    #[getter]
    fn has_updates(&self) -> bool {
        self.changes.has_updates()
    }

    fn changes<'py>(
        &self,
        py: Python<'py>,
    ) -> PyResult<Vec<(Bound<'py, PyBarData>, &'static str)>> {
        let kind = |change: &Change| match change.kind {
            ChangeKind::New => "new",
            ChangeKind::Late => "late",
            ChangeKind::Corrected => "corrected",
        };
        self.all()
            .iter()
            .map(|change| Ok((self.bar(py, change)?, kind(change))))
            .collect()
    }

    fn __len__(&self) -> usize {
        let known = self.changes.known_len();
        known.unwrap_or_else(|| self.all().len())
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let at: String = self
            .time(py)?
            .call_method1("isoformat", (" ",))?
            .extract()?;
        Ok(format!("Batch({at}, {} bars)", self.__len__()))
    }
}
