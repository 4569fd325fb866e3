"""Poison: whatever the bars after an instant are, no answer at or before it changes by a byte."""

from __future__ import annotations

from itertools import takewhile
from random import Random
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

import tapeloom
from tests.compare import long_columns
from tests.days import ALL_MARKETS, MARKETS_IN_PAIRS, US, Market
from tests.reference.bars import Bar
from tests.reference.gaps import expected_starts
from tests.reference.schedule import HOUR, MINUTE, TradingDay
from tests.strategies import bar_at, fewer, streams

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tapeloom.bars import BarData, Bars
    from tapeloom.session_data import SessionData

Tape = dict[str, list[Bar]]
Answers = dict[str, object]
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
        if not kept and not new:
            # A symbol without any bar in the window would be dropped from the run.
            new = [absurd(days[-1].close - MINUTE, rng)]
        garbage[symbol] = kept + sorted(new, key=lambda bar: bar.ts)
    return garbage


def instants(day: TradingDay) -> st.SearchStrategy[int]:
    """Return the minutes of a day from one after the open to the close."""
    return st.integers(1, (day.close - day.open) // MINUTE).map(
        lambda minute: day.open + minute * MINUTE
    )


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
) -> Answers:
    """Return every public answer of the store as plain values and bytes, by the question."""
    answers: Answers = {
        "active symbols": sorted(session.get_active_symbols()),
        "date": session.current_session_date,
        "ended": session.session_ended,
        "counts": session.get_ingest_counts(),
        "quarantine": [repr(entry) for entry in session.get_quarantine()],
        "state hash": session.state_hash(),
        "epoch": session.epoch,
    }
    for interval in INTERVALS:
        many = session.get_latest_bars_multi(symbols, interval)
        answers[f"latest of all, {interval}"] = {
            symbol: image_of_bar(bar) for symbol, bar in many.items()
        }
        for scope in SCOPES:
            last = session.group(symbols, interval).last(7, scope=scope)
            answers[f"last of all, {interval}, {scope}"] = {
                name: (column.shape, column.tobytes()) for name, column in last.items()
            }
            panel = session.matrix("close", symbols, interval, scope=scope)
            answers[f"matrix, {interval}, {scope}"] = (
                panel.ts.tobytes(),
                panel.values.tobytes(),
            )
        for symbol in symbols:
            for scope in SCOPES:
                answers |= image_of_series(session, symbol, interval, scope, clock)
    for symbol in symbols:
        answers[f"{symbol} metrics"] = session.get_session_metrics(symbol)
        answers[f"{symbol} report"] = session.get_quality_report(symbol)
        answers[f"{symbol} counts"] = session.get_ingest_counts(symbol)
        answers[f"{symbol} revisions"] = [
            repr(revision) for revision in session.get_revisions(symbol)
        ]
        answers[f"{symbol} quarantine"] = [
            repr(entry) for entry in session.get_quarantine(symbol)
        ]
        answers[f"{symbol} gaps"] = [repr(gap) for gap in session.get_gaps(symbol)]
        answers[f"{symbol} summary"] = session.get_gap_summary(symbol, scope="all")
        answers[f"{symbol} explained"] = [
            str(session.explain(symbol, ts))
            for ts in range(clock - 10 * MINUTE, clock + 10 * MINUTE, MINUTE)
        ]
    answers["whole state"] = repr(session.to_dict())
    return answers


def image_of_series(
    session: SessionData, symbol: str, interval: str | None, scope: str, clock: int
) -> Answers:
    reads = {
        f"last {n}": session.get_last_n_bars(symbol, n, interval, scope=scope)
        for n in (0, 1, 20, 100_000)
    }
    for ts in (0, clock - 10 * MINUTE, clock, clock + HOUR):
        reads[f"since {ts}"] = session.get_bars_since(symbol, ts, interval, scope=scope)
    reads["all"] = session.get_bars(symbol, interval, scope=scope)
    until = clock + 24 * HOUR
    reads["range"] = session.get_bars(
        symbol, interval, start=clock - HOUR, end=until, scope=scope
    )
    name = f"{symbol} {interval} {scope}"
    answers: Answers = {
        f"{name} {question}": image_of_bars(bars) for question, bars in reads.items()
    }
    answers[f"{name} latest"] = image_of_bar(
        session.get_latest_bar(symbol, interval, scope=scope)
    )
    answers[f"{name} count"] = session.get_bar_count(symbol, interval, scope=scope)
    answers[f"{name} quality"] = session.get_quality(symbol, interval, scope=scope)
    answers[f"{name} gaps"] = session.get_gaps(symbol, interval, scope=scope)
    return answers


