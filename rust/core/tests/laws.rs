//! Laws that hold for every input: merging is a stable sort, received plus missing is expected, a series is a sorted
//! list of what was offered, streaming agrees with batch.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;
use tapeloom_core::aggregate::Completeness;
use tapeloom_core::aggregate::resample::{Request, resample};
use tapeloom_core::bar::{Bar, DERIVED, PARTIAL};
use tapeloom_core::columns::Columns;
use tapeloom_core::merge::{Merge, Source};
use tapeloom_core::replay::{Replay, Wake};
use tapeloom_core::schedule::{Anchor, ExtendedHours, Stretch};
use tapeloom_core::series::Scope;
use tapeloom_core::session_table::{SessionTable, TableColumns};
use tapeloom_core::store::{Outcome, Policies, SessionStart, Store};
use tapeloom_core::time::{Interval, MINUTE};

const DAY: i64 = 24 * 60;

/// Sessions on consecutive days: whole, short, with a break.
fn table() -> Arc<SessionTable> {
    let days: [&[(i64, i64)]; 3] = [&[(570, 690)], &[(570, 633)], &[(540, 600), (640, 700)]];
    let mut columns = TableColumns {
        first_day: 0,
        last_day: 2,
        covered: Stretch {
            start: 0,
            end: 3 * DAY * MINUTE,
        },
        dates: Vec::new(),
        opens: Vec::new(),
        closes: Vec::new(),
        segment_offsets: vec![0],
        segments: Vec::new(),
        pre_opens: Vec::new(),
        post_closes: Vec::new(),
        spans: Vec::new(),
    };
    for (day, stretches) in days.iter().enumerate() {
        let at = |minute: i64| (day as i64 * DAY + minute) * MINUTE;
        for &(start, end) in *stretches {
            columns.segments.push(Stretch {
                start: at(start),
                end: at(end),
            });
        }
        let (open, close) = (at(stretches[0].0), at(stretches[stretches.len() - 1].1));
        columns.dates.push(day as i32);
        columns.opens.push(open);
        columns.closes.push(close);
        columns.pre_opens.push(open);
        columns.post_closes.push(close);
        columns.spans.push(Stretch {
            start: at(0),
            end: at(DAY),
        });
        columns.segment_offsets.push(columns.segments.len());
    }
    Arc::new(SessionTable::new(columns).unwrap())
}

fn derived(
    table: &SessionTable,
    target: Interval,
    bars: impl IntoIterator<Item = Bar>,
    completeness: Completeness,
) -> Columns {
    let mut columns = Columns::default();
    bars.into_iter().for_each(|bar| columns.push(bar));
    let request = Request {
        base: Interval::ONE_MINUTE,
        targets: vec![target],
        anchor: Anchor::Session,
        completeness,
        extended_hours: ExtendedHours::Off,
    };
    let rows = 0..columns.len();
    resample(table, &request, &[(&columns, rows)])
        .unwrap()
        .swap_remove(0)
        .swap_remove(0)
}

fn start(day: i32) -> SessionStart {
    let midnight = i64::from(day) * DAY * MINUTE;
    SessionStart {
        day,
        span: Stretch {
            start: midnight,
            end: midnight + DAY * MINUTE,
        },
        roll: true,
    }
}

fn bar(ts: i64, price: u16) -> Bar {
    let price = f64::from(price) + 1.0;
    Bar {
        ts,
        open: price,
        high: price + 0.5,
        low: price - 0.5,
        close: price,
        volume: price / 3.0,
        flags: 0,
    }
}

fn columns(bars: &[Bar]) -> Arc<Columns> {
    let mut columns = Columns::default();
    bars.iter().for_each(|bar| columns.push(*bar));
    Arc::new(columns)
}

/// A store in the session of one day with one symbol, 1m base, 5m and 1d derived.
fn store(day: i32, completeness: Completeness) -> (Arc<Store>, tapeloom_core::store::SymbolId) {
    let store = Arc::new(Store::new(Policies {
        completeness,
        ..Policies::default()
    }));
    let id = {
        let mut writing = store.write();
        writing.set_table(table());
        let derived = ["5m".parse().unwrap(), Interval::ONE_DAY];
        let id = writing
            .register("A", Some(Interval::ONE_MINUTE), &derived)
            .unwrap();
        writing.start_session(start(day)).unwrap();
        id
    };
    (store, id)
}

