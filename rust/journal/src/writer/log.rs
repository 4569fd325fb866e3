//! The log of a journal that is being written: how long it is, how long it may become, when it is folded or made room for.

use std::time::{Duration, Instant};

use super::Options;

/// The log has whole pages: the one that a group ends in is there once more with each group.
const PAGE: usize = 4_096;
/// Pages that are written besides where a page of groups is full: the next one, the one that lists them, the first one.
const BESIDE: usize = 3;
/// What a group takes besides its payload.
const ROW: usize = 128;
/// How many times the length from which on it is folded in a pause the log may have where there is none.
const FACTOR: usize = 4;
/// The same where there is room for a long one.
const MOST_FACTOR: usize = 16;

/// Whether there is room for what the log may become.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Room {
    Unasked,
    There,
    /// Not for that, or not for more.
    Refused,
}

/// What is known of the log.
#[derive(Debug)]
pub(super) struct Log {
    bytes: usize,
    folded: Instant,
    /// How long it may become.
    most: usize,
    /// How long it is to become where there is room for that.
    wanted: usize,
    room: Room,
    /// From so many bytes on it is folded in a pause.
    enough: usize,
    /// And from this age on.
    every: Duration,
}

impl Log {
    pub(super) fn new(options: &Options) -> Self {
        let most = options.checkpoint_bytes.saturating_mul(FACTOR);
        Self {
            bytes: 0,
            folded: Instant::now(),
            most,
            wanted: most,
            room: Room::Unasked,
            enough: options.checkpoint_bytes,
            every: options.checkpoint_every,
        }
    }

    /// Take note of a group.
    pub(super) fn grew(&mut self, payload: usize) {
        let row = payload.saturating_add(ROW);
        let taken = PAGE + row + BESIDE * row.min(PAGE);
        self.bytes = self.bytes.saturating_add(taken);
        // Who writes that much may write so fast that folds would keep a hundredth of the groups waiting.
        if self.bytes >= self.enough / FACTOR {
            self.wanted = self.enough.saturating_mul(MOST_FACTOR);
        }
    }

    /// Take note that it is empty.
    pub(super) fn was_folded(&mut self) {
        self.bytes = 0;
        self.folded = Instant::now();
    }

    pub(super) fn is_fold_due(&self, is_pause: bool) -> bool {
        let since = self.folded.elapsed();
        if is_pause && (self.bytes >= self.enough || since >= self.every) {
            return self.bytes > 0;
        }
        self.bytes >= self.most || (self.bytes > 0 && since >= self.every.saturating_mul(2))
    }

    /// Length of the log to make room for now, if any: some at once, the rest of it piece by piece in pauses.
    ///
    /// Not before the first group: the log of a file that was never begun is short.
    pub(super) fn room_to_make(&self, is_pause: bool) -> Option<usize> {
        let wants = match self.room {
            Room::Unasked => self.bytes > 0,
            Room::There | Room::Refused => is_pause && self.wants_more(),
        };
        wants.then(|| with_pages(self.next()))
    }

    /// Take note whether there is the room that was to be made.
    pub(super) fn asked_for_room(&mut self, is_there: bool) {
        if is_there {
            self.most = self.next();
            self.room = Room::There;
        } else {
            self.room = Room::Refused;
        }
    }

    /// When there is something to do in a pause that begins at an instant.
    pub(super) fn due(&self, pause: Option<Instant>) -> Option<Instant> {
        let is_long = self.bytes > 0 && self.bytes >= self.enough;
        if is_long || self.wants_more() {
            return pause;
        }
        let folded = (self.bytes > 0).then(|| self.folded.checked_add(self.every));
        Some(folded??.max(pause?))
    }

    fn wants_more(&self) -> bool {
        self.room == Room::There && self.most < self.wanted
    }

    fn next(&self) -> usize {
        match self.room {
            Room::Unasked => self.most,
            Room::There | Room::Refused => (self.most + self.enough / 2).min(self.wanted),
        }
    }
}

/// Groups that are larger than thought need more pages.
fn with_pages(bytes: usize) -> usize {
    bytes.saturating_add(bytes / 8)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENOUGH: usize = 100 * PAGE;

    fn log() -> Log {
        Log::new(&Options {
            checkpoint_bytes: ENOUGH,
            checkpoint_every: Duration::MAX,
            ..Options::default()
        })
    }

    /// Bytes of the log when it has to be folded although there is no pause.
    fn filled(mut log: Log) -> usize {
        while !log.is_fold_due(false) {
            log.grew(100);
        }
        log.bytes
    }

    #[test]
    fn it_becomes_sixteen_times_as_long_where_there_is_room_and_four_times_where_there_is_none() {
        let mut long = log();
        assert_eq!(long.room_to_make(true), None);
        long.grew(100);
        assert_eq!(long.room_to_make(false), Some(4 * ENOUGH * 9 / 8));
        long.asked_for_room(true);
        assert_eq!(long.room_to_make(true), None);
        long.grew(25 * PAGE);
        assert_eq!(long.room_to_make(false), None);
        while long.room_to_make(true).is_some() {
            long.asked_for_room(true);
        }
        assert!((16 * ENOUGH..17 * ENOUGH).contains(&filled(long)));
        let mut short = log();
        short.grew(30 * PAGE);
        short.asked_for_room(false);
        assert_eq!(short.room_to_make(true), None);
        assert!((4 * ENOUGH..5 * ENOUGH).contains(&filled(short)));
    }

    #[test]
    fn it_is_folded_in_a_pause_as_soon_as_it_is_long_enough() {
        let mut log = log();
        assert!(!log.is_fold_due(true));
        log.grew(ENOUGH);
        assert!(log.is_fold_due(true) && !log.is_fold_due(false));
        log.was_folded();
        assert!(!log.is_fold_due(true));
    }

    #[test]
    fn an_empty_log_is_never_due() {
        let empty = Log::new(&Options {
            checkpoint_bytes: 0,
            checkpoint_every: Duration::ZERO,
            ..Options::default()
        });
        assert_eq!(empty.due(Some(Instant::now())), None);
        assert!(!empty.is_fold_due(true) || empty.bytes > 0);
    }

    #[test]
    fn it_is_due_in_the_next_pause_or_when_it_is_old() {
        let pause = Instant::now() + Duration::from_secs(1);
        let mut log = log();
        assert_eq!(log.due(Some(pause)), None);
        log.grew(100);
        assert_eq!(log.due(Some(pause)), None);
        log.every = Duration::from_secs(3);
        assert_eq!(log.due(Some(pause)), Some(log.folded + log.every));
        log.grew(ENOUGH);
        assert_eq!(log.due(Some(pause)), Some(pause));
        log.was_folded();
        assert_eq!(log.due(Some(pause)), None);
        log.asked_for_room(true);
        assert_eq!(log.due(Some(pause)), Some(pause));
    }
}
