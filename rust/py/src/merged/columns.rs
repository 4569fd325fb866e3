//! `MergedColumns`: rows of merged bars as columns. `Merging`: all of them, and what they come from.

use std::ops::Range;

use numpy::{Element, PyArray1};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};
use tapeloom_core::time::Interval;

use super::block::Block;
use super::instants::PyInstants;
use super::merge;
use crate::bars::PyBars;
use crate::deliver::Deliverer;
use crate::error::BindResult;
use crate::export::{self, Exclusive};
use crate::interval::PyInterval;
use crate::session_table::PySessionTable;

/// See `_core.pyi`.
#[pyclass(frozen, name = "Merging", module = "tapeloom._core")]
#[derive(Debug)]
pub(crate) struct PyMerging {
    sources: Py<PyTuple>,
    bars: Vec<Py<PyBars>>,
    pub(super) table: Py<PySessionTable>,
    pub(super) block: Block,
    rows: usize,
}

/// Symbol and bars of each source.
type Named<'py> = Vec<(String, Bound<'py, PyBars>)>;

/// Position of the source, start, prices with volume, flags.
type Given<'py> = (
    Bound<'py, PyAny>,
    Bound<'py, PyAny>,
    Bound<'py, PyDict>,
    Bound<'py, PyAny>,
);

impl PyMerging {
    fn of(
        py: Python<'_>,
        named: Named<'_>,
        table: &Bound<'_, PySessionTable>,
        (block, rows): (Block, usize),
    ) -> PyResult<Self> {
        let mut sources = Vec::with_capacity(named.len());
        let mut all = Vec::with_capacity(named.len());
        for (symbol, bars) in named {
            sources.push((symbol, Py::new(py, PyInterval(bars.get().interval()))?));
            all.push(bars.unbind());
        }
        Ok(Self {
            sources: PyTuple::new(py, sources)?.unbind(),
            bars: all,
            table: table.clone().unbind(),
            block,
            rows,
        })
    }

    /// The interval of all sources, where they have one.
    pub(super) fn interval(&self) -> Option<Interval> {
        let mut all = self.bars.iter().map(|bars| bars.get().interval());
        let first = all.next()?;
        all.all(|other| other == first).then_some(first)
    }
}

#[pymethods]
impl PyMerging {
    #[new]
    #[pyo3(signature = (sources, table, *, threads=2))]
    fn new(
        py: Python<'_>,
        sources: Named<'_>,
        table: &Bound<'_, PySessionTable>,
        threads: usize,
    ) -> BindResult<Self> {
        let bars: Vec<Bound<'_, PyBars>> = sources.iter().map(|(_, bars)| bars.clone()).collect();
        let merged = merge(py, &bars, &table.get().table, threads)?;
        Ok(Self::of(py, sources, table, merged)?)
    }

    #[staticmethod]
    fn done(
        py: Python<'_>,
        sources: Named<'_>,
        table: &Bound<'_, PySessionTable>,
        columns: Given<'_>,
    ) -> BindResult<Self> {
        let (source, ts, prices, flags) = columns;
        let merged = Block::of(&source, &ts, &prices, &flags)?;
        Ok(Self::of(py, sources, table, merged)?)
    }
}

/// See `_core.pyi`.
#[pyclass(frozen, subclass, name = "MergedColumns", module = "tapeloom._core")]
#[derive(Debug)]
pub(crate) struct PyMergedColumns(pub(super) Exclusive<Content>);

/// Some rows of merged columns.
#[derive(Debug)]
pub(crate) struct Content {
    merging: Py<PyMerging>,
    pub(super) rows: Range<usize>,
}

impl PyMergedColumns {
    fn merging(&self) -> &PyMerging {
        self.0.get().merging.get()
    }

    fn view<'py, T: Element + export::Cell>(
        &self,
        py: Python<'py>,
        column: impl FnOnce(&Block) -> &Py<PyArray1<T>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let column = column(&self.merging().block).bind(py);
        export::part(column, self.0.get().rows.clone())
    }

    fn price<'py>(&self, py: Python<'py>, at: usize) -> PyResult<Bound<'py, PyAny>> {
        self.view(py, |block| &block.prices[at])
    }
}

#[pymethods]
impl PyMergedColumns {
    #[new]
    fn new(merging: &Bound<'_, PyMerging>) -> Self {
        Self(Exclusive::new(Content {
            rows: 0..merging.get().rows,
            merging: merging.clone().unbind(),
        }))
    }

    #[getter]
    fn sources<'py>(&self, py: Python<'py>) -> Bound<'py, PyTuple> {
        self.merging().sources.bind(py).clone()
    }

    #[getter]
    fn _table<'py>(&self, py: Python<'py>) -> Bound<'py, PySessionTable> {
        self.merging().table.bind(py).clone()
    }

    #[getter]
    fn source<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.view(py, |block| &block.source)
    }

    #[getter]
    fn ts<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.view(py, |block| &block.ts)
    }

    #[getter]
    fn open<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.price(py, 0)
    }

    #[getter]
    fn high<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.price(py, 1)
    }

    #[getter]
    fn low<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.price(py, 2)
    }

    #[getter]
    fn close<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.price(py, 3)
    }

    #[getter]
    fn volume<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.price(py, 4)
    }

    #[getter]
    fn flags<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.view(py, |block| &block.flags)
    }

    fn __len__(&self) -> usize {
        self.0.get().rows.len()
    }

    fn __copy__<'py>(slf: &Bound<'py, Self>) -> Bound<'py, Self> {
        slf.clone()
    }

    fn _instants(slf: &Bound<'_, Self>) -> BindResult<PyInstants> {
        let content = slf.get().0.get();
        PyInstants::of(slf, content.merging.bind(slf.py()), content.rows.clone())
    }

    fn _each(&self, call: &Bound<'_, PyAny>) -> BindResult<usize> {
        let py = call.py();
        let (merging, rows) = (self.merging(), self.0.get().rows.clone());
        let bars: Vec<Bound<'_, PyBars>> = merging
            .bars
            .iter()
            .map(|bars| bars.bind(py).clone())
            .collect();
        let count = rows.len();
        Deliverer::new(call, &bars).deliver(&merging.block.columns(py), rows)?;
        Ok(count)
    }
}
