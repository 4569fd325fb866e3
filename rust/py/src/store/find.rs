//! Finds the series a caller means and takes its snapshot. Exact matches only; the rest is asked of Python.

use std::sync::Arc;

use pyo3::prelude::*;
use pyo3::types::PyString;
use tapeloom_core::series::{Scope, Series, Snapshot};
use tapeloom_core::store::{Entry, Writing};
use tapeloom_core::time::Interval;

use crate::bar::PyBarData;
use crate::bars::PyBars;
use crate::convert;
use crate::error::{BindError, BindResult};
use crate::exchange::Exchange;
use crate::store::PyStore;

/// A series of a symbol.
pub(super) type Found = (Arc<Entry>, Arc<Series>);

impl PyStore {
    pub(crate) fn exchange(&self) -> Arc<Exchange> {
        self.exchange.load_full()
    }

    /// Write without waiting while attached: who waits for the writers' lock lets other Python threads run.
    pub(super) fn write<T: Send>(
        &self,
        py: Python<'_>,
        job: impl FnOnce(&mut Writing<'_>) -> T + Send,
    ) -> T {
        if let Some(mut writing) = self.store.try_write() {
            return job(&mut writing);
        }
        py.detach(|| job(&mut self.store.write()))
    }

    pub(super) fn entry(&self, symbol: &str) -> BindResult<Arc<Entry>> {
        self.store.directory().get(symbol).cloned().ok_or_else(|| {
            BindError::Named(
                "UnknownSymbolError",
                format!("symbol {symbol} is not registered"),
            )
        })
    }

    pub(super) fn exact(
        &self,
        symbol: &Bound<'_, PyAny>,
        interval: Option<&Bound<'_, PyAny>>,
    ) -> Option<Found> {
        let symbol = symbol.cast::<PyString>().ok()?;
        let directory = self.store.directory();
        let entry = directory.get(symbol.to_str().ok()?)?;
        let series = match interval {
            None => entry.base(),
            Some(interval) => entry.find(convert::interval(interval).ok()?)?,
        };
        Some((entry.clone(), series.clone()))
    }

    /// The series a caller means, `None` when nobody keeps it.
    pub(super) fn find(
        slf: &Bound<'_, Self>,
        symbol: &Bound<'_, PyAny>,
        interval: Option<&Bound<'_, PyAny>>,
    ) -> BindResult<Option<Found>> {
        let this = slf.get();
        if let Some(found) = this.exact(symbol, interval) {
            return Ok(Some(found));
        }
        let resolved: Option<(Bound<'_, PyAny>, Bound<'_, PyAny>)> = slf
            .call_method1("_resolve", (symbol, interval))?
            .extract()?;
        Ok(resolved.and_then(|(symbol, interval)| this.exact(&symbol, Some(&interval))))
    }

    pub(super) fn snapshot(
        slf: &Bound<'_, Self>,
        symbol: &Bound<'_, PyAny>,
        interval: Option<&Bound<'_, PyAny>>,
    ) -> BindResult<Option<(Found, Snapshot)>> {
        let found = Self::find(slf, symbol, interval)?;
        Ok(found.map(|found| {
            let snapshot = slf.get().store.snapshot(&found.1);
            (found, snapshot)
        }))
    }

    pub(super) fn bar_data(
        &self,
        entry: &Entry,
        series: &Series,
        snapshot: &Snapshot,
        row: usize,
    ) -> PyBarData {
        let exchange = self.exchange();
        let bar = snapshot.bar(row);
        let end = exchange
            .bar_end(bar.ts, series.interval())
            .unwrap_or(bar.ts);
        let constituents = snapshot.constituents(row).map(|n| n as u32);
        PyBarData::known(
            entry.symbol.clone(),
            series.interval(),
            bar,
            constituents,
            end,
            exchange,
        )
    }

    pub(super) fn bars(
        &self,
        (entry, series): &Found,
        snapshot: &Snapshot,
        first: usize,
        last: usize,
    ) -> PyBars {
        let parts = snapshot.slices(first, last);
        PyBars::new(
            entry.symbol.clone(),
            series.interval(),
            series.is_derived(),
            parts,
            self.exchange(),
        )
    }

    /// Empty bars for a series nobody keeps, under the names that were asked for.
    pub(super) fn nothing(
        &self,
        symbol: &Bound<'_, PyAny>,
        interval: Option<&Bound<'_, PyAny>>,
    ) -> BindResult<PyBars> {
        let symbol: String = symbol.str()?.to_str()?.trim().to_uppercase();
        let interval = interval.map_or(Ok(Interval::ONE_MINUTE), convert::interval)?;
        Ok(PyBars::new(
            symbol.as_str().into(),
            interval,
            false,
            Vec::new(),
            self.exchange(),
        ))
    }

    pub(super) fn range(
        slf: &Bound<'_, Self>,
        symbol: &Bound<'_, PyAny>,
        interval: Option<&Bound<'_, PyAny>>,
        start: Option<i64>,
        end: Option<i64>,
        scope: Scope,
    ) -> BindResult<PyBars> {
        let Some((found, snapshot)) = Self::snapshot(slf, symbol, interval)? else {
            return slf.get().nothing(symbol, interval);
        };
        let (first, last) = snapshot.scope(scope);
        let from = start.map_or(first, |start| snapshot.lower_bound(first, last, start));
        let to = end
            .map_or(last, |end| snapshot.lower_bound(first, last, end))
            .max(from);
        Ok(slf.get().bars(&found, &snapshot, from, to))
    }
}
