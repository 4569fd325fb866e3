//! Walks a journal after the fact: every checksum, every number, every link, then the witness. It changes nothing.
#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rusqlite::{OptionalExtension, Row, params};

use crate::error::{Error, Result};
use crate::file::{FileOptions, Opened, SqliteJournal, of_sqlite, open, witness_path};
use crate::group::{GENESIS, Group, Hash};
use crate::payload::{MOST_RECORDS, MOST_TEXT};
use crate::records::{Kind, Record, Records};
use crate::simulated::{Claim, SimulatedDisk};
use crate::witness::{self, Seen};
use crate::writer::{Options, Start, Writer};

const SELECT: &str =
    "SELECT batch_seq, first_seq, n, t_min, t_max, payload, crc32c, prev_hash, hash
    FROM groups WHERE batch_seq = ?1";
const SELECT_FROM: &str =
    "SELECT batch_seq, first_seq, n, t_min, t_max, payload, crc32c, prev_hash, hash
    FROM groups WHERE batch_seq >= ?1 ORDER BY batch_seq";
/// Groups that are taken out of the file together, and at how many bytes no more are.
const AHEAD: usize = 1_024;
const AHEAD_BYTES: usize = 4 << 20;
/// More than any group can have: a record is at most a few bytes and its text.
const MOST_BYTES: usize = 1 << 28;

/// Records that could not be kept: `[first_seq, last_seq]`, both included, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skipped {
    /// First record that is lost.
    pub first_seq: u64,
    /// Last record that is lost.
    pub last_seq: u64,
    /// Which rule was broken.
    pub rule: String,
}

/// Where groups come from.
#[derive(Debug)]
enum Source {
    File(Opened),
    Simulated(Claim),
}

/// A journal that is being read from its begin to its end; nobody else can have it open meanwhile.
#[derive(Debug)]
pub struct Reader {
    source: Source,
    path: PathBuf,
    witness: Result<(Seen, bool)>,
    /// Groups from the next one on, as far as they could be taken out of the file with it.
    ahead: VecDeque<Group>,
    next_batch: u64,
    last_seq: u64,
    hash: Hash,
    first: Option<(u64, Hash)>,
    is_confirmed: bool,
    limit: Option<u64>,
    is_lenient: bool,
    skipped: Vec<Skipped>,
}

impl Reader {
    /// Open a journal.
    ///
    /// `is_lenient` steps over damage instead of refusing it; [`Reader::skipped`] then says what was lost.
    ///
    /// # Errors
    ///
    /// [`Error::Missing`], [`Error::AlreadyOpen`], [`Error::NotAJournal`], [`Error::NetworkFileSystem`], [`Error::Disk`].
    pub fn open(path: &Path, options: &FileOptions, is_lenient: bool) -> Result<Self> {
        let opened = open(path, options)?;
        let witness = witness::read(&witness_path(path));
        if let (Err(error), false) = (&witness, is_lenient) {
            return Err(error.clone());
        }
        Self::begin(Source::File(opened), path, witness, is_lenient)
    }

    /// Open a journal of a simulation.
    ///
    /// # Errors
    ///
    /// As [`Reader::open`].
    pub fn open_simulated(disk: &SimulatedDisk, path: &Path, is_lenient: bool) -> Result<Self> {
        let claim = disk.claim(path)?;
        let seen = claim.seen();
        Self::begin(
            Source::Simulated(claim),
            path,
            Ok((seen, false)),
            is_lenient,
        )
    }

    fn begin(
        source: Source,
        path: &Path,
        witness: Result<(Seen, bool)>,
        is_lenient: bool,
    ) -> Result<Self> {
        let mut reader = Self {
            source,
            path: path.to_owned(),
            witness,
            ahead: VecDeque::new(),
            next_batch: 1,
            last_seq: 0,
            hash: GENESIS,
            first: None,
            is_confirmed: false,
            limit: None,
            is_lenient,
            skipped: Vec::new(),
        };
        match reader.group(1) {
            Ok(Some(group)) => {
                reader.first = Some((group.first_seq, group.prev_hash));
                reader.last_seq = group.first_seq.saturating_sub(1);
                reader.hash = group.prev_hash;
            }
            Ok(None) => {}
            Err(error) if !is_lenient => return Err(error),
            Err(_) => {}
        }
        reader.confirm();
        Ok(reader)
    }

