"""Poison: whatever the bars after an instant are, no answer at or before it changes by a byte."""

from __future__ import annotations

from itertools import takewhile
from random import Random
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tapeloom
from tests.compare import long_columns
from tests.days import ALL_MARKETS, MARKETS_IN_PAIRS, US, Market
from tests.reference.bars import Bar
from tests.reference.gaps import expected_starts
from tests.reference.schedule import HOUR, MINUTE, TradingDay
from tests.strategies import bar_at, streams

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tapeloom.session_data import SessionData

    from tapeloom.bars import BarData, Bars

Tape = dict[str, list[Bar]]
INTERVALS = (None, "1m", "5m", "1d")
SCOPES = ("session", "history", "all")


def poisoned(tape: Tape, days: Sequence[TradingDay], after: int, *, seed: int) -> Tape:
    """Return the tape with garbage for every bar that is not known at the instant."""
    rng = Random(seed)
    # Every minute of the days and some out of hours: bars go missing, new ones appear, extended hours change.
    places = [ts for day in days for ts in expected_starts(day, MINUTE)]
    places += [
        ts
        for day in days
        for ts in (day.open - HOUR, day.open - MINUTE, day.close, day.close + MINUTE)
    ]
    future = sorted(ts for ts in places if ts + MINUTE > after)
    garbage: Tape = {}
    for symbol, bars in tape.items():
        kept = [bar for bar in bars if bar.ts + MINUTE <= after]
        new = [absurd(ts, rng) for ts in future if rng.random() < 0.4]
        new += [absurd(bar.ts, rng) for bar in new if rng.random() < 0.1]
        garbage[symbol] = kept + sorted(new, key=lambda bar: bar.ts)
    return garbage


def absurd(ts: int, rng: Random) -> Bar:
    low = rng.choice([1e-9, 1e9, rng.random()])
    high = low * rng.choice([1.0, 1e6])
    return Bar(ts, low, high, low, high, rng.choice([0.0, 1e15, 0.25]))


def image_of_bars(bars: Bars) -> tuple[object, ...]:
    arrays = (
        bars.ts,
        bars.open,
        bars.high,
        bars.low,
        bars.close,
        bars.volume,
        bars.flags,
        bars.constituents,
    )
    return (
        bars.symbol,
        str(bars.interval),
        len(bars),
        *(array.tobytes() for array in arrays),
    )


def image_of_bar(bar: BarData | None) -> tuple[object, ...] | None:
    if bar is None:
        return None
    values = (bar.open, bar.high, bar.low, bar.close, bar.volume)
    return (
        bar.symbol,
        str(bar.interval),
        bar.ts,
        *(value.hex() for value in values),
        bar.flags,
        bar.constituents,
        bar.end,
    )


def image_of_session(
    session: SessionData, symbols: Sequence[str], clock: int
) -> dict[str, object]:
    """Return every public answer of the store as plain values and bytes."""
    image: dict[str, object] = {
        "active": sorted(session.get_active_symbols()),
        "date": session.current_session_date,
        "ended": session.session_ended,
        "counts": session.get_ingest_counts(),
        "quarantine": [repr(entry) for entry in session.get_quarantine()],
    }
    for interval in INTERVALS:
        many = session.get_latest_bars_multi(symbols, interval)
        image[f"multi {interval}"] = {
            symbol: image_of_bar(bar) for symbol, bar in many.items()
        }
        for symbol in symbols:
            image[f"{symbol} {interval}"] = image_of_series(
                session, symbol, interval, clock
            )
    for symbol in symbols:
        image[f"{symbol} metrics"] = session.get_session_metrics(symbol)
        image[f"{symbol} counts"] = session.get_ingest_counts(symbol)
        image[f"{symbol} revisions"] = [
            repr(revision) for revision in session.get_revisions(symbol)
        ]
        image[f"{symbol} report"] = session.get_quality_report(symbol)
        image[f"{symbol} quarantine"] = [
            repr(entry) for entry in session.get_quarantine(symbol)
        ]
    return image


def image_of_series(
    session: SessionData, symbol: str, interval: str | None, clock: int
) -> list[object]:
    image: list[object] = [
        session.get_gaps(symbol, interval),
        session.get_quality(symbol, interval),
    ]
    image.append(
        [repr(revision) for revision in session.get_revisions(symbol, interval)]
    )
    image.append(image_of_bars(session.get_all_bars(symbol, interval)))
    image.append(
        session.get_ingest_counts(symbol, interval)
        if interval in (None, "1m")
        else None
    )
    for scope in SCOPES:
        image.append(
            image_of_bar(session.get_latest_bar(symbol, interval, scope=scope))
        )
        image.append(session.get_bar_count(symbol, interval, scope=scope))
        image.append(session.get_quality(symbol, interval, scope=scope))
        image.append(session.get_gaps(symbol, interval, scope=scope))
        reads = [
            session.get_last_n_bars(symbol, n, interval, scope=scope)
            for n in (0, 1, 20, 100_000)
        ]
        since = (0, clock - 10 * MINUTE, clock, clock + HOUR)
        reads += [
            session.get_bars_since(symbol, ts, interval, scope=scope) for ts in since
        ]
        reads.append(session.get_bars(symbol, interval, scope=scope))
        reads.append(
            session.get_bars(
                symbol, interval, start=clock - HOUR, end=clock + 24 * HOUR, scope=scope
            )
        )
        image.append([image_of_bars(read) for read in reads])
    return image


