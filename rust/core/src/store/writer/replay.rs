//! What a replay needs of the writer: the clock, places for rows that come later, memory for its windows.

use crate::bar::{Bar, STREAMED};
use crate::merge::Items;
use crate::segment::Places;
use crate::store::SymbolId;
use crate::store::writer::Writer;
use crate::time::Interval;

impl Writer {
    /// Look at what the next bars of some symbols will be put into. Many symbols do not fit into the nearest caches, and the
    /// processor waits for all of these at once, rather than for each when its bar comes.
    pub fn fetch(&self, ids: impl Iterator<Item = SymbolId>) {
        for id in ids {
            if let Some(symbol) = self.symbols.get(id.0 as usize) {
                std::hint::black_box(symbol.next_place());
            }
        }
    }

    /// A replay begins, which moves the clock: its number, and where the rows of each source wait for their time, given the
    /// symbol, interval and number of rows. They do where one source alone has the base bars of a symbol.
    pub(crate) fn begin_replay(
        &mut self,
        sources: &[(SymbolId, Interval, usize)],
    ) -> (u64, Vec<Option<Places>>) {
        self.take_clock();
        self.replays += 1;
        let mut many = vec![0_u32; self.symbols.len()];
        for (id, _, _) in sources {
            many[id.0 as usize] += 1;
        }
        let places = sources.iter().map(|&(id, interval, rows)| {
            let at = id.0 as usize;
            let symbol = &mut self.symbols[at];
            let is_alone = many[at] == 1 && symbol.base() == interval;
            is_alone.then(|| symbol.places(rows, STREAMED, self.replays))
        });
        let places = places.collect();
        (self.replays, places)
    }

    /// A replay is over, nobody puts rows in their places any more, and `windows` is memory for the next one.
    pub(crate) fn end_replay(&mut self, number: u64, windows: Vec<Items<Bar>>) {
        self.return_clock();
        for symbol in &mut self.symbols {
            symbol.end_replay(number);
        }
        self.windows = windows;
    }

    /// Memory for the windows of a replay, warm from the one before.
    pub(crate) fn take_windows(&mut self) -> Vec<Items<Bar>> {
        std::mem::take(&mut self.windows)
    }
}
