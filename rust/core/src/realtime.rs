//! Values that follow each bar of a session: averages, ranges, extremes. Not those computed from history alone.
//!
//! Each value is what its definition gives for the bars of history and those of the session, in order of time, as they
//! stand now. Bars at the end cost O(1) each on average; after a late or corrected bar the session's bars are gone through
//! again from the state after history, after another history all of them. So the value never depends on the order in which
//! bars came.
//!
//! Values are computed from rows that are written and not published yet, and show with the epoch of those rows. Readers
//! take no lock.

mod cell;
mod follower;
mod kind;
mod machine;
mod window;

use std::collections::HashMap;
use std::sync::Arc;

use crate::store::{Store, Writer};
use crate::sync::{ArcSwap, Mutex};
use crate::time::Interval;
use cell::Cell;
pub use cell::Reading;
pub use follower::News;
use follower::{Feeding, Follower};
pub use kind::{FIELDS, Field, KINDS, Kind, Spec};
use rustc_hash::FxBuildHasher;

/// The values of a symbol by name.
type ByName = HashMap<Box<str>, Arc<Cell>, FxBuildHasher>;
type BySymbol = HashMap<Box<str>, Arc<ByName>, FxBuildHasher>;

/// The values of the symbols of one store.
#[derive(Debug)]
pub struct RealtimeIndicators {
    /// Replaced as a whole where a value is added or removed.
    cells: ArcSwap<BySymbol>,
    /// Used only by who holds the writers' lock, so nobody ever waits for this one.
    following: Mutex<Following>,
}

#[derive(Debug, Default)]
struct Following {
    /// Whether bars outside regular hours count too.
    extended: bool,
    followers: Vec<Follower>,
    /// Where the follower of a series is.
    places: HashMap<(Box<str>, Interval), usize, FxBuildHasher>,
    /// The followers of each symbol, by its position in the store.
    by_symbol: Vec<Vec<u32>>,
    /// Everything up to this epoch was taken in; `None` where followers were added, removed or reset.
    epoch: Option<u64>,
    /// Watched series with news, by position.
    news: Vec<u32>,
}

/// What became of a series that is watched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Watched {
    /// Whose.
    pub symbol: String,
    /// Its interval.
    pub interval: Interval,
    /// What became of it.
    pub news: News,
}

impl RealtimeIndicators {
    /// No values yet. With `extended` bars outside regular hours count too.
    pub fn new(extended: bool) -> Self {
        Self {
            cells: ArcSwap::from_pointee(BySymbol::default()),
            following: Mutex::new(Following {
                extended,
                ..Following::default()
            }),
        }
    }

