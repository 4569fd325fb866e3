//! Calls a function with each bar of merged columns, built while it is delivered.

use std::ops::Range;

use numpy::{Element, PyReadonlyArray1, PyUntypedArrayMethods};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use tapeloom_core::bar::Bar;

use crate::bar::PyBarData;
use crate::bars::PyBars;
use crate::convert;
use crate::error::{BindError, BindResult};
use crate::label::PyLabel;

/// Rows copied out at once: the callee may do what it likes with the columns meanwhile.
const CHUNK: usize = 1_024;

/// Calls a function with bars of some sources.
pub(crate) struct Deliverer<'a, 'py> {
    call: &'a Bound<'py, PyAny>,
    sources: &'a [Bound<'py, PyBars>],
    labels: Vec<Py<PyLabel>>,
    chunk: Vec<(usize, Bar)>,
}

impl<'a, 'py> Deliverer<'a, 'py> {
    pub(crate) fn new(call: &'a Bound<'py, PyAny>, sources: &'a [Bound<'py, PyBars>]) -> Self {
        let label = |bars: &Bound<'py, PyBars>| bars.get().label_of(call.py());
        Self {
            call,
            sources,
            labels: sources.iter().map(label).collect(),
            chunk: Vec::with_capacity(CHUNK),
        }
    }

    /// Call it with each of some rows.
    pub(crate) fn deliver(&mut self, columns: &Columns<'py>, rows: Range<usize>) -> BindResult<()> {
        let Self {
            call,
            sources,
            labels,
            chunk,
        } = self;
        let py = call.py();
        let (mut from, rows) = (rows.start, rows.end);
        while from < rows {
            let to = (from + CHUNK).min(rows);
            columns.copy(from..to, chunk)?;
            for &(source, bar) in chunk.iter() {
                let label = labels.get(source).ok_or_else(|| {
                    BindError::argument(format!(
                        "a row from {from} on names a source that is none of the {}",
                        labels.len()
                    ))
                })?;
                // The merged columns do not hold how many base bars a derived bar has; its source does.
                let constituents = if label.get().is_derived {
                    sources[source].get().constituents_at(bar.ts)
                } else {
                    None
                };
                call.call1((PyBarData::known(py, label, bar, constituents)?,))?;
            }
            // A function that is no Python code never looks whether somebody wants to stop.
            py.check_signals()?;
            from = to;
        }
        Ok(())
    }
}

/// Merged columns, read where they lie.
pub(crate) struct Columns<'py> {
    pub(crate) source: PyReadonlyArray1<'py, i32>,
    pub(crate) ts: PyReadonlyArray1<'py, i64>,
    pub(crate) prices: [PyReadonlyArray1<'py, f64>; 5],
    pub(crate) flags: PyReadonlyArray1<'py, u8>,
}

impl<'py> Columns<'py> {
    /// Columns as `merge_bars` returns them.
    pub(crate) fn new(
        source: &Bound<'py, PyAny>,
        ts: &Bound<'py, PyAny>,
        prices: &Bound<'py, PyDict>,
        flags: &Bound<'py, PyAny>,
    ) -> BindResult<Self> {
        let column = |name: &str| -> BindResult<PyReadonlyArray1<'py, f64>> {
            let found = prices.get_item(name)?;
            let found =
                found.ok_or_else(|| BindError::argument(format!("prices has no column {name}")))?;
            convert::array(&found, name, "float64")
        };
        let columns = Self {
            source: convert::array(source, "source", "int32")?,
            ts: convert::array(ts, "ts", "int64")?,
            prices: [
                column("open")?,
                column("high")?,
                column("low")?,
                column("close")?,
                column("volume")?,
            ],
            flags: convert::array(flags, "flags", "uint8")?,
        };
        let rows = columns.rows();
        if columns.lengths().any(|len| len != rows) {
            return Err(BindError::argument("columns must be of one length"));
        }
        Ok(columns)
    }

    pub(crate) fn rows(&self) -> usize {
        self.ts.len()
    }

    fn lengths(&self) -> impl Iterator<Item = usize> + '_ {
        let prices = self.prices.iter().map(|column| column.len());
        prices.chain([self.source.len(), self.flags.len()])
    }

    /// Copy some rows out: the source and the bar of each.
    fn copy(&self, rows: Range<usize>, chunk: &mut Vec<(usize, Bar)>) -> BindResult<()> {
        let (source, ts, flags) = (
            part(&self.source, &rows)?,
            part(&self.ts, &rows)?,
            part(&self.flags, &rows)?,
        );
        let [open, high, low, close, volume] = &self.prices;
        let (open, high, low) = (part(open, &rows)?, part(high, &rows)?, part(low, &rows)?);
        let (close, volume) = (part(close, &rows)?, part(volume, &rows)?);
        chunk.clear();
        chunk.extend((0..rows.len()).map(|row| {
            let bar = Bar {
                ts: ts[row],
                open: open[row],
                high: high[row],
                low: low[row],
                close: close[row],
                volume: volume[row],
                flags: flags[row],
            };
            // A negative position is no source either.
            (usize::try_from(source[row]).unwrap_or(usize::MAX), bar)
        }));
        Ok(())
    }
}

fn part<'a, T: Element>(
    column: &'a PyReadonlyArray1<'_, T>,
    rows: &Range<usize>,
) -> BindResult<&'a [T]> {
    let cells = column.as_slice().ok().and_then(|all| all.get(rows.clone()));
    cells.ok_or_else(|| BindError::argument("columns must be contiguous and keep their length"))
}
