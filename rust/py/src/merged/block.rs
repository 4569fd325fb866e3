//! Merged columns in memory that is used again.

use numpy::{Element, PyArray1, PyArrayMethods, PyReadonlyArray1};
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::deliver::Columns;
use crate::error::{BindError, BindResult};
use crate::spare;

/// Names of the prices, with the volume, in their order here.
pub(super) const PRICES: [&str; 5] = ["open", "high", "low", "close", "volume"];

/// Columns of one length. Nobody writes into them once they are filled.
#[derive(Debug)]
pub(crate) struct Block {
    /// Position of the source.
    pub(crate) source: Py<PyArray1<i32>>,
    pub(crate) ts: Py<PyArray1<i64>>,
    pub(crate) prices: [Py<PyArray1<f64>>; 5],
    pub(crate) flags: Py<PyArray1<u8>>,
}

impl Block {
    /// With any content, to be filled.
    pub(super) fn new(py: Python<'_>, rows: usize) -> PyResult<Self> {
        let column = || Ok::<_, PyErr>(spare::array::<f64>(py, rows)?.unbind());
        Ok(Self {
            source: spare::array::<i32>(py, rows)?.unbind(),
            ts: spare::array::<i64>(py, rows)?.unbind(),
            prices: [column()?, column()?, column()?, column()?, column()?],
            flags: spare::array::<u8>(py, rows)?.unbind(),
        })
    }

    /// Of columns as `merge_bars` returns them.
    pub(super) fn of(
        source: &Bound<'_, PyAny>,
        ts: &Bound<'_, PyAny>,
        prices: &Bound<'_, PyDict>,
        flags: &Bound<'_, PyAny>,
    ) -> BindResult<(Self, usize)> {
        let given = Columns::new(source, ts, prices, flags)?;
        let [open, high, low, close, volume] = &given.prices;
        let block = Self {
            source: array(&given.source)?,
            ts: array(&given.ts)?,
            prices: [
                array(open)?,
                array(high)?,
                array(low)?,
                array(close)?,
                array(volume)?,
            ],
            flags: array(&given.flags)?,
        };
        Ok((block, given.rows()))
    }

    /// To be read where they lie.
    pub(crate) fn columns<'py>(&self, py: Python<'py>) -> Columns<'py> {
        Columns {
            source: self.source.bind(py).readonly(),
            ts: self.ts.bind(py).readonly(),
            prices: self
                .prices
                .each_ref()
                .map(|column| column.bind(py).readonly()),
            flags: self.flags.bind(py).readonly(),
        }
    }
}

fn array<T: Element>(column: &PyReadonlyArray1<'_, T>) -> BindResult<Py<PyArray1<T>>> {
    if column.as_slice().is_err() {
        return Err(BindError::argument("columns must be contiguous"));
    }
    Ok((**column).clone().unbind())
}
