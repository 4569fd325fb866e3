"""Calls the user's analysis: for each new bar, each batch, at the start and end of a session."""

from __future__ import annotations

import inspect
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from tapeloom._core import Interval
from tapeloom.bars import normalise_symbol
from tapeloom.errors import AnalysisError, ArgumentError, ArgumentTypeError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from tapeloom._core import BarData, Batch
    from tapeloom.intervals import IntervalLike
    from tapeloom.session_data import SessionData

__all__ = ["Analysis", "AnalysisEngine"]


class Analysis(Protocol):
    """What an analysis object may have; each method is optional. A plain function stands for ``on_bar``.

    ``on_session_start(session)``, ``on_bar(session, bar)`` for each new bar, ``on_batch(session, batch)`` once per instant,
    ``on_update(session, bar)`` for late and corrected bars, ``on_session_end(session)``. ``session`` is the
    ``SessionData``; the store and the clock stand at the instant of the call.
    """

    def on_bar(self, session: SessionData, bar: BarData) -> object:
        """Take in one new bar."""


@dataclass(frozen=True, slots=True)
class _Listener:
    name: str
    symbols: frozenset[str] | None
    intervals: frozenset[str] | None
    on_session_start: Callable[..., object] | None
    on_bar: Callable[..., object] | None
    on_batch: Callable[..., object] | None
    on_update: Callable[..., object] | None
    on_session_end: Callable[..., object] | None

    def wants(self, bar: BarData) -> bool:
        return (self.symbols is None or bar.symbol in self.symbols) and (
            self.intervals is None or bar.interval in self.intervals
        )


_HOOKS = ("on_session_start", "on_bar", "on_batch", "on_update", "on_session_end")


class AnalysisEngine:
    """Runs analyses over one ``SessionData``, in the order in which they were added.

    Parameters
    ----------
    session_data
        The store the analyses read.
    """

    def __init__(self, session_data: SessionData) -> None:
        self._session_data = session_data
        self._listeners: list[_Listener] = []
        self.seconds = 0.0

    def add(
        self,
        analysis: object,
        *,
        symbols: str | Iterable[str] = "all",
        intervals: Iterable[IntervalLike] | None = None,
    ) -> None:
        """Add an analysis: a function ``f(session, bar)`` or an object with any of the hooks of :class:`Analysis`.

        Parameters
        ----------
        symbols
            ``"all"`` or the symbols whose bars it wants.
        intervals
            The intervals it wants, base and derived; ``None`` means all.

        Raises
        ------
        ArgumentTypeError
            If it can neither be called nor has one of the hooks.
        """
        if isinstance(analysis, type):
            text = f"analysis is the class {analysis.__name__}; give an instance, such as {analysis.__name__}()"
            raise ArgumentTypeError(text)
        hooks: dict[str, Callable[..., object] | None] = {
            name: getattr(analysis, name, None) for name in _HOOKS
        }
        if not any(hooks.values()):
            if not callable(analysis):
                text = f"analysis is {type(analysis).__name__}; it must be a function or have one of {', '.join(_HOOKS)}"
                raise ArgumentTypeError(text)
            hooks["on_bar"] = analysis
        for hook, call in hooks.items():
            if inspect.iscoroutinefunction(call):
                text = f"{hook} of the analysis is async, and nobody would await it; write a plain function"
                raise ArgumentTypeError(text)
        if isinstance(symbols, str):
            if symbols != "all":
                text = f"symbols is {symbols!r}; it must be 'all' or a list such as [{symbols!r}]"
                raise ArgumentError(text, got=symbols)
            wanted = None
        else:
            wanted = frozenset(normalise_symbol(symbol) for symbol in symbols)
        kept = (
            None
            if intervals is None
            else frozenset(str(Interval(interval)) for interval in intervals)
        )
        name = getattr(analysis, "__name__", type(analysis).__name__)
        self._listeners.append(_Listener(name, wanted, kept, **hooks))

    @property
    def name(self) -> str | None:
        """Names of the analyses, ``None`` without one."""
        return ", ".join(listener.name for listener in self._listeners) or None

    @property
    def wakes_for(self) -> list[str] | None:
        """Intervals whose bars somebody waits for; ``None`` means every instant, an empty list means none."""
        wanted: set[str] = set()
        for listener in self._listeners:
            if listener.on_batch or (
                (listener.on_bar or listener.on_update) and listener.intervals is None
            ):
                return None
            if listener.on_bar or listener.on_update:
                wanted |= listener.intervals or frozenset()
        return sorted(wanted)

    def start_session(self) -> None:
        """Call ``on_session_start``."""
        self._call_each("on_session_start")

    def end_session(self) -> None:
        """Call ``on_session_end``."""
        self._call_each("on_session_end")

    def dispatch(self, batch: Batch) -> None:
        """Call everybody who waits for a bar of this batch.

        Raises
        ------
        AnalysisError
            If an analysis raises; the original exception is its cause.
        """
        started = time.perf_counter()
        session = self._session_data
        changes = batch.changes() if batch.has_updates else None
        for listener in self._listeners:
            bar: BarData | None = None
            try:
                if listener.on_bar is not None:
                    if listener.symbols is listener.intervals is None:
                        batch.each(listener.on_bar, session)
                    else:
                        for bar in filter(listener.wants, _new(batch, changes)):
                            listener.on_bar(session, bar)
                if listener.on_update is not None and changes is not None:
                    for bar, kind in changes:
                        if kind != "new" and listener.wants(bar):
                            listener.on_update(session, bar)
                bar = None
                if listener.on_batch is not None:
                    listener.on_batch(session, batch)
            except Exception as error:
                about = batch.delivered if bar is None else bar
                raise _failure(listener, batch.time, error, about) from error
        self.seconds += time.perf_counter() - started

    def _call_each(self, hook: str) -> None:
        started = time.perf_counter()
        for listener in self._listeners:
            call = getattr(listener, hook)
            if call is None:
                continue
            try:
                call(self._session_data)
            except Exception as error:
                raise _failure(
                    listener, self._session_data.current_session_date, error, None
                ) from error
        self.seconds += time.perf_counter() - started


def _new(batch: Batch, changes: Sequence[tuple[BarData, str]] | None) -> list[BarData]:
    if changes is None:
        return batch.bars
    return [bar for bar, kind in changes if kind == "new"]


def _failure(
    listener: _Listener, at: Any, error: Exception, bar: BarData | None
) -> AnalysisError:
    about = "" if bar is None else f" on the {bar.interval} bar of {bar.symbol}"
    text = f"analysis {listener.name} failed at {at}{about}: {type(error).__name__}: {error}"
    symbol = None if bar is None else bar.symbol
    return AnalysisError(text, symbol=symbol, time=at, analysis=listener.name)
