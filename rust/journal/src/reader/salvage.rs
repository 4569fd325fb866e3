//! What can be read of a damaged journal: what is lost and where it goes on, and a copy of the rest in another one.

use std::sync::Arc;
use std::time::Duration;

use super::Reader;
use crate::error::{Error, Result};
use crate::records::{Kind, Record, Records};
use crate::writer::Writer;

/// Records that could not be kept: `[first_seq, last_seq]`, both included, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skipped {
    /// First record that is lost.
    pub first_seq: u64,
    /// Last record that is lost.
    pub last_seq: u64,
    /// Which rule was broken.
    pub rule: String,
}

impl Reader {
    /// Copy everything that can be read into another journal; where something was lost, a record says how much.
    ///
    /// # Errors
    ///
    /// Those of reading without leniency, and those of the other journal.
    pub fn salvage_into(&mut self, writer: &Writer) -> Result<()> {
        let mut told = 0;
        let mut arrival = 0;
        loop {
            let found = self.read(1)?;
            for lost in self.skipped.get(told..).unwrap_or_default() {
                let mut hole = Record::new(Kind::Hole, arrival);
                let count = lost
                    .last_seq
                    .saturating_sub(lost.first_seq)
                    .saturating_add(1);
                hole.ts = i64::try_from(count).unwrap_or(i64::MAX);
                hole.text.clone_from(&lost.rule);
                let mut one = Records::default();
                one.push(hole);
                hand_over(writer, &Arc::new(one))?;
            }
            told = self.skipped.len();
            let Some((_, records)) = found else {
                return Ok(());
            };
            arrival = records.arrival.last().copied().unwrap_or(arrival);
            hand_over(writer, &Arc::new(records))?;
        }
    }

    /// Go to the next group that can be read; what lies between is lost.
    pub(super) fn step_over(&mut self, error: &Error) {
        let newest = self.newest().unwrap_or(0);
        let first_seq = self.last_seq.saturating_add(1);
        let rule = match error {
            Error::Damaged { rule, .. } => rule.clone(),
            other => other.to_string(),
        };
        let mut at = self.next_batch.saturating_add(1);
        while at <= newest {
            if let Ok(Some(group)) = self.group(at)
                && group.open().is_ok()
                && group.first_seq > self.last_seq
            {
                if group.first_seq > first_seq {
                    let last_seq = group.first_seq.saturating_sub(1);
                    self.skipped.push(Skipped {
                        first_seq,
                        last_seq,
                        rule,
                    });
                    self.last_seq = last_seq;
                }
                self.hash = group.prev_hash;
                self.next_batch = at;
                return;
            }
            at = at.saturating_add(1);
        }
        // Nothing behind it can be read: how much there was only the witness may know.
        let seen = self.witnessed().map_or(0, |(seq, _)| seq);
        self.skipped.push(Skipped {
            first_seq,
            last_seq: seen.max(first_seq),
            rule,
        });
        self.last_seq = seen.max(first_seq);
        self.next_batch = newest.saturating_add(1).max(at);
    }
}

fn hand_over(writer: &Writer, records: &Arc<Records>) -> Result<()> {
    loop {
        if let Some(seq) = writer.submit(records, Duration::from_secs(1))? {
            // One at a time: what was salvaged is not held in memory.
            while !writer.wait_durable(seq, Duration::from_secs(1))? {}
            return Ok(());
        }
    }
}
