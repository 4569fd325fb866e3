//! The newest rows of many series, copied one series behind the other and aligned on time.

use std::ops::Range;
use std::sync::Arc;

use numpy::{Element, IntoPyArray, PyArray1, PyArrayMethods};
use pyo3::prelude::*;
use tapeloom_core::columns::Columns;
use tapeloom_core::segment::{Field, Segment};
use tapeloom_core::series::{Scope, Series, View};
use tapeloom_core::store::Store;
use tapeloom_core::store::newest::{Newest, newest};

use crate::error::BindResult;
use crate::export::plain;
use crate::spare;

/// Room that is made ahead for each series at most.
const MOST_ROWS: usize = 1_024;
/// In their order here.
const PRICES: [Field; 5] = [
    Field::Open,
    Field::High,
    Field::Low,
    Field::Close,
    Field::Volume,
];

/// The bars of some times: columns of shape times x series, each series in one piece of memory.
#[derive(Debug)]
pub(crate) struct Cells<'py> {
    /// Opening instants, rising.
    pub(crate) times: Vec<i64>,
    /// Open, high, low, close, volume.
    pub(crate) prices: [Bound<'py, PyAny>; PRICES.len()],
    pub(crate) flags: Bound<'py, PyAny>,
}

/// The bars of the newest `n` times of several series, all as of one epoch; none for each `None`.
///
/// Three tries; the outer `None` where a series was replaced each time in between.
pub(crate) fn newest_of<'py>(
    py: Python<'py>,
    store: &Store,
    series: &[Option<Arc<Series>>],
    n: usize,
    scope: Scope,
) -> BindResult<Option<Cells<'py>>> {
    let rows = |view: &View<'_>| {
        let (first, last) = view.scope(scope);
        (last.saturating_sub(n).max(first), last)
    };
    for _ in 0..3 {
        let epoch = store.epoch();
        // As a rule all have the same minutes: then each row has its place.
        if let Some(cells) = same_times(py, epoch, series, rows)? {
            return Ok(Some(cells));
        }
        let mut columns = Columns::with_capacity(n.min(MOST_ROWS) * series.len(), false);
        if let Some(ranges) = rows_of_each(epoch, series, rows, &mut columns) {
            return aligned(py, newest(columns, &ranges, n), series.len()).map(Some);
        }
    }
    Ok(None)
}

/// The rows of all series, if these have the same times; else `None`.
fn same_times<'py>(
    py: Python<'py>,
    epoch: u64,
    series: &[Option<Arc<Series>>],
    rows: impl Fn(&View<'_>) -> (usize, usize),
) -> BindResult<Option<Cells<'py>>> {
    let Some(times) = series.first().and_then(|one| times_of(epoch, one, &rows)) else {
        return Ok(None);
    };
    let (m, k) = (times.len(), series.len());
    let column = || spare::array::<f64>(py, m * k);
    let prices = [column()?, column()?, column()?, column()?, column()?];
    let flags = spare::array::<u8>(py, m * k)?;
    {
        let mut writing = prices.each_ref().map(|column| column.readwrite());
        let rooms = writing.each_mut().map(|column| column.as_slice_mut());
        let [open, high, low, close, volume] = rooms.map(spare::whole);
        let mut rooms = [open?, high?, low?, close?, volume?];
        let mut flags = flags.readwrite();
        let mut flags = spare::whole(flags.as_slice_mut())?;
        let are_same = series.iter().all(|one| {
            look(epoch, one, &rows, |segment, live| {
                if plain(&segment.ts_cells()[live.clone()]) != times {
                    return false;
                }
                for (room, field) in rooms.iter_mut().zip(PRICES) {
                    let from = plain(&segment.float_cells(field)[live.clone()]);
                    next_of(room, m).copy_from_slice(from);
                }
                next_of(&mut flags, m).copy_from_slice(plain(&segment.flag_cells()[live]));
                true
            })
            .unwrap_or(false)
        });
        if !are_same {
            return Ok(None);
        }
    }
    let [open, high, low, close, volume] = prices.map(|column| by_time(column, k, m));
    Ok(Some(Cells {
        times,
        prices: [open?, high?, low?, close?, volume?],
        flags: by_time(flags, k, m)?,
    }))
}

/// Look at the wanted rows of a series where they lie; `None` if they lie in several pieces, or nobody keeps it.
#[inline]
fn look<R>(
    epoch: u64,
    one: &Option<Arc<Series>>,
    rows: impl Fn(&View<'_>) -> (usize, usize),
    look: impl FnOnce(&Segment, Range<usize>) -> R,
) -> Option<R> {
    one.as_ref()?.look(epoch, |view| {
        let (first, last) = rows(&view);
        let (segment, live) = view.live_rows(first, last)?;
        Some(look(segment, live))
    })?
}

fn times_of(
    epoch: u64,
    one: &Option<Arc<Series>>,
    rows: impl Fn(&View<'_>) -> (usize, usize),
) -> Option<Vec<i64>> {
    look(epoch, one, rows, |segment, live| {
        plain(&segment.ts_cells()[live]).to_vec()
    })
}

/// The next cells; those behind them are left.
#[inline]
fn next_of<'a, T>(cells: &mut &'a mut [T], count: usize) -> &'a mut [T] {
    let (next, rest) = std::mem::take(cells).split_at_mut(count);
    *cells = rest;
    next
}

fn aligned<'py>(py: Python<'py>, newest: Newest, k: usize) -> BindResult<Cells<'py>> {
    let m = newest.times.len();
    let column = |cells: Vec<f64>| by_time(cells.into_pyarray(py), k, m);
    Ok(Cells {
        prices: [
            column(newest.columns.open)?,
            column(newest.columns.high)?,
            column(newest.columns.low)?,
            column(newest.columns.close)?,
            column(newest.columns.volume)?,
        ],
        flags: by_time(newest.columns.flags.into_pyarray(py), k, m)?,
        times: newest.times,
    })
}

/// Cells of one series after the other, as an array of times x series.
fn by_time<T: Element>(
    cells: Bound<'_, PyArray1<T>>,
    series: usize,
    times: usize,
) -> PyResult<Bound<'_, PyAny>> {
    cells.reshape([series, times])?.getattr("T")
}

/// Copy the rows of all series one behind the other; where those of each are.
fn rows_of_each(
    epoch: u64,
    series: &[Option<Arc<Series>>],
    rows: impl Fn(&View<'_>) -> (usize, usize),
    columns: &mut Columns,
) -> Option<Vec<Range<usize>>> {
    columns.clear();
    let copied = series.iter().map(|one| {
        let from = columns.len();
        if let Some(one) = one {
            one.look(epoch, |view| {
                let (first, last) = rows(&view);
                let slices = view.slices(first, last);
                slices.iter().for_each(|slice| slice.copy_into(columns));
            })?;
        }
        Some(from..columns.len())
    });
    copied.collect()
}
