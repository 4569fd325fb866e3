"""The store beside dicts that are computed afresh: arrivals in any disorder, every answer after each of them."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapeloom.bars import BarData
from tapeloom.errors import DuplicateBarError, InvalidBarError, TapeloomWarning
from tapeloom.session_data import SessionData
from tests.compare import (
    bar_data,
    columns,
    derived_facts,
    gap_runs,
    plain,
    plain_derived,
    report_of,
    stored,
)
from tests.days import ALL_MARKETS, MARKETS_IN_PAIRS, Market, us_day
from tests.reference.gaps import expected_starts
from tests.reference.schedule import MINUTE, to_ns
from tests.reference.session import Store
from tests.strategies import Arrival, arrivals, bar_at, fewer

if TYPE_CHECKING:
    from tests.reference.bars import Bar

STREAMED, CORRECTED, EXTENDED, LATE = 1, 4, 16, 128
DERIVED = ("5m", "1h", "1d")
SYMBOLS = ("AAA", "BBB")
OUTCOMES = {
    "accepted": "accepted",
    "late": "late",
    "duplicate": "duplicates",
    "correction": "corrections",
    "rejected": "rejected",
    "quarantined": "quarantined",
}
FULL = us_day("2025-07-02")
HALF = us_day("2025-07-03")


class Policy(NamedTuple):
    """The policies of a store."""

    completeness: str = "any"
    on_duplicate: str = "replace"
    on_invalid: str = "error"


POLICIES = [
    Policy(completeness, on_duplicate, on_invalid)
    for completeness in ("any", "complete")
    for on_duplicate, on_invalid in (
        ("replace", "error"),
        ("replace", "skip"),
        ("ignore", "error"),
        ("ignore", "skip"),
        ("error", "error"),
    )
]
policies = st.sampled_from(POLICIES)


def pair(market: Market, policy: Policy) -> tuple[SessionData, Store]:
    """Return a store of the package and one of the reference under the same policies."""
    rules = policy._asdict()
    session = SessionData(exchange_group=market.group, **rules)
    for symbol in SYMBOLS:
        session.register_symbol(symbol, base_interval="1m", derived=DERIVED)
    return session, Store(market.days, **rules)


def offer(session: SessionData, symbol: str, bar: Bar) -> str:
    try:
        return str(session.add_bar(symbol, bar_data(symbol, bar)))
    except (InvalidBarError, DuplicateBarError):
        return "rejected"


def offer_batch(
    session: SessionData, arrival: Arrival, on_invalid: str
) -> Counter[str]:
    # Both forms of a batch take turns.
    bars = (
        columns(arrival.bars)
        if len(arrival.bars) % 2
        else [bar_data(arrival.symbol, bar) for bar in arrival.bars]
    )
    try:
        report = session.add_bars_batch(arrival.symbol, bars, on_invalid=on_invalid)
    except (InvalidBarError, DuplicateBarError):
        return Counter({"rejected": len(arrival.bars)})
    return Counter(
        {outcome: getattr(report.counts, field) for outcome, field in OUTCOMES.items()}
    )


def feed(session: SessionData, store: Store, arrival: Arrival) -> None:
    """Offer one arrival to both and compare the outcomes."""
    if arrival.is_batch:
        got = offer_batch(session, arrival, store.on_invalid)
        assert +got == +store.offer_batch(arrival.symbol, arrival.bars)
        return
    for bar in arrival.bars:
        assert offer(session, arrival.symbol, bar) == store.offer(arrival.symbol, bar)


def assert_same(session: SessionData, store: Store, symbol: str) -> None:
    """Every answer of the package is that of the reference."""
    assert_same_bars(session, store, symbol)
    for interval in DERIVED:
        assert plain_derived(session.get_bars(symbol, interval)) == derived_facts(
            store.derived(symbol, interval)
        )
    assert_same_metrics(session, store, symbol)
    assert session.get_quality(symbol) == pytest.approx(store.quality(symbol))
    assert gap_runs(session, symbol) == store.gaps(symbol)
    assert_same_counts(session, store, symbol)


def assert_same_bars(session: SessionData, store: Store, symbol: str) -> None:
    bars = store.bars(symbol)
    assert stored(session.get_bars(symbol)) == bars
    assert stored(session.get_bars(symbol, scope="history")) == store.bars(
        symbol, "history"
    )
    assert stored(session.get_all_bars(symbol)) == store.bars(symbol, "all")
    assert session.get_bar_count(symbol) == len(bars)
    latest = session.get_latest_bar(symbol)
    assert (None if latest is None else plain(latest)) == (bars[-1] if bars else None)
    for n in (0, 1, 7, 10_000):
        assert (
            stored(session.get_last_n_bars(symbol, n)) == bars[max(0, len(bars) - n) :]
        )
    for ts in {bar.ts for bar in bars[:: max(1, len(bars) // 3)]}:
        assert stored(session.get_bars_since(symbol, ts)) == [
            bar for bar in bars if bar.ts >= ts
        ]
        cut = [bar for bar in bars if ts <= bar.ts < ts + 9 * MINUTE]
        assert stored(session.get_bars(symbol, start=ts, end=ts + 9 * MINUTE)) == cut


def assert_same_flags(session: SessionData, store: Store, symbol: str) -> None:
    series = store.series.get(symbol)
    read = session.get_bars(symbol)
    for ts, flags in zip(read.ts.tolist(), read.flags.tolist(), strict=True):
        assert series is not None
        assert bool(flags & EXTENDED) == store.is_extended(ts)
        assert bool(flags & CORRECTED) == (ts in series.corrected)
        # Whether a corrected bar keeps or gains the flag is left open.
        assert bool(flags & LATE) == (ts in series.late) or ts in series.corrected


def assert_same_metrics(session: SessionData, store: Store, symbol: str) -> None:
    got, expected = session.get_session_metrics(symbol), store.metrics(symbol)
    assert got["symbol"] == symbol
    assert got["bar_quality"] == pytest.approx(store.quality(symbol))
    if expected is None:
        assert (got["bar_count"], got["session_volume"]) == (0, 0.0)
        return
    exact = (
        got["session_volume"],
        got["session_high"],
        got["session_low"],
        got["bar_count"],
    )
    assert exact == (expected.volume, expected.high, expected.low, expected.bar_count)
    assert to_ns(got["last_update"]) == expected.last_update
    vwap = (
        got["vwap"] if expected.vwap is None else pytest.approx(got["vwap"], rel=1e-12)
    )
    assert vwap == expected.vwap


def assert_same_counts(session: SessionData, store: Store, symbol: str) -> None:
    series = store.series.get(symbol)
    if series is None:
        return
    counts = session.get_ingest_counts(symbol)
    assert counts.balanced
    got = {outcome: getattr(counts, field) for outcome, field in OUTCOMES.items()}
    assert got == {outcome: series.counts[outcome] for outcome in OUTCOMES}
    assert counts.offered == series.counts["offered"] == sum(got.values())
    assert len(session.get_revisions(symbol)) == len(series.revisions)
    reasons = sorted(reason for _, reason in session.get_quarantine(symbol))
    assert reasons == sorted(reason for _, reason in series.quarantine)
    if store.current is None:
        return
    report = report_of(session, symbol)
    due = store.due()
    present = sum(ts in series.session for ts in due)
    assert (report.expected, report.present, report.missing) == (
        len(due),
        present,
        len(due) - present,
    )
    assert report.duplicates == series.repeats
    assert report.out_of_session == store.out_of_session(symbol)
    assert report.off_grid == reasons.count("off_grid")
    # Whether bars that found no place count as out of order is left open.
    assert (
        series.out_of_order
        <= report.out_of_order
        <= series.out_of_order + series.out_of_order_unplaced
    )


@pytest.mark.parametrize("market", ALL_MARKETS, ids=lambda market: market.group)
@fewer(2)
@given(data=st.data())
def test_a_session_answers_as_the_reference_does(
    market: Market, data: st.DataObject
) -> None:
    session, store = pair(market, data.draw(policies))
    index = data.draw(st.integers(0, len(market.days) - 1))
    day = market.days[index]
    before = market.days[index - 1] if index > 0 else None
    after = market.days[index + 1] if index + 1 < len(market.days) else None
    session.start_new_session(day.date)
    store.start_session(day.date)
    sequence = data.draw(arrivals(day, before=before, after=after))
    # The session may end with bars still to come.
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
    total = session.get_ingest_counts()
    assert total.balanced
    assert total.offered == sum(len(arrival.bars) for arrival in sequence)


@fewer(4)
@given(data=st.data())
def test_after_every_single_bar_the_answers_are_those_of_the_reference(
    data: st.DataObject,
) -> None:
    session, store = pair(ALL_MARKETS[0], data.draw(policies))
    session.start_new_session(FULL.date)
    store.start_session(FULL.date)
    sequence = data.draw(arrivals(FULL, before=us_day("2024-12-02"), after=HALF))
    bars = [(arrival.symbol, bar) for arrival in sequence for bar in arrival.bars]
    for symbol, bar in bars[:60]:
        feed(session, store, Arrival(symbol, (bar,), is_batch=False))
        assert_same(session, store, symbol)


@pytest.mark.parametrize(
    "market", MARKETS_IN_PAIRS, ids=lambda m: f"{m.group} {m.days[0].date}"
)
@fewer(5)
@given(data=st.data())
def test_a_new_session_starts_empty_and_keeps_history(
    market: Market, data: st.DataObject
) -> None:
    first, second = market.days
    session, store = pair(market, data.draw(policies))
    for day, other in ((first, None), (second, first)):
        session.start_new_session(day.date)
        store.start_session(day.date)
        assert session.current_session_date == day.date
        assert not session.session_ended
        for symbol in SYMBOLS:
            assert session.get_bar_count(symbol) == 0
        for arrival in data.draw(arrivals(day, before=other)):
            feed(session, store, arrival)
        session.end_session()
        store.end_session()
        assert session.session_ended
        for symbol in SYMBOLS:
            assert_same_bars(session, store, symbol)
            assert_same_metrics(session, store, symbol)


@fewer(2)
@given(data=st.data())
def test_before_any_session_every_bar_is_kept_without_a_schedule(
    data: st.DataObject,
) -> None:
    market = ALL_MARKETS[0]
    session, store = pair(market, data.draw(policies))
    for symbol, bars, is_batch in data.draw(
        arrivals(FULL, before=us_day("2024-12-02"), after=HALF)
    ):
        # Without a schedule nothing says whether a bar between two minutes belongs to a bucket.
        on_the_minute = tuple(bar for bar in bars if bar.ts % MINUTE == 0)
        feed(session, store, Arrival(symbol, on_the_minute, is_batch))
    assert session.current_session_date is None
    for symbol in SYMBOLS:
        assert_same(session, store, symbol)
        assert session.get_quality(symbol) is None


@given(data=st.data())
def test_reads_of_many_symbols_are_the_reads_of_each(data: st.DataObject) -> None:
    session, store = pair(ALL_MARKETS[0], data.draw(policies))
    session.start_new_session(FULL.date)
    store.start_session(FULL.date)
    for arrival in data.draw(arrivals(FULL)):
        feed(session, store, arrival)
    for interval in (None, "5m"):
        latest = session.get_latest_bars_multi([" aaa ", "BBB"], interval)
        assert list(latest) == ["AAA", "BBB"]
        assert latest == {
            symbol: session.get_latest_bar(symbol, interval) for symbol in latest
        }
    assert session.get_active_symbols() == set(SYMBOLS)


def test_an_unknown_symbol_among_many_reads_as_none_with_a_warning() -> None:
    session, _ = pair(ALL_MARKETS[0], Policy())
    session.start_new_session(FULL.date)
    with pytest.warns(TapeloomWarning, match="ABSENT"):
        latest = session.get_latest_bars_multi(["absent", "AAA"])
    assert latest == {"ABSENT": None, "AAA": None}


@fewer(2)
@given(data=st.data())
def test_a_sequence_offered_twice_leaves_the_bars_as_they_were(
    data: st.DataObject,
) -> None:
    session, _ = pair(ALL_MARKETS[0], Policy("any", "ignore", "skip"))
    session.start_new_session(FULL.date)
    sequence = data.draw(arrivals(FULL))
    for arrival in sequence:
        offer_batch(session, arrival, "skip")
    once = {
        symbol: (session.get_bars(symbol), session.get_bars(symbol, "5m"))
        for symbol in SYMBOLS
    }
    for arrival in sequence:
        offer_batch(session, arrival, "skip")
    assert {
        symbol: (session.get_bars(symbol), session.get_bars(symbol, "5m"))
        for symbol in SYMBOLS
    } == once


def test_a_read_keeps_what_it_showed_through_everything_that_follows() -> None:
    session, _ = pair(ALL_MARKETS[0], Policy(on_invalid="skip"))
    session.start_new_session(FULL.date)
    starts = expected_starts(FULL, MINUTE)
    for ts in starts[:100]:
        session.add_bar("AAA", bar_data("AAA", bar_at(ts)))
    held = [
        session.get_bars("AAA"),
        session.get_last_n_bars("AAA", 20),
        session.get_bars_since("AAA", starts[50]),
    ]
    shown = [stored(read) for read in held]
    for ts in starts[:100:3]:
        session.add_bar("AAA", bar_data("AAA", bar_at(ts, 1)))
    session.add_bars_batch("AAA", columns([bar_at(ts) for ts in starts]))
    assert [stored(read) for read in held] == shown
    session.start_new_session(HALF.date)
    session.clear_all()
    assert [stored(read) for read in held] == shown


def test_columns_of_a_read_cannot_be_written() -> None:
    session, _ = pair(ALL_MARKETS[0], Policy())
    session.start_new_session(FULL.date)
    session.add_bar("AAA", bar_data("AAA", bar_at(FULL.open)))
    read = session.get_bars("AAA")
    for column in (
        read.ts,
        read.open,
        read.high,
        read.low,
        read.close,
        read.volume,
        read.flags,
    ):
        assert not column.flags.writeable
        assert not column.flags.owndata


def test_bars_of_a_session_are_flagged_as_streamed() -> None:
    session, _ = pair(ALL_MARKETS[0], Policy())
    session.start_new_session(FULL.date)
    session.add_bars_batch(
        "AAA", columns([bar_at(ts) for ts in (FULL.open, FULL.close)])
    )
    assert session.get_bars("AAA").flags.tolist() == [STREAMED, STREAMED | EXTENDED]


def test_an_invalid_row_in_a_batch_stores_nothing_and_is_named() -> None:
    session, _ = pair(ALL_MARKETS[0], Policy())
    session.start_new_session(FULL.date)
    bars = [bar_at(ts) for ts in expected_starts(FULL, MINUTE)]
    bars[7] = bars[7]._replace(close=float("nan"))
    with pytest.raises(InvalidBarError, match=r"\b7\b"):
        session.add_bars_batch("AAA", columns(bars))
    assert session.get_bar_count("AAA") == 0
    report = session.add_bars_batch("AAA", columns(bars), on_invalid="skip")
    assert (report.counts.accepted, report.counts.rejected) == (389, 1)
    counts = session.get_ingest_counts("AAA")
    assert (counts.offered, counts.rejected, counts.balanced) == (780, 391, True)


def test_a_few_sparse_bars_of_a_new_symbol_are_minutes() -> None:
    session = SessionData()
    report = session.add_bars_batch(
        "AAA", columns([bar_at(FULL.open), bar_at(FULL.open + 3 * MINUTE)])
    )
    assert report.counts.accepted == 2
    assert session["AAA"].base_interval == "1m"


def test_bars_longer_than_a_session_are_kept_without_a_grid() -> None:
    session = SessionData()
    session.register_symbol("AAA", base_interval="1w")
    session.start_new_session(FULL.date)
    weekly = BarData("AAA", FULL.open, 1, 1, 1, 1, 1, interval="1w")
    assert session.add_bar("AAA", weekly) == "accepted"
    assert session.get_quality("AAA") is None
    assert session.get_bars("AAA").flags.tolist() == [STREAMED]
