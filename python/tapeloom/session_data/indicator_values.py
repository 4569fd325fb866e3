"""Values of indicators that analysis code or a coordinator puts beside the bars."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol, overload

import numpy as np

from tapeloom.bars import normalise_symbol
from tapeloom.errors import AmbiguousIndicatorError, ArgumentError, ArgumentTypeError
from tapeloom.indicators import HistoricalIndicator
from tapeloom.session_data.reading import SessionReading

if TYPE_CHECKING:
    from datetime import date

    from numpy.typing import NDArray

__all__ = [
    "ComputedIndicators",
    "IndicatorInfo",
    "SessionIndicators",
    "checked_name",
    "kept_value",
]

_NOT_GIVEN: Any = object()


@dataclass(frozen=True, slots=True, eq=False)
class IndicatorInfo:
    """A historical value and what it rests on; ``None`` for what the one who set the value did not say."""

    value: Any
    """The value; arrays are read-only."""
    n_used: int | None = None
    """Sessions of the period that have a bar."""
    n_requested: int | None = None
    """Sessions that the period asks for."""
    dates: tuple[date, ...] | None = None
    """The sessions used, oldest first."""
    counts: NDArray[np.int32] | None = None
    """How many sessions are behind each element of an array."""
    date_of_extreme: date | None = None
    """The first session that has the extreme."""


class ComputedIndicators(Protocol):
    """Real-time values that are computed instead of set."""

    def __contains__(self, name: object, /) -> bool:
        """Whether values of this name are computed."""

    def value(self, symbol: str, name: str) -> Any:
        """Return a value as of the newest epoch, ``None`` without one."""

    def values(self) -> dict[str, dict[str, Any]]:
        """Return all values by name, then by symbol."""

    def reset(self) -> None:
        """Forget what belongs to the session that ends."""

    def remove_symbol(self, symbol: str) -> None:
        """Forget a symbol."""


class IndicatorValues:
    """Values by name, then by symbol; a global one stands under ``None``."""

    def __init__(self) -> None:
        self.historical: dict[str, dict[str | None, Any]] = {}
        self.realtime: dict[str, dict[str, Any]] = {}
        #: What computes values of the running session; a name is either computed or set.
        self.computed: ComputedIndicators | None = None

    def realtime_now(self) -> dict[str, dict[str, Any]]:
        """Return the real-time values by name, then by symbol, set and computed ones."""
        return self.realtime | (self.computed.values() if self.computed else {})

    def start_session(self) -> None:
        """Forget real-time values; historical ones stay until they are set again."""
        self.realtime = {}
        if self.computed is not None:
            self.computed.reset()

    def clear(self) -> None:
        """Forget all values."""
        self.historical, self.realtime, self.computed = {}, {}, None

    def remove(self, symbol: str) -> None:
        """Forget the values of a symbol."""
        if self.computed is not None:
            self.computed.remove_symbol(symbol)
        for by_symbol in list(self.historical.values()):
            by_symbol.pop(symbol, None)
        for values in list(self.realtime.values()):
            values.pop(symbol, None)


class SessionIndicators(SessionReading):
    """What keeps and reads the values of indicators. A value stays as it was set; reading is O(1)."""

    _values: IndicatorValues

    def _begin(self) -> None:
        super()._begin()
        self._values = IndicatorValues()
        self._parts.append(self._values)

    def _compute_with(self, computed: ComputedIndicators) -> None:
        """Let values of the running session be computed, in place of who computed them before."""
        self._values.computed = computed

    @overload
    def set_historical_indicator(self, name: str, value: object, /) -> None: ...
    @overload
    def set_historical_indicator(
        self, symbol: str, name: str, value: object, /
    ) -> None: ...
    def set_historical_indicator(
        self, first: str, second: Any, third: object = _NOT_GIVEN, /
    ) -> None:
        """Set a value computed from history: ``(name, value)`` for all symbols, ``(symbol, name, value)`` for one.

        Parameters
        ----------
        symbol
            Whose value it is. The symbol need not be kept yet.
        name
            Any printable text, stripped; capitals count.
        value
            A number, text, tuple or any other value that cannot change; an array, of which a read-only copy is kept; or a
            ``HistoricalIndicator``, whose counts are then told by :meth:`get_historical_indicator_info`.

        Raises
        ------
        ArgumentError
            For a blank or unprintable name; ``ArgumentTypeError`` if it is no text, and for a value that can change,
            such as a list, a dict or a frame.
        """
        self._check_process()
        if third is _NOT_GIVEN:
            symbol, name, value = None, checked_name(first), second
        else:
            symbol, name, value = normalise_symbol(first), checked_name(second), third
        self._values.historical.setdefault(name, {})[symbol] = kept_value(value)

    @overload
    def get_historical_indicator(self, name: str, /) -> Any: ...
    @overload
    def get_historical_indicator(self, symbol: str, name: str, /) -> Any: ...
    def get_historical_indicator(self, first: str, second: str = _NOT_GIVEN, /) -> Any:
        """Return a value computed from history, ``None`` without one: ``(name)`` or ``(symbol, name)``.

        The short form finds the value of all symbols, or that of the only symbol that has one.

        Raises
        ------
        AmbiguousIndicatorError
            If several symbols have the indicator and none was named.
        """
        self._check_process()
        if second is not _NOT_GIVEN:
            return _value(self._historical_of(first, second))
        name = checked_name(first)
        by_symbol = dict(self._values.historical.get(name, {}))
        if None in by_symbol:
            return _value(by_symbol[None])
        if len(by_symbol) > 1:
            owners = sorted(str(symbol) for symbol in by_symbol)
            some = ", ".join(owners[:10]) + (", ..." if len(owners) > 10 else "")
            text = f"indicator {name!r} has values of {len(owners)} symbols ({some})"
            text += f"; name one, such as ({owners[0]!r}, {name!r})"
            raise AmbiguousIndicatorError(text, name=name, symbols=owners)
        return _value(next(iter(by_symbol.values()), None))

    def get_historical_indicator_info(
        self, symbol: str, name: str
    ) -> IndicatorInfo | None:
        """Return a value with the sessions and counts it rests on, ``None`` without one."""
        self._check_process()
        found = self._historical_of(symbol, name)
        if isinstance(found, HistoricalIndicator):
            return IndicatorInfo(
                found.value,
                found.n_used,
                found.n_requested,
                found.dates,
                found.counts,
                found.date_of_extreme,
            )
        return None if found is None else IndicatorInfo(found)

    def _historical_of(self, symbol: str, name: str) -> Any:
        owner, wanted = normalise_symbol(symbol), checked_name(name)
        by_symbol = self._values.historical.get(wanted, {})
        if owner not in by_symbol:
            # Says, or raises, that nobody keeps the symbol.
            self._resolve(owner, None)
        return by_symbol.get(owner)

    def set_realtime_indicator(self, symbol: str, name: str, value: object) -> None:
        """Set a value that follows the running session; a new session forgets it.

        Rules and errors are those of :meth:`set_historical_indicator`; a name whose values are computed is an
        ``ArgumentError``.
        """
        self._check_process()
        owner, wanted = normalise_symbol(symbol), checked_name(name)
        computed = self._values.computed
        if computed is not None and wanted in computed:
            text = f"name is {wanted!r}, whose values are computed; set yours under another, such as 'my_{wanted}'"
            raise ArgumentError(text, got=name)
        self._values.realtime.setdefault(wanted, {})[owner] = kept_value(value)

    def get_realtime_indicator(self, symbol: str, name: str) -> Any:
        """Return a value of the running session, computed or set; ``None`` without one. O(1)."""
        self._check_process()
        owner, wanted = normalise_symbol(symbol), checked_name(name)
        computed = self._values.computed
        if computed is not None and wanted in computed:
            found = computed.value(owner, wanted)
        else:
            found = self._values.realtime.get(wanted, {}).get(owner)
        if found is None:
            # Says, or raises, that nobody keeps the symbol.
            self._resolve(owner, None)
        return found


def checked_name(name: object) -> str:
    """Return the name of an indicator, stripped; ``ArgumentError`` if it is blank or cannot be printed."""
    if not isinstance(name, str):
        text = f"name is {name!r} ({type(name).__name__}); it must be text such as 'avg_volume'"
        raise ArgumentTypeError(text, got=name)
    found = name.strip()
    if not found or not found.isprintable():
        text = (
            f"name is {name!r}; it must hold printable characters, such as 'avg_volume'"
        )
        raise ArgumentError(text, got=name)
    return found


def kept_value(value: Any) -> Any:
    """Return what is kept of a value: nothing that anybody could change afterwards."""
    if isinstance(value, HistoricalIndicator):
        own, counts = kept_value(value.value), kept_value(value.counts)
        # Frozen as it is, unless it holds an array.
        if own is value.value and counts is value.counts:
            return value
        return replace(value, value=own, counts=counts)
    if isinstance(value, np.ndarray) and not value.dtype.hasobject:
        own = value.copy()
        own.flags.writeable = False
        return own
    try:
        # What may change cannot be hashed, nor can a tuple that holds it.
        hash(value)
    except TypeError:
        text = f"value is a {type(value).__name__}, which may change after it was set; give a number, a tuple or an array"
        raise ArgumentTypeError(text, got=value) from None
    return value


def _value(found: Any) -> Any:
    return found.value if isinstance(found, HistoricalIndicator) else found
