"""How sessions begin, end, roll and are emptied, and what a session says of itself."""

from __future__ import annotations

import gc
import logging
import weakref
from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from tapeloom.default_session import get_session_data, reset_session_data
from tapeloom.errors import (
    ArgumentError,
    ArgumentTypeError,
    IntervalError,
    OutOfCalendarError,
    StateError,
    SymbolError,
    UnknownExchangeError,
    UnknownSymbolError,
)
from tapeloom.session_data import SessionData
from tests.session_data.made import (
    DAY,
    bar,
    fill,
    minute,
    moment,
    quote,
    session_of,
    tick,
)

NEW_YORK = ZoneInfo("America/New_York")
NEXT_DAY = date(2025, 7, 3)


def test_before_a_session_there_is_no_date_and_no_hours() -> None:
    session = SessionData()
    assert session.current_session_date is None
    assert session.start_time is session.end_time is None
    assert not session.session_ended
    assert not session.is_active
    assert session.epoch == 0
    assert session.historical_bars_trailing_days is None
    assert session.historical_bars_types == []


def test_a_session_knows_its_exchange_and_its_hours() -> None:
    session = session_of()
    assert session.exchange_group == "US_EQUITY"
    assert session.timezone == NEW_YORK
    assert session.start_time == datetime(2025, 7, 2, 9, 30, tzinfo=NEW_YORK)
    assert session.end_time == datetime(2025, 7, 2, 16, 0, tzinfo=NEW_YORK)
    session.start_new_session(NEXT_DAY)
    assert session.end_time == datetime(2025, 7, 3, 13, 0, tzinfo=NEW_YORK)


def test_what_a_session_says_of_itself_cannot_be_set() -> None:
    session = session_of()
    for name in ("current_session_date", "session_ended", "is_active", "epoch"):
        with pytest.raises(AttributeError):
            setattr(session, name, None)


def test_an_unknown_exchange_is_an_error_with_a_suggestion() -> None:
    with pytest.raises(UnknownExchangeError, match="US_EQUITY"):
        SessionData("US_EQUTY")


def test_the_epoch_rises_with_every_change_that_can_be_seen() -> None:
    session = session_of("AAPL")
    epochs = [session.epoch]
    for number in (0, 1, 1, 0.5):
        session.add_bar("AAPL", bar("AAPL", number))
        epochs.append(session.epoch)
    assert epochs[0] < epochs[1] < epochs[2]
    assert epochs == sorted(epochs)


def test_a_new_session_empties_the_session_and_keeps_symbols_and_history() -> None:
    session = session_of("AAPL", derived=["5m"])
    session.add_bar("AAPL", bar("AAPL", -24 * 60))
    fill(session, "AAPL", range(10))
    session.append_quote("AAPL", quote("AAPL", 1))
    session.append_tick("AAPL", tick("AAPL", 1))
    session.set_realtime_indicator("AAPL", "ema", 1.0)
    session.end_session()
    session.start_new_session(NEXT_DAY)
    assert session.current_session_date == NEXT_DAY
    assert not session.session_ended
    assert session.get_active_symbols() == {"AAPL"}
    assert session.get_bar_count("AAPL") == session.get_bar_count("AAPL", "5m") == 0
    assert session.get_latest_quote("AAPL") is None
    assert session.get_realtime_indicator("AAPL", "ema") is None
    assert session.get_session_metrics("AAPL")["bar_count"] == 0
    assert session.get_bar_count("AAPL", scope="history") == 1


def test_a_session_that_rolls_becomes_history_which_is_trimmed() -> None:
    session = SessionData(historical_bars_trailing_days=1)
    session.register_symbol("AAPL")
    for days, day in enumerate((date(2025, 7, 1), DAY, NEXT_DAY)):
        session.start_new_session(day, roll=True)
        session.add_bar("AAPL", bar("AAPL", (days - 1) * 24 * 60))
    assert session.historical_bars_trailing_days == 1
    assert session.get_bar_count("AAPL", scope="history") == 1
    session.keep_history(0)
    session.start_new_session(date(2025, 7, 7), roll=True)
    assert session.get_bar_count("AAPL", scope="history") == 0


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (DAY, DAY),
        # Half past eight in the evening in New York.
        (datetime(2025, 7, 3, 0, 30, tzinfo=UTC), DAY),
        (datetime(2025, 7, 2, 23, 0), DAY),  # noqa: DTZ001
        (datetime(2025, 7, 5, 2, 0, tzinfo=UTC), date(2025, 7, 4)),
    ],
)
def test_a_datetime_stands_for_the_date_of_the_exchange(
    given: date, expected: date
) -> None:
    session = SessionData()
    session.start_new_session(given)
    assert session.current_session_date == expected


