//! All series of a session: who is kept, what is known as of which epoch. Rules for arriving bars are in `writer`.
//!
//! One writer at a time, behind one lock; readers take none. After all bars of one instant are in, the store
//! publishes an epoch, so that "all symbols as of t" is never half done.

mod latest;
pub mod newest;
mod outcome;
mod symbol;
pub mod wholeness;
mod writer;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use crate::bar::Bar;
use crate::columns::Columns;
use crate::gap::{MissingRun, Presence};
use crate::metrics::MetricsCell;
use crate::series::{Scope, Series, Snapshot, View};
use crate::session_table::SessionTable;
use crate::sync::{
    ArcSwap, ArcSwapOption, AtomicI64, AtomicU8, AtomicU64, Mutex, MutexGuard, order,
};
use crate::time::Interval;
use latest::LatestCell;
pub use outcome::{
    IngestCounts, OnDuplicate, OnInvalid, Outcome, Policies, Quarantined, Revision, SessionCounts,
};
use rustc_hash::FxBuildHasher;
pub(crate) use writer::Collect;
pub(crate) use writer::Place;
pub use writer::{BatchReport, Change, ChangeKind, SessionStart, Writer};

/// Position of a symbol in configured order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SymbolId(pub u32);

/// What readers reach of one symbol.
#[derive(Debug)]
pub struct Entry {
    /// Position in configured order.
    pub id: SymbolId,
    /// Symbol, upper-cased.
    pub symbol: Arc<str>,
    /// Base series first, then derived ones, finest first.
    pub series: Vec<Arc<Series>>,
    shared: Arc<Shared>,
}

/// The parts of an entry that stay the same object when a derived series is added.
#[derive(Debug, Default)]
struct Shared {
    metrics: MetricsCell,
    latest: LatestCell,
    presence: ArcSwapOption<Presence>,
    counts: SessionCounters,
}

/// The newest base bar of a session as of an epoch; the outer `None` where the series was replaced after it.
#[inline]
fn latest_by(shared: &Shared, base: &Series, epoch: u64) -> Option<Option<Bar>> {
    let latest = shared.latest.load();
    if latest.epoch <= epoch {
        return Some(latest.bar);
    }
    // It is of an instant that is being written: what counts until then is in the series.
    base.look(epoch, |view| {
        let (first, last) = view.scope(Scope::Session);
        (last > first).then(|| view.bar(last - 1))
    })
}

#[derive(Debug, Default)]
struct SessionCounters {
    duplicates: AtomicU64,
    out_of_order: AtomicU64,
    out_of_session: AtomicU64,
    off_grid: AtomicU64,
}

/// Where the newest bars of several symbols are: found once, read often.
#[derive(Debug, Default)]
pub struct LatestBars(Vec<Option<(Arc<Shared>, Arc<Series>)>>);

impl LatestBars {
    /// Of these symbols, as long as nobody comes or goes.
    pub fn of(entries: &[Option<Arc<Entry>>]) -> Self {
        let place = |entry: &Arc<Entry>| (entry.shared.clone(), entry.base().clone());
        Self(entries.iter().map(|one| one.as_ref().map(place)).collect())
    }
}

impl Entry {
    /// The base series.
    pub fn base(&self) -> &Arc<Series> {
        // An entry is made with its base series.
        &self.series[0]
    }

    /// The series of an interval.
    pub fn find(&self, interval: Interval) -> Option<&Arc<Series>> {
        self.series
            .iter()
            .find(|series| series.interval() == interval)
    }

    /// Session figures of the base series.
    pub fn metrics(&self) -> Option<crate::metrics::MetricsView> {
        self.shared.metrics.load()
    }

    /// Which expected base bars of the session came; `None` without a schedule.
    pub fn presence(&self) -> Option<Arc<Presence>> {
        self.shared.presence.load_full()
    }

    /// Counters beside the quality of the session.
    pub fn session_counts(&self) -> SessionCounts {
        let read = |cell: &AtomicU64| cell.load(Relaxed);
        SessionCounts {
            duplicates: read(&self.shared.counts.duplicates),
            out_of_order: read(&self.shared.counts.out_of_order),
            out_of_session: read(&self.shared.counts.out_of_session),
            off_grid: read(&self.shared.counts.off_grid),
        }
    }
}

/// Who is kept.
#[derive(Debug, Default, Clone)]
pub struct Directory {
    by_symbol: HashMap<Box<str>, usize, FxBuildHasher>,
    entries: Vec<Arc<Entry>>,
}

impl Directory {
    /// All entries in configured order.
    pub fn entries(&self) -> &[Arc<Entry>] {
        &self.entries
    }

    /// The entry of a symbol, by exact match.
    pub fn get(&self, symbol: &str) -> Option<&Arc<Entry>> {
        self.by_symbol.get(symbol).map(|&at| &self.entries[at])
    }
}

/// The current session as readers see it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SessionState {
    /// Session date, days since 1970-01-01; `None` before the first session.
    pub date: Option<i32>,
    /// Whether the session has ended.
    pub ended: bool,
}

