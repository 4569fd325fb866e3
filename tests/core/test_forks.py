"""Stores over a fork: in the child they refuse whatever they are asked, in the parent nothing changes."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import warnings
from contextlib import contextmanager
from datetime import date
from functools import partial
from typing import TYPE_CHECKING

import pytest

import tapeloom
from tapeloom import BarData, SessionData
from tapeloom._core import Replay
from tapeloom.errors import ForkedSessionError, StateError
from tapeloom.statuses import ConnectionEvent, TradingStatus

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.skipif(
    not hasattr(os, "fork"), reason="this system cannot fork"
)

DAY = date(2025, 7, 2)
OPEN = 1_751_463_000_000_000_000
MINUTE = 60_000_000_000
#: Seconds after which a child that hangs is ended.
LONGEST = 60


def bar(minute: int, symbol: str = "AAPL") -> BarData:
    return BarData(symbol, OPEN + minute * MINUTE, 10.0, 11.0, 9.0, 10.5, 100.0)


def session_with(bars: int) -> SessionData:
    session = SessionData()
    session.register_symbol("AAPL", derived=["5m"])
    session.start_new_session(DAY)
    for minute in range(bars):
        session.add_bar("AAPL", bar(minute))
    session.set_historical_indicator("spread", 0.5)
    return session


@contextmanager
def quiet() -> Iterator[None]:
    """Newer Pythons warn of a fork beside threads, which is what this is about."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        yield


def in_child(job: Callable[[], bool]) -> bool:
    """Whether a job holds in a forked child, which is ended where it hangs."""
    with quiet():
        child = os.fork()
    if child == 0:
        code = 2
        try:
            signal.alarm(LONGEST)
            code = 0 if job() else 1
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def is_refused(call: Callable[[], object]) -> bool:
    try:
        call()
    except ForkedSessionError as error:
        return "make one in the child" in str(error)
    return False


CALLS: dict[str, Callable[[SessionData], object]] = {
    "add_bar": lambda s: s.add_bar("AAPL", bar(50)),
    "add_bars_batch": lambda s: s.add_bars_batch("AAPL", [bar(50)]),
    "append_bar": lambda s: s.append_bar("AAPL", "1m", bar(50)),
    "append_connection": lambda s: s.append_connection(
        ConnectionEvent(OPEN, is_up=False)
    ),
    "append_status": lambda s: s.append_status(None, TradingStatus(OPEN, "halted")),
    "clear": lambda s: s.clear(),
    "contains": lambda s: "AAPL" in s,
    "end_session": lambda s: s.end_session(),
    "epoch": lambda s: s.epoch,
    "explain": lambda s: s.explain("AAPL", "09:31"),
    "get_active_symbols": lambda s: s.get_active_symbols(),
    "get_bar_count": lambda s: s.get_bar_count("AAPL", "5m"),
    "get_bars": lambda s: s.get_bars("AAPL"),
    "get_bars_since": lambda s: s.get_bars_since("AAPL", OPEN),
    "get_forming_bar": lambda s: s.get_forming_bar("AAPL", "5m"),
    "get_gaps": lambda s: s.get_gaps("AAPL"),
    "get_historical_indicator": lambda s: s.get_historical_indicator("spread"),
    "get_ingest_counts": lambda s: s.get_ingest_counts(),
    "get_last_n_bars": lambda s: s.get_last_n_bars("AAPL", 3),
    "get_latest_bar": lambda s: s.get_latest_bar("AAPL"),
    "get_latest_bars_multi": lambda s: s.get_latest_bars_multi(["AAPL"]),
    "get_latest_quote": lambda s: s.get_latest_quote("AAPL"),
    "get_quality": lambda s: s.get_quality("AAPL"),
    "get_quarantine": lambda s: s.get_quarantine(),
    "get_realtime_indicator": lambda s: s.get_realtime_indicator("AAPL", "x"),
    "get_revisions": lambda s: s.get_revisions("AAPL"),
    "get_session_metrics": lambda s: s.get_session_metrics("AAPL"),
    "get_symbol_data": lambda s: s.get_symbol_data("AAPL"),
    "is_active": lambda s: s.is_active,
    "iterate": lambda s: list(s),
    "keep_history": lambda s: s.keep_history(3),
    "matrix": lambda s: s.matrix("close"),
    "record": lambda s: s.record(value=1),
    "records": lambda s: s.records,
    "register_symbol": lambda s: s.register_symbol("MSFT"),
    "remove_symbol": lambda s: s.remove_symbol("AAPL"),
    "session date": lambda s: s.current_session_date,
    "set_gap_cause": lambda s: s.set_gap_cause("AAPL", OPEN, OPEN + MINUTE, "halt"),
    "set_historical_indicator": lambda s: s.set_historical_indicator("x", 1.0),
    "set_membership": lambda s: s.set_membership("AAPL", None),
    "set_quality": lambda s: s.set_quality("AAPL", None, 50),
    "set_realtime_indicator": lambda s: s.set_realtime_indicator("AAPL", "x", 1.0),
    "start_new_session": lambda s: s.start_new_session(DAY),
    "state_hash": lambda s: s.state_hash(),
    "to_dict": lambda s: s.to_dict(),
}


