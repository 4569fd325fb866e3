//! When the log is folded: in a pause, where there is one.
#![allow(missing_docs, clippy::unwrap_used)]

use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tapeloom_journal::{
    GENESIS, Group, Hash, Journal, Kind, Options, Record, Records, Result, Start, Writer,
};

const SOON: Duration = Duration::from_secs(30);
const BEGIN: Start = Start {
    batch_seq: 0,
    last_seq: 0,
    hash: GENESIS,
};
/// What a small group takes in the log.
const PAGE: usize = 4_096;

/// A disk that counts: commits, how many there were before the first fold, and the room for the log of what it has.
#[derive(Debug, Clone, Default)]
struct Counted {
    commits: Arc<AtomicUsize>,
    before_first: Arc<AtomicUsize>,
    folds: Arc<AtomicUsize>,
    has: usize,
    reserved: Arc<Mutex<Vec<usize>>>,
}

impl Journal for Counted {
    fn reserve(&mut self, bytes: usize) -> Result<bool> {
        assert!(self.commits.load(SeqCst) > 0);
        self.reserved.lock().unwrap().push(bytes);
        Ok(bytes <= self.has)
    }

    fn commit(&mut self, _: &Group) -> Result<()> {
        self.commits.fetch_add(1, SeqCst);
        Ok(())
    }

    fn witness(&mut self, _: u64, _: &Hash) -> Result<()> {
        Ok(())
    }

    fn checkpoint(&mut self) -> Result<()> {
        if self.folds.fetch_add(1, SeqCst) == 0 {
            self.before_first.store(self.commits.load(SeqCst), SeqCst);
        }
        Ok(())
    }

    fn close(self: Box<Self>) -> Result<()> {
        Ok(())
    }
}

fn options(pause: Duration) -> Options {
    Options {
        checkpoint_bytes: 10 * PAGE,
        checkpoint_every: Duration::MAX,
        pause,
        ..Options::default()
    }
}

fn write(writer: &Writer, records: i64) {
    for number in 1..=records {
        let mut one = Records::default();
        one.push(Record::new(Kind::Bar, number));
        let seq = writer.submit(&Arc::new(one), SOON).unwrap().unwrap();
        assert!(writer.wait_durable(seq, SOON).unwrap());
    }
}

#[test]
fn a_log_that_is_due_is_folded_when_nothing_is_to_be_written() {
    let disk = Counted::default();
    let writer = Writer::new(Box::new(disk.clone()), BEGIN, options(Duration::ZERO));
    write(&writer, 11);
    while disk.folds.load(SeqCst) == 0 {
        std::thread::yield_now();
    }
    assert!(disk.before_first.load(SeqCst) >= 9);
    writer.close().unwrap();
}

#[test]
fn what_else_is_due_between_two_groups_is_no_pause() {
    let disk = Counted::default();
    let options = Options {
        witness_every: Duration::from_millis(3),
        ..options(Duration::MAX)
    };
    let writer = Writer::new(Box::new(disk.clone()), BEGIN, options);
    for _ in 0..30 {
        write(&writer, 1);
        std::thread::sleep(Duration::from_millis(2));
    }
    assert_eq!(disk.folds.load(SeqCst), 0);
    writer.close().unwrap();
}

#[test]
fn without_a_pause_the_log_grows_to_four_times_as_much() {
    let disk = Counted::default();
    let writer = Writer::new(Box::new(disk.clone()), BEGIN, options(Duration::MAX));
    write(&writer, 50);
    let before = disk.before_first.load(SeqCst);
    assert!((30..=40).contains(&before), "{before}");
    writer.close().unwrap();
    // Once for want of a pause, and once at the end.
    assert_eq!(disk.folds.load(SeqCst), 2);
}

#[test]
fn room_for_a_long_log_is_made_piece_by_piece_in_pauses() {
    let disk = Counted {
        has: usize::MAX,
        ..Counted::default()
    };
    let writer = Writer::new(Box::new(disk.clone()), BEGIN, options(Duration::ZERO));
    write(&writer, 3);
    // And an eighth of each for pages that were not thought of.
    let pieces: Vec<usize> = (8..=32).map(|halves| halves * 5 * PAGE * 9 / 8).collect();
    while disk.reserved.lock().unwrap().len() < pieces.len() {
        std::thread::yield_now();
    }
    write(&writer, 3);
    writer.close().unwrap();
    assert_eq!(*disk.reserved.lock().unwrap(), pieces);
}

#[test]
fn a_disk_without_room_is_asked_once_more_at_the_most() {
    let first = 40 * PAGE * 9 / 8;
    for (has, asked) in [(0, vec![first]), (first, vec![first, 45 * PAGE * 9 / 8])] {
        let disk = Counted {
            has,
            ..Counted::default()
        };
        let writer = Writer::new(Box::new(disk.clone()), BEGIN, options(Duration::ZERO));
        write(&writer, 3);
        while disk.reserved.lock().unwrap().len() < asked.len() {
            std::thread::yield_now();
        }
        write(&writer, 30);
        writer.close().unwrap();
        assert_eq!(*disk.reserved.lock().unwrap(), asked);
    }
}
