//! The journal on a real disk: read back, resumed, refused, cut and flipped.
#![allow(missing_docs, clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tapeloom_journal::{
    Error, FileOptions, GENESIS, Group, Hash, Journal, Kind, Options, Reader, Record, Records,
    SqliteJournal, Start, Writer, check_library, unbegun, witness_path,
};

const SOON: Duration = Duration::from_secs(30);
const BEGIN: Start = Start {
    batch_seq: 0,
    last_seq: 0,
    hash: GENESIS,
};

/// More than the logs of these tests need.
const ROOM: usize = 100_000;

/// A folder that goes with the test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("tapeloom-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn journal(&self) -> PathBuf {
        self.0.join("day.journal")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn options() -> FileOptions {
    FileOptions {
        owner: "process 1, a test".to_owned(),
        allow_network_fs: true,
        free_bytes: |_| Some(u64::MAX),
        only_reads: false,
    }
}

fn to_read() -> FileOptions {
    FileOptions {
        only_reads: true,
        ..options()
    }
}

fn batch(numbers: std::ops::Range<i64>) -> Records {
    let mut records = Records::default();
    for number in numbers {
        let mut record = Record::new(Kind::Bar, number);
        record.values = [number as f64; 5];
        if number % 3 == 0 {
            record.text = format!("text {number}");
        }
        records.push(record);
    }
    records
}

/// A journal that is written group by group, of three records each, each witnessed.
struct Written {
    journal: SqliteJournal,
    hash: Hash,
    groups: u64,
}

impl Written {
    fn begin(path: &Path) -> Self {
        Self::begin_with(path, &options())
    }

    fn begin_with(path: &Path, options: &FileOptions) -> Self {
        Self {
            journal: SqliteJournal::create(path, options, 0, &GENESIS).unwrap(),
            hash: GENESIS,
            groups: 0,
        }
    }

    fn groups(&mut self, count: u64) -> &mut Self {
        for number in self.groups..self.groups + count {
            let first = number as i64 * 3;
            let records = batch(first..first + 3);
            let group = Group::new(number + 1, first as u64 + 1, &records, self.hash).unwrap();
            self.journal.commit(&group).unwrap();
            self.hash = group.hash;
            self.journal.witness(group.last_seq(), &self.hash).unwrap();
        }
        self.groups += count;
        self
    }

    fn reserve(&mut self, bytes: usize) -> &mut Self {
        self.journal.reserve(bytes).unwrap();
        self
    }

    fn fold(&mut self) -> &mut Self {
        self.journal.checkpoint().unwrap();
        self
    }
}

/// The log folded once and not closed: as a crash leaves it.
fn crashed(path: &Path, groups: u64, folded: u64) {
    let mut written = Written::begin(path);
    written.groups(folded).fold().groups(groups - folded);
}

fn read(path: &Path) -> Result<Vec<i64>, Error> {
    read_with(path, &options())
}

fn read_with(path: &Path, options: &FileOptions) -> Result<Vec<i64>, Error> {
    let mut reader = Reader::open(path, options, false)?;
    let mut found = Vec::new();
    while let Some((_, records)) = reader.read(4)? {
        found.extend(records.arrival);
    }
    Ok(found)
}

#[test]
fn the_bundled_library_is_one_that_may_be_used() {
    check_library().unwrap();
}

#[test]
fn what_was_written_is_read_back_and_gone_on_with() {
    let folder = Folder::new("resume");
    let path = folder.journal();
    let journal = SqliteJournal::create(&path, &options(), 0, &GENESIS).unwrap();
    let writer = Writer::new(Box::new(journal), BEGIN, Options::default());
    writer
        .submit(&Arc::new(batch(0..5)), SOON)
        .unwrap()
        .unwrap();
    writer.close().unwrap();
    let mut reader = Reader::open(&path, &options(), false).unwrap();
    while reader.read(100).unwrap().is_some() {}
    let writer = reader.resume(Options::default()).unwrap();
    assert_eq!(writer.submit(&Arc::new(batch(5..9)), SOON), Ok(Some(9)));
    writer.close().unwrap();
    assert_eq!(read(&path).unwrap(), (0..9).collect::<Vec<_>>());
}

#[test]
fn a_log_that_was_not_folded_is_read_and_reading_changes_nothing() {
    let folder = Folder::new("unfolded");
    let path = folder.journal();
    crashed(&path, 6, 2);
    for _ in 0..2 {
        assert_eq!(read(&path).unwrap(), (0..18).collect::<Vec<_>>());
    }
}

