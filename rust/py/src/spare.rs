//! Memory of large answers whose users are gone, kept for the next answer: fresh pages cost more than filling them.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use numpy::{AsSliceError, Element, PyArray1, PyUntypedArrayMethods};
use parking_lot::Mutex;
use pyo3::prelude::*;
use pyo3::types::PySlice;
use tapeloom_core::columns::Columns;

use crate::error::{BindError, BindResult};
use crate::export::is_unshared;

/// Smaller arrays come from memory that is warm anyway.
const FEWEST_CELLS: usize = 4_096;
/// Up to here arrays are made with room to grow: the next answer of a session is a little longer than the one before.
const MOST_GROWING: usize = 1 << 18;
/// Of smaller answers the columns are not kept.
const FEWEST_ROWS: usize = 65_536;
/// What is kept at most, in use or not.
const MOST_BYTES: usize = 256 << 20;
const MOST_ARRAYS: usize = 64;

/// A whole array. One that only the list of them holds is free; views of it count as holders.
struct Kept {
    array: Py<PyAny>,
    bytes: usize,
}

/// Oldest first.
static KEPT: Mutex<Vec<Kept>> = Mutex::new(Vec::new());

/// An array of so many cells with any content, to be filled as a whole.
pub(crate) fn array<T: Element>(py: Python<'_>, cells: usize) -> PyResult<Bound<'_, PyArray1<T>>> {
    if cells < FEWEST_CELLS {
        return Ok(PyArray1::zeros(py, cells, false));
    }
    // Who drops an array may run anything, and come back here: nothing is dropped and nobody is asked under the lock.
    let Some(mut kept) = KEPT.try_lock().map(|mut kept| std::mem::take(&mut *kept)) else {
        return Ok(PyArray1::zeros(py, cells, false));
    };
    let mut free = None;
    for (at, held) in kept.iter().enumerate() {
        if fits::<T>(py, &held.array, cells)? {
            free = Some(at);
            break;
        }
    }
    let used = match free {
        // To the end of the list: the oldest leave first.
        Some(at) => kept.remove(at),
        None => new::<T>(py, cells),
    };
    let whole = used.array.clone_ref(py).into_bound(py);
    kept.push(used);
    let mut bytes = 0;
    let newest = kept.iter().rev().take(MOST_ARRAYS).take_while(|held| {
        bytes += held.bytes;
        bytes <= MOST_BYTES
    });
    let count = newest.count();
    let rest = kept.split_off(kept.len() - count);
    drop(kept);
    let before = KEPT
        .try_lock()
        .map(|mut list| std::mem::replace(&mut *list, rest));
    drop(before);
    let first = PySlice::new(py, 0, cells as isize, 1);
    Ok(whole.get_item(first)?.cast_into::<PyArray1<T>>()?)
}

/// Made by NumPy, which asks the system for large pages. Pages that are never used take no memory.
fn new<T: Element>(py: Python<'_>, cells: usize) -> Kept {
    let room = if cells <= MOST_GROWING {
        cells.next_power_of_two()
    } else {
        cells
    };
    Kept {
        array: PyArray1::<T>::zeros(py, room, false).into_any().unbind(),
        bytes: room * size_of::<T>(),
    }
}

/// All cells of a new array.
pub(crate) fn whole<T>(cells: Result<&mut [T], AsSliceError>) -> BindResult<&mut [T]> {
    cells.map_err(|error| BindError::Named("InternalError", error.to_string()))
}

/// Whether nobody else can come by an array that has room enough, but not far too much.
fn fits<T: Element>(py: Python<'_>, held: &Py<PyAny>, cells: usize) -> PyResult<bool> {
    let array = held.bind(py);
    let has_room = array
        .cast::<PyArray1<T>>()
        .is_ok_and(|array| (cells..=2 * cells).contains(&array.len()) && array.is_c_contiguous());
    if !has_room || !is_unshared(py, held) {
        return Ok(false);
    }
    // Who had it may have forbidden to write.
    let flags = array.getattr("flags")?;
    if !flags.getattr("writeable")?.extract::<bool>()? {
        return Ok(false);
    }
    // A weak reference is none that counts, but it can become one.
    let weak = py.import("_weakref")?.getattr("getweakrefcount")?;
    Ok(weak.call1((array,))?.extract::<usize>()? == 0)
}

/// What is kept at most of derived columns, in use or not.
const MOST_COLUMN_BYTES: usize = 128 << 20;
/// Of one derived row: instant, five floats, flags, number of base bars.
const ROW_BYTES: usize = 6 * 8 + 1 + 4;

/// Derived columns of earlier answers, oldest first. Those that only this list holds are free.
static ANSWERS: Mutex<Vec<Arc<Columns>>> = Mutex::new(Vec::new());

/// The columns of earlier answers while a new answer is made.
#[derive(Debug, Default)]
pub(crate) struct SpareColumns {
    /// Not where little is asked for.
    keeps: bool,
    held: Vec<Arc<Columns>>,
    /// By the number of rows there is room for, oldest first: so neighbours in memory stay neighbours.
    free: BTreeMap<usize, VecDeque<Columns>>,
}

impl SpareColumns {
    /// All there are, for an answer of `rows` base bars.
    pub(crate) fn for_answer(rows: usize) -> Self {
        let mut spare = Self {
            keeps: rows >= FEWEST_ROWS,
            ..Self::default()
        };
        if !spare.keeps {
            return spare;
        }
        let kept = ANSWERS
            .try_lock()
            .map(|mut kept| std::mem::take(&mut *kept));
        for shared in kept.unwrap_or_default() {
            match Arc::try_unwrap(shared) {
                Ok(columns) => {
                    let room = spare.free.entry(columns.ts.capacity());
                    room.or_default().push_back(columns);
                }
                Err(shared) => spare.held.push(shared),
            }
        }
        spare
    }

    /// Empty columns with room enough, but not far too much.
    pub(crate) fn room_for(&mut self, rows: usize) -> Columns {
        let fits = self.free.range_mut(rows..=2 * rows);
        let found = fits.filter_map(|(_, columns)| columns.pop_front()).next();
        found.map_or_else(
            || Columns::with_capacity(rows, true),
            |mut columns| {
                columns.clear();
                columns
            },
        )
    }

    /// Keep the columns of the new answer, and the others as long as there is room.
    pub(crate) fn keep<'a>(self, answer: impl Iterator<Item = &'a Arc<Columns>>) {
        if !self.keeps {
            return;
        }
        let free = self.free.into_values().flatten().map(Arc::new);
        let mut all: Vec<Arc<Columns>> = self.held.into_iter().chain(free).collect();
        all.extend(answer.cloned());
        let mut bytes = 0;
        let most = all.iter().rev().position(|columns| {
            bytes += columns.ts.capacity() * ROW_BYTES;
            bytes > MOST_COLUMN_BYTES
        });
        let first = most.map_or(0, |most| all.len() - most);
        let rest = all.split_off(first);
        // What another answer put there meanwhile goes.
        let before = ANSWERS
            .try_lock()
            .map(|mut kept| std::mem::replace(&mut *kept, rest));
        drop(before);
    }
}
