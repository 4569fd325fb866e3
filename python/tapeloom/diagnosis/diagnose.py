"""Compares readings of stamps against a session table: which fits, and whether it wins clearly."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from tapeloom._core import Interval
from tapeloom.diagnosis.candidates import FARTHEST, candidates, rising
from tapeloom.diagnosis.fit import Sessions
from tapeloom.diagnosis.labels import Edges
from tapeloom.diagnosis.readings import Reading, with_evidence

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from tapeloom._core import SessionTable
    from tapeloom.diagnosis.candidates import Candidates, Moved
    from tapeloom.intervals import IntervalLike

__all__ = ["Diagnosis", "diagnose"]

_DAY = 86_400 * 10**9
# Fewer say nothing: they lie somewhere in the session under many shifts.
_FEWEST_BARS = 50
# What another reading must gain over the stamps as labelled, and how far ahead of the next one it must be: a number, and
# a share of the bars.
_GAIN = (5, 0.01)
_AHEAD = (3, 0.004)
# Share of the bars that must have a place in trading hours, and of a session that counts as whole.
_NEARLY_ALL, _WHOLE = 0.98, 0.995
_KEPT = 5


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """Which reading of some stamps fits the calendar.

    ``best`` is ``as_labelled`` unless another reading wins clearly. ``is_clear`` says whether the calendar tells at all:
    it is false where other readings fit as well, as on a market that never closes, and for a few bars. ``readings`` are
    those that fit best, ``best`` first. ``findings`` are sentences, empty where there is nothing to say.
    """

    best: Reading
    as_labelled: Reading
    readings: tuple[Reading, ...] = ()
    is_clear: bool = False
    findings: tuple[str, ...] = ()

    @property
    def proposal(self) -> Reading | None:
        """The reading to use in place of the labels as they are; ``None`` where they are as good as any."""
        return None if self.best == self.as_labelled else self.best


def diagnose(
    ts: NDArray[np.int64],
    *,
    table: SessionTable,
    interval: IntervalLike,
    naive: bool = False,
) -> Diagnosis:
    """Compare readings of the stamps of one symbol against the sessions they should fit.

    Readings are: as labelled; shifted by up to 14 hours in quarter hours; as wall time of plausible zones; each as starts
    or as ends of bars. Counted are the bars that a session expects and the bars in trading hours.

    Parameters
    ----------
    ts
        Stamps in any order, int64 nanoseconds, shape (n,): UTC as read, or wall time if ``naive``.
    table
        Sessions of the exchange.
    interval
        Length of the bars. Bars of days and weeks have no time of day to compare.
    naive
        Whether ``ts`` is wall time without a zone; as labelled then means the exchange's zone.

    Returns
    -------
    Diagnosis
        A proposal only where it wins clearly: it gains at least 1 % of the bars over the stamps as labelled, and no
        other reading comes near it.

    Notes
    -----
    O(n log n) for sorting, and O(s log n) for each shift over s sessions.
    """
    step = Interval(interval).ns
    stamps = rising(ts)
    if step is None or not len(stamps):
        nothing = Reading("start", 0, str(table.zone) if naive else None, 0, 0)
        return Diagnosis(nothing, nothing)
    sessions = Sessions.around(
        table, step, int(stamps[0]), int(stamps[-1]), reach=FARTHEST + 2 * _DAY
    )
    found = candidates(stamps, sessions, table.zone, naive=naive)
    labelled = found.reading(0)
    # Equal ones stay in the order of their likelihood.
    ranked = np.argsort(-found.scores, kind="stable")
    winner, is_clear = _winner(found, ranked, len(stamps), step)
    best, instants = found.reading(winner), found.instants(winner)
    edges = Edges.of(instants.values(), sessions)
    if is_clear and edges.look_like_ends(is_whole=True):
        ends = _as_ends(best, instants, sessions)
        is_whole = ends.share >= _WHOLE
        # Bars that show their ends have more hits as ends.
        if ends.hits > best.hits and edges.look_like_ends(is_whole=is_whole):
            best = ends
    shown = map(found.reading, ranked[:_KEPT].tolist())
    readings = [best, *(one for one in shown if one != best)][:_KEPT]
    best, *others = (with_evidence(one, labelled, len(stamps)) for one in readings)
    labelled = (
        best
        if readings[0] == labelled
        else with_evidence(labelled, labelled, len(stamps))
    )
    return Diagnosis(
        best=best,
        as_labelled=labelled,
        readings=(best, *others),
        is_clear=is_clear,
        findings=tuple(_findings(best, labelled, edges)),
    )


def _winner(
    found: Candidates, ranked: NDArray[np.intp], bars: int, step: int
) -> tuple[int, bool]:
    """Which candidate to use, and whether it stands clearly in front of all others."""
    # Moved one interval back they are read as ends, which is no shift.
    as_labelled = (found.of == found.of[0]) & (found.shifts == -step)
    as_labelled[0] = True
    scores = found.scores
    rivals = ranked[~as_labelled[ranked]].tolist()
    best, score = 0, int(scores[as_labelled].max())
    if rivals and _gains(found.reading(rivals[0]), found.reading(0), bars):
        best = rivals.pop(0)
        score = int(scores[best])
    ahead = score - (int(scores[rivals[0]]) if rivals else 0)
    if bars < _FEWEST_BARS or ahead < _at_least(_AHEAD, bars):
        return 0, False
    return best, True


def _gains(better: Reading, before: Reading, bars: int) -> bool:
    gained = better.hits + better.within - before.hits - before.within
    is_more = gained >= _at_least(_GAIN, bars)
    # Sessions that a shift reaches for the first time must not come at the price of the others.
    is_no_worse = better.share >= before.share and better.hits >= before.hits
    return is_more and is_no_worse and _explains(better, before, bars)


def _explains(better: Reading, before: Reading, bars: int) -> bool:
    """Whether a reading accounts for the bars, and not only moves a hole out of the session."""
    if better.within < _NEARLY_ALL * bars:
        return False
    comes_back = better.within - before.within >= _at_least(_GAIN, bars)
    return comes_back or better.hits >= _NEARLY_ALL * bars or better.share >= _WHOLE


def _at_least(rule: tuple[int, float], bars: int) -> float:
    number, share = rule
    return max(number, share * bars)


def _as_ends(best: Reading, instants: Moved, sessions: Sessions) -> Reading:
    """The same reading as ends."""
    by = np.array([instants.by - sessions.step], np.int64)
    fit = sessions.fit(instants.stamps, by)
    hits, due, within = (int(c[0]) for c in (fit.hits, fit.due, fit.within))
    return replace(best, label="end", hits=hits, due=due, within=within)


def _findings(best: Reading, labelled: Reading, edges: Edges) -> Iterator[str]:
    if best != labelled:
        yield best.evidence
    elif edges.are_closing_prints and edges.opening:
        number = "one bar" if edges.at_close == 1 else f"{edges.at_close:,} bars"
        yield (
            f"start labels, {best.hits:,}/{best.due:,}, plus {number} at the close "
            "(closing print), kept as extended"
        )
