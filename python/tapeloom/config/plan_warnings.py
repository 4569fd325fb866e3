"""What a plan leaves out: warnings, one for all symbols they concern."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

__all__ = ["PlanNotes", "PlanWarning", "some_of"]

_SHOWN = 5
_MOST_LINES = 10
_DROPPED = "dropped: "


@dataclass(frozen=True, slots=True)
class PlanWarning:
    """Something the plan leaves out, once for all symbols it concerns."""

    kind: str
    text: str
    symbols: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return it as texts and a list, ready for JSON."""
        return {"kind": self.kind, "text": self.text, "symbols": list(self.symbols)}

    def __str__(self) -> str:
        return f"{self.text} ({some_of(self.symbols)})"


class PlanNotes:
    """Warnings while a plan is made, grouped by text."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, str], list[str]] = {}

    def __len__(self) -> int:
        """Return how often something was noted."""
        return sum(map(len, self._found.values()))

    def add(self, kind: str, text: str, symbol: str) -> None:
        """Note what is left out of one symbol."""
        self._found.setdefault((kind, text), []).append(symbol)

    def drop(self, symbol: str, lack: str) -> None:
        """Note that a symbol is left out as a whole, and what it lacks."""
        self.add("symbol_dropped", f"{_DROPPED}{lack}", symbol)

    def warnings(self) -> tuple[PlanWarning, ...]:
        """Return what was noted, in the order in which it came up."""
        return tuple(PlanWarning(k, t, tuple(s)) for (k, t), s in self._found.items())

    def nothing_left(self) -> str:
        """Return why no symbol is left, a line for each reason."""
        lines = [
            f"{some_of(symbols)}: {text.removeprefix(_DROPPED)}"
            for (_, text), symbols in self._found.items()
        ]
        if len(lines) == 1:
            return lines[0]
        more = len(lines) - _MOST_LINES
        shown = lines[:_MOST_LINES] + ([f"and {more} more"] if more > 0 else [])
        return "no symbol has usable data\n  " + "\n  ".join(shown)


def some_of(symbols: tuple[str, ...] | list[str]) -> str:
    """Return the first few symbols, and how many more there are."""
    shown = ", ".join(symbols[:_SHOWN])
    more = len(symbols) - _SHOWN
    return f"{shown} and {more:,} more" if more > 0 else shown
