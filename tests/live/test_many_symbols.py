"""A journal of very many symbols: its header holds their configuration, and they are registered in one go."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tapeloom import SessionData
from tapeloom.errors import SeriesConflictError
from tapeloom.live.journal import SessionJournal
from tapeloom.live.journal_header import Patience
from tapeloom.live.recovery import recover, verify

if TYPE_CHECKING:
    from pathlib import Path

NAMES = [f"S{number:05}" for number in range(10_000)]


def test_a_configuration_of_ten_thousand_symbols_fits_into_the_header(
    tmp_path: Path,
) -> None:
    path = tmp_path / "day.journal"
    config = {"session_data_config": {"symbols": NAMES}}
    with SessionJournal(
        path, SessionData(), patience=Patience(0, 0), config=config
    ) as journal:
        journal.register_symbols([(name, "1m", ["5m"]) for name in NAMES])
    found = recover(path)
    assert found._symbols == NAMES
    assert found._intervals(NAMES[-1]) == ["1m", "5m"]
    # The header, a number for each name, and each registration; none waits for a commit of its own.
    report = verify(path)
    assert report.records == 1 + 2 * len(NAMES)
    assert report.commits < len(NAMES) / 2


def test_a_symbol_that_is_refused_keeps_no_other_from_being_registered(
    tmp_path: Path,
) -> None:
    path = tmp_path / "day.journal"
    with SessionJournal(path, SessionData()) as journal:
        with pytest.raises(SeriesConflictError, match="1m"):
            journal.register_symbols(
                [("AAA", "1m", ["5m"]), ("BBB", "1m", ["1m"]), ("CCC", "1m", [])]
            )
        written = journal.session_data._symbols
    assert written == ["AAA", "CCC"]
    assert recover(path)._symbols == written
