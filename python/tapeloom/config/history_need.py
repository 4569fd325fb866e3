"""Which history a symbol needs: what the configuration asks to keep, and what its indicators read beside it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from tapeloom._core import Interval
from tapeloom.periods import Period

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tapeloom.config.session_data_config import (
        HistoricalData,
        IndicatorSpec,
    )
    from tapeloom.config.warm_up import WarmUp

__all__ = ["CONFIGURED", "HistoryNeed", "IndicatorRead", "history_needs", "reads_of"]

CONFIGURED = "configured"
_ONE_DAY, _ONE_MINUTE = Interval("1d"), Interval("1m")
_WORDS = {"d": "day", "w": "week", "m": "month", "y": "year"}


@dataclass(frozen=True, slots=True)
class HistoryNeed:
    """Bars of one interval over a period before each session, and who needs them.

    ``period`` is ``"3d"`` for trading days, ``"52w"``, ``"6m"`` or ``"1y"`` for the calendar. ``reasons`` are
    ``"configured"``, and names of indicators. What is configured is kept in the session's history; what only indicators
    need is read for them, and not kept there. With ``full_days`` half days are passed over and do not count.
    """

    interval: str
    period: str
    reasons: tuple[str, ...] = (CONFIGURED,)
    full_days: bool = False

    @property
    def is_kept(self) -> bool:
        """Whether the session's history holds these bars."""
        return CONFIGURED in self.reasons

    @property
    def days(self) -> int | None:
        """The number of trading days; ``None`` for a period of the calendar."""
        period = Period.parse(self.period)
        return period.count if period.unit == "d" else None

    def __str__(self) -> str:
        period = Period.parse(self.period)
        word = _WORDS[period.unit] + ("" if period.count == 1 else "s")
        full = "full " if self.full_days else ""
        return (
            f"{self.interval} {period.count} {full}{word} ({', '.join(self.reasons)})"
        )


class IndicatorRead(NamedTuple):
    """The stored bars that an indicator is computed from; ``None`` where nothing stored serves."""

    name: str
    interval: str | None


def reads_of(
    indicators: Mapping[str, IndicatorSpec], base: Interval, stored: Sequence[Interval]
) -> tuple[IndicatorRead, ...]:
    """Return what each indicator reads: stored daily bars where there are any, else intraday ones."""
    found = []
    for name, spec in indicators.items():
        per_minute = spec.granularity == "minute"
        source = (_minutes if per_minute else _days)(base, stored)
        found.append(IndicatorRead(name, None if source is None else source.text))
    return tuple(found)


def _minutes(base: Interval, stored: Sequence[Interval]) -> Interval | None:
    if _ONE_MINUTE in stored:
        return _ONE_MINUTE
    return max((i for i in stored if i.divides(_ONE_MINUTE)), default=None)


def _days(base: Interval, stored: Sequence[Interval]) -> Interval | None:
    if _ONE_DAY in stored:
        return _ONE_DAY
    if base < _ONE_DAY and base in stored:
        # In a backtest its bars are known to reach into the window.
        return base
    return max((i for i in stored if i < _ONE_DAY), default=None)


def history_needs(
    symbol: str,
    data: Sequence[HistoricalData],
    indicators: Mapping[str, IndicatorSpec],
    reads: Sequence[IndicatorRead],
    base: str,
    warm_ups: Sequence[WarmUp] = (),
) -> tuple[HistoryNeed, ...]:
    """Return the union of what is configured for a symbol and what its indicators read, finest first.

    Real-time indicators read the history of ``base``.

    An indicator whose period the configured days of its interval reach has no need of its own; it is named there.
    """
    kept: dict[Interval, int] = {}
    for entry in data:
        if entry.apply_to == "all" or symbol in entry.apply_to:
            for text in entry.intervals:
                interval = Interval(text)
                kept[interval] = max(entry.trailing_days, kept.get(interval, 0))
    reasons = {interval: [CONFIGURED] for interval in kept}
    own: dict[tuple[Interval, str, bool], tuple[int, list[str]]] = {}
    for name, source in reads:
        if source is None:
            continue
        spec, interval = indicators[name], Interval(source)
        period = Period.parse(spec.period)
        covered = period.unit == "d" and period.count <= kept.get(interval, 0)
        if covered and not spec.skip_early_close:
            reasons[interval].append(name)
            continue
        key = (interval, period.unit, spec.skip_early_close)
        count, names = own.setdefault(key, (0, []))
        own[key] = (max(count, period.count), [*names, name])
    for warm_up in warm_ups:
        interval = Interval(base)
        if warm_up.days <= kept.get(interval, 0):
            reasons[interval].append(warm_up.name)
            continue
        key = (interval, "d", False)
        count, names = own.setdefault(key, (0, []))
        own[key] = (max(count, warm_up.days), [*names, warm_up.name])
    needs = [HistoryNeed(i.text, f"{kept[i]}d", tuple(reasons[i])) for i in kept]
    needs += [
        HistoryNeed(i.text, f"{count}{unit}", tuple(names), full)
        for (i, unit, full), (count, names) in own.items()
    ]
    order = "dwmy"
    return tuple(
        sorted(
            needs,
            key=lambda n: (
                Interval(n.interval),
                not n.is_kept,
                order.index(n.period[-1]),
            ),
        )
    )
