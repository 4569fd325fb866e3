//! The witness: 64 bytes beside the journal that say what was acknowledged, in two slots written in turn.
//!
//! SQLite ends its log at the first frame that does not fit its checksum, by design: what stands behind a flipped bit is
//! gone without an error. The witness knows that it was there.
#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::group::Hash;

/// Bytes of one of the two slots.
pub(crate) const SLOT: usize = 32;
const MAGIC: [u8; 4] = *b"TLW1";
/// As much of the hash as a slot has room for.
pub(crate) const PREFIX: usize = 16;

/// What was acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) seq: u64,
    pub(crate) prefix: [u8; PREFIX],
}

impl Seen {
    pub(crate) fn new(seq: u64, hash: &Hash) -> Self {
        let mut prefix = [0; PREFIX];
        for (to, from) in prefix.iter_mut().zip(hash) {
            *to = *from;
        }
        Self { seq, prefix }
    }

    fn bytes(&self) -> [u8; SLOT] {
        let mut slot = [0; SLOT];
        let body = MAGIC
            .iter()
            .chain(&self.seq.to_le_bytes())
            .chain(&self.prefix)
            .copied()
            .collect::<Vec<u8>>();
        let sum = crc32c::crc32c(&body).to_le_bytes();
        for (to, from) in slot.iter_mut().zip(body.iter().chain(&sum)) {
            *to = *from;
        }
        slot
    }

    fn read(slot: &[u8]) -> Option<Self> {
        let (body, sum) = slot.split_at_checked(SLOT.checked_sub(4)?)?;
        let sum = u32::from_le_bytes(sum.try_into().ok()?);
        if crc32c::crc32c(body) != sum {
            return None;
        }
        let (magic, rest) = body.split_at_checked(MAGIC.len())?;
        let (seq, prefix) = rest.split_at_checked(8)?;
        (magic == MAGIC).then_some(Self {
            seq: u64::from_le_bytes(seq.try_into().ok()?),
            prefix: prefix.try_into().ok()?,
        })
    }
}

/// The newest whole slot, and whether the other one is damaged.
pub(crate) fn read(path: &Path) -> Result<(Seen, bool)> {
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(|error| match error.kind() {
        ErrorKind::NotFound => Error::not_a_journal(path, "the witness of the journal is missing"),
        _ => Error::disk(path, "reading the witness", error),
    })?;
    let limit = u64::try_from(SLOT.saturating_mul(2)).unwrap_or(u64::MAX);
    file.take(limit.saturating_add(1))
        .read_to_end(&mut bytes)
        .map_err(|error| Error::disk(path, "reading the witness", error))?;
    let (slots, rest) = bytes.as_chunks::<SLOT>();
    let whole: Vec<Seen> = slots.iter().filter_map(|slot| Seen::read(slot)).collect();
    let newest = whole.iter().copied().max_by_key(|seen| seen.seq);
    let is_damaged = whole.len() != 2 || slots.len() != 2 || !rest.is_empty();
    match newest {
        Some(seen) => Ok((seen, is_damaged)),
        None => Err(Error::not_a_journal(
            path,
            "both slots of the witness are damaged",
        )),
    }
}

/// The side that writes it.
#[derive(Debug)]
pub(crate) struct Witness {
    file: File,
    path: PathBuf,
    in_second: bool,
}

impl Witness {
    /// Begin anew: both slots say the same.
    pub(crate) fn create(path: &Path, seen: Seen) -> Result<Self> {
        let mut witness = Self::open(path, true)?;
        witness.write(seen)?;
        witness.write(seen)?;
        Ok(witness)
    }

    /// Go on with one that is there; a damaged slot is the next to be written.
    pub(crate) fn resume(path: &Path, seen: Seen) -> Result<Self> {
        let mut witness = Self::open(path, false)?;
        let mut first = [0; SLOT];
        let is_first =
            witness.file.read_exact(&mut first).is_ok() && Seen::read(&first) == Some(seen);
        witness.in_second = is_first;
        Ok(witness)
    }

    fn open(path: &Path, is_new: bool) -> Result<Self> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(is_new)
            .truncate(is_new)
            .open(path)
            .map_err(|error| Error::disk(path, "opening the witness", error))?;
        Ok(Self {
            file,
            path: path.to_owned(),
            in_second: false,
        })
    }

    /// Write the slot whose turn it is, and sync it.
    pub(crate) fn write(&mut self, seen: Seen) -> Result<()> {
        let at = if self.in_second { SLOT } else { 0 };
        let at = u64::try_from(at).unwrap_or(0);
        self.file
            .seek(SeekFrom::Start(at))
            .and_then(|_| self.file.write_all(&seen.bytes()))
            .and_then(|()| self.file.sync_data())
            .map_err(|error| Error::disk(&self.path, "writing the witness", error))?;
        self.in_second = !self.in_second;
        Ok(())
    }
}
