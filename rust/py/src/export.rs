//! NumPy views that hold their memory alive. The only file with `unsafe`.
#![allow(unsafe_code)]

use std::sync::atomic::{AtomicI32, AtomicI64, AtomicU8, AtomicU64};

use numpy::ndarray::ArrayView1;
use numpy::{Element, PyArray1, PyArrayMethods};
use pyo3::prelude::*;

use crate::bars::PyBars;

/// Memory of rows that are never written again, as NumPy sees it.
pub(crate) trait Sealed {
    /// What NumPy calls the cells.
    type Item: Element;
    /// First cell.
    fn cells(&self) -> (*const Self::Item, usize);
}

macro_rules! sealed {
    ($($cell:ty => $item:ty),*) => {$(
        impl Sealed for [$cell] {
            type Item = $item;
            fn cells(&self) -> (*const $item, usize) {
                (self.as_ptr().cast(), self.len())
            }
        }
    )*};
}

// An atomic has the size and bit validity of the plain type it names; floats are stored as their bits.
sealed!(i64 => i64, f64 => f64, u8 => u8, i32 => i32, AtomicI64 => i64, AtomicU64 => f64, AtomicU8 => u8, AtomicI32 => i32);

/// A read-only array over rows that `owner` keeps alive.
///
/// `rows` must be published or sealed rows of `owner`: rows that nobody writes for as long as `owner` lives.
pub(crate) fn view<'py, S: Sealed + ?Sized>(
    owner: &Bound<'py, PyBars>,
    rows: &S,
) -> Bound<'py, PyArray1<S::Item>> {
    let (first, len) = rows.cells();
    // SAFETY: the pointer and length come from a live slice, so they are aligned, initialised and in bounds. The slice
    // belongs to a segment or to columns behind an `Arc` inside the frozen `owner`, which the array keeps as its base
    // object, so the memory outlives the array. No cell of it is written again: published rows never are.
    // Tested by tests/core/test_bars.py: views survive their series, their store and every change.
    let array = unsafe {
        let borrowed = ArrayView1::from_shape_ptr(len, first);
        PyArray1::borrow_from_array(&borrowed, owner.clone().into_any())
    };
    array.readwrite().make_nonwriteable();
    array
}

/// Whether the reference in hand is the only one to an object.
pub(crate) fn is_unshared(_py: Python<'_>, object: &Py<PyAny>) -> bool {
    // SAFETY: the object is alive, since `object` holds a reference to it, and attached to the interpreter nobody else
    // changes the count meanwhile. Tested by tests/test_merged.py: arrays that somebody holds are never used again.
    unsafe { pyo3::ffi::Py_REFCNT(object.as_ptr()) == 1 }
}