def answers_until(
    tape: Tape,
    days: Sequence[TradingDay],
    group: str,
    until: int,
    *,
    history_days: int = 0,
    every: int = 1,
) -> list[object]:
    """Return all batches at or before an instant with all answers at each ``every``-th of them and at the last."""
    batches = tapeloom.replay(
        long_columns(tape),
        start=days[0].date,
        end=days[-1].date,
        intervals=("1m", "5m", "1d"),
        history_days=history_days,
        exchange_group=group,
    )
    symbols = list(tape)
    answers: list[object] = []
    for number, batch in enumerate(takewhile(lambda batch: batch.ts <= until, batches)):
        answers.append(
            (batch.ts, batch.time, [image_of_bar(bar) for bar in batch.bars])
        )
        if number % every == 0 or until - batch.ts < 3 * MINUTE:
            answers.append(image_of_session(batch.session, symbols, batch.ts))
    return answers


@pytest.mark.parametrize("market", ALL_MARKETS, ids=lambda market: market.group)
@settings(max_examples=15)
@given(data=st.data())
def test_bars_after_an_instant_change_nothing_at_or_before_it(
    market: Market, data: st.DataObject
) -> None:
    day = data.draw(st.sampled_from(market.days))
    tape = data.draw(streams([day], symbols=("AAA", "BBB")))
    cut = (
        day.open + data.draw(st.integers(1, (day.close - day.open) // MINUTE)) * MINUTE
    )
    garbage = poisoned(tape, [day], cut, seed=data.draw(st.integers(0, 999)))
    clean_answers = answers_until(tape, [day], market.group, cut, every=20)
    assert (
        answers_until(with_data(garbage, day), [day], market.group, cut, every=20)
        == clean_answers
    )


def with_data(tape: Tape, day: TradingDay) -> Tape:
    """Return the tape with a last regular bar for each symbol that the poison left without one."""
    last = bar_at(day.close - MINUTE)
    return {symbol: bars or [last] for symbol, bars in tape.items()}


@pytest.mark.parametrize(
    "market", MARKETS_IN_PAIRS, ids=lambda m: f"{m.group} {m.days[0].date}"
)
@settings(max_examples=5)
@given(data=st.data())
def test_bars_of_later_sessions_change_nothing_in_earlier_ones(
    market: Market, data: st.DataObject
) -> None:
    days = list(market.days)
    tape = data.draw(streams(days, symbols=("AAA", "BBB")))
    day = data.draw(st.sampled_from(days))
    cut = (
        day.open + data.draw(st.integers(1, (day.close - day.open) // MINUTE)) * MINUTE
    )
    garbage = with_data(
        poisoned(tape, days, cut, seed=data.draw(st.integers(0, 999))), days[-1]
    )
    clean_answers = answers_until(
        tape, days, market.group, cut, history_days=1, every=40
    )
    assert (
        answers_until(garbage, days, market.group, cut, history_days=1, every=40)
        == clean_answers
    )


@pytest.mark.parametrize("minute", [1, 4, 5, 6, 29, 30, 61, 209, 210])
def test_every_answer_of_a_half_day_with_holes_is_blind_to_what_follows(
    minute: int,
) -> None:
    before, half = US.days[6:8]
    tape: Tape = {}
    for salt, symbol in enumerate(("AAA", "BBB", "CCC")):
        starts = [ts for day in (before, half) for ts in expected_starts(day, MINUTE)]
        bars = [
            bar_at(ts, salt)
            for number, ts in enumerate(starts)
            if (number * (salt + 3)) % 11 or salt == 0
        ]
        extended = [
            bar_at(ts, salt)
            for ts in (half.open - HOUR, half.close, half.close + MINUTE)
        ]
        tape[symbol] = sorted(bars + extended)
    cut = half.open + minute * MINUTE
    days = [before, half]
    clean_answers = answers_until(
        tape, days, "US_EQUITY", cut, history_days=1, every=60
    )
    for seed in range(3):
        garbage = poisoned(tape, days, cut, seed=seed)
        assert (
            answers_until(garbage, days, "US_EQUITY", cut, history_days=1, every=60)
            == clean_answers
        )


def test_a_tape_cut_off_at_an_instant_gives_the_same_answers_up_to_it() -> None:
    half = US.days[7]
    tape = {
        symbol: [
            bar_at(ts, salt)
            for number, ts in enumerate(expected_starts(half, MINUTE))
            if number % 9 != salt
        ]
        for salt, symbol in enumerate(("AAA", "BBB"))
    }
    cut = half.open + 97 * MINUTE
    cut_off = {
        symbol: [bar for bar in bars if bar.ts + MINUTE <= cut]
        for symbol, bars in tape.items()
    }
    clean_answers = answers_until(tape, [half], "US_EQUITY", cut, every=10)
    assert answers_until(cut_off, [half], "US_EQUITY", cut, every=10) == clean_answers


def test_the_poison_itself_is_seen_after_the_instant() -> None:
    half = US.days[7]
    tape = {"AAA": [bar_at(ts) for ts in expected_starts(half, MINUTE)]}
    garbage = poisoned(tape, [half], half.open + HOUR, seed=1)
    later = half.open + HOUR + 30 * MINUTE
    assert answers_until(garbage, [half], "US_EQUITY", later) != answers_until(
        tape, [half], "US_EQUITY", later
    )