#[test]
fn a_second_one_is_refused_and_told_who_has_it() {
    let folder = Folder::new("owner");
    let path = folder.journal();
    let journal = SqliteJournal::create(&path, &options(), 0, &GENESIS).unwrap();
    let refused = Reader::open(&path, &options(), false).map(|_| ());
    let Err(Error::AlreadyOpen { owner, .. }) = refused else {
        panic!("{refused:?}");
    };
    assert_eq!(owner, "process 1, a test");
    drop(journal);
    assert_eq!(read(&path).unwrap(), []);
}

#[test]
fn nothing_that_is_there_is_replaced() {
    let folder = Folder::new("exists");
    let path = folder.journal();
    crashed(&path, 1, 0);
    for there in [path.clone(), witness_path(&path)] {
        let refused = SqliteJournal::create(&path, &options(), 0, &GENESIS).map(|_| ());
        assert_eq!(
            refused,
            Err(Error::Exists {
                path: there.clone()
            })
        );
        fs::remove_file(there).unwrap();
    }
}

#[test]
fn other_files_are_no_journals() {
    let folder = Folder::new("others");
    let path = folder.journal();
    let missing = read(&path);
    assert_eq!(missing, Err(Error::Missing { path: path.clone() }));
    for content in ["", "hello", "SQLite format 3\0 and then something else"] {
        fs::write(&path, content).unwrap();
        assert!(
            matches!(read(&path), Err(Error::NotAJournal { .. })),
            "{content}"
        );
    }
}

/// Every file of a folder, with what is in it.
fn all_of(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let files = fs::read_dir(folder).unwrap();
    let paths = files.map(|entry| entry.unwrap().path());
    paths
        .map(|path| (path.clone(), fs::read(path).unwrap()))
        .collect()
}

#[test]
fn whoever_only_reads_leaves_nothing_behind() {
    let folder = Folder::new("only read");
    let path = folder.journal();
    let wal = PathBuf::from(format!("{}-wal", path.display()));
    let owner = PathBuf::from(format!("{}.owner", path.display()));
    for is_closed in [false, true] {
        let mut written = Written::begin(&path);
        written.groups(2).fold().groups(4);
        if is_closed {
            Box::new(written.journal).close().unwrap();
            // As in a copy of what matters.
            fs::remove_file(&wal).unwrap();
        } else {
            drop(written);
        }
        for is_claimed_before in [true, false] {
            if !is_claimed_before {
                fs::remove_file(&owner).unwrap();
            }
            let before = all_of(&folder.0);
            let found = read_with(&path, &to_read());
            assert_eq!(found.unwrap(), (0..18).collect::<Vec<_>>());
            assert_eq!(unbegun(&path, "process 1, a test", true), Ok(None));
            assert_eq!(all_of(&folder.0), before);
        }
        for file in all_of(&folder.0).into_keys() {
            fs::remove_file(file).unwrap();
        }
    }
}

#[test]
fn nothing_is_left_beside_what_is_no_journal() {
    let folder = Folder::new("no journal");
    let path = folder.journal();
    for content in ["", "hello", "SQLite format 3\0 and then something else"] {
        fs::write(&path, content).unwrap();
        let before = all_of(&folder.0);
        let found = read_with(&path, &to_read());
        assert!(
            matches!(found, Err(Error::NotAJournal { .. })),
            "{content}: {found:?}"
        );
        assert_eq!(all_of(&folder.0), before);
    }
}

#[test]
fn whoever_only_reads_is_refused_while_somebody_writes_and_does_not_go_on_writing() {
    let folder = Folder::new("read only");
    let path = folder.journal();
    let journal = SqliteJournal::create(&path, &options(), 0, &GENESIS).unwrap();
    let refused = Reader::open(&path, &to_read(), false).map(|_| ());
    assert!(matches!(refused, Err(Error::AlreadyOpen { .. })));
    drop(journal);
    let reader = Reader::open(&path, &to_read(), false).unwrap();
    let refused = Reader::open(&path, &options(), false).map(|_| ());
    assert!(matches!(refused, Err(Error::AlreadyOpen { .. })));
    let refused = reader.resume(Options::default()).map(|_| ());
    assert!(matches!(refused, Err(Error::Disk { .. })));
    assert_eq!(read(&path).unwrap(), []);
}

#[test]
fn without_its_witness_a_journal_is_not_trusted() {
    let folder = Folder::new("witness");
    let path = folder.journal();
    crashed(&path, 2, 0);
    fs::remove_file(witness_path(&path)).unwrap();
    assert!(matches!(read(&path), Err(Error::NotAJournal { .. })));
}

