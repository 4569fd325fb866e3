//! Which symbols a store keeps: registered, removed, how many there is room for.

use pyo3::prelude::*;
use rustc_hash::FxHashSet;
use tapeloom_core::Error;
use tapeloom_core::time::Interval;

use crate::convert;
use crate::error::BindResult;
use crate::store::PyStore;

/// A symbol to keep, its base interval where it is named, its derived intervals.
pub(super) type Wanted<'py> = (String, Option<Bound<'py, PyAny>>, Vec<Bound<'py, PyAny>>);

impl PyStore {
    /// One publication for all of them. The first that is refused is told, the others are kept.
    pub(super) fn register(&self, py: Python<'_>, symbols: &[Wanted<'_>]) -> BindResult<()> {
        let mut wanted = Vec::with_capacity(symbols.len());
        for (symbol, base, derived) in symbols {
            let base = base.as_ref().map(convert::interval).transpose()?;
            let derived: Vec<Interval> = derived
                .iter()
                .map(convert::interval)
                .collect::<BindResult<_>>()?;
            wanted.push((symbol, base, derived));
        }
        let refused = self.write(py, |writing| {
            let mut refused = None;
            for (symbol, base, derived) in &wanted {
                if let Err(error) = writing.register(symbol, *base, derived) {
                    refused.get_or_insert(error);
                }
            }
            refused
        })?;
        refused.map_or(Ok(()), Err)?;
        Ok(())
    }

    /// Forget a symbol and its bars.
    pub(super) fn remove(&self, py: Python<'_>, symbol: &str) -> BindResult<()> {
        let removed = self.write_symbol(py, symbol, |writing, id| writing.remove(id));
        // Also where what stops the program came as others were told.
        self.forget(py, self.exchange(py));
        removed??;
        Ok(())
    }

    /// Refuse the first name that is one too many, if all of these were kept.
    pub(super) fn require_room(&self, names: &[String]) -> BindResult<()> {
        self.store.check_process()?;
        let directory = self.store.directory();
        let mut kept = directory.entries().len();
        let mut new = FxHashSet::default();
        for name in names {
            if directory.get(name).is_some() || !new.insert(name) {
                continue;
            }
            if kept >= self.max_symbols {
                return Err(Error::Capacity {
                    symbol: name.clone(),
                    limit: self.max_symbols,
                }
                .into());
            }
            kept += 1;
        }
        Ok(())
    }
}
