//! What a feed pushes, looked at all at once: as a rule it is bars that a session takes as they are.

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};

use crate::bar::PyBarData;
use crate::convert;
use crate::error::BindResult;

/// See `_core.pyi`.
#[pyfunction]
pub(crate) fn earliest_start(
    events: &Bound<'_, PyList>,
    bases: &Bound<'_, PyDict>,
    hours: Vec<(i64, i64)>,
) -> BindResult<Option<i64>> {
    let mut earliest: Option<i64> = None;
    for event in events {
        let Ok(bar) = event.cast_exact::<PyBarData>() else {
            return Ok(None);
        };
        let bar = bar.get();
        let is_within = |ts: &i64| {
            let mut stretches = hours.iter();
            stretches.any(|(start, end)| (start..end).contains(&ts))
        };
        let Some(ts) = bar.start().filter(is_within) else {
            return Ok(None);
        };
        let Some(base) = bases.get_item(&**bar.symbol())? else {
            return Ok(None);
        };
        if convert::interval(&base)? != bar.interval() {
            return Ok(None);
        }
        earliest = Some(earliest.map_or(ts, |known| known.min(ts)));
    }
    Ok(earliest)
}
