"""Bars of several sources that wait to be written: held against what is there, then written once per series.

A stored file holds a month, and is replaced as a whole. A source that holds a day would have it written twenty times.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from tapeloom._core import Bars
from tapeloom.errors import DuplicateBarError, TapeloomError
from tapeloom.importing.mismatch import ImportMismatchError
from tapeloom.importing.repeats import FIELDS
from tapeloom.importing.stored import Stored
from tapeloom.timestamps import from_ns

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    import numpy.typing as npt

    from tapeloom.importing.source_read import SourceRead
    from tapeloom.importing.store import BarStore

    Key = tuple[str, str]

__all__ = ["Batch", "Written"]


class Written(NamedTuple):
    """What became of one source: the files that hold its bars, or why they were not written."""

    files: list[Path]
    error: TapeloomError | None = None


@dataclass(frozen=True, slots=True, eq=False)
class _Part:
    """Bars of one series from one source: its number, its name, and what is kept of where they come from."""

    number: int
    source: str
    bars: Bars
    origin: Mapping[str, object]


class Batch:
    """Bars that wait to be written."""

    def __init__(self, store: BarStore, on_duplicate: str | None) -> None:
        self._store = store
        self._on_duplicate = on_duplicate
        self._parts: dict[Key, list[_Part]] = {}
        self._numbers: list[int] = []
        self._stored = Stored(store)
        self.bars = 0
        """How many bars wait."""

    def tell_conflicts(self, read: SourceRead) -> None:
        """Add a finding for each series with bars that are stored, or wait, with other values; such a source must not be added.

        Raises
        ------
        DataError
            If what is stored cannot be read.
        """
        if self._on_duplicate in ("replace", "ignore"):
            return
        own: dict[Key, list[Bars]] = {}
        for series in read.series:
            bars, key = series.bars, _key(series.bars)
            if not len(bars):
                continue
            for where, other in self._beside(key, bars):
                self._tell(bars, other, where, read)
            for other in own.get(key, ()):
                self._tell(bars, other, "come again in this source", read)
            own.setdefault(key, []).append(bars)

    def add(self, number: int, read: SourceRead, origin: Mapping[str, object]) -> None:
        """Add the bars of a source, which is known by a number."""
        self._numbers.append(number)
        for series in read.series:
            bars = series.bars
            if len(bars):
                spans = {"first_ts": int(bars.ts[0]), "last_ts": int(bars.ts[-1])}
                part = _Part(number, read.source, bars, {**origin, **spans})
                self._parts.setdefault(_key(bars), []).append(part)
                self.bars += len(bars)

    def write(self) -> dict[int, Written]:
        """Write what waits, each series once; return what became of each source, by number. Nothing waits afterwards."""
        found = {number: Written([]) for number in self._numbers}
        for parts in self._parts.values():
            outcome = self._written(parts)
            for part in parts:
                before = found[part.number]
                error = before.error or outcome.error
                found[part.number] = Written([*before.files, *outcome.files], error)
        self.clear()
        return found

    def clear(self) -> None:
        """Forget what waits."""
        self._parts.clear()
        self._numbers.clear()
        self._stored.forget()
        self.bars = 0

    def _beside(self, key: Key, bars: Bars) -> Iterator[tuple[str, Bars]]:
        """Yield other bars of a series that begin in the range of these, and where they are."""
        first, last = int(bars.ts[0]), int(bars.ts[-1])
        stored = self._stored.within(key, first, last)
        if stored is not None:
            yield "are stored", stored
        for part in self._parts.get(key, ()):
            if part.bars.ts[0] <= last and part.bars.ts[-1] >= first:
                yield f"come from {part.source}", part.bars.between(first, last + 1)

    def _tell(self, bars: Bars, other: Bars, where: str, read: SourceRead) -> None:
        ts = _differing(bars, other)
        if not ts.size:
            return
        first = from_ns(int(ts[0]), bars.zone)
        what = "key occurs" if ts.size == 1 else "keys occur"
        asked = (
            "choose on_duplicate"
            if self._on_duplicate is None
            else "on_duplicate is 'error'"
        )
        text = (
            f"{ts.size:,} {what} twice with different values: other bars {where}, the first at {first:%Y-%m-%d %H:%M}; "
            f"{asked}: 'replace' keeps the imported bar, 'ignore' the earlier one"
        )
        read.findings.add(
            "conflicts", text, outcome="stops", symbol=bars.symbol, count=int(ts.size)
        )

    def _written(self, parts: Sequence[_Part]) -> Written:
        bars = parts[0].bars
        if len(parts) > 1:
            bars = Bars.concat([part.bars for part in parts])
        try:
            files = self._store.write_bars(
                bars.symbol,
                bars.interval,
                bars,
                on_duplicate=self._on_duplicate or "error",
                origins=[part.origin for part in parts],
            )
        except DuplicateBarError as error:
            # Somebody else has written meanwhile: what was there before was looked at.
            text = (
                f"{error.message.partition(' and on_duplicate')[0]}; choose on_duplicate: 'replace' keeps the imported "
                "bar, 'ignore' the stored one"
            )
            refused = ImportMismatchError(text, symbol=bars.symbol)
            refused.__cause__ = error
            return Written([], refused)
        except TapeloomError as error:
            return Written([], error)
        return Written(files)


def _key(bars: Bars) -> Key:
    return bars.symbol, bars.interval


def _differing(bars: Bars, other: Bars) -> npt.NDArray[np.int64]:
    """Return the starts that both have, with other values; ``bars`` has each start once."""
    at = np.minimum(np.searchsorted(bars.ts, other.ts), len(bars) - 1)
    both = bars.ts[at] == other.ts
    differs = np.logical_or.reduce(
        [getattr(bars, name)[at] != getattr(other, name) for name in FIELDS]
    )
    return np.unique(other.ts[both & differs])
