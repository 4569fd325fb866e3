"""What is missing: gaps and why they are there, the quality of a series, and what is known of one bar."""

from __future__ import annotations

from tapeloom.gap.explanation import Explanation
from tapeloom.gap.gaps import Cause, Gap, Gaps, GapSummary
from tapeloom.gap.holes import Holes, missing_runs
from tapeloom.gap.quality_report import QualityReport, QualityReports

__all__ = [
    "Cause",
    "Explanation",
    "Gap",
    "GapSummary",
    "Gaps",
    "Holes",
    "QualityReport",
    "QualityReports",
    "missing_runs",
]
