//! NumPy views that hold their memory alive. The only file with `unsafe`.
#![allow(unsafe_code)]

use std::cell::UnsafeCell;
use std::sync::atomic::{AtomicI32, AtomicI64, AtomicU8, AtomicU64};

use numpy::npyffi::{NPY_ARRAY_CARRAY_RO, NpyTypes, PY_ARRAY_API, get_type_object, npy_intp};
use numpy::{Element, PyArrayDescrMethods};
use pyo3::PyClass;
use pyo3::prelude::*;
use pyo3::pyclass::boolean_struct::True;

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
) -> PyResult<Bound<'py, PyAny>> {
    let py = owner.py();
    let (first, len) = rows.cells();
    let mut shape = [len as npy_intp];
    // SAFETY: the pointer and length come from a live slice, so they are aligned, initialised and in bounds; NumPy gets
    // no leave to write. The slice belongs to a segment or to columns behind an `Arc` inside the frozen `owner`, which
    // the array keeps as its base object, so the memory outlives the array. No cell of it is written again: published
    // rows never are. NumPy takes over the references to the type description and to `owner`.
    // Tested by tests/core/test_bars.py: views survive their series, their store and every change.
    unsafe {
        let array = PY_ARRAY_API.PyArray_NewFromDescr(
            py,
            get_type_object(py, NpyTypes::PyArray_Type),
            S::Item::get_dtype(py).into_dtype_ptr(),
            1,
            shape.as_mut_ptr(),
            std::ptr::null_mut(),
            first.cast_mut().cast(),
            NPY_ARRAY_CARRAY_RO,
            std::ptr::null_mut(),
        );
        let array = Bound::from_owned_ptr_or_err(py, array)?;
        let base = owner.clone().into_any().into_ptr();
        if PY_ARRAY_API.PyArray_SetBaseObject(py, array.as_ptr().cast(), base) < 0 {
            return Err(PyErr::fetch(py));
        }
        Ok(array)
    }
}

/// The cells of rows that are never written again, as plain values. The same holds for `rows` as for those of [`view`].
pub(crate) fn plain<S: Sealed + ?Sized>(rows: &S) -> &[S::Item] {
    let (first, len) = rows.cells();
    // SAFETY: pointer and length come from a live slice that is borrowed for as long as the answer; an atomic has the
    // size and bit validity of the plain type. No cell is written again: published rows never are.
    unsafe { std::slice::from_raw_parts(first, len) }
}

/// What a frozen object holds, written again only through [`unshared`].
pub(crate) struct Exclusive<T>(UnsafeCell<T>);

// SAFETY: a frozen object is shared between threads that are attached to the interpreter one at a time, and `unshared`
// gives leave to write only while no other reference to the object exists.
unsafe impl<T: Send + Sync> Sync for Exclusive<T> {}

impl<T> Exclusive<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(UnsafeCell::new(value))
    }

    pub(crate) fn get(&self) -> &T {
        // SAFETY: who reads holds a reference to the object, besides the one that `unshared` asks for, so nobody writes.
        unsafe { &*self.0.get() }
    }
}

impl<T: std::fmt::Debug> std::fmt::Debug for Exclusive<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.get().fmt(f)
    }
}

/// What an object holds, to be written again, if the reference in hand is the only one to it.
pub(crate) fn unshared<'a, C: PyClass<Frozen = True> + Sync, T>(
    py: Python<'_>,
    object: &'a mut Py<C>,
    cell: impl FnOnce(&C) -> &Exclusive<T>,
) -> Option<&'a mut T> {
    // SAFETY: the only reference to the object is borrowed for as long as what it holds is, and nothing that was read
    // through another one is left: who calls a method of the object holds a reference to it.
    // Tested by tests/test_delivery.py: bars that somebody keeps never change.
    is_unshared(py, object.as_any()).then(|| unsafe { &mut *cell(object.get()).0.get() })
}

/// Whether the reference in hand is the only one to an object.
pub(crate) fn is_unshared(_py: Python<'_>, object: &Py<PyAny>) -> bool {
    // SAFETY: the object is alive, since `object` holds a reference to it, and attached to the interpreter nobody else
    // changes the count meanwhile. Tested by tests/test_merged.py: arrays that somebody holds are never used again.
    unsafe { pyo3::ffi::Py_REFCNT(object.as_ptr()) == 1 }
}
