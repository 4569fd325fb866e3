"""The plan of one symbol: its base interval, what becomes of each stream, its history. It decides nothing."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from tapeloom.config.history_need import HistoryNeed, IndicatorRead
    from tapeloom.config.warm_up import WarmUp

__all__ = ["Action", "StreamDecision", "SymbolPlan"]

Action = Literal["STREAMED", "GENERATED", "IGNORED"]


@dataclass(frozen=True, slots=True)
class StreamDecision:
    """What becomes of one stream of one symbol, and why."""

    stream: str
    action: Action
    reason: str


@dataclass(frozen=True, slots=True)
class SymbolPlan:
    """One symbol: the base interval, what is computed from it, and the history to load.

    ``base`` and ``derived`` are canonical intervals, ``derived`` finest first: those that are streams, and those that
    real-time indicators follow. ``history`` is the union of what is configured and what the indicators need,
    ``indicators`` says which stored bars each indicator of history is computed from, ``warm_ups`` how much of the base's
    history each real-time indicator needs.
    """

    symbol: str
    base: str
    derived: tuple[str, ...]
    streams: tuple[StreamDecision, ...]
    history: tuple[HistoryNeed, ...] = ()
    indicators: tuple[IndicatorRead, ...] = ()
    warm_ups: tuple[WarmUp, ...] = ()

    @property
    def kept_days(self) -> dict[str, int]:
        """Trading days of history that the session keeps, by interval, finest first."""
        return {
            need.interval: need.days
            for need in self.history
            if need.is_kept and need.days is not None
        }

    @property
    def kept_intervals(self) -> tuple[str, ...]:
        """What the session keeps beside the base: derived bars, and history of other intervals."""
        return (*self.derived, *(i for i in self.kept_days if i != self.base))

    def lines(self) -> list[str]:
        """Return the plan as lines of text, without the symbol."""
        column = max(len(d.stream) for d in self.streams)
        lines = [
            f"{d.stream:<{column}}  {d.action:<9}  {d.reason}" for d in self.streams
        ]
        if self.history:
            lines.append(f"history {', '.join(map(str, self.history))}")
        return lines

    def to_dict(self) -> dict[str, Any]:
        """Return the plan as dicts, lists, texts and numbers, ready for JSON."""
        return {
            "symbol": self.symbol,
            "base": self.base,
            "derived": list(self.derived),
            "streams": [asdict(decision) for decision in self.streams],
            "history": [asdict(need) | {"days": need.days} for need in self.history],
            "indicators": [read._asdict() for read in self.indicators],
            "warm_ups": [warm_up._asdict() for warm_up in self.warm_ups],
        }

    def __str__(self) -> str:
        first, *rest = self.lines()
        blank = " " * len(self.symbol)
        return "\n".join([f"{self.symbol}  {first}", *(f"{blank}  {r}" for r in rest)])