    /// Number of the first record and what it is linked to; `None` if there is no group.
    #[must_use]
    pub fn first(&self) -> Option<(u64, Hash)> {
        self.first
    }

    /// Number of the last record read so far.
    #[must_use]
    pub fn last_seq(&self) -> u64 {
        self.last_seq
    }

    /// Hash of the last group read so far.
    #[must_use]
    pub fn hash(&self) -> Hash {
        self.hash
    }

    /// What was acknowledged for certain, and whether a slot of the witness is damaged.
    #[must_use]
    pub fn witnessed(&self) -> Option<(u64, bool)> {
        let known = self.witness.as_ref().ok()?;
        Some((known.0.seq, known.1))
    }

    /// Groups read so far.
    #[must_use]
    pub fn groups(&self) -> u64 {
        self.next_batch.saturating_sub(1)
    }

    /// What was stepped over.
    #[must_use]
    pub fn skipped(&self) -> &[Skipped] {
        &self.skipped
    }

    /// Read no further than this record: another file goes on behind it.
    pub fn stop_after(&mut self, seq: u64) {
        self.limit = Some(seq);
    }

    /// The next records, at least `rows` of them if there are as many; `None` at the end.
    ///
    /// # Errors
    ///
    /// [`Error::Damaged`] with the first record that cannot be trusted; [`Error::Truncated`] at the end, if the witness
    /// has seen more.
    pub fn read(&mut self, rows: usize) -> Result<Option<(u64, Records)>> {
        let mut found = Records::default();
        let mut first_seq = self.last_seq.saturating_add(1);
        while found.len() < rows && self.limit.is_none_or(|limit| self.last_seq < limit) {
            let begin = found.is_empty();
            match self.next_group(&mut found) {
                Ok(None) => break,
                Ok(Some(group)) => {
                    self.last_seq = group.last_seq();
                    self.hash = group.hash;
                    self.confirm();
                    if begin {
                        first_seq = group.first_seq;
                    }
                }
                Err(error) if !self.is_lenient => return Err(error),
                Err(error) => {
                    self.step_over(&error);
                    // What follows is no longer in sequence with what is here.
                    if !found.is_empty() {
                        break;
                    }
                }
            }
        }
        if found.is_empty() {
            self.check_end()?;
            return Ok(None);
        }
        Ok(Some((first_seq, found)))
    }

    /// Go on writing behind the last record.
    ///
    /// # Errors
    ///
    /// [`Error::Damaged`] if the file was not read to its end, [`Error::Disk`].
    pub fn resume(self, options: Options) -> Result<Writer> {
        let seen = match self.witness {
            Ok((seen, _)) => seen,
            Err(error) => return Err(error),
        };
        if self.is_lenient || self.limit.is_some() {
            let rule = "only a journal that was read as a whole can be written to";
            return Err(Error::damaged(&self.path, self.last_seq, rule));
        }
        let start = Start {
            batch_seq: self.next_batch.saturating_sub(1),
            last_seq: self.last_seq,
            hash: self.hash,
        };
        match self.source {
            Source::File(opened) => {
                let journal = SqliteJournal::resume(opened, &self.path, seen)?;
                Ok(Writer::new(Box::new(journal), start, options))
            }
            Source::Simulated(claim) => Ok(claim.write(start, options)),
        }
    }

    /// Copy everything that can be read into another journal; where something was lost, a record says how much.
    ///
    /// # Errors
    ///
    /// Those of reading without leniency, and those of the other journal.
    pub fn salvage_into(&mut self, writer: &Writer) -> Result<()> {
        let mut told = 0;
        let mut arrival = 0;
        loop {
            let found = self.read(1)?;
            for lost in self.skipped.get(told..).unwrap_or_default() {
                let mut hole = Record::new(Kind::Hole, arrival);
                let count = lost
                    .last_seq
                    .saturating_sub(lost.first_seq)
                    .saturating_add(1);
                hole.ts = i64::try_from(count).unwrap_or(i64::MAX);
                hole.text.clone_from(&lost.rule);
                let mut one = Records::default();
                one.push(hole);
                hand_over(writer, &Arc::new(one))?;
            }
            told = self.skipped.len();
            let Some((_, records)) = found else {
                return Ok(());
            };
            arrival = records.arrival.last().copied().unwrap_or(arrival);
            hand_over(writer, &Arc::new(records))?;
        }
    }

