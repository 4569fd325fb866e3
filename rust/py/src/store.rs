//! `Store`: base class of `SessionData`, and what Python calls of it. Hot reads resolve symbol and interval by exact match and
//! leave misses to Python.

mod account;
mod answers;
mod columns;
mod find;
mod known;
mod newest;
mod offering;
pub(crate) mod process;
mod rows;
mod symbols;
mod waker;

use std::sync::Arc;

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyTuple};
use tapeloom_core::aggregate::Completeness;
use tapeloom_core::schedule::{Anchor, ExtendedHours, Stretch};
use tapeloom_core::series::Scope;
use tapeloom_core::store::{OnDuplicate, Policies, SessionStart, Store};

use crate::bar::PyBarData;
use crate::bars::PyBars;
use crate::convert::{self, AskedScope};
use crate::cursor::PyCursor;
use crate::error::{BindError, BindResult};
use crate::exchange::Exchange;
use crate::export::Attached;
use crate::group::PyGroup;
use crate::session_table::PySessionTable;
use account::Corrected;
pub(crate) use answers::{COUNTS, count_cells, policy};
use answers::{Counts, Figures, ON_INVALID, Report, Runs, counts, outcome_of, runs};
pub(crate) use find::{label_all, series_of, unknown};
use known::Known;
pub(crate) use offering::{Pair, Plain};
use symbols::Wanted;
use waker::Waker;

/// See `_core.pyi`.
#[pyclass(frozen, subclass, name = "Store", module = "tapeloom._core")]
#[derive(Debug)]
pub(crate) struct PyStore {
    pub(crate) store: Arc<Store>,
    known: Attached<Known>,
    anchor: Anchor,
    extended_hours: ExtendedHours,
    max_symbols: usize,
    waker: Waker,
}

#[pymethods]
impl PyStore {
    #[new]
    #[pyo3(signature = (*, zone, on_duplicate="replace", on_invalid="error", allow_negative_prices=false, completeness="any", anchor="session", extended_hours="off", no_trade="gap", max_symbols=100_000))]
    #[expect(clippy::too_many_arguments, reason = "one per policy, all by keyword")]
    fn new(
        zone: Py<PyAny>,
        on_duplicate: &str,
        on_invalid: &str,
        allow_negative_prices: bool,
        completeness: &str,
        anchor: &str,
        extended_hours: &str,
        no_trade: &str,
        max_symbols: usize,
    ) -> BindResult<Self> {
        if max_symbols == 0 {
            return Err(BindError::argument(
                "max_symbols is 0; it must be at least 1",
            ));
        }
        let policies = Policies {
            on_duplicate: policy(
                "on_duplicate",
                on_duplicate,
                &[
                    ("replace", OnDuplicate::Replace),
                    ("ignore", OnDuplicate::Ignore),
                    ("error", OnDuplicate::Error),
                ],
            )?,
            on_invalid: policy("on_invalid", on_invalid, &ON_INVALID)?,
            allow_negative_prices,
            completeness: match policy(
                "no_trade",
                no_trade,
                &[("gap", None), ("expected", Some(Completeness::Present))],
            )? {
                Some(present) => convert::completeness(completeness).map(|_| present)?,
                None => convert::completeness(completeness)?,
            },
            anchor: convert::anchor(anchor)?,
            extended_hours: convert::extended_hours(extended_hours)?,
            max_symbols,
        };
        let exchange = Arc::new(Exchange {
            zone,
            table: None,
            python_table: None,
            anchor: policies.anchor,
            extended_hours: policies.extended_hours,
        });
        let store = Arc::new(Store::new(policies));
        process::remember(&store);
        Ok(Self {
            anchor: policies.anchor,
            extended_hours: policies.extended_hours,
            max_symbols,
            store,
            known: Attached::new(Known::new(exchange)),
            waker: Waker::default(),
        })
    }

