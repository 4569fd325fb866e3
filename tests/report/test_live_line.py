"""What is shown of a live run, for made-up states of it."""

from __future__ import annotations

import io
from dataclasses import replace
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapeloom.live.live_health import (
    LiveHealth,
    LiveState,
    SymbolHealth,
    SymbolState,
)
from tapeloom.report.live_line import MOST_LINES, live_line, live_lines
from tapeloom.report.live_view import LiveView

ZONE = ZoneInfo("America/New_York")
NOON = int(datetime(2025, 7, 2, 12, tzinfo=ZONE).timestamp()) * 10**9
FILL = "AAPL 11:50-11:55: 5 missing for 38 s, filled 5/5 from history"


def symbol(
    name: str,
    state: SymbolState = SymbolState.LIVE,
    *,
    lag: float | None = 20.0,
    gaps: int = 0,
    missing: int = 0,
    filled: int = 0,
) -> SymbolHealth:
    last = None if lag is None else NOON - round(lag * 10**9)
    return SymbolHealth(name, state, lag, last, gaps, missing, filled)


def health(*symbols: SymbolHealth, **changes: Any) -> LiveHealth:
    made = LiveHealth(
        state=LiveState.LIVE,
        clock=NOON,
        session_date=date(2025, 7, 2),
        symbols={each.symbol: each for each in symbols},
        is_connected=True,
        outages=0,
        feed=None,
        journal={"mode": "strict", "state": "running", "cause": None},
        bounds={"events": (0, 65_536)},
        counts={"events": 0, "bars": 12_345, "corrections": 0},
        lag_seconds=0.4,
    )
    return replace(made, **changes)


def test_a_good_day_is_two_lines() -> None:
    good = health(*(symbol(f"S{number}") for number in range(500)))

    assert live_lines(good, ZONE) == [
        "LIVE 12:00:00, 500 symbols, 12,345 bars, lag 0.4 s",
        "LIVE     500 symbols",
    ]


def test_symbols_are_grouped_by_state_worst_first_and_the_worst_are_named() -> None:
    shown = live_lines(
        health(
            symbol("OK"),
            symbol("SLOW", lag=185.0),
            symbol("A", SymbolState.FILLING, gaps=1, missing=2, filled=7),
            symbol("B", SymbolState.GAP, gaps=1, missing=1),
            symbol("C", SymbolState.GAP, gaps=2, missing=9, lag=600.0),
            symbol("D", SymbolState.GAP, gaps=1, missing=1, lag=None),
            symbol("E", SymbolState.GAP, gaps=1, missing=3),
            state=LiveState.GAP,
            fills=("older", FILL),
        ),
        ZONE,
    )

    assert shown == [
        "GAP 12:00:00, 7 symbols, 12,345 bars, lag 0.4 s",
        "GAP      4 symbols, 14 bars missing in 5 gaps, "
        "C (9 missing, newest 10:00 min ago), E (3 missing), B (1 missing) and 1 more",
        "FILLING  1 symbol, 2 bars missing in 1 gap, 7 filled, A (2 missing)",
        "LIVE     2 symbols, SLOW (newest 3:05 min ago)",
        FILL,
    ]


def test_a_queue_that_fills_is_told_of_and_what_keeps_the_newest_is_not() -> None:
    bounds = {"events": (40_000, 65_536), "aside": (1_000, 1_000), "fills": (100, 100)}
    (whole, _, trouble) = live_lines(health(symbol("AAPL"), bounds=bounds), ZONE)

    assert whole.startswith("LIVE")
    assert trouble == "events 40,000 of 65,536 waiting"
    assert "fills" not in live_line(health(symbol("AAPL"), bounds=bounds), ZONE)


def test_an_outage_says_so_at_once() -> None:
    lost = health(
        symbol("AAPL", SymbolState.STALE),
        state=LiveState.STALE,
        is_connected=False,
        outages=2,
    )

    assert live_lines(lost, ZONE) == [
        "STALE 12:00:00, 1 symbol, 12,345 bars, lag 0.4 s, not connected, 2 outages",
        "STALE    1 symbol",
    ]


def test_before_the_open_the_session_that_comes_is_named() -> None:
    night = health(symbol("AAPL", lag=None), state=LiveState.WAITING)

    assert (
        live_lines(night, ZONE)[0]
        == "WAITING 12:00:00, 1 symbol, session of 2025-07-02 comes"
    )


