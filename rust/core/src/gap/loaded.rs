//! Missing bars of loaded columns: all sessions of a range at once, without a store.

use std::ops::Range;

use crate::alignment::{Aligner, Stamps};
use crate::gap::MissingRun;
use crate::schedule::Grid;
use crate::session_table::SessionTable;

/// How the rows of one series stand to the sessions asked for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LoadedCounts {
    /// Bars the sessions should have.
    pub expected: u64,
    /// Those that are there.
    pub present: u64,
    /// Rows that repeat the stamp of the row before.
    pub duplicates: u64,
    /// Rows in regular hours that start between two bars of the grid.
    pub off_grid: u64,
    /// Rows outside regular hours.
    pub out_of_session: u64,
}

/// Missing runs and counts of ordered stamps over `sessions`, whose grids are given in order.
///
/// Rows before the first and after the last of these sessions do not count. `runs` gets the missing runs in order.
pub fn missing_runs(
    table: &SessionTable,
    sessions: Range<usize>,
    grids: &[Grid],
    stamps: Stamps<'_>,
    aligner: &mut Aligner,
    runs: &mut Vec<MissingRun>,
) -> LoadedCounts {
    let mut counts = LoadedCounts::default();
    let Some(last) = sessions
        .end
        .checked_sub(1)
        .filter(|&last| last >= sessions.start)
    else {
        return counts;
    };
    let stamps = stamps.alone();
    let ts = stamps.ts();
    let mut row = ts.partition_point(|&at| at < table.session(sessions.start).span.start);
    let end = ts.partition_point(|&at| at < table.session(last).span.end);
    let stamps = stamps.until(end);
    let ts = stamps.ts();
    for grid in grids {
        counts.expected += u64::from(grid.len());
        let rows = aligner.align(stamps, row, grid);
        count_outside(ts, row..rows.start, &mut counts);
        row = rows.end;
        let mut slot = 0;
        for found in aligner.found() {
            add_runs(grid, slot..found.slot, runs);
            slot = found.end();
            counts.present += u64::from(found.len);
        }
        add_runs(grid, slot..grid.len(), runs);
        for &stray in aligner.strays() {
            if ts.get(stray + 1) == Some(&ts[stray]) {
                counts.duplicates += 1;
            } else if grid.is_trading(ts[stray]) {
                counts.off_grid += 1;
            } else {
                counts.out_of_session += 1;
            }
        }
    }
    count_outside(ts, row..end, &mut counts);
    counts
}

fn count_outside(ts: &[i64], rows: Range<usize>, counts: &mut LoadedCounts) {
    for row in rows {
        if row > 0 && ts[row] == ts[row - 1] {
            counts.duplicates += 1;
        } else {
            counts.out_of_session += 1;
        }
    }
}

/// Add the slots, all missing, as runs; a break separates two.
fn add_runs(grid: &Grid, slots: Range<u32>, runs: &mut Vec<MissingRun>) {
    if slots.is_empty() {
        return;
    }
    let mut first = slots.start;
    for slot in slots.clone() {
        let next = slot + 1;
        if next == slots.end || !grid.adjoins(next) {
            runs.push(MissingRun {
                start: grid.start_of(first),
                end: grid.end_of(slot),
                bars: next - first,
            });
            first = next;
        }
    }
}
