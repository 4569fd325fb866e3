//! Snapshots that are handed out again once nobody holds them.

use std::ops::Range;
use std::sync::Arc;

use pyo3::prelude::*;
use tapeloom_core::segment::Segment;
use tapeloom_core::series::{Rows, Slice};

use crate::bars::{Content, Parts, PyBars};
use crate::export::unshared;
use crate::label::PyLabel;

/// Snapshots of one series that were handed out, to be used again once nobody holds them or a column of theirs.
///
/// Two, taken in turn: as a rule the one before is still held when the next one is asked for. Each keeps the memory of its rows
/// until it is used again.
#[derive(Debug, Default)]
pub(crate) struct Handed {
    bars: [Option<Py<PyBars>>; 2],
    next: usize,
}

impl Content {
    /// Hold other rows of the same series.
    #[inline]
    fn put(&mut self, segment: &Arc<Segment>, rows: Range<usize>) {
        self.asked.take();
        self.rows = rows.len();
        match &mut self.parts {
            // As a rule the same memory: no reference comes or goes.
            Parts::One(Slice {
                rows: Rows::Live(known),
                from,
                to,
            }) if Arc::ptr_eq(known, segment) => (*from, *to) = (rows.start, rows.end),
            parts => {
                *parts = Parts::One(Slice {
                    rows: Rows::Live(segment.clone()),
                    from: rows.start,
                    to: rows.end,
                });
            }
        }
    }
}

impl PyBars {
    /// A snapshot of rows of a segment, in an object that was used before if one is free.
    #[inline(always)]
    pub(crate) fn handed_out<'py>(
        py: Python<'py>,
        label: &Py<PyLabel>,
        out: &mut Handed,
        (segment, rows): (&Arc<Segment>, Range<usize>),
    ) -> PyResult<Bound<'py, Self>> {
        let object = &mut out.bars[out.next];
        out.next ^= 1;
        if let Some(object) = object
            && let Some(content) = unshared(py, object, |bars| &bars.0)
        {
            content.put(segment, rows);
            return Ok(object.bind(py).clone());
        }
        let new = Self::of_segment(py, label, segment, rows)?;
        *object = Some(new.clone().unbind());
        Ok(new)
    }

    #[cold]
    fn of_segment<'py>(
        py: Python<'py>,
        label: &Py<PyLabel>,
        segment: &Arc<Segment>,
        rows: Range<usize>,
    ) -> PyResult<Bound<'py, Self>> {
        let slice = Slice {
            rows: Rows::Live(segment.clone()),
            from: rows.start,
            to: rows.end,
        };
        Bound::new(py, Self::new(label.clone_ref(py), Parts::One(slice)))
    }
}
