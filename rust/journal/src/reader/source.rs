//! Where groups come from: the next one, those behind it with it, any by its number; out of a file, or of a simulation.

use std::collections::VecDeque;

use rusqlite::{OptionalExtension, Row, params};

use super::Reader;
use crate::error::{Error, Result};
use crate::file::{Opened, of_sqlite};
use crate::group::{Group, Hash};
use crate::payload::{MOST_RECORDS, MOST_TEXT};
use crate::simulated::Claim;

const SELECT: &str =
    "SELECT batch_seq, first_seq, n, t_min, t_max, payload, crc32c, prev_hash, hash
    FROM groups WHERE batch_seq = ?1";
const SELECT_FROM: &str =
    "SELECT batch_seq, first_seq, n, t_min, t_max, payload, crc32c, prev_hash, hash
    FROM groups WHERE batch_seq >= ?1 ORDER BY batch_seq";
/// Groups that are taken out of the file together, and at how many bytes no more are.
const AHEAD: usize = 1_024;
const AHEAD_BYTES: usize = 4 << 20;
/// More than any group can have: a record is at most a few bytes and its text.
const MOST_BYTES: usize = 1 << 28;

/// Where groups come from.
#[derive(Debug)]
pub(super) enum Source {
    File(Opened),
    Simulated(Claim),
}

impl Reader {
    /// The group of the next number, if there is one.
    pub(super) fn take_next(&mut self) -> Result<Option<Group>> {
        let wanted = self.next_batch;
        if self.ahead.front().map(|group| group.batch_seq) != Some(wanted) {
            self.ahead = self.groups_ahead().unwrap_or_default();
        }
        match self.ahead.pop_front() {
            Some(group) if group.batch_seq == wanted => Ok(Some(group)),
            // Asked for by itself it says what is wrong with it.
            _ => self.group(wanted),
        }
    }

    /// The groups from the next one on, up to one that cannot be read.
    fn groups_ahead(&self) -> Option<VecDeque<Group>> {
        let Source::File(opened) = &self.source else {
            return None;
        };
        let wanted = i64::try_from(self.next_batch).ok()?;
        let mut select = opened.connection.prepare_cached(SELECT_FROM).ok()?;
        let mut rows = select.query(params![wanted]).ok()?;
        let mut found = VecDeque::new();
        let mut bytes = 0_usize;
        while found.len() < AHEAD
            && bytes < AHEAD_BYTES
            && let Ok(Some(row)) = rows.next()
            && let Some(group) = group_of(row)
        {
            bytes = bytes.saturating_add(group.payload.len());
            found.push_back(group);
        }
        Some(found)
    }

    /// Number of the last group that is there; 0 for none.
    pub(super) fn newest(&self) -> rusqlite::Result<u64> {
        let opened = match &self.source {
            Source::File(opened) => opened,
            Source::Simulated(claim) => return Ok(claim.newest()),
        };
        let newest: Option<i64> =
            opened
                .connection
                .query_row("SELECT max(batch_seq) FROM groups", [], |row| row.get(0))?;
        Ok(newest.and_then(|n| u64::try_from(n).ok()).unwrap_or(0))
    }

    pub(super) fn group(&self, batch_seq: u64) -> Result<Option<Group>> {
        let opened = match &self.source {
            Source::File(opened) => opened,
            Source::Simulated(claim) => return Ok(claim.group(batch_seq)),
        };
        let Ok(wanted) = i64::try_from(batch_seq) else {
            return Ok(None);
        };
        let mut select = opened
            .connection
            .prepare_cached(SELECT)
            .map_err(|error| self.of_reading(&error))?;
        select
            .query_row(params![wanted], |row| Ok(group_of(row)))
            .optional()
            .map_err(|error| self.of_reading(&error))?
            .map(|group| {
                group.ok_or_else(|| {
                    let next = self.last_seq.saturating_add(1);
                    Error::damaged(&self.path, next, "a group has values that it cannot have")
                })
            })
            .transpose()
    }

    pub(super) fn of_reading(&self, error: &rusqlite::Error) -> Error {
        match of_sqlite(&self.path, "reading", error) {
            // Somewhere in the middle of a journal of ours.
            Error::NotAJournal { rule, .. } => {
                Error::damaged(&self.path, self.last_seq.saturating_add(1), rule)
            }
            other => other,
        }
    }
}

/// The columns of a row, checked for type and length before anything is copied.
fn group_of(row: &Row<'_>) -> Option<Group> {
    let number = |at: usize| u64::try_from(row.get::<_, i64>(at).ok()?).ok();
    let link =
        |at: usize| -> Option<Hash> { row.get_ref(at).ok()?.as_blob().ok()?.try_into().ok() };
    let n = u32::try_from(number(2)?).ok()?;
    let most = usize::try_from(n)
        .ok()?
        .checked_mul(MOST_TEXT.checked_add(100)?)?;
    let payload = row.get_ref(5).ok()?.as_blob().ok()?;
    let is_possible =
        usize::try_from(n).ok()? <= MOST_RECORDS && payload.len() <= most.min(MOST_BYTES);
    is_possible.then_some(())?;
    Some(Group {
        batch_seq: number(0)?,
        first_seq: number(1)?,
        n,
        t_min: row.get(3).ok()?,
        t_max: row.get(4).ok()?,
        payload: payload.to_vec(),
        crc32c: u32::try_from(number(6)?).ok()?,
        prev_hash: link(7)?,
        hash: link(8)?,
    })
}
