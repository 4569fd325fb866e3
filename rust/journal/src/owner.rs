//! Who has a journal open: a lock of the operating system, and a line that says whose it is.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

const LONGEST: u64 = 1_000;

/// The claim on a journal; ends with the process at the latest.
#[derive(Debug)]
pub(crate) struct Owner {
    file: File,
    path: PathBuf,
    /// Whether the file goes with the claim.
    is_passing: bool,
}

/// The file of a claim, opened.
struct Found {
    file: File,
    is_new: bool,
    /// Whether it can be said in it who has the journal.
    is_writable: bool,
}

impl Owner {
    /// Claim a journal, or say who has it.
    pub(crate) fn claim(journal: &Path, who: &str) -> Result<Self> {
        Self::claim_by(journal, who, find_or_make)
            .map(|(owner, _)| owner)
            .map_err(|refused| refused.of(journal))
    }

    /// Claim a journal that is only read, or say who has it. A file that was not there before goes with the claim.
    ///
    /// `None` where a claim cannot be written: a journal that nobody can write there needs none.
    pub(crate) fn claim_to_read(journal: &Path, who: &str) -> Result<Option<Self>> {
        match Self::claim_by(journal, who, find_to_read) {
            Ok((mut owner, is_new)) => {
                // Only there a file is told from another one of its name.
                owner.is_passing = is_new && cfg!(unix);
                Ok(Some(owner))
            }
            Err(Refused::System(error)) if is_read_only(&error) => Ok(None),
            Err(refused) => Err(refused.of(journal)),
        }
    }

    /// The claim on the file that `find` opens, and whether that is new.
    fn claim_by(
        journal: &Path,
        who: &str,
        mut find: impl FnMut(&Path) -> io::Result<Found>,
    ) -> std::result::Result<(Self, bool), Refused> {
        let path = path_of(journal);
        loop {
            let Found {
                mut file,
                is_new,
                is_writable,
            } = find(&path)?;
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => return Err(Refused::Owned(said_in(file))),
                Err(TryLockError::Error(error)) => return Err(error.into()),
            }
            // Whoever only reads may have removed it before it was locked: then others lock another file.
            if !is_at(&path, &file)? {
                continue;
            }
            if is_writable {
                file.set_len(0)?;
                file.seek(SeekFrom::Start(0))?;
                file.write_all(who.as_bytes())?;
            }
            let owner = Self {
                file,
                path,
                is_passing: false,
            };
            return Ok((owner, is_new));
        }
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        let _ = self.file.set_len(0);
        if self.is_passing {
            // Before it is unlocked: whoever opened it meanwhile looks whether it is still there.
            let _ = fs::remove_file(&self.path);
        }
        let _ = self.file.unlock();
    }
}

/// Why there is no claim.
enum Refused {
    /// Somebody has the journal, who says this.
    Owned(String),
    System(io::Error),
}

impl From<io::Error> for Refused {
    fn from(error: io::Error) -> Self {
        Self::System(error)
    }
}

impl Refused {
    fn of(self, journal: &Path) -> Error {
        match self {
            Self::Owned(owner) => Error::AlreadyOpen {
                path: journal.to_owned(),
                owner,
            },
            Self::System(error) => Error::disk(&path_of(journal), "claiming the journal", error),
        }
    }
}

fn said_in(file: File) -> String {
    let mut said = Vec::new();
    let read = file.take(LONGEST).read_to_end(&mut said);
    let owner = String::from_utf8_lossy(&said).trim().to_owned();
    match read {
        Ok(_) if !owner.is_empty() => owner,
        _ => "a process that has not said who it is yet".to_owned(),
    }
}

