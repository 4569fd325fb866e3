//! What is known of the series that were asked for: where they are, with which objects they were asked for, what reads of them
//! left behind for the next ones. Looks nothing up in the store itself.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use pyo3::prelude::*;
use pyo3::types::PyString;
use rustc_hash::FxBuildHasher;
use tapeloom_core::series::{Reader, Series, View};
use tapeloom_core::store::{Entry, Store};

use crate::bars::Handed;
use crate::convert;
use crate::exchange::Exchange;
use crate::label::PyLabel;

/// Symbols that were asked for, with the labels of their series. Filled as they are met, emptied when labels change.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) exchange: Arc<Exchange>,
    found: Vec<Found>,
    by_symbol: HashMap<Box<str>, usize, FxBuildHasher>,
    /// The same by the objects with which they were asked for, which are kept so that nothing else comes to lie there: a
    /// program asks with the same ones again and again.
    by_object: RefCell<HashMap<usize, (Py<PyString>, usize), FxBuildHasher>>,
}

impl Known {
    pub(super) fn new(exchange: Arc<Exchange>) -> Self {
        Self {
            exchange,
            found: Vec::new(),
            by_symbol: HashMap::default(),
            by_object: RefCell::default(),
        }
    }

    fn get(&self, symbol: &str) -> Option<&Found> {
        self.found.get(*self.by_symbol.get(symbol)?)
    }

    /// Whether a symbol is known as the store keeps it now.
    pub(super) fn has(&self, entry: &Arc<Entry>) -> bool {
        let found = self.get(&entry.symbol);
        found.is_some_and(|found| Arc::ptr_eq(&found.entry, entry))
    }

    /// The labels of all series of a symbol that is known.
    pub(super) fn labels(&self, py: Python<'_>, entry: &Entry) -> Vec<Py<PyLabel>> {
        let series = self.get(&entry.symbol).map(|found| &found.series);
        let labels = series.into_iter().flatten();
        labels.map(|known| known.label.clone_ref(py)).collect()
    }

    /// Take in a symbol, with the labels of its series.
    pub(super) fn add(&mut self, entry: &Arc<Entry>, labels: Vec<Py<PyLabel>>) {
        let symbol = (*entry.symbol).into();
        self.by_symbol.insert(symbol, self.found.len());
        self.found.push(Found::new(entry, labels));
    }

    /// Let go of rows that reads left behind for the next ones.
    pub(super) fn let_go(&self) {
        for series in self.found.iter().flat_map(|found| &found.series) {
            // Dropped when nothing is borrowed any more.
            let held = series
                .held
                .try_borrow_mut()
                .map(|mut held| std::mem::take(&mut *held));
            drop(held);
        }
    }

    /// Where the series is that was asked for with this very object before.
    #[inline]
    pub(super) fn asked(
        &self,
        symbol: &Bound<'_, PyAny>,
        interval: Option<&Bound<'_, PyAny>>,
    ) -> Option<At> {
        let by_object = self.by_object.try_borrow().ok()?;
        let (_, symbol) = by_object.get(&(symbol.as_ptr() as usize))?;
        self.at(*symbol, interval)
    }

    /// Where the series of a symbol is, by its name.
    pub(super) fn named(&self, symbol: &str, interval: Option<&Bound<'_, PyAny>>) -> Option<At> {
        self.at(*self.by_symbol.get(symbol)?, interval)
    }

    /// Where a series of a symbol is: that of an interval, the base without one.
    #[inline]
    fn at(&self, symbol: usize, interval: Option<&Bound<'_, PyAny>>) -> Option<At> {
        let series = match interval {
            None => 0,
            Some(interval) => self.found.get(symbol)?.series_of(interval)?,
        };
        Some(At { symbol, series })
    }

    /// Remember the object with which a symbol was asked for. Plain text only: one of a derived class may hold anything, such
    /// as the session, which would then never go.
    pub(super) fn remember(&self, object: &Bound<'_, PyString>, At { symbol, .. }: At) {
        if !object.is_exact_instance_of::<PyString>() {
            return;
        }
        if let Ok(mut by_object) = self.by_object.try_borrow_mut() {
            if by_object.len() >= OBJECTS_PER_SYMBOL * self.found.len() {
                by_object.clear();
            }
            by_object.insert(object.as_ptr() as usize, (object.clone().unbind(), symbol));
        }
    }
}

/// Position of a symbol, and of a series among those of the symbol.
#[derive(Debug, Clone, Copy)]
pub(super) struct At {
    symbol: usize,
    series: usize,
}

/// Objects that are remembered at most: who makes one for each question gains nothing by them.
const OBJECTS_PER_SYMBOL: usize = 2;

/// A symbol and what is known of its series, in order.
#[derive(Debug)]
struct Found {
    entry: Arc<Entry>,
    series: Vec<KnownSeries>,
}

/// One series, as it was met before.
#[derive(Debug)]
struct KnownSeries {
    label: Py<PyLabel>,
    held: RefCell<Held>,
}

/// What a read leaves behind for the next one of the same series.
#[derive(Debug, Default)]
struct Held {
    reader: Option<Reader>,
    out: Handed,
}

impl Found {
    fn new(entry: &Arc<Entry>, labels: Vec<Py<PyLabel>>) -> Self {
        let series = labels.into_iter().map(|label| KnownSeries {
            label,
            held: RefCell::default(),
        });
        Self {
            entry: entry.clone(),
            series: series.collect(),
        }
    }

    /// Position of the series of an interval.
    fn series_of(&self, interval: &Bound<'_, PyAny>) -> Option<usize> {
        let wanted = convert::interval(interval).ok()?;
        let mut all = self.entry.series.iter();
        all.position(|series| series.interval() == wanted)
    }
}

/// Where a series that a caller means is known. What is known of it stays as long as this is held.
#[derive(Debug)]
pub(super) struct Meant {
    pub(super) known: Rc<Known>,
    pub(super) at: At,
}

impl Meant {
    #[inline]
    pub(super) fn kept(&self) -> Option<Kept<'_>> {
        let found = self.known.found.get(self.at.symbol)?;
        let known = found.series.get(self.at.series)?;
        Some(Kept {
            entry: &found.entry,
            series: found.entry.series.get(self.at.series)?,
            label: &known.label,
            held: &known.held,
        })
    }
}

/// A series that a caller means.
#[derive(Debug, Clone, Copy)]
pub(super) struct Kept<'a> {
    pub(super) entry: &'a Arc<Entry>,
    pub(super) series: &'a Arc<Series>,
    pub(super) label: &'a Py<PyLabel>,
    held: &'a RefCell<Held>,
}

impl Kept<'_> {
    /// Look at it as of the newest epoch. Three tries; `None` where it was replaced each time in between.
    #[inline]
    pub(super) fn look<R>(
        &self,
        store: &Store,
        mut look: impl FnMut(View<'_>, &mut Handed) -> R,
    ) -> Option<R> {
        // Held where another thread reads the same series and let this one go on meanwhile.
        let mut spare = None;
        let mut held = self.held.try_borrow_mut().ok();
        let Held { reader, out } = match &mut held {
            Some(held) => &mut **held,
            None => spare.get_or_insert_default(),
        };
        let reader = reader.get_or_insert_with(|| Reader::new(self.series.clone()));
        (0..3).find_map(|_| reader.look(store.epoch(), |view| look(view, out)))
    }
}