/// The three files as a crash left them.
fn image(path: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut log = path.as_os_str().to_owned();
    log.push("-wal");
    [path.to_owned(), log.into(), witness_path(path)]
        .into_iter()
        .map(|file| (file.clone(), fs::read(&file).unwrap()))
        .collect()
}

fn put_back(image: &[(PathBuf, Vec<u8>)]) {
    for (file, content) in image {
        fs::write(file, content).unwrap();
    }
}

/// All of it, or an error: never fewer records without a word, never other ones.
fn check(path: &Path, whole: &[i64], what: &str) {
    match read(path) {
        Ok(found) => assert_eq!(found, whole, "{what}: not noticed"),
        Err(error) => assert!(
            matches!(
                error,
                Error::Damaged { .. }
                    | Error::NotAJournal { .. }
                    | Error::Truncated { .. }
                    | Error::Disk { .. }
            ),
            "{what}: {error}"
        ),
    }
}

/// Every one with TAPELOOM_ALL_IMAGES=1, else each that many.
fn step(sampled: usize) -> usize {
    if std::env::var_os("TAPELOOM_ALL_IMAGES").is_some() {
        1
    } else {
        sampled
    }
}

#[test]
fn a_journal_cut_anywhere_is_whole_or_an_error() {
    let folder = Folder::new("cut");
    let path = folder.journal();
    crashed(&path, 4, 2);
    let whole: Vec<i64> = (0..12).collect();
    let image = image(&path);
    let mut images = 0;
    for (file, content) in &image {
        for length in (0..content.len()).step_by(step(if content.len() < 100 { 1 } else { 97 })) {
            put_back(&image);
            fs::write(file, &content[..length]).unwrap();
            check(
                &path,
                &whole,
                &format!("{} cut to {length}", file.display()),
            );
            images += 1;
        }
    }
    println!("{images} images");
}

#[test]
fn a_flipped_bit_anywhere_is_noticed_or_does_no_harm() {
    let folder = Folder::new("flip");
    let path = folder.journal();
    crashed(&path, 4, 2);
    let whole: Vec<i64> = (0..12).collect();
    let image = image(&path);
    let mut images = 0;
    for (file, content) in &image {
        let bits = content.len() * 8;
        for bit in (0..bits).step_by(step(if bits < 600 { 1 } else { 773 })) {
            put_back(&image);
            let mut damaged = content.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            fs::write(file, damaged).unwrap();
            check(&path, &whole, &format!("{} bit {bit}", file.display()));
            images += 1;
        }
    }
    println!("{images} images");
}

#[test]
fn lost_sectors_of_the_log_are_noticed() {
    let folder = Folder::new("sectors");
    let path = folder.journal();
    crashed(&path, 6, 2);
    let whole: Vec<i64> = (0..18).collect();
    let image = image(&path);
    let (log, content) = &image[1];
    // Any run of sectors that did not reach the disk; the witness says that they had been acknowledged.
    let sectors = content.len().div_ceil(512);
    for first in 0..sectors {
        for count in [1, 2, 5, sectors] {
            put_back(&image);
            let mut torn = content.clone();
            let end = torn.len().min((first + count) * 512);
            torn[first * 512..end].fill(0);
            fs::write(log, torn).unwrap();
            check(&path, &whole, &format!("sectors {first} and {count} on"));
        }
    }
}

/// A power cut: what was not synced by then may be there in any subset of its sectors, what was synced is. The log grows, is
/// written over what was folded before, or over zeros.
#[test]
fn an_unsynced_tail_may_be_there_in_any_part_and_the_rest_is_whole() {
    for (folded, reserved) in [(1, 0), (9, 0), (1, ROOM), (9, ROOM)] {
        let folder = Folder::new(&format!("tail-{folded}-{reserved}"));
        let path = folder.journal();
        let mut written = Written::begin(&path);
        written.groups(folded).reserve(reserved).fold().groups(2);
        let synced = image(&path);
        written.groups(3);
        drop(written);
        let later = image(&path);
        let acknowledged = (folded as usize + 2) * 3;
        let lengths = torn_tails(&path, &synced, &later, acknowledged);
        assert!(
            lengths.len() > 1,
            "no tail was ever lost or kept: {lengths:?}"
        );
    }
}

