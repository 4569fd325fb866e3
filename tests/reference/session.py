"""The store as dicts: what becomes of each offered bar, and every answer computed afresh from what is kept."""

from __future__ import annotations

from collections import Counter
from copy import deepcopy
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests.reference.bars import is_valid
from tests.reference.derived import compensated_sum, derive
from tests.reference.gaps import due_starts, missing_runs, quality
from tests.reference.schedule import MINUTE, interval_ns, known_at

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import date

    from tests.reference.bars import Bar
    from tests.reference.derived import Derived
    from tests.reference.gaps import Run
    from tests.reference.schedule import TradingDay

__all__ = ["Metrics", "Series", "Store"]


@dataclass
class Series:
    """The base bars of one symbol by start, and what was counted on the way."""

    session: dict[int, Bar] = field(default_factory=dict)
    history: dict[int, Bar] = field(default_factory=dict)
    late: set[int] = field(default_factory=set)
    corrected: set[int] = field(default_factory=set)
    revisions: list[tuple[Bar, Bar]] = field(default_factory=list)
    quarantine: list[tuple[Bar, str]] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    repeats: int = 0
    out_of_order: int = 0
    out_of_order_unplaced: int = 0


@dataclass(frozen=True)
class Metrics:
    """Figures of the regular session bars of one symbol."""

    volume: float
    high: float
    low: float
    vwap: float | None
    last_update: int
    bar_count: int


