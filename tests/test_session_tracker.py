"""The tracker of sessions, which is deprecated: figures of the right date or none."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tapeloom import BarData, SessionData, TimeManager, get_session_data
from tapeloom.errors import ArgumentTypeError, TapeloomWarning, UnknownSymbolError
from tapeloom.session_tracker import SessionTracker, get_session_tracker
from tapeloom.statuses import TradingStatus
from tests.compare import bar_data, instant
from tests.days import US, us_day
from tests.reference.bars import Bar
from tests.reference.schedule import MINUTE
from tests.reference.session import Store

if TYPE_CHECKING:
    from tests.reference.schedule import TradingDay

FULL, HALF, LAST = us_day("2025-07-02"), us_day("2025-07-03"), us_day("2025-07-07")


def tracker(session: SessionData) -> SessionTracker:
    with pytest.warns(DeprecationWarning, match="use SessionData.get_session_metrics"):
        return get_session_tracker(session)


def session_at(day: TradingDay, **policies: Any) -> SessionData:
    session = SessionData(**policies)
    session.register_symbol("AAA")
    session.start_new_session(day.date)
    return session


def add(session: SessionData, day: TradingDay, minute: int, price: float) -> None:
    bar = Bar(day.open + minute * MINUTE, price, price + 1, price - 1, price, 10.0)
    session.add_bar("AAA", bar_data("AAA", bar))


def test_the_warning_points_at_the_caller() -> None:
    with pytest.warns(DeprecationWarning, match="get_session_tracker") as caught:
        get_session_tracker(SessionData())
    assert caught[0].filename == __file__


def test_without_a_session_the_process_wide_one_is_tracked() -> None:
    with pytest.warns(DeprecationWarning, match="get_session_tracker"):
        assert get_session_tracker()._session_data is get_session_data()


def test_what_is_no_session_cannot_be_tracked() -> None:
    with (
        pytest.warns(DeprecationWarning, match="get_session_tracker"),
        pytest.raises(ArgumentTypeError, match="session_data is str"),
    ):
        get_session_tracker("AAPL")  # type: ignore[arg-type]


@pytest.mark.parametrize("asked", [None, FULL.date])
def test_the_current_date_is_answered_by_the_session(asked: date | None) -> None:
    session = session_at(FULL)
    add(session, FULL, 0, 100)
    add(session, FULL, 3, 105)
    found = tracker(session).get_session_metrics("aaa ", asked)
    assert found == session.get_session_metrics("AAA")
    assert (found["session_high"], found["bar_quality"]) == (106, 50)


def test_an_earlier_date_is_never_answered_with_the_figures_of_another() -> None:
    session = session_at(FULL)
    add(session, FULL, 0, 100)
    session.start_new_session(HALF.date, roll=True)
    add(session, HALF, 0, 200)
    session.start_new_session(LAST.date, roll=True)
    add(session, LAST, 0, 300)
    found = tracker(session)
    highs = [
        found.get_session_metrics("AAA", day.date)["session_high"]
        for day in (FULL, HALF, LAST)
    ]
    assert highs == [101, 201, 301]


@pytest.mark.parametrize(
    "asked",
    [
        date(2025, 7, 1),
        date(2025, 7, 4),
        date(2025, 7, 5),
        date(2025, 7, 8),
        date(1900, 1, 2),
    ],
    ids=["before", "holiday", "weekend", "later", "outside the table"],
)
def test_a_date_of_which_nothing_is_stored_has_no_figures(asked: date) -> None:
    session = session_at(FULL)
    add(session, FULL, 0, 100)
    session.start_new_session(HALF.date, roll=True)
    assert tracker(session).get_session_metrics("AAA", asked) == {}


def test_a_date_that_was_dropped_from_history_has_no_figures() -> None:
    session = session_at(FULL, historical_bars_trailing_days=0)
    add(session, FULL, 0, 100)
    session.start_new_session(HALF.date, roll=True)
    assert tracker(session).get_session_metrics("AAA", FULL.date) == {}


def test_a_date_with_bars_out_of_hours_only_has_no_figures() -> None:
    session = session_at(FULL)
    add(session, FULL, -30, 100)
    session.start_new_session(HALF.date, roll=True)
    assert tracker(session).get_session_metrics("AAA", FULL.date) == {}


def test_before_the_first_session_a_date_is_answered_from_what_is_stored() -> None:
    session = SessionData()
    for day, price in ((FULL, 100), (HALF, 200)):
        add(session, day, 0, price)
    found = tracker(session)
    assert found.get_session_metrics("AAA", FULL.date)["session_high"] == 101
    assert found.get_session_metrics("AAA", HALF.date)["bar_count"] == 1


def test_the_calendar_that_the_session_began_with_holds() -> None:
    manager = TimeManager("US_EQUITY")
    session = session_at(FULL, time_manager=manager)
    add(session, FULL, 0, 100)
    session.start_new_session(HALF.date, roll=True)
    manager.add_holiday(FULL.date, "closed afterwards")
    assert tracker(session).get_session_metrics("AAA", FULL.date)["bar_count"] == 1


def test_history_that_is_not_measured_counts_as_whole() -> None:
    session = session_at(FULL, measure_history_quality=False)
    add(session, FULL, 0, 100)
    session.start_new_session(HALF.date, roll=True)
    found = tracker(session).get_session_metrics("AAA", FULL.date)
    assert found["bar_quality"] == 100


def test_minutes_without_a_trade_are_not_due_where_that_is_expected() -> None:
    session = session_at(FULL, no_trade="expected")
    for minute in (0, 1, 4, 5):
        add(session, FULL, minute, 100)
    halted = TradingStatus(instant(FULL.open + 2 * MINUTE), "halted")
    trading = TradingStatus(instant(FULL.open + 3 * MINUTE), "trading")
    for status in (halted, trading):
        session.append_status("AAA", status)
    session.start_new_session(HALF.date, roll=True)
    found = tracker(session).get_session_metrics("AAA", FULL.date)
    # 09:33 is not due; 09:32, which a halt covers, and what follows 09:35 are.
    assert found["bar_quality"] == 100 * 4 / 389


def test_negative_prices_that_the_session_took_are_in_the_figures() -> None:
    session = session_at(FULL, allow_negative_prices=True)
    add(session, FULL, 0, -37)
    session.start_new_session(HALF.date, roll=True)
    found = tracker(session).get_session_metrics("AAA", FULL.date)
    assert found["session_low"] == -38


def test_an_unknown_symbol_has_no_figures_and_a_warning_or_an_error() -> None:
    for asked in (None, LAST.date):
        with pytest.warns(TapeloomWarning, match="AAB is not kept; did you mean"):
            assert tracker(session_at(FULL)).get_session_metrics("AAB", asked) == {}
        with pytest.raises(UnknownSymbolError):
            tracker(session_at(FULL, strict=True)).get_session_metrics("AAB", asked)


@pytest.mark.parametrize(
    "asked", ["2025-07-02", datetime(2025, 7, 2, tzinfo=UTC), 20250702]
)
def test_what_is_no_date_is_refused(asked: Any) -> None:
    with pytest.raises(ArgumentTypeError, match=r"date is .*; give a datetime.date"):
        tracker(session_at(FULL)).get_session_metrics("AAA", asked)


@settings(max_examples=25)
@given(data=st.data())
def test_every_date_has_the_figures_that_a_plain_computation_gives(
    data: st.DataObject,
) -> None:
    days = (FULL, HALF, LAST)
    session, plain = SessionData(), {day.date: Store(US.days) for day in days}
    session.register_symbol("AAA")
    for day in days:
        session.start_new_session(day.date, roll=True)
        plain[day.date].start_session(day.date)
        minutes = data.draw(st.lists(st.integers(-5, 30), max_size=12))
        for minute in minutes:
            price = data.draw(st.integers(50, 60)) + 0.1
            ts = day.open + minute * MINUTE
            bar = Bar(ts, price, price + 0.3, price - 0.7, price, minute % 7 + 0.1)
            session.add_bar("AAA", bar_data("AAA", bar))
            plain[day.date].offer("AAA", bar)
        session.end_session()
        plain[day.date].end_session()
    found = tracker(session)
    for day in days[:-1]:
        answer = found.get_session_metrics("AAA", day.date)
        expected = plain[day.date].metrics("AAA")
        if expected is None:
            assert answer == {}
            continue
        assert answer.pop("last_update") == BarData(
            "AAA", expected.last_update, 1, 1, 1, 1, 1
        ).timestamp.astimezone(session.timezone)
        assert answer == {
            "symbol": "AAA",
            "session_volume": expected.volume,
            "session_high": expected.high,
            "session_low": expected.low,
            "vwap": expected.vwap,
            "bar_quality": plain[day.date].quality("AAA"),
            "bar_count": expected.bar_count,
        }
