//! A disk that fails at its n-th operation: nothing is acknowledged that is not there, and nothing is tried again.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic)]

use std::sync::Arc;
use std::time::{Duration, Instant};

use tapeloom_journal::{
    Error, GENESIS, Group, Hash, Journal, Kind, MemoryJournal, Options, Record, Records, Start,
    Writer,
};

const SOON: Duration = Duration::from_secs(30);
const BEGIN: Start = Start {
    batch_seq: 0,
    last_seq: 0,
    hash: GENESIS,
};

fn one(number: i64) -> Arc<Records> {
    let mut records = Records::default();
    records.push(Record::new(Kind::Bar, number));
    Arc::new(records)
}

/// Each commit is witnessed and folded, so that each kind of operation fails in its turn.
fn eager() -> Options {
    Options {
        witness_every: Duration::ZERO,
        checkpoint_every: Duration::ZERO,
        ..Options::default()
    }
}

fn on_disk(journal: &MemoryJournal) -> Vec<i64> {
    let disk = journal.disk.lock();
    let groups = disk.groups.iter();
    groups
        .flat_map(|group| group.open().unwrap().arrival)
        .collect()
}

#[test]
fn whatever_operation_fails_the_acknowledged_records_are_there_and_nothing_follows() {
    for keeps in [false, true] {
        for fails_at in 1..40 {
            let journal = MemoryJournal::failing_at(fails_at, keeps);
            let writer = Writer::new(Box::new(journal.clone()), BEGIN, eager());
            let mut acknowledged = 0;
            for number in 1..=12 {
                let Ok(Some(seq)) = writer.submit(&one(number), SOON) else {
                    break;
                };
                if !matches!(writer.wait_durable(seq, SOON), Ok(true)) {
                    break;
                }
                acknowledged = number;
            }
            let ended = writer.close();
            let found = on_disk(&journal);
            assert_eq!(
                found,
                (1..=found.len() as i64).collect::<Vec<_>>(),
                "a hole or a double"
            );
            assert!(
                found.len() as i64 >= acknowledged,
                "an acknowledged record is lost"
            );
            assert!(writer.durable_seq() as i64 >= acknowledged);
            let disk = journal.disk.lock();
            assert_eq!(
                disk.after_failure, 0,
                "the disk was asked again after it failed"
            );
            assert_eq!(ended.is_ok(), disk.is_closed);
            assert_eq!(disk.operations < fails_at, ended.is_ok());
            if let Some((seq, hash)) = disk.witness {
                let group = disk.groups.iter().find(|group| group.last_seq() == seq);
                assert_eq!(
                    group.unwrap().hash,
                    hash,
                    "the witness names what is not there"
                );
            }
        }
    }
}

#[test]
fn after_a_failure_every_call_says_why() {
    let writer = Writer::new(
        Box::new(MemoryJournal::failing_at(1, false)),
        BEGIN,
        eager(),
    );
    let seq = writer.submit(&one(1), SOON).unwrap().unwrap();
    for result in [
        writer.wait_durable(seq, SOON).map(|_| ()),
        writer.submit(&one(2), SOON).map(|_| ()),
        writer.close(),
        writer.close(),
    ] {
        let Err(Error::Stopped { reason }) = result else {
            panic!("{result:?} is no stop");
        };
        assert!(reason.contains("no space left"), "{reason}");
    }
}

#[test]
fn what_was_not_durable_can_be_written_to_a_next_file() {
    let broken = MemoryJournal::failing_at(2, true);
    let writer = Writer::new(Box::new(broken.clone()), BEGIN, Options::default());
    let first = writer.submit(&one(1), SOON).unwrap().unwrap();
    writer.wait_durable(first, SOON).unwrap();
    let second = writer.submit(&one(2), SOON).unwrap().unwrap();
    assert!(writer.wait_durable(second, SOON).is_err());
    let whole = MemoryJournal::default();
    let durable = writer.durable();
    let start = Start {
        batch_seq: 0,
        ..durable
    };
    let next = Writer::new(Box::new(whole.clone()), start, Options::default());
    for waiting in writer.waiting() {
        next.submit(&waiting, SOON).unwrap();
    }
    next.close().unwrap();
    let disk = whole.disk.lock();
    assert_eq!(disk.groups[0].first_seq, durable.last_seq + 1);
    assert_eq!(disk.groups[0].prev_hash, durable.hash);
    drop(disk);
    assert_eq!(on_disk(&whole), [2]);
}

