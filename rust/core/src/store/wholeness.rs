//! What the end of a session asks of many symbols at once: how whole each is, what was offered, how it opened.

use std::sync::Arc;

use crate::gap::Presence;
use crate::series::Scope;
use crate::store::{Entry, IngestCounts, Store};

/// Of each symbol's base series what is due by the clock, what of it came, and the gaps; zeros without a schedule.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Wholeness {
    /// Bars that are due and came.
    pub present: Vec<i64>,
    /// Bars that are due.
    pub due: Vec<i64>,
    /// Number of missing runs.
    pub gaps: Vec<i64>,
    /// Bars in the longest of them; the first counts of those that are as long.
    pub longest: Vec<i64>,
    /// Where that one starts, ns UTC.
    pub longest_start: Vec<i64>,
    /// Where it ends, ns UTC.
    pub longest_end: Vec<i64>,
}

/// The last close of history and the first open of the session, NaN without one.
#[derive(Debug, Clone, Copy)]
pub struct Opening {
    /// Close of the newest bar of history.
    pub close_before: f64,
    /// Open of the first bar of the session.
    pub open: f64,
}

impl Opening {
    /// Of a symbol that nobody keeps.
    pub const NONE: Self = Self {
        close_before: f64::NAN,
        open: f64::NAN,
    };
}

impl Store {
    /// How whole the sessions of several symbols are; zeros for each `None`.
    pub fn wholeness(&self, entries: &[Option<Arc<Entry>>]) -> Wholeness {
        let mut all = Wholeness::default();
        for entry in entries {
            let found = entry
                .as_ref()
                .and_then(|entry| self.presence_by_clock(entry));
            let counts = |(clock, presence): &(i64, Arc<Presence>)| presence.counts(*clock);
            let (present, due) = found.as_ref().map_or((0, 0), counts);
            let missing = found.filter(|_| present < due);
            let runs = missing.map_or(Vec::new(), |(clock, presence)| presence.missing(clock));
            // Of equal ones the last found is the greatest, so they are looked at from behind.
            let longest = runs.iter().rev().max_by_key(|run| run.bars);
            all.present.push(present.into());
            all.due.push(due.into());
            all.gaps.push(runs.len() as i64);
            all.longest.push(longest.map_or(0, |run| run.bars.into()));
            all.longest_start.push(longest.map_or(0, |run| run.start));
            all.longest_end.push(longest.map_or(0, |run| run.end));
        }
        all
    }

    /// Start of the newest base bar of a scope, whosever it is, as of one epoch; the inner `None` without a bar, the outer one
    /// as for [`Store::look_at_all`].
    pub fn newest_start(&self, scope: Scope) -> Option<Option<i64>> {
        let directory = self.directory();
        let bases = directory
            .entries()
            .iter()
            .map(|entry| Some(&**entry.base()));
        let newest = self.look_at_all(&bases.collect::<Vec<_>>(), |view| {
            let (first, last) = view.scope(scope);
            (last > first).then(|| view.bar(last - 1).ts)
        })?;
        Some(newest.into_iter().flatten().flatten().max())
    }

    /// How the sessions of several symbols opened beside the history before them; `None` as for [`Store::look_at_all`].
    pub fn openings(&self, entries: &[Option<Arc<Entry>>]) -> Option<Vec<Opening>> {
        let base = |entry: &Option<Arc<Entry>>| Some(entry.as_ref()?.base().clone());
        let series: Vec<_> = entries.iter().map(base).collect();
        let series: Vec<_> = series.iter().map(Option::as_deref).collect();
        let found = self.look_at_all(&series, |view| {
            let (first, last) = view.scope(Scope::Session);
            let newest = view.scope(Scope::History).1.checked_sub(1);
            Opening {
                close_before: newest.map_or(f64::NAN, |row| view.bar(row).close),
                open: if last > first {
                    view.bar(first).open
                } else {
                    f64::NAN
                },
            }
        })?;
        Some(
            found
                .into_iter()
                .map(|one| one.unwrap_or(Opening::NONE))
                .collect(),
        )
    }

    /// How many bars of several symbols were offered, and what became of them; nothing for those that nobody keeps.
    pub fn counts_of(&self, entries: &[Option<Arc<Entry>>]) -> Vec<IngestCounts> {
        let writing = self.write();
        let counts = |entry: &Arc<Entry>| {
            let id = match writing.keeps(entry) {
                true => entry.id,
                // Another symbol went since it was looked up.
                false => writing.id_of(&entry.symbol)?,
            };
            Some(writing.counts(id))
        };
        entries
            .iter()
            .map(|entry| entry.as_ref().and_then(counts).unwrap_or_default())
            .collect()
    }
}
