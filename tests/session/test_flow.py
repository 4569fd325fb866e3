"""The log of a run at INFO: the story of its sessions, with ids that stay."""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING

import pytest

from tests.session.runs import market, prepared

if TYPE_CHECKING:
    from tapeloom.session.coordinator import SessionCoordinator

LOGGER = "tapeloom.session_flow"
STORY = """\
2.a: Complete - Config loaded: made up
2.b: Complete - US_EQUITY, clock simulated
2.c: Complete - bars in memory
2.d: Complete - 2 sessions from 2025-07-03 to 2025-07-07
2.e: Complete - plan of 2 symbols
2.f: Complete - store of US_EQUITY
2.g: Complete - coordinator and no analysis
3: Started - 2 sessions, 2 symbols
3.b: Session 2025-07-03, 1 of 2
3.b.2.PHASE_1: Complete - the store is in session 2025-07-03
PHASE_2.1: Loaded 730 bars for MSFT 1m
PHASE_2.1: Loaded 746 bars for AAPL 1m
PHASE_2.1: Loaded 156 bars for MSFT 5m
PHASE_2.1: Loaded 156 bars for AAPL 5m
PHASE_2.1: Loaded 2 bars for MSFT 1d
PHASE_2.1: Loaded 2 bars for AAPL 1d
PHASE_2.2: Computed 1 indicator of history
PHASE_2.3: Measured quality of 6 symbol/interval pairs
3.b.2.PHASE_2: Complete - history and indicators of 2 symbols
PHASE_3.1: Loaded 404 bars for 2 symbols
3.b.2.PHASE_3: Complete - 2 queues
3.b.2.PHASE_4: Complete - active from 2025-07-03 09:30:00-04:00
PHASE_5.SUMMARY: 210 batches, 404 bars, final time 13:00:00
3.b.2.PHASE_5: Complete - streamed
PHASE_6.WARNING: 16 of 420 bars are missing, in 16 gaps
3.b.2.PHASE_6: Complete - session 2025-07-03 ended
3.b: Session 2025-07-07, 2 of 2
"""


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    found = []
    for record in caplog.records:
        assert record.name == LOGGER
        text = record.getMessage()
        assert text.startswith("[SESSION_FLOW] ")
        found.append(text.removeprefix("[SESSION_FLOW] "))
    return found


def run(symbols: list[str], **changes: object) -> SessionCoordinator:
    _, coordinator = prepared(
        source=market(*symbols),
        backtest_config__start_date="2025-07-03",
        session_data_config__symbols=symbols,
        **changes,
    )
    coordinator.run()
    return coordinator


def test_a_run_at_info_reads_as_a_story(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, LOGGER):
        run(["MSFT", "AAPL"])
    told = lines(caplog)
    assert "\n".join(told[: STORY.count("\n")]) + "\n" == STORY
    assert told[-1] == "3: Complete - 2 of 2 sessions"
    # Every step of the first session comes in the second one too.
    steps = [line.split(":")[0] for line in told]
    begin, then = (at for at, step in enumerate(steps) if step == "3.b")
    assert steps[begin:then] == steps[then:-1]


def test_every_line_has_its_facts_as_fields(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, LOGGER):
        run(["MSFT"])
    by_event = {record.__dict__["event"]: record.__dict__ for record in caplog.records}
    assert by_event["PHASE_2.1"]["phase"] == "PHASE_2"
    assert by_event["PHASE_2.1"]["symbol"] == "MSFT"
    assert by_event["PHASE_5.SUMMARY"]["bars"] > 0
    assert by_event["PHASE_6.WARNING"]["levelname"] == "WARNING"
    assert by_event["3.b.2.PHASE_3"]["seconds"] >= 0.0
    known = re.compile(
        r"(2(\.[a-h])?|3(\.[ab])?|3\.b\.2\.PHASE_[1-6]|PHASE_[1-6](\.\d)?)"
        r"(\.(WARNING|ERROR|SUMMARY))?"
    )
    for event in by_event:
        assert known.fullmatch(event), event


def test_of_many_symbols_one_line_an_interval_is_told(
    caplog: pytest.LogCaptureFixture,
) -> None:
    symbols = [f"S{number:02}" for number in range(12)]
    with caplog.at_level(logging.INFO, LOGGER):
        run(symbols)
    loaded = [line for line in lines(caplog) if line.startswith("PHASE_2.1")]
    # Two sessions with three intervals each.
    assert len(loaded) == 6
    assert loaded[0].endswith("bars for 12 symbols 1m")


def test_what_a_line_of_code_says_again_is_not_dropped_with_it(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A filter that lets each line of code speak once must let each step speak."""
    seen: set[tuple[str, int, object]] = set()

    def once(record: logging.LogRecord) -> bool:
        key = record.pathname, record.lineno, record.msg
        is_new = key not in seen
        seen.add(key)
        return is_new

    caplog.handler.addFilter(once)
    try:
        with caplog.at_level(logging.INFO, LOGGER):
            run(["MSFT"])
    finally:
        caplog.handler.removeFilter(once)
    steps = {record.__dict__["event"] for record in caplog.records}
    assert steps >= {f"3.b.2.PHASE_{number}" for number in range(1, 7)}
    assert steps >= {"2.a", "2.g", "3", "3.b", "PHASE_2.1", "PHASE_2.2", "PHASE_2.3"}
