//! Runs one hot path a number of times, for callgrind to count: `instructions PATH TIMES`.

use std::process::ExitCode;

use tapeloom_benches as paths;

const DERIVED: [&str; 4] = ["5m", "15m", "1h", "1d"];

fn main() -> ExitCode {
    let mut given = std::env::args().skip(1);
    let (Some(path), Some(times)) = (given.next(), given.next()) else {
        eprintln!("usage: instructions PATH TIMES");
        return ExitCode::FAILURE;
    };
    let Ok(times) = times.parse::<usize>() else {
        eprintln!("TIMES is {times:?}; it must be a whole number");
        return ExitCode::FAILURE;
    };
    let table = paths::table(5);
    let all: Vec<_> = (0..20).map(|s| paths::bars(s, 5, 200)).collect();
    let day: Vec<_> = (0..20).map(|s| paths::bars(s, 1, 200)).collect();
    let mut target = Vec::new();
    // Stores are made before the counted difference: both numbers of times make the same ones.
    let derived: &[&str] = if path == "replay_derived" {
        &DERIVED
    } else {
        &[]
    };
    let stores: Vec<_> = (0..2).map(|_| paths::store(20, derived)).collect();
    for (time, store) in (0..times).zip(stores.iter().cycle()) {
        match path.as_str() {
            "merge_rows" => {
                std::hint::black_box(paths::merge(&all));
            }
            "merge_column" => {
                std::hint::black_box(paths::place(&all, &mut target));
            }
            "gaps" => {
                std::hint::black_box(paths::gaps(&table, &all));
            }
            "resample_5m" => {
                std::hint::black_box(paths::coarser(&table, &all, &["5m"]));
            }
            "resample_all" => {
                std::hint::black_box(paths::coarser(&table, &all, &DERIVED));
            }
            "history" => {
                std::hint::black_box(paths::history(&table, &all));
            }
            "replay" | "replay_derived" if time < 2 => {
                {
                    std::hint::black_box(paths::replay(store, &day));
                };
            }
            "replay_read" if time < 2 => {
                std::hint::black_box(paths::replay_beside_readers(store, &day, 8));
            }
            "append" if time < 2 => paths::append(store, &day[0]),
            _ => {
                eprintln!("unknown path {path:?}, or too many times for it");
                return ExitCode::FAILURE;
            }
        }
    }
    let rows: usize = match path.as_str() {
        "append" => day[0].len(),
        "replay" | "replay_derived" | "replay_read" => {
            day.iter().map(|columns| columns.len()).sum()
        }
        _ => all.iter().map(|columns| columns.len()).sum(),
    };
    println!("{rows}");
    ExitCode::SUCCESS
}
