//! How often which duration came, in buckets that grow with it.
//!
//! Each power of two is cut into 16 equal buckets, so a bucket is at most 1/16 as wide as its lowest value, and its
//! middle lies at most 1/32 (3.2 %) from anything in it. Whole nanoseconds below 32 have a bucket each.

/// Buckets of one power of two, as a power of two.
const FINENESS: u32 = 4;
const PARTS: usize = 1 << FINENESS;
/// Of every power of two that 64 bits hold; those below the first 16 nanoseconds share one set.
const BUCKETS: usize = (u64::BITS - FINENESS + 1) as usize * PARTS;

/// Counts of durations in nanoseconds: one addition each, the same memory for any number of them.
#[derive(Debug)]
pub struct Histogram {
    counts: Box<[u64]>,
}

impl Default for Histogram {
    fn default() -> Self {
        Self {
            counts: vec![0; BUCKETS].into_boxed_slice(),
        }
    }
}

impl Histogram {
    /// Count one duration.
    #[inline]
    pub fn record(&mut self, ns: u64) {
        self.counts[bucket_of(ns)] += 1;
    }

    /// The duration at a rank, counted from 1 at the shortest, to within 1/32 of it; `None` beyond the last.
    pub fn at_rank(&self, rank: u64) -> Option<u64> {
        let mut passed = 0;
        let found = self.counts.iter().position(|count| {
            passed += count;
            passed >= rank
        });
        found.map(middle_of)
    }
}

#[inline]
fn bucket_of(ns: u64) -> usize {
    if ns < PARTS as u64 {
        return ns as usize;
    }
    let shift = ns.ilog2() - FINENESS;
    // The leading bit, which every value of this power of two has, is worth the one bucket set that lies below.
    (shift as usize) * PARTS + (ns >> shift) as usize
}

fn middle_of(bucket: usize) -> u64 {
    if bucket < PARTS {
        return bucket as u64;
    }
    let shift = (bucket / PARTS - 1) as u32;
    let lowest = ((bucket % PARTS + PARTS) as u64) << shift;
    lowest + ((1 << shift) - 1) / 2
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    /// One of 64 values from a power of two to the next.
    fn value(bits: u32, part: u128) -> u64 {
        (((64 + part) << bits) >> 6) as u64
    }

    #[test]
    fn buckets_follow_each_other_without_a_hole() {
        let mut last = 0;
        for bits in 0..64 {
            for part in 0..64 {
                let ns = value(bits, part);
                let bucket = bucket_of(ns);
                assert!(bucket == last || bucket == last + 1 || bits < 6, "{ns}");
                last = bucket;
            }
        }
        assert_eq!(bucket_of(u64::MAX), BUCKETS - 1);
    }

    #[test]
    fn the_middle_of_a_bucket_is_near_all_that_is_in_it() {
        for bits in 0..64 {
            for part in 0..64 {
                let ns = value(bits, part);
                let middle = middle_of(bucket_of(ns));
                assert!(middle.abs_diff(ns) as f64 <= ns as f64 / 32.0, "{ns}");
                assert_eq!(bucket_of(middle), bucket_of(ns));
            }
        }
    }
}
