//! What a writer needs of a disk, and where a file begins on it.

use std::fmt;

use crate::error::Result;
use crate::group::{Group, Hash};

/// What a writer needs of a disk. Each call returns when its effect would survive a power cut.
pub trait Journal: Send + fmt::Debug {
    /// Make room for a log of so many bytes beforehand, where the disk has plenty: a file that does not grow is synced in half
    /// the time. Returns whether there is that room.
    ///
    /// # Errors
    ///
    /// As of [`Journal::commit`]; that there is no room is none.
    fn reserve(&mut self, _bytes: usize) -> Result<bool> {
        Ok(false)
    }

    /// Write one group.
    ///
    /// # Errors
    ///
    /// Any error means: this file is at its end. It is not called again.
    fn commit(&mut self, group: &Group) -> Result<()>;

    /// Say what was acknowledged.
    ///
    /// # Errors
    ///
    /// As above.
    fn witness(&mut self, seq: u64, hash: &Hash) -> Result<()>;

    /// Fold the log into the file.
    ///
    /// # Errors
    ///
    /// As above.
    fn checkpoint(&mut self) -> Result<()>;

    /// Close in order; whoever only drops it leaves everything as it is.
    ///
    /// # Errors
    ///
    /// As above.
    fn close(self: Box<Self>) -> Result<()>;
}

/// Where a file begins, or goes on.
#[derive(Debug, Clone, Copy)]
pub struct Start {
    /// Number of the last group in this file, 0 before the first.
    pub batch_seq: u64,
    /// Number of the last record.
    pub last_seq: u64,
    /// Hash of the last group.
    pub hash: Hash,
}
