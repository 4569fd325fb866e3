"""What a session holds, as the configuration says it: symbols, streams, history, indicators, rules for bars."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag

from tapeloom.config.fields import (
    All,
    AllOrSymbols,
    BarInterval,
    HistoryPeriod,
    IndicatorName,
    Listed,
    NotBlank,
    Part,
    Stream,
    Symbol,
    SymbolList,
    TradingDate,
    frozen_dict,
    which_universe,
)
from tapeloom.config.frozen import FrozenDict

__all__ = [
    "BarRules",
    "GapFiller",
    "Historical",
    "HistoricalData",
    "IndicatorSpec",
    "Member",
    "Membership",
    "RealtimeIndicatorSpec",
    "SessionDataConfig",
    "Streaming",
    "SymbolFile",
]

#: Bars or days that something may reach back: 400 years of trading days.
_MOST_BACK = 100_000
_FIELD_OF = {
    "trailing_average": "volume",
    "trailing_max": "high",
    "trailing_min": "low",
}


def _usual_field(known: dict[str, Any]) -> Any:
    # A type that is wrong is reported as such.
    return _FIELD_OF.get(known.get("type", ""), "volume")


class SymbolFile(Part):
    """A file that says which symbols: one a line, or a table ``date_from, date_to, symbol`` in CSV or Parquet."""

    file: NotBlank


class Member(Part):
    """One stretch of dates, both included, on which a symbol belongs to the universe; without a date it is open."""

    date_from: TradingDate | None = None
    date_to: TradingDate | None = None
    symbol: Symbol


class Membership(Part):
    """The same table in the configuration itself."""

    table: Annotated[tuple[Member, ...], Listed, Field(min_length=1)]


SymbolsAsked = Annotated[
    All
    | SymbolList
    | Annotated[SymbolFile, Tag("<file>")]
    | Annotated[Membership, Tag("<table>")],
    Discriminator(which_universe),
]


class Streaming(Part):
    """How a session that runs by the clock catches up; kept, and of no effect on one driven by its data."""

    catchup_threshold_seconds: Annotated[float, Field(ge=1)] = 60.0
    catchup_check_interval: Annotated[int, Field(ge=1, le=100)] = 10


class HistoricalData(Part):
    """Bars of trading dates before each session: how many dates, which intervals, for which symbols."""

    trailing_days: Annotated[int, Field(ge=1, le=_MOST_BACK)]
    intervals: Annotated[tuple[BarInterval, ...], Listed, Field(min_length=1)]
    apply_to: AllOrSymbols = "all"


class IndicatorSpec(Part):
    """An average or extreme over history, computed before each session; see ``tapeloom.indicators``.

    ``field`` is ``volume`` for averages, ``high`` and ``low`` for extremes if not given. ``granularity`` and
    ``skip_early_close`` are for averages.
    """

    type: Literal["trailing_average", "trailing_max", "trailing_min"]
    period: HistoryPeriod
    granularity: Literal["daily", "minute"] = "daily"
    field: Literal["open", "high", "low", "close", "volume"] = Field(
        default_factory=_usual_field
    )
    skip_early_close: bool = False


class RealtimeIndicatorSpec(Part):
    """A value that follows each bar of a session.

    ``interval`` is the base interval if not given. ``period`` is a number of bars; ``vwap`` has none, it begins with each
    session. ``field`` is ``close`` if not given; ``atr`` and ``vwap`` have none. With ``warmup`` bars of history come
    first, so that there is a value from the first bar on.
    """

    type: Literal["sma", "ema", "rsi", "atr", "vwap", "stdev", "high", "low"]
    interval: BarInterval | None = None
    period: Annotated[int, Field(ge=1, le=_MOST_BACK)] | None = None
    field: Literal["open", "high", "low", "close", "volume"] = "close"
    warmup: bool = True

    @property
    def is_warmed_up(self) -> bool:
        """Whether it reads history."""
        return self.warmup and self.period is not None


class Historical(Part):
    """What is loaded and computed before each session."""

    enable_quality: bool = True
    data: Annotated[tuple[HistoricalData, ...], Listed] = ()
    indicators: Annotated[dict[IndicatorName, IndicatorSpec], frozen_dict] = Field(
        default_factory=FrozenDict
    )


class GapFiller(Part):
    """Quality during the session, and how gaps are filled where ``on_gap`` says so."""

    enable_session_quality: bool = True
    max_retries: Annotated[int, Field(ge=1, le=20)] = 5
    retry_interval_seconds: Annotated[float, Field(ge=1)] = 60.0


class BarRules(Part):
    """How bars are taken in and derived."""

    base_interval: BarInterval | None = None
    on_duplicate: Literal["replace", "ignore", "error"] = "replace"
    on_invalid: Literal["error", "skip"] = "error"
    allow_negative_prices: bool = False
    completeness: Literal["any", "complete"] = "any"
    anchor: Literal["session", "segment", "clock"] = "session"
    extended_hours: Literal["off", "show", "full"] = "off"
    no_trade: Literal["gap", "expected"] = "gap"
    on_gap: Literal["mark", "raise", "fill"] = "mark"


class SessionDataConfig(Part):
    """Which symbols and streams a session holds, with what history and under which rules.

    ``symbols`` are a list, ``"all"`` that are stored, or a file or table that names them; they are normalised, and
    ``SessionConfig.universe`` has what they mean. ``streams`` hold canonical intervals, ``"quotes"`` and ``"ticks"``.
    """

    symbols: SymbolsAsked
    streams: Annotated[tuple[Stream, ...], Listed, Field(min_length=1)]
    streaming: Streaming = Streaming()
    historical: Historical = Historical()
    indicators: Annotated[dict[IndicatorName, RealtimeIndicatorSpec], frozen_dict] = (
        Field(default_factory=FrozenDict)
    )
    gap_filler: GapFiller = GapFiller()
    bars: BarRules = BarRules()
