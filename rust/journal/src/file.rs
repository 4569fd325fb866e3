//! The journal on SQLite: one connection, exclusive, one row per commit. It decides nothing about when.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use rusqlite::{Connection, params};

use crate::access::Access;
use crate::error::{Error, Result};
use crate::filesystem::{folder_of, free_bytes, may_fill, require_local};
use crate::group::{Group, Hash};
use crate::owner::{Owner, beside};
use crate::witness::{Seen, Witness};
use crate::writer::Journal;

/// "TLoj", in the header of the file.
pub(crate) const APPLICATION_ID: i32 = 0x544C_6F6A;
/// Version of tables and payload.
const FORMAT: i32 = 1;
const MAGIC: &[u8] = b"SQLite format 3\0";
/// As SQLite counts: 3.51.3, the first without the fault by which a log could be reset under a second connection.
const LEAST: i32 = 3_051_003;
const WITHDRAWN: i32 = 3_052_000;

const TABLE: &str = "CREATE TABLE groups (
    batch_seq INTEGER PRIMARY KEY, first_seq INTEGER NOT NULL, n INTEGER NOT NULL,
    t_min INTEGER NOT NULL, t_max INTEGER NOT NULL, payload BLOB NOT NULL,
    crc32c INTEGER NOT NULL, prev_hash BLOB NOT NULL, hash BLOB NOT NULL) STRICT";
/// Bytes that are written at once where room is made.
const ZEROS: usize = 1 << 16;
const INSERT: &str = "INSERT INTO groups VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";

/// How a file is opened.
#[derive(Debug, Clone)]
pub struct FileOptions {
    /// Who opens it, for those who find it open.
    pub owner: String,
    /// Whether a network file system is good enough.
    pub allow_network_fs: bool,
    /// Bytes that are free where the file lies; `None` where nobody knows, and then no room is made beforehand.
    pub free_bytes: fn(&Path) -> Option<u64>,
    /// Whether it is only read: then nothing is left behind that was not there, and where nothing can be written no claim is
    /// needed.
    pub only_reads: bool,
}

impl Default for FileOptions {
    fn default() -> Self {
        Self {
            owner: String::new(),
            allow_network_fs: false,
            free_bytes,
            only_reads: false,
        }
    }
}

/// The file that is beside a journal and says what was acknowledged.
#[must_use]
pub fn witness_path(journal: &Path) -> PathBuf {
    beside(journal, ".witness")
}

/// Where SQLite keeps the log of a journal.
fn log_path(journal: &Path) -> PathBuf {
    beside(journal, "-wal")
}

/// Refuse a library that may lose what it acknowledged.
///
/// # Errors
///
/// [`Error::Library`].
pub fn check_library() -> Result<()> {
    let number = rusqlite::version_number();
    if number < LEAST || number == WITHDRAWN {
        return Err(Error::Library {
            version: rusqlite::version().to_owned(),
        });
    }
    Ok(())
}

/// The only connection to a file, and the claim on it.
#[derive(Debug)]
pub(crate) struct Opened {
    // Dropped in this order: the claim outlives the connection.
    pub(crate) connection: Connection,
    owner: Option<Owner>,
    free_bytes: fn(&Path) -> Option<u64>,
    only_reads: bool,
}

/// Open a journal that is there.
pub(crate) fn open(path: &Path, options: &FileOptions) -> Result<Opened> {
    check_library()?;
    if !path.exists() {
        return Err(Error::Missing {
            path: path.to_owned(),
        });
    }
    check_place(path, options)?;
    let (owner, access) = if options.only_reads {
        let owner = Owner::claim_to_read(path, &options.owner)?;
        (owner, Access::to_read(path))
    } else {
        (Some(Owner::claim(path, &options.owner)?), Access::Write)
    };
    check_magic(path)?;
    let connection = connect(path, access)?;
    check_format(path, &connection)?;
    Ok(Opened {
        connection,
        owner,
        free_bytes: options.free_bytes,
        only_reads: options.only_reads,
    })
}

/// Nobody but us has the file here: to open and close it otherwise would end SQLite's own locks.
pub(crate) fn check_magic(path: &Path) -> Result<()> {
    let mut found = Vec::new();
    let length = u64::try_from(MAGIC.len()).unwrap_or(0);
    File::open(path)
        .and_then(|file| file.take(length).read_to_end(&mut found))
        .map_err(|error| Error::disk(path, "reading the first bytes", error))?;
    if found != MAGIC {
        return Err(Error::not_a_journal(path, "the first bytes are others"));
    }
    Ok(())
}

