//! Memory of large answers whose users are gone, kept for the next answer: fresh pages cost more than filling them.

use numpy::{Element, PyArray1, PyUntypedArrayMethods};
use parking_lot::Mutex;
use pyo3::prelude::*;
use pyo3::types::PySlice;

use crate::export::is_unshared;

/// Smaller arrays come from memory that is warm anyway.
const FEWEST_ROWS: usize = 65_536;
/// What is kept at most, in use or not.
const MOST_BYTES: usize = 256 << 20;

/// Whole arrays, oldest first. One that only this list holds is free; views of it count as holders.
static KEPT: Mutex<Vec<Py<PyAny>>> = Mutex::new(Vec::new());

/// An array of `rows` cells with any content, to be filled as a whole.
pub(crate) fn array<T: Element>(py: Python<'_>, rows: usize) -> PyResult<Bound<'_, PyArray1<T>>> {
    if rows < FEWEST_ROWS {
        return Ok(PyArray1::zeros(py, rows, false));
    }
    let mut kept = KEPT.lock();
    let fits = |held: &Py<PyAny>| {
        is_unshared(py, held)
            && held
                .bind(py)
                .cast::<PyArray1<T>>()
                .is_ok_and(|array| (rows..=2 * rows).contains(&array.len()))
    };
    let whole = match kept.iter().position(fits) {
        // To the end of the list: the oldest leave first.
        Some(at) => kept.remove(at).into_bound(py),
        // Made by NumPy, which asks the system for large pages.
        None => PyArray1::<T>::zeros(py, rows, false).into_any(),
    };
    kept.push(whole.clone().unbind());
    let mut bytes = 0;
    let most = kept.iter().rev().position(|held| {
        let size = held.bind(py).getattr("nbytes").and_then(|n| n.extract());
        bytes += size.unwrap_or(MOST_BYTES);
        bytes > MOST_BYTES
    });
    if let Some(most) = most {
        let dropped = kept.len() - most;
        kept.drain(..dropped);
    }
    drop(kept);
    let first = PySlice::new(py, 0, rows as isize, 1);
    Ok(whole.get_item(first)?.cast_into::<PyArray1<T>>()?)
}
