//! Shapes of what a store takes as words and gives back as tuples; `SessionData` gives them names.

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use tapeloom_core::gap::MissingRun;
use tapeloom_core::store::{BatchReport, IngestCounts, OnInvalid, Outcome};

use crate::error::{BindError, BindResult};

/// The member of `tapeloom.ingest.Outcome`, looked up once.
pub(super) fn outcome_of(py: Python<'_>, outcome: Outcome) -> PyResult<Bound<'_, PyAny>> {
    static MEMBERS: PyOnceLock<[Py<PyAny>; 6]> = PyOnceLock::new();
    let members = MEMBERS.get_or_try_init(py, || {
        let class = py.import("tapeloom.ingest")?.getattr("Outcome")?;
        let member = |word: &str| -> PyResult<Py<PyAny>> { Ok(class.call1((word,))?.unbind()) };
        PyResult::Ok([
            member("accepted")?,
            member("late")?,
            member("duplicate")?,
            member("correction")?,
            member("rejected")?,
            member("quarantined")?,
        ])
    })?;
    let at = match outcome {
        Outcome::Accepted => 0,
        Outcome::Late => 1,
        Outcome::Duplicate => 2,
        Outcome::Correction => 3,
        Outcome::Rejected => 4,
        Outcome::Quarantined => 5,
    };
    Ok(members[at].bind(py).clone())
}

/// Offered, accepted, duplicates, corrections, late, rejected, quarantined.
pub(super) type Counts = (u64, u64, u64, u64, u64, u64, u64);

pub(super) fn counts(counts: &IngestCounts) -> Counts {
    (
        counts.offered,
        counts.accepted,
        counts.duplicates,
        counts.corrections,
        counts.late,
        counts.rejected,
        counts.quarantined,
    )
}

/// Columns of [`count_cells`].
pub(crate) const COUNTS: usize = 7;

/// The same as cells of a row.
pub(crate) fn count_cells(all: &IngestCounts) -> [u64; COUNTS] {
    counts(all).into()
}

pub(super) type Report = (Counts, Vec<(usize, &'static str, f64, &'static str)>);

/// Start, end and number of bars of each missing run.
pub(super) type Runs = Vec<(i64, i64, u32)>;

pub(super) fn runs(missing: &[MissingRun]) -> Runs {
    missing
        .iter()
        .map(|run| (run.start, run.end, run.bars))
        .collect()
}

/// Volume, high, low, average price, number of bars, start of the newest bar.
pub(super) type Figures = (f64, f64, f64, Option<f64>, u64, i64);

pub(super) fn report(done: BatchReport) -> Report {
    (counts(&done.counts), done.skipped)
}

pub(super) const ON_INVALID: [(&str, OnInvalid); 2] =
    [("error", OnInvalid::Error), ("skip", OnInvalid::Skip)];

pub(crate) fn policy<T>(name: &str, value: &str, known: &[(&str, T)]) -> BindResult<T>
where
    T: Copy,
{
    known
        .iter()
        .find(|(word, _)| *word == value)
        .map(|(_, policy)| *policy)
        .ok_or_else(|| {
            let words: Vec<String> = known.iter().map(|(word, _)| format!("'{word}'")).collect();
            BindError::argument(format!(
                "{name} is '{value}'; it must be {}",
                words.join(" or ")
            ))
        })
}
