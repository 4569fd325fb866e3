"""The handle on one symbol: live, read-only, and honest about a symbol that is gone."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

import pytest

from tapeloom.errors import (
    ArgumentTypeError,
    IntervalError,
    TapeloomWarning,
    UnknownSeriesError,
    UnknownSymbolError,
)
from tapeloom.session_data import SessionData
from tests.session_data.made import (
    DAY,
    OPEN,
    bar,
    fill,
    minute,
    moment,
    quote,
    session_of,
    tick,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from tapeloom.symbol_session_data import SymbolSessionData

NEXT_DAY = date(2025, 7, 3)

MEMBERS: dict[str, Callable[[SymbolSessionData], object]] = {
    "base_interval": lambda h: h.base_interval,
    "intervals": lambda h: h.intervals,
    "bars_1m": lambda h: h.bars_1m,
    "bars_derived": lambda h: h.bars_derived,
    "historical_bars": lambda h: h.historical_bars,
    "quotes": lambda h: h.quotes,
    "ticks": lambda h: h.ticks,
    "bar_quality": lambda h: h.bar_quality,
    "session_volume": lambda h: h.session_volume,
    "session_high": lambda h: h.session_high,
    "session_low": lambda h: h.session_low,
    "vwap": lambda h: h.vwap,
    "last_update": lambda h: h.last_update,
    "version": lambda h: h.version,
    "revision": lambda h: h.revision,
    "bars_updated": lambda h: h.bars_updated,
    "quotes_updated": lambda h: h.quotes_updated,
    "ticks_updated": lambda h: h.ticks_updated,
    "get_latest_bar": lambda h: h.get_latest_bar(),
    "get_last_n_bars": lambda h: h.get_last_n_bars(3),
    "get_bars_since": lambda h: h.get_bars_since(OPEN),
    "get_bars": lambda h: h.get_bars(),
    "get_bar_count": lambda h: h.get_bar_count(),
    "a series": lambda h: h["1m"],
}


def test_a_handle_reads_what_the_session_reads() -> None:
    session = session_of("AAPL", derived=["5m", "1h"])
    handle = session["aapl"]
    fill(session, "AAPL", range(12))
    assert handle.symbol == "AAPL"
    assert handle.base_interval == "1m"
    assert handle.intervals == ["1m", "5m", "1h"]
    assert handle.get_latest_bar() == session.get_latest_bar("AAPL")
    assert handle.get_last_n_bars(3, "5m") == session.get_last_n_bars("AAPL", 3, "5m")
    assert handle.get_bars_since(minute(9)) == session.get_bars_since("AAPL", minute(9))
    assert handle.get_bars(start=minute(3)) == session.get_bars("AAPL", start=minute(3))
    assert handle.get_bar_count("5m") == 2
    assert handle.bars_1m == session.get_bars("AAPL")


def test_a_handle_has_the_figures_of_the_session() -> None:
    session = session_of("AAPL")
    fill(session, "AAPL", [0, 1, 3])
    handle = session["AAPL"]
    assert handle.session_volume == 30.0
    assert (handle.session_high, handle.session_low) == (104.0, 99.0)
    assert handle.last_update == moment(3)
    assert handle.bar_quality == 75.0
    assert handle.vwap == pytest.approx(304 / 3)


def test_a_handle_without_a_bar_has_no_figures() -> None:
    handle = session_of("AAPL")["AAPL"]
    assert handle.session_volume == 0.0
    assert (handle.session_high, handle.session_low) == (None, None)
    assert handle.last_update is None
    assert handle.bar_quality is None


def test_derived_bars_are_a_mapping_by_interval() -> None:
    session = session_of("AAPL", derived=["1h", "5m"])
    fill(session, "AAPL", range(12))
    derived = session["AAPL"].bars_derived
    assert list(derived) == ["5m", "1h"]
    assert derived["5m"] == session.get_bars("AAPL", "5m")
    assert derived["60m"] == session.get_bars("AAPL", "1h")
    with pytest.raises(UnknownSeriesError, match="no 1m bars here; kept: 5m, 1h"):
        _ = derived["1m"]
    assert derived.get("7m") is None


def test_history_is_a_mapping_by_interval_and_session_date() -> None:
    session = session_of("AAPL", derived=["5m"])
    fill(session, "AAPL", range(10))
    session.start_new_session(NEXT_DAY, roll=True)
    session.add_bar("AAPL", bar("AAPL", 24 * 60))
    history = session["AAPL"].historical_bars
    assert list(history) == ["1m", "5m"]
    assert list(history["1m"]) == [DAY]
    assert history["1m"][DAY] == session.get_bars("AAPL", scope="history")
    assert history["5m"][DAY].ts.tolist() == [minute(0), minute(5)]
    with pytest.raises(UnknownSeriesError, match=r"no 1m history of 2025-07-03"):
        _ = history["1m"][NEXT_DAY]
    with pytest.raises(ArgumentTypeError, match=r"give a datetime\.date"):
        _ = history["1m"]["2025-07-02"]  # type: ignore[index]


def test_history_of_several_sessions_is_cut_at_each_date() -> None:
    session = SessionData()
    session.register_symbol("AAPL")
    for days, day in enumerate((date(2025, 6, 30), date(2025, 7, 1), DAY)):
        session.start_new_session(day, roll=True)
        for number in range(3):
            session.add_bar("AAPL", bar("AAPL", number + (days - 2) * 24 * 60))
    past = session["AAPL"].historical_bars["1m"]
    assert list(past) == [date(2025, 6, 30), date(2025, 7, 1)]
    assert [len(past[day]) for day in past] == [3, 3]
    assert past[date(2025, 7, 1)].ts[0] == minute(-24 * 60)


def test_history_of_a_date_without_trading_stands_under_that_date() -> None:
    session = SessionData()
    session.register_symbol("AAPL")
    holiday = date(2025, 7, 4)
    session.start_new_session(holiday)
    session.add_bar("AAPL", bar("AAPL", 2 * 24 * 60))
    session.start_new_session(date(2025, 7, 7), roll=True)
    past = session["AAPL"].historical_bars["1m"]
    assert {day: len(bars) for day, bars in past.items()} == {holiday: 1}


def test_a_handle_has_all_quotes_and_ticks_that_are_kept() -> None:
    session = session_of("AAPL")
    handle = session["AAPL"]
    assert not handle.quotes_updated
    assert not handle.ticks_updated
    session.append_quote("AAPL", quote("AAPL", 0))
    session.append_tick("AAPL", tick("AAPL", 0))
    assert handle.quotes == session.get_quotes("AAPL", 10)
    assert handle.ticks == session.get_ticks("AAPL", 10)
    assert handle.quotes_updated
    assert handle.ticks_updated


def test_updates_are_those_since_the_session_began_and_reading_does_not_end_them() -> (
    None
):
    session = session_of("AAPL")
    handle = session["AAPL"]
    assert not handle.bars_updated
    fill(session, "AAPL", [0])
    assert handle.bars_updated
    assert handle.bars_updated
    session.start_new_session(NEXT_DAY, roll=True)
    assert not handle.bars_updated


def test_what_a_handle_shows_cannot_be_set() -> None:
    handle = session_of("AAPL")["AAPL"]
    for name in ("bars_updated", "quotes_updated", "ticks_updated", "version", "new"):
        with pytest.raises(AttributeError):
            setattr(handle, name, True)


def test_a_version_rises_with_each_change_and_a_revision_with_each_correction() -> None:
    session = session_of("AAPL", derived=["5m"])
    handle = session["AAPL"]
    fill(session, "AAPL", range(5))
    version, revision = handle.version, handle.revision
    five = handle["5m"].version
    fill(session, "AAPL", [4])
    assert (handle.version, handle.revision) == (version, revision)
    session.add_bar("AAPL", bar("AAPL", 4, 50.0))
    assert handle.version > version
    assert handle.revision == revision + 1
    assert handle["5m"].version > five


def test_two_readers_can_watch_the_same_version() -> None:
    session = session_of("AAPL")
    seen = {"one": session["AAPL"].version, "two": session["AAPL"].version}
    fill(session, "AAPL", [0])
    assert all(session["AAPL"].version > version for version in seen.values())


def test_a_series_of_a_handle_reads_without_symbol_and_interval() -> None:
    session = session_of("AAPL", derived=["5m"])
    fill(session, "AAPL", range(12))
    five = session["AAPL"]["5m"]
    assert (five.symbol, five.interval) == ("AAPL", "5m")
    assert five.bars == session.get_bars("AAPL", "5m")
    assert five.get_latest_bar() == session.get_latest_bar("AAPL", "5m")
    assert five.get_last_n_bars(1) == session.get_last_n_bars("AAPL", 1, "5m")
    assert len(five.get_bars_since(minute(5))) == len(five.get_bars(end=minute(5))) == 1
    assert len(five) == five.get_bar_count() == 2
    assert five.get_forming_bar() == session.get_forming_bar("AAPL", "5m")
    assert session["AAPL"][5].interval == "5m"
    assert repr(five) == "SymbolSeries('AAPL', '5m')"


def test_a_series_nobody_keeps_is_an_error_that_says_what_is_kept() -> None:
    handle = session_of("AAPL", derived=["5m"])["AAPL"]
    with pytest.raises(UnknownSeriesError, match="AAPL has no 7m bars; kept: 1m, 5m"):
        _ = handle["7m"]
    with pytest.raises(IntervalError):
        _ = handle["7 minutes"]
    assert "5m" in handle
    assert "7m" not in handle
    assert list(handle) == ["1m", "5m"]


def test_minutes_of_a_symbol_that_has_none_are_empty_with_a_warning() -> None:
    session = SessionData()
    session.register_symbol("AAPL", base_interval="5m")
    with pytest.warns(TapeloomWarning, match="AAPL has no 1m bars; kept: 5m"):
        assert len(session["AAPL"].bars_1m) == 0


@pytest.mark.parametrize("member", sorted(MEMBERS))
def test_a_handle_on_a_removed_symbol_says_so(member: str) -> None:
    session = session_of("AAPL", "AAPLX")
    handle = session["AAPL"]
    session.remove_symbol("AAPL")
    with pytest.raises(UnknownSymbolError, match=r"AAPL was removed; .* 'AAPLX'"):
        MEMBERS[member](handle)
    assert repr(handle) == "SymbolSessionData('AAPL', removed)"


def test_a_series_of_a_removed_symbol_says_so() -> None:
    session = session_of("AAPL")
    series = session["AAPL"]["1m"]
    session.remove_symbol("AAPL")
    for read in (
        lambda: series.version,
        lambda: series.bars,
        series.get_forming_bar,
        series.get_latest_bar,
    ):
        with pytest.raises(UnknownSymbolError, match="AAPL was removed"):
            read()


def test_a_handle_reads_on_when_its_symbol_is_added_again() -> None:
    session = session_of("AAPL")
    handle = session["AAPL"]
    fill(session, "AAPL", range(3))
    session.remove_symbol("AAPL")
    fill(session, "AAPL", [5])
    assert handle.get_bar_count() == 1


class Hasty(SessionData):
    """A session from which another thread removes a symbol right after it was found."""

    is_hasty = False

    def _intervals(self, symbol: str) -> list[str]:
        found = super()._intervals(symbol)
        if self.is_hasty:
            self.is_hasty = False
            self.remove_symbol(symbol)
        return found


# They hold what was there when they were looked up.
FOUND_AT_ONCE = {"base_interval", "intervals", "bars_derived", "historical_bars"}


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize(
    "member", sorted(MEMBERS.keys() - FOUND_AT_ONCE - {"a series"})
)
def test_a_symbol_that_is_removed_in_the_middle_of_a_read_was_removed(
    member: str, strict: bool
) -> None:
    session = Hasty(strict=strict)
    session.register_symbol("AAPL")
    fill(session, "AAPL", range(3))
    handle = session["AAPL"]
    session.is_hasty = True
    with pytest.raises(UnknownSymbolError, match="symbol AAPL was removed"):
        MEMBERS[member](handle)


def test_a_series_that_is_not_kept_any_more_says_so_in_every_read() -> None:
    session = session_of("AAPL", derived=["5m"])
    five = session["AAPL"]["5m"]
    session.remove_symbol("AAPL")
    session.register_symbol("AAPL")
    for read in (
        lambda: five.version,
        lambda: five.revision,
        lambda: five.bars,
        lambda: len(five),
        five.get_latest_bar,
        five.get_forming_bar,
        five.get_bars,
    ):
        with pytest.raises(UnknownSeriesError, match="AAPL has no 5m bars; kept: 1m"):
            read()


def test_what_cannot_be_an_interval_or_a_date_is_in_no_handle() -> None:
    session = session_of("AAPL", derived=["5m"])
    fill(session, "AAPL", range(5))
    session.start_new_session(NEXT_DAY, roll=True)
    handle = session["AAPL"]
    assert "x" not in handle
    assert None not in handle
    for lookup in (handle.bars_derived, handle.historical_bars):
        assert "5m" in lookup
        assert "x" not in lookup
        assert lookup.get("x") is None
        assert lookup.get("7m") is None
    days = handle.historical_bars["1m"]
    assert DAY in days
    assert "2025-07-02" not in days
    assert days.get("2025-07-02") is None  # type: ignore[call-overload]
    with pytest.raises(IntervalError):
        _ = handle.bars_derived["x"]
