//! A process that appends is killed at any moment: what it acknowledged is there, in order, once.
//!
//! `TAPELOOM_KILLS=100000 cargo test -p tapeloom-journal --test kills` kills as often.
#![allow(missing_docs, clippy::unwrap_used)]

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use tapeloom_journal::{
    FileOptions, GENESIS, Kind, Options, Reader, Record, Records, SqliteJournal, Start, Writer,
};

const SOON: Duration = Duration::from_secs(30);
const CHILD: &str = "TAPELOOM_JOURNAL_CHILD";

fn options() -> FileOptions {
    FileOptions {
        owner: format!("process {}", std::process::id()),
        allow_network_fs: true,
        free_bytes: |_| Some(u64::MAX),
        only_reads: false,
    }
}

/// Appends until it is killed, saying each acknowledged number.
#[test]
fn child() {
    let Some(path) = std::env::var_os(CHILD) else {
        return;
    };
    let eager = Options {
        witness_every: Duration::from_micros(300),
        checkpoint_every: Duration::from_micros(700),
        // Some are waited for before that, some are not.
        linger: Duration::from_micros(300),
        ..Options::default()
    };
    let path = Path::new(&path);
    let writer = if path.exists() {
        let mut reader = Reader::open(path, &options(), false).unwrap();
        while reader.read(1_000).unwrap().is_some() {}
        reader.resume(eager).unwrap()
    } else {
        let begin = Start {
            batch_seq: 0,
            last_seq: 0,
            hash: GENESIS,
        };
        let journal = SqliteJournal::create(path, &options(), 0, &GENESIS).unwrap();
        Writer::new(Box::new(journal), begin, eager)
    };
    let mut out = std::io::stdout();
    loop {
        let next = writer.last_seq();
        let mut records = Records::default();
        for number in 1..=1 + next % 7 {
            records.push(Record::new(Kind::Bar, (next + number) as i64));
        }
        let seq = writer.submit(&Arc::new(records), SOON).unwrap().unwrap();
        if seq % 3 == 0 {
            // Others queue up while this one is committed.
            continue;
        }
        assert!(writer.wait_durable(seq, SOON).unwrap());
        writeln!(out, "acknowledged {seq}").unwrap();
        out.flush().unwrap();
    }
}

/// Runs a child until it has acknowledged so many times more, kills it, and returns the last number it said.
fn run_and_kill(path: &Path, acknowledgements: u64) -> u64 {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child", "--nocapture"])
        .env(CHILD, path)
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .unwrap();
    let mut last = 0;
    let mut left = acknowledgements;
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    while left > 0 {
        let line = lines.next().unwrap().unwrap();
        if let Some(seq) = line.split("acknowledged ").nth(1) {
            last = seq.parse().unwrap();
            left -= 1;
        }
    }
    child.kill().unwrap();
    // What it could still say before it died counts as well; the very last line may be cut short.
    let rest: Vec<String> = lines.map_while(Result::ok).collect();
    for line in rest.iter().rev().skip(1) {
        if let Some(seq) = line.split("acknowledged ").nth(1) {
            last = last.max(seq.parse().unwrap());
        }
    }
    child.wait().unwrap();
    last
}

#[test]
fn a_killed_process_loses_nothing_that_it_acknowledged() {
    let kills: u64 = std::env::var("TAPELOOM_KILLS")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(1_000);
    let folder = std::env::temp_dir().join(format!("tapeloom-kills-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    // A generator of Lehmer's, so that a seed gives the same moments again.
    let mut seed: u64 = 20_261_121;
    let (mut lost, mut total) = (0, 0);
    for kill in 0..kills {
        // Every tenth begins a new journal; the others go on with what the killed one left.
        let path = folder.join(format!("{}.journal", kill / 10));
        seed = seed * 48_271 % 2_147_483_647;
        let acknowledged = run_and_kill(&path, 1 + seed % 25);
        let mut reader = Reader::open(&path, &options(), false).unwrap();
        let mut found = Vec::new();
        while let Some((_, records)) = reader.read(10_000).unwrap() {
            found.extend(records.arrival);
        }
        let expected: Vec<i64> = (1..=found.len() as i64).collect();
        assert_eq!(found, expected, "kill {kill}: a hole or a double");
        lost += acknowledged.saturating_sub(found.len() as u64);
        total += 1;
    }
    std::fs::remove_dir_all(&folder).unwrap();
    println!("{total} kills, {lost} acknowledged records lost");
    assert_eq!(lost, 0);
}
