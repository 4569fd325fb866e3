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
    // Who drops an array may run anything, and come back here: nothing is dropped and nobody is asked under the lock.
    let Some(mut kept) = KEPT.try_lock().map(|mut kept| std::mem::take(&mut *kept)) else {
        return Ok(PyArray1::zeros(py, rows, false));
    };
    let mut free = None;
    for (at, held) in kept.iter().enumerate() {
        if fits::<T>(py, held, rows)? {
            free = Some(at);
            break;
        }
    }
    let whole = match free {
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
    let rest = kept.split_off(most.map_or(0, |most| kept.len() - most));
    drop(kept);
    let before = KEPT
        .try_lock()
        .map(|mut list| std::mem::replace(&mut *list, rest));
    drop(before);
    let first = PySlice::new(py, 0, rows as isize, 1);
    Ok(whole.get_item(first)?.cast_into::<PyArray1<T>>()?)
}

/// Whether nobody else can come by an array that has room enough, but not far too much.
fn fits<T: Element>(py: Python<'_>, held: &Py<PyAny>, rows: usize) -> PyResult<bool> {
    let array = held.bind(py);
    let has_room = array
        .cast::<PyArray1<T>>()
        .is_ok_and(|array| (rows..=2 * rows).contains(&array.len()));
    if !has_room || !is_unshared(py, held) {
        return Ok(false);
    }
    // A weak reference is none that counts, but it can become one.
    let weak = py.import("_weakref")?.getattr("getweakrefcount")?;
    Ok(weak.call1((array,))?.extract::<usize>()? == 0)
}
