//! Averages and extremes over a window that moves along a row of daily values. Element j knows columns before j only.

/// Highest or lowest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extreme {
    /// The highest.
    Max,
    /// The lowest.
    Min,
}

/// The mean over the newest `days` columns before each one that are not skipped, of those that are not NaN.
///
/// `means` and `used` have one element more than `values`: the last one knows them all.
pub fn rolling_average(
    values: &[f64],
    days: usize,
    skip: Option<&[bool]>,
    means: &mut [f64],
    used: &mut [i32],
) {
    let is_skipped = |at: usize| skip.is_some_and(|skip| skip[at]);
    // Kept columns before j are all[..end]; the window is the last `days` of them.
    let mut window: Vec<f64> = Vec::with_capacity(values.len());
    for at in 0..=values.len() {
        let newest = &window[window.len().saturating_sub(days)..];
        let (mut sum, mut count) = (0.0, 0);
        for &value in newest {
            let counts = !value.is_nan();
            sum += if counts { value } else { 0.0 };
            count += i32::from(counts);
        }
        means[at] = if count > 0 {
            sum / f64::from(count)
        } else {
            f64::NAN
        };
        used[at] = count;
        if at < values.len() && !is_skipped(at) {
            window.push(values[at]);
        }
    }
}

/// The extreme over columns `starts[j]..j` for each j, NaN where there is none, and its first column, -1 where none.
///
/// `starts` never falls and has, as `extremes` and `columns`, one element more than `values`.
pub fn rolling_extreme(
    values: &[f64],
    starts: &[usize],
    kind: Extreme,
    extremes: &mut [f64],
    columns: &mut [i32],
) {
    // Columns that may still become the extreme, best first. A later equal one does not replace the first.
    let mut candidates: Vec<u32> = Vec::with_capacity(values.len());
    let mut head = 0;
    for at in 0..=values.len() {
        while candidates
            .get(head)
            .is_some_and(|&column| (column as usize) < starts[at])
        {
            head += 1;
        }
        (extremes[at], columns[at]) = match candidates.get(head) {
            Some(&column) => (values[column as usize], column as i32),
            None => (f64::NAN, -1),
        };
        let Some(&value) = values.get(at) else { break };
        if value.is_nan() {
            continue;
        }
        while candidates.len() > head {
            let last = values[candidates[candidates.len() - 1] as usize];
            let is_better = match kind {
                Extreme::Max => value > last,
                Extreme::Min => value < last,
            };
            if !is_better {
                break;
            }
            candidates.pop();
        }
        candidates.push(at as u32);
    }
}

/// The extreme over the `days` columns before each one, NaN where there is none: [`rolling_extreme`] for windows of one
/// length, without the columns, several times as fast.
///
/// Extremes of 5, 25, 125 ... columns follow from each other, and five overlapping ones make up the window. `scratch` is memory
/// that is kept between calls.
pub fn moving_extreme(
    values: &[f64],
    days: usize,
    kind: Extreme,
    extremes: &mut [f64],
    scratch: &mut [Vec<f64>; 2],
) {
    match kind {
        Extreme::Max => moving(
            values,
            days,
            f64::NEG_INFINITY,
            |a, b| if b > a { b } else { a },
            extremes,
            scratch,
        ),
        Extreme::Min => moving(
            values,
            days,
            f64::INFINITY,
            |a, b| if b < a { b } else { a },
            extremes,
            scratch,
        ),
    }
}

fn moving(
    values: &[f64],
    days: usize,
    nothing: f64,
    choose: impl Fn(f64, f64) -> f64 + Copy,
    extremes: &mut [f64],
    scratch: &mut [Vec<f64>; 2],
) {
    let [narrow, wide] = scratch;
    // Before the first column there is nothing, so that all windows have one length.
    narrow.clear();
    narrow.resize(days, nothing);
    narrow.extend_from_slice(values);
    // `narrow[i]` is the extreme of `width` columns from i on; with one, NaN is still among them.
    let mut width = 1;
    while PARTS * width < days {
        wide.clear();
        wide.extend(joined(narrow, width, PARTS * width, nothing, choose));
        std::mem::swap(narrow, wide);
        width *= PARTS;
    }
    let windows = joined(narrow, width, days, nothing, choose);
    for (extreme, best) in extremes.iter_mut().zip(windows) {
        *extreme = if best == nothing { f64::NAN } else { best };
    }
}

/// Extremes that are joined at once: it takes as long to read an extreme as to choose from two.
const PARTS: usize = 5;

/// The extremes of `to` columns from those of `width`, of which [`PARTS`] at most are enough. NaN is never chosen.
fn joined(
    narrow: &[f64],
    width: usize,
    to: usize,
    nothing: f64,
    choose: impl Fn(f64, f64) -> f64,
) -> impl Iterator<Item = f64> {
    let from = |part: usize| &narrow[(part * width).min(to - width)..];
    let all = from(0).iter().zip(from(1)).zip(from(2));
    let all = all.zip(from(3)).zip(from(4));
    all.map(move |((((a, b), c), d), e)| {
        let parts = [a, b, c, d, e];
        parts
            .into_iter()
            .fold(nothing, |best, &part| choose(best, part))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extremes_agree_with_looking_at_the_whole_window() {
        let values: Vec<f64> = (0..300_u64)
            .map(|n| match n.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 60 {
                15 => f64::NAN,
                other => other as f64,
            })
            .collect();
        for days in [1, 2, 3, 7, 8, 20, 299, 300, 301, 500] {
            let starts: Vec<usize> = (0..=300_usize).map(|j| j.saturating_sub(days)).collect();
            for kind in [Extreme::Max, Extreme::Min] {
                let mut extremes = vec![0.0; 301];
                let mut columns = vec![0; 301];
                rolling_extreme(&values, &starts, kind, &mut extremes, &mut columns);
                let mut moving = vec![0.0; 301];
                moving_extreme(&values, days, kind, &mut moving, &mut Default::default());
                let bits = |all: &[f64]| all.iter().map(|v| v.to_bits()).collect::<Vec<u64>>();
                assert_eq!(bits(&moving), bits(&extremes));
                for j in 0..=300 {
                    let window = (starts[j]..j).filter(|&at| !values[at].is_nan());
                    let best = window.reduce(|a, b| {
                        let better = match kind {
                            Extreme::Max => values[b] > values[a],
                            Extreme::Min => values[b] < values[a],
                        };
                        if better { b } else { a }
                    });
                    assert_eq!(columns[j], best.map_or(-1, |at| at as i32));
                    assert!(best.map_or(extremes[j].is_nan(), |at| extremes[j] == values[at]));
                }
            }
        }
    }

    #[test]
    fn skipped_columns_reach_further_back() {
        let values = [1.0, 2.0, f64::NAN, 4.0, 5.0];
        let mut means = [0.0; 6];
        let mut used = [0; 6];
        let skip = [false, false, false, true, false];
        rolling_average(&values, 3, Some(&skip), &mut means, &mut used);
        assert!(means[0].is_nan());
        assert_eq!((means[4], used[4]), (1.5, 2));
        assert_eq!((means[5], used[5]), (3.5, 2));
    }
}
