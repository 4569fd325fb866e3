"""A failure inside the core: an ordinary exception, the session says so from then on, others go on."""

from __future__ import annotations

import threading
from datetime import date
from typing import TYPE_CHECKING

import pytest

from tapeloom import SessionData
from tapeloom.errors import ArgumentError, CapacityError, InternalError, TapeloomError

if TYPE_CHECKING:
    from collections.abc import Callable

    from tapeloom.symbol_session_data import SymbolSessionData

CALLS: dict[str, Callable[[SessionData], object]] = {
    "register_symbol": lambda s: s.register_symbol("BBB"),
    "start_new_session": lambda s: s.start_new_session(date(2025, 7, 2)),
    "end_session": lambda s: s.end_session(),
    "get_latest_bar": lambda s: s.get_latest_bar("AAA"),
    "get_last_n_bars": lambda s: s.get_last_n_bars("AAA", 3),
    "get_bars": lambda s: s.get_bars("AAA"),
    "get_bar_count": lambda s: s.get_bar_count("AAA"),
    "get_latest_bars_multi": lambda s: s.get_latest_bars_multi(["AAA"]),
    "clear": lambda s: s.clear(),
}


def failed_session() -> SessionData:
    session = SessionData()
    session.register_symbol("AAA")
    with pytest.raises(InternalError, match="on purpose"):
        session._fail()
    return session


def test_a_failure_in_the_core_is_caught_as_an_exception() -> None:
    with pytest.raises(TapeloomError) as caught:
        failed_session()._fail()
    assert isinstance(caught.value, Exception)
    assert str(caught.value)


@pytest.mark.parametrize("call", CALLS)
def test_every_later_call_of_that_session_says_so(call: str) -> None:
    session = failed_session()
    with pytest.raises(InternalError, match="make a new one"):
        CALLS[call](session)


def test_a_group_of_a_failed_session_says_so() -> None:
    session = SessionData()
    session.register_symbol("AAA")
    group = session.group(["AAA"])
    with pytest.raises(InternalError):
        session._fail()
    with pytest.raises(InternalError, match="make a new one"):
        group.latest()


def test_other_sessions_go_on() -> None:
    failed_session()
    other = SessionData()
    handle: SymbolSessionData = other.register_symbol("AAA")
    assert (handle.symbol, other.get_latest_bar("AAA")) == ("AAA", None)


def test_a_failure_on_another_thread_is_raised_there() -> None:
    session = SessionData()
    caught: list[Exception] = []

    def fail() -> None:
        try:
            session._fail()
        except Exception as error:
            caught.append(error)

    thread = threading.Thread(target=fail)
    thread.start()
    thread.join()
    assert isinstance(caught[0], InternalError)


def test_one_symbol_too_many_is_refused_and_changes_nothing() -> None:
    session = SessionData(max_symbols=2)
    session.register_symbol("AAA")
    session.register_symbol("BBB")
    with pytest.raises(CapacityError, match=r"CCC would be symbol 3 .* at most 2"):
        session.register_symbol("CCC")
    session.register_symbol("AAA")
    assert session.get_active_symbols() == {"AAA", "BBB"}
    with pytest.raises(ArgumentError, match="max_symbols is 0"):
        SessionData(max_symbols=0)
