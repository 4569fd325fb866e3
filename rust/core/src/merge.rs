//! Merge of sorted sources into one stream in the order in which bars become known.
//!
//! The order is total: known-at, then interval (finest first), then source, then sequence within the source. Minute
//! bars tie at every stamp, so the ties are the normal case. Here rows leave one by one, in [`window`] loaded sources are
//! merged as whole columns.

mod loser_tree;
pub mod window;

use std::sync::Arc;

use crate::columns::Columns;
use crate::error::{Error, Result};
use crate::time::Interval;
use loser_tree::LoserTree;

/// One sorted source of bars.
#[derive(Debug, Clone)]
pub struct Source {
    /// The bars, in order of `ts`.
    pub columns: Arc<Columns>,
    /// First row to deliver.
    pub from: usize,
    /// First row after those to deliver.
    pub to: usize,
    /// Interval of the bars.
    pub interval: Interval,
    /// No bar is known later than this: the end of the session. `i64::MAX` where there is none.
    pub latest: i64,
}

/// Where one source stands.
#[derive(Debug)]
struct Lane {
    columns: Arc<Columns>,
    next: usize,
    to: usize,
    /// `None` for bars of sessions or weeks, which are known at `latest`.
    length_ns: Option<i64>,
    latest: i64,
    source: u32,
}

impl Lane {
    /// Known-at of the next bar, `i64::MAX` when the source is exhausted.
    fn known_at(&self) -> i64 {
        if self.next == self.to {
            return i64::MAX;
        }
        // The sum was checked for the last row, which is the latest.
        self.length_ns.map_or(self.latest, |ns| {
            (self.columns.ts[self.next] + ns).min(self.latest)
        })
    }
}

/// Sources merged row by row.
#[derive(Debug)]
pub struct Merge {
    /// In tie order: finest interval first, then in the order given.
    lanes: Vec<Lane>,
    tree: LoserTree,
}

/// One row of one source, and when it is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Item {
    /// Instant from which the bar may be used.
    pub known_at: i64,
    /// Position of the source as given.
    pub source: u32,
    /// Row within the source's columns.
    pub row: usize,
}

impl Merge {
    /// Start a merge.
    ///
    /// A bar of sessions or weeks is known at its source's `latest`.
    ///
    /// # Errors
    /// [`Error::NoSession`] for bars of sessions or weeks without a `latest`, [`Error::Unsorted`] naming source and row, [`Error::Overflow`] for a bar that ends beyond 64 bits.
    pub fn new(sources: Vec<Source>) -> Result<Self> {
        let mut order: Vec<usize> = (0..sources.len()).collect();
        order.sort_by_key(|&source| sources[source].interval);
        let mut lanes = Vec::with_capacity(sources.len());
        for source in order {
            let given = &sources[source];
            let ts = &given.columns.ts[given.from..given.to];
            if let Some(fall) = ts.windows(2).position(|pair| pair[1] < pair[0]) {
                return Err(Error::Unsorted {
                    what: "source",
                    source,
                    row: given.from + fall + 1,
                });
            }
            let length_ns = given.interval.ns();
            if length_ns.is_none() && given.latest == i64::MAX && !ts.is_empty() {
                return Err(Error::NoSession {
                    what: "when a bar of days or weeks is known depends on its session; merge it within one",
                });
            }
            if let Some(&last) = ts.last() {
                // The largest value marks an exhausted source.
                last.checked_add(length_ns.unwrap_or(0))
                    .filter(|&end| end < i64::MAX)
                    .ok_or(Error::Overflow { ts: last })?;
            }
            lanes.push(Lane {
                columns: given.columns.clone(),
                next: given.from,
                to: given.to,
                length_ns,
                latest: given.latest,
                source: source as u32,
            });
        }
        let tree = LoserTree::new(lanes.iter().map(Lane::known_at).collect());
        Ok(Self { lanes, tree })
    }

    /// When the next bar is known, `None` when all sources are exhausted.
    pub fn next_known_at(&self) -> Option<i64> {
        self.tree
            .winner()
            .map(|(key, _)| key)
            .filter(|&key| key != i64::MAX)
    }

    /// Take the next bar if it is known at `instant` or before.
    pub fn take_until(&mut self, instant: i64) -> Option<Item> {
        let (known_at, winner) = self.tree.winner()?;
        if known_at > instant || known_at == i64::MAX {
            return None;
        }
        let lane = &mut self.lanes[winner];
        let item = Item {
            known_at,
            source: lane.source,
            row: lane.next,
        };
        lane.next += 1;
        let next = lane.known_at();
        self.tree.replace_winner(next);
        Some(item)
    }
}

impl Iterator for Merge {
    type Item = Item;

    fn next(&mut self) -> Option<Item> {
        self.take_until(i64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::MINUTE;

    fn source(ts: &[i64], interval: &str) -> Source {
        Source {
            columns: Arc::new(Columns {
                ts: ts.iter().map(|m| m * MINUTE).collect(),
                ..Columns::default()
            }),
            from: 0,
            to: ts.len(),
            interval: interval.parse().unwrap(),
            latest: i64::MAX,
        }
    }

    fn order(sources: Vec<Source>) -> Vec<(u32, usize)> {
        Merge::new(sources)
            .unwrap()
            .map(|item| (item.source, item.row))
            .collect()
    }

    #[test]
    fn bars_known_at_one_instant_leave_finest_first_then_in_source_order() {
        // A 5m bar of 09:30 and the 1m bars of 09:34 are all known at 09:35.
        let merged = order(vec![
            source(&[570], "5m"),
            source(&[574], "1m"),
            source(&[573, 574], "1m"),
        ]);
        assert_eq!(merged, [(2, 0), (1, 0), (2, 1), (0, 0)]);
    }

    #[test]
    fn empty_sources_and_no_sources_yield_nothing() {
        assert!(order(vec![]).is_empty());
        assert!(order(vec![source(&[], "1m"), source(&[], "1m")]).is_empty());
        assert_eq!(order(vec![source(&[], "1m"), source(&[1], "1m")]), [(1, 0)]);
    }

    #[test]
    fn an_unsorted_source_is_named_with_its_row() {
        let fault = Merge::new(vec![source(&[1], "1m"), source(&[1, 3, 2], "1m")]).unwrap_err();
        assert_eq!(
            fault,
            Error::Unsorted {
                what: "source",
                source: 1,
                row: 2
            }
        );
    }

    #[test]
    fn a_daily_bar_is_known_at_the_close_and_not_before() {
        let mut day = source(&[570], "1d");
        assert!(Merge::new(vec![day.clone()]).is_err());
        day.latest = 960 * MINUTE;
        let merged = order(vec![day, source(&[570, 958, 959], "1m")]);
        assert_eq!(merged, [(1, 0), (1, 1), (1, 2), (0, 0)]);
    }

    #[test]
    fn a_bar_is_never_known_after_its_session() {
        let mut hour = source(&[930], "1h");
        hour.latest = 960 * MINUTE;
        assert_eq!(
            Merge::new(vec![hour]).unwrap().next_known_at(),
            Some(960 * MINUTE)
        );
    }
}
