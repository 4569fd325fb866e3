"""A real-time indicator that is asked for before there is a run: checked now, added when the run has its symbols."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tapeloom._core import Interval
from tapeloom.bars import normalise_symbol
from tapeloom.errors import ArgumentError, ArgumentTypeError
from tapeloom.session.realtime_indicators import read_spec
from tapeloom.session.user_indicators import read_indicator
from tapeloom.session_data.indicator_values import checked_name

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tapeloom.intervals import IntervalLike
    from tapeloom.session.realtime_indicators import RealtimeIndicators

__all__ = ["AskedIndicator"]


@dataclass(frozen=True, slots=True)
class AskedIndicator:
    """What ``RealtimeIndicators.add`` will be given."""

    name: str
    indicator: object
    symbols: str | tuple[str, ...]
    interval: str | None
    warmup: bool

    @classmethod
    def of(
        cls,
        name: str,
        indicator: object,
        *,
        symbols: str | Iterable[str] = "all",
        interval: IntervalLike | None = None,
        warmup: bool = True,
    ) -> AskedIndicator:
        """Return what is asked for.

        Raises
        ------
        ArgumentError
            For all that ``RealtimeIndicators.add`` refuses without knowing the symbols of a run.
        """
        wanted = checked_name(name)
        if isinstance(symbols, str):
            if symbols != "all":
                text = f"symbols is {symbols!r}; it must be 'all' or a list such as [{symbols!r}]"
                raise ArgumentError(text, got=symbols)
            owners: str | tuple[str, ...] = symbols
        else:
            owners = tuple(normalise_symbol(symbol) for symbol in symbols)
        if not isinstance(warmup, bool):
            text = f"warmup is {warmup!r}; it must be True or False"
            raise ArgumentTypeError(text, got=warmup)
        if isinstance(indicator, Mapping) or hasattr(indicator, "type"):
            read_spec(wanted, indicator)
        else:
            read_indicator(wanted, indicator)
        asked = None if interval is None else str(Interval(interval))
        return cls(wanted, indicator, owners, asked, warmup)

    def add_to(self, indicators: RealtimeIndicators) -> None:
        """Add it to those of a run, whose symbols are registered."""
        indicators.add(
            self.name,
            self.indicator,
            symbols=self.symbols,
            interval=self.interval,
            warmup=self.warmup,
        )
