"""Missing minutes of every US-equity one-minute file, session by session, beside the facts computed with pandas."""

from __future__ import annotations

from typing import TYPE_CHECKING

import tapeloom
from tests.compare import gap_runs, report_of
from tests.truth.facts import gap_truths

if TYPE_CHECKING:
    from datetime import date
    from pathlib import Path

    import pytest

    from tapeloom.gap import QualityReport
    from tapeloom.session.result import RunResult
    from tapeloom.session_data import SessionData
    from tests.reference.gaps import Run
    from tests.truth.facts import GapTruth


class SessionEnds:
    """An analysis that keeps what the store says at the end of each session."""

    def __init__(self, symbol: str) -> None:
        self.symbol = symbol
        self.reports: dict[date, QualityReport] = {}
        self.runs: dict[date, list[Run]] = {}

    def on_session_end(self, session: SessionData) -> None:
        day = session.current_session_date
        assert day is not None
        self.reports[day] = report_of(session, self.symbol)
        self.runs[day] = gap_runs(session, self.symbol)


def replayed(
    truth: GapTruth, exchange_group: str = "US_EQUITY"
) -> tuple[SessionEnds, RunResult]:
    ends = SessionEnds(truth.symbol)
    return ends, tapeloom.replay(
        str(truth.path), exchange_group=exchange_group, analysis=ends
    )


def test_there_is_a_truth_for_every_us_equity_file(real_data: Path) -> None:
    files = sorted(
        (real_data / "bars" / "us_equity" / "interval=1m").rglob("*.parquet")
    )
    assert sorted(truth.path for truth in gap_truths(real_data, "us_equity")) == files


def test_missing_minutes_are_those_of_the_truth(
    real_data: Path, subtests: pytest.Subtests
) -> None:
    for truth in gap_truths(real_data, "us_equity"):
        with subtests.test(file=truth.path.relative_to(real_data).as_posix()):
            ends, result = replayed(truth)
            assert_sessions_are_those_of(truth, ends)
            assert_report_is_that_of(truth, result)


def assert_sessions_are_those_of(truth: GapTruth, ends: SessionEnds) -> None:
    assert sorted(ends.reports) == sorted([*truth.sessions, *truth.empty_dates])
    for day, expected in truth.sessions.items():
        report = ends.reports[day]
        assert (report.expected, report.present, report.missing) == (
            expected.expected,
            expected.present,
            expected.missing,
        ), day
        assert ends.runs[day] == expected.runs, day
        assert (report.duplicates, report.out_of_order, report.off_grid) == (0, 0, 0), (
            day
        )
    for day in truth.empty_dates:
        assert (ends.reports[day].present, len(ends.runs[day])) == (0, 1), day


def assert_report_is_that_of(truth: GapTruth, result: RunResult) -> None:
    by_date = {report.session_date: report for report in result.sessions}
    assert sorted(by_date) == sorted([*truth.sessions, *truth.empty_dates])
    for day, expected in truth.sessions.items():
        report = by_date[day]
        assert (report.expected, report.present, report.missing) == (
            expected.expected,
            expected.present,
            expected.missing,
        ), day
        assert (report.gaps, report.longest_gap) == (
            len(expected.runs),
            expected.longest_gap,
        ), day
        assert (report.out_of_session, report.bars) == (
            expected.outside,
            expected.present,
        ), day
        assert (
            report.duplicates,
            report.corrections,
            report.late,
            report.quarantined,
        ) == (0, 0, 0, 0), day
