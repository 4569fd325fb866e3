"""Indicators written by the user: objects that take in bar after bar, functions of the session. Called in Python."""

from __future__ import annotations

import inspect
from dataclasses import dataclass, field
from itertools import chain
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from tapeloom._core import Interval
from tapeloom.bars import Provenance
from tapeloom.errors import AnalysisError, ArgumentTypeError
from tapeloom.session_data.indicator_values import kept_value

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tapeloom import _core
    from tapeloom._core import BarData
    from tapeloom.session_data import SessionData

__all__ = ["Incremental", "UserIndicator", "UserIndicators", "read_indicator"]


class Incremental(Protocol):
    """An indicator that takes in the bars of one series, oldest first."""

    def update(self, bar: BarData) -> object:
        """Take in the next bar and return the value, ``None`` until there are enough."""

    def reset(self) -> object:
        """Forget all bars."""


@dataclass(frozen=True, slots=True)
class UserIndicator:
    """What a user gave: what makes an object per symbol, or a function of session and bar."""

    make: Callable[[], Incremental] | None
    function: Callable[[SessionData, BarData], object] | None = None
    is_one_object: bool = False


def read_indicator(name: str, given: Any) -> UserIndicator:
    """Return what is meant by an object, a class, a function that makes objects, or a function of session and bar.

    Raises
    ------
    ArgumentTypeError
        If it is none of them, or async.
    """
    is_incremental = all(callable(getattr(given, m, None)) for m in ("update", "reset"))
    calls = [given.update] if is_incremental else [given]
    if any(inspect.iscoroutinefunction(call) for call in calls):
        text = f"indicator {name!r} is async, and nobody would await it; write a plain function"
        raise ArgumentTypeError(text, got=given)
    if is_incremental and not isinstance(given, type):
        return UserIndicator(lambda: given, is_one_object=True)
    if isinstance(given, type):
        if is_incremental:
            return UserIndicator(lambda: _made(name, given))
    elif callable(given):
        if _takes(given, 2):
            return UserIndicator(None, given)
        if _takes(given, 0):
            return UserIndicator(lambda: _made(name, given))
    text = f"indicator {name!r} is {_named(given)}; it must have update(bar) and reset(), or be a class or function "
    text += "that makes such an object, a function f(session, bar), or a mapping such as {'type': 'sma', 'period': 20}"
    raise ArgumentTypeError(text, got=given)


def _made(name: str, make: Callable[[], Any]) -> Incremental:
    if not _takes(make, 0):
        text = f"indicator {name!r} is {_named(make)}, which needs arguments; give a function that makes it, such as "
        text += f"lambda: {getattr(make, '__name__', 'Mine')}(20)"
        raise ArgumentTypeError(text, got=make)
    made = make()
    if not all(callable(getattr(made, m, None)) for m in ("update", "reset")):
        text = f"indicator {name!r} made {_named(made)}, which must have update(bar) and reset()"
        raise ArgumentTypeError(text, got=made)
    return made  # type: ignore[no-any-return]  # looked at above


def _takes(call: Callable[..., object], arguments: int) -> bool:
    try:
        inspect.signature(call).bind(*range(arguments))
    except TypeError:
        return False
    except ValueError:
        # Written in C and silent about its arguments.
        return arguments == 0
    return True


def _named(given: object) -> str:
    if isinstance(given, type):
        return f"the class {given.__name__}"
    return f"{given!r} ({type(given).__name__})"


@dataclass(slots=True)
class _Follower:
    """One indicator of one series and its newest value."""

    name: str
    source: UserIndicator
    indicator: Incremental | None
    warmup: bool
    value: Any = None
    bars: int = 0


@dataclass(slots=True)
class _Tape:
    """One series: how many of its session's bars were taken in, and who takes them."""

    symbol: str
    interval: str
    seen: int = 0
    newest: int | None = None
    followers: list[_Follower] = field(default_factory=list)


