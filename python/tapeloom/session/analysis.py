"""What a user's analysis may have, and what the engine keeps of one. It calls nothing."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from tapeloom._core import Interval
from tapeloom.bars import normalise_symbol
from tapeloom.errors import ArgumentError, ArgumentTypeError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tapeloom._core import BarData
    from tapeloom.intervals import IntervalLike
    from tapeloom.session_data import SessionData

__all__ = ["HOOKS", "Analysis", "Listener"]

HOOKS = (
    "on_session_start",
    "on_bar",
    "on_batch",
    "on_update",
    "on_quality",
    "on_session_end",
)


class Analysis(Protocol):
    """What an analysis object may have; each method is optional. A plain function stands for ``on_bar``.

    ``on_session_start(session)``, ``on_bar(session, bar)`` for each new bar, ``on_batch(session, batch)`` once per instant,
    ``on_update(session, bar)`` for late and corrected bars and those derived again, ``on_quality(session, report)`` where what
    is missing of a symbol changed, ``on_session_end(session)``. ``session`` is the ``SessionData``; the store and the clock
    stand at the instant of the call.

    Bars that an analysis writes itself are there from its next read on, with the bars derived from them; nobody is told of them.
    """

    def on_bar(self, session: SessionData, bar: BarData) -> object:
        """Take in one new bar."""


@dataclass(slots=True)
class Listener:
    """An analysis: its hooks, and whose bars it wants; ``None`` means all."""

    name: str
    symbols: frozenset[str] | None
    intervals: frozenset[str] | None
    on_session_start: Callable[..., object] | None
    on_bar: Callable[..., object] | None
    on_batch: Callable[..., object] | None
    on_update: Callable[..., object] | None
    on_quality: Callable[..., object] | None
    on_session_end: Callable[..., object] | None

    @classmethod
    def of(
        cls,
        analysis: object,
        symbols: str | Iterable[str],
        intervals: Iterable[IntervalLike] | None,
    ) -> Listener:
        """Return the listener of an analysis; see :meth:`AnalysisEngine.add`."""
        name = getattr(analysis, "__name__", type(analysis).__name__)
        return cls(name, _symbols(symbols), _intervals(intervals), **_hooks(analysis))

    def wants(self, bar: BarData) -> bool:
        """Return whether it wants a bar."""
        return self.wants_symbol(bar.symbol) and (
            self.intervals is None or bar.interval in self.intervals
        )

    def wants_symbol(self, symbol: str) -> bool:
        """Return whether it wants anything of a symbol."""
        return self.symbols is None or symbol in self.symbols

    @property
    def wants_all(self) -> bool:
        """Whether it wants every bar."""
        return self.symbols is self.intervals is None


def _hooks(analysis: object) -> dict[str, Callable[..., object] | None]:
    if isinstance(analysis, type):
        text = f"analysis is the class {analysis.__name__}; give an instance, such as {analysis.__name__}()"
        raise ArgumentTypeError(text)
    hooks = {name: getattr(analysis, name, None) for name in HOOKS}
    if not any(hooks.values()):
        if not callable(analysis):
            text = f"analysis is {type(analysis).__name__}; it must be a function or have one of {', '.join(HOOKS)}"
            raise ArgumentTypeError(text)
        hooks["on_bar"] = analysis
    for hook, call in hooks.items():
        if call is not None and not callable(call):
            text = f"{hook} of the analysis is {type(call).__name__}; it must be a function"
            raise ArgumentTypeError(text)
        if inspect.iscoroutinefunction(call):
            text = f"{hook} of the analysis is async, and nobody would await it; write a plain function"
            raise ArgumentTypeError(text)
    return hooks


def _symbols(symbols: str | Iterable[str]) -> frozenset[str] | None:
    if isinstance(symbols, str):
        if symbols != "all":
            text = f"symbols is {symbols!r}; it must be 'all' or a list such as [{symbols!r}]"
            raise ArgumentError(text, got=symbols)
        return None
    return frozenset(normalise_symbol(symbol) for symbol in symbols)


def _intervals(intervals: Iterable[IntervalLike] | None) -> frozenset[str] | None:
    if intervals is None:
        return None
    if isinstance(intervals, str):
        text = f"intervals is {intervals!r}; it must be a list such as [{intervals!r}]"
        raise ArgumentTypeError(text, got=intervals)
    return frozenset(str(Interval(interval)) for interval in intervals)
