//! `merge_order`: the order in which bars of sorted sources become known.

use std::sync::Arc;

use numpy::{IntoPyArray, PyArray1};
use pyo3::prelude::*;
use tapeloom_core::columns::Columns;
use tapeloom_core::merge::{Merge, Source};

use crate::convert;
use crate::error::{BindError, BindResult};

type Order<'py> = (Bound<'py, PyArray1<i32>>, Bound<'py, PyArray1<i64>>);

/// See `_core.pyi`.
#[pyfunction]
pub(crate) fn merge_order<'py>(
    py: Python<'py>,
    ts: Vec<Bound<'py, PyAny>>,
    intervals: Vec<Bound<'py, PyAny>>,
) -> BindResult<Order<'py>> {
    if ts.len() != intervals.len() {
        return Err(BindError::argument(format!(
            "{} sources but {} intervals",
            ts.len(),
            intervals.len()
        )));
    }
    let mut sources = Vec::with_capacity(ts.len());
    for (stamps, interval) in ts.iter().zip(&intervals) {
        let ts: Vec<i64> = convert::column(stamps, "ts", "int64")?;
        let to = ts.len();
        let columns = Arc::new(Columns {
            ts,
            ..Columns::default()
        });
        sources.push(Source {
            columns,
            from: 0,
            to,
            interval: convert::interval(interval)?,
            latest: i64::MAX,
            known_at: None,
            is_sorted: false,
        });
    }
    let (lanes, rows): (Vec<i32>, Vec<i64>) =
        py.detach(|| -> Result<_, tapeloom_core::Error> {
            Ok(Merge::new(sources)?
                .map(|item| (item.source as i32, item.row as i64))
                .unzip())
        })?;
    Ok((lanes.into_pyarray(py), rows.into_pyarray(py)))
}
