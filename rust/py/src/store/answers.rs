//! Shapes of what a store takes as words and gives back as tuples; `SessionData` gives them names.

use tapeloom_core::gap::MissingRun;
use tapeloom_core::store::{BatchReport, IngestCounts, OnInvalid, Outcome};

use crate::error::{BindError, BindResult};

pub(super) fn outcome_name(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Accepted => "accepted",
        Outcome::Late => "late",
        Outcome::Duplicate => "duplicate",
        Outcome::Correction => "correction",
        Outcome::Rejected => "rejected",
        Outcome::Quarantined => "quarantined",
    }
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

pub(super) fn policy<T>(name: &str, value: &str, known: &[(&str, T)]) -> BindResult<T>
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
