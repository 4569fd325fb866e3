//! A journal in memory that fails when told to: the disk of a simulation.

use std::sync::Arc;

use parking_lot::Mutex;

use crate::error::{Error, Result};
use crate::group::{Group, Hash};
use crate::writer::Journal;

/// What is on the disk, seen by the journal and by whoever looks what became of it.
#[derive(Debug, Default)]
pub struct Disk {
    /// Groups that are on the disk.
    pub groups: Vec<Group>,
    /// What the witness says, and how often it was written.
    pub witness: Option<(u64, Hash)>,
    /// Writes and syncs so far.
    pub operations: u64,
    /// The operation that fails, counted from 1; 0 for none.
    pub fails_at: u64,
    /// Whether the group of a failed commit is on the disk all the same, as after a sync that failed.
    pub keeps_failed: bool,
    /// Operations after the failure: there must be none.
    pub after_failure: u64,
    /// Whether it was closed in order.
    pub is_closed: bool,
}

/// See [`Disk`].
#[derive(Debug, Clone, Default)]
pub struct MemoryJournal {
    /// What is on the disk.
    pub disk: Arc<Mutex<Disk>>,
}

impl MemoryJournal {
    /// A journal whose n-th operation fails; 0 for none.
    #[must_use]
    pub fn failing_at(operation: u64, keeps_failed: bool) -> Self {
        let disk = Disk {
            fails_at: operation,
            keeps_failed,
            ..Disk::default()
        };
        Self {
            disk: Arc::new(Mutex::new(disk)),
        }
    }
}

impl Disk {
    fn operate(&mut self, doing: &'static str) -> Result<()> {
        self.operations += 1;
        if self.fails_at == 0 || self.operations < self.fails_at {
            return Ok(());
        }
        if self.operations > self.fails_at {
            self.after_failure += 1;
        }
        Err(Error::Disk {
            path: "memory".into(),
            doing,
            said: "no space left on device".to_owned(),
        })
    }
}

impl Journal for MemoryJournal {
    fn commit(&mut self, group: &Group) -> Result<()> {
        let mut disk = self.disk.lock();
        let done = disk.operate("write");
        if done.is_ok() || disk.keeps_failed {
            disk.groups.push(group.clone());
        }
        done
    }

    fn witness(&mut self, seq: u64, hash: &Hash) -> Result<()> {
        let mut disk = self.disk.lock();
        disk.operate("writing the witness")?;
        disk.witness = Some((seq, *hash));
        Ok(())
    }

    fn checkpoint(&mut self) -> Result<()> {
        self.disk.lock().operate("checkpoint")
    }

    fn close(self: Box<Self>) -> Result<()> {
        let mut disk = self.disk.lock();
        disk.operate("close")?;
        disk.is_closed = true;
        Ok(())
    }
}
