//! Everything that can go wrong with a journal, a variant per cause. Text only in `Display`.

use std::fmt;
use std::path::{Path, PathBuf};

/// Result of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// One fault, with its facts as fields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Error {
    /// The disk, or SQLite on it, refused.
    Disk {
        /// The file.
        path: PathBuf,
        /// What was being done, such as "write".
        doing: &'static str,
        /// What the system said.
        said: String,
    },
    /// Somebody else has the journal open.
    AlreadyOpen {
        /// The file.
        path: PathBuf,
        /// Who, as they say themselves.
        owner: String,
    },
    /// The file ends before what its witness says was acknowledged.
    Truncated {
        /// The file.
        path: PathBuf,
        /// Last record that is there.
        last_seq: u64,
        /// Last record that was acknowledged.
        witnessed_seq: u64,
    },
    /// Records are damaged.
    Damaged {
        /// The file.
        path: PathBuf,
        /// First record that cannot be trusted.
        first_seq: u64,
        /// Which rule is broken.
        rule: String,
    },
    /// The file is no journal, or one of another version.
    NotAJournal {
        /// The file.
        path: PathBuf,
        /// Which rule is broken.
        rule: String,
    },
    /// A new journal would replace something.
    Exists {
        /// What is there.
        path: PathBuf,
    },
    /// There is no such journal.
    Missing {
        /// What is not there.
        path: PathBuf,
    },
    /// The file lies on another machine's disk.
    NetworkFileSystem {
        /// The file.
        path: PathBuf,
        /// Kind of the file system.
        kind: String,
    },
    /// The bundled SQLite is one that must not be used.
    Library {
        /// Its version.
        version: String,
    },
    /// Records cannot be written as given; nothing was.
    Records {
        /// Position of the first in what was given.
        row: usize,
        /// Which rule is broken.
        rule: String,
    },
    /// The journal stopped, and says why.
    Stopped {
        /// The first error.
        reason: String,
    },
    /// The journal was closed.
    Closed,
}

impl Error {
    pub(crate) fn disk(path: &Path, doing: &'static str, said: impl fmt::Display) -> Self {
        Self::Disk {
            path: path.to_owned(),
            doing,
            said: said.to_string(),
        }
    }

    pub(crate) fn damaged(path: &Path, first_seq: u64, rule: impl Into<String>) -> Self {
        Self::Damaged {
            path: path.to_owned(),
            first_seq,
            rule: rule.into(),
        }
    }

    pub(crate) fn not_a_journal(path: &Path, rule: impl Into<String>) -> Self {
        Self::NotAJournal {
            path: path.to_owned(),
            rule: rule.into(),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Disk { path, doing, said } => {
                write!(f, "{}: {doing} failed: {said}", path.display())
            }
            Self::AlreadyOpen { path, owner } => write!(
                f,
                "{}: is open already, by {owner}; one process writes a journal",
                path.display()
            ),
            Self::Truncated {
                path,
                last_seq,
                witnessed_seq,
            } => write!(
                f,
                "{}: ends at record {last_seq}, but its witness says that {witnessed_seq} were acknowledged; salvage keeps what is there",
                path.display()
            ),
            Self::Damaged {
                path,
                first_seq,
                rule,
            } => write!(
                f,
                "{}: damaged from record {first_seq} on: {rule}; salvage keeps the rest",
                path.display()
            ),
            Self::NotAJournal { path, rule } => {
                write!(f, "{}: is no journal of ours: {rule}", path.display())
            }
            Self::Exists { path } => write!(
                f,
                "{}: is there already, and a new journal replaces nothing; resume it or give another path",
                path.display()
            ),
            Self::Missing { path } => write!(f, "{}: there is no such journal", path.display()),
            Self::NetworkFileSystem { path, kind } => write!(
                f,
                "{}: lies on a network file system ({kind}), whose locks and syncs cannot be relied on; use a local disk, or allow_network_fs=True",
                path.display()
            ),
            Self::Library { version } => write!(
                f,
                "SQLite {version} may lose acknowledged records; it must be 3.51.3 or newer, and not 3.52.0"
            ),
            Self::Records { row, rule } => write!(f, "record {row} of the batch: {rule}"),
            Self::Stopped { reason } => write!(
                f,
                "the journal stopped and acknowledges nothing more: {reason}; reopen() goes on in a new file"
            ),
            Self::Closed => f.write_str("the journal is closed; open it again with resume()"),
        }
    }
}

impl std::error::Error for Error {}
