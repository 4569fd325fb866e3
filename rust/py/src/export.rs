//! NumPy views that hold their memory alive. The only file with `unsafe`.
#![allow(unsafe_code)]

use std::cell::{RefCell, UnsafeCell};
use std::ops::Range;
use std::rc::Rc;
use std::sync::atomic::{AtomicI32, AtomicI64, AtomicU8, AtomicU64};

use numpy::npyffi::{NPY_ARRAY_CARRAY_RO, NpyTypes, PY_ARRAY_API, get_type_object, npy_intp};
use numpy::{Element, PyArray1, PyArrayDescrMethods, PyArrayMethods, PyUntypedArrayMethods};
use pyo3::PyClass;
use pyo3::prelude::*;
use pyo3::pyclass::boolean_struct::True;

use crate::bars::PyBars;
use crate::error::BindError;

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
    unsafe { read_only(py, first.cast_mut(), &mut shape, owner.clone().into_any()) }
}

/// A read-only array over some rows of an array that nobody writes any more.
pub(crate) fn part<'py, T: Element>(
    column: &Bound<'py, PyArray1<T>>,
    rows: Range<usize>,
) -> PyResult<Bound<'py, PyAny>> {
    let py = column.py();
    if rows.start > rows.end || rows.end > column.len() || !column.is_c_contiguous() {
        let text = "columns must be contiguous and keep their length";
        return Err(BindError::argument(text).into());
    }
    let mut shape = [rows.len() as npy_intp];
    // SAFETY: the rows were just found to lie in the array, one behind the other; NumPy gets no leave to write. The new array
    // keeps the old one as its base object, which keeps the memory. NumPy takes over the references to the type description and
    // to the base. Tested by tests/test_merged.py: columns of an instant survive the table and every later merge.
    unsafe {
        let first = column.data().add(rows.start);
        read_only::<T>(py, first, &mut shape, column.clone().into_any())
    }
}

/// A read-only array over memory that `base` keeps alive.
///
/// # Safety
/// The memory holds as many cells as `shape` says, and nobody writes them for as long as `base` lives.
#[inline]
unsafe fn read_only<'py, T: Element>(
    py: Python<'py>,
    first: *mut T,
    shape: &mut [npy_intp; 1],
    base: Bound<'py, PyAny>,
) -> PyResult<Bound<'py, PyAny>> {
    // SAFETY: said by the caller; the type description is that of the cells.
    unsafe {
        let array = PY_ARRAY_API.PyArray_NewFromDescr(
            py,
            get_type_object(py, NpyTypes::PyArray_Type),
            T::get_dtype(py).into_dtype_ptr(),
            1,
            shape.as_mut_ptr(),
            std::ptr::null_mut(),
            first.cast(),
            NPY_ARRAY_CARRAY_RO,
            std::ptr::null_mut(),
        );
        let array = Bound::from_owned_ptr_or_err(py, array)?;
        if PY_ARRAY_API.PyArray_SetBaseObject(py, array.as_ptr().cast(), base.into_ptr()) < 0 {
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

/// What threads share that are attached to the interpreter, one at a time: passed around without an atomic.
///
/// Whoever came by the value holds it, also while somebody puts another one in its place.
pub(crate) struct Attached<T>(RefCell<Rc<T>>);

// SAFETY: the module asks for the interpreter's lock (`gil_used`). The count and the value are reached through `get` and `set`
// only, which ask for proof that the thread is attached, and an `Rc` cannot be taken along by a thread that detaches: threads
// follow one another, and the lock orders what they do. The last one is dropped by an object of Python, that is, attached; the
// value may be dropped by any thread.
unsafe impl<T: Send> Sync for Attached<T> {}
// SAFETY: the same.
unsafe impl<T: Send> Send for Attached<T> {}

impl<T> Attached<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(RefCell::new(Rc::new(value)))
    }

    #[inline]
    pub(crate) fn get(&self, _py: Python<'_>) -> Rc<T> {
        self.0.borrow().clone()
    }

    pub(crate) fn set(&self, _py: Python<'_>, value: T) -> Rc<T> {
        let value = Rc::new(value);
        // The one before is dropped when nothing is borrowed any more: what it held may come back here.
        drop(self.0.replace(value.clone()));
        value
    }
}

impl<T> std::fmt::Debug for Attached<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Attached")
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
