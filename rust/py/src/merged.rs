//! `merge_bars`: the bars of many series as one set of columns, in the order in which they become known.

mod block;
mod columns;
mod instants;
mod target;

use std::collections::VecDeque;
use std::sync::Arc;

use numpy::{PyArray1, PyArrayMethods};
use parking_lot::Mutex;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use tapeloom_core::Error;
use tapeloom_core::columns::Columns;
use tapeloom_core::merge::window::{Lane, split};
use tapeloom_core::session_table::SessionTable;
use tapeloom_core::time::Interval;

use crate::bars::PyBars;
use crate::error::BindResult;
use crate::session_table::PySessionTable;
use crate::sources::{check_threads, shared_out};
use crate::spare::whole;
use block::{Block, PRICES};
pub(crate) use columns::{PyMergedColumns, PyMerging};
use target::Target;

/// One series, and when its bars are known.
#[derive(Debug)]
struct Series {
    columns: Arc<Columns>,
    from: usize,
    to: usize,
    interval: Interval,
    position: i32,
    /// `None` where every bar is known one interval after its start.
    known_at: Option<Vec<i64>>,
}

impl Series {
    fn ts(&self) -> &[i64] {
        &self.columns.ts[self.from..self.to]
    }

    /// Find when the bars are known, and put them in that order: a bar that a bound cuts short may be known before a longer
    /// one that began earlier.
    fn put_in_order(&mut self, table: &SessionTable) -> Result<(), Error> {
        self.known_at = table.known_at(self.ts(), self.interval)?;
        let Some(known_at) = self.known_at.as_mut().filter(|all| !all.is_sorted()) else {
            return Ok(());
        };
        let mut rows: Vec<usize> = (self.from..self.to).collect();
        rows.sort_by_key(|&row| known_at[row - self.from]);
        self.columns = Arc::new(self.columns.take(&rows));
        (self.from, self.to) = (0, rows.len());
        known_at.sort_unstable();
        Ok(())
    }

    fn lane(&self) -> Lane<'_> {
        match &self.known_at {
            Some(known_at) => Lane {
                ts: known_at,
                length: 0,
            },
            None => Lane {
                ts: self.ts(),
                length: self.interval.ns().unwrap_or(0),
            },
        }
    }

    /// Have the memory of a row fetched that is read soon.
    #[inline]
    fn ask_for(&self, row: usize) {
        let prices = self.prices().map(|column| column[row]);
        std::hint::black_box((self.ts()[row], prices));
    }

    fn flags(&self) -> &[u8] {
        &self.columns.flags[self.from..self.to]
    }

    fn prices(&self) -> [&[f64]; 5] {
        let c = &*self.columns;
        [&c.open, &c.high, &c.low, &c.close, &c.volume].map(|column| &column[self.from..self.to])
    }
}