    fn _set_table(&self, py: Python<'_>, table: &Bound<'_, PySessionTable>) -> BindResult<()> {
        if self.anchor == Anchor::Clock {
            PySessionTable::know_midnights(table)?;
        }
        let zone = self.exchange(py).zone.clone_ref(py);
        let python_table = Some(table.clone().unbind());
        let table = table.get().table.clone();
        self.forget(
            py,
            Arc::new(Exchange {
                zone,
                table: Some(table.clone()),
                python_table,
                anchor: self.anchor,
                extended_hours: self.extended_hours,
            }),
        );
        self.write(py, |writing| writing.set_table(table))?;
        Ok(())
    }

    /// One publication for all of them. The first that is refused is told, the others are kept.
    fn _register(&self, py: Python<'_>, symbols: Vec<Wanted<'_>>) -> BindResult<()> {
        self.register(py, &symbols)
    }

    fn _start_session(
        &self,
        py: Python<'_>,
        day: i32,
        span: (i64, i64),
        roll: bool,
    ) -> BindResult<()> {
        let span = Stretch {
            start: span.0,
            end: span.1,
        };
        self.let_go(py);
        Ok(self.write(py, |writing| {
            writing.start_session(SessionStart { day, span, roll })
        })??)
    }

    #[pyo3(signature = (interval, days))]
    fn _set_history_days(
        &self,
        py: Python<'_>,
        interval: Option<&Bound<'_, PyAny>>,
        days: usize,
    ) -> BindResult<()> {
        let interval = interval.map(convert::interval).transpose()?;
        self.write(py, |writing| writing.set_history_days(interval, days))?;
        Ok(())
    }

    fn _set_history_days_of(
        &self,
        py: Python<'_>,
        symbol: &str,
        interval: &Bound<'_, PyAny>,
        days: usize,
    ) -> BindResult<()> {
        let interval = convert::interval(interval)?;
        self.write_symbol(py, symbol, |writing, id| {
            writing.set_history_days_of(id, interval, days);
        })
    }

    /// Fails half-way through a write, as a defect would. For tests of what follows.
    #[expect(clippy::panic, reason = "it is what it is for")]
    fn _fail(&self, py: Python<'_>) -> BindResult<()> {
        self.write(py, |_writing| panic!("a failure on purpose"))
    }

    fn _end_session(&self, py: Python<'_>) -> BindResult<()> {
        Ok(self.write(py, |writing| writing.end_session())??)
    }

    fn _remove(&self, py: Python<'_>, symbol: &str) -> BindResult<()> {
        self.remove(py, symbol)
    }

    #[pyo3(signature = (waker))]
    fn _set_waker(&self, waker: Option<Py<PyAny>>) {
        self.waker.set(waker);
    }

    /// Follow the session of one series from here on.
    fn _cursor(
        &self,
        py: Python<'_>,
        symbol: &str,
        interval: &Bound<'_, PyAny>,
    ) -> BindResult<PyCursor> {
        loop {
            let entry = self.entry(symbol)?;
            let series = series_of(&entry, convert::interval(interval)?)?;
            if let Some(cursor) = PyCursor::new(py, self, &entry, series)? {
                return Ok(cursor);
            }
            // A session is ending or beginning: the cursor belongs to what comes out next.
            self.let_writer_finish(py)?;
        }
    }

    fn _rows_since(
        &self,
        py: Python<'_>,
        symbol: &str,
        interval: &Bound<'_, PyAny>,
        epoch: u64,
    ) -> BindResult<PyBars> {
        self.rows_since(py, symbol, interval, epoch)
    }

    fn _clear(&self, py: Python<'_>, what: &str) -> BindResult<()> {
        let cleared = self.write(py, |writing| match what {
            "session" => writing.clear_session(),
            "history" => writing.clear_history(),
            _ => writing.clear_all(),
        });
        self.forget(py, self.exchange(py));
        cleared??;
        Ok(())
    }

