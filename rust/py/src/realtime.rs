//! `RealtimeIndicators`: values of one store that follow each bar of a session.

use std::sync::Arc;

use pyo3::prelude::*;
use pyo3::{PyTraverseError, PyVisit};
use tapeloom_core::realtime::{FIELDS, KINDS, News, Reading, RealtimeIndicators, Spec};
use tapeloom_core::store::Store;

use crate::convert;
use crate::error::{BindError, BindResult};
use crate::store::{PyStore, policy, series_of, unknown};

/// See `_core.pyi`.
#[pyclass(frozen, name = "RealtimeIndicators", module = "tapeloom._core")]
#[derive(Debug)]
pub(crate) struct PyRealtimeIndicators {
    indicators: Arc<RealtimeIndicators>,
    session: Py<PyStore>,
}

impl PyRealtimeIndicators {
    /// The indicators, if they are those of this store.
    pub(crate) fn of(&self, store: &Arc<Store>) -> BindResult<Arc<RealtimeIndicators>> {
        if !Arc::ptr_eq(&self.session.get().store, store) {
            return Err(BindError::argument(
                "indicators belong to another session; make them from the one that is replayed",
            ));
        }
        Ok(self.indicators.clone())
    }

    fn reading(&self, symbol: &str, name: &str) -> BindResult<Option<Reading>> {
        let store = &self.session.get().store;
        store.check_process()?;
        Ok(self.indicators.reading(store, symbol, name))
    }
}

#[pymethods]
impl PyRealtimeIndicators {
    /// The session holds its indicators, and they hold it: the collector must see both ways.
    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.session)
    }

    #[new]
    #[pyo3(signature = (session, *, extended=false))]
    fn new(session: &Bound<'_, PyStore>, extended: bool) -> Self {
        Self {
            indicators: Arc::new(RealtimeIndicators::new(extended)),
            session: session.clone().unbind(),
        }
    }

    #[pyo3(signature = (name, symbols, interval, kind, *, period=None, field=None, warmup=true))]
    #[expect(clippy::too_many_arguments, reason = "what an indicator is, by name")]
    fn add(
        &self,
        py: Python<'_>,
        name: &str,
        symbols: Vec<String>,
        interval: &Bound<'_, PyAny>,
        kind: &str,
        period: Option<&Bound<'_, PyAny>>,
        field: Option<&str>,
        warmup: bool,
    ) -> BindResult<()> {
        let period = period.map(|n| convert::rows(n, "period")).transpose()?;
        let field = field
            .map(|word| policy("field", word, &FIELDS))
            .transpose()?;
        let spec = Spec::new(policy("type", kind, &KINDS)?, period, field, warmup)?;
        let interval = convert::interval(interval)?;
        let session = self.session.get();
        let wanted: Vec<&str> = symbols.iter().map(String::as_str).collect();
        let missing = session.write(py, |writing| {
            self.indicators.add(writing, name, &wanted, interval, spec)
        })?;
        match missing {
            None => Ok(()),
            Some(symbol) => {
                series_of(&*session.entry(symbol)?, interval)?;
                // It came meanwhile, and may be gone again: as before.
                Err(unknown(symbol))
            }
        }
    }

    fn watch(&self, py: Python<'_>, symbol: &str, interval: &Bound<'_, PyAny>) -> BindResult<()> {
        let interval = convert::interval(interval)?;
        let session = self.session.get();
        let is_kept = session.write(py, |writing| {
            self.indicators.watch(writing, symbol, interval)
        })?;
        if !is_kept {
            series_of(&*session.entry(symbol)?, interval)?;
            return Err(unknown(symbol));
        }
        Ok(())
    }

    fn remove_symbol(&self, py: Python<'_>, symbol: &str) -> BindResult<()> {
        self.session.get().write(py, |writing| {
            self.indicators.remove_symbol(writing, symbol);
        })
    }

    fn reset(&self, py: Python<'_>) -> BindResult<()> {
        self.session
            .get()
            .write(py, |writing| self.indicators.reset(writing))
    }

    fn start_session(&self, py: Python<'_>) -> BindResult<()> {
        // As long as it takes to go through the history of all symbols.
        let session = self.session.get();
        session.store.check()?;
        py.detach(|| {
            let writing = session.store.write();
            self.indicators.reset(&writing);
            self.indicators.follow(&writing);
        });
        Ok(())
    }

    fn follow(&self, py: Python<'_>) -> BindResult<()> {
        self.session
            .get()
            .write(py, |writing| self.indicators.follow(writing))
    }

    fn take_news(&self, py: Python<'_>) -> BindResult<Vec<(String, String, &'static str)>> {
        let news = self
            .session
            .get()
            .write(py, |writing| self.indicators.take_news(writing))?;
        let told = news.into_iter().map(|watched| {
            let word = match watched.news {
                News::Appended => "appended",
                News::Rewritten => "rewritten",
            };
            (watched.symbol, watched.interval.to_string(), word)
        });
        Ok(told.collect())
    }

    fn value(&self, symbol: &str, name: &str) -> BindResult<Option<f64>> {
        Ok(self.reading(symbol, name)?.and_then(|found| found.value))
    }

    fn count(&self, symbol: &str, name: &str) -> BindResult<usize> {
        let found = self.reading(symbol, name)?;
        Ok(found.map_or(0, |found| found.bars as usize))
    }
}
