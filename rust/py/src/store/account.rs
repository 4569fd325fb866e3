//! What became of bars beside the rows that are read: missing ones of history, corrected ones, those kept apart.

use pyo3::prelude::*;
use tapeloom_core::gap::MissingRun;

use crate::bar::PyBarData;
use crate::error::BindResult;
use crate::label::PyLabel;
use crate::store::PyStore;
use crate::store::answers::{Runs, runs};

/// Old bar, new bar, clock at which it came.
pub(super) type Corrected<'py> = (Bound<'py, PyBarData>, Bound<'py, PyBarData>, i64);

impl PyStore {
    /// Bars of history that are there, those that were due, and the runs of missing ones.
    pub(super) fn history_account(
        &self,
        py: Python<'_>,
        symbol: &str,
    ) -> BindResult<(u32, u32, Runs)> {
        let entry = self.entry(symbol)?;
        let Some(table) = self.exchange(py).table.clone() else {
            return Ok((0, 0, Vec::new()));
        };
        let sessions = self.history_sessions(py, symbol)?;
        let store = &self.store;
        let all = py.detach(|| store.history_presence(&entry, &table, &sessions))?;
        let counts = all.iter().map(|presence| presence.counts(i64::MAX));
        let (present, due) = counts.fold((0, 0), |(present, due), (p, d)| (present + p, due + d));
        let missing: Vec<MissingRun> = all
            .iter()
            .flat_map(|presence| presence.missing(i64::MAX))
            .collect();
        Ok((present, due, runs(&missing)))
    }

    /// The sessions of which history was loaded.
    pub(super) fn history_sessions(&self, py: Python<'_>, symbol: &str) -> BindResult<Vec<usize>> {
        self.write_symbol(py, symbol, |writing, id| {
            writing.history_sessions(id).to_vec()
        })
    }

    /// Bars that were corrected, as they were and as they are.
    pub(super) fn revisions<'py>(
        &self,
        py: Python<'py>,
        symbol: &str,
    ) -> BindResult<Vec<Corrected<'py>>> {
        let entry = self.entry(symbol)?;
        let revisions = self.write_symbol(py, symbol, |w, id| w.revisions(id).to_vec())?;
        let exchange = self.exchange(py);
        let data = |bar, interval| {
            let label = PyLabel::new(py, entry.symbol.clone(), interval, false, exchange.clone())?;
            PyBarData::known(py, &label, bar, None)
        };
        let pairs = revisions
            .iter()
            .map(|r| Ok((data(r.old, r.interval)?, data(r.new, r.interval)?, r.clock)));
        Ok(pairs.collect::<PyResult<_>>()?)
    }

    /// Bars that were kept apart, and why.
    pub(super) fn quarantined<'py>(
        &self,
        py: Python<'py>,
    ) -> BindResult<Vec<(Bound<'py, PyBarData>, &'static str)>> {
        let kept = self.write(py, |writing| writing.quarantine().to_vec())?;
        let exchange = self.exchange(py);
        let data = kept.into_iter().map(|q| {
            let symbol = q.symbol.as_str().into();
            let label = PyLabel::new(py, symbol, q.interval, false, exchange.clone())?;
            Ok((PyBarData::known(py, &label, q.bar, None)?, q.reason))
        });
        Ok(data.collect::<PyResult<_>>()?)
    }
}
