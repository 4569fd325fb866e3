//! A loaded source: its rows, and when each is known.

use std::sync::Arc;

use super::window::Lane;
use crate::alignment::first_fall;
use crate::columns::Columns;
use crate::error::{Error, Result};
use crate::segment::Places;
use crate::time::Interval;

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
    /// When each bar from `from` to `to` is known, where that is not one interval after its start.
    pub known_at: Option<Vec<i64>>,
    /// Whether the bars are known to be in order. Where they are not, their stamps are looked through.
    pub is_sorted: bool,
}

impl Source {
    /// Check order and range of the stamps.
    pub(super) fn check(&self, source: usize) -> Result<()> {
        let ts = &self.columns.ts[self.from..self.to];
        debug_assert!(
            !self.is_sorted || first_fall(ts).is_none(),
            "what is known of a source is so"
        );
        if !self.is_sorted
            && let Some(fall) = first_fall(ts)
        {
            return Err(Error::Unsorted {
                what: "source",
                source,
                row: self.from + fall,
            });
        }
        if let Some(known_at) = &self.known_at {
            if known_at.len() != ts.len() {
                return Err(Error::Shape {
                    column: "known_at",
                    got: known_at.len(),
                    expected: ts.len(),
                });
            }
            if let Some(fall) = first_fall(known_at) {
                return Err(Error::Unsorted {
                    what: "source",
                    source,
                    row: self.from + fall,
                });
            }
            return Ok(());
        }
        let length = self.interval.ns();
        if length.is_none() && self.latest == i64::MAX && !ts.is_empty() {
            return Err(Error::NoSession {
                what: "when a bar of days or weeks is known depends on its session; merge it within one",
            });
        }
        if let Some(&last) = ts.last() {
            // The largest value marks an exhausted source.
            last.checked_add(length.unwrap_or(0))
                .filter(|&end| end < i64::MAX)
                .ok_or(Error::Overflow { ts: last })?;
        }
        Ok(())
    }
}

/// A source in its place among the lanes.
#[derive(Debug)]
pub(super) struct Loaded {
    pub(super) source: Source,
    pub(super) position: u32,
    /// Where its rows are put besides, each before its bar leaves the merge.
    pub(super) places: Option<Places>,
    length: i64,
    /// Where bars are known earlier than one interval after their start.
    known_at: Option<Vec<i64>>,
}

impl Loaded {
    pub(super) fn new(source: Source, position: u32) -> Self {
        let ts = &source.columns.ts[source.from..source.to];
        let (length, latest) = (source.interval.ns(), source.latest);
        if let Some(known_at) = &source.known_at {
            let known_at = known_at.iter().map(|&at| at.min(latest)).collect();
            return Self {
                length: 0,
                known_at: Some(known_at),
                source,
                position,
                places: None,
            };
        }
        let clipped = length.is_none_or(|ns| ts.last().is_some_and(|last| last + ns > latest));
        let known_at = clipped.then(|| {
            let known = |&at: &i64| length.map_or(latest, |ns| (at + ns).min(latest));
            ts.iter().map(known).collect()
        });
        Self {
            length: if known_at.is_some() {
                0
            } else {
                length.unwrap_or(0)
            },
            source,
            position,
            places: None,
            known_at,
        }
    }

    pub(super) fn lane(&self) -> Lane<'_> {
        Lane {
            ts: match &self.known_at {
                Some(known_at) => known_at,
                None => &self.source.columns.ts[self.source.from..self.source.to],
            },
            length: self.length,
        }
    }
}