#[test]
fn a_full_queue_takes_nothing_more_until_there_is_room() {
    let journal = MemoryJournal::default();
    let options = Options {
        queue_records: 2,
        ..Options::default()
    };
    // Whoever holds the disk stalls it.
    let held = journal.disk.lock();
    let writer = Writer::new(Box::new(journal.clone()), BEGIN, options);
    writer.submit(&one(1), SOON).unwrap().unwrap();
    writer.submit(&one(2), SOON).unwrap().unwrap();
    assert_eq!(writer.submit(&one(3), Duration::ZERO), Ok(None));
    assert_eq!(writer.fill(), (2, 2));
    drop(held);
    assert_eq!(writer.submit(&one(3), SOON), Ok(Some(3)));
    writer.close().unwrap();
    assert_eq!(on_disk(&journal), [1, 2, 3]);
}

#[test]
fn what_is_put_at_once_waits_for_nobody_and_keeps_its_order() {
    let journal = MemoryJournal::default();
    let options = Options {
        queue_records: 2,
        ..Options::default()
    };
    let held = journal.disk.lock();
    let writer = Writer::new(Box::new(journal.clone()), BEGIN, options.clone());
    writer.submit(&one(1), SOON).unwrap().unwrap();
    let put = |number| {
        // The thread may look at what waits at this very moment.
        loop {
            if let Some(seq) = writer.submit_at_once(&one(number)).unwrap() {
                return seq;
            }
        }
    };
    assert_eq!(put(2), 2);
    assert_eq!(writer.submit_at_once(&one(3)), Ok(None));
    drop(held);
    assert_eq!(put(3), 3);
    writer.close().unwrap();
    assert_eq!(writer.submit_at_once(&one(4)), Err(Error::Closed));
    assert_eq!(on_disk(&journal), [1, 2, 3]);
    // Without a thread somebody would have to write.
    let writer = Writer::inline(Box::new(MemoryJournal::default()), BEGIN, options, 1);
    assert_eq!(writer.submit_at_once(&one(1)), Ok(None));
    writer.close().unwrap();
}

#[test]
fn what_lies_is_written_also_where_its_time_is_up_as_the_journal_is_closed() {
    let lies = Duration::from_micros(300);
    let options = Options {
        linger: lies,
        ..Options::default()
    };
    // The thread wakes up as the other one closes in some of them.
    for round in 0..2_000 {
        let journal = MemoryJournal::default();
        let writer = Writer::new(Box::new(journal.clone()), BEGIN, options.clone());
        writer.submit(&one(1), SOON).unwrap().unwrap();
        let end = Instant::now() + lies + Duration::from_micros(round % 120);
        while Instant::now() < end {
            std::hint::spin_loop();
        }
        writer.submit(&one(2), SOON).unwrap().unwrap();
        writer.close().unwrap();
        assert_eq!(on_disk(&journal), [1, 2]);
    }
}

#[test]
fn what_queued_up_during_a_commit_is_one_group() {
    let journal = MemoryJournal::default();
    let held = journal.disk.lock();
    let writer = Writer::new(Box::new(journal.clone()), BEGIN, Options::default());
    for number in 0..2_500 {
        writer.submit(&one(number), SOON).unwrap().unwrap();
    }
    drop(held);
    writer.close().unwrap();
    let disk = journal.disk.lock();
    assert!(disk.groups.iter().all(|group| group.n <= 1_000));
    assert!(disk.groups.len() <= 5, "{} groups", disk.groups.len());
}

/// Where nobody waits, records lie for longer than this test can last.
fn patient() -> Options {
    Options {
        linger: Duration::from_secs(100_000),
        group_records: 5,
        ..Options::default()
    }
}

#[test]
fn records_that_nobody_waits_for_lie_until_somebody_does() {
    let journal = MemoryJournal::default();
    let writer = Writer::new(Box::new(journal.clone()), BEGIN, patient());
    for round in 0..20 {
        for number in 1..=3 {
            writer.submit(&one(3 * round + number), SOON).unwrap();
        }
        assert_eq!(writer.durable_seq() as i64, 3 * round);
        // The oldest of them takes the others along.
        assert_eq!(writer.wait_durable(3 * round as u64 + 1, SOON), Ok(true));
        assert_eq!(writer.durable_seq() as i64, 3 * round + 3);
    }
    writer.close().unwrap();
    assert_eq!(journal.disk.lock().groups.len(), 20);
}