class Store:
    """Bars of many symbols under one set of rules."""

    def __init__(
        self,
        days: Iterable[TradingDay],
        *,
        base: int = MINUTE,
        on_duplicate: str = "replace",
        on_invalid: str = "error",
        allow_negative_prices: bool = False,
        completeness: str = "any",
        extended_hours: str = "off",
    ) -> None:
        self.days = sorted(days, key=lambda day: day.open)
        self.base = base
        self.on_duplicate = on_duplicate
        self.on_invalid = on_invalid
        self.allow_negative_prices = allow_negative_prices
        self.completeness = completeness
        self.extended_hours = extended_hours
        self.series: dict[str, Series] = {}
        self.current: TradingDay | None = None
        self.ended = False
        self.clock: int | None = None

    # Life cycle

    def start_session(self, day: date) -> None:
        self.current = next(d for d in self.days if d.date == day)
        self.ended = False
        for series in self.series.values():
            series.session.clear()
            series.repeats = series.out_of_order = series.out_of_order_unplaced = 0

    def end_session(self) -> None:
        self.ended = True

    # Writing

    def offer(self, symbol: str, bar: Bar) -> str:
        """Offer one bar and return its outcome."""
        series = self.series.setdefault(symbol, Series())
        outcome = self._apply(series, bar)
        series.counts["offered"] += 1
        series.counts[outcome] += 1
        return outcome

    def offer_batch(self, symbol: str, bars: Sequence[Bar]) -> Counter[str]:
        """Offer one arrival of many bars and return how many had which outcome."""
        series = self.series.setdefault(symbol, Series())
        before, clock = deepcopy(series), self.clock
        # The sort is stable: equal keys stay in the given order.
        outcomes = Counter(
            self._apply(series, bar) for bar in sorted(bars, key=lambda bar: bar.ts)
        )
        if outcomes["rejected"] and self.on_invalid == "error":
            series, self.clock = before, clock
            self.series[symbol] = series
            outcomes = Counter({"rejected": len(bars)})
        series.counts.update(outcomes)
        series.counts["offered"] += len(bars)
        return outcomes

    def _apply(self, series: Series, bar: Bar) -> str:
        older = bool(series.session) and bar.ts < max(series.session)
        if not is_valid(bar, allow_negative_prices=self.allow_negative_prices):
            series.out_of_order_unplaced += older
            return "rejected"
        reason = self._reason_to_quarantine(bar.ts)
        if reason is not None:
            series.quarantine.append((bar, reason))
            series.out_of_order_unplaced += older
            return "quarantined"
        in_session = self._in_session(bar.ts)
        bars = series.session if in_session else series.history
        outcome = self._outcome(bars, bar)
        if outcome == "rejected":
            series.out_of_order_unplaced += older
            return outcome
        if outcome in ("duplicate", "correction"):
            series.repeats += in_session
        if outcome != "duplicate":
            if outcome == "correction":
                series.revisions.append((bars[bar.ts], bar))
                series.corrected.add(bar.ts)
            elif outcome == "late":
                series.late.add(bar.ts)
            bars[bar.ts] = bar
        series.out_of_order += in_session and older
        available_at = known_at(bar.ts, self.base, self._day_of(bar.ts))
        self.clock = (
            available_at if self.clock is None else max(self.clock, available_at)
        )
        return outcome

    def _outcome(self, bars: dict[int, Bar], bar: Bar) -> str:
        if bar.ts in bars:
            if bars[bar.ts] == bar or self.on_duplicate == "ignore":
                return "duplicate"
            return "rejected" if self.on_duplicate == "error" else "correction"
        return "late" if bars and bar.ts < max(bars) else "accepted"

    def _reason_to_quarantine(self, ts: int) -> str | None:
        if self.current is None:
            return None
        day = self._day_of(ts)
        if day.date > self.current.date:
            return "later_session"
        part = None if self.extended_hours == "off" else day.extended_at(ts)
        origin = day.open if part is None else part[0]
        return "off_grid" if (ts - origin) % self.base else None

    def _in_session(self, ts: int) -> bool:
        return self.current is None or self._day_of(ts).date == self.current.date

    def _day_of(self, ts: int) -> TradingDay:
        return next(day for day in self.days if day.span[0] <= ts < day.span[1])

    # Reading

    @property
    def now(self) -> int | None:
        """The clock: the latest known-at seen, and the close once the session has ended."""
        if self.ended and self.current is not None:
            is_off = self.extended_hours == "off"
            close = self.current.close if is_off else self.current.last_close
            return close if self.clock is None else max(self.clock, close)
        return self.clock

    def bars(self, symbol: str, scope: str = "session") -> list[Bar]:
        series = self.series.get(symbol, Series())
        kept = {
            "session": [series.session],
            "history": [series.history],
            "all": [series.history, series.session],
        }
        return [bars[ts] for bars in kept[scope] for ts in sorted(bars)]

    def is_extended(self, ts: int) -> bool:
        """Whether a session bar starts outside the regular hours; never so before the first session."""
        return self.current is not None and not self._day_of(ts).is_regular(ts)

    def _counts(self, ts: int) -> bool:
        """Whether a session bar enters the figures."""
        if not self.is_extended(ts):
            return True
        beside = self._day_of(ts).extended_at(ts)
        return self.extended_hours == "full" and beside is not None

    def derived(self, symbol: str, interval: str) -> list[Derived]:
        """Derived bars of the session scope that have been emitted by now."""
        if self.now is None:
            return []
        bars = self.series.get(symbol, Series()).session
        days = self.days if self.current is None else [self.current]
        emitted = []
        for day in days:
            emitted += derive(
                day,
                bars,
                self.base,
                interval_ns(interval),
                completeness=self.completeness,
                clock=self.now,
                extended_hours=self.extended_hours,
            )
        return emitted

    def metrics(self, symbol: str) -> Metrics | None:
        """Figures of the session, ``None`` without a bar that counts."""
        bars = [bar for bar in self.bars(symbol) if self._counts(bar.ts)]
        if not bars:
            return None
        volume = compensated_sum(bar.volume for bar in bars)
        turnover = compensated_sum(
            (bar.high + bar.low + bar.close) / 3.0 * bar.volume for bar in bars
        )
        return Metrics(
            volume=volume,
            high=max(bar.high for bar in bars),
            low=min(bar.low for bar in bars),
            vwap=turnover / volume if volume > 0 else None,
            last_update=bars[-1].ts,
            bar_count=len(bars),
        )

    def due(self) -> list[int]:
        return (
            []
            if self.current is None
            else due_starts(self.current, self.base, self.now)
        )

    def quality(self, symbol: str) -> float | None:
        return quality(self.due(), self.series.get(symbol, Series()).session)

    def gaps(self, symbol: str) -> list[Run]:
        if self.current is None:
            return []
        return missing_runs(
            self.current,
            self.base,
            self.due(),
            self.series.get(symbol, Series()).session,
        )

    def out_of_session(self, symbol: str) -> int:
        return sum(self.is_extended(bar.ts) for bar in self.bars(symbol))
