//! Values of whole sessions and their averages and extremes over history. Reads loaded columns, keeps nothing.

mod rolling;

use crate::alignment::{Aligned, Aligner, Stamps};
use crate::columns::Columns;
use crate::metrics::{Sum, exact_sum};
use crate::schedule::Grid;
use crate::time::MINUTE;
pub use rolling::{Extreme, moving_extreme, rolling_average, rolling_extreme};

/// Which value of a bar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Value {
    /// First price; of a session that of its first bar.
    Open,
    /// Highest price.
    High,
    /// Lowest price.
    Low,
    /// Last price; of a session that of its last bar.
    Close,
    /// Volume; of a session the compensated sum.
    Volume,
}

impl Value {
    fn of(self, columns: &Columns) -> &[f64] {
        match self {
            Self::Open => &columns.open,
            Self::High => &columns.high,
            Self::Low => &columns.low,
            Self::Close => &columns.close,
            Self::Volume => &columns.volume,
        }
    }
}

/// The value of each session, NaN for a session without a bar. `grids` are those of the sessions in order, `stamps`
/// those of the columns; rows off the grid take no part.
pub fn daily_values(
    columns: &Columns,
    stamps: Stamps<'_>,
    grids: &[Grid],
    value: Value,
    aligner: &mut Aligner,
    found: &mut [f64],
) {
    let mut row = stamps.rows().start;
    for (grid, cell) in grids.iter().zip(found) {
        row = aligner.align(stamps, row, grid).end;
        *cell = day_value(value, value.of(columns), aligner.found());
    }
}

fn day_value(value: Value, column: &[f64], found: &[Aligned]) -> f64 {
    let (Some(first), Some(last)) = (found.first(), found.last()) else {
        return f64::NAN;
    };
    let slices = found.iter().map(|a| &column[a.rows()]);
    match value {
        Value::Open => column[first.row],
        Value::Close => column[last.rows().end - 1],
        Value::High => slices
            .flatten()
            .fold(f64::MIN, |a, &b| if b > a { b } else { a }),
        Value::Low => slices
            .flatten()
            .fold(f64::MAX, |a, &b| if b < a { b } else { a }),
        Value::Volume => exact_sum(slices.clone()).unwrap_or_else(|| {
            let mut sum = Sum::default();
            slices.flatten().for_each(|&volume| sum.add(volume));
            sum.value()
        }),
    }
}

/// The mean of each minute after the open over the sessions that have it, NaN where none has. `grids` are minute grids.
///
/// `used` counts the sessions behind each minute. Minutes beyond the length of `means` are left out.
pub fn minute_average(
    columns: &Columns,
    stamps: Stamps<'_>,
    grids: &[Grid],
    value: Value,
    aligner: &mut Aligner,
    means: &mut [f64],
    used: &mut [i32],
) {
    means.fill(0.0);
    used.fill(0);
    let column = value.of(columns);
    let mut row = stamps.rows().start;
    for grid in grids {
        row = aligner.align(stamps, row, grid).end;
        for found in aligner.found() {
            // Minutes in a break count too, so that an index is always a distance from the open.
            let first = ((grid.start_of(found.slot) - grid.open()) / MINUTE) as usize;
            let first = first.min(means.len());
            let len = (found.len as usize).min(means.len() - first);
            let here = first..first + len;
            let values = &column[found.row..found.row + len];
            for (mean, value) in means[here.clone()].iter_mut().zip(values) {
                *mean += value;
            }
            // Where the count rises and falls; the counts themselves are summed up at the end.
            if let Some(rise) = used.get_mut(here.start) {
                *rise += 1;
            }
            if let Some(fall) = used.get_mut(here.end) {
                *fall -= 1;
            }
        }
    }
    let mut count = 0;
    for (mean, change) in means.iter_mut().zip(used) {
        count += *change;
        *change = count;
        *mean = if count > 0 {
            *mean / f64::from(count)
        } else {
            f64::NAN
        };
    }
}