def test_an_evening_of_an_overnight_session_stands_for_the_date_it_trades_for() -> None:
    session = SessionData("US_FUTURES")
    chicago = ZoneInfo("America/Chicago")
    session.start_new_session(datetime(2025, 7, 1, 18, 0, tzinfo=chicago))
    assert session.current_session_date == DAY


@pytest.mark.parametrize("given", ["2025-07-02", None, 20250702, 1.5])
def test_a_session_date_that_is_none_changes_nothing(given: Any) -> None:
    session = session_of("AAPL")
    fill(session, "AAPL", range(3))
    with pytest.raises(ArgumentTypeError, match=r"session_date is .* give a datetime"):
        session.start_new_session(given)
    assert session.current_session_date == DAY
    assert session.get_bar_count("AAPL") == 3


def test_a_date_outside_the_calendar_changes_nothing() -> None:
    session = session_of("AAPL")
    fill(session, "AAPL", range(3))
    with pytest.raises(OutOfCalendarError, match="session_date"):
        session.start_new_session(date(1800, 1, 1))
    assert session.get_bar_count("AAPL") == 3


def test_a_date_without_trading_is_allowed_with_a_warning(
    caplog: pytest.LogCaptureFixture,
) -> None:
    session = SessionData()
    with caplog.at_level(logging.WARNING, "tapeloom.session_data"):
        session.start_new_session(date(2025, 7, 4))
    assert "2025-07-04 is no trading day of XNYS" in caplog.text
    fill(session, "AAPL", [2 * 24 * 60])
    assert session.get_quality("AAPL") is None
    assert session.get_bars("AAPL").flags.tolist() == [1 | 16]
    assert session.start_time is None


def test_an_ended_session_can_still_be_read() -> None:
    session = session_of("AAPL", derived=["5m"])
    fill(session, "AAPL", range(12))
    session.end_session()
    assert session.session_ended
    assert session.get_bar_count("AAPL") == 12
    # The last bucket has ended with the session.
    assert session.get_bar_count("AAPL", "5m") == 3


def test_a_session_that_never_began_cannot_end() -> None:
    with pytest.raises(StateError):
        SessionData().end_session()


def test_one_scope_is_emptied_for_all_symbols() -> None:
    session = session_of("AAPL", "MSFT")
    for symbol in ("AAPL", "MSFT"):
        fill(session, symbol, [0])
        session.add_bar(symbol, bar(symbol, -24 * 60))
    session.clear_session_bars()
    for symbol in ("AAPL", "MSFT"):
        assert session.get_bar_count(symbol) == 0
        assert session.get_bar_count(symbol, scope="history") == 1
    session.clear_historical_bars()
    assert session.get_bar_count("AAPL", scope="all") == 0
    assert session.current_session_date == DAY


def test_clearing_all_forgets_everything() -> None:
    session = session_of("AAPL")
    fill(session, "AAPL", [0])
    session.append_quote("AAPL", quote("AAPL", 0))
    session.set_historical_indicator("sma", 1)
    held = session.get_bars("AAPL")
    session.clear()
    assert session.get_active_symbols() == set()
    assert session.current_session_date is None
    assert session.get_ingest_counts().offered == 0
    assert session.get_historical_indicator("sma") is None
    assert held.close.tolist() == [100.0]
    session.register_symbol("AAPL")
    assert session.get_latest_quote("AAPL") is None


def test_a_running_session_is_not_cleared() -> None:
    session = session_of("AAPL")
    session.set_session_active(True)
    with pytest.raises(StateError, match="a session is running; stop it before"):
        session.clear_all()
    assert session.get_active_symbols() == {"AAPL"}


@pytest.mark.parametrize(
    ("days", "by_interval", "error", "message"),
    [
        (1.5, {}, ArgumentTypeError, r"days is 1\.5 \(float\); give an integer"),
        (True, {}, ArgumentTypeError, r"days is True \(bool\)"),
        (None, {}, ArgumentTypeError, r"days is None"),
        (-1, {}, ArgumentError, "days is -1; it must be 0 or more"),
        (3, {"5m": -1}, ArgumentError, r"by_interval\['5m'\] is -1; it must be 0"),
        (3, {"5m": "9"}, ArgumentTypeError, r"by_interval\['5m'\] is '9'"),
        (3, {"5x": 9}, IntervalError, "5x"),
    ],
)
def test_a_number_of_sessions_that_is_none_changes_nothing(
    days: Any, by_interval: Any, error: type[Exception], message: str
) -> None:
    session = SessionData(historical_bars_trailing_days=7)
    with pytest.raises(error, match=message):
        session.keep_history(days, by_interval=by_interval)
    assert session.historical_bars_trailing_days == 7


def test_a_store_is_not_made_with_a_number_of_sessions_that_is_none() -> None:
    with pytest.raises(ArgumentTypeError, match=r"trailing_days is 1\.5"):
        SessionData(historical_bars_trailing_days=1.5)  # type: ignore[arg-type]


