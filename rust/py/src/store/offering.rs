//! Bars of users offered to their base series: one, or many one after another while nobody else writes.

use pyo3::prelude::*;
use pyo3::types::{PyList, PyString};
use tapeloom_core::Error;
use tapeloom_core::bar::{BACKFILLED, Bar, IMPORTED, STREAMED};
use tapeloom_core::store::{Directory, Outcome, Writing};
use tapeloom_core::time::Interval;

use crate::bar::PyBarData;
use crate::error::{BindError, BindResult};
use crate::store::PyStore;
use crate::store::answers::outcome_of;

/// Bars that came another way than from the coordinator, the feed or the user's hand.
pub(super) const NOT_STREAMED: u8 = IMPORTED | BACKFILLED;

/// A bar that needs nothing of Python: of the very symbol it is offered to, with an instant.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plain<'a> {
    symbol: &'a str,
    interval: Interval,
    bar: Bar,
}

impl<'a> Plain<'a> {
    pub(crate) fn of(pair: &'a Pair<'_>) -> Option<Self> {
        let (symbol, bar) = pair;
        Self::new(symbol, bar)
    }

    /// `None` for aliases and wall times.
    #[inline]
    pub(crate) fn new(symbol: &Bound<'_, PyAny>, bar: &'a Bound<'_, PyAny>) -> Option<Self> {
        let bar = bar.cast::<PyBarData>().ok()?.get();
        bar.start()?;
        let name = symbol.cast::<PyString>().ok()?.to_str().ok()?;
        let own: &str = bar.symbol();
        (name == own).then(|| Self {
            symbol: own,
            interval: bar.interval(),
            bar: bar.bar(),
        })
    }

    /// Whether the base series of a symbol takes it, as far as readers see.
    fn is_of_base(&self, directory: &Directory) -> bool {
        let entry = directory.get(self.symbol);
        entry.is_some_and(|entry| entry.base().interval() == self.interval)
    }

    /// Offer it; `None` if no series takes it as it is. Looked up while nobody else writes: the store may have been emptied.
    #[inline]
    pub(super) fn offer(self, writing: &mut Writing<'_>) -> Option<Result<Outcome, Error>> {
        let id = writing.base_series(self.symbol, self.interval)?;
        let mut bar = self.bar;
        if writing.has_session() && bar.flags & NOT_STREAMED == 0 {
            bar.flags |= STREAMED;
        }
        Some(writing.offer(id, bar))
    }
}

/// Symbol and bar of a pair.
pub(crate) type Pair<'py> = (Bound<'py, PyAny>, Bound<'py, PyAny>);

impl PyStore {
    /// Offer bars from a place on, up to the first that Python has to look at, or that fails in another way than by being
    /// refused; all are visible at once.
    pub(super) fn offer_each<'py>(
        &self,
        py: Python<'py>,
        bars: &Bound<'py, PyList>,
        start: usize,
    ) -> BindResult<Vec<Bound<'py, PyAny>>> {
        let directory = self.store.directory();
        let mut pairs = Vec::new();
        for at in start..bars.len() {
            let pair: Pair<'py> = bars.get_item(at)?.extract()?;
            match Plain::of(&pair) {
                Some(plain) if plain.is_of_base(&directory) => pairs.push(pair),
                _ => break,
            }
        }
        let plain: Vec<Plain<'_>> = pairs.iter().filter_map(Plain::of).collect();
        let offered = self.write(py, |writing| {
            let mut offered = Vec::with_capacity(plain.len());
            for plain in &plain {
                let Some(outcome) = plain.offer(writing) else {
                    break;
                };
                let has_failed = outcome.as_ref().is_err_and(|error| !is_refusal(error));
                offered.push(outcome);
                if has_failed {
                    break;
                }
            }
            offered
        })?;
        let each = offered.into_iter();
        each.map(|outcome| outcome_or_refusal(py, outcome))
            .collect()
    }
}

/// Whether an error is about the bar, an `ArgumentError` of Python: the next ones are offered all the same.
fn is_refusal(error: &Error) -> bool {
    matches!(
        error,
        Error::InvalidBar { .. }
            | Error::DuplicateBar { .. }
            | Error::NotDivisible { .. }
            | Error::Cut { .. }
            | Error::TooCoarse { .. }
            | Error::Overflow { .. }
    )
}

/// What became of a bar; that the store refused it is an answer.
fn outcome_or_refusal(
    py: Python<'_>,
    outcome: Result<Outcome, Error>,
) -> BindResult<Bound<'_, PyAny>> {
    match outcome {
        Ok(outcome) => Ok(outcome_of(py, outcome)?),
        Err(error) if is_refusal(&error) => {
            let refusal = PyErr::from(BindError::Core(error));
            Ok(refusal.into_value(py).into_bound(py).into_any())
        }
        Err(error) => Err(error.into()),
    }
}
