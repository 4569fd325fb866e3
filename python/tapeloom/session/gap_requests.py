"""What a source of history is asked, in how few requests. It asks nobody."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tapeloom.gap.filling import Filling

__all__ = ["Ask", "joined"]

#: Stretches of a symbol no further apart than this become one request.
_NEAR_NS = 3_600_000_000_000


@dataclass(frozen=True, slots=True)
class Ask:
    """One request: some stretches of a symbol that are close together, oldest first."""

    parts: tuple[Filling, ...]

    @property
    def symbol(self) -> str:
        """The symbol of all parts."""
        return self.parts[0].symbol

    @property
    def interval(self) -> str:
        """The interval of all parts."""
        return self.parts[0].interval

    @property
    def start(self) -> int:
        """Start of the first part, ns UTC."""
        return self.parts[0].start

    @property
    def end(self) -> int:
        """End of the last part, ns UTC."""
        return self.parts[-1].end


def joined(fillings: Iterable[Filling]) -> list[Ask]:
    """Return the requests for some stretches of one symbol, neighbours joined, oldest first."""
    asks: list[Ask] = []
    near: list[Filling] = []
    for filling in sorted(fillings, key=lambda each: each.start):
        if near and filling.start - near[-1].end > _NEAR_NS:
            asks.append(Ask(tuple(near)))
            near = []
        near.append(filling)
    return [*asks, Ask(tuple(near))] if near else asks
