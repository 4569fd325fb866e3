"""What a run leaves behind, asked for by another thread while it goes on."""

from __future__ import annotations

import sys
import threading
from typing import TYPE_CHECKING

import pytest

from tapeloom.session.tally import Tally

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def _switched_often() -> Iterator[None]:
    """Let threads take the interpreter from each other at almost every line."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(usual)


@pytest.mark.usefixtures("_switched_often")
def test_a_sum_is_whole_while_symbols_join_and_warnings_come() -> None:
    names = [f"S{number}" for number in range(300)]
    tally, is_over = Tally(names[:50]), threading.Event()

    def go_on() -> None:
        for name in names[50:]:
            tally.add_symbols([name])
            tally.warn(name, "came", symbols=[name])
        is_over.set()

    run = threading.Thread(target=go_on)
    run.start()
    try:
        while not is_over.is_set():
            found = [report.symbol for report in tally.symbols]
            assert found == names[: len(found)]
            told = [warning.symbols for warning in tally.warnings]
            assert told == [(name,) for name in names[50 : 50 + len(told)]]
    finally:
        run.join()
