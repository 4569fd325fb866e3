//! Rows folded into bars of as many rows each. Knows no sessions and no buckets.
//!
//! All columns are read side by side: one after the other, for a few hundred rows each, the memory behind every column
//! would have to be waited for again and again.

use std::mem::take;
use std::ops::Range;

use crate::aggregate::forming::{higher, lower};
use crate::columns::Columns;
use crate::metrics::{Sum, fraction, fractions, is_exact};

/// What is known of volumes that were added up.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Added {
    pub(super) total: f64,
    /// Bits that are set where one was not whole.
    pub(super) fractions: u64,
}

impl Added {
    pub(super) fn add(&mut self, other: Self) {
        self.total += other.total;
        self.fractions |= other.fractions;
    }

    /// Whether nothing was rounded, so that any order gives the same sums.
    pub(super) fn is_exact(self) -> bool {
        is_exact(self.fractions, self.total)
    }
}

/// Prices and volumes of some rows.
#[derive(Debug, Clone, Copy)]
struct Rows<'a> {
    open: &'a [f64],
    high: &'a [f64],
    low: &'a [f64],
    close: &'a [f64],
    volume: &'a [f64],
}

/// Where their bars go: open, high, low, close and volume, put together so that they grow together.
type Bars = (Vec<f64>, Vec<f64>, Vec<f64>, Vec<f64>, Vec<f64>);

/// Append the prices and volumes of bars of `each` rows. Volumes are those of streaming, added up without rounding or with
/// compensation.
pub(super) fn fold_alike(
    columns: &Columns,
    rows: Range<usize>,
    each: usize,
    done: &mut Columns,
) -> Added {
    let begun = done.volume.len();
    let volumes = &columns.volume[rows.clone()];
    let added = Added {
        total: fold_exact(columns, rows, each, done),
        // By itself many at once, and near still.
        fractions: fractions(volumes),
    };
    if !added.is_exact() {
        let volumes = volumes.chunks_exact(each);
        for (place, values) in done.volume[begun..].iter_mut().zip(volumes) {
            *place = compensated(values);
        }
    }
    added
}

/// The same where volumes are known to add up without rounding. Gives back what all of them add up to.
pub(super) fn fold_exact(
    columns: &Columns,
    rows: Range<usize>,
    each: usize,
    done: &mut Columns,
) -> f64 {
    let all = Rows {
        open: &columns.open[rows.clone()],
        high: &columns.high[rows.clone()],
        low: &columns.low[rows.clone()],
        close: &columns.close[rows.clone()],
        volume: &columns.volume[rows],
    };
    let mut bars = (
        take(&mut done.open),
        take(&mut done.high),
        take(&mut done.low),
        take(&mut done.close),
        take(&mut done.volume),
    );
    // The usual numbers without a loop inside.
    let total = match each {
        2 => fold_known::<2>(all, &mut bars),
        3 => fold_known::<3>(all, &mut bars),
        4 => fold_known::<4>(all, &mut bars),
        5 => fold_known::<5>(all, &mut bars),
        6 => fold_known::<6>(all, &mut bars),
        10 => fold_known::<10>(all, &mut bars),
        12 => fold_known::<12>(all, &mut bars),
        15 => fold_known::<15>(all, &mut bars),
        _ => fold_any(all, each, &mut bars),
    };
    (done.open, done.high, done.low, done.close, done.volume) = bars;
    total
}

fn fold_known<const N: usize>(rows: Rows<'_>, bars: &mut Bars) -> f64 {
    let mut total = 0.0;
    let opens = rows.open.as_chunks::<N>().0.iter();
    let closes = rows.close.as_chunks::<N>().0;
    let highs = rows.high.as_chunks::<N>().0;
    let lows = rows.low.as_chunks::<N>().0;
    let volumes = rows.volume.as_chunks::<N>().0;
    let all = opens.zip(closes).zip(highs.iter().zip(lows)).zip(volumes);
    bars.extend(all.map(|(((open, close), (high, low)), volume)| {
        // From left to right, so that even the sign of a zero is that of streaming.
        let (mut h, mut l, mut v) = (high[0], low[0], volume[0]);
        for k in 1..N {
            h = higher(h, high[k]);
            l = lower(l, low[k]);
            v += volume[k];
        }
        total += v;
        (open[0], h, l, close[N - 1], v)
    }));
    total
}

fn fold_any(rows: Rows<'_>, each: usize, bars: &mut Bars) -> f64 {
    let mut total = 0.0;
    let opens = rows.open.chunks_exact(each);
    let closes = rows.close.chunks_exact(each);
    let highs = rows.high.chunks_exact(each);
    let lows = rows.low.chunks_exact(each);
    let volumes = rows.volume.chunks_exact(each);
    let all = opens.zip(closes).zip(highs.zip(lows)).zip(volumes);
    bars.extend(all.map(|(((open, close), (high, low)), volume)| {
        let fold = fold_rows(high, low, volume);
        total += fold.added.total;
        (
            open[0],
            fold.high,
            fold.low,
            close[each - 1],
            fold.added.total,
        )
    }));
    total
}

/// Highest, lowest and sum of some rows.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fold {
    pub(super) high: f64,
    pub(super) low: f64,
    pub(super) added: Added,
}

/// Fold rows of which there is at least one, from left to right.
pub(super) fn fold_rows(high: &[f64], low: &[f64], volume: &[f64]) -> Fold {
    let mut fold = Fold {
        high: high[0],
        low: low[0],
        added: Added::default(),
    };
    // All on the way at once, so that none waits for the one before it alone.
    for ((&h, &l), &v) in high.iter().zip(low).zip(volume) {
        fold.high = higher(fold.high, h);
        fold.low = lower(fold.low, l);
        fold.added.add(Added {
            total: v,
            fractions: fraction(v),
        });
    }
    fold
}

fn compensated(values: &[f64]) -> f64 {
    let mut sum = Sum::default();
    values.iter().for_each(|&value| sum.add(value));
    sum.value()
}
