//! A machine of a simulation: journals by path, a disk that fails when told to, and crashes. No file, no thread.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;

use crate::error::{Error, Result};
use crate::group::{Group, Hash};
use crate::memory::MemoryJournal;
use crate::witness::Seen;
use crate::writer::{Journal, Options, Start, Writer};

/// Where journals of a simulation lie. A copy is the same disk.
#[derive(Debug, Clone)]
pub struct SimulatedDisk {
    machine: Arc<Mutex<Machine>>,
    commit_records: usize,
}

#[derive(Debug, Default)]
struct Machine {
    files: BTreeMap<PathBuf, Simulated>,
    operations: u64,
    fails_at: Option<u64>,
    keeps_failed: bool,
    crashes: u64,
}

#[derive(Debug)]
struct Simulated {
    journal: MemoryJournal,
    start: Seen,
    is_open: bool,
}

impl SimulatedDisk {
    /// An empty disk. A journal on it commits when somebody waits for a record, and when `commit_records` wait.
    #[must_use]
    pub fn new(commit_records: usize) -> Self {
        Self {
            machine: Arc::default(),
            commit_records,
        }
    }

    /// Its files, by name.
    #[must_use]
    pub fn paths(&self) -> Vec<PathBuf> {
        self.machine.lock().files.keys().cloned().collect()
    }

    /// Writes and syncs so far.
    #[must_use]
    pub fn operations(&self) -> u64 {
        self.machine.lock().operations
    }

    /// Let the operation after so many more fail, and all that follow on its file. With `keeps_failed` what it wrote is on
    /// the disk all the same, as after a sync that failed.
    pub fn fail_after(&self, operations: u64, keeps_failed: bool) {
        let mut machine = self.machine.lock();
        let next = machine.operations.saturating_add(1);
        machine.fails_at = Some(next.saturating_add(operations));
        machine.keeps_failed = keeps_failed;
    }

    /// Let the machine be gone: what was not committed is lost, whoever had a file open writes no more, and others may.
    pub fn crash(&self) {
        let mut machine = self.machine.lock();
        machine.crashes += 1;
        for file in machine.files.values_mut() {
            file.is_open = false;
        }
    }

    /// Begin a journal.
    ///
    /// # Errors
    ///
    /// [`Error::Exists`] if something is there.
    pub fn create(
        &self,
        path: &Path,
        last_seq: u64,
        hash: Hash,
        options: Options,
    ) -> Result<Writer> {
        let mut machine = self.machine.lock();
        if machine.files.contains_key(path) {
            return Err(Error::Exists {
                path: path.to_owned(),
            });
        }
        let file = Simulated {
            journal: MemoryJournal::default(),
            start: Seen::new(last_seq, &hash),
            is_open: false,
        };
        machine.files.insert(path.to_owned(), file);
        drop(machine);
        let start = Start {
            batch_seq: 0,
            last_seq,
            hash,
        };
        Ok(self.claim(path)?.write(start, options))
    }

    /// Have a file to oneself.
    pub(crate) fn claim(&self, path: &Path) -> Result<Claim> {
        let mut machine = self.machine.lock();
        let crashes = machine.crashes;
        let file = machine.files.get_mut(path).ok_or_else(|| Error::Missing {
            path: path.to_owned(),
        })?;
        if file.is_open {
            return Err(Error::AlreadyOpen {
                path: path.to_owned(),
                owner: "somebody in this simulation".to_owned(),
            });
        }
        file.is_open = true;
        // Opened anew, a file is one like any other.
        file.journal.disk.lock().fails_at = 0;
        Ok(Claim {
            journal: file.journal.clone(),
            start: file.start,
            on: self.clone(),
            path: path.to_owned(),
            crashes,
        })
    }
}

/// A file that nobody else has; dropped, others may have it.
#[derive(Debug)]
pub(crate) struct Claim {
    journal: MemoryJournal,
    start: Seen,
    on: SimulatedDisk,
    path: PathBuf,
    crashes: u64,
}

impl Claim {
    /// A group by its number.
    pub(crate) fn group(&self, batch_seq: u64) -> Option<Group> {
        let disk = self.journal.disk.lock();
        let at = usize::try_from(batch_seq).ok()?.checked_sub(1)?;
        disk.groups.get(at).cloned()
    }

    /// Number of the last group.
    pub(crate) fn newest(&self) -> u64 {
        self.journal.disk.lock().groups.len() as u64
    }

    /// What the witness saw.
    pub(crate) fn seen(&self) -> Seen {
        let witness = self.journal.disk.lock().witness;
        witness.map_or(self.start, |(seq, hash)| Seen::new(seq, &hash))
    }

    /// Write it from a place on.
    pub(crate) fn write(self, start: Start, options: Options) -> Writer {
        let records = self.on.commit_records;
        Writer::inline(Box::new(self), start, options, records)
    }

    /// One more operation; none once the machine is gone.
    fn operate(&self, doing: &'static str) -> Result<()> {
        let mut machine = self.on.machine.lock();
        if machine.crashes != self.crashes {
            return Err(Error::disk(&self.path, doing, "the machine is gone"));
        }
        machine.operations += 1;
        if machine.fails_at == Some(machine.operations) {
            let mut disk = self.journal.disk.lock();
            disk.fails_at = disk.operations + 1;
            disk.keeps_failed = machine.keeps_failed;
        }
        Ok(())
    }
}

impl Journal for Claim {
    fn commit(&mut self, group: &Group) -> Result<()> {
        self.operate("write")?;
        self.journal.commit(group)
    }

    fn witness(&mut self, seq: u64, hash: &Hash) -> Result<()> {
        self.operate("writing the witness")?;
        self.journal.witness(seq, hash)
    }

    fn checkpoint(&mut self) -> Result<()> {
        self.operate("checkpoint")?;
        self.journal.checkpoint()
    }

    fn close(self: Box<Self>) -> Result<()> {
        self.operate("close")?;
        Box::new(self.journal.clone()).close()
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        let mut machine = self.on.machine.lock();
        if machine.crashes == self.crashes
            && let Some(file) = machine.files.get_mut(&self.path)
        {
            file.is_open = false;
        }
    }
}
