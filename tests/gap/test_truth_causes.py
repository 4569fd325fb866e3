"""Real downloads that were cut off: the end of each is told from the holes inside it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import tapeloom
from tests.reference.schedule import to_ns
from tests.truth.facts import gap_truths

if TYPE_CHECKING:
    from datetime import date
    from pathlib import Path

    from tapeloom.session_data import SessionData
    from tests.truth.facts import GapTruth, SessionTruth

# Files that end in the middle of a session, and one that does not.
NAMES = ("SPY__2026", "UVXY__2026", "BILI__2026", "QQQ__2022")


class Causes:
    """An analysis that keeps the start and the cause of every gap at the end of each session."""

    def __init__(self, symbol: str) -> None:
        self.symbol = symbol
        self.found: dict[date, dict[int, str]] = {}

    def on_session_end(self, session: SessionData) -> None:
        day = session.current_session_date
        assert day is not None
        gaps = session.get_gaps(self.symbol)
        self.found[day] = {to_ns(gap.start): str(gap.cause) for gap in gaps}


def expected_causes(session: SessionTruth) -> dict[int, str]:
    """A run up to the close with bars before it and none behind the close is a tail cut off."""
    is_cut_off = session.present > 0 and session.outside == 0
    return {
        start: "truncated" if is_cut_off and end == session.close else "unknown"
        for start, end, _ in session.runs
    }


def truths(root: Path) -> list[GapTruth]:
    names = tuple(name.replace("__", "/") for name in NAMES)
    return [
        truth
        for truth in gap_truths(root, "us_equity")
        if f"{truth.symbol}/{truth.path.stem[:4]}" in names
    ]


def test_the_cut_off_end_of_a_download_is_truncated_and_its_holes_are_unknown(
    real_data: Path, subtests: pytest.Subtests
) -> None:
    found = truths(real_data)
    assert len(found) == len(NAMES)
    for truth in found:
        with subtests.test(symbol=truth.symbol):
            causes = Causes(truth.symbol)
            tapeloom.replay(str(truth.path), analysis=causes)
            for day, session in truth.sessions.items():
                assert causes.found[day] == expected_causes(session), day
            for day in truth.empty_dates:
                assert list(causes.found[day].values()) == ["unknown"], day