    /// Add the records of the next group; nothing where it cannot be trusted.
    fn next_group(&mut self, found: &mut Records) -> Result<Option<Group>> {
        let Some(group) = self.take_next()? else {
            self.check_tail()?;
            return Ok(None);
        };
        let expected = self.last_seq.saturating_add(1);
        let damaged = |rule: &str| Error::damaged(&self.path, expected, rule);
        group.check().map_err(damaged)?;
        if group.batch_seq != self.next_batch {
            return Err(damaged("the number of a group is another"));
        }
        let follows = group.first_seq == expected && group.prev_hash == self.hash;
        if !follows && !self.is_lenient {
            return Err(damaged("a group does not follow the one before"));
        }
        if group.first_seq < expected {
            return Err(damaged("a group begins before the end of the one before"));
        }
        group.open_into(found).map_err(damaged)?;
        if group.first_seq > expected {
            self.skipped.push(Skipped {
                first_seq: expected,
                last_seq: group.first_seq.saturating_sub(1),
                rule: "these records are not there".to_owned(),
            });
        }
        self.next_batch = self.next_batch.saturating_add(1);
        Ok(Some(group))
    }

    /// The group of the next number, if there is one.
    fn take_next(&mut self) -> Result<Option<Group>> {
        let wanted = self.next_batch;
        if self.ahead.front().map(|group| group.batch_seq) != Some(wanted) {
            self.ahead = self.groups_ahead().unwrap_or_default();
        }
        match self.ahead.pop_front() {
            Some(group) if group.batch_seq == wanted => Ok(Some(group)),
            // Asked for by itself it says what is wrong with it.
            _ => self.group(wanted),
        }
    }

    /// The groups from the next one on, up to one that cannot be read.
    fn groups_ahead(&self) -> Option<VecDeque<Group>> {
        let Source::File(opened) = &self.source else {
            return None;
        };
        let wanted = i64::try_from(self.next_batch).ok()?;
        let mut select = opened.connection.prepare_cached(SELECT_FROM).ok()?;
        let mut rows = select.query(params![wanted]).ok()?;
        let mut found = VecDeque::new();
        let mut bytes = 0_usize;
        while found.len() < AHEAD
            && bytes < AHEAD_BYTES
            && let Ok(Some(row)) = rows.next()
            && let Some(group) = group_of(row)
        {
            bytes = bytes.saturating_add(group.payload.len());
            found.push_back(group);
        }
        Some(found)
    }

    /// There is no group of the next number: nor may there be any behind it.
    fn check_tail(&self) -> Result<()> {
        let newest = self.newest().map_err(|error| self.of_reading(&error))?;
        if newest < self.next_batch {
            return Ok(());
        }
        Err(Error::damaged(
            &self.path,
            self.last_seq.saturating_add(1),
            "a group is missing in the middle",
        ))
    }

    /// Go to the next group that can be read; what lies between is lost.
    fn step_over(&mut self, error: &Error) {
        let newest = self.newest().unwrap_or(0);
        let first_seq = self.last_seq.saturating_add(1);
        let rule = match error {
            Error::Damaged { rule, .. } => rule.clone(),
            other => other.to_string(),
        };
        let mut at = self.next_batch.saturating_add(1);
        while at <= newest {
            if let Ok(Some(group)) = self.group(at)
                && group.open().is_ok()
                && group.first_seq > self.last_seq
            {
                if group.first_seq > first_seq {
                    let last_seq = group.first_seq.saturating_sub(1);
                    self.skipped.push(Skipped {
                        first_seq,
                        last_seq,
                        rule,
                    });
                    self.last_seq = last_seq;
                }
                self.hash = group.prev_hash;
                self.next_batch = at;
                return;
            }
            at = at.saturating_add(1);
        }
        // Nothing behind it can be read: how much there was only the witness may know.
        let seen = self.witnessed().map_or(0, |(seq, _)| seq);
        self.skipped.push(Skipped {
            first_seq,
            last_seq: seen.max(first_seq),
            rule,
        });
        self.last_seq = seen.max(first_seq);
        self.next_batch = newest.saturating_add(1).max(at);
    }

