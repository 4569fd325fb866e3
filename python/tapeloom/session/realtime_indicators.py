"""Real-time indicators: values that follow each bar of a session, by name and symbol. The built-in ones are computed in Rust."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from tapeloom import _core
from tapeloom._core import Interval
from tapeloom.bars import normalise_symbol
from tapeloom.errors import (
    ArgumentError,
    ArgumentTypeError,
    UnknownSeriesError,
    UnknownSymbolError,
    did_you_mean,
)
from tapeloom.session.user_indicators import UserIndicators, read_indicator
from tapeloom.session_data.indicator_values import checked_name

if TYPE_CHECKING:
    from tapeloom._core import Batch
    from tapeloom.intervals import IntervalLike
    from tapeloom.session_data import SessionData

__all__ = ["RealtimeIndicators"]

_KINDS = ("sma", "ema", "rsi", "atr", "vwap", "stdev", "high", "low")
_FIELDS = ("open", "high", "low", "close", "volume")
_KEYS = ("type", "interval", "period", "field", "warmup")


class RealtimeIndicators:
    """The values of one session that follow its bars; ``session_data.get_realtime_indicator`` reads them.

    One that is made later for the same session takes its place. It is used by one thread at a time, as a rule that of the
    coordinator; values are read from any thread.

    Parameters
    ----------
    session_data
        The store whose bars are followed.
    specs
        Built-in indicators by name for all symbols that the store keeps, as :meth:`add` takes them.
    extended
        Whether bars outside regular hours count too.

    Examples
    --------
    >>> from tapeloom import SessionData
    >>> session_data = SessionData()
    >>> _ = session_data.register_symbol("AAPL")
    >>> indicators = RealtimeIndicators(session_data, {"sma20": {"type": "sma", "period": 20}})
    >>> session_data.get_realtime_indicator("AAPL", "sma20") is None
    True
    """

    def __init__(
        self,
        session_data: SessionData,
        specs: Mapping[str, object] | None = None,
        *,
        extended: bool = False,
    ) -> None:
        self._session_data = session_data
        self._core = _core.RealtimeIndicators(session_data, extended=extended)
        self._users = UserIndicators(session_data, self._core, extended=extended)
        # What was asked for, for symbols that come later: whether for all, and how to add it to some.
        self._added: dict[str, tuple[bool, dict[str, Any] | _User]] = {}
        self._symbols: dict[str, set[str]] = {}
        for name, spec in (specs or {}).items():
            self.add(name, spec)
        session_data._compute_with(self)

    def add(
        self,
        name: str,
        indicator: object,
        *,
        symbols: str | Iterable[str] = "all",
        interval: IntervalLike | None = None,
        warmup: bool = True,
    ) -> None:
        """Add an indicator; it has values from :meth:`start_session` on, or from the next :meth:`after`.

        Parameters
        ----------
        name
            What its values are read by.
        indicator
            One of

            - a mapping or object with ``type`` (``sma, ema, rsi, atr, vwap, stdev, high, low``), ``period``, ``interval``,
              ``field`` (default ``close``) and ``warmup`` (default true): a built-in kind;
            - a class, or a function without arguments that makes an object, with ``update(bar) -> value | None`` and
              ``reset()``: one object per symbol;
            - such an object itself, for one symbol;
            - a function ``f(session_data, bar) -> value``, which reads what it needs from the session.
        symbols
            ``"all"`` that are kept, later ones too, or the symbols it is for.
        interval
            Of which series the bars are; the base series of each symbol if not given. A built-in kind says it itself.
        warmup
            Whether the bars of history are given to ``update`` before those of a session. A function gets none of them.

        Raises
        ------
        ArgumentError
            For a name that is taken, an unknown type or field, a period that breaks its rule, one object for several
            symbols; ``ArgumentTypeError`` for what is none of the above. Nothing is added then.
        UnknownSymbolError, UnknownSeriesError
            For a symbol or interval that nobody keeps.
        """
        wanted = self._free_name(name)
        is_for_all = isinstance(symbols, str)
        if is_for_all and symbols != "all":
            text = f"symbols is {symbols!r}; it must be 'all' or a list such as [{symbols!r}]"
            raise ArgumentError(text, got=symbols)
        owners = (
            self._session_data._symbols
            if isinstance(symbols, str)
            else list(dict.fromkeys(normalise_symbol(symbol) for symbol in symbols))
        )
        spec: dict[str, Any] | _User
        if isinstance(indicator, Mapping) or hasattr(indicator, "type"):
            if interval is not None or warmup is not True:
                text = f"indicator {wanted!r} has a type; say interval and warmup beside it"
                raise ArgumentError(text, got=interval)
            spec = read_spec(wanted, indicator)
        else:
            spec = _User(read_indicator(wanted, indicator), interval, warmup)
            if spec.indicator.is_one_object and (is_for_all or len(owners) != 1):
                text = f"indicator {wanted!r} is one object, which follows one symbol; "
                text += (
                    f"name it in symbols, or give the class {type(indicator).__name__}"
                )
                raise ArgumentError(text, got=indicator)
        self._add_to(wanted, spec, owners)
        self._added[wanted] = is_for_all, spec
        self._symbols[wanted] = set(owners)

    def add_symbol(self, symbol: str) -> None:
        """Compute what was added for all symbols for one more that the store keeps, from what it has now."""
        name = normalise_symbol(symbol)
        for wanted, (is_for_all, spec) in self._added.items():
            if is_for_all and name not in self._symbols[wanted]:
                self._add_to(wanted, spec, [name])
                self._symbols[wanted].add(name)
        self.after()

    def remove_symbol(self, symbol: str) -> None:
        """Forget the values of a symbol; ``session_data.remove_symbol`` does so too."""
        name = normalise_symbol(symbol)
        self._core.remove_symbol(name)
        self._users.remove_symbol(name)
        for owners in self._symbols.values():
            owners.discard(name)

    @property
    def core(self) -> _core.RealtimeIndicators | None:
        """What a ``_core.Replay`` is to be given; ``None`` without a built-in kind."""
        has_built_in = any(isinstance(spec, dict) for _, spec in self._added.values())
        return self._core if has_built_in else None

    @property
    def calls(self) -> bool:
        """Whether :meth:`after` may call what a user wrote."""
        return any(not isinstance(spec, dict) for _, spec in self._added.values())

    @property
    def wakes_for(self) -> list[str]:
        """Intervals at whose bars :meth:`after` must be called, so that functions see the session as it was then."""
        return self._users.intervals

    def start_session(self) -> None:
        """Forget all values, then take in the history and the bars that the session has.

        To be called when a session has begun and its history is loaded.

        Raises
        ------
        AnalysisError
            If an indicator of the user raises, as in :meth:`after`.
        """
        self._core.start_session()
        self._users.take_in()

    def after(self, batch: Batch | None = None) -> None:
        """Take in what came: after each step that a replay woke for, before the analyses; without one after any write.

        Parameters
        ----------
        batch
            The step. What is taken in is what the store has, whether a batch told of it or not.

        Raises
        ------
        AnalysisError
            If an indicator of the user raises; it names indicator, symbol and time, the cause is the original exception.
            The bar counts as taken in.
        """
        if not self._added:
            return
        self._core.follow()
        self._users.take_in()

    def reset(self) -> None:
        """Forget all values; they come again with :meth:`start_session` or the next bars."""
        self._core.reset()
        self._users.reset()

    def __contains__(self, name: object) -> bool:
        return name in self._added

    def value(self, symbol: str, name: str) -> Any:
        """Return a value as of the newest epoch, ``None`` without one. O(1)."""
        added = self._added.get(name)
        if added is not None and isinstance(added[1], dict):
            return self._core.value(symbol, name)
        return self._users.value(symbol, name)

    def count(self, symbol: str, name: str) -> int:
        """Return the number of bars behind a value, those of history included."""
        owner, wanted = normalise_symbol(symbol), checked_name(name)
        return self._core.count(owner, wanted) or self._users.count(owner, wanted)

    def values(self) -> dict[str, dict[str, Any]]:
        """Return all values by name, then by symbol; those that are ``None`` are left out."""
        found = {
            name: {symbol: self.value(symbol, name) for symbol in sorted(owners)}
            for name, owners in self._symbols.items()
        }
        return {
            name: {s: v for s, v in values.items() if v is not None}
            for name, values in found.items()
        }

    def _free_name(self, name: object) -> str:
        wanted = checked_name(name)
        if wanted in self._added or wanted in self._session_data._values.realtime:
            how = "added" if wanted in self._added else "set by set_realtime_indicator"
            text = f"name is {wanted!r}, which is {how} already; choose another, such as '{wanted}_2'"
            raise ArgumentError(text, got=name)
        return wanted

    def _add_to(
        self, name: str, spec: dict[str, Any] | _User, owners: list[str]
    ) -> None:
        asked = spec["interval"] if isinstance(spec, dict) else spec.interval
        by_interval: dict[str, list[str]] = {}
        for symbol in owners:
            by_interval.setdefault(self._series(name, symbol, asked), []).append(symbol)
        if isinstance(spec, dict):
            for interval, symbols in by_interval.items():
                self._core.add(
                    name,
                    symbols,
                    interval,
                    spec["type"],
                    period=spec["period"],
                    field=spec["field"],
                    warmup=spec["warmup"],
                )
            return
        for interval, symbols in by_interval.items():
            self._users.add(name, symbols, interval, spec.indicator, warmup=spec.warmup)

    def _series(self, name: str, symbol: str, interval: IntervalLike | None) -> str:
        kept = self._session_data._intervals(symbol)
        if not kept:
            text = f"indicator {name!r} is for {symbol}, which is not kept"
            text += did_you_mean(symbol, self._session_data._symbols)
            raise UnknownSymbolError(text, symbol=symbol)
        wanted = kept[0] if interval is None else str(Interval(interval))
        if wanted not in kept:
            text = f"indicator {name!r} needs {wanted} bars of {symbol}; kept: {', '.join(kept)}"
            raise UnknownSeriesError(text, symbol=symbol, interval=wanted)
        return wanted


class _User:
    """An indicator of the user and what it is to follow."""

    def __init__(
        self, indicator: Any, interval: IntervalLike | None, warmup: object
    ) -> None:
        if not isinstance(warmup, bool):
            text = f"warmup is {warmup!r} ({type(warmup).__name__}); it must be True or False"
            raise ArgumentTypeError(text, got=warmup)
        self.indicator = indicator
        self.interval = None if interval is None else str(Interval(interval))
        self.warmup = warmup


def read_spec(name: str, given: object) -> dict[str, Any]:
    """Return type, interval, period, field and warmup of a built-in indicator."""
    if isinstance(given, Mapping):
        for key in given:
            if key not in _KEYS:
                text = (
                    f"indicator {name!r} has no {key!r}{did_you_mean(str(key), _KEYS)}"
                )
                raise ArgumentError(f"{text}; it has {', '.join(_KEYS)}", got=key)
        values = {key: given.get(key) for key in _KEYS}
    else:
        values = {key: getattr(given, key, None) for key in _KEYS}
    for key, known in (("type", _KINDS), ("field", _FIELDS)):
        word = values[key]
        if word is None and key == "field":
            continue
        if not isinstance(word, str):
            text = f"{key} of indicator {name!r} is {word!r}; it must be a word such as {known[0]!r}"
            raise ArgumentTypeError(text, got=word)
        if word not in known:
            text = f"{key} of indicator {name!r} is {word!r}; it must be one of {', '.join(known)}"
            raise ArgumentError(text + did_you_mean(word, known), got=word)
    values["warmup"] = True if values["warmup"] is None else values["warmup"]
    if not isinstance(values["warmup"], bool):
        text = f"warmup of indicator {name!r} is {values['warmup']!r}; it must be True or False"
        raise ArgumentTypeError(text, got=values["warmup"])
    if values["interval"] is not None:
        values["interval"] = str(Interval(values["interval"]))
    return values