fn find_or_make(path: &Path) -> io::Result<Found> {
    let mut options = OpenOptions::new();
    options.read(true).write(true);
    let found = |file, is_new| Found {
        file,
        is_new,
        is_writable: true,
    };
    loop {
        match options.clone().create_new(true).open(path) {
            Ok(file) => return Ok(found(file, true)),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
        match options.open(path) {
            Ok(file) => return Ok(found(file, false)),
            // It went in between.
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
}

/// The same, but a file that cannot be written is as good: to lock it keeps nobody's name, and shows who has it.
fn find_to_read(path: &Path) -> io::Result<Found> {
    find_or_make(path).or_else(|error| {
        if !is_read_only(&error) {
            return Err(error);
        }
        match File::open(path) {
            Ok(file) => Ok(Found {
                file,
                is_new: false,
                is_writable: false,
            }),
            Err(_) => Err(error),
        }
    })
}

/// Whether the system says that nothing can be written there.
fn is_read_only(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem
    )
}

/// Whether a path still leads to the file that was opened there.
#[cfg(unix)]
fn is_at(path: &Path, file: &File) -> io::Result<bool> {
    use std::os::unix::fs::MetadataExt;

    let here = file.metadata()?;
    match fs::metadata(path) {
        Ok(there) => Ok((here.dev(), here.ino()) == (there.dev(), there.ino())),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// Elsewhere no file of a claim is ever removed while somebody may claim.
#[cfg(not(unix))]
fn is_at(_: &Path, _: &File) -> io::Result<bool> {
    Ok(true)
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn journal(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("tapeloom-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        folder.join("day.journal")
    }

    fn done(journal: &Path) {
        fs::remove_dir_all(journal.parent().unwrap()).unwrap();
    }

    #[test]
    fn only_the_file_that_a_reader_made_goes_with_its_claim() {
        let journal = journal("passing");
        let file = path_of(&journal);
        let owner = Owner::claim_to_read(&journal, "a reader").unwrap().unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), "a reader");
        drop(owner);
        assert!(!file.exists());
        drop(Owner::claim(&journal, "a writer").unwrap());
        assert!(file.exists());
        drop(Owner::claim_to_read(&journal, "a reader").unwrap());
        assert!(file.exists());
        done(&journal);
    }

    #[test]
    fn a_reader_and_a_writer_refuse_each_other() {
        let journal = journal("both");
        let reader = Owner::claim_to_read(&journal, "a reader").unwrap().unwrap();
        let refused = Owner::claim(&journal, "a writer").unwrap_err();
        assert!(matches!(refused, Error::AlreadyOpen { owner, .. } if owner == "a reader"));
        drop(reader);
        let writer = Owner::claim(&journal, "a writer").unwrap();
        let refused = Owner::claim_to_read(&journal, "a reader").unwrap_err();
        assert!(matches!(refused, Error::AlreadyOpen { owner, .. } if owner == "a writer"));
        drop(writer);
        done(&journal);
    }

    #[test]
    #[cfg(unix)]
    fn a_file_that_went_before_it_was_locked_is_no_claim() {
        let journal = journal("meanwhile");
        let file = path_of(&journal);
        let mut reader = Owner::claim_to_read(&journal, "a reader").unwrap();
        let mut found = 0;
        let (owner, is_new) = Owner::claim_by(&journal, "a writer", |path| {
            found += 1;
            let opened = find_or_make(path);
            // The reader ends between opening and locking.
            drop(reader.take());
            opened
        })
        .ok()
        .unwrap();
        assert_eq!((found, is_new), (2, true));
        assert!(is_at(&file, &owner.file).unwrap());
        let refused = Owner::claim(&journal, "another").unwrap_err();
        assert!(matches!(refused, Error::AlreadyOpen { owner, .. } if owner == "a writer"));
        drop(owner);
        done(&journal);
    }

    #[test]
    fn what_cannot_be_written_is_told_from_what_fails() {
        for kind in [ErrorKind::ReadOnlyFilesystem, ErrorKind::PermissionDenied] {
            assert!(is_read_only(&kind.into()));
        }
        for kind in [ErrorKind::StorageFull, ErrorKind::NotFound] {
            assert!(!is_read_only(&kind.into()));
        }
    }
}
