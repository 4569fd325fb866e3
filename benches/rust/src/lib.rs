//! Made-up sessions and the hot paths over them, shared by the timed and the counted benches.
#![allow(
    clippy::unwrap_used,
    reason = "a bench whose input is wrong should stop"
)]

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;

use tapeloom_core::aggregate::Completeness;
use tapeloom_core::aggregate::resample::{Request, resample};
use tapeloom_core::alignment::Aligner;
use tapeloom_core::bar::Bar;
use tapeloom_core::columns::Columns;
use tapeloom_core::gap::missing_runs;
use tapeloom_core::indicator::{Extreme, Value, daily_values, moving_extreme};
use tapeloom_core::merge::window::{Lane, merge_part, split};
use tapeloom_core::merge::{Merge, Source};
use tapeloom_core::replay::{Replay, Wake};
use tapeloom_core::schedule::{Anchor, ExtendedHours, Stretch};
use tapeloom_core::series::Scope;
use tapeloom_core::session_table::{SessionTable, TableColumns};
use tapeloom_core::store::{Policies, SessionStart, Store, SymbolId};
use tapeloom_core::time::{DAY, Interval, MINUTE};

const OPEN: i64 = 570 * MINUTE;
const CLOSE: i64 = 960 * MINUTE;

/// Sessions of 390 minutes on consecutive days.
pub fn table(sessions: usize) -> Arc<SessionTable> {
    let days = 0..sessions as i64;
    let at = |instant: i64| -> Vec<i64> { days.clone().map(|day| day * DAY + instant).collect() };
    let spans = days.clone().map(|day| Stretch {
        start: day * DAY,
        end: (day + 1) * DAY,
    });
    let segments = days.clone().map(|day| Stretch {
        start: day * DAY + OPEN,
        end: day * DAY + CLOSE,
    });
    let columns = TableColumns {
        first_day: 0,
        last_day: sessions as i32 - 1,
        covered: Stretch {
            start: 0,
            end: sessions as i64 * DAY,
        },
        dates: (0..sessions as i32).collect(),
        opens: at(OPEN),
        closes: at(CLOSE),
        segment_offsets: (0..=sessions).collect(),
        segments: segments.collect(),
        pre_opens: at(OPEN),
        post_closes: at(CLOSE),
        spans: spans.collect(),
    };
    Arc::new(SessionTable::new(columns).unwrap())
}

