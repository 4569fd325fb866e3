//! Bars that are handed out again once nobody holds them.

use pyo3::prelude::*;
use tapeloom_core::bar::Bar;
use tapeloom_core::series::Slice;

use crate::bar::origin::Origin;
use crate::bar::{Content, PyBarData};
use crate::export::{Exclusive, InTurn, is_unshared, unshared};
use crate::label::PyLabel;

/// Bars that were handed out, to be used again once nobody holds them: making an object costs more than filling it.
#[derive(Debug, Default)]
struct Handed {
    bars: Vec<Py<PyBarData>>,
    next: usize,
}

/// Enough for what is read at once and dropped.
const HANDED: usize = 1_024;

/// Those of this process.
static OUT: InTurn<Handed> = InTurn::new(Handed {
    bars: Vec::new(),
    next: 0,
});

impl Handed {
    /// Begin with the first again if it is free: what was used last is near.
    #[inline]
    fn start_over(&mut self, py: Python<'_>) {
        let first = self.bars.first();
        if first.is_some_and(|first| is_unshared(py, first.as_any())) {
            self.next = 0;
        }
    }

    /// A bar that comes out of a series, in an object that was used before if the next one is free.
    #[inline(always)]
    fn fill<'py>(
        &mut self,
        py: Python<'py>,
        label: &Py<PyLabel>,
        bar: Bar,
        constituents: i32,
    ) -> PyResult<Bound<'py, PyBarData>> {
        let at = self.next;
        self.next = (at + 1) % HANDED;
        if let Some(object) = self.bars.get_mut(at)
            && let Some(content) = unshared(py, object, |data| &data.0)
            && let Origin::Series(known) = &mut content.origin
        {
            content.bar = bar;
            content.constituents = constituents;
            if !known.is(label) {
                // As who is attached drops it, which need not be found out.
                drop(std::mem::replace(known, label.clone_ref(py)).into_bound(py));
            }
            return Ok(object.bind(py).clone());
        }
        let new = PyBarData::new_known(py, label, bar, constituents)?;
        self.keep(at, new.clone().unbind());
        Ok(new)
    }

    /// Keep a new bar, to be used again in its turn.
    #[cold]
    fn keep(&mut self, at: usize, new: Py<PyBarData>) {
        match self.bars.get_mut(at) {
            Some(held) => *held = new,
            None => self.bars.push(new),
        }
    }
}

impl PyBarData {
    /// A bar that comes out of a series.
    #[inline(always)]
    pub(crate) fn known<'py>(
        py: Python<'py>,
        label: &Py<PyLabel>,
        bar: Bar,
        constituents: Option<i32>,
    ) -> PyResult<Bound<'py, Self>> {
        let constituents = constituents.unwrap_or(-1);
        let Some(mut handed) = OUT.try_use(py) else {
            return Self::new_known(py, label, bar, constituents);
        };
        handed.start_over(py);
        handed.fill(py, label, bar, constituents)
    }

    /// All bars of some rows of a series.
    pub(crate) fn all_known<'py>(
        py: Python<'py>,
        label: &Py<PyLabel>,
        rows: &Slice,
    ) -> PyResult<Vec<Bound<'py, Self>>> {
        let mut spare = Handed::default();
        let mut out = OUT.try_use(py);
        let handed = out.as_deref_mut().unwrap_or(&mut spare);
        handed.start_over(py);
        let mut all = Vec::with_capacity(rows.len());
        rows.try_each(|bar, constituents| -> PyResult<()> {
            all.push(handed.fill(py, label, bar, constituents.unwrap_or(-1))?);
            Ok(())
        })?;
        Ok(all)
    }

    /// A bar that comes out of a series, in a new object.
    #[cold]
    fn new_known<'py>(
        py: Python<'py>,
        label: &Py<PyLabel>,
        bar: Bar,
        constituents: i32,
    ) -> PyResult<Bound<'py, Self>> {
        let content = Content {
            bar,
            constituents,
            origin: Origin::Series(label.clone_ref(py)),
        };
        Bound::new(py, Self(Exclusive::new(content)))
    }
}
