//! Files of a journal that was never begun: their process ended while it made them. Nothing was acknowledged in them.
//!
//! They are in the way of a next try. Whatever might hold a record is none of them, and stays.

use std::fs;
use std::path::{Path, PathBuf};

use crate::access::Access;
use crate::error::{Error, Result};
use crate::file::{APPLICATION_ID, check_magic, sync_folder, witness_path};
use crate::owner::{Owner, beside};
use crate::witness::{self, SLOT};

/// A log with a record is at least as long: a header, a frame for each of the two pages of a new file, and one more. Until
/// the first checkpoint the log holds everything, so such a one may have held records, whatever damage makes of it.
const LOG_WITH_A_RECORD: u64 = 32 + 3 * (24 + 4096);

/// What lies beside a file, in the order in which it can go: a process that ends in between leaves a file never begun again.
const BESIDE: [&str; 4] = ["-wal", "-journal", ".witness", ""];

/// Whether a file was never begun; then the last record of the files before it, as far as its witness says.
///
/// `only_reads` as of [`crate::FileOptions`].
///
/// # Errors
///
/// [`Error::AlreadyOpen`] if somebody is just about to begin it, [`Error::Disk`].
pub fn unbegun(path: &Path, owner: &str, only_reads: bool) -> Result<Option<u64>> {
    if !is_anything_of(path) {
        return Ok(None);
    }
    if only_reads {
        let _claim = Owner::claim_to_read(path, owner)?;
        return Ok(look(path, Access::to_read(path)));
    }
    let _claim = Owner::claim(path, owner)?;
    Ok(look(path, Access::Write))
}

/// Put the files of a first file that was never begun under another name, and say which; `None` where there are none.
///
/// # Errors
///
/// As [`unbegun`].
pub fn set_aside(path: &Path, owner: &str) -> Result<Option<PathBuf>> {
    if !is_anything_of(path) {
        return Ok(None);
    }
    // Held to the end: whoever else wants to begin it must not find half of it.
    let claim = Owner::claim(path, owner)?;
    // No record goes before the first file.
    if look(path, Access::Write) != Some(0) {
        return Ok(None);
    }
    let mut number = 1;
    let mut aside = beside(path, ".unbegun-1");
    while is_anything_of(&aside) {
        number += 1;
        aside = beside(path, &format!(".unbegun-{number}"));
    }
    for ending in BESIDE {
        let (from, to) = (beside(path, ending), beside(&aside, ending));
        if from.exists() {
            fs::rename(&from, &to).map_err(|error| Error::disk(&from, "setting aside", error))?;
        }
    }
    sync_folder(path)?;
    drop(claim);
    Ok(Some(aside))
}

fn is_anything_of(path: &Path) -> bool {
    BESIDE.iter().any(|ending| beside(path, ending).exists())
}

fn look(path: &Path, access: Access) -> Option<u64> {
    let length = |path: &Path| fs::metadata(path).map_or(0, |found| found.len());
    let log = length(&beside(path, "-wal"));
    let is_empty = match length(path) {
        // A log without its file is no work of ours, and SQLite would remove it.
        0 => log == 0,
        _ => log < LOG_WITH_A_RECORD && is_without_records(path, access),
    };
    if is_empty { last_before(path) } else { None }
}

/// What the witness says of the files before; 0 where it says nothing yet, `None` where it is damaged.
fn last_before(path: &Path) -> Option<u64> {
    let witness = witness_path(path);
    let length = fs::metadata(&witness).map_or(0, |found| found.len());
    // The second half says what the first does.
    if usize::try_from(length).ok()? < SLOT {
        return Some(0);
    }
    witness::read(&witness).ok().map(|(seen, _)| seen.seq)
}

/// Whether a file of SQLite's has no table yet, or ours without a row.
fn is_without_records(path: &Path, access: Access) -> bool {
    check_magic(path).is_ok() && count(path, access) == Ok(0)
}

fn count(path: &Path, access: Access) -> rusqlite::Result<i64> {
    let connection = access.open(path)?;
    let number = |sql: &str| connection.query_row(sql, [], |row| row.get::<_, i64>(0));
    // Without it SQLite would make one more file.
    connection.query_row("PRAGMA locking_mode = EXCLUSIVE", [], |_| Ok(()))?;
    let tables = number("SELECT count(*) FROM sqlite_master")?;
    match number("PRAGMA application_id")? {
        0 => Ok(tables),
        ours if ours == i64::from(APPLICATION_ID) && tables == 1 => {
            number("SELECT count(*) FROM groups")
        }
        _ => Ok(tables.max(1)),
    }
}
