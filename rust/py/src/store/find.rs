//! Finds the series a caller means. Exact matches only; the rest is asked of Python.

use std::cell::RefCell;
use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::rc::Rc;
use std::sync::Arc;

use pyo3::prelude::*;
use pyo3::types::PyString;
use rustc_hash::FxBuildHasher;
use tapeloom_core::series::{Reader, Scope, Series, View};
use tapeloom_core::store::{Entry, Store, SymbolId, Writing};
use tapeloom_core::time::Interval;

use crate::bar::PyBarData;
use crate::bars::{Handed, Parts, PyBars};
use crate::convert;
use crate::error::{BindError, BindResult};
use crate::exchange::Exchange;
use crate::label::PyLabel;
use crate::store::PyStore;

/// Symbols that were asked for, with the labels of their series. Filled as they are met, emptied when labels change.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) exchange: Arc<Exchange>,
    by_symbol: HashMap<Box<str>, Found, FxBuildHasher>,
}

impl Known {
    pub(super) fn new(exchange: Arc<Exchange>) -> Self {
        Self {
            exchange,
            by_symbol: HashMap::default(),
        }
    }
}

/// A symbol and what is known of its series, in order.
#[derive(Debug)]
struct Found {
    entry: Arc<Entry>,
    series: Vec<KnownSeries>,
}

/// One series, as it was met before.
#[derive(Debug)]
struct KnownSeries {
    label: Py<PyLabel>,
    held: RefCell<Held>,
}

/// What a read leaves behind for the next one of the same series.
#[derive(Debug, Default)]
pub(super) struct Held {
    reader: Option<Reader>,
    out: Handed,
}

impl Found {
    fn new(entry: &Arc<Entry>, labels: Vec<Py<PyLabel>>) -> Self {
        let series = labels.into_iter().map(|label| KnownSeries {
            label,
            held: RefCell::default(),
        });
        Self {
            entry: entry.clone(),
            series: series.collect(),
        }
    }

    fn labels(&self, py: Python<'_>) -> Vec<Py<PyLabel>> {
        let label = |known: &KnownSeries| known.label.clone_ref(py);
        self.series.iter().map(label).collect()
    }

    /// The series of an interval, the base without one.
    fn series(&self, interval: Option<&Bound<'_, PyAny>>) -> Option<Kept<'_>> {
        let at = match interval {
            None => 0,
            Some(interval) => {
                let wanted = convert::interval(interval).ok()?;
                let all = &self.entry.series;
                all.iter().position(|series| series.interval() == wanted)?
            }
        };
        let known = self.series.get(at)?;
        Some(Kept {
            entry: &self.entry,
            series: self.entry.series.get(at)?,
            label: &known.label,
            held: &known.held,
        })
    }
}

/// A series that a caller means.
#[derive(Debug, Clone, Copy)]
pub(super) struct Kept<'a> {
    pub(super) entry: &'a Arc<Entry>,
    pub(super) series: &'a Arc<Series>,
    pub(super) label: &'a Py<PyLabel>,
    held: &'a RefCell<Held>,
}

