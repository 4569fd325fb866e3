//! How long things took: running figures in constant memory, for the session that stands and for the whole run.
//!
//! It reads no clock and takes no lock: durations come in, and whoever shares a [`Ledger`] guards it, so that a record
//! and a clearing come one after the other and no mean is of half a record.

mod histogram;

pub use histogram::Histogram;

use crate::error::{Error, Result};

/// How many phases, and how many edges, may have a name.
const MAX_NAMES: usize = 256;

/// What is timed in every run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Timed {
    /// One call of the user's analyses.
    AnalysisEngine,
    /// One batch that entered the store.
    DataProcessor,
    /// Loading before the first session.
    InitialLoad,
    /// Loading before a later session.
    SubsequentLoad,
    /// From the end of a session to the next.
    SessionGap,
    /// A session, by the wall clock.
    SessionDuration,
}

impl Timed {
    /// All of them, in the order of [`Figures::timings`].
    pub const ALL: [Self; 6] = [
        Self::AnalysisEngine,
        Self::DataProcessor,
        Self::InitialLoad,
        Self::SubsequentLoad,
        Self::SessionGap,
        Self::SessionDuration,
    ];
}

/// Running figures of durations in nanoseconds.
#[derive(Debug, Default)]
pub struct Timing {
    count: u64,
    /// Of 2^64 durations of 2^64 ns: it cannot overflow.
    total: u128,
    shortest: u64,
    longest: u64,
    histogram: Histogram,
}

impl Timing {
    /// Take one more duration into account.
    #[inline]
    pub fn record(&mut self, ns: u64) {
        self.shortest = if self.count == 0 {
            ns
        } else {
            self.shortest.min(ns)
        };
        self.longest = self.longest.max(ns);
        self.count += 1;
        self.total += u128::from(ns);
        self.histogram.record(ns);
    }

    /// How many came.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Their sum.
    pub fn total_ns(&self) -> u128 {
        self.total
    }

    /// The shortest and the longest, exactly; `None` before the first.
    pub fn range_ns(&self) -> Option<(u64, u64)> {
        (self.count > 0).then_some((self.shortest, self.longest))
    }

    /// The duration that this share of all does not exceed (nearest rank), within 1/32; `None` before the first.
    pub fn percentile_ns(&self, share: f64) -> Option<u64> {
        let (shortest, longest) = self.range_ns()?;
        let rank = (share * self.count as f64).ceil() as u64;
        let near = self.histogram.at_rank(rank.clamp(1, self.count))?;
        Some(near.clamp(shortest, longest))
    }
}

/// What was measured in one scope.
#[derive(Debug, Default)]
pub struct Figures {
    timings: [Timing; Timed::ALL.len()],
    phases: Vec<(Box<str>, Timing)>,
    backpressure: Vec<(Box<str>, u64)>,
    trading_days: u64,
    bars: u64,
}

impl Figures {
    /// In the order of [`Timed::ALL`].
    pub fn timings(&self) -> &[Timing] {
        &self.timings
    }

    /// Phases in the order in which they first ended.
    pub fn phases(&self) -> &[(Box<str>, Timing)] {
        &self.phases
    }

    /// How often a producer had to wait, by edge, in the order in which they first did.
    pub fn backpressure(&self) -> &[(Box<str>, u64)] {
        &self.backpressure
    }

    /// Sessions begun.
    pub fn trading_days(&self) -> u64 {
        self.trading_days
    }

    /// Bars of all of them.
    pub fn bars(&self) -> u64 {
        self.bars
    }
}

/// The figures of the session that stands and of the whole run. Each record enters both.
#[derive(Debug, Default)]
pub struct Ledger {
    session: Figures,
    run: Figures,
}

impl Ledger {
    /// Of the session that stands.
    pub fn session(&self) -> &Figures {
        &self.session
    }

    /// Of the whole run.
    pub fn run(&self) -> &Figures {
        &self.run
    }

    /// Record how long one unit took.
    #[inline]
    pub fn record(&mut self, timed: Timed, ns: u64) {
        self.session.timings[timed as usize].record(ns);
        self.run.timings[timed as usize].record(ns);
    }

