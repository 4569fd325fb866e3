//! Merge of sorted sources into one stream in the order in which bars become known.
//!
//! The order is total: known-at, then interval (finest first), then source, then sequence within the source. Minute
//! bars tie at every stamp, so the ties are the normal case. Loaded sources are cut into windows of time and placed, in
//! [`window`]; here their rows leave one by one. Sources that arrive in pieces are merged in [`pieces`].

mod loser_tree;
pub mod pieces;
pub mod window;

use std::ops::Range;
use std::sync::Arc;

use crate::alignment::first_fall;
use crate::bar::{Bar, STREAMED};
use crate::columns::Columns;
use crate::error::{Error, Result};
use crate::time::Interval;
use window::{Lane, Windows, split};

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
}

impl Source {
    /// Check order and range of the stamps.
    fn check(&self, source: usize) -> Result<()> {
        let ts = &self.columns.ts[self.from..self.to];
        if let Some(fall) = first_fall(ts) {
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
struct Loaded {
    source: Source,
    position: u32,
    length: i64,
    /// Where bars are known earlier than one interval after their start.
    known_at: Option<Vec<i64>>,
}

impl Loaded {
    fn new(source: Source, position: u32) -> Self {
        let ts = &source.columns.ts[source.from..source.to];
        let (length, latest) = (source.interval.ns(), source.latest);
        if let Some(known_at) = &source.known_at {
            let known_at = known_at.iter().map(|&at| at.min(latest)).collect();
            return Self {
                length: 0,
                known_at: Some(known_at),
                source,
                position,
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
            known_at,
        }
    }

    fn lane(&self) -> Lane<'_> {
        Lane {
            ts: match &self.known_at {
                Some(known_at) => known_at,
                None => &self.source.columns.ts[self.source.from..self.source.to],
            },
            length: self.length,
        }
    }
}

/// What is taken of a row as it gets its place in the stream.
pub trait Taken: Copy + Default {
    /// The row at a position of its columns.
    fn of(columns: &Columns, row: usize) -> Self;
}

/// Its position.
impl Taken for usize {
    #[inline]
    fn of(_: &Columns, row: usize) -> Self {
        row
    }
}

/// Its values, flagged as streamed. They are read lane by lane when a window is placed, so that their memory is not waited
/// for bar by bar.
impl Taken for Bar {
    #[inline]
    fn of(columns: &Columns, row: usize) -> Self {
        Self {
            flags: columns.flags[row] | STREAMED,
            ..columns.bar(row)
        }
    }
}

/// One row of one source, and when it is known.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Item<T> {
    /// Instant from which the bar may be used.
    pub known_at: i64,
    /// Position of the source as given.
    pub source: u32,
    /// The row within the source's columns, or what is in it.
    pub row: T,
}

/// Rows that whoever was given some of them may hold on to.
pub type Items<T> = Arc<Vec<Item<T>>>;

/// Loaded sources merged row by row: the position of each row.
pub type Merge = MergeOf<usize>;

/// Loaded sources merged row by row: the bar of each row.
pub type BarMerge = MergeOf<Bar>;

/// Loaded sources merged row by row.
#[derive(Debug)]
pub struct MergeOf<T> {
    /// In tie order: finest interval first, then in the order given.
    loaded: Vec<Loaded>,
    windows: Windows,
    /// The rows of the window in order; whoever was given some of them may hold on to them.
    items: Items<T>,
    /// Memory of earlier windows, to be used again once nobody holds it.
    spare: Vec<Items<T>>,
    next: usize,
}

/// Windows whose memory is kept: who was given rows lets go of them before the next but one comes, as a rule.
const SPARE: usize = 2;

impl<T: Taken> MergeOf<T> {
    /// Start a merge.
    ///
    /// A bar of sessions or weeks is known at its source's `latest`.
    ///
    /// # Errors
    /// [`Error::NoSession`] for bars of sessions or weeks without a `latest`, [`Error::Unsorted`] naming source and row, [`Error::Overflow`] for a bar that ends beyond 64 bits.
    pub fn new(sources: Vec<Source>) -> Result<Self> {
        let mut loaded = Vec::with_capacity(sources.len());
        for (position, source) in sources.into_iter().enumerate() {
            source.check(position)?;
            loaded.push(Loaded::new(source, position as u32));
        }
        loaded.sort_by_key(|one| one.source.interval);
        let lanes: Vec<Lane<'_>> = loaded.iter().map(Loaded::lane).collect();
        let part = split(&lanes, 1).swap_remove(0);
        let mut merge = Self {
            loaded,
            windows: Windows::new(part),
            items: Arc::default(),
            spare: Vec::new(),
            next: 0,
        };
        merge.fill();
        Ok(merge)
    }

    /// Put the rows of the next window in order.
    fn fill(&mut self) {
        self.next = 0;
        let mut room = self.room();
        let Some(items) = Arc::get_mut(&mut room) else {
            return;
        };
        let lanes: Vec<Lane<'_>> = self.loaded.iter().map(Loaded::lane).collect();
        let Some(placed) = self.windows.advance(&lanes) else {
            return;
        };
        items.resize(placed.places.len(), Item::default());
        let mut places = placed.places;
        for &(lane, first, len) in placed.runs {
            let (here, rest) = places.split_at(len);
            let (one, lane) = (&self.loaded[lane], &lanes[lane]);
            for (row, &place) in (first..first + len).zip(here) {
                items[place as usize] = Item {
                    known_at: lane.known_at(row),
                    source: one.position,
                    row: T::of(&one.source.columns, one.source.from + row),
                };
            }
            places = rest;
        }
        self.items = room;
    }

    /// Memory that nobody else holds, in place of that of the window, of which no row is left.
    fn room(&mut self) -> Items<T> {
        self.spare.push(std::mem::take(&mut self.items));
        let mut spare = self.spare.iter_mut();
        let free = spare.position(|room| Arc::get_mut(room).is_some());
        let room = free.map(|at| self.spare.swap_remove(at));
        self.spare.truncate(SPARE);
        room.unwrap_or_default()
    }

    /// Take the next bars that are known at `instant` or before, as many as lie one behind the other. [`MergeOf::go_on`] must
    /// be called before anything else is asked: in between they may be let go of, and their memory is used again.
    pub fn take_some(&mut self, instant: i64) -> Option<(Items<T>, Range<usize>)> {
        let rest = self.items.get(self.next..)?;
        // Steps that double: the rows of an instant are few beside those of a window, and are read next.
        let mut step = 64;
        while step < rest.len() && rest[step - 1].known_at <= instant {
            step *= 2;
        }
        let near = &rest[..step.min(rest.len())];
        let known = near.partition_point(|item| item.known_at <= instant);
        if known == 0 {
            return None;
        }
        let rows = self.next..self.next + known;
        let items = self.items.clone();
        self.next = rows.end;
        Some((items, rows))
    }

    /// Place the rows of the next window if none is left of this one.
    pub fn go_on(&mut self) {
        if self.next == self.items.len() {
            self.fill();
        }
    }

    /// When the next bar is known, `None` when all sources are exhausted.
    #[inline]
    pub fn next_known_at(&self) -> Option<i64> {
        self.items.get(self.next).map(|item| item.known_at)
    }

    /// Take the next bar if it is known at `instant` or before.
    #[inline]
    pub fn take_until(&mut self, instant: i64) -> Option<Item<T>> {
        let item = *self.items.get(self.next)?;
        if item.known_at > instant {
            return None;
        }
        self.next += 1;
        if self.next == self.items.len() {
            self.fill();
        }
        Some(item)
    }
}

impl<T: Taken> Iterator for MergeOf<T> {
    type Item = Item<T>;

    fn next(&mut self) -> Option<Item<T>> {
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
            known_at: None,
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
