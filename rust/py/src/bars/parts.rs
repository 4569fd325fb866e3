//! Where the rows of a snapshot are: in one piece of memory or in several.

use pyo3::prelude::*;
use tapeloom_core::series::Slice;

use crate::bars::PyBars;
use crate::error::{BindError, BindResult};

/// Where the rows of a snapshot are.
#[derive(Debug, Clone)]
pub(crate) enum Parts {
    /// In one piece of memory.
    One(Slice),
    /// In several, or nowhere.
    Several(Vec<Slice>),
}

impl Parts {
    /// Slices one after the other; those that follow each other in memory are one.
    pub(crate) fn joined(slices: impl IntoIterator<Item = Slice>) -> Self {
        let mut all: Vec<Slice> = Vec::new();
        for slice in slices.into_iter().filter(|slice| !slice.is_empty()) {
            match all.last_mut() {
                Some(last) if last.is_continued_by(&slice) => last.to = slice.to,
                _ => all.push(slice),
            }
        }
        match <[Slice; 1]>::try_from(all) {
            Ok([only]) => Self::One(only),
            Err(all) => Self::Several(all),
        }
    }

    /// The rows of a slice that start in some stretches of time, one after the other.
    pub(crate) fn within(whole: &Slice, stretches: &[(i64, i64)]) -> Self {
        // One stretch has all rows, as a rule, and several are about as long as one another.
        let (mut row, mut length) = (0, whole.len());
        Self::joined(stretches.iter().map(|&(start, end)| {
            let from = whole.lower_bound_from(row, start);
            row = whole.lower_bound_near(from, from + length, end);
            length = row - from;
            whole.sub(from, row)
        }))
    }

    pub(crate) fn all(&self) -> &[Slice] {
        match self {
            Self::One(only) => std::slice::from_ref(only),
            Self::Several(all) => all,
        }
    }
}

impl PyBars {
    /// The rows of several snapshots of one series, one after the other.
    pub(super) fn joined(py: Python<'_>, parts: &[Bound<'_, Self>]) -> BindResult<Self> {
        let Some(first) = parts.first().map(Bound::get) else {
            return Err(BindError::argument(
                "parts is empty; give at least one Bars",
            ));
        };
        let (one, mut all) = (first.label(), parts.iter().map(|part| part.get().label()));
        if let Some(other) =
            all.find(|other| other.symbol != one.symbol || other.interval != one.interval)
        {
            return Err(BindError::argument(format!(
                "parts differ: {} {} and {} {}; they must have one symbol and interval",
                one.symbol, one.interval, other.symbol, other.interval
            )));
        }
        if let Some(other) = parts
            .iter()
            .map(|part| part.get().label())
            .find(|other| other.is_derived != one.is_derived)
        {
            return Err(BindError::argument(format!(
                "parts differ: some {} {} bars are derived and some are not",
                other.symbol, other.interval
            )));
        }
        let slices = parts.iter().flat_map(|part| part.get().0.get().parts.all());
        Ok(Self::new(
            first.label_of(py),
            Parts::joined(slices.cloned()),
        ))
    }
}
