//! The merged columns while they are filled.

use tapeloom_core::merge::whole::Whole;
use tapeloom_core::merge::window::{Lane, Part, Placed, Rows, merge_part};

use super::Series;

/// The merged columns, or the stretch of them that one part fills.
pub(super) struct Target<'a> {
    pub(super) source: &'a mut [i32],
    pub(super) ts: &'a mut [i64],
    pub(super) prices: [&'a mut [f64]; 5],
    pub(super) flags: &'a mut [u8],
}

/// A merged row, in a line of the cache of its own.
#[derive(Clone, Copy, Default)]
#[repr(align(64))]
pub(super) struct Row {
    source: i32,
    ts: i64,
    prices: [f64; 5],
}

impl<'a> Target<'a> {
    pub(super) fn rows(&self) -> usize {
        self.ts.len()
    }

    /// The first rows, and the rest.
    pub(super) fn cut(self, rows: usize) -> (Self, Self) {
        let (source, more_source) = self.source.split_at_mut(rows);
        let (ts, more_ts) = self.ts.split_at_mut(rows);
        let (flags, more_flags) = self.flags.split_at_mut(rows);
        let mut first = Vec::with_capacity(5);
        let more_prices = self.prices.map(|column| {
            let (here, rest) = column.split_at_mut(rows);
            first.push(here);
            rest
        });
        let mut first = first.into_iter();
        let prices = std::array::from_fn(|_| first.next().unwrap_or_default());
        let here = Self {
            source,
            ts,
            prices,
            flags,
        };
        let rest = Self {
            source: more_source,
            ts: more_ts,
            prices: more_prices,
            flags: more_flags,
        };
        (here, rest)
    }

    /// Fill all rows with those of a part. `room` is memory for some of them on their way.
    pub(super) fn fill(
        &mut self,
        series: &[Series],
        lanes: &[Lane<'_>],
        part: &Part,
        flags: Option<u8>,
        room: &mut Vec<Row>,
    ) {
        if let Some(flags) = flags {
            self.flags.fill(flags);
        }
        merge_part(lanes, part, |rows| {
            match rows {
                Rows::Whole(whole) => self.fill_whole(series, whole),
                Rows::Placed(placed) if placed.is_jittered => {
                    self.fill_jittered(series, placed, room);
                }
                Rows::Placed(placed) => self.fill_window(series, placed),
            }
            if flags.is_none() {
                rows.scatter(|lane| series[lane].flags(), self.flags);
            }
        });
    }

    fn fill_whole(&mut self, series: &[Series], whole: &Whole<'_>) {
        whole.scatter_lanes(|lane| series[lane].position, self.source);
        let first = whole.runs.first();
        match first.filter(|(lane, _)| series[*lane].known_at.is_none()) {
            // All end at the same instants and are of one length, so they begin at the same ones.
            Some(&(lane, row)) => {
                let instants = &series[lane].ts()[row..row + whole.instants];
                whole.spread(instants, self.ts);
            }
            None => whole.scatter(|lane| series[lane].ts(), self.ts),
        }
        for (at, target) in self.prices.iter_mut().enumerate() {
            whole.scatter(|lane| series[lane].prices()[at], target);
        }
    }

    /// All columns of a window at once: their memory is then waited for together.
    fn fill_window(&mut self, series: &[Series], placed: &Placed<'_>) {
        placed.scatter_lanes(|lane| series[lane].position, self.source);
        let window = placed.first..placed.first + placed.places.len();
        let ts = &mut self.ts[window.clone()];
        let mut targets = self
            .prices
            .each_mut()
            .map(|target| &mut target[window.clone()]);
        let mut places = placed.places;
        for (at, &(lane, row, len)) in placed.runs.iter().enumerate() {
            let (here, rest) = places.split_at(len);
            places = rest;
            let stamps = &series[lane].ts()[row..row + len];
            let columns = series[lane].prices().map(|column| &column[row..row + len]);
            if let Some(&(next, row, _)) = placed.runs.get(at + 1) {
                series[next].ask_for(row);
            }
            for (offset, &place) in here.iter().enumerate() {
                ts[place as usize] = stamps[offset];
                for (target, column) in targets.iter_mut().zip(&columns) {
                    target[place as usize] = column[offset];
                }
            }
        }
    }

    /// The same by way of whole rows: row after row goes elsewhere, and six columns of it to six lines of the cache.
    fn fill_jittered(&mut self, series: &[Series], placed: &Placed<'_>, room: &mut Vec<Row>) {
        let rows = placed.places.len();
        if room.len() < rows {
            room.resize(rows, Row::default());
        }
        let room = &mut room[..rows];
        let mut places = placed.places;
        for (at, &(lane, row, len)) in placed.runs.iter().enumerate() {
            let (here, rest) = places.split_at(len);
            places = rest;
            let source = series[lane].position;
            let stamps = &series[lane].ts()[row..row + len];
            let columns = series[lane].prices().map(|column| &column[row..row + len]);
            if let Some(&(next, row, _)) = placed.runs.get(at + 1) {
                series[next].ask_for(row);
            }
            for (offset, (&place, &ts)) in here.iter().zip(stamps).enumerate() {
                room[place as usize] = Row {
                    source,
                    ts,
                    prices: columns.map(|column| column[offset]),
                };
            }
        }
        let window = placed.first..placed.first + rows;
        let [open, high, low, close, volume] = self
            .prices
            .each_mut()
            .map(|target| target[window.clone()].iter_mut());
        let first = self.source[window.clone()].iter_mut();
        let first = first.zip(&mut self.ts[window.clone()]);
        let prices = open.zip(high).zip(low).zip(close).zip(volume);
        for ((row, (source, ts)), ((((open, high), low), close), volume)) in
            room.iter().zip(first).zip(prices)
        {
            (*source, *ts) = (row.source, row.ts);
            [*open, *high, *low, *close, *volume] = row.prices;
        }
    }
}
