"""The process in which the rehearsed session lives: started, listened to, killed."""

from __future__ import annotations

import multiprocessing
import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from tapeloom.errors import TapeloomError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from multiprocessing.connection import Connection

    from tapeloom.demo.live_market import MarketTime
    from tapeloom.live.data_api import DataApi
    from tapeloom.live.live_health import LiveHealth
    from tapeloom.system.live_wiring import LiveRun

__all__ = ["Closed", "Failed", "LiveProcess", "Order", "Ready", "Seen", "Started"]

#: How often the process looks how its session is doing, in seconds.
_LOOK = 0.01
#: After how many looks without a change it says so all the same.
_MOST_SILENT = 25


class Order(NamedTuple):
    """What a process is to run."""

    config: dict[str, Any]
    data: str
    stream_url: str
    history_url: str
    time: MarketTime


class Ready(NamedTuple):
    """The process has loaded what it needs, and waits for its order."""


class Started(NamedTuple):
    """The session begins, with what its journal held."""

    records: int
    bars: int
    seconds: float


class Seen(NamedTuple):
    """How the session is doing."""

    health: LiveHealth


class Closed(NamedTuple):
    """The session has ended."""

    state_hash: str
    bars: int
    gaps: int
    missing: int


class Failed(NamedTuple):
    """The run has failed."""

    text: str


class LiveProcess:
    """One process with one live session; it ends with the one that started it, however that ends."""

    def __init__(self) -> None:
        # A new interpreter rather than a fork: nothing of the parent lives on in it, its threads and sockets least of all.
        context = multiprocessing.get_context("spawn")
        self._here, there = context.Pipe()
        self._process = context.Process(
            target=_live, args=(there,), name="tapeloom-live", daemon=True
        )
        with _without_interrupts():
            self._process.start()
        there.close()

    @property
    def pid(self) -> int | None:
        """Its number."""
        return self._process.pid

    def order(self, order: Order) -> None:
        """Let it begin, after `Ready`."""
        self._here.send(order)

    def message(self, timeout: float) -> Any | None:
        """Return what it says next; ``None`` if it says nothing for so many seconds, or has died."""
        try:
            if self._here.poll(timeout):
                return self._here.recv()
        except (EOFError, OSError):
            self._process.join()
        return None

    @property
    def is_alive(self) -> bool:
        """Whether it runs."""
        return self._process.is_alive()

    def kill(self) -> None:
        """Kill it at once, with SIGKILL: it cannot save anything any more."""
        self._process.kill()
        self._process.join()
        self._here.close()


@contextmanager
def _without_interrupts() -> Iterator[None]:
    """Have processes that are started meanwhile ignore Ctrl-C: the one who started them ends them."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _live(to: Connection) -> None:
    """The whole life of the process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        _run(to)
    except (EOFError, BrokenPipeError):
        # Whoever started it has gone.
        return
    except TapeloomError as error:
        to.send(Failed(str(error)))
    except BaseException as error:
        to.send(Failed(f"{type(error).__name__}: {error}"))
        raise


def _run(to: Connection) -> None:
    from tapeloom.demo.sma_cross import SmaCross
    from tapeloom.system.system_manager import SystemManager

    api = _loaded()
    to.send(Ready())
    order: Order = to.recv()
    manager = SystemManager(order.data, data_api=api(order))
    manager.engine.add(SmaCross())
    run = manager.prepare_live(order.config)
    found = run.coordinator.recovery
    to.send(
        Started(0, 0, 0.0)
        if found is None
        else Started(found.records, found.bars, found.seconds)
    )
    run.coordinator.start()
    try:
        _watch(to, run)
    finally:
        run.coordinator.stop()
    report = run.result().sessions[-1]
    to.send(
        Closed(
            run.session_data.state_hash(), report.present, report.gaps, report.missing
        )
    )


def _loaded() -> Any:
    """Load the vendor's client; return what makes the sources of data of an order."""
    from tapeloom.live import AlpacaHistory
    from tapeloom.live.served_market import market_api

    # Made once before the market runs: loading the client takes a second.
    AlpacaHistory("any", "key", url_override="http://127.0.0.1")

    def api(order: Order) -> DataApi:
        return market_api(
            order.stream_url,
            order.history_url,
            order.time.clock(),
            speed=order.time.speed,
            sessions=1,
        )

    return api


def _watch(to: Connection, run: LiveRun) -> None:
    """Say how the session is doing whenever that changes, until it is over."""
    coordinator, before, silent = run.coordinator, None, 0
    while not coordinator.is_finished:
        # Nothing is sent to it any more: what comes is the end of the pipe.
        if to.poll(_LOOK):
            to.recv()
        health = coordinator.health()
        now = (
            health.state,
            {each.state for each in health.symbols.values()},
            health.fills,
        )
        silent += 1
        if now != before or silent >= _MOST_SILENT:
            to.send(Seen(health))
            before, silent = now, 0
    coordinator.wait()
