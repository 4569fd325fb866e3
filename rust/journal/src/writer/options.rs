//! How a writer works: how much is written together, how long it lies, when the log is folded.

use std::time::Duration;

/// How a writer works.
#[derive(Debug, Clone)]
pub struct Options {
    /// Records of one commit, as far as they come in several pieces.
    pub group_records: usize,
    /// Records that may wait; more of them wait outside.
    pub queue_records: usize,
    /// How long records lie before they are committed where nobody waits for them: more of them share a sync then.
    pub linger: Duration,
    /// How long the witness may be behind.
    pub witness_every: Duration,
    /// How long the log grows before it is folded in the next pause; twice as long at most.
    pub checkpoint_every: Duration,
    /// How large the log grows before it is folded in the next pause, in bytes. Four times as large at most; sixteen times where
    /// much is written and there is room for it.
    pub checkpoint_bytes: usize,
    /// For how long nothing is to be written in a pause: folding takes longer than a commit, and what comes meanwhile waits.
    pub pause: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            group_records: 1_000,
            queue_records: 65_536,
            linger: Duration::ZERO,
            witness_every: Duration::from_secs(1),
            checkpoint_every: Duration::from_secs(5),
            checkpoint_bytes: 4 << 20,
            pause: Duration::from_millis(5),
        }
    }
}
