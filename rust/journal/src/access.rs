//! How SQLite opens the file of a journal: to write it, or only to read it, so that nothing is left behind.

use std::fs::OpenOptions;
use std::path::Path;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, Result};

use crate::owner::beside;

/// What SQLite may do with a file. It makes a log beside it wherever it may write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// Make it.
    Create,
    /// Write it.
    Write,
    /// Read it where it cannot be written: without locks, which need a file that can be.
    Read,
    /// Read it where there is no log: the file is all there is.
    ReadWithoutLog,
}

impl Access {
    /// What reading a file takes that is claimed, or that nobody can claim.
    pub(crate) fn to_read(path: &Path) -> Self {
        let is_there = |ending| beside(path, ending).exists();
        if cfg!(not(unix)) || is_there("-journal") {
            return Self::Write;
        }
        if !is_there("-wal") {
            return Self::ReadWithoutLog;
        }
        // With locks where there can be any: against other programs.
        match OpenOptions::new().append(true).open(path) {
            Ok(_) => Self::Write,
            Err(_) => Self::Read,
        }
    }

    /// Whether something may be written.
    pub(crate) fn writes(self) -> bool {
        matches!(self, Self::Create | Self::Write)
    }

    /// Open a file. Closing it does not fold its log into it.
    pub(crate) fn open(self, path: &Path) -> Result<Connection> {
        let write = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let read = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = match self {
            Self::Create => {
                Connection::open_with_flags(path, write | OpenFlags::SQLITE_OPEN_CREATE)
            }
            Self::Write => Connection::open_with_flags(path, write),
            Self::Read => Connection::open_with_flags_and_vfs(path, read, "unix-none"),
            Self::ReadWithoutLog => {
                Connection::open_with_flags(uri_of(path), read | OpenFlags::SQLITE_OPEN_URI)
            }
        }?;
        // What a failed journal leaves behind is evidence; only an orderly close may fold the log into the file.
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
        Ok(connection)
    }
}

/// A path as SQLite takes it with the word that the file does not change.
fn uri_of(path: &Path) -> String {
    let mut uri = "file:".to_owned();
    for byte in path.as_os_str().as_encoded_bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'.' | b'-' | b'_' => {
                uri.push(char::from(*byte));
            }
            _ => uri.push_str(&format!("%{byte:02X}")),
        }
    }
    uri.push_str("?immutable=1");
    uri
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_a_path_holds_is_no_part_of_the_question() {
        let uri = uri_of(Path::new("a b/c?d#e%é.journal"));
        assert_eq!(uri, "file:a%20b/c%3Fd%23e%25%C3%A9.journal?immutable=1");
    }
}