    /// Number of the last group that is there; 0 for none.
    fn newest(&self) -> rusqlite::Result<u64> {
        let opened = match &self.source {
            Source::File(opened) => opened,
            Source::Simulated(claim) => return Ok(claim.newest()),
        };
        let newest: Option<i64> =
            opened
                .connection
                .query_row("SELECT max(batch_seq) FROM groups", [], |row| row.get(0))?;
        Ok(newest.and_then(|n| u64::try_from(n).ok()).unwrap_or(0))
    }

    fn group(&self, batch_seq: u64) -> Result<Option<Group>> {
        let opened = match &self.source {
            Source::File(opened) => opened,
            Source::Simulated(claim) => return Ok(claim.group(batch_seq)),
        };
        let Ok(wanted) = i64::try_from(batch_seq) else {
            return Ok(None);
        };
        let mut select = opened
            .connection
            .prepare_cached(SELECT)
            .map_err(|error| self.of_reading(&error))?;
        select
            .query_row(params![wanted], |row| Ok(group_of(row)))
            .optional()
            .map_err(|error| self.of_reading(&error))?
            .map(|group| {
                group.ok_or_else(|| {
                    let next = self.last_seq.saturating_add(1);
                    Error::damaged(&self.path, next, "a group has values that it cannot have")
                })
            })
            .transpose()
    }

    fn of_reading(&self, error: &rusqlite::Error) -> Error {
        match of_sqlite(&self.path, "reading", error) {
            // Somewhere in the middle of a journal of ours.
            Error::NotAJournal { rule, .. } => {
                Error::damaged(&self.path, self.last_seq.saturating_add(1), rule)
            }
            other => other,
        }
    }

    /// Whether this is the place, and the hash, that the witness saw.
    fn confirm(&mut self) {
        if let Ok((seen, _)) = &self.witness
            && *seen == Seen::new(self.last_seq, &self.hash)
        {
            self.is_confirmed = true;
        }
    }

    fn check_end(&mut self) -> Result<()> {
        let Ok((seen, _)) = &self.witness else {
            return Ok(());
        };
        let behind = self.limit.is_none_or(|limit| seen.seq <= limit);
        if self.is_confirmed || !behind {
            return Ok(());
        }
        let (witnessed_seq, last_seq) = (seen.seq, self.last_seq);
        if witnessed_seq <= last_seq && !self.is_lenient {
            let rule = "the witness saw another group end there";
            return Err(Error::damaged(&self.path, witnessed_seq, rule));
        }
        if self.is_lenient {
            if witnessed_seq > last_seq {
                self.skipped.push(Skipped {
                    first_seq: last_seq.saturating_add(1),
                    last_seq: witnessed_seq,
                    rule: "the witness has seen them".to_owned(),
                });
                self.last_seq = witnessed_seq;
            }
            return Ok(());
        }
        Err(Error::Truncated {
            path: self.path.clone(),
            last_seq,
            witnessed_seq,
        })
    }
}

fn hand_over(writer: &Writer, records: &Arc<Records>) -> Result<()> {
    loop {
        if let Some(seq) = writer.submit(records, Duration::from_secs(1))? {
            // One at a time: what was salvaged is not held in memory.
            while !writer.wait_durable(seq, Duration::from_secs(1))? {}
            return Ok(());
        }
    }
}

/// The columns of a row, checked for type and length before anything is copied.
fn group_of(row: &Row<'_>) -> Option<Group> {
    let number = |at: usize| u64::try_from(row.get::<_, i64>(at).ok()?).ok();
    let link =
        |at: usize| -> Option<Hash> { row.get_ref(at).ok()?.as_blob().ok()?.try_into().ok() };
    let n = u32::try_from(number(2)?).ok()?;
    let most = usize::try_from(n)
        .ok()?
        .checked_mul(MOST_TEXT.checked_add(100)?)?;
    let payload = row.get_ref(5).ok()?.as_blob().ok()?;
    let is_possible =
        usize::try_from(n).ok()? <= MOST_RECORDS && payload.len() <= most.min(MOST_BYTES);
    is_possible.then_some(())?;
    Some(Group {
        batch_seq: number(0)?,
        first_seq: number(1)?,
        n,
        t_min: row.get(3).ok()?,
        t_max: row.get(4).ok()?,
        payload: payload.to_vec(),
        crc32c: u32::try_from(number(6)?).ok()?,
        prev_hash: link(7)?,
        hash: link(8)?,
    })
}
