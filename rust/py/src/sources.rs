//! Loaded series handed in as `Bars`, and the threads that share them.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::ops::Range;
use std::sync::Arc;

use pyo3::prelude::*;
use tapeloom_core::Error;
use tapeloom_core::alignment::{Order, Stamps};
use tapeloom_core::columns::Columns;
use tapeloom_core::schedule::Grid;
use tapeloom_core::session_table::SessionTable;
use tapeloom_core::time::Interval;

use crate::bars::PyBars;
use crate::error::{BindError, BindResult};

/// Ordered rows of one symbol and interval.
#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) columns: Arc<Columns>,
    pub(crate) from: usize,
    pub(crate) to: usize,
    pub(crate) interval: Interval,
    order: Arc<Order>,
}

impl Source {
    /// Number of rows.
    pub(crate) fn len(&self) -> usize {
        self.to - self.from
    }

    /// The stamps of the rows.
    pub(crate) fn stamps(&self) -> Stamps<'_> {
        Stamps::new(&self.columns.ts, self.from..self.to, Some(&self.order))
    }
}

/// The rows of each source, which must be in order.
pub(crate) fn read(sources: &[Bound<'_, PyBars>]) -> BindResult<Vec<Source>> {
    let mut all = Vec::with_capacity(sources.len());
    for (position, bars) in sources.iter().enumerate() {
        let order = bars.get().order().clone();
        if let Some(row) = order.fall {
            return Err(Error::Unsorted {
                what: "source",
                source: position,
                row,
            }
            .into());
        }
        let (columns, from, to) = bars.get().columns();
        all.push(Source {
            columns,
            from,
            to,
            interval: bars.get().interval(),
            order,
        });
    }
    Ok(all)
}

/// The grids of sessions `[first, last)` for each interval among the sources.
pub(crate) fn grids(
    table: &SessionTable,
    sessions: Range<usize>,
    sources: &[Source],
) -> BindResult<HashMap<Interval, Vec<Grid>>> {
    let mut grids = HashMap::new();
    for source in sources {
        if let Entry::Vacant(place) = grids.entry(source.interval) {
            let all = sessions.clone().map(|at| table.grid(at, source.interval));
            place.insert(all.collect::<Result<Vec<Grid>, Error>>()?);
        }
    }
    Ok(grids)
}

pub(crate) fn check_threads(threads: usize) -> BindResult<()> {
    if threads == 0 {
        return Err(BindError::argument("threads is 0; it must be at least 1"));
    }
    Ok(())
}

/// Do a job for stretches of the items, on several threads where there is enough to do; answers in order.
pub(crate) fn shared_out<T: Send, R: Send>(
    items: &mut [T],
    threads: usize,
    rows: usize,
    job: impl Fn(&mut [T]) -> R + Sync,
) -> Vec<R> {
    // A thread is worth its start for some ten thousand rows.
    let threads = threads.min(rows / 50_000 + 1).min(items.len().max(1));
    let share = items.len().div_ceil(threads).max(1);
    let mut parts = items.chunks_mut(share);
    let Some(mine) = parts.next() else {
        return Vec::new();
    };
    std::thread::scope(|scope| {
        let job = &job;
        let others: Vec<_> = parts.map(|part| scope.spawn(move || job(part))).collect();
        let mut answers = vec![job(mine)];
        for other in others {
            match other.join() {
                Ok(answer) => answers.push(answer),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        answers
    })
}
