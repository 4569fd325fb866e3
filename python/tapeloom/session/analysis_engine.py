"""Calls the user's analyses: for each new bar, each batch, at the start and end of a session."""

from __future__ import annotations

import logging
import time
from collections import Counter
from functools import wraps
from typing import TYPE_CHECKING, Any, Literal, Protocol

from tapeloom.errors import (
    AnalysisError,
    ArgumentError,
    ArgumentTypeError,
    StateError,
    did_you_mean,
)
from tapeloom.session.analysis import HOOKS, Analysis, Listener
from tapeloom.session_data import SessionData

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from tapeloom._core import BarData, Batch
    from tapeloom.gap import QualityReport
    from tapeloom.intervals import IntervalLike
    from tapeloom.session.batches import ChosenBatch

__all__ = ["Analysis", "AnalysisEngine", "OnError"]

OnError = Literal["stop", "continue"]
_POLICIES = ("stop", "continue")

_log = logging.getLogger("tapeloom.analysis")


class _Runner(Protocol):
    """What runs sessions and lets an engine take part, as a ``SystemManager`` does."""

    def attach(self, engine: AnalysisEngine) -> None: ...


class AnalysisEngine:
    """Runs analyses over one ``SessionData``, in the order in which they were added.

    Parameters
    ----------
    source
        The store the analyses read, or the ``SystemManager`` whose runs they take part in.
    on_error
        What an exception of an analysis does: ``"stop"`` ends the run after the batch, ``"continue"`` is logged, once per
        session and kind, and counted.

    Raises
    ------
    ArgumentTypeError
        If ``source`` is neither.
    """

    def __init__(
        self, source: SessionData | _Runner, *, on_error: OnError = "stop"
    ) -> None:
        if on_error not in _POLICIES:
            near = did_you_mean(str(on_error), _POLICIES)
            text = f"on_error is {on_error!r}; it must be 'stop' or 'continue'{near}"
            raise ArgumentError(text, got=on_error)
        self._on_error = on_error
        self._listeners: list[Listener] = []
        self._hears_bars = False
        #: Whether anybody wants to be told of bars; asked for every batch.
        self.hears_batches = False
        self._session_data: SessionData | None = None
        self._errors: Counter[tuple[str, str]] = Counter()
        self._logged: set[tuple[str, str]] = set()
        self.seconds = 0.0
        if isinstance(source, SessionData):
            self._session_data = source
        elif hasattr(source, "attach"):
            source.attach(self)
        else:
            text = f"source is {type(source).__name__}; it must be a SessionData or a SystemManager"
            raise ArgumentTypeError(text, got=source)

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
        listener = Listener.of(analysis, symbols, intervals)
        if self._on_error == "continue":
            for hook in HOOKS:
                call = getattr(listener, hook)
                if call is not None:
                    setattr(listener, hook, self._isolated(listener.name, call))
        self._listeners.append(listener)
        self._hears_bars |= bool(listener.on_bar or listener.on_update)
        self.hears_batches |= self._hears_bars or bool(listener.on_batch)

    @property
    def session_data(self) -> SessionData:
        """The store the analyses read.

        Raises
        ------
        StateError
            If the engine takes part in the runs of a manager that has not started one.
        """
        if self._session_data is None:
            text = "there is no session yet; start the system manager first"
            raise StateError(text)
        return self._session_data

    def attach_to(self, session_data: SessionData) -> None:
        """Let the analyses read another store from now on, as the next run of a manager has one."""
        self._session_data = session_data
        self._errors.clear()
        self._logged.clear()
        self.seconds = 0.0

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

    @property
    def hears_quality(self) -> bool:
        """Whether an analysis wants to be told what is missing."""
        return any(listener.on_quality for listener in self._listeners)

    @property
    def errors(self) -> dict[tuple[str, str], int]:
        """How often each analysis raised what, by names of analysis and exception; with ``on_error="continue"``."""
        return dict(self._errors)

    def start_session(self) -> None:
        """Call ``on_session_start``."""
        self._logged.clear()
        self._call_each("on_session_start")

    def end_session(self) -> None:
        """Call ``on_session_end``."""
        self._call_each("on_session_end")

    def tell_quality(self, reports: Iterable[QualityReport]) -> None:
        """Call ``on_quality`` with each report."""
        for report in reports:
            self._call_each("on_quality", report, symbol=report.symbol)

    def dispatch(self, batch: Batch | ChosenBatch) -> None:
        """Call everybody who waits for a bar of this batch.

        Raises
        ------
        AnalysisError
            If an analysis raises; the original exception is its cause.
        """
        started = time.perf_counter()
        session = self.session_data
        # Nobody looks for changed bars where whole batches are all that is wanted.
        changes = batch.changes() if self._hears_bars and batch.has_updates else None
        for listener in self._listeners:
            bar: BarData | None = None
            try:
                if listener.on_bar is not None:
                    if listener.wants_all:
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
                raise _failure(listener.name, batch.time, error, about) from error
            finally:
                self.seconds += time.perf_counter() - started
                started = time.perf_counter()

    def _call_each(
        self, hook: str, *arguments: object, symbol: str | None = None
    ) -> None:
        started = time.perf_counter()
        session = self.session_data
        for listener in self._listeners:
            call = getattr(listener, hook)
            if call is None or (
                symbol is not None and not listener.wants_symbol(symbol)
            ):
                continue
            try:
                call(session, *arguments)
            except Exception as error:
                at = session.current_session_date
                raise _failure(listener.name, at, error, None, symbol) from error
        self.seconds += time.perf_counter() - started

    def _isolated(self, name: str, call: Callable[..., object]) -> Callable[..., None]:
        """Return the call with its exceptions counted instead of raised; those that end a program still do."""

        @wraps(call)
        def isolated(session: SessionData, *arguments: Any) -> None:
            try:
                call(session, *arguments)
            except Exception as error:
                kind = (name, type(error).__name__)
                self._errors[kind] += 1
                if kind in self._logged:
                    return
                self._logged.add(kind)
                about = getattr(arguments[0], "symbol", None) if arguments else None
                of = f" on {about}" if about else ""
                text = "analysis %s failed%s in the session of %s; counted from here on"
                _log.exception(text, name, of, session.current_session_date)

        return isolated


def _new(
    batch: Batch | ChosenBatch, changes: Sequence[tuple[BarData, str]] | None
) -> list[BarData]:
    if changes is None:
        return batch.bars
    return [bar for bar, kind in changes if kind == "new"]


def _failure(
    name: str,
    at: Any,
    error: Exception,
    bar: BarData | None,
    symbol: str | None = None,
) -> AnalysisError:
    about = "" if bar is None else f" on the {bar.interval} bar of {bar.symbol}"
    about = f" on {symbol}" if bar is None and symbol is not None else about
    text = f"analysis {name} failed at {at}{about}: {type(error).__name__}: {error}"
    symbol = symbol if bar is None else bar.symbol
    return AnalysisError(text, symbol=symbol, time=at, analysis=name)
