//! One series and what is computed from it: kept up to date with the rows as they are written.

use std::sync::Arc;

use crate::bar::{Bar, EXTENDED};
use crate::realtime::cell::{Cell, Reading};
use crate::realtime::kind::Spec;
use crate::realtime::machine::Machine;
use crate::series::{Rewrites, SeriesWriter};
use crate::session_table::SessionTable;
use crate::store::{Place, Writer};
use crate::time::Interval;

/// What became of a series since somebody looked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum News {
    /// Bars at its end.
    Appended,
    /// Bars before its newest one, of history too, or another session.
    Rewritten,
}

/// One value that follows a series.
#[derive(Debug)]
struct Indicator {
    name: Box<str>,
    spec: Spec,
    cell: Arc<Cell>,
    /// After the bars of history, before those of the session.
    warm: Machine,
    now: Machine,
}

/// A series of a symbol and all that is computed from it.
#[derive(Debug)]
pub(super) struct Follower {
    pub(super) symbol: Box<str>,
    pub(super) interval: Interval,
    place: Option<Place>,
    /// Rows of the session that were taken in, and what had been rewritten then; `None` while nothing is taken in.
    seen: Option<(usize, Rewrites)>,
    indicators: Vec<Indicator>,
    /// Whether somebody asks what became of the series, and what became of it since.
    is_watched: bool,
    news: Option<News>,
}

/// Which bars count.
#[derive(Debug, Clone, Copy)]
pub(super) struct Feeding<'a> {
    /// Bars outside regular hours too.
    pub(super) extended: bool,
    pub(super) table: Option<&'a SessionTable>,
}

impl Feeding<'_> {
    #[inline]
    fn takes(self, bar: &Bar) -> bool {
        self.extended || bar.flags & EXTENDED == 0
    }

    /// The same for a base bar of history, which carries no flag where it never was part of a session here.
    fn takes_of_history(self, bar: &Bar) -> bool {
        self.takes(bar)
            && (self.extended
                || self.table.is_none_or(|table| {
                    let session = table.session_of(bar.ts);
                    session.is_some_and(|index| table.session(index).is_regular(bar.ts))
                }))
    }
}

impl Follower {
    pub(super) fn new(symbol: &str, interval: Interval) -> Self {
        Self {
            symbol: symbol.into(),
            interval,
            place: None,
            seen: None,
            indicators: Vec::new(),
            is_watched: false,
            news: None,
        }
    }

    /// Compute one more value from here on. The next look computes it from what is stored.
    pub(super) fn add(&mut self, name: &str, spec: Spec, cell: Arc<Cell>) {
        self.indicators.push(Indicator {
            name: name.into(),
            spec,
            cell,
            warm: Machine::new(spec),
            now: Machine::new(spec),
        });
        self.seen = None;
    }

    /// Note what becomes of the series from here on; what it has already is news to who begins to watch.
    pub(super) fn watch(&mut self) {
        self.is_watched = true;
        self.seen = None;
    }

    pub(super) fn has_news(&self) -> bool {
        self.news.is_some()
    }

    pub(super) fn take_news(&mut self) -> Option<News> {
        self.news.take()
    }

    fn note(&mut self, news: News) {
        if self.is_watched {
            self.news = self.news.max(Some(news));
        }
    }

    /// Stop computing a value.
    pub(super) fn remove(&mut self, name: &str) {
        self.indicators.retain(|known| &*known.name != name);
    }

    pub(super) fn is_idle(&self) -> bool {
        self.indicators.is_empty() && !self.is_watched
    }

    /// Forget everything computed; the next look begins with history.
    pub(super) fn reset(&mut self) {
        self.seen = None;
        for indicator in &self.indicators {
            indicator.cell.clear();
        }
    }

    /// Where its symbol is kept, found anew if it was moved.
    pub(super) fn locate(&mut self, writer: &Writer) -> Option<u32> {
        let is_there = |place: &Place| writer.written(place).is_some();
        if !self.place.as_ref().is_some_and(is_there) {
            self.place = writer.place_of(&self.symbol, self.interval);
            self.seen = None;
        }
        self.place.as_ref().map(|place| place.symbol.0)
    }

    /// Take in what is new since the last look; it shows with an epoch.
    pub(super) fn look(&mut self, writer: &Writer, feeding: Feeding<'_>, epoch: u64) {
        let series = self.place.as_ref().and_then(|place| writer.written(place));
        let Some((series, place)) = series.zip(self.place.as_ref()) else {
            return;
        };
        let (first, last) = series.session_rows();
        let rewrites = series.rewrites();
        let rows = last - first;
        let from = match self.seen {
            Some((seen, then)) if then == rewrites => {
                if seen == rows {
                    return;
                }
                self.note(News::Appended);
                seen
            }
            Some((_, then)) if then.history == rewrites.history => {
                self.note(News::Rewritten);
                for indicator in &mut self.indicators {
                    indicator.now.clone_from(&indicator.warm);
                }
                0
            }
            _ => {
                let is_base = Writer::is_base(place);
                self.note(News::Rewritten);
                warm_up(&mut self.indicators, series, is_base, feeding);
                0
            }
        };
        self.seen = Some((rows, rewrites));
        if from + 1 == rows
            && let Some(newest) = series.newest_bar()
        {
            // As nearly always.
            self.take(&newest, feeding);
        } else {
            for slice in series.slices(first + from, last) {
                (0..slice.len()).for_each(|row| self.take(&slice.bar(row), feeding));
            }
        }
        for indicator in &self.indicators {
            let (value, bars) = (indicator.now.value(), indicator.now.bars);
            indicator.cell.store(Reading { value, bars }, epoch);
        }
    }

    #[inline]
    fn take(&mut self, bar: &Bar, feeding: Feeding<'_>) {
        if feeding.takes(bar) {
            for indicator in &mut self.indicators {
                indicator.now.update(bar);
            }
        }
    }
}

/// Begin with the bars of history, as many as each value takes.
fn warm_up(
    indicators: &mut [Indicator],
    series: &SeriesWriter,
    is_base: bool,
    feeding: Feeding<'_>,
) {
    let most = indicators
        .iter()
        .map(|indicator| indicator.spec.history().unwrap_or(usize::MAX))
        .max()
        .unwrap_or(0);
    let bars = newest_of_history(series, most, |bar| {
        if is_base {
            feeding.takes_of_history(bar)
        } else {
            feeding.takes(bar)
        }
    });
    for indicator in indicators {
        indicator.warm = Machine::new(indicator.spec);
        let wanted = indicator.spec.history().unwrap_or(bars.len());
        for bar in &bars[bars.len().saturating_sub(wanted)..] {
            indicator.warm.update(bar);
        }
        indicator.now.clone_from(&indicator.warm);
    }
}

/// The newest bars of history that are wanted, oldest first.
fn newest_of_history(
    series: &SeriesWriter,
    most: usize,
    is_wanted: impl Fn(&Bar) -> bool,
) -> Vec<Bar> {
    let (first, last) = series.history_rows();
    let mut bars = Vec::new();
    if most == 0 {
        return bars;
    }
    for slice in series.slices(first, last).iter().rev() {
        for bar in (0..slice.len()).rev().map(|row| slice.bar(row)) {
            if bars.len() == most {
                break;
            }
            if is_wanted(&bar) {
                bars.push(bar);
            }
        }
    }
    bars.reverse();
    bars
}
