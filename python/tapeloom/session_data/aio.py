"""A session for asyncio: its methods as coroutines, and the bars of a series as they come."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine
from functools import wraps
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, Self, TypeVar

import numpy as np

from tapeloom.bars import Provenance
from tapeloom.errors import (
    ArgumentError,
    ArgumentTypeError,
    StateError,
)
from tapeloom.session_data import SessionData
from tapeloom.session_data.life_cycle import require_flag
from tapeloom.session_data.wake import Wakers

if TYPE_CHECKING:
    from types import TracebackType

    from tapeloom._core import BarData, Cursor
    from tapeloom.intervals import IntervalLike

__all__ = ["AsyncSessionData", "BarStream"]

P = ParamSpec("P")
R = TypeVar("R")

_ENDED = "the session ended and no bar came; wait again when the next one is running"
_UPDATE = Provenance.LATE | Provenance.CORRECTED


def _coroutine(
    method: Callable[Concatenate[SessionData, P], R],
) -> Callable[Concatenate[AsyncSessionData, P], Coroutine[Any, Any, R]]:
    """Return a method of SessionData as a coroutine."""
    name = method.__name__

    @wraps(method)
    async def call(self: AsyncSessionData, /, *args: P.args, **kwargs: P.kwargs) -> R:
        # By its name, as a class derived from SessionData may have its own.
        own: Callable[P, R] = getattr(self._session_data, name)
        return own(*args, **kwargs)

    return call


class AsyncSessionData:
    """A :class:`SessionData` for asyncio; ``session_data.aio`` returns it.

    Each method of the session is here as a coroutine with the same arguments. It runs at once, on the thread of the event
    loop, and awaits nothing: a cancelled task has either written or not. What takes long (a batch of a million bars) is
    better handed to a thread: ``await asyncio.to_thread(session_data.add_bars_batch, ...)``.

    :meth:`stream` and :meth:`wait_for_bar` wait for bars. They poll nothing and may be used from several event loops in
    several threads at once; each event loop is woken once per epoch at most.
    """

    def __init__(self, session_data: SessionData) -> None:
        self._session_data = session_data
        self._wakers = Wakers.of(session_data)

    register_symbol = _coroutine(SessionData.register_symbol)
    register_symbols = _coroutine(SessionData.register_symbols)
    remove_symbol = _coroutine(SessionData.remove_symbol)
    add_bar = _coroutine(SessionData.add_bar)
    add_bars_batch = _coroutine(SessionData.add_bars_batch)
    append_bar = _coroutine(SessionData.append_bar)
    append_quote = _coroutine(SessionData.append_quote)
    append_tick = _coroutine(SessionData.append_tick)
    append_status = _coroutine(SessionData.append_status)
    append_connection = _coroutine(SessionData.append_connection)
    record = _coroutine(SessionData.record)

    set_quality = _coroutine(SessionData.set_quality)
    set_quality_metric = _coroutine(SessionData.set_quality_metric)
    set_gap_cause = _coroutine(SessionData.set_gap_cause)
    set_membership = _coroutine(SessionData.set_membership)
    make_quotes_from_bars = _coroutine(SessionData.make_quotes_from_bars)
    set_historical_indicator = _coroutine(SessionData.set_historical_indicator)
    set_realtime_indicator = _coroutine(SessionData.set_realtime_indicator)

    get_symbol_data = _coroutine(SessionData.get_symbol_data)
    get_active_symbols = _coroutine(SessionData.get_active_symbols)
    get_latest_bar = _coroutine(SessionData.get_latest_bar)
    get_last_n_bars = _coroutine(SessionData.get_last_n_bars)
    get_bars_since = _coroutine(SessionData.get_bars_since)
    get_bars = _coroutine(SessionData.get_bars)
    get_all_bars = _coroutine(SessionData.get_all_bars)
    get_bar_count = _coroutine(SessionData.get_bar_count)
    get_forming_bar = _coroutine(SessionData.get_forming_bar)
    get_latest_bars_multi = _coroutine(SessionData.get_latest_bars_multi)
    group = _coroutine(SessionData.group)
    matrix = _coroutine(SessionData.matrix)

    get_latest_quote = _coroutine(SessionData.get_latest_quote)
    get_quotes = _coroutine(SessionData.get_quotes)
    get_ticks = _coroutine(SessionData.get_ticks)

    get_historical_indicator = _coroutine(SessionData.get_historical_indicator)
    get_historical_indicator_info = _coroutine(
        SessionData.get_historical_indicator_info
    )
    get_realtime_indicator = _coroutine(SessionData.get_realtime_indicator)

    get_session_metrics = _coroutine(SessionData.get_session_metrics)
    get_quality = _coroutine(SessionData.get_quality)
    get_quality_metric = _coroutine(SessionData.get_quality_metric)
    get_quality_report = _coroutine(SessionData.get_quality_report)
    get_quality_reports = _coroutine(SessionData.get_quality_reports)
    get_gaps = _coroutine(SessionData.get_gaps)
    get_gap_summary = _coroutine(SessionData.get_gap_summary)
    explain = _coroutine(SessionData.explain)

    get_ingest_counts = _coroutine(SessionData.get_ingest_counts)
    get_revisions = _coroutine(SessionData.get_revisions)
    get_quarantine = _coroutine(SessionData.get_quarantine)
    state_hash = _coroutine(SessionData.state_hash)
    to_dict = _coroutine(SessionData.to_dict)
    to_pandas = _coroutine(SessionData.to_pandas)
    to_polars = _coroutine(SessionData.to_polars)
    to_arrow = _coroutine(SessionData.to_arrow)

    start_new_session = _coroutine(SessionData.start_new_session)
    end_session = _coroutine(SessionData.end_session)
    set_session_active = _coroutine(SessionData.set_session_active)
    keep_history = _coroutine(SessionData.keep_history)
    clear_session_bars = _coroutine(SessionData.clear_session_bars)
    clear_historical_bars = _coroutine(SessionData.clear_historical_bars)
    clear_all = _coroutine(SessionData.clear_all)
    clear = _coroutine(SessionData.clear)

    def stream(
        self, symbol: str, interval: IntervalLike | None = None, *, updates: bool = True
    ) -> BarStream:
        """Return the bars of a series that come after this call, for ``async for``.

        Parameters
        ----------
        interval
            Interval of the series, the base if not given.
        updates
            Whether late and corrected bars are among them, marked by their flags. ``False``: only bars that start after
            the newest one handed out before, or known at the call. ``ArgumentTypeError`` if it is no ``bool``.

        Returns
        -------
        BarStream
            Ends when the session ends, is emptied or replaced by another, or when the symbol is removed. It follows the
            session that is running, or the next one if none is.

        Raises
        ------
        UnknownSymbolError, UnknownSeriesError
            If nobody keeps the series: waiting for it would never end.
        """
        wanted = require_flag(updates, "updates")
        return BarStream(self._wakers, *self._place(symbol, interval), updates=wanted)

    def wait_for_bar(
        self,
        symbol: str,
        interval: IntervalLike | None = None,
        *,
        timeout: float | None = None,
    ) -> Coroutine[Any, Any, BarData]:
        """Return the first new bar of a series after this call: await the result.

        Parameters
        ----------
        interval
            Interval of the series, the base if not given.
        timeout
            Seconds to wait at most, from when the result is awaited; ``None`` waits for ever. A bar that is there by then
            is returned whatever the timeout.

        Returns
        -------
        BarData
            A bar that starts after all those known at the call; late and corrected ones are passed over.

        Raises
        ------
        TimeoutError
            If no bar comes in time.
        StateError
            If the session has ended, or ends, is emptied or replaced before a bar comes, or the symbol is removed. So a
            loop of waits ends with its session.
        UnknownSymbolError, UnknownSeriesError
            If nobody keeps the series: waiting for it would never end.
        ArgumentError
            If ``timeout`` is no number of seconds from 0 on.
        """
        seconds = _checked_timeout(timeout)
        # Before the coroutine first runs, so that no bar after the call is missed.
        coming = self.stream(symbol, interval, updates=False)
        # After the stream was made: one that was made before the end hears of it.
        if self._session_data.session_ended:
            raise StateError(_ENDED)
        return _first(coming, seconds)

    def _place(
        self, symbol: str, interval: IntervalLike | None
    ) -> tuple[Cursor, int | None]:
        """A cursor behind everything that is known, and the start of the newest bar in front of it."""
        session_data = self._session_data
        handle = session_data[symbol]
        name = handle.symbol
        wanted = handle.base_interval if interval is None else handle[interval].interval
        while True:
            cursor = session_data._cursor(name, wanted)
            newest = session_data.get_latest_bar(name, wanted)
            # Otherwise the newest bar may lie behind the cursor.
            if not cursor.has_news():
                return cursor, None if newest is None else newest.ts

    def __repr__(self) -> str:
        return f"AsyncSessionData({self._session_data!r})"


class BarStream:
    """New bars of one series, in order, for ``async for``; :meth:`AsyncSessionData.stream` makes it.

    It keeps the memory of its session, so whoever reads slowly gets every bar, also after the next session has begun. A
    bar that changes several times between two reads comes once, with its newest values. A cancelled read loses
    nothing: the next one goes on from there. A stream serves one event loop.
    """

    def __init__(
        self, wakers: Wakers, cursor: Cursor, newest: int | None, *, updates: bool
    ) -> None:
        self._wakers = wakers
        self._cursor: Cursor | None = cursor
        self._newest = newest
        self._updates = updates
        self._bars: deque[BarData] = deque()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> BarData:
        while True:
            bar = self._next()
            if bar is not None:
                return bar
            if self._cursor is None:
                raise StopAsyncIteration
            await self._wakers.wait(self._has_news)
            self._take()

    def _next(self) -> BarData | None:
        """The next bar of those that were taken."""
        while self._bars:
            bar = self._bars.popleft()
            if self._updates:
                return bar
            if not self._is_update(bar):
                self._newest = bar.ts
                return bar
        return None

    async def aclose(self) -> None:
        """End the stream: what was not read is dropped, and a task that waits for it goes on."""
        self._cursor = None
        self._bars.clear()
        self._wakers.wake()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.aclose()

    def _has_news(self) -> bool:
        cursor = self._cursor
        return cursor is None or cursor.has_news()

    def _take(self) -> None:
        if self._cursor is not None:
            bars, ended = self._cursor.take()
            # Behind what is left: another task may have read from this stream meanwhile.
            self._bars.extend(bars)
            if ended:
                self._cursor = None

    def _is_update(self, bar: BarData) -> bool:
        # A stream that was made between two sessions may meet one of an earlier date: its bars are older and yet new.
        return (
            self._newest is not None
            and bar.ts <= self._newest
            and bool(bar.flags & _UPDATE)
        )


async def _first(stream: BarStream, timeout: float | None) -> BarData:
    # Before the clock of the timeout runs: what is there needs no waiting.
    if stream._has_news():
        # A task that finds a bar each time leaves the loop to others all the same.
        await asyncio.sleep(0)
        stream._take()
        bar = stream._next()
        if bar is not None:
            return bar
    try:
        async with asyncio.timeout(timeout):
            return await anext(stream)
    except StopAsyncIteration:
        raise StateError(_ENDED) from None


def _checked_timeout(timeout: object) -> float | None:
    if timeout is None:
        return None
    if isinstance(timeout, bool) or not isinstance(
        timeout, int | float | np.integer | np.floating
    ):
        text = f"timeout is {timeout!r} ({type(timeout).__name__}); give seconds such as 2.5, or None"
        raise ArgumentTypeError(text, got=timeout)
    if not timeout >= 0:
        text = f"timeout is {timeout}; it must be 0 or more seconds, or None to wait for ever"
        raise ArgumentError(text, got=timeout)
    try:
        return float(timeout)
    except OverflowError:
        text = (
            "timeout is too large for a number of seconds; give None to wait for ever"
        )
        raise ArgumentError(text, got=timeout) from None