    /// Compute a value from a series of each symbol, in place of those of the same name. The next
    /// [`RealtimeIndicators::follow`] computes them from what is stored. Returns the first symbol of which nobody keeps the
    /// series; nothing is changed then.
    ///
    /// `writer` shows that nobody else writes meanwhile, here and below.
    pub fn add<'a>(
        &self,
        writer: &Writer,
        name: &str,
        symbols: &[&'a str],
        interval: Interval,
        spec: Spec,
    ) -> Option<&'a str> {
        let is_unknown = |symbol: &&&str| writer.place_of(symbol, interval).is_none();
        if let Some(unknown) = symbols.iter().find(is_unknown) {
            return Some(unknown);
        }
        let mut following = self.following.lock();
        let mut cells = (*self.cells.load_full()).clone();
        for &symbol in symbols {
            let by_name = Arc::make_mut(cells.entry(symbol.into()).or_default());
            let cell = Arc::new(Cell::default());
            if by_name.insert(name.into(), cell.clone()).is_some() {
                following.remove(symbol, name);
            }
            following.follower(symbol, interval).add(name, spec, cell);
        }
        following.epoch = None;
        self.cells.store(Arc::new(cells));
        None
    }

    /// Note what becomes of a series from now on, for [`RealtimeIndicators::take_news`]. Says `false` where nobody keeps it.
    pub fn watch(&self, writer: &Writer, symbol: &str, interval: Interval) -> bool {
        if writer.place_of(symbol, interval).is_none() {
            return false;
        }
        let mut following = self.following.lock();
        following.follower(symbol, interval).watch();
        following.epoch = None;
        true
    }

    /// Forget a symbol with all its values.
    pub fn remove_symbol(&self, _writer: &Writer, symbol: &str) {
        let mut following = self.following.lock();
        following.retain(|follower| *follower.symbol != *symbol);
        let mut cells = (*self.cells.load_full()).clone();
        cells.remove(symbol);
        self.cells.store(Arc::new(cells));
    }

    /// No value has any bar any more. The next [`RealtimeIndicators::follow`] begins with history.
    pub fn reset(&self, _writer: &Writer) {
        let mut following = self.following.lock();
        following.followers.iter_mut().for_each(Follower::reset);
        following.epoch = None;
    }

    /// Bring all values up to date with what is written; they show with its epoch.
    ///
    /// Costs a look at each symbol written to since the last call. Where somebody published without calling this, it costs
    /// a look at each series.
    pub fn follow(&self, writer: &Writer) {
        self.following.lock().follow(writer);
    }

    /// What became of the watched series that changed since the last call, in the order in which they were first watched
    /// or computed from.
    pub fn take_news(&self, _writer: &Writer) -> Vec<Watched> {
        self.following.lock().take_news()
    }

    /// A value as of the newest epoch, `None` where nobody added it. O(1).
    pub fn reading(&self, store: &Store, symbol: &str, name: &str) -> Option<Reading> {
        let cells = self.cells.load();
        let cell = cells.get(symbol)?.get(name)?;
        Some(cell.load(|| store.epoch()))
    }
}

impl Following {
    /// The follower of a series, made if there is none.
    fn follower(&mut self, symbol: &str, interval: Interval) -> &mut Follower {
        let next = self.followers.len();
        let at = *self.places.entry((symbol.into(), interval)).or_insert(next);
        if at == next {
            self.followers.push(Follower::new(symbol, interval));
        }
        &mut self.followers[at]
    }

    /// Stop computing one value of a symbol.
    fn remove(&mut self, symbol: &str, name: &str) {
        for follower in &mut self.followers {
            if *follower.symbol == *symbol {
                follower.remove(name);
            }
        }
        self.retain(|follower| !follower.is_idle());
    }

    fn retain(&mut self, is_kept: impl Fn(&Follower) -> bool) {
        self.followers.retain(is_kept);
        let places = self.followers.iter().enumerate();
        self.places = places
            .map(|(at, follower)| ((follower.symbol.clone(), follower.interval), at))
            .collect();
        let with_news = |&at: &u32| self.followers[at as usize].has_news();
        self.news = (0..self.followers.len() as u32).filter(with_news).collect();
        self.epoch = None;
    }

    fn follow(&mut self, writer: &Writer) {
        let (epoch, shows) = (writer.writes_epoch(), writer.shows_with_epoch());
        let table = writer.table();
        let feeding = Feeding {
            extended: self.extended,
            table: table.as_deref(),
        };
        let mut look = |at: u32, follower: &mut Follower| {
            let had_news = follower.has_news();
            follower.look(writer, feeding, shows);
            if follower.has_news() && !had_news {
                self.news.push(at);
            }
        };
        if self.epoch.is_some_and(|seen| seen + 1 >= epoch) {
            // Nothing was published that was not taken in: only what is written since can be new.
            for symbol in writer.written_to() {
                let followers = self.by_symbol.get(symbol as usize);
                for &at in followers.into_iter().flatten() {
                    look(at, &mut self.followers[at as usize]);
                }
            }
        } else {
            self.by_symbol.clear();
            for (at, follower) in self.followers.iter_mut().enumerate() {
                let Some(symbol) = follower.locate(writer) else {
                    follower.reset();
                    continue;
                };
                let needed = symbol as usize + 1;
                if self.by_symbol.len() < needed {
                    self.by_symbol.resize(needed, Vec::new());
                }
                self.by_symbol[symbol as usize].push(at as u32);
                look(at as u32, follower);
            }
        }
        self.epoch = Some(shows);
    }

