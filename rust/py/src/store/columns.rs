//! Whole columns brought in at once: offered to the session as its bars are, or loaded as history.

use pyo3::prelude::*;
use tapeloom_core::Error;
use tapeloom_core::bar::STREAMED;

use crate::bars::PyBars;
use crate::error::{BindError, BindResult};
use crate::store::PyStore;
use crate::store::answers::{ON_INVALID, Report, policy, report};
use crate::store::find::unknown;
use crate::store::offering::NOT_STREAMED;

impl PyStore {
    pub(super) fn offer_columns(
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
        if bars.get().interval() != base {
            let asked = bars.get().interval();
            return Err(Error::SeriesConflict {
                symbol: symbol.to_owned(),
                asked,
                base,
            }
            .into());
        }
        let (columns, from, to) = bars.get().columns();
        let streamed = self.store.session().date.is_some();
        let symbol = symbol.to_owned();
        let store = self.store.clone();
        let done = self.told(py, || {
            py.detach(move || {
                let mut rows = columns.part(from..to);
                if streamed {
                    rows.flags
                        .iter_mut()
                        .filter(|flags| **flags & NOT_STREAMED == 0)
                        .for_each(|flags| *flags |= STREAMED);
                }
                store.check()?;
                let mut writing = store.write();
                let id = writing.id_of(&symbol).ok_or_else(|| unknown(&symbol))?;
                Ok::<_, BindError>(writing.offer_batch(id, &rows, on_invalid)?)
            })
        })??;
        Ok(report(done))
    }

    pub(super) fn load_columns(
        &self,
        py: Python<'_>,
        symbol: &str,
        sessions: Vec<usize>,
        bars: &Bound<'_, PyBars>,
    ) -> BindResult<Report> {
        let interval = bars.get().interval();
        let (columns, from, to) = bars.get().columns();
        let symbol = symbol.to_owned();
        let store = self.store.clone();
        let done = self.told(py, || {
            py.detach(move || {
                store.check()?;
                let mut writing = store.write();
                let id = writing.id_of(&symbol).ok_or_else(|| unknown(&symbol))?;
                let rows = (&columns, from..to);
                Ok::<_, BindError>(writing.load_history(id, interval, &sessions, rows)?)
            })
        })??;
        Ok(report(done))
    }
}