def answers_until(
    tape: Tape,
    days: Sequence[TradingDay],
    group: str,
    until: int,
    *,
    history_days: int = 0,
    every: int = 1,
    completeness: str = "any",
) -> dict[int, Answers]:
    """Return, by instant up to ``until``, the batch, and at each ``every``-th and the last ones all answers."""
    batches = tapeloom.replay(
        long_columns(tape),
        start=days[0].date,
        end=days[-1].date,
        intervals=("1m", "5m", "1d"),
        history_days=history_days,
        exchange_group=group,
        bars={"completeness": completeness},
    )
    known: dict[int, Answers] = {}
    for number, batch in enumerate(takewhile(lambda batch: batch.ts <= until, batches)):
        known[batch.ts] = {
            "batch": (batch.time, [image_of_bar(bar) for bar in batch.bars])
        }
        if number % every == 0 or until - batch.ts < 3 * MINUTE:
            known[batch.ts] |= image_of_session(batch.session, list(tape), batch.ts)
    return known


def changed(
    before: dict[int, Answers], after: dict[int, Answers]
) -> list[tuple[int, str]]:
    """Return instant and question of each answer that is not the same."""
    questions = {
        (ts, question)
        for known in (before, after)
        for ts, answers in known.items()
        for question in answers
    }
    nothing = object()
    return sorted(
        (ts, question)
        for ts, question in questions
        if before.get(ts, {}).get(question, nothing)
        != after.get(ts, {}).get(question, nothing)
    )


@pytest.mark.parametrize("market", ALL_MARKETS, ids=lambda market: market.group)
@fewer(3)
@given(data=st.data())
def test_bars_after_an_instant_change_nothing_at_or_before_it(
    market: Market, data: st.DataObject
) -> None:
    day = data.draw(st.sampled_from(market.days))
    tape = data.draw(streams([day], symbols=("AAA", "BBB")))
    cut = data.draw(instants(day))
    garbage = poisoned(tape, [day], cut, seed=data.draw(st.integers(0, 999)))
    completeness = data.draw(st.sampled_from(["any", "complete"]))
    clean, after_poison = (
        answers_until(
            given_tape, [day], market.group, cut, every=20, completeness=completeness
        )
        for given_tape in (tape, garbage)
    )
    assert changed(clean, after_poison) == []


@pytest.mark.parametrize(
    "market", MARKETS_IN_PAIRS, ids=lambda m: f"{m.group} {m.days[0].date}"
)
@fewer(5)
@given(data=st.data())
def test_bars_of_later_sessions_change_nothing_in_earlier_ones(
    market: Market, data: st.DataObject
) -> None:
    days = list(market.days)
    tape = data.draw(streams(days, symbols=("AAA", "BBB")))
    cut = data.draw(instants(data.draw(st.sampled_from(days))))
    garbage = poisoned(tape, days, cut, seed=data.draw(st.integers(0, 999)))
    clean, after_poison = (
        answers_until(given_tape, days, market.group, cut, history_days=1, every=40)
        for given_tape in (tape, garbage)
    )
    assert changed(clean, after_poison) == []


@pytest.mark.parametrize("minute", [1, 4, 5, 6, 29, 30, 61, 209, 210])
def test_every_answer_of_a_half_day_with_holes_is_blind_to_what_follows(
    minute: int,
) -> None:
    days = list(US.days[6:8])
    half = days[1]
    tape: Tape = {}
    for salt, symbol in enumerate(("AAA", "BBB", "CCC")):
        starts = [ts for day in days for ts in expected_starts(day, MINUTE)]
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
    clean = answers_until(tape, days, "US_EQUITY", cut, history_days=1, every=60)
    for seed in range(3):
        garbage = poisoned(tape, days, cut, seed=seed)
        assert (
            changed(
                clean,
                answers_until(
                    garbage, days, "US_EQUITY", cut, history_days=1, every=60
                ),
            )
            == []
        )


def test_a_tape_cut_off_at_an_instant_gives_the_same_answers_up_to_it() -> None:
    half = US.days[7]
    grid = list(enumerate(expected_starts(half, MINUTE)))
    tape = {
        symbol: [bar_at(ts, salt) for number, ts in grid if number % 9 != salt]
        for salt, symbol in enumerate(("AAA", "BBB"))
    }
    cut = half.open + 97 * MINUTE
    cut_off = {
        symbol: [bar for bar in bars if bar.ts + MINUTE <= cut]
        for symbol, bars in tape.items()
    }
    clean = answers_until(tape, [half], "US_EQUITY", cut, every=10)
    assert (
        changed(clean, answers_until(cut_off, [half], "US_EQUITY", cut, every=10)) == []
    )


def test_the_poison_itself_is_seen_after_the_instant() -> None:
    half = US.days[7]
    tape = {"AAA": [bar_at(ts) for ts in expected_starts(half, MINUTE)]}
    cut = half.open + HOUR
    later = cut + 30 * MINUTE
    garbage = poisoned(tape, [half], cut, seed=1)
    clean = answers_until(tape, [half], "US_EQUITY", later)
    differences = changed(clean, answers_until(garbage, [half], "US_EQUITY", later))
    assert {question for _, question in differences} >= {
        "batch",
        "AAA metrics",
        "AAA 5m session all",
    }
    assert min(ts for ts, _ in differences) > cut
