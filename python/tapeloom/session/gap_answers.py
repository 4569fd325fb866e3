"""Asks a source of history and reads its answers; keeps of them what a gap lacks. It changes nothing."""

from __future__ import annotations

import re
from collections.abc import Sequence, Sized
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from tapeloom._core import Bars
from tapeloom.bars import Provenance
from tapeloom.errors import HistorySourceError
from tapeloom.history_source import HistoryRequest
from tapeloom.timestamps import from_ns

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import tzinfo

    from numpy.typing import NDArray

    from tapeloom.history_source import HistorySource
    from tapeloom.session.gap_requests import Ask
    from tapeloom.session.session_grids import Grid
    from tapeloom.session_data import SessionData

__all__ = ["Answer", "Sifted", "ask_source", "backfilled", "failure_of", "sift"]

# A page of HTML tells no more than its beginning.
_LONGEST = 300
_SECRETS = (
    # The password of an address.
    (re.compile(r"(?<=://)[^/\s@]+(?=@)"), "***"),
    (re.compile(r"(?i)\b(bearer|basic)\s+[\w.~+/=-]+"), r"\1 ***"),
    (
        re.compile(
            r"""(?ix) ([\w-]*(?:key|token|secret|passw(?:or)?d|signature|credential|authorization)[\w-]*
            ["']? \s* [=:] \s*) (?!(?:bearer|basic)\ \*\*\*) ("[^"]*"|'[^']*'|[^\s,;&)}\]]+)"""
        ),
        r"\1***",
    ),
)


class Answer(NamedTuple):
    """What came of one request: bars, none, or a failure in words."""

    ask: Ask
    bars: Bars | None
    failure: str = ""


class Sifted(NamedTuple):
    """The rows of an answer that a gap lacks, flagged, and how many others there were."""

    bars: Bars | None
    outside: int
    off_grid: int
    too_early: int


def ask_source(
    source: HistorySource, asks: Sequence[Ask], session_data: SessionData
) -> list[Answer]:
    """Ask for some stretches in one call and read what comes. An exception of the source becomes a failure of each."""
    zone = session_data.timezone
    requests = [
        HistoryRequest(
            ask.symbol, ask.interval, from_ns(ask.start, zone), from_ns(ask.end, zone)
        )
        for ask in asks
    ]
    try:
        answers = _checked(source.fetch(requests), len(requests))
    except Exception as error:
        return [Answer(ask, None, failure_of(error)) for ask in asks]
    return [
        _read(ask, answer, session_data._read_bars)
        for ask, answer in zip(asks, answers, strict=True)
    ]


def _checked(answers: object, requests: int) -> Sequence[object]:
    """The answers, one for each request; a source that mixes them up is not believed."""
    if isinstance(answers, str | bytes | Bars) or not isinstance(answers, Sequence):
        text = f"fetch() returned {type(answers).__name__}; it must return a list with one answer for each request"
        raise HistorySourceError(text)
    if len(answers) != requests:
        text = f"fetch() returned {len(answers)} answers to {requests} requests; it must return one for each"
        raise HistorySourceError(text)
    return answers


def _read(ask: Ask, answer: object, read: Callable[..., Bars | None]) -> Answer:
    if isinstance(answer, Sized) and len(answer) == 0:
        return Answer(ask, None)
    try:
        return Answer(ask, read(ask.symbol, answer, ask.interval))
    except Exception as error:
        return Answer(ask, None, failure_of(error))


def failure_of(error: BaseException) -> str:
    """Return class and message of an exception; what looks like a key, token or password in it is left out."""
    text = " ".join(str(error).split())
    for pattern, instead in _SECRETS:
        text = pattern.sub(instead, text)
    if len(text) > _LONGEST:
        text = f"{text[:_LONGEST]}..."
    name = type(error).__name__
    return f"{name}: {text}" if text else name


def sift(bars: Bars, ask: Ask, grid: Grid, *, clock: int, zone: tzinfo) -> Sifted:
    """Return the rows that start in one of the stretches asked for, stand on the grid and are known at the clock."""
    ts = np.asarray(bars.ts)
    starts = np.array([part.start for part in ask.parts])
    ends = np.array([part.end for part in ask.parts])
    at = starts.searchsorted(ts, side="right") - 1
    inside = (at >= 0) & (ts < ends[at])
    slot = np.minimum(grid.starts.searchsorted(ts), len(grid.starts) - 1)
    on_grid = inside & (grid.starts[slot] == ts)
    known = on_grid & (grid.ends[slot] <= clock)
    outside, off_grid, too_early = (
        int(np.count_nonzero(mask))
        for mask in (~inside, inside & ~on_grid, on_grid & ~known)
    )
    if not known.any():
        return Sifted(None, outside, off_grid, too_early)
    return Sifted(backfilled(bars, known, zone), outside, off_grid, too_early)


def backfilled(
    bars: Bars, rows: NDArray[np.bool_] | NDArray[np.int64], zone: tzinfo
) -> Bars:
    """Return some rows of an answer as bars that say where they come from."""
    columns = {name: getattr(bars, name)[rows] for name in _COLUMNS}
    flags = np.full(len(columns["ts"]), Provenance.BACKFILLED, dtype=np.uint8)
    return Bars.from_columns(
        bars.symbol, bars.interval, **columns, flags=flags, zone=zone
    )


_COLUMNS = ("ts", "open", "high", "low", "close", "volume")
