//! The rows of a window in order, and who puts them there: the thread that takes them, or one beside it, a window ahead.

use super::source::Loaded;
use super::window::{Lane, Windows, split};
use crate::bar::{Bar, STREAMED};
use crate::columns::Columns;
use crate::segment::Places;

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

/// Somebody who places the rows of the next window while those of this one are taken: whoever has threads.
pub trait Helper<T>: std::fmt::Debug + Send {
    /// Begin to place a window. Until [`Helper::end`] it is not asked again.
    fn begin(&mut self, placing: Box<Placing<T>>);

    /// What was begun, once it is done.
    fn end(&mut self) -> Box<Placing<T>>;
}

/// Loaded sources, and the rows of one window of them in order.
#[derive(Debug)]
pub struct Placing<T> {
    /// In tie order: finest interval first, then in the order given.
    loaded: Vec<Loaded>,
    windows: Windows,
    pub(super) items: Vec<Item<T>>,
}

impl<T: Taken> Placing<T> {
    /// Stand before the first window.
    pub(super) fn new(mut loaded: Vec<Loaded>) -> Self {
        loaded.sort_by_key(|one| one.source.interval);
        let lanes: Vec<Lane<'_>> = loaded.iter().map(Loaded::lane).collect();
        let part = split(&lanes, 1).swap_remove(0);
        Self {
            loaded,
            windows: Windows::new(part),
            items: Vec::new(),
        }
    }

    /// Put the rows of each source into places of its own too, given in the order of the sources.
    pub(super) fn put_into(&mut self, mut places: Vec<Option<Places>>) {
        for one in &mut self.loaded {
            one.places = places.get_mut(one.position as usize).and_then(Option::take);
        }
    }

    /// Let windows be small, and the first ones smaller, so that whoever waits for one need not wait long.
    pub(super) fn begin_small(&mut self) {
        self.windows.begin_small();
    }

    /// Whether the rows are so few that one window has them all.
    pub(super) fn is_one_window(&self) -> bool {
        self.windows.is_one()
    }

    /// Whether all rows are placed.
    pub(super) fn is_done(&self) -> bool {
        self.windows.is_done()
    }

    /// Put the rows of the next window in order; none are left where all are placed.
    pub fn place(&mut self) {
        let lanes: Vec<Lane<'_>> = self.loaded.iter().map(Loaded::lane).collect();
        let Some(placed) = self.windows.advance(&lanes) else {
            self.items.clear();
            return;
        };
        self.items.resize(placed.places.len(), Item::default());
        let mut places = placed.places;
        for &(lane, first, len) in placed.runs {
            let (here, rest) = places.split_at(len);
            let (one, lane) = (&self.loaded[lane], &lanes[lane]);
            let (columns, from) = (&one.source.columns, one.source.from);
            if let Some(places) = &one.places {
                places.put(first, columns, from + first..from + first + len);
            }
            for (row, &place) in (first..first + len).zip(here) {
                self.items[place as usize] = Item {
                    known_at: lane.known_at(row),
                    source: one.position,
                    row: T::of(columns, from + row),
                };
            }
            places = rest;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::sync::Arc;

    use super::*;
    use crate::merge::{BarMerge, MergeOf, Source};
    use crate::time::Interval;

    /// Places what it was given when it is asked for, and no sooner; counts.
    #[derive(Debug, Default)]
    struct Late(
        VecDeque<Box<Placing<Bar>>>,
        Arc<std::sync::atomic::AtomicUsize>,
    );

    impl Helper<Bar> for Late {
        fn begin(&mut self, placing: Box<Placing<Bar>>) {
            assert!(self.0.is_empty(), "asked again before it was done");
            self.0.push_back(placing);
        }

        fn end(&mut self) -> Box<Placing<Bar>> {
            let mut placing = self.0.pop_front().unwrap();
            placing.place();
            self.1.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            placing
        }
    }

    fn sources() -> Vec<Source> {
        let every = |step: i64| {
            let ts: Vec<i64> = (0..30_000).map(|row| row * step).collect();
            let prices: Vec<f64> = ts.iter().map(|&at| at as f64).collect();
            Columns {
                open: prices.clone(),
                high: prices.clone(),
                low: prices.clone(),
                close: prices.clone(),
                volume: prices,
                flags: vec![0; ts.len()],
                ts,
                constituents: Vec::new(),
            }
        };
        let source = |step| Source {
            columns: Arc::new(every(step)),
            from: 0,
            to: 30_000,
            interval: Interval::ONE_MINUTE,
            latest: i64::MAX,
            known_at: None,
            is_sorted: false,
        };
        [7, 7, 3, 11].map(source).into()
    }

    #[test]
    fn windows_that_a_helper_places_are_those_of_who_has_none() {
        let alone: Vec<Item<Bar>> = BarMerge::new(sources()).unwrap().collect();
        let late = Late::default();
        let placed = late.1.clone();
        let mut helped: MergeOf<Bar> = BarMerge::idle(sources()).unwrap();
        helped.begin(Some(Box::new(late)), Vec::new(), Vec::new());
        helped.go_on();
        assert!(helped.eq(alone));
        assert!(placed.load(std::sync::atomic::Ordering::Relaxed) > 2);
    }

    #[test]
    fn what_a_merge_let_go_of_comes_no_more() {
        let mut merge = BarMerge::idle(sources()).unwrap();
        merge.begin(Some(Box::new(Late::default())), Vec::new(), Vec::new());
        merge.go_on();
        let first = merge.next();
        merge.let_go();
        assert!(first.is_some());
        assert!(merge.count() < 120_000);
    }
}