class UserIndicators:
    """Gives each new bar to the indicators of its series, in order.

    After a late or corrected bar, another history or a new session each indicator is reset and given all bars again: those
    of history, then those of the session. A function is called with the newest bar only: what it reads is as it stands.
    """

    def __init__(
        self,
        session_data: SessionData,
        core: _core.RealtimeIndicators,
        *,
        extended: bool,
    ) -> None:
        self._session_data = session_data
        self._core = core
        self._extended = extended
        self._tapes: dict[tuple[str, str], _Tape] = {}
        self._by_name: dict[tuple[str, str], _Follower] = {}

    @property
    def intervals(self) -> list[str]:
        """The intervals that are followed, finest first."""
        return sorted({interval for _, interval in self._tapes}, key=Interval)

    def add(
        self,
        name: str,
        symbols: Iterable[str],
        interval: str,
        source: UserIndicator,
        *,
        warmup: bool,
    ) -> None:
        """Follow a series of each symbol; the next :meth:`take_in` begins with history."""
        made = [
            (
                symbol,
                _Follower(name, source, source.make and source.make(), warmup),
            )
            for symbol in symbols
        ]
        for symbol, follower in made:
            self._core.watch(symbol, interval)
            tape = self._tapes.setdefault((symbol, interval), _Tape(symbol, interval))
            tape.followers.append(follower)
            self._by_name[symbol, name] = follower

    def remove_symbol(self, symbol: str) -> None:
        """Forget a symbol."""
        self._tapes = {k: v for k, v in self._tapes.items() if k[0] != symbol}
        self._by_name = {k: v for k, v in self._by_name.items() if k[0] != symbol}

    def reset(self) -> None:
        """Forget all values."""
        for follower in self._by_name.values():
            follower.value, follower.bars = None, 0

    def value(self, symbol: str, name: str) -> Any:
        """Return a value, ``None`` without one."""
        follower = self._by_name.get((symbol, name))
        return None if follower is None else follower.value

    def count(self, symbol: str, name: str) -> int:
        """Return how many bars were taken in."""
        follower = self._by_name.get((symbol, name))
        return 0 if follower is None else follower.bars

    def take_in(self) -> None:
        """Give what the core saw coming to who follows it: the finest interval first, then the symbols in their order.

        Who raises misses the rest of the bars that came with it; the others get theirs first.
        """
        if not self._tapes:
            return
        news = self._core.take_news()
        if not news:
            return
        places = {name: at for at, name in enumerate(self._session_data._symbols)}
        news.sort(key=lambda n: (Interval(n[1]), places.get(n[0], len(places))))
        failed: list[AnalysisError] = []
        for symbol, interval, what in news:
            tape = self._tapes.get((symbol, interval))
            if tape is not None:
                failed += self._take(tape, is_rewritten=what == "rewritten")
        if failed:
            if len(failed) > 1:
                failed[0].add_note(f"{len(failed) - 1} more failed at this step")
            raise failed[0]

    def _take(self, tape: _Tape, *, is_rewritten: bool) -> list[AnalysisError]:
        bars = self._session_data.get_bars(tape.symbol, tape.interval)
        # Another thread may have written since the core looked.
        fits = tape.seen <= len(bars) and (
            not tape.seen or int(bars.ts[tape.seen - 1]) == tape.newest
        )
        is_rewritten = is_rewritten or not fits
        new = [
            bar
            for bar in (bars if is_rewritten else bars[tape.seen :])
            if self._counts(bar)
        ]
        tape.seen = len(bars)
        tape.newest = int(bars.ts[-1]) if len(bars) else None
        failed = []
        for follower in tape.followers:
            bar = None
            try:
                if is_rewritten:
                    self._reset(follower)
                for bar in self._bars_for(tape, follower, new, is_rewritten):
                    follower.value = kept_value(self._called(follower, bar))
                    follower.bars += 1
            except Exception as error:
                follower.value = None
                failed.append(self._failure(tape, follower, bar, error))
        return failed

    def _bars_for(
        self, tape: _Tape, follower: _Follower, new: list[BarData], is_rewritten: bool
    ) -> Iterable[BarData]:
        if not is_rewritten:
            return new
        if follower.indicator is None:
            return new[-1:]
        return chain(self._history(tape), new) if follower.warmup else new

    def _called(self, follower: _Follower, bar: BarData) -> object:
        if follower.indicator is not None:
            return follower.indicator.update(bar)
        assert follower.source.function is not None
        return follower.source.function(self._session_data, bar)

    def _reset(self, follower: _Follower) -> None:
        follower.value, follower.bars = None, 0
        if follower.indicator is not None:
            follower.indicator.reset()

    def _history(self, tape: _Tape) -> Iterable[BarData]:
        """Bars of history that count; those of the base may never have been part of a session here."""
        session = self._session_data
        history = session.get_bars(tape.symbol, tape.interval, scope="history")
        is_base = tape.interval == session._intervals(tape.symbol)[0]
        if self._extended or not is_base or not len(history):
            return filter(self._counts, history)
        open_rows = np.flatnonzero(session.session_table.is_open(history.ts))
        return filter(self._counts, (history[row] for row in open_rows.tolist()))

    def _counts(self, bar: BarData) -> bool:
        return self._extended or not bar.flags & Provenance.EXTENDED

    def _failure(
        self, tape: _Tape, follower: _Follower, bar: BarData | None, error: Exception
    ) -> AnalysisError:
        name, series = follower.name, f"{tape.interval} bars of {tape.symbol}"
        if bar is None:
            at, what = self._session_data.current_session_date, f"before the {series}"
        else:
            at, what = bar.available_at, f"on the {series}"
        text = (
            f"indicator {name} failed at {at} {what}: {type(error).__name__}: {error}"
        )
        failure = AnalysisError(text, symbol=tape.symbol, time=at, indicator=name)
        failure.__cause__ = error
        return failure
