"""``Filling``: how far filling a stretch of missing bars from history has come; ``FillRecord``: all of them, by symbol."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tapeloom.gap.times import Times

__all__ = [
    "FillRecord",
    "FillStatus",
    "Filling",
    "Progress",
    "progress_of",
    "together",
]

# A symbol that hardly trades has some hundred stretches a session; the oldest go first.
_MOST_KEPT = 10_000
_NS_PER_SECOND = 1_000_000_000


class FillStatus(StrEnum):
    """Where a stretch of missing bars stands. From ``detected`` and ``requested`` it goes to one of the others."""

    DETECTED = "detected"
    """Nobody has been asked yet, or the next try is still to come."""
    REQUESTED = "requested"
    """The source of history has been asked and has not answered."""
    FILLED = "filled"
    """All its bars are there."""
    PARTIAL = "partial"
    """Some of its bars are there, and the source has no others."""
    ABANDONED = "abandoned"
    """None of its bars came, and nobody will be asked again."""


#: What a gap that holds several stretches shows: the first of these that one of them has.
_SHOWN = (
    FillStatus.REQUESTED,
    FillStatus.DETECTED,
    FillStatus.PARTIAL,
    FillStatus.ABANDONED,
    FillStatus.FILLED,
)


class Progress(NamedTuple):
    """What a gap shows of its filling: the status, the tries, and when the last one was (ns UTC)."""

    status: str = FillStatus.DETECTED.value
    attempts: int = 0
    last_attempt: int | None = None


@dataclass(frozen=True, slots=True)
class Filling:
    """A stretch of missing bars ``[start, end)`` that history is asked for. Instants are ns UTC.

    ``missing`` counts its bars when it was ``detected``, ``filled`` those that history had, ``settled`` is when nothing
    more was to come. ``reason`` is what the last try failed with, empty where it did not. ``corrected`` counts bars that
    came by themselves meanwhile, and that history had with other values.

    One with no bar missing asks for bars that are there: they may have been corrected while nobody listened.
    """

    symbol: str
    interval: str
    start: int
    end: int
    missing: int
    detected: int
    status: FillStatus = FillStatus.DETECTED
    attempts: int = 0
    last_attempt: int | None = None
    filled: int = 0
    settled: int | None = None
    reason: str = ""
    corrected: int = 0

    def line(self, times: Times) -> str:
        """Return the sentence of the report: what was missing, for how long, what became of it."""
        span = times.span(self.start, self.end).replace("-", "\N{EN DASH}")
        if not self.missing:
            return f"{self.symbol} {span}: asked for again, {self._news()}"
        return f"{self.symbol} {span}: {self.missing:,} missing{self._lasted()}, {self._outcome()}"

    def _lasted(self) -> str:
        if self.settled is None:
            return ""
        seconds = round((self.settled - self.detected) / _NS_PER_SECOND, 1)
        return f" for {seconds:g} s"

    def _news(self) -> str:
        if self.filled:
            return f"{self.filled} came"
        if self.corrected:
            return f"{self.corrected} corrected while nobody listened"
        return self.reason or "as before"

    def _outcome(self) -> str:
        tries = f"{self.attempts} {'try' if self.attempts == 1 else 'tries'}"
        if not self.settled:
            return f"{self.status} after {tries}" if self.attempts else self.status
        if self.status is FillStatus.FILLED and not self.filled:
            return "came late by themselves"
        share = f"filled {self.filled:,}/{self.missing:,} from history"
        if self.reason:
            return f"{share}, abandoned after {tries}: {self.reason}"
        if self.status is FillStatus.FILLED:
            late = self.missing - self.filled
            return f"{share}, {late:,} came late" if late else share
        return f"{share}, which has no others" if self.attempts else f"{share}, no try"


def together(fillings: Sequence[Filling]) -> Filling:
    """Return settled stretches as one: their bars added up, over all of their time, with that which was missing longest."""
    longest = max(fillings, key=lambda each: (each.settled or 0) - each.detected)
    statuses = {each.status for each in fillings}
    return replace(
        longest,
        start=min(each.start for each in fillings),
        end=max(each.end for each in fillings),
        missing=sum(each.missing for each in fillings),
        filled=sum(each.filled for each in fillings),
        corrected=sum(each.corrected for each in fillings),
        status=statuses.pop() if len(statuses) == 1 else FillStatus.PARTIAL,
        attempts=max(each.attempts for each in fillings),
    )


class FillRecord:
    """The fillings of all symbols. One thread writes, any thread reads; they stay from session to session as causes do."""

    def __init__(self) -> None:
        # By symbol and start. A dict is copied in one piece, so readers need no lock.
        self._kept: dict[str, dict[int, Filling]] = {}

    def start_session(self) -> None:
        """Keep everything: gaps of history have been filled, or not, too."""

    def clear(self) -> None:
        """Forget everything."""
        self._kept = {}

    def remove(self, symbol: str) -> None:
        """Forget a symbol."""
        self._kept.pop(symbol, None)

    def put(self, filling: Filling) -> None:
        """Keep a filling, in place of what was kept of the same stretch."""
        kept = self._kept.setdefault(filling.symbol, {})
        kept[filling.start] = filling
        if len(kept) > _MOST_KEPT:
            del kept[min(kept)]

    def of(self, symbol: str) -> list[Filling]:
        """Return what is kept of a symbol, oldest stretch first."""
        # Copied in one piece: another thread may put something in meanwhile.
        kept = list(self._kept.get(symbol, {}).values())
        return sorted(kept, key=lambda filling: filling.start)

    def all(self) -> list[Filling]:
        """Return everything, symbol by symbol."""
        return [filling for symbol in list(self._kept) for filling in self.of(symbol)]


def progress_of(fillings: Iterable[Filling], start: int, end: int) -> Progress:
    """Return what a gap ``[start, end)`` shows; of several stretches the one that is least far, most tries, last try."""
    met = [each for each in fillings if each.start < end and start < each.end]
    if not met:
        return Progress()
    status = min((each.status for each in met), key=_SHOWN.index)
    last = [each.last_attempt for each in met if each.last_attempt is not None]
    attempts = max(each.attempts for each in met)
    return Progress(status.value, attempts, max(last, default=None))
