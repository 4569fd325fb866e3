//! Rows of a series: those of a scope, a count, a time, or since an epoch.

use pyo3::prelude::*;
use tapeloom_core::series::{Scope, View};
use tapeloom_core::time::Interval;

use crate::bars::{Parts, PyBars};
use crate::convert;
use crate::error::{BindError, BindResult};
use crate::label::PyLabel;
use crate::store::PyStore;
use crate::store::find::series_of;

impl PyStore {
    /// Empty bars for a series nobody keeps, under the names that were asked for.
    fn nothing(
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

    /// The same between two times as users write them.
    pub(super) fn between<'py>(
        slf: &Bound<'py, Self>,
        symbol: &Bound<'py, PyAny>,
        interval: Option<&Bound<'py, PyAny>>,
        start: Option<&Bound<'py, PyAny>>,
        end: Option<&Bound<'py, PyAny>>,
        scope: Scope,
    ) -> BindResult<Bound<'py, PyBars>> {
        let exchange = slf.get().exchange(slf.py());
        let zone = &exchange.zone;
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

    /// Rows that were added or changed after an epoch.
    pub(super) fn rows_since(
        &self,
        py: Python<'_>,
        symbol: &str,
        interval: &Bound<'_, PyAny>,
        epoch: u64,
    ) -> BindResult<PyBars> {
        let entry = self.entry(symbol)?;
        let series = series_of(&entry, convert::interval(interval)?)?;
        let label = PyLabel::new(
            py,
            entry.symbol.clone(),
            series.interval(),
            series.is_derived(),
            self.exchange(py),
        )?;
        loop {
            self.store.check()?;
            let rows = self.store.look(series, |view| view.changed_since(epoch));
            if let Some(rows) = rows {
                return Ok(PyBars::new(label, Parts::joined(rows)));
            }
            self.let_writer_finish(py)?;
        }
    }
}
