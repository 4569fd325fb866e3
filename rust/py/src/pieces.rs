//! `PiecewiseMerge`: merge of sources that arrive in pieces.

use numpy::IntoPyArray;
use parking_lot::{Mutex, MutexGuard};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use tapeloom_core::columns::Columns;
use tapeloom_core::merge::pieces::PiecewiseMerge;
use tapeloom_core::time::Interval;

use crate::bars::PyBars;
use crate::convert;
use crate::error::{BindError, BindResult};
use crate::merged::Merged;
use crate::session_table::PySessionTable;

/// See `_core.pyi`.
#[pyclass(frozen, name = "PiecewiseMerge", module = "tapeloom._core")]
#[derive(Debug)]
pub(crate) struct PyPiecewiseMerge {
    merge: Mutex<PiecewiseMerge>,
    intervals: Vec<Interval>,
    table: Py<PySessionTable>,
}

#[pymethods]
impl PyPiecewiseMerge {
    #[new]
    fn new(
        intervals: Vec<Bound<'_, PyAny>>,
        table: &Bound<'_, PySessionTable>,
    ) -> BindResult<Self> {
        let intervals: Vec<Interval> = intervals
            .iter()
            .map(convert::interval)
            .collect::<BindResult<_>>()?;
        Ok(Self {
            merge: Mutex::new(PiecewiseMerge::new(&intervals)),
            intervals,
            table: table.clone().unbind(),
        })
    }

    fn needs(&self) -> BindResult<Option<u32>> {
        Ok(self.idle()?.needs())
    }

    fn feed(&self, bars: &Bound<'_, PyBars>) -> BindResult<()> {
        let mut merge = self.idle()?;
        let Some(needs) = merge.needs() else {
            return Err(BindError::argument("no source needs a piece now"));
        };
        let wanted = self.intervals[needs as usize];
        let got = bars.get().interval();
        if got != wanted {
            return Err(BindError::argument(format!(
                "source {needs} has {wanted} bars; the piece has {got} bars"
            )));
        }
        let (columns, from, to) = bars.get().columns();
        let mut piece = Columns::with_capacity(to - from, false);
        piece.extend_from(&columns, from..to);
        piece.constituents.clear();
        let known_at = self.table.get().table.known_at(&piece.ts, wanted)?;
        Ok(merge.feed(piece, known_at)?)
    }

    fn end(&self) -> BindResult<()> {
        self.idle()?.end();
        Ok(())
    }

    fn take<'py>(&self, py: Python<'py>, rows: usize) -> BindResult<Merged<'py>> {
        let mut merge = self.idle()?;
        let running: &mut PiecewiseMerge = &mut merge;
        let (source, columns) = py.detach(|| {
            let mut source = Vec::with_capacity(rows);
            let mut columns = Columns::with_capacity(rows, false);
            while columns.len() < rows
                && let Some(taken) = running.take()
            {
                source.push(taken.source as i32);
                columns.push(taken.bar);
            }
            (source, columns)
        });
        let prices = PyDict::new(py);
        let named = [
            ("open", columns.open),
            ("high", columns.high),
            ("low", columns.low),
            ("close", columns.close),
            ("volume", columns.volume),
        ];
        for (name, column) in named {
            prices.set_item(name, column.into_pyarray(py))?;
        }
        Ok((
            source.into_pyarray(py),
            columns.ts.into_pyarray(py),
            prices,
            columns.flags.into_pyarray(py),
        ))
    }
}

impl PyPiecewiseMerge {
    /// The merge, unless another thread is at it.
    fn idle(&self) -> BindResult<MutexGuard<'_, PiecewiseMerge>> {
        self.merge.try_lock().ok_or_else(|| {
            BindError::Named(
                "StateError",
                "the merge is running in another thread".into(),
            )
        })
    }
}