def test_a_removed_symbol_is_gone_with_all_that_was_kept_of_it() -> None:
    session = session_of("AAPL", "MSFT", derived=["5m"])
    for symbol in ("AAPL", "MSFT"):
        fill(session, symbol, range(7))
        session.append_quote(symbol, quote(symbol, 0))
        session.append_tick(symbol, tick(symbol, 0))
        session.set_realtime_indicator(symbol, "ema", 1.0)
        session.set_historical_indicator(symbol, "sma", 2.0)
    held, shown = session.get_bars("AAPL"), session.get_bars("AAPL").close.tolist()
    session.remove_symbol(" aapl")
    assert session.get_active_symbols() == {"MSFT"}
    assert held.close.tolist() == shown
    assert session.get_bar_count("MSFT") == 7
    assert session.get_bar_count("MSFT", "5m") == 1
    assert len(session.get_quotes("MSFT", 9)) == 1
    session.register_symbol("AAPL")
    assert session["AAPL"].intervals == ["1m"]
    assert session.get_bar_count("AAPL") == 0
    assert session.get_ingest_counts("AAPL").offered == 0
    assert session.get_latest_quote("AAPL") is None
    assert len(session.get_ticks("AAPL", 9)) == 0
    assert session.get_realtime_indicator("AAPL", "ema") is None
    assert session.get_historical_indicator("sma") == 2.0
    fill(session, "AAPL", range(3))
    assert session.get_session_metrics("AAPL")["bar_count"] == 3


@pytest.mark.parametrize("goes", ["remove", "clear"])
def test_a_symbol_is_gone_also_where_an_interrupt_came_as_others_were_told(
    goes: str,
) -> None:
    session = session_of("AAPL")
    fill(session, "AAPL", range(2))
    assert len(session.get_bars("AAPL")) == 2

    def interrupted() -> None:
        raise KeyboardInterrupt

    session._set_waker(interrupted)
    with pytest.raises(KeyboardInterrupt):
        session._remove("AAPL") if goes == "remove" else session._clear("all")
    session._set_waker(None)
    session.register_symbol("AAPL")
    if goes == "clear":
        session.start_new_session(DAY)
    assert session.get_latest_bar("AAPL") is None
    fill(session, "AAPL", range(2, 3))
    assert session.get_bars("AAPL").ts.tolist() == [minute(2)]


def test_a_session_does_not_keep_what_hangs_on_the_text_it_was_asked_with() -> None:
    class Name(str):
        aside: set[int]

    session = session_of("AAPL")
    fill(session, "AAPL", range(2))
    name = Name("AAPL")
    name.aside = aside = {1, 2}
    gone = weakref.ref(aside)
    del aside
    assert session.get_latest_bar(name) == session.get_latest_bar("AAPL")
    del name
    gc.collect()
    assert gone() is None


def test_a_symbol_nobody_keeps_cannot_be_removed() -> None:
    session = session_of("AAPL")
    with pytest.raises(UnknownSymbolError, match=r"APPL is not kept .* 'AAPL'"):
        session.remove_symbol("APPL")
    with pytest.raises(SymbolError):
        session.remove_symbol(" ")
    assert session.get_active_symbols() == {"AAPL"}


def test_the_default_session_is_one_until_it_is_reset() -> None:
    reset_session_data()
    first = get_session_data()
    assert get_session_data() is first
    first.register_symbol("AAPL")
    reset_session_data()
    assert get_session_data() is not first
    assert first.get_active_symbols() == {"AAPL"}
    assert get_session_data().get_active_symbols() == set()


def test_the_default_session_is_not_reset_while_it_runs() -> None:
    session = get_session_data()
    session.set_session_active(True)
    with pytest.raises(StateError, match="stop it first"):
        reset_session_data()
    session.set_session_active(False)
    reset_session_data()


def test_sessions_beside_each_other_know_nothing_of_each_other() -> None:
    new_york, tokyo = session_of("AAPL"), SessionData("JP_EQUITY")
    fill(new_york, "AAPL", [0])
    assert tokyo.get_active_symbols() == set()
    assert (tokyo.epoch, tokyo.current_session_date) == (0, None)
    assert str(tokyo.timezone) == "Asia/Tokyo"


def test_a_session_says_what_it_is() -> None:
    session = session_of("AAPL")
    fill(session, "AAPL", [0])
    text = f"SessionData('US_EQUITY', 2025-07-02, 1 symbols, epoch {session.epoch})"
    assert repr(session) == text
    assert session["AAPL"].last_update == moment(0)


