//! `Interval`: length of a bar.

use pyo3::basic::CompareOp;
use pyo3::prelude::*;
use tapeloom_core::time::Interval;

use crate::convert;
use crate::error::BindResult;

/// See `_core.pyi`.
#[pyclass(frozen, name = "Interval", module = "tapeloom._core")]
#[derive(Debug)]
pub(crate) struct PyInterval(pub(crate) Interval);

#[pymethods]
impl PyInterval {
    #[new]
    fn new(value: &Bound<'_, PyAny>) -> BindResult<Self> {
        Ok(Self(convert::interval(value)?))
    }

    #[getter]
    fn text(&self) -> String {
        self.0.to_string()
    }

    #[getter]
    fn ns(&self) -> Option<i64> {
        self.0.ns()
    }

    fn divides(&self, other: &Bound<'_, PyAny>) -> BindResult<bool> {
        Ok(self.0.divides(convert::interval(other)?))
    }

    fn __str__(&self) -> String {
        self.text()
    }

    fn __repr__(&self) -> String {
        format!("Interval('{}')", self.0)
    }

    fn __hash__(&self) -> u64 {
        use std::hash::{DefaultHasher, Hash, Hasher};
        let mut hasher = DefaultHasher::new();
        self.0.hash(&mut hasher);
        hasher.finish()
    }

    fn __richcmp__(&self, other: &Bound<'_, PyAny>, op: CompareOp) -> Py<PyAny> {
        let py = other.py();
        match other.cast::<Self>() {
            Ok(other) => {
                let holds = op.matches(self.0.cmp(&other.get().0));
                pyo3::types::PyBool::new(py, holds)
                    .to_owned()
                    .into_any()
                    .unbind()
            }
            Err(_) => py.NotImplemented(),
        }
    }

    fn __getnewargs__(&self) -> (String,) {
        (self.text(),)
    }
}
