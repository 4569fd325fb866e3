//! One value as readers see it: that of their epoch, never one of an epoch that is not out yet.

use crate::published::Published;

/// The value and the number of bars behind it, now and before the newest change, and the epoch of that change.
#[derive(Debug, Default)]
pub(super) struct Cell(Published<5>);

/// What is known of an indicator.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Reading {
    /// The value, `None` until there are enough bars.
    pub value: Option<f64>,
    /// Bars taken in, those of history included.
    pub bars: u64,
}

impl Reading {
    /// A float cannot say "none" by itself: the lowest bit beside it does.
    fn words(self) -> [u64; 2] {
        let bits = self.value.map_or(0, f64::to_bits);
        [bits, self.bars << 1 | u64::from(self.value.is_some())]
    }

    fn from_words(bits: u64, counted: u64) -> Self {
        Self {
            value: (counted & 1 == 1).then_some(f64::from_bits(bits)),
            bars: counted >> 1,
        }
    }
}

impl Cell {
    /// Show a value from an epoch on. Only one writer at a time may call this.
    pub(super) fn store(&self, reading: Reading, epoch: u64) {
        let [bits, counted, bits_before, counted_before, since] = self.0.load();
        let before = if since < epoch {
            [bits, counted]
        } else {
            [bits_before, counted_before]
        };
        let now = reading.words();
        self.0.store([now[0], now[1], before[0], before[1], epoch]);
    }

    /// Forget all values.
    pub(super) fn clear(&self) {
        self.0.store([0; 5]);
    }

    /// What is known as of the epoch that `epoch` says after the value was looked at.
    pub(super) fn load(&self, epoch: impl FnOnce() -> u64) -> Reading {
        let [bits, counted, bits_before, counted_before, since] = self.0.load();
        if since <= epoch() {
            Reading::from_words(bits, counted)
        } else {
            Reading::from_words(bits_before, counted_before)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_shows_with_its_epoch() {
        let cell = Cell::default();
        let reading = |value, bars| Reading { value, bars };
        assert_eq!(cell.load(|| 0), reading(None, 0));
        cell.store(reading(Some(1.5), 1), 3);
        assert_eq!(cell.load(|| 2), reading(None, 0));
        assert_eq!(cell.load(|| 3), reading(Some(1.5), 1));
        // Twice in one epoch: the epoch before still sees what it saw.
        cell.store(reading(Some(2.5), 2), 4);
        cell.store(reading(None, 0), 4);
        assert_eq!(cell.load(|| 3), reading(Some(1.5), 1));
        assert_eq!(cell.load(|| 4), reading(None, 0));
        cell.clear();
        assert_eq!(cell.load(|| 0), reading(None, 0));
    }
}
