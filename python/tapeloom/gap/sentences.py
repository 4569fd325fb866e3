"""The sentences of ``explain``: how a bar came, what is beside a gap, which parts of a bar are missing."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from tapeloom.bars import Provenance

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tapeloom.gap.holes import Holes, Run
    from tapeloom.gap.times import Times

__all__ = ["bars_named", "how_it_came", "neighbours", "parts_missing"]

_WORDS = (
    (Provenance.STREAMED, "streamed"),
    (Provenance.BACKFILLED, "backfilled"),
    (Provenance.IMPORTED, "imported"),
    (Provenance.LATE, "late"),
)
_UNITS = {"1s": "seconds", "1m": "minutes", "1h": "hours", "1d": "days"}
_SEGMENTS = {"pre_market": "pre-market", "post_market": "post-market"}

# Longer lists are cut: the sentence is for reading.
_MOST_NAMED = 4


def how_it_came(
    flags: Provenance,
    segment: str | None,
    revisions: Sequence[int | None],
    times: Times,
) -> str:
    """Return provenance and corrections, such as ``"streamed, corrected once at 14:33:07"``.

    ``revisions`` are the instants of the corrections, as far as they are known.
    """
    words = [word for flag, word in _WORDS if flags & flag]
    if flags & Provenance.EXTENDED:
        words.append(_SEGMENTS.get(segment or "", "outside regular hours"))
    if revisions:
        words.append(_corrected(revisions, times))
    elif flags & Provenance.CORRECTED:
        words.append("corrected")
    return ", ".join(words) or "stored"


def _corrected(revisions: Sequence[int | None], times: Times) -> str:
    number, at = len(revisions), revisions[-1]
    often = {1: "once", 2: "twice"}.get(number, f"{number} times")
    if at is None:
        return f"corrected {often}"
    return f"corrected {often}{', last' if number > 1 else ''} at {times.at(at)}"


def neighbours(holes: Holes, run: Run, following: int | None, times: Times) -> str:
    """Return what stands beside a run; ``following`` is the start of the next expected bar of the session."""
    first = int(holes.starts.searchsorted(run.start))
    beside: list[tuple[str, str]] = []
    if first:
        beside.append(_state(holes, first - 1, times))
    after = first + len(run)
    if after < len(holes.starts):
        beside.append(_state(holes, after, times))
    elif following is not None:
        beside.append((times.at(following), "not due yet"))
    if len(beside) == 2 and beside[0][1] == beside[1][1]:
        (before, state), (behind, _) = beside
        return f"neighbours {before} and {behind} are {state}"
    said = [f"{at} is {state}" for at, state in beside]
    if not first:
        said.insert(0, "the session begins there")
    if after >= len(holes.starts) and following is None:
        said.append("the session ends there")
    return ", ".join(said)


def _state(holes: Holes, at: int, times: Times) -> tuple[str, str]:
    state = "missing too" if holes.missing[at] else "present"
    return times.at(int(holes.starts[at])), state


def bars_named(interval: str) -> str:
    """Return what bars of an interval are called in the plural: ``"minutes"``, ``"30s bars"``."""
    return _UNITS.get(interval, f"{interval} bars")


def parts_missing(
    starts: Sequence[int], ends: Sequence[int], expected: int, base: str, times: Times
) -> str:
    """Return ``"4 of 5 minutes, 09:42 is missing"`` for the missing base bars of a derived one."""
    if not starts:
        # Flagged in part, and yet its base bars are all there or no longer kept.
        return f"not all of {expected} {bars_named(base)}"
    present = expected - len(starts)
    runs: list[list[int]] = [[0]]
    for before, at in pairwise(range(len(starts))):
        if ends[before] == starts[at]:
            runs[-1].append(at)
        else:
            runs.append([at])
    named = [
        times.at(starts[run[0]])
        if len(run) == 1
        else times.span(starts[run[0]], ends[run[-1]])
        for run in runs[:_MOST_NAMED]
    ]
    if len(runs) > _MOST_NAMED:
        named.append(f"{len(runs) - _MOST_NAMED} more")
    listed = " and ".join(filter(None, (", ".join(named[:-1]), named[-1])))
    verb = "is" if len(starts) == 1 else "are"
    return f"{present} of {expected} {bars_named(base)}, {listed} {verb} missing"
