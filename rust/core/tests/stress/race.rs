//! The race: rounds, chance, bars that carry their own proof, and views that are looked at again at the end.

use std::sync::atomic::{AtomicBool, Ordering};

use tapeloom_core::bar::Bar;
use tapeloom_core::series::Slice;
use tapeloom_core::store::{Policies, Store};
use tapeloom_core::time::MINUTE;

const READERS: u64 = 4;

/// Numbers by chance that are the same in every run: `SplitMix64`.
///
/// G. Steele, D. Lea, C. Flood, Fast splittable pseudorandom number generators, OOPSLA 2014.
pub(crate) struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number in `0..bound`.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }
}

/// A bar that says in its volume in which epoch it was written, and in every column what that makes it.
pub(crate) fn bar(minute: i64, epoch: u64) -> Bar {
    let price = 2.0 + ((minute as u64 * 31 + epoch) % 97) as f64;
    Bar {
        ts: minute * MINUTE,
        open: price,
        high: price + 1.0,
        low: price - 1.0,
        close: price + 0.5,
        volume: epoch as f64,
        flags: 0,
    }
}

/// A sum over all columns of rows of which each must be whole and known by an epoch.
fn checksum(slices: &[Slice], epoch: u64) -> u64 {
    let rows = slices
        .iter()
        .flat_map(|slice| (0..slice.len()).map(move |row| slice.bar(row)));
    rows.fold(0, |sum, seen| {
        let whole = bar(seen.ts / MINUTE, seen.volume as u64);
        assert!(seen.same_values(&whole), "half a row: {seen:?}");
        assert!(seen.volume as u64 <= epoch, "from after epoch {epoch}");
        let words = [seen.ts as u64, seen.open.to_bits(), seen.volume.to_bits()];
        words
            .iter()
            .fold(sum, |sum, word| (sum ^ word).wrapping_mul(0x0100_0000_01B3))
    })
}

/// Views that a reader keeps while the writer goes on.
#[derive(Default)]
pub(crate) struct Held(Vec<(Vec<Slice>, u64)>);

impl Held {
    pub(crate) fn keep(&mut self, slices: Vec<Slice>, epoch: u64, chance: &mut Chance) {
        let sum = checksum(&slices, epoch);
        if self.0.len() < 16 {
            self.0.push((slices, sum));
        } else {
            let at = chance.below(16);
            let (old, was) = std::mem::replace(&mut self.0[at], (slices, sum));
            assert_eq!(checksum(&old, u64::MAX), was, "a view changed");
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        for (slices, sum) in self.0.drain(..).filter(|_| !std::thread::panicking()) {
            assert_eq!(checksum(&slices, u64::MAX), sum, "a view changed");
        }
    }
}

/// Ends the readers when the writer is done, whether it got there or not.
struct Done<'a>(&'a AtomicBool);

impl Drop for Done<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

/// How many rounds each scenario runs.
pub(crate) fn rounds() -> u64 {
    std::env::var("TAPELOOM_STRESS").map_or(1, |rounds| rounds.parse().unwrap())
}

/// Run a scenario as often as asked: `prepare` a store, then `write` it while the readers `read` over and over.
pub(crate) fn race(
    prepare: impl Fn(&Store),
    write: impl Fn(&Store, &mut Chance),
    read: impl Fn(&Store, &mut Held, &mut Chance) + Sync,
) {
    for round in 0..rounds() {
        let store = Store::new(Policies::default());
        prepare(&store);
        let done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            for reader in 0..READERS {
                let (store, done, read) = (&store, &done, &read);
                scope.spawn(move || {
                    let mut chance = Chance(round * READERS + reader);
                    let mut held = Held::default();
                    // Once more after the end, so that everybody sees it.
                    loop {
                        let last = done.load(Ordering::Acquire);
                        read(store, &mut held, &mut chance);
                        if last {
                            break;
                        }
                    }
                });
            }
            let _done = Done(&done);
            write(&store, &mut Chance(!round));
        });
    }
}
