//! The bars of one session, cut out of loaded bars of many symbols.

use numpy::PyArray1;
use pyo3::prelude::*;
use tapeloom_core::series::Slice;

use crate::bars::{Parts, PyBars};

type Numbers<'py> = Bound<'py, PyArray1<i64>>;

/// See `_core.pyi`.
#[pyfunction]
#[pyo3(signature = (bars, *, before, span, hours))]
pub(crate) fn cut_session<'py>(
    py: Python<'py>,
    bars: Vec<Bound<'py, PyBars>>,
    before: i64,
    span: (i64, i64),
    hours: Vec<(i64, i64)>,
) -> (Vec<PyBars>, Numbers<'py>, Numbers<'py>) {
    let mut cut = Vec::with_capacity(bars.len());
    let (mut ahead, mut outside) = (Vec::new(), Vec::new());
    // Symbols have about as many bars as one another, so that a session begins and ends at about the same rows.
    let mut rows = (0, 0, 0);
    for one in &bars {
        let one = one.get();
        let whole = one.whole();
        let first = whole.lower_bound_near(0, rows.0, before);
        let from = whole.lower_bound_near(first, rows.1, span.0);
        let to = whole.lower_bound_near(from, rows.2, span.1);
        rows = (first, from, to);
        let day = whole.sub(from, to);
        let kept = Parts::within(&day, &hours);
        ahead.push((from - first) as i64);
        let is_whole = kept.all().iter().map(Slice::len).sum::<usize>() == day.len();
        outside.push(match is_whole {
            true => 0,
            false => starts(std::slice::from_ref(&day)) - starts(kept.all()),
        });
        cut.push(one.of_parts(py, kept));
    }
    let ahead = PyArray1::from_vec(py, ahead);
    (cut, ahead, PyArray1::from_vec(py, outside))
}

/// Number of different starts: a bar that comes twice is one bar.
fn starts(slices: &[Slice]) -> i64 {
    let stamps = slices
        .iter()
        .flat_map(|slice| (0..slice.len()).map(|row| slice.ts(row)));
    let mut newest = None;
    stamps.filter(|&ts| newest.replace(ts) != Some(ts)).count() as i64
}
