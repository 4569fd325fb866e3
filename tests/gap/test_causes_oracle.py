"""Gaps, causes and quality beside the plain reference, at any clock and whatever is reported of later times."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapeloom.quotes import TickData
from tapeloom.session_data import SessionData
from tapeloom.statuses import ConnectionEvent, TradingStatus
from tests.compare import bar_data, columns, instant, report_of
from tests.days import TOKYO, us_day
from tests.reference.causes import Explained, Report, Tape
from tests.reference.schedule import MINUTE, SECOND, TradingDay, to_ns
from tests.strategies import bar_at, fewer, present_starts

if TYPE_CHECKING:
    from collections.abc import Sequence

MARKETS = (("US_EQUITY", us_day("2025-07-03")), ("JP_EQUITY", TOKYO.days[0]))
WORDS = ("halted", "trading", "closed")


@st.composite
def instants(draw: st.DrawFn, day: TradingDay) -> int:
    """An instant in or near the first hours of a session, often on the minute."""
    minute = draw(st.integers(-5, 240))
    return day.open + minute * MINUTE + draw(st.sampled_from([0, 0, 11, 59])) * SECOND


@st.composite
def ticks(draw: st.DrawFn, day: TradingDay, starts: set[int]) -> list[int]:
    """Some trades; or one in each bar, now and then but for one, and perhaps more."""
    some = draw(st.lists(instants(day), max_size=3))
    if not starts or draw(st.booleans()):
        return some
    silent = draw(st.sampled_from([None, *sorted(starts)]))
    return sorted([*some, *(ts + 20 * SECOND for ts in starts if ts != silent)])


@st.composite
def tapes(draw: st.DrawFn, day: TradingDay, symbols: Sequence[str]) -> Tape:
    """A session in which some minutes are missing for one symbol, and some for all of them."""
    lost: set[int] = set()
    for _ in range(draw(st.integers(0, 2))):
        start = draw(instants(day)) // MINUTE * MINUTE
        lost |= {start + n * MINUTE for n in range(draw(st.integers(1, 8)))}
    starts = {s: set(draw(present_starts(day))) - lost for s in symbols}
    times = instants(day)
    about = st.sampled_from([None, *symbols])
    ranges = st.tuples(times, st.integers(1, 20), st.sampled_from(["halt", "no_trade"]))
    return Tape(
        day,
        starts,
        statuses=draw(
            st.lists(
                st.builds(Report, times, about, st.sampled_from(WORDS)), max_size=6
            )
        ),
        connections=draw(
            st.lists(
                st.builds(
                    Report,
                    times,
                    st.sampled_from(["feed", "backup"]),
                    st.sampled_from(["down", "up"]),
                ),
                max_size=4,
            )
        ),
        ticks={s: draw(ticks(day, starts[s])) for s in symbols},
        volume=lambda ts: bar_at(ts).volume,
        known={
            s: [
                (start, start + length * MINUTE, cause)
                for start, length, cause in draw(st.lists(ranges, max_size=1))
                if day.open <= start < day.open + 60 * MINUTE
            ]
            for s in symbols
        },
    )


def store_of(group: str, tape: Tape) -> SessionData:
    """A session without bars, to which everything else was reported, of later times as well."""
    policy = "expected" if tape.expects_no_trade else "gap"
    session = SessionData(group, no_trade=policy)
    for symbol in tape.starts:
        session.register_symbol(symbol, base_interval="1m")
    session.start_new_session(tape.day.date)
    for ts, about, word in tape.statuses:
        session.append_status(about, TradingStatus(ts, word))
    for ts, about, word in tape.connections:
        event = ConnectionEvent(ts, word == "up", about or "feed")
        session.append_connection(event)
    for symbol, ticks in tape.ticks.items():
        for ts in ticks:
            session.append_tick(symbol, TickData(symbol, instant(ts), 10.0, 1.0))
    for symbol, known in tape.known.items():
        for start, end, cause in known:
            session.set_gap_cause(symbol, instant(start), instant(end), cause)
    return session


def explained(session: SessionData, symbol: str) -> list[Explained]:
    """The gaps of a symbol; what is due is told by the quality report."""
    return [
        Explained(to_ns(gap.start), to_ns(gap.end), gap.missing, str(gap.cause), True)
        for gap in session.get_gaps(symbol)
    ]


def assert_agrees(session: SessionData, tape: Tape, clock: int, *, ended: bool) -> None:
    for symbol in tape.starts:
        expected = tape.gaps(symbol, clock, ended=ended)
        found = explained(session, symbol)
        assert found == [gap._replace(is_due=True) for gap in expected]
        present, due = tape.presence(symbol, clock)
        report = report_of(session, symbol)
        assert (report.present, report.expected) == (present, due)
        assert report.missing == sum(gap.missing for gap in expected if gap.is_due)
        assert report.excused == sum(gap.missing for gap in expected if not gap.is_due)
        quality = 100 * present / due if due else None
        assert session.get_quality(symbol) == pytest.approx(quality)
        assert report.quality == session.get_quality(symbol)


@pytest.mark.parametrize("expects_no_trade", [False, True], ids=["gap", "expected"])
@pytest.mark.parametrize(("group", "day"), MARKETS, ids=["US", "JP"])
@fewer(2)
@given(data=st.data())
def test_gaps_causes_and_quality_are_those_of_the_reference_at_every_clock(
    group: str, day: TradingDay, expects_no_trade: bool, data: st.DataObject
) -> None:
    symbols = ("AAA", "BBB", "CCC", "DDD")[: data.draw(st.integers(1, 4))]
    whole = data.draw(tapes(day, symbols))
    whole.expects_no_trade = expects_no_trade
    session = store_of(group, whole)
    known = Tape(**{**vars(whole), "starts": {symbol: set() for symbol in symbols}})
    stops = data.draw(st.lists(st.integers(1, 240), max_size=3, unique=True))
    clock = None
    for stop in [*sorted(stops), 10_000]:
        until = day.open + stop * MINUTE
        for symbol in symbols:
            new = [ts for ts in whole.starts[symbol] if ts + MINUTE <= until]
            new = sorted(set(new) - known.starts[symbol])
            if new:
                session.add_bars_batch(symbol, columns([bar_at(ts) for ts in new]))
                known.starts[symbol] |= set(new)
                clock = max(clock or 0, new[-1] + MINUTE)
        if clock is not None:
            assert_agrees(session, known, clock, ended=False)
    session.end_session()
    assert_agrees(session, known, day.close, ended=True)


@fewer(4)
@given(data=st.data())
def test_gaps_hold_exactly_the_due_minutes_that_did_not_come(
    data: st.DataObject,
) -> None:
    day = MARKETS[1][1]
    tape = data.draw(tapes(day, ("AAA", "BBB", "CCC")))
    session = store_of("JP_EQUITY", tape)
    for symbol, starts in tape.starts.items():
        for ts in sorted(starts):
            session.add_bar(symbol, bar_data(symbol, bar_at(ts)))
    session.end_session()
    for symbol, starts in tape.starts.items():
        inside = [
            ts
            for gap in session.get_gaps(symbol)
            for ts in tape.all_starts()
            if to_ns(gap.start) <= ts < to_ns(gap.end)
        ]
        assert inside == sorted(set(tape.all_starts()) - starts)
        assert session.get_gap_summary(symbol).missing == len(inside)