fn rows(store: &Store, interval: Interval) -> Vec<(Bar, i32)> {
    let directory = store.directory();
    let series = directory.get("A").unwrap().find(interval).unwrap();
    let snapshot = store.snapshot(series);
    let (first, last) = snapshot.view().scope(Scope::Session);
    (first..last)
        .map(|row| {
            (
                snapshot.view().bar(row),
                snapshot.view().constituents(row).unwrap_or(0),
            )
        })
        .collect()
}

/// Values and completeness, without how a bar came to be.
fn values(rows: &[(Bar, i32)]) -> Vec<(i64, [u64; 5], i32, bool)> {
    let bits = |bar: &Bar| [bar.open, bar.high, bar.low, bar.close, bar.volume].map(f64::to_bits);
    rows.iter()
        .map(|(bar, count)| (bar.ts, bits(bar), *count, bar.flags & PARTIAL != 0))
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, rng_seed: proptest::test_runner::RngSeed::Fixed(7), ..ProptestConfig::with_cases(400) })]

    #[test]
    fn merging_is_a_stable_sort_by_known_at(sources in prop::collection::vec((prop::collection::vec(0_i64..40, 0..30), prop::sample::select(vec![1_i64, 5, 15])), 0..12)) {
        let mut expected = Vec::new();
        let mut given = Vec::new();
        for (source, (stamps, minutes)) in sources.iter().enumerate() {
            let mut stamps = stamps.clone();
            stamps.sort_unstable();
            for (row, stamp) in stamps.iter().enumerate() {
                expected.push(((stamp + minutes) * MINUTE, *minutes, source as u32, row));
            }
            let ts: Vec<i64> = stamps.iter().map(|stamp| stamp * MINUTE).collect();
            given.push(Source {
                from: 0,
                to: ts.len(),
                columns: Arc::new(Columns { ts, ..Columns::default() }),
                interval: Interval::minutes(*minutes).unwrap(),
                latest: i64::MAX, known_at: None, is_sorted: false,
            });
        }
        expected.sort_unstable();
        let merged: Vec<_> = Merge::new(given).unwrap().map(|item| (item.known_at, item.source, item.row)).collect();
        let expected: Vec<_> = expected.into_iter().map(|(known_at, _, source, row)| (known_at, source, row)).collect();
        prop_assert_eq!(merged, expected);
    }

    #[test]
    fn a_session_holds_what_was_offered_in_order_and_counts_every_bar(
        day in 0_i32..3,
        offers in prop::collection::vec((530_i64..720, 0_u16..3), 0..120),
        complete in any::<bool>(),
    ) {
        let completeness = if complete { Completeness::Complete } else { Completeness::Any };
        let (store, id) = store(day, completeness);
        let mut expected: BTreeMap<i64, Bar> = BTreeMap::new();
        for &(minute, price) in &offers {
            let offered = bar((i64::from(day) * DAY + minute) * MINUTE, price);
            let outcome = store.write().offer(id, offered).unwrap();
            let newest = expected.keys().next_back().copied();
            let before = expected.insert(offered.ts, offered);
            let due = match before {
                Some(stored) if stored.same_values(&offered) => Outcome::Duplicate,
                Some(_) => Outcome::Correction,
                None if newest.is_none_or(|newest| offered.ts > newest) => Outcome::Accepted,
                None => Outcome::Late,
            };
            prop_assert_eq!(outcome, due);
        }
        store.write().end_session().unwrap();
        let stored = rows(&store, Interval::ONE_MINUTE);
        prop_assert_eq!(stored.len(), expected.len());
        for ((got, _), want) in stored.iter().zip(expected.values()) {
            prop_assert!(got.ts == want.ts && got.same_values(want));
        }
        let counts = store.write().counts(id);
        prop_assert_eq!(counts.offered, offers.len() as u64);
        prop_assert_eq!(counts.offered, counts.accepted + counts.duplicates + counts.corrections + counts.late);

        // However the bars came, the derived bars are those of one pass over what is stored.
        let entry = store.directory().get("A").unwrap().clone();
        for interval in ["5m".parse().unwrap(), Interval::ONE_DAY] {
            let fresh = derived(&table(), interval, expected.values().copied(), completeness);
            let fresh: Vec<_> = (0..fresh.len()).map(|row| (fresh.bar(row), fresh.constituents[row])).collect();
            prop_assert_eq!(values(&rows(&store, interval)), values(&fresh));
        }
        let (present, due) = store.presence_counts(&entry).unwrap();
        let missing: u32 = store.missing(&entry).iter().map(|run| run.bars).sum();
        let regular = expected.keys().filter(|ts| table().session(day as usize).is_regular(**ts)).count();
        prop_assert_eq!(present + missing, due);
        prop_assert_eq!(present as usize, regular);
        let metrics = entry.metrics();
        prop_assert_eq!(metrics.map_or(0, |m| m.bars as usize), regular);
    }

    #[test]
    fn a_replay_agrees_with_one_batch(
        day in 0_i32..3,
        minutes in prop::collection::btree_set(540_i64..700, 0..160),
        limits in prop::collection::btree_set(530_i64..720, 0..4),
        complete in any::<bool>(),
    ) {
        let completeness = if complete { Completeness::Complete } else { Completeness::Any };
        let table = table();
        let mut limits = limits.into_iter().map(|minute| (i64::from(day) * DAY + minute) * MINUTE).peekable();
        let regular: Vec<Bar> = minutes.iter()
            .map(|minute| bar((i64::from(day) * DAY + minute) * MINUTE, *minute as u16))
            .filter(|bar| table.session(day as usize).is_regular(bar.ts))
            .collect();
        let (batch, id) = store(day, completeness);
        batch.write().offer_batch(id, &columns(&regular), None).unwrap();
        batch.write().end_session().unwrap();

        let (streamed, id) = store(day, completeness);
        let source = Source { columns: columns(&regular), from: 0, to: regular.len(), interval: Interval::ONE_MINUTE, latest: i64::MAX, known_at: None, is_sorted: true };
        let close = table.session(day as usize).close;
        let entry = streamed.directory().entries()[id.0 as usize].clone();
        let mut replay = Replay::new(streamed.clone(), vec![(entry, source)], close, None)
            .unwrap()
            .unwrap();
        let mut delivered = 0;
        let mut clock = i64::MIN;
        loop {
            let stop = replay.run(&Wake::EachInstant, u64::MAX, limits.peek().copied()).unwrap();
            prop_assert!(stop.clock >= clock, "the clock never goes back");
            clock = stop.clock;
            if let Some(limit) = limits.peek().copied() {
                prop_assert!(clock <= limit, "nothing after the limit is played");
            }
            if stop.held {
                prop_assert_eq!(Some(clock), limits.next());
                let known = regular.iter().filter(|bar| bar.ts + MINUTE <= clock).count();
                prop_assert_eq!(delivered, known, "everything up to the limit is played");
            }
            let changes = stop.changes.all();
            for change in &changes {
                let end = table.bucket_end(change.bar.ts, change.interval, Anchor::Session, ExtendedHours::Off);
                prop_assert_eq!(end.unwrap(), clock, "a bar is told when it is known");
                prop_assert_eq!(change.series > 0, change.bar.flags & DERIVED != 0);
            }
            delivered += changes.iter().filter(|change| change.series == 0).count();
            if stop.ended {
                break;
            }
        }
        prop_assert_eq!(delivered, regular.len());
        prop_assert_eq!(clock, close);
        for interval in [Interval::ONE_MINUTE, "5m".parse().unwrap(), Interval::ONE_DAY] {
            prop_assert_eq!(values(&rows(&streamed, interval)), values(&rows(&batch, interval)));
        }
    }
}
