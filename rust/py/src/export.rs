//! NumPy views that hold their memory alive. The only file with `unsafe`.
#![allow(unsafe_code)]

use std::cell::{RefCell, RefMut, UnsafeCell};
use std::ffi::c_void;
use std::ops::Range;
use std::rc::Rc;
use std::sync::atomic::{AtomicI32, AtomicI64, AtomicU8, AtomicU64};

use numpy::npyffi::{NPY_ARRAY_CARRAY_RO, PY_ARRAY_API, PyArrayObject, npy_intp};
use numpy::{
    Element, PyArray1, PyArrayDescr, PyArrayMethods, PyUntypedArray, PyUntypedArrayMethods,
};
use pyo3::PyClass;
use pyo3::PyTypeInfo;
use pyo3::prelude::*;
use pyo3::pyclass::boolean_struct::True;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyType;

use crate::bars::PyBars;
use crate::error::BindError;

/// A kind of arrays.
#[derive(Debug)]
pub(crate) struct Kind {
    class: Py<PyType>,
    dtype: Py<PyArrayDescr>,
}

impl Kind {
    #[cold]
    fn of<T: Element>(py: Python<'_>) -> Self {
        Self {
            class: PyUntypedArray::type_object(py).unbind(),
            dtype: T::get_dtype(py).unbind(),
        }
    }
}

/// A cell of rows that are never written again, as NumPy sees it.
pub(crate) trait Cell {
    /// What NumPy calls it.
    type Item: Element;
    /// The kind of arrays of such cells, asked of NumPy once.
    fn kind(py: Python<'_>) -> &Kind;
}

macro_rules! cells {
    ($($cell:ty => $item:ty),*) => {$(
        impl Cell for $cell {
            type Item = $item;
            #[inline]
            fn kind(py: Python<'_>) -> &Kind {
                static KIND: PyOnceLock<Kind> = PyOnceLock::new();
                KIND.get_or_init(py, || Kind::of::<$item>(py))
            }
        }
    )*};
}

// An atomic has the size and bit validity of the plain type it names; floats are stored as their bits.
cells!(i64 => i64, f64 => f64, u8 => u8, i32 => i32, AtomicI64 => i64, AtomicU64 => f64, AtomicU8 => u8, AtomicI32 => i32);

/// A read-only array over rows that `owner` keeps alive.
///
/// `rows` must be published or sealed rows of `owner`: rows that nobody writes for as long as `owner` lives.
#[inline]
pub(crate) fn view<'py, C: Cell>(
    owner: &Bound<'py, PyBars>,
    rows: &[C],
) -> PyResult<Bound<'py, PyAny>> {
    let py = owner.py();
    // SAFETY: the pointer and length come from a live slice, so they are aligned, initialised and in bounds; NumPy gets
    // no leave to write. The slice belongs to a segment or to columns behind an `Arc` inside the frozen `owner`, which
    // the array keeps as its base object, so the memory outlives the array. No cell of it is written again: published
    // rows never are. The array takes over the reference to `owner`, as `PyArray_SetBaseObject` would have it for what is no
    // array itself.
    // Tested by tests/core/test_bars.py: views survive their series, their store and every change.
    unsafe {
        let array = read_only(py, C::kind(py), rows.as_ptr().cast_mut().cast(), rows.len())?;
        (*array.as_ptr().cast::<PyArrayObject>()).fields.base = owner.clone().into_ptr();
        Ok(array)
    }
}

/// A read-only array over some rows of an array that nobody writes any more.
pub(crate) fn part<'py, T: Element + Cell>(
    column: &Bound<'py, PyArray1<T>>,
    rows: Range<usize>,
) -> PyResult<Bound<'py, PyAny>> {
    let py = column.py();
    if rows.start > rows.end || rows.end > column.len() || !column.is_c_contiguous() {
        let text = "columns must be contiguous and keep their length";
        return Err(BindError::argument(text).into());
    }
    // SAFETY: the rows were just found to lie in the array, one behind the other; NumPy gets no leave to write. The new array
    // keeps the old one as its base object, which keeps the memory. NumPy takes over the reference to the base. Tested by
    // tests/test_merged.py: columns of an instant survive the table and every later merge.
    unsafe {
        let first = column.data().add(rows.start);
        let array = read_only(py, T::kind(py), first.cast(), rows.len())?;
        let base = column.clone().into_ptr();
        if PY_ARRAY_API.PyArray_SetBaseObject(py, array.as_ptr().cast(), base) < 0 {
            return Err(PyErr::fetch(py));
        }
        Ok(array)
    }
}

/// A read-only array over memory that nobody keeps alive yet.
///
/// # Safety
/// The memory holds `len` cells of the kind, and the array gets a base that keeps them alive and unwritten.
#[inline]
unsafe fn read_only<'py>(
    py: Python<'py>,
    kind: &Kind,
    first: *mut c_void,
    len: usize,
) -> PyResult<Bound<'py, PyAny>> {
    let mut shape = [len as npy_intp];
    // SAFETY: said by the caller. NumPy takes over the reference to the type description.
    unsafe {
        let array = PY_ARRAY_API.PyArray_NewFromDescr(
            py,
            kind.class.as_ptr().cast(),
            kind.dtype.clone_ref(py).into_ptr().cast(),
            1,
            shape.as_mut_ptr(),
            std::ptr::null_mut(),
            first,
            NPY_ARRAY_CARRAY_RO,
            std::ptr::null_mut(),
        );
        Bound::from_owned_ptr_or_err(py, array)
    }
}

/// The cells of rows that are never written again, as plain values. The same holds for `rows` as for those of [`view`].
pub(crate) fn plain<C: Cell>(rows: &[C]) -> &[C::Item] {
    // SAFETY: pointer and length come from a live slice that is borrowed for as long as the answer; an atomic has the
    // size and bit validity of the plain type. No cell is written again: published rows never are.
    unsafe { std::slice::from_raw_parts(rows.as_ptr().cast(), rows.len()) }
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

/// What threads use in turn that are attached to the interpreter, one at a time: got at without an atomic.
pub(crate) struct InTurn<T>(RefCell<T>);

// SAFETY: the module asks for the interpreter's lock (`gil_used`). The value is reached through `try_use` only, which asks for
// proof that the thread is attached, and neither it nor what it gives out can be taken along by a thread that detaches: threads
// follow one another, and the lock orders what they do.
unsafe impl<T: Send> Sync for InTurn<T> {}

impl<T> InTurn<T> {
    pub(crate) const fn new(value: T) -> Self {
        Self(RefCell::new(value))
    }

    /// The value, `None` while it is in use: by who asks, further up, or by a thread that let this one go on.
    #[inline]
    pub(crate) fn try_use<'a>(&'a self, _py: Python<'a>) -> Option<RefMut<'a, T>> {
        self.0.try_borrow_mut().ok()
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