/// A number of 64 bits that looks like chance, always the same for the same place.
fn mixed(place: u64) -> u64 {
    let once = (place ^ (place >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let twice = (once ^ (once >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    twice ^ (twice >> 31)
}

/// Minute bars of one symbol; one in `hole` is missing, none for 0.
pub fn bars(symbol: u64, sessions: usize, hole: u64) -> Arc<Columns> {
    let mut columns = Columns::with_capacity(390 * sessions, false);
    for day in 0..sessions as i64 {
        for minute in 0..390_i64 {
            let chance = mixed(symbol << 32 | (day * 390 + minute) as u64);
            if hole > 0 && chance.is_multiple_of(hole) {
                continue;
            }
            let price = 50.0 + (chance % 1_000) as f64 / 100.0;
            columns.push(Bar {
                ts: day * DAY + OPEN + minute * MINUTE,
                open: price,
                high: price + 0.5,
                low: price - 0.5,
                close: price + 0.25,
                volume: (chance >> 32 & 0xFFF) as f64,
                flags: 0,
            });
        }
    }
    Arc::new(columns)
}

/// Rows `[from, to)` of loaded series as sources of a merge.
pub fn sources(all: &[Arc<Columns>]) -> Vec<Source> {
    let source = |columns: &Arc<Columns>| Source {
        columns: columns.clone(),
        from: 0,
        to: columns.len(),
        interval: Interval::ONE_MINUTE,
        latest: i64::MAX,
        known_at: None,
        is_sorted: false,
    };
    all.iter().map(source).collect()
}

/// A store in the session of day 0, with derived series.
pub fn store(symbols: usize, derived: &[&str]) -> Arc<Store> {
    let store = Arc::new(Store::new(Policies::default()));
    let mut writing = store.write();
    writing.set_table(table(1));
    let span = Stretch { start: 0, end: DAY };
    let start = SessionStart {
        day: 0,
        span,
        roll: false,
    };
    let derived: Vec<Interval> = derived.iter().map(|text| text.parse().unwrap()).collect();
    for symbol in 0..symbols {
        writing
            .register(&format!("S{symbol:04}"), None, &derived)
            .unwrap();
    }
    writing.start_session(start).unwrap();
    drop(writing);
    store
}

/// One session of all symbols through a store; returns the number of bars.
pub fn replay(store: &Arc<Store>, all: &[Arc<Columns>]) -> u64 {
    let sources = sources(all).into_iter().enumerate();
    let directory = store.directory();
    let sources = sources.map(|(at, source)| (directory.entries()[at].clone(), source));
    let mut replay = Replay::new(store.clone(), sources.collect(), CLOSE, None)
        .unwrap()
        .unwrap();
    while !replay.run(&Wake::Never, u64::MAX, None).unwrap().ended {}
    replay.progress().bars
}

/// The same while `readers` threads read whatever is newest.
pub fn replay_beside_readers(store: &Arc<Store>, all: &[Arc<Columns>], readers: usize) -> u64 {
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..readers {
            scope.spawn(|| {
                while !done.load(Relaxed) {
                    for entry in store.directory().entries() {
                        std::hint::black_box(store.latest(entry));
                        std::hint::black_box(
                            store.look(entry.base(), |view| view.scope(Scope::Session)),
                        );
                    }
                }
            });
        }
        let bars = replay(store, all);
        done.store(true, Relaxed);
        bars
    })
}

/// Append one bar after the other, each published at once.
pub fn append(store: &Store, bars: &Columns) {
    for row in 0..bars.len() {
        store.write().offer(SymbolId(0), bars.bar(row)).unwrap();
    }
}

/// Walk over all rows in order; returns their number.
pub fn merge(all: &[Arc<Columns>]) -> usize {
    Merge::new(sources(all)).unwrap().count()
}

/// Bring one column in order; returns its last cell.
pub fn place(all: &[Arc<Columns>], target: &mut Vec<f64>) -> f64 {
    let lanes: Vec<Lane<'_>> = all
        .iter()
        .map(|columns| Lane {
            ts: &columns.ts,
            length: MINUTE,
        })
        .collect();
    let part = split(&lanes, 1).swap_remove(0);
    target.resize(part.len, 0.0);
    merge_part(&lanes, &part, |placed| {
        placed.scatter(|lane| &all[lane].close, target);
    });
    target.last().copied().unwrap_or_default()
}

/// Missing runs of all series; returns how many bars are missing.
pub fn gaps(table: &SessionTable, all: &[Arc<Columns>]) -> u64 {
    let sessions = 0..table.len();
    let grid = |at| table.grid(at, Interval::ONE_MINUTE).unwrap();
    let grids: Vec<_> = sessions.clone().map(grid).collect();
    let (mut aligner, mut runs) = (Aligner::default(), Vec::new());
    let mut missing = 0;
    for columns in all {
        runs.clear();
        let counts = missing_runs(
            table,
            sessions.clone(),
            &grids,
            columns.ts[..].into(),
            &mut aligner,
            &mut runs,
        );
        missing += counts.expected - counts.present;
    }
    missing
}

/// Coarser bars of all series; returns their number.
pub fn coarser(table: &SessionTable, all: &[Arc<Columns>], targets: &[&str]) -> usize {
    let request = Request {
        base: Interval::ONE_MINUTE,
        targets: targets.iter().map(|text| text.parse().unwrap()).collect(),
        anchor: Anchor::Session,
        completeness: Completeness::Any,
        extended_hours: ExtendedHours::Off,
    };
    let series: Vec<_> = all.iter().map(|c| (&**c, 0..c.len())).collect();
    let derived = resample(table, &request, &series).unwrap();
    derived.iter().flatten().map(Columns::len).sum()
}

/// Daily volumes and their 20-day maximum; returns the last one.
pub fn history(table: &SessionTable, all: &[Arc<Columns>]) -> f64 {
    let grid = |at| table.grid(at, Interval::ONE_MINUTE).unwrap();
    let grids: Vec<_> = (0..table.len()).map(grid).collect();
    let (mut aligner, mut scratch) = (Aligner::default(), Default::default());
    let mut daily = vec![0.0; grids.len()];
    let mut extremes = vec![0.0; grids.len() + 1];
    let mut last = 0.0;
    for columns in all {
        daily_values(
            columns,
            columns.ts[..].into(),
            &grids,
            Value::Volume,
            &mut aligner,
            &mut daily,
        );
        moving_extreme(&daily, 20, Extreme::Max, &mut extremes, &mut scratch);
        last = extremes[grids.len()];
    }
    last
}