/// How many records were found where sectors of the log are as they were, as they were to be, or empty.
fn torn_tails(
    path: &Path,
    synced: &[(PathBuf, Vec<u8>)],
    later: &[(PathBuf, Vec<u8>)],
    acknowledged: usize,
) -> BTreeSet<usize> {
    let (log, whole) = &later[1];
    let mut before = synced[1].1.clone();
    before.resize(whole.len(), 0);
    let mut seed: u64 = 7;
    let mut lengths = BTreeSet::new();
    for round in 0..300 {
        put_back(later);
        // The witness of before the cut: nothing behind it was acknowledged.
        fs::write(witness_path(path), &synced[2].1).unwrap();
        let mut torn = whole.clone();
        for start in (0..whole.len()).step_by(512) {
            let end = whole.len().min(start + 512);
            if before[start..end] == whole[start..end] {
                continue;
            }
            seed = seed * 48_271 % 2_147_483_647;
            if seed % 100 < round / 3 {
                torn[start..end].copy_from_slice(&before[start..end]);
            }
        }
        fs::write(log, torn).unwrap();
        let found = read(path).unwrap();
        assert!(
            found.len() >= acknowledged,
            "{} of {acknowledged} acknowledged",
            found.len()
        );
        assert_eq!(found, (0..found.len() as i64).collect::<Vec<_>>());
        lengths.insert(found.len());
    }
    lengths
}

/// What was folded is in the file: no damage to what the log held before can hide it.
#[test]
fn a_log_that_was_folded_may_be_damaged_anywhere() {
    let folder = Folder::new("folded");
    let path = folder.journal();
    crashed(&path, 6, 6);
    let whole: Vec<i64> = (0..18).collect();
    let image = image(&path);
    let (log, content) = &image[1];
    assert!(content.len() > 6 * 4_096, "the log was cut");
    for bit in (0..content.len() * 8).step_by(step(773)) {
        put_back(&image);
        let mut damaged = content.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        fs::write(log, damaged).unwrap();
        assert_eq!(read(&path).unwrap(), whole, "bit {bit}");
    }
}

#[test]
fn a_log_that_was_folded_is_written_over_and_one_that_was_closed_is_empty() {
    let folder = Folder::new("reused");
    let path = folder.journal();
    let mut written = Written::begin(&path);
    written.groups(20).fold();
    let length = image(&path)[1].1.len();
    for _ in 0..5 {
        written.groups(10).fold();
        assert_eq!(image(&path)[1].1.len(), length);
    }
    Box::new(written.journal).close().unwrap();
    assert_eq!(image(&path)[1].1.len(), 0);
    assert_eq!(read(&path).unwrap(), (0..210).collect::<Vec<_>>());
}

#[test]
fn a_log_with_room_keeps_its_length_and_all_records() {
    let folder = Folder::new("room");
    let path = folder.journal();
    let mut written = Written::begin(&path);
    written.groups(1).reserve(ROOM);
    for _ in 0..3 {
        written.groups(3);
        assert_eq!(image(&path)[1].1.len(), ROOM);
    }
    let crashed = image(&path);
    drop(written);
    put_back(&crashed);
    assert_eq!(read(&path).unwrap(), (0..30).collect::<Vec<_>>());
    let mut reader = Reader::open(&path, &options(), false).unwrap();
    while reader.read(100).unwrap().is_some() {}
    let writer = reader.resume(Options::default()).unwrap();
    for first in [30, 35] {
        let seq = writer.submit(&Arc::new(batch(first..first + 5)), SOON);
        assert!(writer.wait_durable(seq.unwrap().unwrap(), SOON).unwrap());
    }
    // What is gone on with has the room of the options, made when the first of its groups was there.
    assert!(image(&path)[1].1.len() > Options::default().checkpoint_bytes);
    writer.close().unwrap();
    assert_eq!(image(&path)[1].1.len(), 0);
    assert_eq!(read(&path).unwrap(), (0..40).collect::<Vec<_>>());
}

