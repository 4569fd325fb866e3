//! What is written as those see it who compute something from it before it is published.

use std::sync::Arc;

use crate::series::{Series, SeriesWriter};
use crate::store::SymbolId;
use crate::store::writer::Writer;
use crate::time::Interval;

/// Where a series is written, as long as no symbol goes and no series is added.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    pub(crate) symbol: SymbolId,
    at: usize,
    series: Arc<Series>,
}

impl Writer {
    /// Where a series is written now.
    pub(crate) fn place_of(&self, symbol: &str, interval: Interval) -> Option<Place> {
        let id = self.id_of(symbol)?;
        let mut all = self.symbols[id.0 as usize].series().enumerate();
        let (at, series) = all.find(|(_, s)| s.series().interval() == interval)?;
        Some(Place {
            symbol: id,
            at,
            series: series.series().clone(),
        })
    }

    /// The writing side of a series, `None` if it is not written there any more.
    #[inline]
    pub(crate) fn written(&self, place: &Place) -> Option<&SeriesWriter> {
        let symbol = self.symbols.get(place.symbol.0 as usize)?;
        let series = symbol.series_at(place.at)?;
        Arc::ptr_eq(series.series(), &place.series).then_some(series)
    }

    /// Whether a series is the base of its symbol.
    pub(crate) fn is_base(place: &Place) -> bool {
        place.at == 0
    }

    /// Symbols written to since the last epoch; one may be named more than once.
    pub(crate) fn written_to(&self) -> impl Iterator<Item = u32> + '_ {
        self.fresh.iter().chain(&self.dirty).copied()
    }

    /// Number of the epoch that comes out next.
    pub(crate) fn writes_epoch(&self) -> u64 {
        self.epoch
    }

    /// The epoch with which everything written is out: the next, or the last where nothing waits for the next.
    pub(crate) fn shows_with_epoch(&self) -> u64 {
        self.epoch - u64::from(!self.unpublished)
    }
}
