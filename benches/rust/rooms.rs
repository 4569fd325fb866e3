//! The rooms of the core, timed one by one: `cargo bench -p tapeloom-benches`.
#![allow(
    missing_docs,
    reason = "the macros of Criterion make items without documentation"
)]

use std::hint::black_box;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use tapeloom_benches as paths;

const DERIVED: [&str; 4] = ["5m", "15m", "1h", "1d"];

fn rooms(c: &mut Criterion) {
    let table = paths::table(20);
    let all: Vec<_> = (0..50).map(|s| paths::bars(s, 20, 200)).collect();
    let rows = all.iter().map(|columns| columns.len() as u64).sum();
    let mut group = c.benchmark_group("50 symbols x 20 sessions");
    group.throughput(Throughput::Elements(rows)).sample_size(20);
    group.bench_function("merge, row by row", |b| b.iter(|| paths::merge(&all)));
    let mut target = Vec::new();
    group.bench_function("merge, one column placed", |b| {
        b.iter(|| paths::place(&all, &mut target));
    });
    group.bench_function("gaps", |b| b.iter(|| paths::gaps(&table, &all)));
    group.bench_function("1m to 5m", |b| {
        b.iter(|| paths::coarser(&table, &all, &["5m"]));
    });
    group.bench_function("1m to 5m, 15m, 1h, 1d", |b| {
        b.iter(|| paths::coarser(&table, &all, &DERIVED));
    });
    group.bench_function("daily volume, 20-day maximum", |b| {
        b.iter(|| paths::history(&table, &all));
    });
    group.finish();

    let day: Vec<_> = (0..100).map(|s| paths::bars(s, 1, 200)).collect();
    let rows = day.iter().map(|columns| columns.len() as u64).sum();
    let mut group = c.benchmark_group("100 symbols, one session");
    group.throughput(Throughput::Elements(rows)).sample_size(20);
    for (name, derived) in [("replay", &[][..]), ("replay, 5m 15m 1h 1d", &DERIVED[..])] {
        group.bench_function(name, |b| {
            b.iter_batched(
                || paths::store(100, derived),
                |store| black_box(paths::replay(&store, &day)),
                BatchSize::LargeInput,
            );
        });
    }
    group.throughput(Throughput::Elements(day[0].len() as u64));
    group.bench_function("append one by one", |b| {
        b.iter_batched(
            || paths::store(1, &[]),
            |store| paths::append(&store, &day[0]),
            BatchSize::LargeInput,
        );
    });
    group.finish();
}

criterion_group!(benches, rooms);
criterion_main!(benches);