/// What is known up to now.
#[derive(Debug)]
pub struct Store {
    directory: ArcSwap<Directory>,
    session: ArcSwap<SessionState>,
    epoch: AtomicU64,
    clock: AtomicI64,
    writer: Mutex<Writer>,
    /// Whether it may be used: `FINE`, `FAILED` or `FORKED`.
    state: AtomicU8,
}

/// The store may be used.
const FINE: u8 = 0;
/// A writer failed half-way: nothing is written or published any more.
const FAILED: u8 = 1;
/// This is the copy of a store in a forked child: its locks may be held by threads that are not there.
const FORKED: u8 = 2;

impl Store {
    /// An empty store.
    pub fn new(policies: Policies) -> Self {
        Self {
            directory: ArcSwap::default(),
            session: ArcSwap::default(),
            epoch: AtomicU64::new(0),
            clock: AtomicI64::new(i64::MIN),
            writer: Mutex::new(Writer::new(policies)),
            state: AtomicU8::new(FINE),
        }
    }

    /// Refuse to go on after a writer failed half-way, and in a forked child.
    ///
    /// # Errors
    /// [`crate::Error::Poisoned`], [`crate::Error::Forked`].
    #[inline]
    pub fn check(&self) -> crate::Result<()> {
        match self.state.load(Relaxed) {
            FINE => Ok(()),
            FAILED => Err(crate::Error::Poisoned),
            _ => Err(crate::Error::Forked),
        }
    }

    /// Refuse to go on in a forked child. What needs no whole writer may be told after a failure.
    ///
    /// # Errors
    /// [`crate::Error::Forked`].
    #[inline]
    pub fn check_process(&self) -> crate::Result<()> {
        if self.state.load(Relaxed) == FORKED {
            return Err(crate::Error::Forked);
        }
        Ok(())
    }

    /// Say that this is the copy of a store in a forked child. Nothing waits for a lock of it from then on.
    pub fn leave_to_parent(&self) {
        self.state.store(FORKED, Relaxed);
    }

    /// Number of the last published epoch.
    #[inline]
    pub fn epoch(&self) -> u64 {
        // Pairs with the release in `publish`: everything written before that epoch is visible.
        self.epoch.load(order!(Acquire, "store.epoch"))
    }

    /// The clock of the last published epoch, ns UTC; `i64::MIN` before the first bar.
    pub fn clock(&self) -> i64 {
        // Pairs with the release in `publish`: the bits of all bars due by then are visible.
        self.clock.load(order!(Acquire, "store.clock"))
    }

    /// Who is kept now.
    pub fn directory(&self) -> Arc<Directory> {
        self.directory.load_full()
    }

    /// The current session.
    pub fn session(&self) -> SessionState {
        *self.session.load_full()
    }

