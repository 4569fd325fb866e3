//! Walks a journal after the fact: every checksum, every number, every link, then the witness. It changes nothing.
#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

mod salvage;
mod source;

use std::collections::VecDeque;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::file::{FileOptions, SqliteJournal, open, witness_path};
use crate::group::{GENESIS, Group, Hash};
use crate::records::Records;
use crate::simulated::SimulatedDisk;
use crate::witness::{self, Seen};
use crate::writer::{Options, Start, Writer};
pub use salvage::Skipped;
use source::Source;

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
