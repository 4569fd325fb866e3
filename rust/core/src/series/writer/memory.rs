//! The memory of a series: the live segment, another when it is full or its rows become others, the pieces before it.

use std::sync::Arc;

use crate::bar::Bar;
use crate::segment::Segment;
use crate::series::writer::{Preloaded, SeriesWriter};
use crate::series::{Rows, Slice, State};

// Under the model checker each is tiny, so that few rows already roll.

/// Newest history rows that the live segment repeats, so that a look-back over the open is one slice.
const LOOK_BACK: usize = if cfg!(loom) { 1 } else { 256 };
/// Newest rows that stay one slice where no session bounds the length.
const WINDOW: usize = if cfg!(loom) { 2 } else { 4_096 };
/// Rows beyond the expected ones: bars out of hours, a row or two off schedule.
const SLACK: usize = if cfg!(loom) { 1 } else { 16 };

impl SeriesWriter {
    /// New pieces and a new live segment: look-back, then the session's rows.
    pub(super) fn rebuild(&mut self, pieces: Vec<Slice>, session: &[(Bar, i32, u64)], epoch: u64) {
        let older: usize = pieces.iter().map(Slice::len).sum();
        let overlap = older.min(LOOK_BACK);
        let room = overlap + SLACK + self.expected.max(session.len() + session.len() / 4);
        let live = self.empty_segment(room, epoch);
        let mut skip = older - overlap;
        let mut row = 0;
        for piece in &pieces {
            let from = skip.min(piece.len());
            skip -= from;
            for at in from..piece.len() {
                live.write(row, &piece.bar(at), piece.constituents(at).unwrap_or(0), 0);
                row += 1;
            }
        }
        for (bar, count, known) in session {
            live.write(row, bar, *count, *known);
            row += 1;
        }
        // Nobody reads a state of a later epoch before that epoch is out, so all rows can be visible in it.
        live.publish(row);
        self.written = row;
        self.swap(State {
            pieces,
            older,
            live,
            overlap,
            session_first: older,
            since_epoch: epoch,
        });
        self.dirty = true;
    }

    /// A segment without rows: the live one, where nobody else holds it and it is neither too small nor far too large. Its
    /// memory is warm, and need not be cleared. What it held is gone.
    fn empty_segment(&mut self, room: usize, epoch: u64) -> Arc<Segment> {
        let derived = self.series.derived;
        if (room..=2 * room).contains(&self.live.capacity()) {
            // Whoever looks before the next state is there finds one of an epoch that is not out, and looks again.
            let nothing = Arc::new(State::nothing(derived, epoch));
            self.series.state.store(nothing.clone());
            let mut live = std::mem::replace(&mut self.live, nothing.live.clone());
            self.state = nothing;
            if let Some(alone) = Arc::get_mut(&mut live) {
                alone.clear();
                return live;
            }
        }
        Arc::new(Segment::with_capacity(room, derived))
    }

    /// A larger live segment, or, beyond the window, the next one with the newest rows in front.
    pub(super) fn make_room(&mut self) {
        let unpublished = self.written - self.live.len();
        // What is not published yet stays out of the pieces, which readers see as a whole. The newest published row stays
        // too: it tells a reader of an earlier epoch that the pieces may be newer.
        let keep = self.written.min(WINDOW.max(unpublished + 1));
        self.go_on_in(keep, (2 * keep).max(4 * SLACK));
    }

    /// Go on in another live segment, with the newest `keep` rows in front; those before become a piece.
    pub(super) fn go_on_in(&mut self, keep: usize, capacity: usize) {
        let old = &self.live;
        let unpublished = self.written - old.len();
        let live = Segment::with_capacity(capacity, self.series.derived);
        let from = self.written - keep;
        for row in 0..keep {
            let constituents = old.constituents(from + row).unwrap_or(0);
            live.write(
                row,
                &old.bar(from + row),
                constituents,
                old.epoch(from + row),
            );
        }
        live.publish(keep - unpublished);
        let mut pieces = self.state.pieces.clone();
        let (mut older, mut overlap) = (self.state.older, self.state.overlap);
        if keep < self.written {
            pieces.push(Slice {
                rows: Rows::Live(old.clone()),
                from: overlap,
                to: self.written,
            });
            older += self.written - overlap;
            overlap = keep;
        }
        let (session_first, since_epoch) = (self.state.session_first, self.state.since_epoch);
        self.swap(State {
            pieces,
            older,
            live: Arc::new(live),
            overlap,
            session_first,
            since_epoch,
        });
        self.written = keep;
    }

    fn swap(&mut self, state: State) {
        self.preloaded = Preloaded::default();
        self.state = Arc::new(state);
        self.live = self.state.live.clone();
        self.series.state.store(self.state.clone());
    }
}
