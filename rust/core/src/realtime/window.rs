//! The newest `n` values folded into one, whatever the fold: no value is ever taken out again.

/// What values of a window are folded into.
pub(super) trait Fold: Copy {
    /// Of no value.
    const EMPTY: Self;

    /// With one more value.
    fn with(self, value: f64) -> Self;

    /// Of all values of both, `newer` being of those that came later.
    fn and(self, newer: Self) -> Self;
}

/// A sliding window over a stream of values, cut into blocks of `period` values each.
///
/// A window is the end of the block before and the beginning of this one: what its end folds into is known for each place
/// of the block before, and this block folds up as it comes. So nothing is subtracted, nothing that has left lingers, and a
/// value costs three folds on average, the most of them where a block is full. M. van Herk, A fast algorithm for local
/// minimum and maximum filters on rectangular and octagonal kernels, Pattern Recognition Letters 13 (1992).
#[derive(Debug, Clone)]
pub(super) struct Window<F> {
    period: usize,
    /// Values of this block.
    block: Vec<f64>,
    /// What they fold into.
    begun: F,
    /// What the block before folds into from each place on; empty before the first is full.
    ends: Vec<F>,
}

impl<F: Fold> Window<F> {
    pub(super) fn new(period: usize) -> Self {
        Self {
            period,
            block: Vec::new(),
            begun: F::EMPTY,
            ends: Vec::new(),
        }
    }

    /// Take in a value. Returns what the newest `period` values fold into, `None` while there are fewer.
    pub(super) fn push(&mut self, value: f64) -> Option<F> {
        if self.block.len() == self.period {
            self.turn();
        }
        self.block.push(value);
        self.begun = self.begun.with(value);
        if self.block.len() == self.period {
            return Some(self.begun);
        }
        self.ends
            .get(self.block.len())
            .map(|end| end.and(self.begun))
    }

    /// The block is full: it becomes the one before.
    fn turn(&mut self) {
        self.ends.resize(self.period, F::EMPTY);
        let mut end = F::EMPTY;
        for (place, &value) in self.block.iter().enumerate().rev() {
            end = end.with(value);
            self.ends[place] = end;
        }
        self.block.clear();
        self.begun = F::EMPTY;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Copy)]
    struct Total(f64);

    impl Fold for Total {
        const EMPTY: Self = Self(0.0);

        fn with(self, value: f64) -> Self {
            Self(self.0 + value)
        }

        fn and(self, newer: Self) -> Self {
            Self(self.0 + newer.0)
        }
    }

    #[test]
    fn a_window_folds_the_newest_values_and_no_other() {
        for period in 1..8 {
            let mut window = Window::<Total>::new(period);
            let values: Vec<f64> = (0..40).map(|n| f64::from(n * n % 17)).collect();
            for at in 0..values.len() {
                let expected = (at + 1)
                    .checked_sub(period)
                    .map(|first| values[first..=at].iter().sum::<f64>());
                assert_eq!(window.push(values[at]).map(|total| total.0), expected);
            }
        }
    }

    #[test]
    fn a_value_too_large_for_a_sum_is_gone_when_it_has_left() {
        let mut window = Window::<Total>::new(3);
        for value in [f64::MAX, f64::MAX, 1.0, 1.0] {
            window.push(value);
        }
        assert_eq!(window.push(1.0).map(|total| total.0), Some(3.0));
    }
}