    fn take_news(&mut self) -> Vec<Watched> {
        let mut news = std::mem::take(&mut self.news);
        news.sort_unstable();
        let watched = news.into_iter().filter_map(|at| {
            let follower = &mut self.followers[at as usize];
            Some(Watched {
                symbol: follower.symbol.to_string(),
                interval: follower.interval,
                news: follower.take_news()?,
            })
        });
        watched.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bar::Bar;
    use crate::schedule::Stretch;
    use crate::series::NO_REPLAY;
    use crate::store::{Policies, SessionStart};
    use crate::time::MINUTE;

    fn bar(minute: i64, close: f64) -> Bar {
        Bar {
            ts: minute * MINUTE,
            open: close,
            high: close,
            low: close,
            close,
            volume: 1.0,
            flags: 0,
        }
    }

    fn sma(period: usize) -> Spec {
        Spec::new(Kind::Sma, Some(period), None, true).unwrap()
    }

    fn store(symbols: &[&str]) -> Store {
        let store = Store::new(Policies::default());
        for symbol in symbols {
            let one_minute = Some(Interval::ONE_MINUTE);
            store.write().register(symbol, one_minute, &[]).unwrap();
        }
        store
    }

    fn offer(store: &Store, symbol: &str, bar: Bar) {
        let mut writing = store.write();
        let id = writing.id_of(symbol).unwrap();
        writing.offer(id, bar).unwrap();
    }

    fn value(indicators: &RealtimeIndicators, store: &Store, symbol: &str) -> Option<f64> {
        indicators.reading(store, symbol, "mean").unwrap().value
    }

    #[test]
    fn late_and_corrected_bars_give_what_bars_in_order_give() {
        let store = store(&["A"]);
        let indicators = RealtimeIndicators::new(false);
        let unknown = indicators.add(
            &store.write(),
            "mean",
            &["A", "B"],
            Interval::ONE_MINUTE,
            sma(2),
        );
        assert_eq!(unknown, Some("B"));
        assert_eq!(indicators.reading(&store, "A", "mean"), None);
        indicators.add(&store.write(), "mean", &["A"], Interval::ONE_MINUTE, sma(2));
        for (minute, close, expected) in [
            (0, 1.0, None),
            (1, 3.0, Some(2.0)),
            (4, 5.0, Some(4.0)),
            (3, 9.0, Some(7.0)),
            (3, 7.0, Some(6.0)),
            (4, 1.0, Some(4.0)),
        ] {
            offer(&store, "A", bar(minute, close));
            indicators.follow(&store.write());
            assert_eq!(value(&indicators, &store, "A"), expected);
        }
        assert_eq!(indicators.reading(&store, "A", "mean").unwrap().bars, 4);
    }

    #[test]
    fn a_value_is_out_with_its_epoch_and_not_before() {
        let store = store(&["A"]);
        let indicators = RealtimeIndicators::new(false);
        indicators.add(&store.write(), "mean", &["A"], Interval::ONE_MINUTE, sma(1));
        offer(&store, "A", bar(0, 1.0));
        indicators.follow(&store.write());
        let mut writing = store.write();
        let id = writing.id_of("A").unwrap();
        writing.deliver(id, &bar(1, 2.0), NO_REPLAY).unwrap();
        indicators.follow(&writing);
        assert_eq!(value(&indicators, &store, "A"), Some(1.0));
        writing.publish();
        assert_eq!(value(&indicators, &store, "A"), Some(2.0));
    }

    #[test]
    fn symbols_that_move_up_or_come_again_keep_their_own_values() {
        let store = store(&["A", "B"]);
        let indicators = RealtimeIndicators::new(false);
        let both = ["A", "B"];
        indicators.add(&store.write(), "mean", &both, Interval::ONE_MINUTE, sma(1));
        offer(&store, "A", bar(0, 1.0));
        offer(&store, "B", bar(0, 2.0));
        indicators.follow(&store.write());
        let id = store.write().id_of("A").unwrap();
        store.write().remove(id).unwrap();
        offer(&store, "B", bar(1, 3.0));
        indicators.follow(&store.write());
        assert_eq!(value(&indicators, &store, "B"), Some(3.0));
        assert_eq!(value(&indicators, &store, "A"), None);
        let one_minute = Some(Interval::ONE_MINUTE);
        store.write().register("A", one_minute, &[]).unwrap();
        offer(&store, "A", bar(2, 4.0));
        indicators.follow(&store.write());
        assert_eq!(value(&indicators, &store, "A"), Some(4.0));
        indicators.remove_symbol(&store.write(), "B");
        assert_eq!(indicators.reading(&store, "B", "mean"), None);
    }

    #[test]
    fn a_session_begins_with_the_history_that_it_rolls() {
        let store = store(&["A"]);
        let indicators = RealtimeIndicators::new(false);
        indicators.add(&store.write(), "mean", &["A"], Interval::ONE_MINUTE, sma(3));
        let day = |day: i32| SessionStart {
            day,
            span: Stretch {
                start: i64::from(day) * 1_440 * MINUTE,
                end: i64::from(day + 1) * 1_440 * MINUTE,
            },
            roll: day > 0,
        };
        store.write().start_session(day(0)).unwrap();
        (0..4).for_each(|minute| offer(&store, "A", bar(minute, minute as f64 + 1.0)));
        indicators.follow(&store.write());
        assert_eq!(value(&indicators, &store, "A"), None);
        indicators.reset(&store.write());
        assert_eq!(
            indicators.reading(&store, "A", "mean"),
            Some(Reading::default())
        );
        let extended = RealtimeIndicators::new(true);
        extended.add(&store.write(), "mean", &["A"], Interval::ONE_MINUTE, sma(3));
        store.write().start_session(day(1)).unwrap();
        offer(&store, "A", bar(1_440, 8.0));
        indicators.follow(&store.write());
        extended.follow(&store.write());
        // Whatever belongs to a date without trading is out of hours.
        assert_eq!(value(&indicators, &store, "A"), None);
        assert_eq!(value(&extended, &store, "A"), Some((3.0 + 4.0 + 8.0) / 3.0));
    }

    #[test]
    fn what_becomes_of_a_watched_series_is_told_once() {
        let store = store(&["A", "B"]);
        let indicators = RealtimeIndicators::new(false);
        let told = || {
            indicators.follow(&store.write());
            let news = indicators.take_news(&store.write());
            let short = news.into_iter().map(|w| (w.symbol, w.news));
            short.collect::<Vec<_>>()
        };
        assert!(indicators.watch(&store.write(), "B", Interval::ONE_MINUTE));
        assert!(!indicators.watch(&store.write(), "C", Interval::ONE_MINUTE));
        assert_eq!(told(), [("B".to_owned(), News::Rewritten)]);
        offer(&store, "A", bar(0, 1.0));
        assert_eq!(told(), []);
        offer(&store, "B", bar(0, 1.0));
        offer(&store, "B", bar(2, 1.0));
        assert_eq!(told(), [("B".to_owned(), News::Appended)]);
        offer(&store, "B", bar(3, 1.0));
        offer(&store, "B", bar(1, 1.0));
        assert_eq!(told(), [("B".to_owned(), News::Rewritten)]);
        assert_eq!(told(), []);
    }
}