def test_a_forked_child_is_refused_whatever_it_asks_and_the_parent_goes_on() -> None:
    session = session_with(5)
    for name, call in CALLS.items():
        assert in_child(partial(is_refused, partial(call, session))), name
    assert session.get_bar_count("AAPL") == 5
    assert session.add_bar("AAPL", bar(5)).value == "accepted"
    assert session.get_last_n_bars("AAPL", 1)[0].ts == OPEN + 5 * MINUTE


def test_what_was_found_in_a_store_before_a_fork_is_refused_in_the_child() -> None:
    session = session_with(5)
    group = session.group(["AAPL"])
    handle = session["AAPL"]
    cursor = session._cursor("AAPL", "1m")
    replay = Replay(session, [], close=OPEN + 390 * MINUTE)
    calls: list[Callable[[], object]] = [
        group.latest,
        lambda: group.last(3),
        lambda: handle.bars_1m,
        lambda: handle["5m"].version,
        cursor.take,
        replay.run,
        replay.close,
        lambda: replay.next_ts,
        lambda: Replay(session, [], close=OPEN + 390 * MINUTE),
    ]
    for at, call in enumerate(calls):
        assert in_child(partial(is_refused, call)), at
    assert group.latest()["ts"].tolist() == [OPEN + 4 * MINUTE]
    assert replay.run().ended


def test_bars_that_were_read_before_a_fork_stay_readable_in_the_child() -> None:
    bars = session_with(5).get_bars("AAPL")
    assert in_child(lambda: bars.close.tolist() == [10.5] * 5 and len(bars) == 5)


def test_a_child_makes_a_session_of_its_own() -> None:
    session = session_with(5)
    here = session.state_hash()
    assert in_child(lambda: session_with(5).state_hash() == here)


def test_a_child_of_a_child_is_refused_the_session_of_either() -> None:
    session = session_with(1)

    def is_refused_both() -> bool:
        own = session_with(2)
        return (
            in_child(
                lambda: (
                    is_refused(lambda: own.get_latest_bar("AAPL"))
                    and is_refused(lambda: session.get_latest_bar("AAPL"))
                )
            )
            and own.get_bar_count("AAPL") == 2
        )

    assert in_child(is_refused_both)


def test_a_child_forked_while_another_thread_writes_is_refused_and_does_not_hang() -> (
    None
):
    session = session_with(0)
    stop = threading.Event()
    rounds = threading.Semaphore(0)

    def write() -> None:
        while not stop.is_set():
            session.add_bars_batch("AAPL", [bar(m % 390) for m in range(390)])
            rounds.release()

    thread = threading.Thread(target=write)
    thread.start()
    try:
        for _ in range(20):
            rounds.acquire()
            assert in_child(
                lambda: (
                    is_refused(lambda: session.add_bar("AAPL", bar(0)))
                    and is_refused(lambda: session.get_forming_bar("AAPL", "5m"))
                )
            )
    finally:
        stop.set()
        thread.join()
    assert session.get_bar_count("AAPL") == 390


def test_a_replay_that_a_child_drops_goes_on_in_the_parent() -> None:
    session = session_with(0)
    replay = [Replay(session, [], close=OPEN + 390 * MINUTE)]

    def drop() -> bool:
        replay.clear()
        return True

    assert in_child(drop)
    with pytest.raises(StateError):
        session.end_session()
    replay.clear()
    session.end_session()


def test_a_child_drops_the_default_session_of_its_parent_and_gets_its_own() -> None:
    tapeloom.reset_session_data()
    session = tapeloom.get_session_data()
    session.register_symbol("AAPL")
    session.set_session_active(True)

    def own() -> bool:
        refused = is_refused(lambda: tapeloom.get_session_data().get_latest_bar("AAPL"))
        tapeloom.reset_session_data()
        return refused and tapeloom.get_session_data().get_active_symbols() == set()

    try:
        assert in_child(own)
        assert tapeloom.get_session_data() is session
    finally:
        session.set_session_active(False)
        tapeloom.reset_session_data()


_shared: list[SessionData] = []


def _ask(_: int) -> str:
    try:
        return str(_shared[0].get_bar_count("AAPL"))
    except ForkedSessionError:
        return "refused"
    except IndexError:
        return "none"


def _own(bars: int) -> str:
    return session_with(bars).state_hash()


@pytest.mark.parametrize(("method", "answer"), [("fork", "refused"), ("spawn", "none")])
def test_workers_are_refused_the_session_of_their_parent_and_make_their_own(
    method: str, answer: str
) -> None:
    _shared[:] = [session_with(3)]
    try:
        with quiet(), multiprocessing.get_context(method).Pool(2) as pool:
            asked = pool.map_async(_ask, range(4)).get(LONGEST)
            made = pool.map_async(_own, [1, 2]).get(LONGEST)
        assert asked == [answer] * 4
        assert made == [_own(1), _own(2)]
        assert _shared[0].get_bar_count("AAPL") == 3
    finally:
        _shared.clear()