def test_while_it_warms_up_it_says_so_and_not_that_the_feed_is_down() -> None:
    warm = health(
        symbol("AAPL", SymbolState.STALE, lag=None),
        state=LiveState.WARMING,
        is_connected=False,
    )
    line = "WARMING 12:00:00, 1 symbol, history and the session so far are fetched"

    assert live_lines(warm, ZONE) == [line]
    assert live_line(warm, ZONE) == line


def test_a_feed_that_was_lost_is_told_of_while_the_next_session_warms_up() -> None:
    lost = health(
        symbol("AAPL", SymbolState.STALE),
        state=LiveState.WARMING,
        is_connected=False,
        outages=1,
    )

    assert live_lines(lost, ZONE) == [
        "WARMING 12:00:00, 1 symbol, history and the session so far are fetched, not connected, 1 outage",
        "STALE    1 symbol",
    ]


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        (
            {
                "state": LiveState.DEGRADED,
                "journal": {"state": "degraded", "cause": "disk full"},
            },
            "the journal cannot be written: disk full",
        ),
        (
            {"counts": {"bars": 1, "refused": 2, "malformed": 3, "overruns": 1}},
            "2 refused, 3 unreadable, 1 overrun",
        ),
        (
            {"bounds": {"events": (40_000, 65_536), "journal": (0, 0)}},
            "events 40,000 of 65,536 waiting",
        ),
    ],
    ids=["journal", "counts", "queue"],
)
def test_what_went_wrong_has_a_line_of_its_own(
    changes: dict[str, Any], line: str
) -> None:
    troubled = health(symbol("AAPL"), **changes)

    assert live_lines(troubled, ZONE)[-1] == line
    assert line in live_line(troubled, ZONE)


def test_a_log_has_one_line_with_what_is_wrong_first() -> None:
    one = live_line(
        health(
            symbol("OK"),
            symbol("A", SymbolState.FILLING, gaps=1, missing=2, filled=7),
            symbol("B", SymbolState.GAP, gaps=1, missing=1),
            state=LiveState.GAP,
        ),
        ZONE,
    )

    assert one == (
        "GAP 12:00:00, 3 symbols, 12,345 bars, lag 0.4 s; GAP B (1 missing); FILLING A (2 missing); "
        "3 bars missing in 2 gaps, 7 filled"
    )


STATES = st.sampled_from(list(SymbolState))


@given(
    st.lists(
        st.tuples(STATES, st.integers(0, 9), st.none() | st.floats(0, 1e6)), max_size=40
    ),
    st.sampled_from(list(LiveState)),
    st.booleans(),
)
def test_whatever_happens_there_are_few_lines_and_every_symbol_is_counted_once(
    given_symbols: list[tuple[SymbolState, int, float | None]],
    state: LiveState,
    connected: bool,
) -> None:
    made = [
        symbol(f"S{k}", each, missing=missing, gaps=missing, lag=lag)
        for k, (each, missing, lag) in enumerate(given_symbols)
    ]
    shown = health(*made, state=state, is_connected=connected, fills=(FILL,))
    lines = live_lines(shown, ZONE)
    counted = [
        int(line[9:].split()[0])
        for line in lines[1:]
        if line[:8].strip() in list(SymbolState)
    ]

    assert len(lines) <= MOST_LINES
    # Of a feed that was never heard of nobody can say that it is down.
    is_new = state is LiveState.WARMING and not connected
    unknown = [each for each in made if is_new and each.state is SymbolState.STALE]
    assert sum(counted) == len(made) - len(unknown)
    assert "\n" not in live_line(shown, ZONE)


class Watch:
    """Seconds that are set."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_off_a_terminal_a_plain_line_comes_at_once_and_then_every_ten_seconds() -> None:
    out, watch = io.StringIO(), Watch()
    with LiveView(ZONE, out, now=watch) as view:
        for watch.now in (0.0, 1.0, 9.9, 10.0, 12.0, 20.5):
            view(health(symbol("AAPL"), lag_seconds=watch.now))

    assert [line.split("lag ")[1] for line in out.getvalue().splitlines()] == [
        "0.0 s",
        "10.0 s",
        "20.5 s",
    ]


class FakeTerminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_in_a_terminal_the_lines_are_drawn_in_place_and_leave_nothing_behind(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TERM", "xterm")
    out = FakeTerminal()
    with LiveView(ZONE, out, now=Watch()) as view:
        view(health(symbol("[AAPL]", SymbolState.GAP, missing=1, gaps=1)))

    # Brackets are text, and what was drawn is erased at the end.
    assert "[AAPL] (1 missing)" in out.getvalue()
    assert out.getvalue().endswith("\x1b[2K")
