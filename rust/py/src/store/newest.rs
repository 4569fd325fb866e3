//! The newest bars: of one series, of many symbols, the one that is forming.

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};
use tapeloom_core::aggregate::Derived;
use tapeloom_core::series::Scope;

use crate::bar::PyBarData;
use crate::convert;
use crate::error::{BindError, BindResult};
use crate::group::newest_of_all;
use crate::store::PyStore;
use crate::store::known::Meant;

impl PyStore {
    /// The newest bar of the session, of the base series: what is asked most.
    #[inline]
    pub(super) fn latest<'py>(
        slf: &Bound<'py, Self>,
        symbol: &Bound<'py, PyAny>,
    ) -> BindResult<Option<Bound<'py, PyBarData>>> {
        let py = slf.py();
        loop {
            let meant = Self::meant(slf, symbol, None)?;
            let Some(kept) = meant.as_ref().and_then(Meant::kept) else {
                return Ok(None);
            };
            match slf.get().store.latest(kept.entry) {
                Some(Some(bar)) => {
                    return Ok(Some(PyBarData::known(py, kept.label, bar, None)?));
                }
                Some(None) => return Ok(None),
                None => slf.get().let_writer_finish(py)?,
            }
        }
    }

    /// The newest bar of a scope.
    #[inline(never)]
    pub(super) fn newest<'py>(
        slf: &Bound<'py, Self>,
        symbol: &Bound<'py, PyAny>,
        interval: Option<&Bound<'py, PyAny>>,
        scope: Scope,
    ) -> BindResult<Option<Bound<'py, PyBarData>>> {
        let py = slf.py();
        let found = Self::look(slf, symbol, interval, |view, label, _| {
            let (first, last) = view.scope(scope);
            let row = (last > first).then(|| last - 1)?;
            let constituents = view.constituents(row);
            Some(PyBarData::known(py, label, view.bar(row), constituents))
        })?;
        Ok(found.flatten().transpose()?)
    }

    /// The bar that a derived series is making; `None` when nobody keeps it, or none is begun.
    pub(super) fn forming<'py>(
        slf: &Bound<'py, Self>,
        symbol: &Bound<'py, PyAny>,
        interval: &Bound<'py, PyAny>,
    ) -> BindResult<Option<Bound<'py, PyBarData>>> {
        let py = slf.py();
        let meant = Self::meant(slf, symbol, Some(interval))?;
        let Some(kept) = meant.as_ref().and_then(Meant::kept) else {
            return Ok(None);
        };
        let (symbol, wanted) = (&kept.entry.symbol, kept.series.interval());
        // The only row that changes is kept by the writer, so this read waits for one.
        let forming = slf.get().write(py, |writing| {
            let id = writing.id_of(symbol)?;
            writing.forming_bar(id, wanted)
        })?;
        let bar = |d: Derived| PyBarData::known(py, kept.label, d.bar, Some(d.constituents as i32));
        Ok(forming.map(bar).transpose()?)
    }

    /// The newest bars of many symbols by name, `None` for those without one.
    pub(super) fn newest_by_name<'py>(
        slf: &Bound<'py, Self>,
        symbols: &Bound<'py, PyAny>,
        interval: Option<&Bound<'py, PyAny>>,
    ) -> BindResult<Bound<'py, PyDict>> {
        let py = slf.py();
        let mut labels = Vec::new();
        let mut entries = Vec::new();
        let latest = PyDict::new(py);
        let all = symbols.try_iter().ok();
        let Some(all) = all.filter(|_| !symbols.is_instance_of::<PyString>()) else {
            return Err(BindError::argument_type(format!(
                "symbols is {}; give a list such as ['AAPL']",
                symbols.repr()?
            )));
        };
        for symbol in all {
            let symbol = symbol?;
            let meant = Self::meant(slf, &symbol, interval)?;
            match meant.as_ref().and_then(Meant::kept) {
                Some(kept) => {
                    entries.push(Some(kept.entry.clone()));
                    labels.push(kept.label.clone_ref(py));
                }
                None => {
                    let name = symbol.str()?.to_str()?.trim().to_uppercase();
                    latest.set_item(name, py.None())?;
                }
            }
        }
        let interval = interval.map(convert::interval).transpose()?;
        let bars = newest_of_all(py, &slf.get().store, &entries, interval)?;
        for (label, bar) in labels.iter().zip(bars) {
            let bar = bar
                .map(|(bar, constituents)| PyBarData::known(py, label, bar, constituents))
                .transpose()?;
            latest.set_item(label.get().symbol_text.bind(py), bar)?;
        }
        Ok(latest)
    }

    /// Start of the newest base bar of a scope, whosever it is.
    pub(super) fn newest_start(&self, py: Python<'_>, scope: Scope) -> BindResult<Option<i64>> {
        loop {
            self.store.check()?;
            if let Some(newest) = self.store.newest_start(scope) {
                return Ok(newest);
            }
            self.let_writer_finish(py)?;
        }
    }
}
