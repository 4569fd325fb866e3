//! Who has a journal open: a lock of the operating system, and a line that says whose it is.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

const LONGEST: u64 = 1_000;

/// The claim on a journal; ends with the process at the latest.
#[derive(Debug)]
pub(crate) struct Owner {
    file: File,
}

impl Owner {
    /// Claim a journal, or say who has it.
    pub(crate) fn claim(journal: &Path, who: &str) -> Result<Self> {
        let path = path_of(journal);
        let failed = |error| Error::disk(&path, "claiming the journal", error);
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut said = Vec::new();
                let read = (&mut file).take(LONGEST).read_to_end(&mut said);
                let owner = String::from_utf8_lossy(&said).trim().to_owned();
                return Err(Error::AlreadyOpen {
                    path: journal.to_owned(),
                    owner: match read {
                        Ok(_) if !owner.is_empty() => owner,
                        _ => "a process that has not said who it is yet".to_owned(),
                    },
                });
            }
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
        file.set_len(0)
            .and_then(|()| file.seek(SeekFrom::Start(0)))
            .and_then(|_| file.write_all(who.as_bytes()))
            .map_err(failed)?;
        Ok(Self { file })
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        // The file stays: to remove it would let two processes lock two files of one name.
        let _ = self.file.set_len(0);
        let _ = self.file.unlock();
    }
}

pub(crate) fn path_of(journal: &Path) -> PathBuf {
    beside(journal, ".owner")
}

/// A path with something behind its name.
pub(crate) fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}