impl Kept<'_> {
    /// Look at it as of the newest epoch. Three tries; `None` where it was replaced each time in between.
    #[inline]
    fn look<R>(
        &self,
        store: &Store,
        mut look: impl FnMut(View<'_>, &mut Handed) -> R,
    ) -> Option<R> {
        // Held where another thread reads the same series and let this one go on meanwhile.
        let mut spare = None;
        let mut held = self.held.try_borrow_mut().ok();
        let Held { reader, out } = match &mut held {
            Some(held) => &mut **held,
            None => spare.get_or_insert_default(),
        };
        let reader = reader.get_or_insert_with(|| Reader::new(self.series.clone()));
        (0..3).find_map(|_| reader.look(store.epoch(), |view| look(view, out)))
    }
}

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
        let known = self.known.get(py);
        for series in known.by_symbol.values().flat_map(|found| &found.series) {
            // Dropped when nothing is borrowed any more.
            let held = series
                .held
                .try_borrow_mut()
                .map(|mut held| std::mem::take(&mut *held));
            drop(held);
        }
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
    pub(crate) fn let_writer_finish(&self, py: Python<'_>) -> BindResult<()> {
        py.detach(|| self.store.wait_for_writer());
        Ok(self.store.check()?)
    }

    pub(crate) fn entry(&self, symbol: &str) -> BindResult<Arc<Entry>> {
        self.store.check_process()?;
        let entry = self.store.directory().get(symbol).cloned();
        entry.ok_or_else(|| unknown(symbol))
    }

    /// Do a job with the series of this very name, `None` when nobody keeps it.
    pub(super) fn with_exact<R>(
        &self,
        symbol: &Bound<'_, PyAny>,
        interval: Option<&Bound<'_, PyAny>>,
        job: impl FnOnce(Kept<'_>) -> R,
    ) -> PyResult<Option<R>> {
        let Ok(symbol) = symbol.cast::<PyString>() else {
            return Ok(None);
        };
        let Ok(name) = symbol.to_str() else {
            return Ok(None);
        };
        self.store.check().map_err(BindError::from)?;
        let known = self.known.get(symbol.py());
        if let Some(kept) = known.by_symbol.get(name).and_then(|f| f.series(interval)) {
            return Ok(Some(job(kept)));
        }
        drop(known);
        let Some(known) = self.learn(symbol.py(), name)? else {
            return Ok(None);
        };
        let kept = known.by_symbol.get(name).and_then(|f| f.series(interval));
        Ok(kept.map(job))
    }

    /// Look a symbol up in the store and remember it.
    fn learn(&self, py: Python<'_>, name: &str) -> PyResult<Option<Rc<Known>>> {
        let directory = self.store.directory();
        let Some(entry) = directory.get(name) else {
            return Ok(None);
        };
        let known = self.known.get(py);
        let is_current = |found: &Found| Arc::ptr_eq(&found.entry, entry);
        if known.by_symbol.get(name).is_some_and(is_current) {
            return Ok(Some(known));
        }
        // All symbols at once: who reads one of them soon reads the others.
        let mut all = Known::new(known.exchange.clone());
        for entry in directory.entries() {
            let labels = match known.by_symbol.get(&*entry.symbol) {
                Some(found) if Arc::ptr_eq(&found.entry, entry) => found.labels(py),
                _ => label_all(py, entry, &known.exchange)?,
            };
            let found = Found::new(entry, labels);
            all.by_symbol.insert((*entry.symbol).into(), found);
        }
        Ok(Some(self.known.set(py, all)))
    }

    /// Do a job with the series a caller means, `None` when nobody keeps it.
    pub(super) fn with_series<R>(
        slf: &Bound<'_, Self>,
        symbol: &Bound<'_, PyAny>,
        interval: Option<&Bound<'_, PyAny>>,
        job: impl Fn(Kept<'_>) -> R,
    ) -> BindResult<Option<R>> {
        let this = slf.get();
        if let Some(done) = this.with_exact(symbol, interval, &job)? {
            return Ok(Some(done));
        }
        let resolved: Option<(Bound<'_, PyAny>, Bound<'_, PyAny>)> = slf
            .call_method1("_resolve", (symbol, interval))?
            .extract()?;
        Ok(match resolved {
            Some((symbol, interval)) => this.with_exact(&symbol, Some(&interval), job)?,
            None => None,
        })
    }

    /// Look at the series a caller means as of the newest epoch, `None` when nobody keeps it.
    pub(super) fn look<R>(
        slf: &Bound<'_, Self>,
        symbol: &Bound<'_, PyAny>,
        interval: Option<&Bound<'_, PyAny>>,
        look: impl Fn(View<'_>, &Py<PyLabel>, &mut Handed) -> R,
    ) -> BindResult<Option<R>> {
        let store = &slf.get().store;
        loop {
            let seen = Self::with_series(slf, symbol, interval, |kept| {
                kept.look(store, |view, out| look(view, kept.label, out))
            })?;
            match seen {
                Some(None) => slf.get().let_writer_finish(slf.py())?,
                Some(Some(seen)) => return Ok(Some(seen)),
                None => return Ok(None),
            }
        }
    }

    /// The newest bar of a scope.
    pub(super) fn newest<'py>(
        py: Python<'py>,
        view: View<'_>,
        label: &Py<PyLabel>,
        scope: Scope,
    ) -> PyResult<Option<Bound<'py, PyBarData>>> {
        let (first, last) = view.scope(scope);
        (last > first)
            .then(|| PyBarData::known(py, label, view.bar(last - 1), view.constituents(last - 1)))
            .transpose()
    }

    /// Empty bars for a series nobody keeps, under the names that were asked for.
    pub(super) fn nothing(
        &self,
        symbol: &Bound<'_, PyAny>,
        interval: Option<&Bound<'_, PyAny>>,
    ) -> BindResult<PyBars> {
        let name: String = symbol.str()?.to_str()?.trim().to_uppercase();
        let interval = interval.map_or(Ok(Interval::ONE_MINUTE), convert::interval)?;
        let label = PyLabel::new(
            symbol.py(),
            name.as_str().into(),
            interval,
            false,
            self.exchange(symbol.py()),
        )?;
        Ok(PyBars::new(label, Parts::Several(Vec::new())))
    }

    /// Rows of a series that a caller means, as `choose` picks them.
    pub(super) fn rows<'py>(
        slf: &Bound<'py, Self>,
        symbol: &Bound<'py, PyAny>,
        interval: Option<&Bound<'py, PyAny>>,
        choose: impl Fn(View<'_>) -> (usize, usize),
    ) -> BindResult<Bound<'py, PyBars>> {
        let py = slf.py();
        let found = Self::look(slf, symbol, interval, |view, label, out| {
            let (first, last) = choose(view);
            match view.live_rows(first, last) {
                Some(rows) => PyBars::handed_out(py, label, out, rows),
                None => {
                    let parts = Parts::joined(view.slices(first, last));
                    Bound::new(py, PyBars::new(label.clone_ref(py), parts))
                }
            }
        })?;
        Ok(match found {
            Some(bars) => bars?,
            None => Bound::new(py, slf.get().nothing(symbol, interval)?)?,
        })
    }

    pub(super) fn range<'py>(
        slf: &Bound<'py, Self>,
        symbol: &Bound<'py, PyAny>,
        interval: Option<&Bound<'py, PyAny>>,
        start: Option<i64>,
        end: Option<i64>,
        scope: Scope,
    ) -> BindResult<Bound<'py, PyBars>> {
        Self::rows(slf, symbol, interval, |view| {
            let (first, last) = view.scope(scope);
            let from = start.map_or(first, |start| view.lower_bound(first, last, start));
            let to = end
                .map_or(last, |end| view.lower_bound(first, last, end))
                .max(from);
            (from, to)
        })
    }
}
