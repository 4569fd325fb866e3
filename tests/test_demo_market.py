from __future__ import annotations

from dataclasses import fields
from datetime import date

import numpy as np
import pytest

from tapeloom.calendars import get_session_table, to_day
from tapeloom.demo.instruments import INSTRUMENTS, WITH_EXTENDED_HOURS
from tapeloom.demo.market import (
    FIRST_DATE,
    LAST_DATE,
    STORED_FROM,
    Columns,
    Market,
    make_market,
)

TABLE = get_session_table("US_EQUITY")
MINUTE = 60_000_000_000
COLUMNS = [field.name for field in fields(Columns)]


@pytest.fixture(scope="module")
def market() -> Market:
    return make_market(TABLE)


def sessions(first: date, last: date) -> range:
    start, stop = np.searchsorted(TABLE.dates, [to_day(first), to_day(last) + 1])
    return range(int(start), int(stop))


def grid(first: date = STORED_FROM, last: date = LAST_DATE) -> np.ndarray:
    return np.concatenate([TABLE.grid(i, "1m") for i in sessions(first, last)])


def test_the_window_has_25_sessions_a_holiday_a_half_day_and_a_clock_change() -> None:
    window = sessions(FIRST_DATE, LAST_DATE)
    assert len(window) == 25
    assert TABLE.index_of(to_day(date(2024, 11, 28))) is None
    assert sorted({len(TABLE.grid(i, "1m")) for i in window}) == [210, 390]
    assert len({int(TABLE.opens[i]) % (1440 * MINUTE) for i in window}) == 2


def test_the_market_is_the_same_twice(market: Market) -> None:
    again = make_market(TABLE)
    assert again.planted == market.planted
    for symbol, columns in market.columns.items():
        for name in COLUMNS:
            assert np.array_equal(
                getattr(columns, name), getattr(again.columns[symbol], name)
            )


def test_another_seed_makes_another_market(market: Market) -> None:
    other = make_market(TABLE, seed=1)
    assert not np.array_equal(
        other.columns["ALDERA"].close, market.columns["ALDERA"].close
    )


def test_there_are_20_symbols_with_six_letters(market: Market) -> None:
    assert list(market.columns) == [share.symbol for share in INSTRUMENTS]
    assert len(set(market.columns)) == 20
    assert all(len(symbol) == 6 and symbol.isalpha() for symbol in market.columns)


def test_every_bar_is_valid(market: Market) -> None:
    for c in market.columns.values():
        assert (np.diff(c.ts) > 0).all()
        assert (c.low <= np.minimum(c.open, c.close)).all()
        assert (c.high >= np.maximum(c.open, c.close)).all()
        assert (c.low > 0).all()
        assert (c.volume >= 1).all()


def test_prices_are_cents_and_volumes_whole_shares(market: Market) -> None:
    for c in market.columns.values():
        assert np.array_equal(c.close, np.round(c.close, 2))
        assert np.array_equal(c.volume, np.rint(c.volume))


def test_regular_bars_lie_on_the_grid_of_the_calendar(market: Market) -> None:
    for symbol, c in market.columns.items():
        if symbol not in WITH_EXTENDED_HOURS:
            assert np.isin(c.ts, grid()).all()


def test_what_is_missing_in_the_run_is_what_is_counted_as_planted(
    market: Market,
) -> None:
    due = grid(FIRST_DATE)
    missing = {
        symbol: int((~np.isin(due, c.ts)).sum()) for symbol, c in market.columns.items()
    }
    assert missing == market.planted.missing


def test_the_outage_takes_17_minutes_of_every_symbol_and_no_more(
    market: Market,
) -> None:
    outage = market.planted.outage
    end = outage.start + outage.minutes * MINUTE
    assert outage.minutes == 17
    for c in market.columns.values():
        assert not ((c.ts >= outage.start) & (c.ts < end)).any()
        assert np.isin([outage.start - MINUTE, end], c.ts).all()


def test_the_halt_takes_35_minutes_of_one_symbol(market: Market) -> None:
    halt = market.planted.halt
    end = halt.start + halt.minutes * MINUTE
    halted = [
        s
        for s, c in market.columns.items()
        if not ((c.ts >= halt.start) & (c.ts < end)).any()
    ]
    assert (halted, halt.minutes) == ([halt.symbol], 35)


def test_thin_symbols_trade_about_half_of_the_minutes_in_clusters(
    market: Market,
) -> None:
    due = grid()
    for symbol in market.planted.thin:
        present = np.isin(due, market.columns[symbol].ts)
        assert 0.38 <= present.mean() <= 0.62
        # A coin thrown per minute would change state in every second minute.
        assert np.mean(present[1:] != present[:-1]) < 0.35


def test_quiet_spells_are_shorter_than_the_outage(market: Market) -> None:
    outage = market.planted.outage
    due = grid()
    due = due[(due < outage.start) | (due >= outage.start + outage.minutes * MINUTE)]
    for symbol in market.planted.thin:
        here = np.flatnonzero(np.isin(due, market.columns[symbol].ts))
        assert int(np.diff(here).max()) - 1 < outage.minutes


def test_two_symbols_have_bars_outside_regular_hours(market: Market) -> None:
    due = grid()
    start = int(TABLE.span_starts[sessions(FIRST_DATE, FIRST_DATE)[0]])
    outside = {
        s: int(((c.ts >= start) & ~np.isin(c.ts, due)).sum())
        for s, c in market.columns.items()
    }
    assert {s for s, n in outside.items() if n} == set(WITH_EXTENDED_HOURS)
    assert sum(outside.values()) == market.planted.extended_bars


def test_volume_is_highest_at_both_ends_of_the_day(market: Market) -> None:
    day = TABLE.grid(sessions(FIRST_DATE, FIRST_DATE)[0], "1m")
    total = sum(
        c.volume[np.searchsorted(c.ts, day)]
        for s, c in market.columns.items()
        if s not in market.planted.thin
    )
    thirds = [part.mean() for part in np.array_split(np.asarray(total), [60, 330])]
    assert min(thirds[0], thirds[2]) > 1.5 * thirds[1]