#[test]
fn records_that_fill_a_group_or_the_queue_lie_no_longer() {
    for (group_records, queue_records) in [(5, 65_536), (1_000, 4)] {
        let journal = MemoryJournal::default();
        let options = Options {
            group_records,
            queue_records,
            ..patient()
        };
        let writer = Writer::new(Box::new(journal.clone()), BEGIN, options);
        let mut seq = 0;
        while writer.durable_seq() == 0 {
            // There is room for it once the others are on disk.
            let submitted = writer.submit(&one(seq + 1), Duration::from_millis(10));
            seq += i64::from(submitted.unwrap().is_some());
        }
        writer.close().unwrap();
        assert_eq!(on_disk(&journal), (1..=seq).collect::<Vec<_>>());
    }
}

#[test]
fn records_lie_no_longer_than_is_said() {
    let journal = MemoryJournal::default();
    let options = Options {
        linger: Duration::from_millis(2),
        ..Options::default()
    };
    let writer = Writer::new(Box::new(journal.clone()), BEGIN, options);
    for seq in 1..=5 {
        writer.submit(&one(seq), SOON).unwrap();
        while (writer.durable_seq() as i64) < seq {
            std::thread::yield_now();
        }
    }
    writer.close().unwrap();
    assert_eq!(on_disk(&journal), [1, 2, 3, 4, 5]);
}

#[test]
fn what_lies_when_a_journal_is_closed_or_fails_is_written_or_kept() {
    let journal = MemoryJournal::default();
    let writer = Writer::new(Box::new(journal.clone()), BEGIN, patient());
    writer.submit(&one(1), SOON).unwrap();
    writer.close().unwrap();
    assert_eq!(on_disk(&journal), [1]);
    let broken = MemoryJournal::failing_at(1, false);
    let writer = Writer::new(Box::new(broken), BEGIN, patient());
    writer.submit(&one(1), SOON).unwrap();
    writer.submit(&one(2), SOON).unwrap();
    assert!(writer.close().is_err());
    let mut kept = Records::default();
    for piece in writer.waiting() {
        kept.extend(&piece);
    }
    let mut both = Records::clone(&one(1));
    both.extend(&one(2));
    assert_eq!(kept, both);
}

#[test]
fn records_that_cannot_be_written_are_refused_and_the_journal_goes_on() {
    let journal = MemoryJournal::default();
    let writer = Writer::new(Box::new(journal.clone()), BEGIN, Options::default());
    let mut odd = Records::default();
    odd.push(Record::new(Kind::Bar, 1));
    odd.kind = vec![200];
    let refused = writer.submit(&Arc::new(odd), SOON);
    assert!(matches!(refused, Err(Error::Records { row: 0, .. })));
    assert_eq!(writer.submit(&one(7), SOON), Ok(Some(1)));
    writer.close().unwrap();
    assert_eq!(on_disk(&journal), [7]);
}

/// A disk whose driver has a defect.
#[derive(Debug)]
struct Defect;

impl Journal for Defect {
    fn commit(&mut self, _: &Group) -> tapeloom_journal::Result<()> {
        panic!("a failure on purpose")
    }

    fn witness(&mut self, _: u64, _: &Hash) -> tapeloom_journal::Result<()> {
        Ok(())
    }

    fn checkpoint(&mut self) -> tapeloom_journal::Result<()> {
        Ok(())
    }

    fn close(self: Box<Self>) -> tapeloom_journal::Result<()> {
        Ok(())
    }
}

#[test]
fn a_thread_that_fails_leaves_nobody_waiting() {
    let writer = Writer::new(Box::new(Defect), BEGIN, eager());
    let seq = writer.submit(&one(1), SOON).unwrap().unwrap();
    let told = writer.wait_durable(seq, Duration::MAX);
    assert!(matches!(told, Err(Error::Stopped { .. })), "{told:?}");
    assert!(writer.close().is_err());
}
