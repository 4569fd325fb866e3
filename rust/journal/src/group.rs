//! One commit: records with their place, checksum and link to the commit before. It does no I/O.
#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use crate::error::Result;
use crate::payload;
use crate::records::Records;

/// Link of the chain.
pub type Hash = [u8; 32];

/// What the first group of a journal is linked to.
pub const GENESIS: Hash = [0; 32];

/// What stands in one row of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// Number of the commit in its file, from 1.
    pub batch_seq: u64,
    /// Number of its first record, from 1, over all files of a journal.
    pub first_seq: u64,
    /// How many records.
    pub n: u32,
    /// Earliest arrival, ns UTC.
    pub t_min: i64,
    /// Latest arrival, ns UTC.
    pub t_max: i64,
    /// The records.
    pub payload: Vec<u8>,
    /// Checksum over all of the above.
    pub crc32c: u32,
    /// Hash of the group before.
    pub prev_hash: Hash,
    /// BLAKE3 over the hash before, the numbers and the payload.
    pub hash: Hash,
}

impl Group {
    /// Records as a group.
    ///
    /// # Errors
    ///
    /// [`crate::Error::Records`] if they cannot be written.
    pub fn new(batch_seq: u64, first_seq: u64, records: &Records, prev_hash: Hash) -> Result<Self> {
        let payload = payload::encode(records)?;
        let mut group = Self {
            batch_seq,
            first_seq,
            n: u32::try_from(records.len()).unwrap_or(u32::MAX),
            t_min: records.arrival.iter().copied().min().unwrap_or(0),
            t_max: records.arrival.iter().copied().max().unwrap_or(0),
            payload,
            crc32c: 0,
            prev_hash,
            hash: GENESIS,
        };
        group.crc32c = group.checksum();
        group.hash = group.link();
        Ok(group)
    }

    /// Number of its last record.
    #[must_use]
    pub fn last_seq(&self) -> u64 {
        self.first_seq
            .saturating_add(u64::from(self.n))
            .saturating_sub(1)
    }

    /// The records, after checksum and hash; else the rule that is broken.
    ///
    /// # Errors
    ///
    /// The rule, as text.
    pub fn open(&self) -> std::result::Result<Records, &'static str> {
        self.check()?;
        let mut records = Records::default();
        self.open_into(&mut records)?;
        Ok(records)
    }

    /// Whether checksum and hash fit; else the rule that is broken.
    pub(crate) fn check(&self) -> std::result::Result<(), &'static str> {
        if self.checksum() != self.crc32c {
            return Err("the checksum does not fit");
        }
        if self.link() != self.hash {
            return Err("the hash does not fit");
        }
        Ok(())
    }

    /// Add the records of a group that was checked; none where a rule is broken.
    pub(crate) fn open_into(&self, found: &mut Records) -> std::result::Result<(), &'static str> {
        let n = usize::try_from(self.n).map_err(|_| "too many records")?;
        let before = found.len();
        payload::decode_into(n, &self.payload, found)?;
        let arrivals = found.arrival.iter().skip(before);
        if arrivals.clone().min() != Some(&self.t_min) || arrivals.max() != Some(&self.t_max) {
            found.truncate(before);
            return Err("the times of arrival do not fit");
        }
        Ok(())
    }

    fn numbers(&self) -> [u8; 36] {
        let mut bytes = [0; 36];
        let words = [
            self.batch_seq.to_le_bytes(),
            self.first_seq.to_le_bytes(),
            self.t_min.to_le_bytes(),
            self.t_max.to_le_bytes(),
        ];
        let last = self.n.to_le_bytes();
        for (to, from) in bytes
            .iter_mut()
            .zip(words.as_flattened().iter().chain(&last))
        {
            *to = *from;
        }
        bytes
    }

    fn checksum(&self) -> u32 {
        crc32c::crc32c_append(crc32c::crc32c(&self.numbers()), &self.payload)
    }

    fn link(&self) -> Hash {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&self.prev_hash);
        hasher.update(&self.numbers());
        hasher.update(&self.payload);
        *hasher.finalize().as_bytes()
    }
}
