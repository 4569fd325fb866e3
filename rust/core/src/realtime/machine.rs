//! The state behind one value. What it gives for bars in order of time is the definition of the value.

use crate::bar::Bar;
use crate::metrics::Sum;
use crate::realtime::kind::{Kind, Spec};
use crate::realtime::window::{Fold, Window};

/// Takes in bars in order of time, each in O(1) on average.
#[derive(Debug, Clone)]
pub(super) struct Machine {
    spec: Spec,
    state: State,
    /// Bars taken in.
    pub(super) bars: u64,
    value: Option<f64>,
}

#[derive(Debug, Clone)]
enum State {
    Sma(Window<Sum>),
    Stdev(Window<Moments>),
    High(Window<Highest>),
    Low(Window<Lowest>),
    Ema(Average),
    Rsi {
        before: Option<f64>,
        gains: Average,
        losses: Average,
    },
    Atr {
        close_before: Option<f64>,
        ranges: Average,
    },
    Vwap {
        turnover: Sum,
        volume: Sum,
    },
}

impl Machine {
    pub(super) fn new(spec: Spec) -> Self {
        let n = spec.period;
        let state = match spec.kind {
            Kind::Sma => State::Sma(Window::new(n)),
            Kind::Stdev => State::Stdev(Window::new(n)),
            Kind::High => State::High(Window::new(n)),
            Kind::Low => State::Low(Window::new(n)),
            Kind::Ema => State::Ema(Average::new(n)),
            Kind::Rsi => State::Rsi {
                before: None,
                gains: Average::new(n),
                losses: Average::new(n),
            },
            Kind::Atr => State::Atr {
                close_before: None,
                ranges: Average::new(n),
            },
            Kind::Vwap => State::Vwap {
                turnover: Sum::default(),
                volume: Sum::default(),
            },
        };
        Self {
            spec,
            state,
            bars: 0,
            value: None,
        }
    }

    /// Take in the next bar.
    #[inline]
    pub(super) fn update(&mut self, bar: &Bar) {
        self.bars += 1;
        let field = || self.spec.field.of(bar);
        let n = self.spec.period as f64;
        self.value = match &mut self.state {
            State::Sma(window) => window.push(field()).map(|sum| sum.value() / n),
            State::Stdev(window) => window.push(field()).map(Moments::deviation),
            State::High(window) => window.push(field()).map(|highest| highest.0),
            State::Low(window) => window.push(field()).map(|lowest| lowest.0),
            State::Ema(average) => average.exponential(field()),
            State::Rsi {
                before,
                gains,
                losses,
            } => {
                let now = field();
                before.replace(now).and_then(|before| {
                    let change = now - before;
                    let gain = gains.wilder(if change > 0.0 { change } else { 0.0 });
                    let loss = losses.wilder(if change < 0.0 { -change } else { 0.0 });
                    Some(strength(gain?, loss?))
                })
            }
            State::Atr {
                close_before,
                ranges,
            } => close_before
                .replace(bar.close)
                .and_then(|close| ranges.wilder(true_range(bar, close))),
            State::Vwap { turnover, volume } => {
                turnover.add((bar.high + bar.low + bar.close) / 3.0 * bar.volume);
                volume.add(bar.volume);
                let traded = volume.value();
                (traded > 0.0).then(|| turnover.value() / traded)
            }
        };
    }

    /// The value after the newest bar, `None` until there are enough, and where it is beyond what a float can hold.
    pub(super) fn value(&self) -> Option<f64> {
        self.value.filter(|value| value.is_finite())
    }
}

/// Share of the gains in all changes, in percent; 50 where nothing changed.
fn strength(gain: f64, loss: f64) -> f64 {
    let moved = gain + loss;
    if moved == 0.0 {
        50.0
    } else {
        100.0 * (gain / moved)
    }
}

/// What a bar spans together with the close before it.
fn true_range(bar: &Bar, close_before: f64) -> f64 {
    bar.high.max(close_before) - bar.low.min(close_before)
}

/// An average that starts from the mean of the first `n` values.
#[derive(Debug, Clone)]
struct Average {
    n: f64,
    /// How many are still to come before it starts.
    missing: usize,
    first: Sum,
    average: f64,
}

impl Average {
    fn new(n: usize) -> Self {
        Self {
            n: n as f64,
            missing: n,
            first: Sum::default(),
            average: 0.0,
        }
    }

    /// The next value, which moves the average as `moved` says once it has started.
    fn push(&mut self, value: f64, moved: impl FnOnce(f64, f64) -> f64) -> Option<f64> {
        if self.missing == 0 {
            self.average = moved(self.average, self.n);
            return Some(self.average);
        }
        self.first.add(value);
        self.missing -= 1;
        if self.missing > 0 {
            return None;
        }
        self.average = self.first.value() / self.n;
        Some(self.average)
    }

    fn exponential(&mut self, value: f64) -> Option<f64> {
        self.push(value, |average, n| {
            average + (value - average) * (2.0 / (n + 1.0))
        })
    }

    fn wilder(&mut self, value: f64) -> Option<f64> {
        self.push(value, |average, n| (average * (n - 1.0) + value) / n)
    }
}