fn check_place(path: &Path, options: &FileOptions) -> Result<()> {
    if options.allow_network_fs {
        return Ok(());
    }
    require_local(path, folder_of(path))
}

/// The names of the files must survive a power cut as well as what is in them; SQLite syncs a folder like data.
#[cfg_attr(
    not(unix),
    expect(unused_variables, reason = "only Unix syncs folders")
)]
pub(crate) fn sync_folder(path: &Path) -> Result<()> {
    #[cfg(unix)]
    File::open(folder_of(path))
        .and_then(|folder| folder.sync_all())
        .map_err(|error| Error::disk(path, "syncing the folder", error))?;
    Ok(())
}

fn connect(path: &Path, access: Access) -> Result<Connection> {
    let failed = |error| of_sqlite(path, "opening", &error);
    let connection = access.open(path).map_err(failed)?;
    let mode: String = connection
        .query_row("PRAGMA locking_mode = EXCLUSIVE", [], |row| row.get(0))
        .map_err(failed)?;
    let log: String = if access.writes() {
        connection
            .query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0))
            .map_err(failed)?
    } else {
        "wal".to_owned()
    };
    if mode != "exclusive" || log != "wal" {
        return Err(Error::disk(
            path,
            "opening",
            format!("SQLite chose {mode} and {log}"),
        ));
    }
    connection
        .execute_batch(
            "PRAGMA synchronous = FULL; PRAGMA fullfsync = ON; PRAGMA checkpoint_fullfsync = ON;
             PRAGMA mmap_size = 0; PRAGMA cell_size_check = ON; PRAGMA wal_autocheckpoint = 0;
             PRAGMA trusted_schema = OFF;",
        )
        .map_err(failed)?;
    Ok(connection)
}

fn check_format(path: &Path, connection: &Connection) -> Result<()> {
    let number = |pragma: &str| -> Result<i32> {
        connection
            .query_row(pragma, [], |row| row.get(0))
            .map_err(|error| of_sqlite(path, "reading the header", &error))
    };
    if number("PRAGMA application_id")? != APPLICATION_ID {
        return Err(Error::not_a_journal(
            path,
            "it was begun by another program, or never begun",
        ));
    }
    let format = number("PRAGMA user_version")?;
    if format != FORMAT {
        let rule = format!("it has format {format}; this version reads {FORMAT}");
        return Err(Error::not_a_journal(path, rule));
    }
    Ok(())
}

/// What SQLite says of damaged files is damage, everything else the disk's.
pub(crate) fn of_sqlite(path: &Path, doing: &'static str, error: &rusqlite::Error) -> Error {
    use rusqlite::ErrorCode::{DatabaseBusy, DatabaseCorrupt, NotADatabase};
    match error.sqlite_error_code() {
        Some(DatabaseCorrupt | NotADatabase) => {
            Error::not_a_journal(path, format!("{doing}: {error}"))
        }
        Some(DatabaseBusy) => Error::AlreadyOpen {
            path: path.to_owned(),
            owner: "another program".to_owned(),
        },
        _ => Error::disk(path, doing, error),
    }
}

/// A journal that is being written.
#[derive(Debug)]
pub struct SqliteJournal {
    opened: Opened,
    witness: Witness,
    path: PathBuf,
    log: PathBuf,
}

impl SqliteJournal {
    /// Begin a journal.
    ///
    /// `last_seq` and `hash` are what it follows: 0 and [`crate::GENESIS`], or the end of a file that stopped.
    ///
    /// # Errors
    ///
    /// [`Error::Exists`] if something is there, [`Error::NetworkFileSystem`], [`Error::AlreadyOpen`], [`Error::Library`]
    /// and [`Error::Disk`].
    pub fn create(path: &Path, options: &FileOptions, last_seq: u64, hash: &Hash) -> Result<Self> {
        check_library()?;
        let beside_it = [path.to_owned(), witness_path(path), log_path(path)];
        if let Some(there) = beside_it.into_iter().find(|path| path.exists()) {
            return Err(Error::Exists { path: there });
        }
        check_place(path, options)?;
        let owner = Owner::claim(path, &options.owner)?;
        let witness = Witness::create(&witness_path(path), Seen::new(last_seq, hash))?;
        let connection = connect(path, Access::Create)?;
        let failed = |error| of_sqlite(path, "beginning", &error);
        connection
            .execute_batch(&format!(
                "BEGIN; PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {FORMAT}; {TABLE}; COMMIT;"
            ))
            .map_err(failed)?;
        sync_folder(path)?;
        Ok(Self {
            opened: Opened {
                connection,
                owner: Some(owner),
                free_bytes: options.free_bytes,
                only_reads: false,
            },
            witness,
            path: path.to_owned(),
            log: log_path(path),
        })
    }

