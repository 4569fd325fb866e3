//! Finds the series a caller means. Exact matches only; the rest is asked of Python.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::rc::Rc;
use std::sync::Arc;

use pyo3::prelude::*;
use pyo3::types::PyString;
use tapeloom_core::series::{Series, View};
use tapeloom_core::store::{Entry, SymbolId, Writing};
use tapeloom_core::time::Interval;

use crate::bars::Handed;
use crate::error::{BindError, BindResult};
use crate::exchange::Exchange;
use crate::label::PyLabel;
use crate::store::PyStore;
use crate::store::known::{Known, Meant};

/// A symbol that nobody keeps, or not any more.
pub(crate) fn unknown(symbol: &str) -> BindError {
    BindError::Named(
        "UnknownSymbolError",
        format!("symbol {symbol} is not registered"),
    )
}

/// Labels of all series of a symbol.
pub(crate) fn label_all(
    py: Python<'_>,
    entry: &Entry,
    exchange: &Arc<Exchange>,
) -> PyResult<Vec<Py<PyLabel>>> {
    let label = |series: &Arc<Series>| {
        let (symbol, interval) = (entry.symbol.clone(), series.interval());
        PyLabel::new(py, symbol, interval, series.is_derived(), exchange.clone())
    };
    entry.series.iter().map(label).collect()
}

/// The series of an interval.
pub(crate) fn series_of(entry: &Entry, interval: Interval) -> BindResult<&Arc<Series>> {
    entry.find(interval).ok_or_else(|| {
        BindError::Named(
            "UnknownSeriesError",
            format!("{} has no {interval} bars", entry.symbol),
        )
    })
}

impl PyStore {
    pub(crate) fn exchange(&self, py: Python<'_>) -> Arc<Exchange> {
        self.known.get(py).exchange.clone()
    }

    /// Forget what is known of symbols, since they or their exchange changed.
    pub(super) fn forget(&self, py: Python<'_>, exchange: Arc<Exchange>) {
        self.known.set(py, Known::new(exchange));
    }

    /// Let go of rows that reads left behind for the next ones.
    pub(super) fn let_go(&self, py: Python<'_>) {
        self.known.get(py).let_go();
    }

