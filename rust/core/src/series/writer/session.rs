//! Where a session begins and ends: what becomes of the rows of the one before, and what those get who follow it.

use std::sync::Arc;

use crate::columns::Columns;
use crate::series::cursor::Tape;
use crate::series::writer::SeriesWriter;
use crate::series::{Snapshot, sealed};

impl SeriesWriter {
    /// Begin a session that expects `expected` bars. With `roll` the ended session becomes history, which then keeps only
    /// bars from `history_start` on. Without it the session's bars are dropped.
    pub(crate) fn start_session(
        &mut self,
        roll: bool,
        history_start: i64,
        expected: usize,
        epoch: u64,
    ) {
        let (first, last) = self.session_rows();
        let mut pieces = self.slices(0, first);
        if roll {
            // A segment has room to spare: history keeps an exact copy, of what it keeps.
            let kept = match self.newest() {
                // The rows lie far apart in memory; where nothing is kept, none of them is looked at.
                Some(newest) if newest < history_start => last,
                _ => self.view().lower_bound(first, last, history_start),
            };
            let kept = kept.clamp(first, last);
            if kept < last {
                let mut ended = Columns::with_capacity(last - kept, self.series.derived);
                self.slices(kept, last)
                    .iter()
                    .for_each(|slice| slice.copy_into(&mut ended));
                pieces.push(sealed(ended));
            }
            pieces = pieces
                .into_iter()
                .map(|piece| piece.sub(piece.lower_bound(history_start), piece.len()))
                .collect();
        }
        pieces.retain(|piece| !piece.is_empty());
        self.expected = expected;
        self.staged.clear();
        self.staged_history.clear();
        self.rewrites.history += 1;
        self.rewrites.session += 1;
        self.rebuild(pieces, &[], epoch);
    }

    /// The session is over for those who follow it: they get the rows as they are now. Those that began while none was
    /// running follow the next one.
    pub(crate) fn end_tape(&mut self, epoch: u64, was_running: bool) {
        let next = Arc::new(Tape::since(epoch));
        let tape = self.series.tape.load_full();
        tape.close(
            self.last_rows(),
            epoch,
            (!was_running).then(|| next.clone()),
        );
        self.series.tape.store(next);
    }

    /// The series goes: whoever follows it, or finds it from now on, gets the rows as they are now, and no more.
    pub(crate) fn end_for_ever(&mut self, epoch: u64) {
        self.series.tape.load().close(self.last_rows(), epoch, None);
    }

    fn last_rows(&self) -> Snapshot {
        Snapshot {
            state: self.state.clone(),
            live_rows: self.written,
        }
    }
}
