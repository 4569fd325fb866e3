//! Where a bar comes from, a series or a user: under which names, and when it begins and ends.

use std::sync::Arc;

use pyo3::prelude::*;
use tapeloom_core::bar::Bar;
use tapeloom_core::time::Interval;

use crate::bar::{Content, PyBarData};
use crate::error::{BindError, BindResult};
use crate::export::Exclusive;
use crate::label::PyLabel;

/// Where a bar comes from.
#[derive(Debug)]
pub(super) enum Origin {
    /// A series of an exchange.
    Series(Py<PyLabel>),
    /// A user.
    User(Box<Given>),
}

/// What a user said of a bar.
#[derive(Debug)]
pub(super) struct Given {
    pub(super) symbol: Arc<str>,
    pub(super) interval: Interval,
    /// The time as it was given.
    pub(super) timestamp: Py<PyAny>,
    /// Whether it is wall time without a zone.
    pub(super) is_naive: bool,
}

impl PyBarData {
    /// A base bar of a user, with its instant.
    pub(crate) fn given<'py>(
        py: Python<'py>,
        symbol: &str,
        bar: Bar,
        interval: Interval,
    ) -> PyResult<Bound<'py, Self>> {
        let given = Given {
            symbol: symbol.into(),
            interval,
            timestamp: bar.ts.into_pyobject(py)?.into_any().unbind(),
            is_naive: false,
        };
        let content = Content {
            bar,
            constituents: -1,
            origin: Origin::User(Box::new(given)),
        };
        Bound::new(py, Self(Exclusive::new(content)))
    }

    pub(super) fn origin(&self) -> &Origin {
        &self.0.get().origin
    }

    pub(crate) fn symbol(&self) -> &Arc<str> {
        match self.origin() {
            Origin::Series(label) => &label.get().symbol,
            Origin::User(given) => &given.symbol,
        }
    }

    pub(crate) fn interval(&self) -> Interval {
        match self.origin() {
            Origin::Series(label) => label.get().interval,
            Origin::User(given) => given.interval,
        }
    }

    /// Start of the bar, `None` while it is wall time without a zone.
    pub(crate) fn start(&self) -> Option<i64> {
        match self.origin() {
            Origin::User(given) if given.is_naive => None,
            Origin::User(_) | Origin::Series(_) => Some(self.bar().ts),
        }
    }

    pub(super) fn end_ns(&self) -> BindResult<i64> {
        let ts = self.start().ok_or_else(unresolved)?;
        match (self.origin(), self.interval().ns()) {
            (Origin::Series(label), _) => Ok(label.get().end_of(ts).unwrap_or(ts)),
            (Origin::User(_), Some(ns)) => Ok(ts.saturating_add(ns)),
            (Origin::User(given), None) => Err(BindError::Named(
                "TimestampError",
                format!(
                    "the end of a {} bar is known once it belongs to a session",
                    given.interval
                ),
            )),
        }
    }

    /// The wall time without a zone that it was given.
    pub(super) fn naive(&self) -> Option<&Py<PyAny>> {
        match self.origin() {
            Origin::User(given) if given.is_naive => Some(&given.timestamp),
            Origin::User(_) | Origin::Series(_) => None,
        }
    }
}

pub(super) fn unresolved() -> BindError {
    BindError::Named(
        "TimestampError",
        "timestamp is wall time without a zone; it is resolved by the session the bar is added to"
            .into(),
    )
}