    /// Write without waiting while attached: who waits for the writers' lock lets other Python threads run.
    pub(crate) fn write<T: Send>(
        &self,
        py: Python<'_>,
        job: impl FnOnce(&mut Writing<'_>) -> T + Send,
    ) -> BindResult<T> {
        self.store.check()?;
        self.told(py, || {
            if let Some(mut writing) = self.store.try_write() {
                return job(&mut writing);
            }
            py.detach(|| job(&mut self.store.write()))
        })
    }

    /// Do a job that may publish an epoch, then tell who waits, also where it fails half-way: they find out then.
    ///
    /// What stops a program, such as an interrupt, while they are told is raised after the write.
    #[inline]
    pub(crate) fn told<T>(&self, py: Python<'_>, job: impl FnOnce() -> T) -> BindResult<T> {
        match catch_unwind(AssertUnwindSafe(job)) {
            Ok(done) => {
                self.waker.wake(py, self.store.epoch())?;
                Ok(done)
            }
            Err(panic) => {
                // The panic is worth more than what comes of telling.
                let _ = self.waker.wake(py, u64::MAX - 1);
                resume_unwind(panic)
            }
        }
    }

    /// Write about one symbol, which is looked up while nobody else writes: the store may just have been emptied.
    pub(super) fn write_symbol<T: Send>(
        &self,
        py: Python<'_>,
        symbol: &str,
        job: impl FnOnce(&mut Writing<'_>, SymbolId) -> T + Send,
    ) -> BindResult<T> {
        let done = self.write(py, |writing| {
            let id = writing.id_of(symbol)?;
            Some(job(writing, id))
        })?;
        done.ok_or_else(|| unknown(symbol))
    }

    /// A writer replaced a series at each look: let it finish, while other Python threads run.
    #[cold]
    pub(crate) fn let_writer_finish(&self, py: Python<'_>) -> BindResult<()> {
        py.detach(|| self.store.wait_for_writer());
        Ok(self.store.check()?)
    }

    pub(crate) fn entry(&self, symbol: &str) -> BindResult<Arc<Entry>> {
        self.store.check_process()?;
        let entry = self.store.directory().get(symbol).cloned();
        entry.ok_or_else(|| unknown(symbol))
    }

    /// Find the series a caller means, `None` when nobody keeps it.
    #[inline(always)]
    pub(super) fn meant(
        slf: &Bound<'_, Self>,
        symbol: &Bound<'_, PyAny>,
        interval: Option<&Bound<'_, PyAny>>,
    ) -> BindResult<Option<Meant>> {
        let this = slf.get();
        this.store.check()?;
        let known = this.known.get(slf.py());
        match known.asked(symbol, interval) {
            Some(at) => Ok(Some(Meant { known, at })),
            None => Self::search(slf, symbol, interval),
        }
    }

    /// The same for what was not asked for before, or not in this way.
    #[cold]
    fn search(
        slf: &Bound<'_, Self>,
        symbol: &Bound<'_, PyAny>,
        interval: Option<&Bound<'_, PyAny>>,
    ) -> BindResult<Option<Meant>> {
        let this = slf.get();
        if let Some(found) = this.search_exact(symbol, interval)? {
            return Ok(Some(found));
        }
        let resolved: Option<(Bound<'_, PyAny>, Bound<'_, PyAny>)> = slf
            .call_method1("_resolve", (symbol, interval))?
            .extract()?;
        Ok(match resolved {
            Some((symbol, interval)) => this.search_exact(&symbol, Some(&interval))?,
            None => None,
        })
    }

    /// Find the series of this very name.
    fn search_exact(
        &self,
        symbol: &Bound<'_, PyAny>,
        interval: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Option<Meant>> {
        let Ok(symbol) = symbol.cast::<PyString>() else {
            return Ok(None);
        };
        let Ok(name) = symbol.to_str() else {
            return Ok(None);
        };
        let known = self.known.get(symbol.py());
        let known = match known.named(name, interval) {
            Some(_) => known,
            None => match self.learn(symbol.py(), name)? {
                Some(known) => known,
                None => return Ok(None),
            },
        };
        let Some(at) = known.named(name, interval) else {
            return Ok(None);
        };
        known.remember(symbol, at);
        Ok(Some(Meant { known, at }))
    }

    /// Look a symbol up in the store and remember it.
    fn learn(&self, py: Python<'_>, name: &str) -> PyResult<Option<Rc<Known>>> {
        let directory = self.store.directory();
        let Some(entry) = directory.get(name) else {
            return Ok(None);
        };
        let known = self.known.get(py);
        if known.has(entry) {
            return Ok(Some(known));
        }
        // All symbols at once: who reads one of them soon reads the others.
        let mut all = Known::new(known.exchange.clone());
        for entry in directory.entries() {
            let labels = match known.has(entry) {
                true => known.labels(py, entry),
                false => label_all(py, entry, &known.exchange)?,
            };
            all.add(entry, labels);
        }
        Ok(Some(self.known.set(py, all)))
    }

    /// Look at the series a caller means as of the newest epoch, `None` when nobody keeps it.
    #[inline]
    pub(super) fn look<R>(
        slf: &Bound<'_, Self>,
        symbol: &Bound<'_, PyAny>,
        interval: Option<&Bound<'_, PyAny>>,
        look: impl Fn(View<'_>, &Py<PyLabel>, &mut Handed) -> R,
    ) -> BindResult<Option<R>> {
        let store = &slf.get().store;
        loop {
            let meant = Self::meant(slf, symbol, interval)?;
            let Some(kept) = meant.as_ref().and_then(Meant::kept) else {
                return Ok(None);
            };
            let seen = kept.look(store, |view, out| look(view, kept.label, out));
            if seen.is_some() {
                return Ok(seen);
            }
            slf.get().let_writer_finish(slf.py())?;
        }
    }
}
