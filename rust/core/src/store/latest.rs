//! The newest base bar of one symbol's session, beside its series: what is asked most is one look away.

use crate::bar::Bar;
use crate::published::Published;

/// The newest bar and the epoch from which it counts, in one line of the cache.
#[derive(Debug, Default)]
#[repr(align(64))]
pub(super) struct LatestCell(Published<7>);

/// What a reader finds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Latest {
    pub(super) bar: Option<Bar>,
    pub(super) epoch: u64,
}

/// In the last word, above the flags: there is a bar.
const PRESENT: u64 = 1 << 8;
/// Above that, the epoch: bits enough for more instants than there will be.
const EPOCH: u32 = 16;

impl LatestCell {
    /// Publish. Only one writer at a time may call this.
    pub(super) fn store(&self, bar: Option<&Bar>, epoch: u64) {
        let mut words = [0; 7];
        if let Some(bar) = bar {
            let prices = [bar.open, bar.high, bar.low, bar.close, bar.volume];
            words[0] = bar.ts as u64;
            words[1..6].copy_from_slice(&prices.map(f64::to_bits));
            words[6] = PRESENT | u64::from(bar.flags);
        }
        words[6] |= epoch << EPOCH;
        self.0.store(words);
    }

    /// Look at where the next bar goes.
    #[inline]
    pub(super) fn place(&self) -> u64 {
        self.0.place()
    }

    #[inline]
    pub(super) fn load(&self) -> Latest {
        let words = self.0.load();
        let bar = (words[6] & PRESENT != 0).then(|| Bar {
            ts: words[0] as i64,
            open: f64::from_bits(words[1]),
            high: f64::from_bits(words[2]),
            low: f64::from_bits(words[3]),
            close: f64::from_bits(words[4]),
            volume: f64::from_bits(words[5]),
            flags: words[6] as u8,
        });
        Latest {
            bar,
            epoch: words[6] >> EPOCH,
        }
    }
}