@pytest.mark.parametrize("again", [DAY, date(2025, 7, 1)])
def test_a_session_does_not_become_history_of_a_date_that_is_not_after_it(
    again: date,
) -> None:
    session = session_of("AAPL")
    fill(session, "AAPL", range(3))
    session.append_tick("AAPL", tick("AAPL", 0))
    epoch = session.epoch
    message = f"session_date is {again}, not after the current session 2025-07-02"
    with pytest.raises(StateError, match=message):
        session.start_new_session(again, roll=True)
    assert session.current_session_date == DAY
    assert (session.get_bar_count("AAPL"), session.epoch) == (3, epoch)
    assert len(session.get_ticks("AAPL", 1)) == 1
    session.start_new_session(again)
    assert session.get_bar_count("AAPL", scope="all") == 0


def test_bars_that_came_before_any_session_do_not_become_history_of_an_earlier_one() -> (
    None
):
    session = SessionData()
    fill(session, "AAPL", range(3))
    message = r"the session has bars to 2025-07-02 09:32:00-04:00"
    for earlier in (DAY, date(2025, 7, 1)):
        with pytest.raises(StateError, match=message):
            session.start_new_session(earlier, roll=True)
    assert session.current_session_date is None
    session.start_new_session(NEXT_DAY, roll=True)
    assert session.get_bar_count("AAPL", scope="history") == 3


@pytest.mark.parametrize("back", [DAY, date(2025, 7, 1)])
def test_who_goes_back_to_a_date_reads_no_history_from_it_on(
    back: date, caplog: pytest.LogCaptureFixture
) -> None:
    session = session_of("AAPL", derived=["5m"])
    fill(session, "AAPL", range(10))
    session.start_new_session(NEXT_DAY, roll=True)
    assert session.get_bar_count("AAPL", scope="history") == 10
    with caplog.at_level(logging.WARNING):
        session.start_new_session(back)
    assert session.get_bar_count("AAPL", scope="all") == 0
    assert session.get_bar_count("AAPL", "5m", scope="all") == 0
    assert f"history reached to {back} or beyond it" in caplog.text


def test_who_begins_a_session_again_keeps_the_history_before_it(
    caplog: pytest.LogCaptureFixture,
) -> None:
    session = session_of("AAPL")
    fill(session, "AAPL", range(3))
    session.start_new_session(NEXT_DAY, roll=True)
    session.start_new_session(NEXT_DAY)
    assert session.get_bar_count("AAPL", scope="history") == 3
    assert caplog.text == ""


def test_more_sessions_than_can_be_counted_change_nothing() -> None:
    session = SessionData(historical_bars_trailing_days=7)
    with pytest.raises(ArgumentError, match="days is too large; it must be at most"):
        session.keep_history(2**80)
    with pytest.raises(ArgumentError, match=r"by_interval\['5m'\] is too large"):
        session.keep_history(3, by_interval={"5m": 10**400})
    with pytest.raises(
        ArgumentTypeError, match=r"by_interval is 3 \(int\); give a dict"
    ):
        session.keep_history(5, by_interval=3)  # type: ignore[arg-type]
    assert session.historical_bars_trailing_days == 7


@pytest.mark.parametrize(
    ("name", "value", "error", "message"),
    [
        ("max_symbols", "a", ArgumentTypeError, r"max_symbols is 'a' \(str\); give an"),
        ("max_symbols", -1, ArgumentError, "max_symbols is -1; it must be 1 or more"),
        ("max_symbols", 0, ArgumentError, "max_symbols is 0; it must be 1 or more"),
        ("max_symbols", 2**80, ArgumentError, "max_symbols is too large"),
        ("allow_negative_prices", "x", ArgumentTypeError, "must be True or False"),
        ("strict", "no", ArgumentTypeError, r"strict is 'no' \(str\); it must be True"),
        ("measure_session_quality", "x", ArgumentTypeError, "measure_session_quality"),
        ("measure_history_quality", 1, ArgumentTypeError, "measure_history_quality is"),
        ("historical_bars_trailing_days", -1, ArgumentError, "trailing_days is -1;"),
    ],
)
def test_an_argument_of_a_session_that_breaks_its_rule_is_named(
    name: str, value: Any, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        SessionData(**{name: value})


def test_what_is_neither_true_nor_false_is_refused() -> None:
    session = session_of("AAPL")
    with pytest.raises(
        ArgumentTypeError, match=r"active is 5 \(int\); it must be True"
    ):
        session.set_session_active(5)  # type: ignore[arg-type]
    with pytest.raises(ArgumentTypeError, match=r"roll is 5 \(int\); it must be True"):
        session.start_new_session(NEXT_DAY, roll=5)  # type: ignore[arg-type]
    assert not session.is_active
    assert session.current_session_date == DAY


def test_the_rules_of_a_session_cannot_be_changed() -> None:
    session = SessionData(no_trade="expected")
    assert session.policies["no_trade"] == "expected"
    with pytest.raises(TypeError, match="item assignment"):
        session.policies["no_trade"] = "gap"  # type: ignore[index]
