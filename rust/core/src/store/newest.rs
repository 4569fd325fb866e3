//! The newest bars of many series, aligned on time.

use std::ops::Range;

use crate::columns::Columns;

/// The newest bars of several series: one column of each field, `times` cells for each series in turn.
#[derive(Debug, Default)]
pub struct Newest {
    /// Opening instants of the rows, rising.
    pub times: Vec<i64>,
    /// For each series a cell per time; NaN, and flags 0, where there is no bar.
    pub columns: Columns,
}

/// Align the rows of each series, which lie in `columns` one behind the other, on their newest `n` times.
pub fn newest(columns: Columns, rows: &[Range<usize>], n: usize) -> Newest {
    let mut times: Vec<i64> = columns.ts.clone();
    times.sort_unstable();
    times.dedup();
    times.drain(..times.len().saturating_sub(n));
    let cells = times.len() * rows.len();
    let mut placed = Columns {
        ts: Vec::new(),
        open: vec![f64::NAN; cells],
        high: vec![f64::NAN; cells],
        low: vec![f64::NAN; cells],
        close: vec![f64::NAN; cells],
        volume: vec![f64::NAN; cells],
        flags: vec![0; cells],
        constituents: Vec::new(),
    };
    for (series, rows) in rows.iter().enumerate() {
        let mut at = 0;
        for row in rows.clone() {
            let ts = columns.ts[row];
            while at < times.len() && times[at] < ts {
                at += 1;
            }
            // Older than the newest times.
            if times.get(at) != Some(&ts) {
                continue;
            }
            let cell = series * times.len() + at;
            placed.open[cell] = columns.open[row];
            placed.high[cell] = columns.high[row];
            placed.low[cell] = columns.low[row];
            placed.close[cell] = columns.close[row];
            placed.volume[cell] = columns.volume[row];
            placed.flags[cell] = columns.flags[row];
        }
    }
    Newest {
        times,
        columns: placed,
    }
}