#[test]
fn no_room_is_made_on_a_disk_that_is_nearly_full_or_of_which_nobody_knows() {
    let free: [fn(&Path) -> Option<u64>; 4] = [
        |_| Some(4 * ROOM as u64),
        |_| Some(4 * ROOM as u64 - 1),
        |_| Some(0),
        |_| None,
    ];
    for (number, free_bytes) in free.into_iter().enumerate() {
        let folder = Folder::new(&format!("nearly-full-{number}"));
        let path = folder.journal();
        let given = FileOptions {
            free_bytes,
            ..options()
        };
        let mut written = Written::begin_with(&path, &given);
        written.groups(1);
        let before = image(&path)[1].1.len();
        written.reserve(ROOM);
        let expected = if number == 0 { ROOM } else { before };
        assert_eq!(image(&path)[1].1.len(), expected, "{number}");
        // What is written is there either way, also by who goes on with the file.
        written.groups(2);
        drop(written);
        let mut reader = Reader::open(&path, &given, false).unwrap();
        while reader.read(100).unwrap().is_some() {}
        let writer = reader.resume(Options::default()).unwrap();
        let seq = writer.submit(&Arc::new(batch(9..10)), SOON);
        assert!(writer.wait_durable(seq.unwrap().unwrap(), SOON).unwrap());
        writer.close().unwrap();
        assert_eq!(read(&path).unwrap(), (0..10).collect::<Vec<_>>());
    }
}

/// The process may end, or the power, while room is made: the log has any length then, and zeros where anything is missing.
#[test]
fn a_log_may_be_cut_or_damaged_where_there_is_only_room() {
    let folder = Folder::new("only-room");
    let path = folder.journal();
    let mut written = Written::begin(&path);
    written.groups(2);
    let used = image(&path)[1].1.len();
    written.reserve(ROOM);
    drop(written);
    let image = image(&path);
    let (log, content) = &image[1];
    let mut images = 0;
    for at in (used..ROOM).step_by(step(397)) {
        put_back(&image);
        fs::write(log, &content[..at]).unwrap();
        assert_eq!(read(&path).unwrap(), [0, 1, 2, 3, 4, 5], "cut to {at}");
        let mut damaged = content.clone();
        damaged[at] = 0xa5;
        fs::write(log, damaged).unwrap();
        assert_eq!(read(&path).unwrap(), [0, 1, 2, 3, 4, 5], "byte {at}");
        images += 2;
    }
    println!("{images} images");
}

#[test]
fn a_file_that_was_never_begun_has_no_room_made() {
    let folder = Folder::new("unbegun-room");
    let path = folder.journal();
    let journal = SqliteJournal::create(&path, &options(), 0, &GENESIS).unwrap();
    let before = image(&path)[1].1.len();
    let writer = Writer::new(Box::new(journal), BEGIN, Options::default());
    assert_eq!(image(&path)[1].1.len(), before);
    let stopped = Error::Stopped {
        reason: "a crash".to_owned(),
    };
    writer.stop(stopped);
    drop(writer);
    assert_eq!(unbegun(&path, "process 1, a test", false), Ok(Some(0)));
}

#[test]
fn the_rest_of_a_damaged_journal_is_salvaged_with_what_was_lost_on_record() {
    let folder = Folder::new("salvage");
    let path = folder.journal();
    let mut written = Written::begin(&path);
    written.groups(5);
    Box::new(written.journal).close().unwrap();
    let mut content = fs::read(&path).unwrap();
    let text = b"text 6";
    let at = content.windows(text.len()).position(|w| w == text).unwrap();
    content[at] ^= 1;
    fs::write(&path, content).unwrap();
    let Err(Error::Damaged { first_seq: 7, .. }) = read(&path) else {
        panic!("{:?}", read(&path));
    };
    let saved = folder.0.join("saved.journal");
    let journal = SqliteJournal::create(&saved, &options(), 0, &GENESIS).unwrap();
    let writer = Writer::new(Box::new(journal), BEGIN, Options::default());
    let mut reader = Reader::open(&path, &options(), true).unwrap();
    reader.salvage_into(&writer).unwrap();
    writer.close().unwrap();
    assert_eq!(reader.skipped().len(), 1);
    assert_eq!(
        (reader.skipped()[0].first_seq, reader.skipped()[0].last_seq),
        (7, 9)
    );
    let mut reader = Reader::open(&saved, &options(), false).unwrap();
    let mut found = Vec::new();
    while let Some((_, records)) = reader.read(100).unwrap() {
        let rows = records.kind.iter().zip(&records.arrival).zip(&records.ts);
        found.extend(rows.map(|((kind, arrival), ts)| match kind {
            12 => -ts,
            _ => *arrival,
        }));
    }
    assert_eq!(found, [0, 1, 2, 3, 4, 5, -3, 9, 10, 11, 12, 13, 14]);
}

#[test]
fn a_network_file_system_is_asked_about() {
    let folder = Folder::new("local");
    let careful = FileOptions {
        allow_network_fs: false,
        ..options()
    };
    // A local disk, or a folder of a machine whose mounts cannot be read: either way a journal may lie here.
    SqliteJournal::create(&folder.journal(), &careful, 0, &GENESIS).unwrap();
}
