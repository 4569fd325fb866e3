//! The columns of a snapshot as arrays: views of its rows, which they keep alive.

use numpy::{PyArray1, PyArrayMethods};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyString};
use tapeloom_core::segment::Field;
use tapeloom_core::series::Rows;

use crate::bars::PyBars;
use crate::export;

impl PyBars {
    pub(super) fn stamps<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        let whole = slf.get().whole();
        match &whole.rows {
            Rows::Live(segment) => export::view(slf, &segment.ts_cells()[whole.from..whole.to]),
            Rows::Sealed(columns) | Rows::Flagged { columns, .. } => {
                export::view(slf, &columns.ts[whole.from..whole.to])
            }
        }
    }

    pub(super) fn floats<'py>(slf: &Bound<'py, Self>, field: Field) -> PyResult<Bound<'py, PyAny>> {
        let whole = slf.get().whole();
        match &whole.rows {
            Rows::Live(segment) => {
                export::view(slf, &segment.float_cells(field)[whole.from..whole.to])
            }
            Rows::Sealed(columns) | Rows::Flagged { columns, .. } => {
                export::view(slf, &columns.floats(field)[whole.from..whole.to])
            }
        }
    }

    pub(super) fn flag_bits<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        let whole = slf.get().whole();
        match &whole.rows {
            Rows::Live(segment) => export::view(slf, &segment.flag_cells()[whole.from..whole.to]),
            Rows::Sealed(columns) => export::view(slf, &columns.flags[whole.from..whole.to]),
            Rows::Flagged { flags, .. } => export::view(slf, flags.of(whole.from..whole.to)),
        }
    }

    pub(super) fn base_bars<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        let this = slf.get();
        let whole = this.whole();
        if !this.label().is_derived {
            // A base bar is made of itself.
            let ones = PyArray1::from_vec(slf.py(), vec![1_i32; this.rows()]);
            ones.readwrite().make_nonwriteable();
            return Ok(ones.into_any());
        }
        match &whole.rows {
            Rows::Live(segment) => {
                export::view(slf, &segment.constituent_cells()[whole.from..whole.to])
            }
            Rows::Sealed(columns) | Rows::Flagged { columns, .. } => {
                let counts = columns.constituents.get(whole.from..whole.to);
                export::view(slf, counts.unwrap_or(&[]))
            }
        }
    }

    /// All columns by name.
    pub(super) fn all_columns<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyDict>> {
        let py = slf.py();
        // With room for all names: a dict that grows is laid out anew on the way.
        let columns = COLUMNS.get_or_try_init(py, || no_columns(py))?;
        let columns = columns.bind(py).copy()?;
        columns.set_item(intern!(py, "ts"), Self::stamps(slf)?)?;
        columns.set_item(intern!(py, "open"), Self::open(slf)?)?;
        columns.set_item(intern!(py, "high"), Self::high(slf)?)?;
        columns.set_item(intern!(py, "low"), Self::low(slf)?)?;
        columns.set_item(intern!(py, "close"), Self::close(slf)?)?;
        columns.set_item(intern!(py, "volume"), Self::volume(slf)?)?;
        columns.set_item(intern!(py, "flags"), Self::flag_bits(slf)?)?;
        Ok(columns)
    }
}

/// A dict of all columns without their values, to be copied.
static COLUMNS: PyOnceLock<Py<PyDict>> = PyOnceLock::new();

fn no_columns(py: Python<'_>) -> PyResult<Py<PyDict>> {
    let columns = PyDict::new(py);
    for name in ["ts", "open", "high", "low", "close", "volume", "flags"] {
        columns.set_item(PyString::intern(py, name), py.None())?;
    }
    Ok(columns.unbind())
}
