"""Pre- and post-market beside plain Python: any order of arrival, replay, loaded columns, and what is not known yet."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapeloom import SessionData
from tapeloom._core import Replay, resample
from tapeloom.calendars.days import to_day
from tests.compare import derived_facts, plain, plain_derived
from tests.core.loaded import bars_of
from tests.core.test_store import (
    Policy,
    assert_same,
    assert_same_flags,
    feed,
    policies,
)
from tests.days import MARKETS_IN_PAIRS, TOKYO, US, Market
from tests.reference.bars import Bar
from tests.reference.derived import resample as reference_resample
from tests.reference.replay import replay as reference_replay
from tests.reference.schedule import MINUTE, to_ns
from tests.reference.session import Store
from tests.strategies import arrivals, bar_at, fewer, present_extended, present_starts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tapeloom._core import Batch
    from tests.reference.schedule import TradingDay

DERIVED = ("5m", "1h", "1d")
SYMBOLS = ("AAA", "BBB")
PLAIN = Policy()
modes = st.sampled_from(["show", "full"])
us_days = st.sampled_from(US.days)
US_PAIRS = [market for market in MARKETS_IN_PAIRS if market.group == US.group]


def store_of(market: Market, mode: str, policy: Policy = PLAIN) -> SessionData:
    """Return a store of the package in which both symbols are kept."""
    session = SessionData(market.group, extended_hours=mode, **policy._asdict())
    for symbol in SYMBOLS:
        session.register_symbol(symbol, base_interval="1m", derived=DERIVED)
    return session


@st.composite
def tapes(draw: st.DrawFn, days: Sequence[TradingDay]) -> dict[str, list[Bar]]:
    """Bars of two symbols over some days, extended hours included; the first one always has some."""
    tape = {}
    for salt, symbol in enumerate(SYMBOLS):
        starts = [ts for day in days for ts in draw(present_extended(day))]
        starts += [ts for day in days for ts in draw(present_starts(day))]
        tape[symbol] = [bar_at(ts, salt) for ts in sorted(starts)]
    return tape


def play(
    session: SessionData, day: TradingDay, tape: dict[str, list[Bar]]
) -> list[Batch]:
    """Play one session to the end of its post-market and return all batches."""
    table = session.session_table
    index = table.index_of(to_day(day.date))
    assert index is not None
    sources = [
        (symbol, bars_of(tape[symbol], "1m", table, symbol)) for symbol in SYMBOLS
    ]
    replay = Replay(session, sources, close=int(table.post_closes[index]))
    batches = []
    while not (batch := replay.run(each_instant=True)).ended:
        batches.append(batch)
    return batches


@pytest.mark.parametrize("market", [US, TOKYO], ids=lambda market: market.group)
@fewer(2)
@given(data=st.data())
def test_a_session_with_extended_hours_answers_as_the_reference_does(
    market: Market, data: st.DataObject
) -> None:
    policy, mode = data.draw(policies), data.draw(modes)
    session = store_of(market, mode, policy)
    store = Store(market.days, extended_hours=mode, **policy._asdict())
    index = data.draw(st.integers(0, len(market.days) - 1))
    day = market.days[index]
    before = market.days[index - 1] if index > 0 else None
    session.start_new_session(day.date)
    store.start_session(day.date)
    sequence = data.draw(arrivals(day, before=before, extended=True))
    end_before = data.draw(st.integers(max(0, len(sequence) - 1), len(sequence)))
    for number, arrival in enumerate(sequence):
        if number == end_before:
            session.end_session()
            store.end_session()
        feed(session, store, arrival)
        for symbol in SYMBOLS:
            assert_same(session, store, symbol)
    if not session.session_ended:
        session.end_session()
        store.end_session()
    for symbol in SYMBOLS:
        assert_same(session, store, symbol)
        assert_same_flags(session, store, symbol)


@fewer(2)
@given(data=st.data())
def test_a_replay_goes_through_the_instants_of_extended_hours_as_the_reference_does(
    data: st.DataObject,
) -> None:
    day, mode = data.draw(us_days), data.draw(modes)
    completeness = data.draw(st.sampled_from(["any", "complete"]))
    tape = data.draw(tapes([day]))
    session = store_of(US, mode, Policy(completeness))
    session.start_new_session(day.date)
    batches = play(session, day, tape)
    expected = reference_replay(
        [day],
        tape,
        derived=DERIVED,
        completeness=completeness,
        extended_hours=mode,
    )
    assert [batch.ts for batch in batches] == [batch.ts for batch in expected]
    for got, batch in zip(batches, expected, strict=True):
        bars = [(bar.symbol, bar.interval, plain(bar)) for bar in got.bars]
        assert bars == [
            (item.symbol, item.interval, Bar(*item.bar[:6])) for item in batch.items
        ]
        assert all(to_ns(bar.end) == got.ts for bar in got.bars)


@fewer(2)
@given(data=st.data())
def test_loaded_columns_give_the_bars_of_extended_hours_that_streaming_gives(
    data: st.DataObject,
) -> None:
    days = data.draw(st.sampled_from(US_PAIRS)).days
    mode = data.draw(modes)
    completeness = data.draw(st.sampled_from(["any", "complete"]))
    tape = data.draw(tapes(days))
    session = store_of(US, mode, Policy(completeness))
    for day in days:
        session.start_new_session(day.date, roll=day is not days[0])
        within = {
            symbol: [bar for bar in bars if day.span[0] <= bar.ts < day.span[1]]
            for symbol, bars in tape.items()
        }
        play(session, day, within)
        session.end_session()
    table = session.session_table
    sources = [bars_of(bars, "1m", table, symbol) for symbol, bars in tape.items()]
    made = resample(
        sources,
        DERIVED,
        table,
        completeness=completeness,
        extended_hours=mode,
    )
    for symbol, coarse in zip(SYMBOLS, made, strict=True):
        for interval, bars in zip(DERIVED, coarse, strict=True):
            assert bars == session.get_all_bars(symbol, interval)
            ends = [bar.end for bar in session.get_all_bars(symbol, interval)]
            assert [bar.end for bar in bars] == ends


@pytest.mark.parametrize("anchor", ["session", "segment", "clock"])
@fewer(3)
@given(data=st.data())
def test_coarser_bars_of_extended_hours_are_those_of_the_reference_from_any_anchor(
    anchor: str, data: st.DataObject
) -> None:
    market = data.draw(st.sampled_from(US_PAIRS))
    mode, interval = data.draw(modes), data.draw(st.sampled_from(["7m", "45m", "3h"]))
    completeness = data.draw(st.sampled_from(["any", "complete"]))
    tape = data.draw(tapes(market.days))
    table = SessionData(market.group).session_table
    source = bars_of(tape["AAA"], "1m", table)
    rules: dict[str, Any] = {
        "completeness": completeness,
        "anchor": anchor,
        "extended_hours": mode,
    }
    ((got, days),) = resample([source], [interval, "1d"], table, **rules)
    for bars, asked in ((got, interval), (days, "1d")):
        expected = reference_resample(
            market.days,
            tape["AAA"],
            "1m",
            asked,
            zone="America/New_York",
            **rules,
        )
        assert plain_derived(bars) == derived_facts(expected)
        assert [to_ns(bar.end) for bar in bars] == [bar.end for bar in expected]


@fewer(3)
@given(data=st.data())
def test_bars_of_extended_hours_after_an_instant_change_no_answer_before_it(
    data: st.DataObject,
) -> None:
    day, mode = data.draw(us_days), data.draw(modes)
    tape = data.draw(tapes([day]))
    minutes = (day.last_close - day.first_open) // MINUTE
    after = day.first_open + MINUTE * data.draw(st.integers(1, minutes))
    rng = Random(data.draw(st.integers(0, 2**32)))
    poisoned = {}
    for symbol, bars in tape.items():
        kept = [bar for bar in bars if bar.ts + MINUTE <= after]
        future = range(after, day.last_close, MINUTE)
        garbage = [bar_at(ts, rng.randrange(99)) for ts in future if rng.random() < 0.3]
        poisoned[symbol] = kept + garbage
    assert answers(day, mode, tape, after) == answers(day, mode, poisoned, after)


def answers(
    day: TradingDay, mode: str, tape: dict[str, list[Bar]], until: int
) -> list[object]:
    """Every answer of a store that has played up to an instant."""
    session = store_of(US, mode)
    session.start_new_session(day.date)
    table = session.session_table
    index = table.index_of(to_day(day.date))
    assert index is not None
    sources = [
        (symbol, bars_of(tape[symbol], "1m", table, symbol)) for symbol in SYMBOLS
    ]
    replay = Replay(session, sources, close=int(table.post_closes[index]))
    while not ((batch := replay.run(until=until)).held or batch.ended):
        pass
    found: list[object] = [session.state_hash(), session._clock]
    for symbol in SYMBOLS:
        found.append(session.get_session_metrics(symbol))
        found.append(session.get_gaps(symbol))
        for interval in ("1m", *DERIVED):
            bars = session.get_bars(symbol, interval)
            found.append([column.tolist() for column in bars.to_numpy().values()])
            assert all(to_ns(bar.end) <= until for bar in bars)
            found.append(session.get_latest_bar(symbol, interval))
            found.append(session.get_quality(symbol, interval))
        found += [session.get_forming_bar(symbol, interval) for interval in DERIVED]
    return found
