//! What goes wrong with a journal, as exceptions.

use std::path::PathBuf;

use pyo3::prelude::*;
use tapeloom_journal::Error;

use crate::error::{BindError, BindResult, raised};

pub(super) fn check_process(process: u32) -> BindResult<()> {
    if process == std::process::id() {
        return Ok(());
    }
    Err(BindError::Named(
        "ForkedSessionError",
        "a forked child used the journal of its parent, whose thread it does not have; start it with 'spawn'".to_owned(),
    ))
}

/// An error of the journal as an exception, one match without a catch-all.
pub(super) fn of_journal(error: Error) -> BindError {
    let text = error.to_string();
    Python::attach(|py| {
        let raise = |class, path: Option<&PathBuf>, facts: &[(&str, u64)]| {
            raised(py, class, text.clone(), |named| {
                if let Some(path) = path {
                    named.set_item("path", path)?;
                }
                facts
                    .iter()
                    .try_for_each(|(name, fact)| named.set_item(name, fact))
            })
        };
        BindError::Python(match &error {
            Error::AlreadyOpen { path, owner } => {
                raised(py, "AlreadyOpenError", text.clone(), |named| {
                    named.set_item("path", path)?;
                    named.set_item("owner", owner)
                })
            }
            Error::Truncated {
                path,
                last_seq,
                witnessed_seq,
            } => raise(
                "JournalTruncatedError",
                Some(path),
                &[("last_seq", *last_seq), ("witnessed_seq", *witnessed_seq)],
            ),
            Error::Damaged {
                path, first_seq, ..
            } => raise("JournalError", Some(path), &[("first_seq", *first_seq)]),
            Error::Disk { path, .. }
            | Error::NotAJournal { path, .. }
            | Error::Exists { path }
            | Error::Missing { path }
            | Error::NetworkFileSystem { path, .. } => raise("JournalError", Some(path), &[]),
            Error::Library { .. } | Error::Stopped { .. } | Error::Closed => {
                raise("JournalError", None, &[])
            }
            Error::Records { row, .. } => raise("ArgumentError", None, &[("row", *row as u64)]),
        })
    })
}