    /// Begin writing. Other writers wait; readers do not.
    pub fn write(&self) -> Writing<'_> {
        Writing {
            store: self,
            writer: self.writer.lock(),
        }
    }

    /// Begin writing if nobody else is.
    pub fn try_write(&self) -> Option<Writing<'_>> {
        self.writer.try_lock().map(|writer| Writing {
            store: self,
            writer,
        })
    }

    /// Snapshot of one series as of the newest epoch. Three tries without a lock, then one under the writers' lock.
    pub fn snapshot(&self, series: &Series) -> Snapshot {
        for _ in 0..3 {
            if let Some(taken) = series.snapshot(self.epoch()) {
                return taken;
            }
        }
        let _writers_wait = self.writer.lock();
        loop {
            // Only a writer that failed half-way leaves a series that is newer than the newest epoch.
            let taken = series.snapshot(self.epoch());
            if let Some(taken) = taken.or_else(|| series.snapshot(u64::MAX)) {
                return taken;
            }
        }
    }

    /// Look at one series as of the newest epoch. Three tries; `None` where it was replaced each time in between.
    #[inline]
    pub fn look<R>(&self, series: &Series, look: impl Fn(View<'_>) -> R) -> Option<R> {
        (0..3).find_map(|_| series.look(self.epoch(), &look))
    }

    /// The newest base bar of a symbol's session as of the newest epoch; the outer `None` as for [`Store::look`].
    #[inline]
    pub fn latest(&self, entry: &Entry) -> Option<Option<Bar>> {
        (0..3).find_map(|_| latest_by(&entry.shared, entry.base(), self.epoch()))
    }

    /// The newest base bars of several symbols' sessions, all as of one epoch; `None` for each `None`.
    ///
    /// Three tries; the outer `None` where a series was replaced each time in between.
    pub fn latest_of_all(&self, entries: &[Option<Arc<Entry>>]) -> Option<Vec<Option<Bar>>> {
        (0..3).find_map(|_| {
            let epoch = self.epoch();
            let mut found = Vec::with_capacity(entries.len());
            for entry in entries {
                found.push(match entry {
                    Some(entry) => latest_by(&entry.shared, entry.base(), epoch)?,
                    None => None,
                });
            }
            Some(found)
        })
    }

    /// The same as columns, with a row of `missing` for each `None`.
    pub fn latest_columns(&self, symbols: &LatestBars, missing: Bar) -> Option<Columns> {
        (0..3).find_map(|_| {
            let epoch = self.epoch();
            Columns::of_rows(symbols.0.len(), |at| match &symbols.0[at] {
                Some((shared, base)) => Some(latest_by(shared, base, epoch)?.unwrap_or(missing)),
                None => Some(missing),
            })
        })
    }

    /// Look at several series as of one epoch; the answers in order, `None` for each `None`.
    ///
    /// Three tries; the outer `None` where a series was replaced each time in between.
    pub fn look_at_all<R>(
        &self,
        series: &[Option<&Series>],
        look: impl Fn(View<'_>) -> R,
    ) -> Option<Vec<Option<R>>> {
        let mut seen = Vec::with_capacity(series.len());
        let mut try_at = |epoch: u64| {
            seen.clear();
            for one in series {
                let Some(one) = one else {
                    seen.push(None);
                    continue;
                };
                match one.look(epoch, &look) {
                    Some(answer) => seen.push(Some(answer)),
                    None => return false,
                }
            }
            true
        };
        (0..3).any(|_| try_at(self.epoch())).then_some(seen)
    }

    /// Wait until the writer of this moment is done. Who waits must not be attached to an interpreter.
    pub fn wait_for_writer(&self) {
        drop(self.writer.lock());
    }

    /// `(present, due)` of the current session's base series; `None` without a schedule.
    pub fn presence_counts(&self, entry: &Entry) -> Option<(u32, u32)> {
        self.presence_by_clock(entry)
            .map(|(clock, presence)| presence.counts(clock))
    }

    /// A clock and the presence of the session it belongs to.
    fn presence_by_clock(&self, entry: &Entry) -> Option<(i64, Arc<Presence>)> {
        let look = || {
            // The clock before the presence: bits set after it belong to bars that are not due at it. The epoch before
            // both: a session that starts later shows its presence before its clock.
            let (epoch, clock) = (self.epoch(), self.clock());
            let presence = entry.presence();
            let is_out = presence.as_ref().is_none_or(|p| p.since_epoch() <= epoch);
            is_out.then(|| presence.map(|presence| (clock, presence)))
        };
        for _ in 0..3 {
            if let Some(found) = look() {
                return found;
            }
        }
        let _writers_wait = self.writer.lock();
        look().flatten()
    }

    /// Missing runs of the current session's base series.
    pub fn missing(&self, entry: &Entry) -> Vec<MissingRun> {
        self.presence_by_clock(entry)
            .map(|(clock, presence)| presence.missing(clock))
            .unwrap_or_default()
    }

    /// Presence over the sessions of history that were asked for, one per session in order.
    pub fn history_presence(
        &self,
        entry: &Entry,
        table: &SessionTable,
        sessions: &[usize],
    ) -> crate::Result<Vec<Presence>> {
        let base = entry.base();
        let snapshot = self.snapshot(base);
        let view = snapshot.view();
        let (first, last) = view.scope(Scope::History);
        let mut all = Vec::with_capacity(sessions.len());
        for &index in sessions {
            let presence = Presence::new(Arc::new(table.grid(index, base.interval())?));
            let session = table.session(index);
            let from = view.lower_bound(first, last, session.open);
            let to = view.lower_bound(first, last, session.close).max(from);
            for slice in view.slices(from, to) {
                for row in 0..slice.len() {
                    if let Some(slot) = presence.grid().slot_of(slice.ts(row)) {
                        presence.set(slot);
                    }
                }
            }
            all.push(presence);
        }
        Ok(all)
    }
}

/// The store while one writer holds it. What it writes is visible after [`Writing::publish`], at the latest on drop.
#[derive(Debug)]
pub struct Writing<'a> {
    store: &'a Store,
    writer: MutexGuard<'a, Writer>,
}

impl Writing<'_> {
    /// Make everything written so far visible as one epoch.
    pub fn publish(&mut self) -> u64 {
        let writer = &mut *self.writer;
        if let Some(directory) = writer.take_directory() {
            self.store.directory.store(Arc::new(directory));
        }
        if let Some(session) = writer.take_session_state() {
            self.store.session.store(Arc::new(session));
        }
        let epoch = writer.publish_series();
        self.store
            .clock
            .store(writer.clock(), order!(Release, "store.publish_clock"));
        // Last, so that a reader of this epoch finds all of it. Pairs with the acquire in `epoch`.
        self.store
            .epoch
            .store(epoch, order!(Release, "store.publish_epoch"));
        epoch
    }
}

impl std::ops::Deref for Writing<'_> {
    type Target = Writer;

    fn deref(&self) -> &Writer {
        &self.writer
    }
}

impl std::ops::DerefMut for Writing<'_> {
    fn deref_mut(&mut self) -> &mut Writer {
        &mut self.writer
    }
}

impl Drop for Writing<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.store.state.store(FAILED, Relaxed);
        } else if self.writer.has_unpublished() {
            self.publish();
        }
    }
}