/// All bars in the order in which they become known, and their number.
fn merge(
    py: Python<'_>,
    sources: &[Bound<'_, PyBars>],
    table: &SessionTable,
    threads: usize,
) -> BindResult<(Block, usize)> {
    check_threads(threads)?;
    let mut series = read(sources)?;
    let rows: usize = series.iter().map(|one| one.to - one.from).sum();
    py.detach(|| {
        shared_out(&mut series, threads, rows, |part| {
            part.iter_mut().try_for_each(|one| one.put_in_order(table))
        })
        .into_iter()
        .collect::<Result<(), Error>>()
    })?;
    let block = Block::new(py, rows)?;
    {
        let (mut source, mut ts) = (
            block.source.bind(py).readwrite(),
            block.ts.bind(py).readwrite(),
        );
        let mut prices = block
            .prices
            .each_ref()
            .map(|column| column.bind(py).readwrite());
        let mut flags = block.flags.bind(py).readwrite();
        let target = Target {
            source: whole(source.as_slice_mut())?,
            ts: whole(ts.as_slice_mut())?,
            prices: {
                let mut columns = prices.iter_mut().map(|column| whole(column.as_slice_mut()));
                let mut next = || columns.next().unwrap_or(Ok(&mut []));
                [next()?, next()?, next()?, next()?, next()?]
            },
            flags: whole(flags.as_slice_mut())?,
        };
        py.detach(|| fill_all(&series, target, threads));
    }
    Ok((block, rows))
}

fn read(sources: &[Bound<'_, PyBars>]) -> Result<Vec<Series>, Error> {
    let mut series = Vec::with_capacity(sources.len());
    for (position, bars) in sources.iter().enumerate() {
        if let Some(row) = bars.get().first_fall() {
            return Err(Error::Unsorted {
                what: "source",
                source: position,
                row,
            });
        }
        let (columns, from, to) = bars.get().columns();
        series.push(Series {
            columns,
            from,
            to,
            interval: bars.get().interval(),
            position: position as i32,
            known_at: None,
        });
    }
    // At one instant the finest interval comes first, then the order given.
    series.sort_by_key(|one| one.interval);
    Ok(series)
}

/// Position of the source, start, prices with volume, flags.
pub(crate) type Merged<'py> = (
    Bound<'py, PyArray1<i32>>,
    Bound<'py, PyArray1<i64>>,
    Bound<'py, PyDict>,
    Bound<'py, PyArray1<u8>>,
);

/// See `_core.pyi`.
#[pyfunction]
#[pyo3(signature = (sources, table, *, threads=2))]
pub(crate) fn merge_bars<'py>(
    py: Python<'py>,
    sources: Vec<Bound<'py, PyBars>>,
    table: &Bound<'py, PySessionTable>,
    threads: usize,
) -> BindResult<Merged<'py>> {
    let (block, _) = merge(py, &sources, &table.get().table, threads)?;
    let columns = PyDict::new(py);
    for (name, column) in PRICES.into_iter().zip(block.prices) {
        columns.set_item(name, column)?;
    }
    Ok((
        block.source.into_bound(py),
        block.ts.into_bound(py),
        columns,
        block.flags.into_bound(py),
    ))
}

/// The flags of all rows, where they are the same.
fn one_flag(series: &[Series]) -> Option<u8> {
    let first = *series.iter().find_map(|one| one.flags().first())?;
    let differ = |flags: &[u8]| flags.iter().fold(0, |found, flags| found | (flags ^ first)) != 0;
    let same = !series.iter().any(|one| differ(one.flags()));
    same.then_some(first)
}

/// Rows that the longest series has in a part, if there may be more parts than threads.
const FEWEST_ROWS: usize = 256;
/// Parts for each thread.
const PARTS: usize = 4;

/// Cut the time range into parts, which threads take one after the other; each part has rows of its own.
fn fill_all(series: &[Series], target: Target<'_>, threads: usize) {
    let lanes: Vec<Lane<'_>> = series.iter().map(Series::lane).collect();
    let flags = one_flag(series);
    // A thread is worth its start for some ten thousand rows.
    let threads = threads.min(target.rows() / 50_000 + 1);
    let parts = split(&lanes, parts_for(&lanes, threads));
    let mut rest = Some(target);
    let cut = parts.iter().map_while(|part| {
        let (here, more) = rest.take()?.cut(part.len);
        rest = Some(more);
        Some((part, here))
    });
    let waiting = Mutex::new(cut.collect::<VecDeque<_>>());
    let work = || {
        let mut room = Vec::new();
        loop {
            let Some((part, mut here)) = waiting.lock().pop_front() else {
                return;
            };
            here.fill(series, &lanes, part, flags, &mut room);
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..threads.min(parts.len()) {
            scope.spawn(work);
        }
        work();
    });
}

/// Parts that threads take of their own accord: a thread that comes late, or loses its core for a while, leaves its share to
/// the others. Too short a part has too few rows of each series.
fn parts_for(lanes: &[Lane<'_>], threads: usize) -> usize {
    if threads == 1 {
        return 1;
    }
    let longest = lanes.iter().map(|lane| lane.ts.len()).max().unwrap_or(0);
    (longest / FEWEST_ROWS).clamp(threads, threads * PARTS)
}
