"""Puts what history answered into the session; keeps as evidence what it does not have. It asks nobody."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import numpy as np

from tapeloom.errors import DuplicateBarError, JournalError
from tapeloom.ingest import IngestCounts
from tapeloom.session.gap_answers import backfilled, failure_of, sift

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence, Set

    from tapeloom._core import Bars
    from tapeloom.gap.filling import Filling
    from tapeloom.ingest import IngestReport
    from tapeloom.session.gap_answers import Answer
    from tapeloom.session.gap_requests import Ask
    from tapeloom.session.session_grids import MissingRun, SessionGrids
    from tapeloom.session_data import SessionData

__all__ = ["AddBars", "FillCounts", "GapMerger", "Merged"]

_log = logging.getLogger("tapeloom.gap_filler")


AddBars: TypeAlias = "Callable[[str, Bars], IngestReport]"


class Merged(NamedTuple):
    """What became of a stretch: where the bars start that came, how many are missing, where those start that were changed."""

    came: Sequence[int]
    left: int
    changed: Sequence[int]


@dataclass(frozen=True, slots=True)
class FillCounts:
    """What was asked and what became of the rows that came.

    ``returned == outside + off_grid + too_early + refused + bars.offered`` and ``bars.balanced`` hold at any time.
    ``outside`` lay in no stretch that was asked for, ``off_grid`` between two expected starts, ``too_early`` were not
    known yet at the clock, ``refused`` would have changed a stored bar where ``on_duplicate`` is ``"error"``, or one that
    the feed has corrected.
    """

    calls: int = 0
    requests: int = 0
    failures: int = 0
    returned: int = 0
    outside: int = 0
    off_grid: int = 0
    too_early: int = 0
    refused: int = 0
    bars: IngestCounts = field(default_factory=IngestCounts)

    def plus(self, *, bars: IngestCounts | None = None, **more: int) -> FillCounts:
        """Return the counts with some added."""
        values = {
            name: getattr(self, name) + more.get(name, 0)
            for name in self.__slots__
            if name != "bars"
        }
        return FillCounts(
            **values, bars=self.bars if bars is None else self.bars + bars
        )


class GapMerger:
    """Merges answers, one after the other, on the thread that writes the session.

    Parameters
    ----------
    session_data
        Where the bars go.
    grids
        The expected bars of the session.
    instant
        The clock of the session, ns UTC.
    add
        Adds bars to the session and skips those that break a rule; by default the session itself does.
    corrected
        Symbol and start of bars that the feed has corrected: what history says of them is not newer.
    """

    def __init__(
        self,
        session_data: SessionData,
        grids: SessionGrids,
        instant: Callable[[], int],
        add: AddBars | None = None,
        corrected: Set[tuple[str, int]] = frozenset(),
    ) -> None:
        self._session_data = session_data
        self._corrected = corrected
        self._add = add or partial(session_data.add_bars_batch, on_invalid="skip")
        self._grids = grids
        self._instant = instant
        #: What became of the rows that came.
        self.counts = FillCounts()

    def merge(self, answer: Answer) -> list[Merged]:
        """Return what became of each stretch that was asked for."""
        symbol, parts = answer.ask.symbol, answer.ask.parts
        before = [self._present(part) for part in parts]
        counts = self.counts
        try:
            rows = None if answer.failure else self._store(answer)
        except JournalError:
            # Nothing was stored; the answer comes again.
            self.counts = counts
            raise
        after = [self._present(part) for part in parts]
        if not answer.failure:
            self._note_absent(answer.ask, rows)
        left = self.left(symbol, parts)
        return [
            Merged(_came(was, now), missing, _changed(was, now))
            for was, now, missing in zip(before, after, left, strict=True)
        ]

    def left(self, symbol: str, fillings: Iterable[Filling]) -> list[int]:
        """Return how many bars of each of a symbol's stretches are not there, whether they were traded or not."""
        grid = self._grids.of(symbol)
        if grid is None:
            return [0 for _ in fillings]
        return [
            grid.slot(filling.end)
            - grid.slot(filling.start)
            - len(self._present(filling))
            for filling in fillings
        ]

    def _present(self, filling: Filling) -> Bars:
        """The bars of a stretch that are there."""
        bars = self._session_data.get_bars(filling.symbol)
        first, last = bars.ts.searchsorted([filling.start, filling.end]).tolist()
        return bars[first:last]

    def _store(self, answer: Answer) -> Bars | None:
        """Add what the gap lacks to the session; the rows that were offered."""
        grid = self._grids.of(answer.ask.symbol)
        if answer.bars is None or grid is None:
            return None
        sifted = sift(
            answer.bars,
            answer.ask,
            grid,
            clock=self._instant(),
            zone=self._session_data.timezone,
        )
        self.counts = self.counts.plus(
            returned=len(answer.bars),
            outside=sifted.outside,
            off_grid=sifted.off_grid,
            too_early=sifted.too_early,
        )
        if sifted.bars is not None:
            self._offer(answer.ask.symbol, self._accepted(sifted.bars))
        return sifted.bars

    def _accepted(self, bars: Bars) -> Bars:
        """Without the rows that the feed has corrected, or that the policy of the store would refuse the whole answer for."""
        symbol = bars.symbol
        keeps_first = self._session_data.policies["on_duplicate"] == "error"
        if not keeps_first and not self._corrected:
            return bars
        is_there = np.isin(bars.ts, self._session_data.get_bars(symbol).ts)
        if keeps_first:
            _, first = np.unique(bars.ts, return_index=True)
            rows = np.intersect1d(np.flatnonzero(~is_there), first)
        else:
            known = [(symbol, ts) in self._corrected for ts in bars.ts.tolist()]
            rows = np.flatnonzero(~(is_there & known))
        self.counts = self.counts.plus(refused=len(bars) - len(rows))
        return backfilled(bars, rows, self._session_data.timezone)

    def _offer(self, symbol: str, bars: Bars) -> None:
        if not len(bars):
            return
        try:
            report = self._add(symbol, bars)
        except DuplicateBarError as error:
            # Another thread added one of them since.
            _log.warning("history of %s: %s", symbol, failure_of(error))
            rejected = IngestCounts(offered=len(bars), rejected=len(bars))
            self.counts = self.counts.plus(bars=rejected)
            return
        self.counts = self.counts.plus(bars=report.counts)
        if report.skipped:
            row, name, value, rule = report.skipped[0]
            text = "history of %s: %d invalid bars, first row %d: %s is %s; %s"
            _log.warning(text, symbol, len(report.skipped), row, name, value, rule)

    def _note_absent(self, ask: Ask, rows: Bars | None) -> None:
        """Keep as evidence which bars the source does not have; not those that it has and that were refused."""
        came = [] if rows is None else rows.ts.tolist()
        runs = self._session_data._due_runs(ask.symbol)
        for part in ask.parts:
            for start, end, _ in self._within(part, runs):
                if not any(start <= ts < end for ts in came):
                    self._session_data._evidence.add_asked(
                        part.symbol, start, end, self._instant()
                    )

    def _within(self, filling: Filling, runs: Sequence[MissingRun]) -> list[MissingRun]:
        grid = self._grids.of(filling.symbol)
        return [] if grid is None else grid.within(runs, filling.start, filling.end)


def _came(before: Bars, after: Bars) -> list[int]:
    """Where the bars start that were not there, ns UTC."""
    if len(after) == len(before):
        return []
    starts: list[int] = after.ts[~np.isin(after.ts, before.ts)].tolist()
    return starts


def _changed(before: Bars, after: Bars) -> list[int]:
    """Where the bars start that were there and have other values now, ns UTC."""
    at = after.ts.searchsorted(before.ts)
    is_other = np.zeros(len(before), np.bool_)
    for name in ("open", "high", "low", "close", "volume"):
        is_other |= getattr(after, name)[at] != getattr(before, name)
    starts: list[int] = before.ts[is_other].tolist()
    return starts