impl Fold for Sum {
    const EMPTY: Self = Self::ZERO;

    fn with(mut self, value: f64) -> Self {
        self.add(value);
        self
    }

    fn and(mut self, newer: Self) -> Self {
        self.add_all(newer);
        self
    }
}

/// Mean and sum of squared differences from it.
///
/// B. P. Welford, Note on a method for calculating corrected sums of squares and products, Technometrics 4 (1962); two
/// parts are joined as in T. F. Chan, G. H. Golub, R. J. LeVeque, Updating formulae and a pairwise algorithm for computing
/// sample variances (1979).
#[derive(Debug, Clone, Copy)]
struct Moments {
    n: f64,
    mean: f64,
    squares: f64,
}

impl Moments {
    fn deviation(self) -> f64 {
        (self.squares / (self.n - 1.0)).sqrt()
    }
}

impl Fold for Moments {
    const EMPTY: Self = Self {
        n: 0.0,
        mean: 0.0,
        squares: 0.0,
    };

    fn with(self, value: f64) -> Self {
        let n = self.n + 1.0;
        let off = value - self.mean;
        let mean = self.mean + off / n;
        Self {
            n,
            mean,
            squares: self.squares + off * (value - mean),
        }
    }

    fn and(self, newer: Self) -> Self {
        let n = self.n + newer.n;
        let off = newer.mean - self.mean;
        Self {
            n,
            mean: self.mean + off * (newer.n / n),
            squares: self.squares + newer.squares + off * off * (self.n * newer.n / n),
        }
    }
}

#[derive(Debug, Clone, Copy)]
struct Highest(f64);

impl Fold for Highest {
    const EMPTY: Self = Self(f64::NEG_INFINITY);

    fn with(self, value: f64) -> Self {
        Self(self.0.max(value))
    }

    fn and(self, newer: Self) -> Self {
        self.with(newer.0)
    }
}

#[derive(Debug, Clone, Copy)]
struct Lowest(f64);

impl Fold for Lowest {
    const EMPTY: Self = Self(f64::INFINITY);

    fn with(self, value: f64) -> Self {
        Self(self.0.min(value))
    }

    fn and(self, newer: Self) -> Self {
        self.with(newer.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::realtime::kind::Field;

    fn values(kind: Kind, period: Option<usize>, closes: &[f64]) -> Vec<Option<f64>> {
        let spec = Spec::new(kind, period, Some(Field::Close), true).unwrap();
        let mut machine = Machine::new(spec);
        let bars = closes.iter().map(|&close| Bar {
            open: close,
            high: close + 1.0,
            low: close - 1.0,
            close,
            volume: 2.0,
            ..Bar::default()
        });
        bars.map(|bar| {
            machine.update(&bar);
            machine.value()
        })
        .collect()
    }

    #[test]
    fn each_kind_gives_what_can_be_worked_out_by_hand() {
        let closes = [4.0, 8.0, 6.0, 6.0];
        assert_eq!(
            values(Kind::Sma, Some(2), &closes),
            [None, Some(6.0), Some(7.0), Some(6.0)]
        );
        assert_eq!(
            values(Kind::High, Some(2), &closes),
            [None, Some(8.0), Some(8.0), Some(6.0)]
        );
        assert_eq!(
            values(Kind::Low, Some(3), &closes),
            [None, None, Some(4.0), Some(6.0)]
        );
        assert_eq!(
            values(Kind::Stdev, Some(2), &closes),
            [None, Some(8_f64.sqrt()), Some(2_f64.sqrt()), Some(0.0)]
        );
        // Weight 1/2, from the mean of 4 and 8.
        assert_eq!(
            values(Kind::Ema, Some(3), &[4.0, 8.0, 6.0, 10.0]),
            [None, None, Some(6.0), Some(8.0)]
        );
        // Changes +4, -2, 0: means (2, 1), then (1, 0.5).
        assert_eq!(
            values(Kind::Rsi, Some(2), &closes),
            [
                None,
                None,
                Some(100.0 * (2.0 / 3.0)),
                Some(100.0 * (2.0 / 3.0))
            ]
        );
        // Ranges 5, 3, 2: mean 4, then (4 + 2) / 2.
        assert_eq!(
            values(Kind::Atr, Some(2), &closes),
            [None, None, Some(4.0), Some(3.0)]
        );
        assert_eq!(
            values(Kind::Vwap, None, &closes),
            [Some(4.0), Some(6.0), Some(6.0), Some(6.0)]
        );
    }

    #[test]
    fn what_does_not_move_is_neither_strong_nor_weak() {
        assert_eq!(
            values(Kind::Rsi, Some(1), &[5.0, 5.0, 6.0, 5.0]),
            [None, Some(50.0), Some(100.0), Some(0.0)]
        );
    }

    #[test]
    fn a_value_beyond_the_largest_float_is_none_and_passes() {
        let found = values(Kind::Sma, Some(2), &[f64::MAX, f64::MAX, 1.0, 1.0]);
        assert_eq!(found[1], None);
        assert_eq!(found[3], Some(1.0));
    }
}