    /// Go on with a journal that was read to its end.
    pub(crate) fn resume(opened: Opened, path: &Path, seen: Seen) -> Result<Self> {
        if opened.only_reads {
            return Err(Error::disk(
                path,
                "resuming",
                "it was opened to be read only",
            ));
        }
        // The log may be a new file.
        sync_folder(path)?;
        Ok(Self {
            witness: Witness::resume(&witness_path(path), seen)?,
            opened,
            path: path.to_owned(),
            log: log_path(path),
        })
    }

    /// Write zeros behind the log, which end it like any other bytes that are none of its frames. Returns whether it is as long.
    fn lengthen(&self, bytes: u64) -> std::io::Result<bool> {
        // SQLite locks nothing in this file, so that it may be opened and closed beside it.
        let mut log = OpenOptions::new().write(true).open(&self.log)?;
        let length = log.seek(SeekFrom::End(0))?;
        let mut left = bytes.saturating_sub(length);
        // Room in the log must not be what the file lacks when the log is folded into it.
        if left == 0 {
            return Ok(true);
        }
        // Asked each time: others write there too.
        if !may_fill(bytes, (self.opened.free_bytes)(&self.path)) {
            return Ok(false);
        }
        let zeros = [0; ZEROS];
        while left > 0 {
            let part = usize::try_from(left).map_or(ZEROS, |left| left.min(ZEROS));
            if let Err(error) = log.write_all(&zeros[..part]) {
                log.set_len(length)?;
                return match error.kind() {
                    ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => {
                        Ok(false)
                    }
                    _ => Err(error),
                };
            }
            left -= part as u64;
        }
        log.sync_all()?;
        Ok(true)
    }

    fn fold(&self, checkpoint: &str) -> Result<()> {
        let connection = &self.opened.connection;
        let busy: i64 = connection
            .query_row(checkpoint, [], |row| row.get(0))
            .map_err(|error| of_sqlite(&self.path, "checkpoint", &error))?;
        match busy {
            0 => Ok(()),
            _ => Err(Error::disk(&self.path, "checkpoint", "SQLite is busy")),
        }
    }
}

impl Journal for SqliteJournal {
    fn reserve(&mut self, bytes: usize) -> Result<bool> {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        self.lengthen(bytes)
            .map_err(|error| Error::disk(&self.path, "making room for the log", error))
    }

    fn commit(&mut self, group: &Group) -> Result<()> {
        let place = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        let row = params![
            place(group.batch_seq),
            place(group.first_seq),
            group.n,
            group.t_min,
            group.t_max,
            group.payload,
            group.crc32c,
            group.prev_hash.as_slice(),
            group.hash.as_slice(),
        ];
        // A statement by itself is a transaction: with synchronous=FULL it returns when its log is on the disk.
        self.opened
            .connection
            .prepare_cached(INSERT)
            .and_then(|mut insert| insert.execute(row))
            .map_err(|error| of_sqlite(&self.path, "write", &error))?;
        Ok(())
    }

    fn witness(&mut self, seq: u64, hash: &Hash) -> Result<()> {
        self.witness.write(Seen::new(seq, hash))
    }

    fn checkpoint(&mut self) -> Result<()> {
        // The log keeps its length and is written over: a file that does not grow is synced in half the time.
        self.fold("PRAGMA wal_checkpoint(RESTART)")?;
        // Begun again at once, and not by the next group: what lies in it from before counts no more, whatever becomes of it.
        self.opened
            .connection
            .execute_batch(&format!("PRAGMA user_version = {FORMAT}"))
            .map_err(|error| of_sqlite(&self.path, "checkpoint", &error))
    }

    fn close(self: Box<Self>) -> Result<()> {
        self.fold("PRAGMA wal_checkpoint(TRUNCATE)")?;
        let Self { opened, path, .. } = *self;
        let Opened {
            connection, owner, ..
        } = opened;
        connection
            .close()
            .map_err(|(_, error)| of_sqlite(&path, "close", &error))?;
        drop(owner);
        Ok(())
    }
}
