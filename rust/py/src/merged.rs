//! `merge_bars`: the bars of many series as one set of columns, in the order in which they become known.

mod block;
mod columns;
mod instants;

use std::sync::Arc;

use numpy::{PyArray1, PyArrayMethods};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use tapeloom_core::Error;
use tapeloom_core::columns::Columns;
use tapeloom_core::merge::window::{Lane, Part, Placed, merge_part, split};
use tapeloom_core::session_table::SessionTable;
use tapeloom_core::time::Interval;

use crate::bars::PyBars;
use crate::error::BindResult;
use crate::session_table::PySessionTable;
use crate::sources::{check_threads, shared_out};
use crate::spare::whole;
use block::{Block, PRICES};
pub(crate) use columns::{PyMergedColumns, PyMerging};

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

/// The merged columns, or the stretch of them that one part fills.
struct Target<'a> {
    source: &'a mut [i32],
    ts: &'a mut [i64],
    prices: [&'a mut [f64]; 5],
    flags: &'a mut [u8],
}

impl<'a> Target<'a> {
    /// The first rows, and the rest.
    fn cut(self, rows: usize) -> (Self, Self) {
        let (source, more_source) = self.source.split_at_mut(rows);
        let (ts, more_ts) = self.ts.split_at_mut(rows);
        let (flags, more_flags) = self.flags.split_at_mut(rows);
        let mut first = Vec::with_capacity(5);
        let more_prices = self.prices.map(|column| {
            let (here, rest) = column.split_at_mut(rows);
            first.push(here);
            rest
        });
        let mut first = first.into_iter();
        let prices = std::array::from_fn(|_| first.next().unwrap_or_default());
        let here = Self {
            source,
            ts,
            prices,
            flags,
        };
        let rest = Self {
            source: more_source,
            ts: more_ts,
            prices: more_prices,
            flags: more_flags,
        };
        (here, rest)
    }

    fn fill(&mut self, series: &[Series], lanes: &[Lane<'_>], part: &Part, flags: Option<u8>) {
        if let Some(flags) = flags {
            self.flags.fill(flags);
        }
        merge_part(lanes, part, |placed: &Placed<'_>| {
            placed.scatter_lanes(|lane| series[lane].position, self.source);
            self.fill_window(series, placed);
            if flags.is_none() {
                placed.scatter(|lane| series[lane].flags(), self.flags);
            }
        });
    }

    /// Starts and prices of a window, all at once: the memory of all of them is then waited for together.
    fn fill_window(&mut self, series: &[Series], placed: &Placed<'_>) {
        let window = placed.first..placed.first + placed.places.len();
        let ts = &mut self.ts[window.clone()];
        let mut targets = self
            .prices
            .each_mut()
            .map(|target| &mut target[window.clone()]);
        let mut places = placed.places;
        for (at, &(lane, row, len)) in placed.runs.iter().enumerate() {
            let (here, rest) = places.split_at(len);
            places = rest;
            let stamps = &series[lane].ts()[row..row + len];
            let columns = series[lane].prices().map(|column| &column[row..row + len]);
            if let Some(&(next, row, _)) = placed.runs.get(at + 1) {
                series[next].ask_for(row);
            }
            for (offset, &place) in here.iter().enumerate() {
                ts[place as usize] = stamps[offset];
                for (target, column) in targets.iter_mut().zip(&columns) {
                    target[place as usize] = column[offset];
                }
            }
        }
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

/// Cut the time range over threads; each fills its own rows.
fn fill_all(series: &[Series], mut rest: Target<'_>, threads: usize) {
    let lanes: Vec<Lane<'_>> = series.iter().map(Series::lane).collect();
    let flags = one_flag(series);
    // A thread is worth its start for some ten thousand rows.
    let rows = rest.ts.len();
    let parts = split(&lanes, threads.min(rows / 50_000 + 1));
    std::thread::scope(|scope| {
        let last = parts.len() - 1;
        for (number, part) in parts.iter().enumerate() {
            let (mut here, more) = rest.cut(part.len);
            rest = more;
            let lanes = &lanes;
            if number == last {
                here.fill(series, lanes, part, flags);
                break;
            }
            scope.spawn(move || here.fill(series, lanes, part, flags));
        }
    });
}