    fn add_bar<'py>(
        slf: &Bound<'py, Self>,
        symbol: &Bound<'py, PyAny>,
        bar: &Bound<'py, PyAny>,
    ) -> BindResult<Bound<'py, PyAny>> {
        let this = slf.get();
        let py = slf.py();
        if let Some(plain) = Plain::new(symbol, bar) {
            let outcome = this.write(py, |writing| plain.offer(writing))?;
            if let Some(outcome) = outcome.transpose()? {
                return Ok(outcome_of(py, outcome)?);
            }
        }
        // Aliases, first bars, wall times: resolved in Python, then offered again.
        Ok(slf.call_method1("_add_bar", (symbol, bar))?)
    }

    /// Offer pairs of symbol and bar from a place on; what became of those up to the first that is none of a kept series.
    fn _add_each<'py>(
        &self,
        py: Python<'py>,
        bars: &Bound<'py, PyList>,
        start: usize,
    ) -> BindResult<Vec<Bound<'py, PyAny>>> {
        self.offer_each(py, bars, start)
    }

    fn _add_batch(
        &self,
        py: Python<'_>,
        symbol: &str,
        bars: &Bound<'_, PyBars>,
        on_invalid: Option<&str>,
    ) -> BindResult<Report> {
        self.offer_columns(py, symbol, bars, on_invalid)
    }

    fn _load_history(
        &self,
        py: Python<'_>,
        symbol: &str,
        sessions: Vec<usize>,
        bars: &Bound<'_, PyBars>,
    ) -> BindResult<Report> {
        self.load_columns(py, symbol, sessions, bars)
    }

    fn _check_process(&self) -> BindResult<()> {
        Ok(self.store.check_process()?)
    }

    #[getter]
    fn epoch(&self) -> BindResult<u64> {
        self.store.check_process()?;
        Ok(self.store.epoch())
    }

    #[getter]
    fn _clock(&self) -> BindResult<Option<i64>> {
        self.store.check_process()?;
        let clock = self.store.clock();
        Ok((clock != i64::MIN).then_some(clock))
    }

    /// Whether a replay or a live session moves the clock.
    #[getter]
    fn _is_coordinated(&self, py: Python<'_>) -> BindResult<bool> {
        self.write(py, |writing| writing.is_coordinated())
    }

    #[getter]
    fn _session(&self) -> BindResult<(Option<i32>, bool)> {
        self.store.check_process()?;
        let session = self.store.session();
        Ok((session.date, session.ended))
    }

    #[getter]
    fn _symbols(&self) -> BindResult<Vec<String>> {
        self.store.check_process()?;
        let directory = self.store.directory();
        let symbols = directory.entries().iter();
        Ok(symbols.map(|entry| entry.symbol.to_string()).collect())
    }

    /// How many symbols are kept, and how many may be.
    #[getter]
    fn _symbol_room(&self) -> BindResult<(usize, usize)> {
        self.store.check_process()?;
        let kept = self.store.directory().entries().len();
        Ok((kept, self.max_symbols))
    }

    /// Refuse the first name that is one too many, if all of these were kept.
    fn _require_room(&self, names: Vec<String>) -> BindResult<()> {
        self.require_room(&names)
    }

    #[pyo3(signature = (symbol))]
    fn _intervals(&self, symbol: &str) -> BindResult<Vec<String>> {
        self.store.check_process()?;
        let directory = self.store.directory();
        let series = directory
            .get(symbol)
            .map(|entry| entry.series.as_slice())
            .unwrap_or_default();
        let intervals = series.iter().map(|series| series.interval().to_string());
        Ok(intervals.collect())
    }

    #[pyo3(
        signature = (symbol, interval=None, *, scope=AskedScope::SESSION),
        text_signature = "($self, symbol, interval=None, *, scope='session')"
    )]
    fn get_latest_bar<'py>(
        slf: &Bound<'py, Self>,
        symbol: &Bound<'py, PyAny>,
        interval: Option<&Bound<'py, PyAny>>,
        scope: AskedScope,
    ) -> BindResult<Option<Bound<'py, PyBarData>>> {
        match scope {
            AskedScope(Scope::Session) if interval.is_none() => Self::latest(slf, symbol),
            AskedScope(scope) => Self::newest(slf, symbol, interval, scope),
        }
    }

    #[pyo3(
        signature = (symbol, n, interval=None, *, scope=AskedScope::SESSION),
        text_signature = "($self, symbol, n, interval=None, *, scope='session')"
    )]
    fn get_last_n_bars<'py>(
        slf: &Bound<'py, Self>,
        symbol: &Bound<'py, PyAny>,
        n: &Bound<'py, PyAny>,
        interval: Option<&Bound<'py, PyAny>>,
        scope: AskedScope,
    ) -> BindResult<Bound<'py, PyBars>> {
        let AskedScope(scope) = scope;
        let wanted = convert::rows(n, "n")?;
        Self::rows(slf, symbol, interval, |view| {
            let (first, last) = view.scope(scope);
            (last.saturating_sub(wanted).max(first), last)
        })
    }

    #[pyo3(
        signature = (symbol, timestamp, interval=None, *, scope=AskedScope::SESSION),
        text_signature = "($self, symbol, timestamp, interval=None, *, scope='session')"
    )]
    fn get_bars_since<'py>(
        slf: &Bound<'py, Self>,
        symbol: &Bound<'py, PyAny>,
        timestamp: &Bound<'py, PyAny>,
        interval: Option<&Bound<'py, PyAny>>,
        scope: AskedScope,
    ) -> BindResult<Bound<'py, PyBars>> {
        let AskedScope(scope) = scope;
        let known = slf.get().known.get(slf.py());
        let since = convert::timestamp(timestamp, &known.exchange.zone, "timestamp")?;
        drop(known);
        Self::range(slf, symbol, interval, Some(since), None, scope)
    }

    #[pyo3(
        signature = (symbol, interval=None, *, start=None, end=None, scope=AskedScope::SESSION),
        text_signature = "($self, symbol, interval=None, *, start=None, end=None, scope='session')"
    )]
    fn get_bars<'py>(
        slf: &Bound<'py, Self>,
        symbol: &Bound<'py, PyAny>,
        interval: Option<&Bound<'py, PyAny>>,
        start: Option<&Bound<'py, PyAny>>,
        end: Option<&Bound<'py, PyAny>>,
        scope: AskedScope,
    ) -> BindResult<Bound<'py, PyBars>> {
        let AskedScope(scope) = scope;
        Self::between(slf, symbol, interval, start, end, scope)
    }

    #[pyo3(signature = (symbol, interval=None, *, start=None, end=None))]
    fn get_all_bars<'py>(
        slf: &Bound<'py, Self>,
        symbol: &Bound<'py, PyAny>,
        interval: Option<&Bound<'py, PyAny>>,
        start: Option<&Bound<'py, PyAny>>,
        end: Option<&Bound<'py, PyAny>>,
    ) -> BindResult<Bound<'py, PyBars>> {
        Self::get_bars(slf, symbol, interval, start, end, AskedScope(Scope::All))
    }

    #[pyo3(
        signature = (symbol, interval=None, *, scope=AskedScope::SESSION),
        text_signature = "($self, symbol, interval=None, *, scope='session')"
    )]
    fn get_bar_count(
        slf: &Bound<'_, Self>,
        symbol: &Bound<'_, PyAny>,
        interval: Option<&Bound<'_, PyAny>>,
        scope: AskedScope,
    ) -> BindResult<usize> {
        let AskedScope(scope) = scope;
        let found = Self::look(slf, symbol, interval, |view, _, _| {
            let (first, last) = view.scope(scope);
            last - first
        })?;
        Ok(found.unwrap_or(0))
    }

    fn get_forming_bar<'py>(
        slf: &Bound<'py, Self>,
        symbol: &Bound<'py, PyAny>,
        interval: &Bound<'py, PyAny>,
    ) -> BindResult<Option<Bound<'py, PyBarData>>> {
        Self::forming(slf, symbol, interval)
    }

    #[pyo3(signature = (symbols, interval=None))]
    fn get_latest_bars_multi<'py>(
        slf: &Bound<'py, Self>,
        symbols: &Bound<'py, PyAny>,
        interval: Option<&Bound<'py, PyAny>>,
    ) -> BindResult<Bound<'py, PyDict>> {
        Self::newest_by_name(slf, symbols, interval)
    }

    #[pyo3(signature = (symbols, interval=None))]
    fn _group_of(
        slf: &Bound<'_, Self>,
        symbols: Vec<String>,
        interval: Option<&Bound<'_, PyAny>>,
    ) -> BindResult<PyGroup> {
        let interval = interval.map(convert::interval).transpose()?;
        let tuple = PyTuple::new(slf.py(), &symbols)?.unbind();
        Ok(PyGroup::new(
            slf.get().store.clone(),
            slf.get().exchange(slf.py()),
            symbols,
            interval,
            tuple,
        ))
    }

    /// Start of the newest base bar of a scope, whosever it is.
    fn _newest_start(&self, py: Python<'_>, scope: AskedScope) -> BindResult<Option<i64>> {
        let AskedScope(scope) = scope;
        self.newest_start(py, scope)
    }

    fn _metrics(&self, symbol: &str) -> BindResult<Option<Figures>> {
        let metrics = self.entry(symbol)?.metrics();
        Ok(metrics.map(|m| (m.volume, m.high, m.low, m.vwap, m.bars, m.last_update)))
    }

    fn _presence(&self, symbol: &str) -> BindResult<Option<(u32, u32)>> {
        let entry = self.entry(symbol)?;
        Ok(self.store.presence_counts(&entry))
    }

    fn _missing(&self, symbol: &str) -> BindResult<Runs> {
        let entry = self.entry(symbol)?;
        Ok(runs(&self.store.missing(&entry)))
    }

    fn _history(&self, py: Python<'_>, symbol: &str) -> BindResult<(u32, u32, Runs)> {
        self.history_account(py, symbol)
    }

    fn _history_sessions(&self, py: Python<'_>, symbol: &str) -> BindResult<Vec<usize>> {
        self.history_sessions(py, symbol)
    }

    fn _session_counts(&self, symbol: &str) -> BindResult<(u64, u64, u64, u64)> {
        let counts = self.entry(symbol)?.session_counts();
        Ok((
            counts.duplicates,
            counts.out_of_order,
            counts.out_of_session,
            counts.off_grid,
        ))
    }

    fn _counts(&self, py: Python<'_>, symbol: &str) -> BindResult<Counts> {
        self.write_symbol(py, symbol, |writing, id| counts(&writing.counts(id)))
    }

    fn _revisions<'py>(&self, py: Python<'py>, symbol: &str) -> BindResult<Vec<Corrected<'py>>> {
        self.revisions(py, symbol)
    }

    fn _quarantine<'py>(
        &self,
        py: Python<'py>,
    ) -> BindResult<Vec<(Bound<'py, PyBarData>, &'static str)>> {
        self.quarantined(py)
    }

    fn _version(&self, symbol: &str, interval: &Bound<'_, PyAny>) -> BindResult<(u64, u64)> {
        let entry = self.entry(symbol)?;
        let wanted = convert::interval(interval)?;
        let series = series_of(&entry, wanted)?;
        // Rows are there before their epoch is out: whoever remembers a version must not have missed what it stands for.
        let version = series.version();
        Ok((version.min(self.store.epoch()), series.revision()))
    }
}
