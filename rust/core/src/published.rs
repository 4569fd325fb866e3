//! A few words that change together: one writer, readers without a lock.
//!
//! A counter is odd while the words change. A reader that meets an odd counter, or another counter after reading than
//! before, reads again. All words are atomics, so a torn read is seen and thrown away, never undefined.

use std::sync::atomic::Ordering::Relaxed;

use crate::sync::{AtomicU64, order, pause};

/// `N` words published together.
#[derive(Debug)]
pub(crate) struct Published<const N: usize> {
    turn: AtomicU64,
    words: [AtomicU64; N],
}

impl<const N: usize> Default for Published<N> {
    fn default() -> Self {
        Self {
            turn: AtomicU64::new(0),
            words: std::array::from_fn(|_| AtomicU64::new(0)),
        }
    }
}

impl<const N: usize> Published<N> {
    /// Publish. Only one writer at a time may call this.
    pub(crate) fn store(&self, words: [u64; N]) {
        let turn = self.turn.load(Relaxed);
        self.turn.store(turn + 1, Relaxed);
        for (cell, word) in self.words.iter().zip(words) {
            // Release keeps the odd turn before each word: who reads the word reads an odd or later turn.
            cell.store(word, order!(Release, "published.store_word"));
        }
        // Pairs with the first acquire in `load`.
        self.turn
            .store(turn + 2, order!(Release, "published.store_turn"));
    }

    /// Look at where the next words go; what is seen says nothing.
    #[inline]
    pub(crate) fn place(&self) -> u64 {
        self.turn.load(Relaxed)
    }

    /// The words of one publication, zeros before the first.
    #[inline]
    pub(crate) fn load(&self) -> [u64; N] {
        loop {
            let before = self.turn.load(order!(Acquire, "published.load_turn"));
            let mut words = [0; N];
            for (word, cell) in words.iter_mut().zip(&self.words) {
                // Acquire keeps the second look at the turn after each word.
                *word = cell.load(order!(Acquire, "published.load_word"));
            }
            if before.is_multiple_of(2) && self.turn.load(Relaxed) == before {
                return words;
            }
            pause();
        }
    }
}
