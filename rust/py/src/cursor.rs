//! `Cursor`: follows one series of a store from bar to bar.

use std::sync::Arc;

use parking_lot::Mutex;
use pyo3::prelude::*;
use tapeloom_core::series::{Cursor, Series};
use tapeloom_core::store::{Entry, Store};

use crate::bars::{Parts, PyBars};
use crate::error::BindResult;
use crate::label::PyLabel;
use crate::store::PyStore;

/// See `_core.pyi`.
#[pyclass(frozen, name = "Cursor", module = "tapeloom._core")]
#[derive(Debug)]
pub(crate) struct PyCursor {
    store: Arc<Store>,
    label: Py<PyLabel>,
    cursor: Mutex<Cursor>,
}

impl PyCursor {
    /// `None` while the writer ends or begins a session.
    pub(crate) fn new(
        py: Python<'_>,
        store: &PyStore,
        entry: &Entry,
        series: &Arc<Series>,
    ) -> BindResult<Option<Self>> {
        let (interval, derived) = (series.interval(), series.is_derived());
        let label = PyLabel::new(
            py,
            entry.symbol.clone(),
            interval,
            derived,
            store.exchange(py),
        )?;
        let cursor = Cursor::new(series.clone(), store.store.epoch());
        Ok(cursor.map(|cursor| Self {
            store: store.store.clone(),
            label,
            cursor: Mutex::new(cursor),
        }))
    }
}

#[pymethods]
impl PyCursor {
    fn take(&self, py: Python<'_>) -> BindResult<(PyBars, bool)> {
        self.store.check()?;
        let news = self.cursor.lock().take(self.store.epoch());
        let parts = Parts::joined(news.slices);
        Ok((PyBars::new(self.label.clone_ref(py), parts), news.ended))
    }

    fn has_news(&self) -> bool {
        // After a failure there are no news ever: `take` says so.
        self.store.check().is_err() || self.cursor.lock().has_news(self.store.epoch())
    }
}
