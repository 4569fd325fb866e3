"""Which messages become of a bar while faults are at work, and when. Pure: no socket, no clock."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from tapeloom.live.server.wire import bar_message

if TYPE_CHECKING:
    from tapeloom.bars import BarData
    from tapeloom.live.server.fault import Fault
    from tapeloom.live.server.wire import Message

__all__ = ["Delivery", "FaultyBars"]

# What a bar that is corrected later lacks at first: trades that were reported late.
_EARLY_SHARE = 0.9


class Delivery(NamedTuple):
    """A message and the instant it is sent at, ns UTC."""

    due: int
    message: Message


@dataclass(slots=True)
class _Active:
    """A fault and how many bars it still concerns; bars that it holds back."""

    fault: Fault
    left: int
    held: dict[str, list[BarData]] = field(default_factory=dict)


class FaultyBars:
    """Bars as they are sent: each is given to the first fault that still waits for one of its symbol."""

    def __init__(self) -> None:
        self._active: list[_Active] = []
        # Per symbol the spans [from, to) whose bars do not exist because of a halt.
        self._halts: dict[str, list[tuple[int, int]]] = {}

    def begin(self, fault: Fault) -> None:
        """Let a fault that concerns bars wait for them."""
        self._active.append(_Active(fault, fault.count or 1))

    def halt(self, symbol: str, start: int, end: int) -> None:
        """Let the bars of a symbol that start in ``[start, end)``, ns UTC, not exist."""
        self._halts.setdefault(symbol, []).append((start, end))

    def exists(self, symbol: str, ts: int) -> bool:
        """Whether a bar that starts at an instant, ns UTC, lies outside all halts."""
        return not any(a <= ts < b for a, b in self._halts.get(symbol, ()))

    def deliveries(self, bar: BarData, now: int) -> list[Delivery]:
        """Return what is sent for a bar that ends now, ns UTC, in order of time."""
        if not self.exists(bar.symbol, bar.ts):
            return []
        for active in self._active:
            if active.fault.concerns(bar.symbol):
                return self._apply(active, bar, now)
        return [Delivery(now, bar_message(bar))]

    def _apply(self, active: _Active, bar: BarData, now: int) -> list[Delivery]:
        fault = active.fault
        active.left -= 1
        if not active.left:
            self._active.remove(active)
        later = now + fault.seconds_ns
        match fault.kind:
            case "drop":
                return []
            case "delay":
                return [Delivery(later, bar_message(bar))]
            case "duplicate":
                return [Delivery(now, bar_message(bar))] * 2
            case "correct":
                early = bar_message(bar)
                early["v"] = int(bar.volume * _EARLY_SHARE)
                early["c"] = bar.open
                update = bar_message(bar, kind="u")
                return [Delivery(now, early), Delivery(later, update)]
        # "reorder": what was held comes behind what is newer.
        active.held.setdefault(bar.symbol, []).append(bar)
        if active.left:
            return []
        return [
            Delivery(now, bar_message(held))
            for bars in active.held.values()
            for held in reversed(bars)
        ]
