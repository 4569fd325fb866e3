//! Volume, high, low and average price of one symbol's session, kept as bars arrive.

use crate::bar::Bar;
use crate::published::Published;

/// Sum with a running compensation for what each addition loses.
///
/// A. Neumaier, Rundungsfehleranalyse einiger Verfahren zur Summation endlicher Summen, ZAMM 54 (1974).
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Sum {
    total: f64,
    lost: f64,
}

impl Sum {
    /// Add one value.
    #[inline]
    pub fn add(&mut self, value: f64) {
        // What the addition loses, exactly and without a branch: D. E. Knuth, The Art of Computer Programming, volume 2,
        // section 4.2.2, theorem B.
        let next = self.total + value;
        let added = next - self.total;
        self.lost += (self.total - (next - added)) + (value - added);
        self.total = next;
    }

    /// Of nothing.
    pub(crate) const ZERO: Self = Self {
        total: 0.0,
        lost: 0.0,
    };

    /// Add all that another sum has.
    #[inline]
    pub(crate) fn add_all(&mut self, other: Self) {
        self.add(other.total);
        self.lost += other.lost;
    }

    /// The compensated sum.
    pub fn value(&self) -> f64 {
        self.total + self.lost
    }

    /// Add an exact sum of whole numbers at once, if that is the same as adding them one by one; says whether it was.
    pub fn add_exactly(&mut self, whole: f64) -> bool {
        let next = self.total + whole;
        let is_exact = self.lost == 0.0 && is_whole(self.total) && next < MOST_WHOLE;
        if is_exact {
            self.total = next;
        }
        is_exact
    }
}

/// Whole numbers below this and their sums are exact.
const MOST_WHOLE: f64 = (1_u64 << 53) as f64;

/// Beyond this number f64 has no fractions left, so adding it rounds to a whole number.
const NO_FRACTIONS: f64 = (1_u64 << 52) as f64;

fn is_whole(value: f64) -> bool {
    (value + NO_FRACTIONS) - NO_FRACTIONS == value
}

/// Bits that are set where a non-negative number is not whole, to be joined over many: no branch, no comparison.
///
/// The negative zero counts as not whole, since adding it to nothing would keep its sign.
#[inline]
pub(crate) fn fraction(value: f64) -> u64 {
    ((value + NO_FRACTIONS) - NO_FRACTIONS).to_bits() ^ value.to_bits()
}

/// The same of many, joined.
#[inline]
pub(crate) fn fractions(values: &[f64]) -> u64 {
    values.iter().fold(0, |all, &value| all | fraction(value))
}

/// Whether the sum of non-negative numbers, whose joined [`fraction`] is given, was added up without rounding.
#[inline]
pub(crate) fn is_exact(fractions: u64, total: f64) -> bool {
    fractions == 0 && total < MOST_WHOLE
}

/// The sum of non-negative numbers where they are all whole and so no addition rounds; `None` otherwise.
pub fn exact_sum<'a>(slices: impl IntoIterator<Item = &'a [f64]>) -> Option<f64> {
    let (mut total, mut fractions) = (0.0, 0);
    for values in slices {
        let (blocks, rest) = values.as_chunks::<4>();
        let (mut sums, mut odd) = ([0.0; 4], [0; 4]);
        for block in blocks {
            for (at, &value) in block.iter().enumerate() {
                sums[at] += value;
                odd[at] |= fraction(value);
            }
        }
        for &value in rest {
            sums[0] += value;
            odd[0] |= fraction(value);
        }
        fractions |= odd.iter().fold(0, |all, &one| all | one);
        if fractions != 0 {
            return None;
        }
        total += sums.iter().sum::<f64>();
    }
    is_exact(fractions, total).then_some(total)
}

/// Running figures of a session's base bars in regular hours.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Metrics {
    volume: Sum,
    /// Typical price times volume.
    turnover: Sum,
    high: f64,
    low: f64,
    bars: u64,
    last_update: i64,
}

/// What a reader gets.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MetricsView {
    /// Sum of volumes.
    pub volume: f64,
    /// Highest high.
    pub high: f64,
    /// Lowest low.
    pub low: f64,
    /// Average of the typical price (high + low + close) / 3 weighted by volume, `None` without volume.
    pub vwap: Option<f64>,
    /// Number of bars.
    pub bars: u64,
    /// Start of the newest bar, ns UTC.
    pub last_update: i64,
}

impl Metrics {
    /// Number of bars taken in.
    #[inline]
    pub(crate) fn bars(&self) -> u64 {
        self.bars
    }

    /// Take in one bar.
    #[inline]
    pub fn push(&mut self, bar: &Bar) {
        self.volume.add(bar.volume);
        self.turnover
            .add((bar.high + bar.low + bar.close) / 3.0 * bar.volume);
        if self.bars == 0 {
            (self.high, self.low) = (bar.high, bar.low);
        } else {
            if bar.high > self.high {
                self.high = bar.high;
            }
            if bar.low < self.low {
                self.low = bar.low;
            }
        }
        self.bars += 1;
        self.last_update = bar.ts;
    }
}

/// The published figures, in one line of the cache.
#[derive(Debug, Default)]
#[repr(align(64))]
pub struct MetricsCell(Published<6>);

impl MetricsCell {
    /// Publish. Only one writer at a time may call this.
    pub(crate) fn store(&self, metrics: &Metrics) {
        self.0.store([
            metrics.volume.value().to_bits(),
            metrics.turnover.value().to_bits(),
            metrics.high.to_bits(),
            metrics.low.to_bits(),
            metrics.bars,
            metrics.last_update as u64,
        ]);
    }

    /// Look at where the next figures go.
    #[inline]
    pub(crate) fn place(&self) -> u64 {
        self.0.place()
    }

    /// The figures of one publication, `None` while the session has no bar.
    pub fn load(&self) -> Option<MetricsView> {
        let words = self.0.load();
        let [volume, turnover, high, low] = [0, 1, 2, 3].map(|at| f64::from_bits(words[at]));
        (words[4] > 0).then(|| MetricsView {
            volume,
            high,
            low,
            vwap: (volume > 0.0).then(|| turnover / volume),
            bars: words[4],
            last_update: words[5] as i64,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_volumes_beside_a_large_one_are_not_lost() {
        let mut sum = Sum::default();
        for value in [1.0, 1e100, 1.0, -1e100] {
            sum.add(value);
        }
        assert_eq!(sum.value(), 2.0);
    }

    #[test]
    fn a_reader_never_sees_half_a_publication() {
        let cell = std::sync::Arc::new(MetricsCell::default());
        let reader = {
            let cell = cell.clone();
            std::thread::spawn(move || {
                let mut seen = 0;
                while seen < 20_000 {
                    if let Some(view) = cell.load() {
                        assert_eq!(view.high, view.volume);
                        assert_eq!(view.last_update as f64, view.volume);
                        seen = view.last_update;
                    }
                }
            })
        };
        for n in 1..=20_000_i64 {
            let value = n as f64;
            let mut metrics = Metrics::default();
            metrics.push(&Bar {
                ts: n,
                open: value,
                high: value,
                low: value,
                close: value,
                volume: value,
                flags: 0,
            });
            cell.store(&metrics);
        }
        reader.join().unwrap();
    }
}
