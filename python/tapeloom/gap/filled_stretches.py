"""``FilledStretches``: the newest sentences on missing bars and what became of them, minute joined to minute."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from tapeloom.gap.filling import FillStatus, together
from tapeloom.words import counted

if TYPE_CHECKING:
    from tapeloom.gap.filling import Filling
    from tapeloom.gap.times import Times

__all__ = ["FilledStretches"]

#: More symbols than these are not named, where all of them lacked the same bars and the same became of them.
_MOST_NAMED = 10


class _Told(NamedTuple):
    """What symbols have in common that are told of together."""

    interval: str
    start: int
    end: int
    status: FillStatus
    came_by_itself: bool
    asks_again: bool
    reason: str


class FilledStretches:
    """Stretches of missing bars that were settled, those that touch as one. One thread writes, any thread reads.

    An outage is filled minute by minute, symbol by symbol. It is told as one stretch that grows; that of many symbols as
    their sum.

    Parameters
    ----------
    most
        As many sentences there are at most, and stretches that differ; the oldest go first.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        # By symbol; the newest change comes last.
        self._kept: dict[_Told, dict[str, Filling]] = {}
        self._of_symbol: dict[str, list[Filling]] = {}

    def put(self, filling: Filling, *, session_start: int) -> None:
        """Take what was settled in the session that began then, ns UTC: it continues what it touches there.

        Bars that were given up and asked for again are told of anew.
        """
        met = [
            each
            for each in self._of_symbol.get(filling.symbol, ())
            if each.interval == filling.interval
            and bool(each.missing) == bool(filling.missing)
            and each.start <= filling.end
            and filling.start <= each.end
            and (each.start < session_start) == (filling.start < session_start)
        ]
        continued = [each for each in met if _continues(each, filling)]
        whole = together([*continued, filling])
        for each in met:
            if whole.start <= each.start and each.end <= whole.end:
                self._drop(each)
        told = _told(whole)
        # Taken out and put in again, as the newest.
        alike = self._kept.pop(told, {})
        alike[whole.symbol] = whole
        self._kept[told] = alike
        self._of_symbol.setdefault(whole.symbol, []).append(whole)
        if len(self._kept) > self.most:
            for each in list(next(iter(self._kept.values())).values()):
                self._drop(each)

    def lines(self, times: Times) -> tuple[str, ...]:
        """Return a sentence for each stretch, the newest change last; one for all symbols where there are many of it."""
        found: list[str] = []
        # Copied in one piece each: another thread may put something in meanwhile.
        for alike in reversed(list(self._kept.values())):
            fillings = list(alike.values())
            if len(fillings) > _MOST_NAMED:
                symbols = counted(len(fillings), "symbol")
                fillings = [replace(together(fillings), symbol=symbols)]
            found += (each.line(times) for each in reversed(fillings))
            if len(found) >= self.most:
                break
        return tuple(reversed(found[: self.most]))

    def _drop(self, filling: Filling) -> None:
        told = _told(filling)
        alike, of_symbol = self._kept[told], self._of_symbol[filling.symbol]
        del alike[filling.symbol]
        of_symbol.remove(filling)
        if not alike:
            del self._kept[told]
        if not of_symbol:
            del self._of_symbol[filling.symbol]


def _told(filling: Filling) -> _Told:
    return _Told(
        filling.interval,
        filling.start,
        filling.end,
        filling.status,
        _came_by_itself(filling),
        not filling.missing,
        filling.reason,
    )


def _came_by_itself(filling: Filling) -> bool:
    return filling.status is FillStatus.FILLED and not filling.filled


def _continues(before: Filling, filling: Filling) -> bool:
    """Whether two that meet lie side by side, and one sentence can say what became of both."""
    return (
        (before.end == filling.start or filling.end == before.start)
        and _came_by_itself(before) == _came_by_itself(filling)
        and before.reason == filling.reason
    )
