//! `Store`: base class of `SessionData`. Hot reads resolve symbol and interval by exact match and leave misses to Python.

mod answers;
mod find;

use std::sync::Arc;

use arc_swap::ArcSwap;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};
use tapeloom_core::Error;
use tapeloom_core::bar::{IMPORTED, STREAMED};
use tapeloom_core::gap::MissingRun;
use tapeloom_core::schedule::{Anchor, Stretch};
use tapeloom_core::series::{Scope, Series};
use tapeloom_core::store::{OnDuplicate, Policies, SessionStart, Store, SymbolId};
use tapeloom_core::time::Interval;

use crate::bar::PyBarData;
use crate::bars::PyBars;
use crate::convert;
use crate::error::{BindError, BindResult};
use crate::exchange::Exchange;
use crate::session_table::PySessionTable;
use answers::{
    Counts, Figures, ON_INVALID, Report, Runs, counts, outcome_name, policy, report, runs,
};

/// See `_core.pyi`.
#[pyclass(frozen, subclass, name = "Store", module = "tapeloom._core")]
#[derive(Debug)]
pub(crate) struct PyStore {
    pub(crate) store: Arc<Store>,
    exchange: ArcSwap<Exchange>,
    anchor: Anchor,
}
#[pymethods]
impl PyStore {
    #[new]
    #[pyo3(signature = (*, zone, on_duplicate="replace", on_invalid="error", allow_negative_prices=false, completeness="any", anchor="session"))]
    fn new(
        zone: Py<PyAny>,
        on_duplicate: &str,
        on_invalid: &str,
        allow_negative_prices: bool,
        completeness: &str,
        anchor: &str,
    ) -> BindResult<Self> {
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
            completeness: convert::completeness(completeness)?,
            anchor: convert::anchor(anchor)?,
        };
        let exchange = ArcSwap::from_pointee(Exchange { zone, table: None });
        Ok(Self {
            anchor: policies.anchor,
            store: Arc::new(Store::new(policies)),
            exchange,
        })
    }

    fn _set_table(&self, py: Python<'_>, table: &Bound<'_, PySessionTable>) -> BindResult<()> {
        if self.anchor == Anchor::Clock {
            PySessionTable::know_midnights(table)?;
        }
        let zone = self.exchange.load().zone.clone_ref(py);
        let table = table.get().table.clone();
        self.exchange.store(Arc::new(Exchange {
            zone,
            table: Some(table.clone()),
        }));
        self.write(py, |writing| writing.set_table(table));
        Ok(())
    }

    #[pyo3(signature = (symbol, base, derived))]
    fn _register(
        &self,
        py: Python<'_>,
        symbol: &str,
        base: Option<&Bound<'_, PyAny>>,
        derived: Vec<Bound<'_, PyAny>>,
    ) -> BindResult<()> {
        let base = base.map(convert::interval).transpose()?;
        let derived: Vec<Interval> = derived
            .iter()
            .map(convert::interval)
            .collect::<BindResult<_>>()?;
        self.write(py, |writing| writing.register(symbol, base, &derived))?;
        Ok(())
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
        Ok(self.write(py, |writing| {
            writing.start_session(SessionStart { day, span, roll })
        })?)
    }

    #[pyo3(signature = (interval, days))]
    fn _set_history_days(
        &self,
        py: Python<'_>,
        interval: Option<&Bound<'_, PyAny>>,
        days: usize,
    ) -> BindResult<()> {
        let interval = interval.map(convert::interval).transpose()?;
        self.write(py, |writing| writing.set_history_days(interval, days));
        Ok(())
    }

    fn _end_session(&self, py: Python<'_>) -> BindResult<()> {
        Ok(self.write(py, |writing| writing.end_session())?)
    }

    fn _clear(&self, py: Python<'_>, what: &str) -> BindResult<()> {
        Ok(self.write(py, |writing| match what {
            "session" => writing.clear_session(),
            "history" => writing.clear_history(),
            _ => writing.clear_all(),
        })?)
    }

    fn add_bar<'py>(
        slf: &Bound<'py, Self>,
        symbol: &Bound<'py, PyAny>,
        bar: &Bound<'py, PyAny>,
    ) -> BindResult<Bound<'py, PyAny>> {
        let this = slf.get();
        let exact = symbol
            .cast::<PyString>()
            .ok()
            .zip(bar.cast::<PyBarData>().ok());
        if let Some((name, data)) = exact {
            let (name, data) = (name.to_str()?, data.get());
            let entry = this.store.directory().get(name).cloned();
            if let (Some(entry), Some(_)) = (entry, data.start())
                && *data.symbol == *name
                && data.interval == entry.base().interval()
            {
                let mut offered = data.bar;
                if this.store.session().date.is_some() && offered.flags & IMPORTED == 0 {
                    offered.flags |= STREAMED;
                }
                let id = entry.id;
                let outcome = this.write(slf.py(), |writing| writing.offer(id, offered))?;
                return Ok(slf.call_method1("_outcome", (outcome_name(outcome),))?);
            }
        }
        // Aliases, first bars, wall times: resolved in Python, then offered again.
        Ok(slf.call_method1("_add_bar", (symbol, bar))?)
    }

    fn _add_batch(
        &self,
        py: Python<'_>,
        symbol: &str,
        bars: &Bound<'_, PyBars>,
        on_invalid: Option<&str>,
    ) -> BindResult<Report> {
        let on_invalid = on_invalid
            .map(|word| policy("on_invalid", word, &ON_INVALID))
            .transpose()?;
        let entry = self.entry(symbol)?;
        let base = entry.base().interval();
        if bars.get().interval != base {
            let asked = bars.get().interval;
            return Err(Error::SeriesConflict {
                symbol: symbol.to_owned(),
                asked,
                base,
            }
            .into());
        }
        let (columns, from, to) = bars.get().columns();
        let streamed = self.store.session().date.is_some();
        let id = entry.id;
        let store = self.store.clone();
        let done = py.detach(move || {
            let mut rows = columns.take(&(from..to).collect::<Vec<_>>());
            if streamed {
                rows.flags
                    .iter_mut()
                    .filter(|flags| **flags & IMPORTED == 0)
                    .for_each(|flags| *flags |= STREAMED);
            }
            store.write().offer_batch(id, &rows, on_invalid)
        })?;
        Ok(report(done))
    }

    fn _load_history(
        &self,
        py: Python<'_>,
        symbol: &str,
        sessions: Vec<usize>,
        bars: &Bound<'_, PyBars>,
    ) -> BindResult<Report> {
        let id = self.entry(symbol)?.id;
        let interval = bars.get().interval;
        let (columns, from, to) = bars.get().columns();
        let store = self.store.clone();
        let done = py.detach(move || {
            let rows = columns.take(&(from..to).collect::<Vec<_>>());
            store.write().load_history(id, interval, &sessions, &rows)
        })?;
        Ok(report(done))
    }

    #[getter]
    fn epoch(&self) -> u64 {
        self.store.epoch()
    }

    #[getter]
    fn _clock(&self) -> Option<i64> {
        let clock = self.store.clock();
        (clock != i64::MIN).then_some(clock)
    }

    #[getter]
    fn _session(&self) -> (Option<i32>, bool) {
        let session = self.store.session();
        (session.date, session.ended)
    }

    #[getter]
    fn _symbols(&self) -> Vec<String> {
        self.store
            .directory()
            .entries()
            .iter()
            .map(|entry| entry.symbol.to_string())
            .collect()
    }

    #[pyo3(signature = (symbol))]
    fn _intervals(&self, symbol: &str) -> Vec<String> {
        let directory = self.store.directory();
        let series = directory
            .get(symbol)
            .map(|entry| entry.series.as_slice())
            .unwrap_or_default();
        series
            .iter()
            .map(|series| series.interval().to_string())
            .collect()
    }

    #[pyo3(signature = (symbol, interval=None, *, scope="session"))]
    fn get_latest_bar(
        slf: &Bound<'_, Self>,
        symbol: &Bound<'_, PyAny>,
        interval: Option<&Bound<'_, PyAny>>,
        scope: &str,
    ) -> BindResult<Option<PyBarData>> {
        let scope = convert::scope(scope)?;
        let Some(((entry, series), snapshot)) = Self::snapshot(slf, symbol, interval)? else {
            return Ok(None);
        };
        let (first, last) = snapshot.scope(scope);
        Ok((last > first).then(|| slf.get().bar_data(&entry, &series, &snapshot, last - 1)))
    }

    #[pyo3(signature = (symbol, n, interval=None, *, scope="session"))]
    fn get_last_n_bars(
        slf: &Bound<'_, Self>,
        symbol: &Bound<'_, PyAny>,
        n: i64,
        interval: Option<&Bound<'_, PyAny>>,
        scope: &str,
    ) -> BindResult<PyBars> {
        let scope = convert::scope(scope)?;
        if n < 0 {
            return Err(BindError::argument(format!(
                "n is {n}; it must be 0 or more"
            )));
        }
        let Some((found, snapshot)) = Self::snapshot(slf, symbol, interval)? else {
            return slf.get().nothing(symbol, interval);
        };
        let (first, last) = snapshot.scope(scope);
        let from = last
            .saturating_sub(usize::try_from(n).unwrap_or(usize::MAX))
            .max(first);
        Ok(slf.get().bars(&found, &snapshot, from, last))
    }

    #[pyo3(signature = (symbol, timestamp, interval=None, *, scope="session"))]
    fn get_bars_since(
        slf: &Bound<'_, Self>,
        symbol: &Bound<'_, PyAny>,
        timestamp: &Bound<'_, PyAny>,
        interval: Option<&Bound<'_, PyAny>>,
        scope: &str,
    ) -> BindResult<PyBars> {
        let scope = convert::scope(scope)?;
        let since = convert::timestamp(timestamp, &slf.get().exchange().zone, "timestamp")?;
        Self::range(slf, symbol, interval, Some(since), None, scope)
    }

    #[pyo3(signature = (symbol, interval=None, *, start=None, end=None, scope="session"))]
    fn get_bars(
        slf: &Bound<'_, Self>,
        symbol: &Bound<'_, PyAny>,
        interval: Option<&Bound<'_, PyAny>>,
        start: Option<&Bound<'_, PyAny>>,
        end: Option<&Bound<'_, PyAny>>,
        scope: &str,
    ) -> BindResult<PyBars> {
        let scope = convert::scope(scope)?;
        let zone = &slf.get().exchange().zone;
        let (start, end) = (
            convert::bound(start, zone, "start")?,
            convert::bound(end, zone, "end")?,
        );
        if let (Some(from), Some(to)) = (start, end)
            && from > to
        {
            return Err(BindError::argument(format!(
                "start {from} is after end {to}; ranges are [start, end)"
            )));
        }
        Self::range(slf, symbol, interval, start, end, scope)
    }

    #[pyo3(signature = (symbol, interval=None, *, start=None, end=None))]
    fn get_all_bars(
        slf: &Bound<'_, Self>,
        symbol: &Bound<'_, PyAny>,
        interval: Option<&Bound<'_, PyAny>>,
        start: Option<&Bound<'_, PyAny>>,
        end: Option<&Bound<'_, PyAny>>,
    ) -> BindResult<PyBars> {
        Self::get_bars(slf, symbol, interval, start, end, "all")
    }

    #[pyo3(signature = (symbol, interval=None, *, scope="session"))]
    fn get_bar_count(
        slf: &Bound<'_, Self>,
        symbol: &Bound<'_, PyAny>,
        interval: Option<&Bound<'_, PyAny>>,
        scope: &str,
    ) -> BindResult<usize> {
        let scope = convert::scope(scope)?;
        let found = Self::snapshot(slf, symbol, interval)?;
        Ok(found.map_or(0, |(_, snapshot)| {
            let (first, last) = snapshot.scope(scope);
            last - first
        }))
    }

    #[pyo3(signature = (symbols, interval=None))]
    fn get_latest_bars_multi<'py>(
        slf: &Bound<'py, Self>,
        symbols: &Bound<'py, PyAny>,
        interval: Option<&Bound<'py, PyAny>>,
    ) -> BindResult<Bound<'py, PyDict>> {
        let this = slf.get();
        let latest = PyDict::new(slf.py());
        let mut found = Vec::new();
        for symbol in symbols.try_iter()? {
            let symbol = symbol?;
            match Self::find(slf, &symbol, interval)? {
                Some(series) => {
                    latest.set_item(&*series.0.symbol, slf.py().None())?;
                    found.push(series);
                }
                None => latest.set_item(
                    symbol.str()?.to_str()?.trim().to_uppercase(),
                    slf.py().None(),
                )?,
            }
        }
        let series: Vec<&Series> = found.iter().map(|(_, series)| series.as_ref()).collect();
        let (_, snapshots) = this.store.snapshots(&series);
        for ((entry, series), snapshot) in found.iter().zip(&snapshots) {
            let (first, last) = snapshot.scope(Scope::Session);
            if last > first {
                latest.set_item(
                    &*entry.symbol,
                    Bound::new(slf.py(), this.bar_data(entry, series, snapshot, last - 1))?,
                )?;
            }
        }
        Ok(latest)
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
        let entry = self.entry(symbol)?;
        let Some(table) = self.exchange().table.clone() else {
            return Ok((0, 0, Vec::new()));
        };
        let id = entry.id;
        let sessions = self.write(py, |writing| writing.history_sessions(id).to_vec());
        let all = self.store.history_presence(&entry, &table, &sessions)?;
        let counts = all.iter().map(|presence| presence.counts(i64::MAX));
        let (present, due) = counts.fold((0, 0), |(present, due), (p, d)| (present + p, due + d));
        let missing: Vec<MissingRun> = all
            .iter()
            .flat_map(|presence| presence.missing(i64::MAX))
            .collect();
        Ok((present, due, runs(&missing)))
    }

    fn _history_sessions(&self, py: Python<'_>, symbol: &str) -> BindResult<Vec<usize>> {
        let id = self.entry(symbol)?.id;
        Ok(self.write(py, |writing| writing.history_sessions(id).to_vec()))
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
        let id = self.entry(symbol)?.id;
        Ok(self.write(py, |writing| counts(&writing.counts(id))))
    }

    fn _revisions(&self, py: Python<'_>, symbol: &str) -> BindResult<Vec<(PyBarData, PyBarData)>> {
        let entry = self.entry(symbol)?;
        let id: SymbolId = entry.id;
        let revisions = self.write(py, |writing| writing.revisions(id).to_vec());
        let exchange = self.exchange();
        let data = |bar: tapeloom_core::bar::Bar, interval: Interval| {
            let end = exchange.bar_end(bar.ts, interval).unwrap_or(bar.ts);
            PyBarData::known(
                entry.symbol.clone(),
                interval,
                bar,
                None,
                end,
                exchange.clone(),
            )
        };
        Ok(revisions
            .iter()
            .map(|r| (data(r.old, r.interval), data(r.new, r.interval)))
            .collect())
    }

    fn _quarantine(&self, py: Python<'_>) -> Vec<(PyBarData, &'static str)> {
        let kept = self.write(py, |writing| writing.quarantine().to_vec());
        let exchange = self.exchange();
        let data = kept.into_iter().map(|q| {
            let end = exchange.bar_end(q.bar.ts, q.interval).unwrap_or(q.bar.ts);
            (
                PyBarData::known(
                    q.symbol.as_str().into(),
                    q.interval,
                    q.bar,
                    None,
                    end,
                    exchange.clone(),
                ),
                q.reason,
            )
        });
        data.collect()
    }

    fn _version(&self, symbol: &str, interval: &Bound<'_, PyAny>) -> BindResult<(u64, u64)> {
        let entry = self.entry(symbol)?;
        let wanted = convert::interval(interval)?;
        let series = entry.find(wanted).ok_or_else(|| {
            BindError::Named(
                "UnknownSeriesError",
                format!("{symbol} has no {wanted} bars"),
            )
        })?;
        Ok((series.version(), series.revision()))
    }
}
