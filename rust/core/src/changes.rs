//! What became known in one instant. Bars that came as they should stay where the merge put them until somebody asks.

use std::collections::HashSet;
use std::ops::Range;
use std::sync::Arc;

use crate::bar::Bar;
use crate::merge::{Item, Items};
use crate::store::{Change, ChangeKind, SymbolId};
use crate::time::Interval;

/// Whose bars the sources of a merge have.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Lanes {
    symbols: Vec<SymbolId>,
    intervals: Vec<Interval>,
    /// Each interval once; as a rule there is one.
    distinct: Vec<Interval>,
}

impl Lanes {
    /// By position of the source.
    pub(crate) fn new(lanes: impl IntoIterator<Item = (SymbolId, Interval)>) -> Self {
        let (symbols, intervals): (Vec<SymbolId>, Vec<Interval>) = lanes.into_iter().unzip();
        let mut distinct = intervals.clone();
        distinct.sort_unstable();
        distinct.dedup();
        Self {
            symbols,
            intervals,
            distinct,
        }
    }

    #[inline]
    pub(crate) fn symbol(&self, item: &Item<Bar>) -> SymbolId {
        self.symbols[item.source as usize]
    }
}

/// Bars of one instant that lie one behind the other in the merge.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Taken {
    items: Items<Bar>,
    rows: Range<usize>,
    /// Positions of those that were no new bar, or are told with a change of their own.
    odd: Vec<usize>,
    lanes: Arc<Lanes>,
}

impl Taken {
    pub(crate) fn new(
        items: Items<Bar>,
        rows: Range<usize>,
        odd: Vec<usize>,
        lanes: Arc<Lanes>,
    ) -> Self {
        Self {
            items,
            rows,
            odd,
            lanes,
        }
    }

    fn len(&self) -> usize {
        self.rows.len() - self.odd.len()
    }

    /// Whether a new bar has one of these intervals.
    fn has_any_of(&self, wanted: &[Interval]) -> bool {
        let lanes = &self.lanes;
        if self.len() == 0 || !lanes.distinct.iter().any(|one| wanted.contains(one)) {
            return false;
        }
        let is_wanted = |item: &Item<Bar>| wanted.contains(&lanes.intervals[item.source as usize]);
        lanes.distinct.len() == 1 || self.new_bars().any(is_wanted)
    }

    fn new_bars(&self) -> impl Iterator<Item = &Item<Bar>> + '_ {
        let mut odd = self.odd.iter().peekable();
        self.rows
            .clone()
            .filter(move |at| odd.next_if(|&next| next == at).is_none())
            .map(|at| &self.items[at])
    }
}

/// The changes of one instant.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Changes {
    taken: Vec<Taken>,
    /// All that are not new bars as they came: late ones, corrections, derived bars.
    others: Vec<Change>,
}

impl Changes {
    pub(crate) fn new(taken: Vec<Taken>, others: Vec<Change>) -> Self {
        Self { taken, others }
    }

    /// Whether nothing changed.
    pub fn is_empty(&self) -> bool {
        self.others.is_empty() && self.taken.iter().all(|taken| taken.len() == 0)
    }

    /// Whether a bar came late or was corrected.
    pub fn has_updates(&self) -> bool {
        self.others
            .iter()
            .any(|change| change.kind != ChangeKind::New)
    }

    /// Whether a bar of one of these intervals changed.
    pub(crate) fn has_any_of(&self, wanted: &[Interval]) -> bool {
        let mut others = self.others.iter();
        others.any(|change| wanted.contains(&change.interval))
            || self.taken.iter().any(|taken| taken.has_any_of(wanted))
    }

    /// How many there are, where that can be said without listing them.
    pub fn known_len(&self) -> Option<usize> {
        let is_base = |change: &Change| change.series == 0;
        let taken: usize = self.taken.iter().map(Taken::len).sum();
        (!self.others.iter().any(is_base)).then_some(taken + self.others.len())
    }

    /// All of them: the finest interval first, then the configured order.
    pub fn all(&self) -> Vec<Change> {
        // A bar that was corrected in the instant in which it came is told as it is now.
        let told: HashSet<(u32, i64)> = self
            .others
            .iter()
            .filter(|change| change.series == 0)
            .map(|change| (change.symbol.0, change.bar.ts))
            .collect();
        let rows: usize = self.taken.iter().map(Taken::len).sum();
        let mut all = Vec::with_capacity(rows + self.others.len());
        for taken in &self.taken {
            let new = taken.new_bars().map(|item| Change {
                symbol: taken.lanes.symbol(item),
                series: 0,
                interval: taken.lanes.intervals[item.source as usize],
                kind: ChangeKind::New,
                bar: item.row,
                constituents: 0,
            });
            all.extend(
                new.filter(|new| told.is_empty() || !told.contains(&(new.symbol.0, new.bar.ts))),
            );
        }
        all.extend_from_slice(&self.others);
        // As a rule they are in order.
        all.sort_by_key(|change| (change.interval, change.symbol, change.bar.ts));
        all
    }
}
