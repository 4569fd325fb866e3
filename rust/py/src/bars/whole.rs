//! The rows of a snapshot in one piece, one or a range of them, and what is worked out from them at most once.

use std::sync::{Arc, OnceLock};

use pyo3::prelude::*;
use pyo3::types::PySlice;
use tapeloom_core::alignment::Order;
use tapeloom_core::bar::Fault;
use tapeloom_core::columns::Columns;
use tapeloom_core::series::{Rows, Slice};

use crate::bars::{Parts, PyBars};
use crate::error::{BindError, BindResult};

/// Answers that are worked out at most once.
#[derive(Debug, Default)]
pub(super) struct Asked {
    /// The parts in one piece, made when a column is first touched and there are several.
    joined: OnceLock<Slice>,
    /// How the rows follow each other.
    order: OnceLock<Arc<Order>>,
    /// Set once every row was found to keep the rules, positive prices among them.
    are_valid: OnceLock<()>,
}

/// A row that breaks a rule: its number, the field, its value, the rule.
pub(super) type Invalid = (usize, &'static str, f64, &'static str);

impl PyBars {
    fn asked(&self) -> &Asked {
        self.0.get().asked.get_or_init(Box::default)
    }

    /// All rows as one piece of memory.
    pub(crate) fn whole(&self) -> &Slice {
        if let Parts::One(only) = &self.0.get().parts {
            return only;
        }
        self.asked().joined.get_or_init(|| {
            let columns = self.copied();
            Slice {
                from: 0,
                to: columns.len(),
                rows: Rows::Sealed(Arc::new(columns)),
            }
        })
    }

    pub(super) fn copied(&self) -> Columns {
        let mut columns = Columns::with_capacity(self.rows(), self.label().is_derived);
        self.0
            .get()
            .parts
            .all()
            .iter()
            .for_each(|part| part.copy_into(&mut columns));
        columns
    }

    /// The rows as sealed columns with the range that counts: shared where they are in one sealed piece, else copied.
    pub(crate) fn columns(&self) -> (Arc<Columns>, usize, usize) {
        let whole = self.whole();
        match &whole.rows {
            Rows::Sealed(columns) => (columns.clone(), whole.from, whole.to),
            Rows::Flagged { .. } | Rows::Live(_) => (Arc::new(self.copied()), 0, self.rows()),
        }
    }

    /// The same for who does not read flags.
    pub(crate) fn columns_but_flags(&self) -> (Arc<Columns>, usize, usize) {
        let whole = self.whole();
        match whole.columns() {
            Some(columns) => (columns.clone(), whole.from, whole.to),
            None => self.columns(),
        }
    }

    /// Number of base bars in the bar that starts at an instant; rows are in order.
    pub(crate) fn constituents_at(&self, ts: i64) -> Option<i32> {
        let whole = self.whole();
        let row = whole.lower_bound(ts);
        (row < self.rows() && whole.ts(row) == ts)
            .then(|| whole.constituents(row))
            .flatten()
    }

    /// How the rows follow each other.
    pub(crate) fn order(&self) -> &Arc<Order> {
        self.asked().order.get_or_init(|| {
            let (columns, from, to) = self.columns_but_flags();
            Arc::new(Order::of(&columns.ts[from..to], self.interval().ns()))
        })
    }

    /// Rows that break a rule: row, field, value, rule. Where there are none, nobody looks again.
    pub(super) fn invalid(&self, allow_negative_prices: bool) -> Vec<Invalid> {
        let are_valid = &self.asked().are_valid;
        if are_valid.get().is_some() {
            return Vec::new();
        }
        let (columns, from, to) = self.columns_but_flags();
        let faults = columns.find_invalid_in(from..to, allow_negative_prices);
        if faults.is_empty() && !allow_negative_prices {
            are_valid.get_or_init(|| ());
        }
        let invalid = |(row, fault): (usize, Fault)| (row, fault.field, fault.value, fault.rule);
        faults.into_iter().map(invalid).collect()
    }

    /// Whether the rows are known to be in order, without a look at them.
    pub(crate) fn is_known_sorted(&self) -> bool {
        let content = self.0.get();
        let asked = content.asked.get();
        let order = asked.and_then(|asked| asked.order.get());
        content.is_of_sorted || order.is_some_and(|order| order.fall.is_none())
    }

    /// First row that starts before the row ahead of it.
    pub(crate) fn first_fall(&self) -> Option<usize> {
        match self.is_known_sorted() {
            true => None,
            false => self.order().fall,
        }
    }

    /// The bar in a row, counted from either end, or the rows of a range.
    pub(super) fn item<'py>(
        slf: &Bound<'py, Self>,
        at: &Bound<'py, PyAny>,
    ) -> BindResult<Bound<'py, PyAny>> {
        let this = slf.get();
        let py = slf.py();
        if let Ok(slice) = at.cast::<PySlice>() {
            let range = slice.indices(this.rows() as isize)?;
            if range.step != 1 {
                return Err(BindError::argument(format!(
                    "step is {}; bars are sliced in steps of 1",
                    range.step
                )));
            }
            // With a step of 1 both bounds lie within 0..=len; an empty range may have stop before start.
            let (from, to) = (range.start as usize, range.stop.max(range.start) as usize);
            let part = this.whole().sub(from, to);
            return Ok(Bound::new(py, this.with_part(py, part))?.into_any());
        }
        let index: isize = at.extract()?;
        let row = if index < 0 {
            index + this.rows() as isize
        } else {
            index
        };
        if row < 0 || row as usize >= this.rows() {
            return Err(pyo3::exceptions::PyIndexError::new_err(format!(
                "index {index} of {} bars",
                this.rows()
            ))
            .into());
        }
        Ok(this.bar(py, row as usize)?.into_any())
    }
}