    /// Record how long a phase took.
    ///
    /// # Errors
    ///
    /// `TooManyNames`: nothing is recorded.
    pub fn record_phase(&mut self, name: &str, ns: u64) -> Result<()> {
        // The run has every name that the session has, so it alone can be full.
        named("phase", &mut self.run.phases, name)?.record(ns);
        named("phase", &mut self.session.phases, name)?.record(ns);
        Ok(())
    }

    /// Count that the producer of an edge had to wait.
    ///
    /// # Errors
    ///
    /// `TooManyNames`: nothing is counted.
    pub fn record_backpressure(&mut self, edge: &str) -> Result<()> {
        *named("edge", &mut self.run.backpressure, edge)? += 1;
        *named("edge", &mut self.session.backpressure, edge)? += 1;
        Ok(())
    }

    /// One more session.
    pub fn add_trading_day(&mut self) {
        self.each(|figures| figures.trading_days += 1);
    }

    /// So many more bars.
    pub fn add_bars(&mut self, bars: u64) {
        self.each(|figures| figures.bars = figures.bars.saturating_add(bars));
    }

    /// Forget the session; the run stays as it is.
    pub fn clear_session(&mut self) {
        self.session = Figures::default();
    }

    fn each(&mut self, change: impl Fn(&mut Figures)) {
        change(&mut self.session);
        change(&mut self.run);
    }
}

/// What has a name, made where it is new. Names are few, so that looking at each beats a hash.
fn named<'a, T: Default>(
    what: &'static str,
    known: &'a mut Vec<(Box<str>, T)>,
    name: &str,
) -> Result<&'a mut T> {
    let at = match known.iter().position(|(known, _)| **known == *name) {
        Some(at) => at,
        None if known.len() == MAX_NAMES => {
            return Err(Error::TooManyNames {
                what,
                name: name.to_owned(),
                limit: MAX_NAMES,
            });
        }
        None => {
            known.push((name.into(), T::default()));
            known.len() - 1
        }
    };
    Ok(&mut known[at].1)
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn figures_before_the_first_are_none() {
        let timing = Timing::default();
        assert_eq!((timing.count(), timing.total_ns()), (0, 0));
        assert_eq!((timing.range_ns(), timing.percentile_ns(0.5)), (None, None));
    }

    #[test]
    fn the_largest_durations_do_not_overflow() {
        let mut timing = Timing::default();
        for _ in 0..3 {
            timing.record(u64::MAX);
        }
        assert_eq!(timing.total_ns(), 3 * u128::from(u64::MAX));
        assert_eq!(timing.range_ns(), Some((u64::MAX, u64::MAX)));
        assert_eq!(timing.percentile_ns(0.99), Some(u64::MAX));
    }

    #[test]
    fn a_cleared_session_leaves_the_run_as_it_was() {
        let mut ledger = Ledger::default();
        ledger.record(Timed::DataProcessor, 7);
        ledger.record_phase("5", 9).unwrap();
        ledger.clear_session();
        ledger.record(Timed::DataProcessor, 3);
        let of = |figures: &Figures| figures.timings()[Timed::DataProcessor as usize].total_ns();
        assert_eq!((of(ledger.session()), of(ledger.run())), (3, 10));
        assert!(ledger.session().phases().is_empty());
        assert_eq!(ledger.run().phases().len(), 1);
    }

    #[test]
    fn names_have_a_limit_that_changes_nothing() {
        let mut ledger = Ledger::default();
        for number in 0..MAX_NAMES {
            ledger.record_phase(&number.to_string(), 1).unwrap();
        }
        assert!(ledger.record_phase("one more", 1).is_err());
        assert!(ledger.record_phase("0", 1).is_ok());
        ledger.clear_session();
        assert!(ledger.record_phase("one more", 1).is_err());
        assert!(ledger.session().phases().is_empty());
        assert_eq!(ledger.run().phases().len(), MAX_NAMES);
    }
}
