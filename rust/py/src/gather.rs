//! The newest rows of many series, copied one series behind the other and aligned on time.

use std::ops::Range;
use std::sync::Arc;

use tapeloom_core::columns::Columns;
use tapeloom_core::segment::{Field, Segment};
use tapeloom_core::series::{Scope, Series, View};
use tapeloom_core::store::Store;
use tapeloom_core::store::newest::{Newest, newest};

use crate::export::plain;

/// Room that is made ahead for each series at most.
const MOST_ROWS: usize = 1_024;

/// The bars of the newest `n` times of several series, all as of one epoch; none for each `None`.
///
/// Three tries; the outer `None` where a series was replaced each time in between.
pub(crate) fn newest_of(
    store: &Store,
    series: &[Option<Arc<Series>>],
    n: usize,
    scope: Scope,
) -> Option<Newest> {
    let rows = |view: &View<'_>| {
        let (first, last) = view.scope(scope);
        (last.saturating_sub(n).max(first), last)
    };
    let mut columns = Columns::with_capacity(n.min(MOST_ROWS) * series.len(), false);
    for _ in 0..3 {
        let epoch = store.epoch();
        // As a rule all have the same minutes: then every row is in its place already.
        if let Some(times) = same_times(epoch, series, rows, &mut columns) {
            return Some(Newest { times, columns });
        }
        if let Some(ranges) = rows_of_each(epoch, series, rows, &mut columns) {
            return Some(newest(columns, &ranges, n));
        }
    }
    None
}

/// Copy all but the stamps, and give these, if all series have the same; else `None`.
fn same_times(
    epoch: u64,
    series: &[Option<Arc<Series>>],
    rows: impl Fn(&View<'_>) -> (usize, usize),
    columns: &mut Columns,
) -> Option<Vec<i64>> {
    columns.clear();
    let mut times: Option<Vec<i64>> = None;
    let is_same = series.iter().all(|one| {
        let copy = |view: View<'_>| {
            let (first, last) = rows(&view);
            let Some((segment, live)) = view.live_rows(first, last) else {
                return false;
            };
            let stamps = plain(&segment.ts_cells()[live.clone()]);
            if times.get_or_insert_with(|| stamps.to_vec()) != stamps {
                return false;
            }
            copy_values(segment, live, columns);
            true
        };
        let seen = one.as_ref().and_then(|one| one.look(epoch, copy));
        seen.unwrap_or(false)
    });
    times.filter(|_| is_same)
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

/// Published rows, each column at once.
fn copy_values(segment: &Segment, rows: Range<usize>, columns: &mut Columns) {
    let floats = |field: Field| plain(&segment.float_cells(field)[rows.clone()]);
    columns.open.extend_from_slice(floats(Field::Open));
    columns.high.extend_from_slice(floats(Field::High));
    columns.low.extend_from_slice(floats(Field::Low));
    columns.close.extend_from_slice(floats(Field::Close));
    columns.volume.extend_from_slice(floats(Field::Volume));
    let flags = plain(&segment.flag_cells()[rows.clone()]);
    columns.flags.extend_from_slice(flags);
}
