//! Merge of sorted sources into one stream in the order in which bars become known.
//!
//! The order is total: known-at, then interval (finest first), then source, then sequence within the source. Minute
//! bars tie at every stamp, so the ties are the normal case. Loaded sources are cut into windows of time and placed, in
//! [`window`]; here their rows leave one by one. Sources that arrive in pieces are merged in [`pieces`].

mod loser_tree;
pub mod pieces;
mod placing;
mod source;
pub mod whole;
pub mod window;

use std::ops::Range;
use std::sync::Arc;

use crate::bar::Bar;
use crate::error::Result;
use crate::segment::Places;
pub use placing::{Helper, Item, Placing, Taken};
use source::Loaded;
pub use source::Source;

/// Rows that whoever was given some of them may hold on to.
pub type Items<T> = Arc<Vec<Item<T>>>;

/// Loaded sources merged row by row: the position of each row.
pub type Merge = MergeOf<usize>;

/// Loaded sources merged row by row: the bar of each row.
pub type BarMerge = MergeOf<Bar>;

/// Loaded sources merged row by row.
#[derive(Debug)]
pub struct MergeOf<T> {
    /// What places the next window; nothing while the helper does.
    placing: Option<Box<Placing<T>>>,
    helper: Option<Box<dyn Helper<T>>>,
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
    /// [`crate::Error::NoSession`] for bars of sessions or weeks without a `latest`, [`crate::Error::Unsorted`] naming source and row,
    /// [`crate::Error::Overflow`] for a bar that ends beyond 64 bits.
    pub fn new(sources: Vec<Source>) -> Result<Self> {
        let mut merge = Self::idle(sources)?;
        merge.go_on();
        Ok(merge)
    }

    /// A merge that has begun nothing yet.
    ///
    /// # Errors
    /// Those of [`MergeOf::new`].
    pub(crate) fn idle(sources: Vec<Source>) -> Result<Self> {
        let mut loaded = Vec::with_capacity(sources.len());
        for (position, source) in sources.into_iter().enumerate() {
            source.check(position)?;
            loaded.push(Loaded::new(source, position as u32));
        }
        Ok(Self {
            placing: Some(Box::new(Placing::new(loaded))),
            helper: None,
            items: Arc::default(),
            spare: Vec::new(),
            next: 0,
        })
    }

    /// Begin an idle merge, where somebody may place each window while the one before is taken; the order is the same.
    /// `places` has for each source where its rows are put besides, each before its bar leaves the merge; `spare` is memory to
    /// be used. The first window is placed while whoever asked for it does something else: [`MergeOf::go_on`] must be called
    /// before anything is asked.
    pub(crate) fn begin(
        &mut self,
        helper: Option<Box<dyn Helper<T>>>,
        places: Vec<Option<Places>>,
        spare: Vec<Items<T>>,
    ) {
        (self.helper, self.spare) = (helper, spare);
        let Some(placing) = &mut self.placing else {
            return;
        };
        placing.put_into(places);
        if self.helper.is_some() && !placing.is_one_window() {
            placing.begin_small();
            self.hand_out();
        }
    }

    /// No more rows are asked for: whoever helps may go, and what is not placed is let go of. Returns memory for others.
    pub(crate) fn let_go(&mut self) -> Vec<Items<T>> {
        (self.helper, self.placing) = (None, None);
        if self.next == self.items.len() {
            self.next = 0;
            self.keep_memory();
        }
        std::mem::take(&mut self.spare)
    }

    /// Keep the memory of a window that is done. Before the first one there is none, which would stand in the place of some.
    fn keep_memory(&mut self) {
        let done = std::mem::take(&mut self.items);
        if done.capacity() > 0 {
            self.spare.push(done);
        }
    }

    /// Have the rows of the next window in order.
    fn fill(&mut self) {
        if self.placing.is_none() && self.helper.is_none() {
            // Let go of.
            return;
        }
        self.next = 0;
        self.keep_memory();
        let placed = match (self.placing.take(), &mut self.helper) {
            (Some(mut placing), _) => {
                placing.items = self.room();
                placing.place();
                Some(placing)
            }
            (None, Some(helper)) => Some(helper.end()),
            (None, None) => None,
        };
        let Some(mut placing) = placed else {
            return;
        };
        self.items = Arc::new(std::mem::take(&mut placing.items));
        self.placing = Some(placing);
        self.hand_out();
    }

    /// Have the helper, if there is one, begin the next window, if there is one.
    fn hand_out(&mut self) {
        let is_wanted =
            self.helper.is_some() && self.placing.as_ref().is_some_and(|p| !p.is_done());
        if !is_wanted {
            return;
        }
        let room = self.room();
        if let (Some(helper), Some(mut placing)) = (&mut self.helper, self.placing.take()) {
            placing.items = room;
            helper.begin(placing);
        }
    }

    /// Memory of an earlier window that nobody holds, if there is any.
    fn room(&mut self) -> Vec<Item<T>> {
        let mut spare = self.spare.iter_mut();
        let free = spare.position(|room| Arc::get_mut(room).is_some());
        let room = free.map(|at| self.spare.swap_remove(at));
        self.spare.truncate(SPARE);
        room.and_then(Arc::into_inner).unwrap_or_default()
    }

    /// Take the next bars that are known at `instant` or before, as many as lie one behind the other. [`MergeOf::go_on`] must
    /// be called before anything else is asked: in between they may be let go of, and their memory is used again.
    pub fn take_some(&mut self, instant: i64) -> Option<(Items<T>, Range<usize>)> {
        let rest = self.items.get(self.next..)?;
        // One after the other: the rows of an instant are few beside those of a window, and are read next, in this order. A
        // search would wait for each row it looks at.
        let later = rest.iter().position(|item| item.known_at > instant);
        let known = later.unwrap_or(rest.len());
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
    use crate::columns::Columns;
    use crate::error::Error;
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
            is_sorted: false,
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
    fn the_memory_of_windows_goes_from_merge_to_merge() {
        let stamps: Vec<i64> = (0..40_000).collect();
        let mut spare: Vec<Items<usize>> = Vec::new();
        let mut known: Vec<*const Item<usize>> = Vec::new();
        for round in 0..4 {
            let mut merge = Merge::idle(vec![source(&stamps, "1m")]).unwrap();
            merge.begin(None, Vec::new(), spare);
            merge.go_on();
            assert_eq!(merge.by_ref().count(), stamps.len());
            spare = merge.let_go();
            let kept: Vec<_> = spare.iter().map(|room| room.as_ptr()).collect();
            assert!(round == 0 || kept.iter().all(|room| known.contains(room)));
            assert!(!kept.is_empty() && kept.len() >= known.len());
            known = kept;
        }
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
