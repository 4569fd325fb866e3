"""Tells the interval of bars from the spacing of their stamps."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tapeloom._core import Interval
from tapeloom.errors import ArgumentError, IntervalError

if TYPE_CHECKING:
    from collections.abc import Iterable

    import numpy.typing as npt

__all__ = ["common_interval", "infer_interval"]

SECOND = 1_000_000_000
HOUR = 3600 * SECOND
DAY = 24 * HOUR
# Daily and weekly bars are an hour closer or further apart where the clock changes.
# Steps of one length that outweigh what a caller expects: gaps of one length seldom come this often.
ENOUGH = 20
# Steps of one length that are believed where no other step within a day contradicts them.
FEW = 5
NOMINAL = ((DAY, "1d"), (7 * DAY, "1w"))


def infer_interval(ts: npt.NDArray[np.int64]) -> Interval:
    """Return the interval that the stamps of one symbol show.

    Parameters
    ----------
    ts
        Bar starts, int64 nanoseconds UTC, shape (n,), in any order.

    Returns
    -------
    Interval
        The most frequent step between neighbours in time; the shorter one if two are equally frequent. Steps of
        23 to 25 hours are a day, of seven days give or take an hour a week.

    Raises
    ------
    ArgumentError
        If it cannot be told: fewer than two different stamps, or a step that is no interval.
    """
    found = common_interval([ts])
    if found is None:
        text = "interval cannot be told from fewer than two different stamps; give it, such as interval='1m'"
        raise ArgumentError(text)
    return found


def common_interval(
    parts: Iterable[npt.NDArray[np.int64]], *, assume: Interval | None = None
) -> Interval | None:
    """Return the interval that the stamps of several symbols show together; see ``infer_interval``.

    Parameters
    ----------
    assume
        What a caller expects. Taken where the stamps are too few to tell: less than ``ENOUGH`` steps of the most
        frequent length, which does not divide it.

    Returns
    -------
    Interval or None
        ``None`` if no symbol has two different stamps and nothing is assumed.

    Raises
    ------
    ArgumentError
        If the most frequent step is no interval.
    """
    found = [_steps(part) for part in parts]
    steps = (
        found[0] if len(found) == 1 else np.concatenate([np.empty(0, np.int64), *found])
    )
    if not steps.size:
        return assume
    step, count = _most_frequent(steps)
    if assume is not None and count < ENOUGH and not _is_regular(steps, step, count):
        fits = assume.ns is not None and assume.ns % step == 0
        return _named(step) if fits else assume
    return _named(step)


def _steps(ts: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Steps between neighbours in time, without those of 0."""
    steps: npt.NDArray[np.int64] = ts[1:] - ts[:-1]
    if (steps > 0).all():
        return steps
    if (steps < 0).any():
        ordered = np.sort(ts)
        steps = ordered[1:] - ordered[:-1]
    return steps[steps > 0]


def _is_regular(steps: npt.NDArray[np.int64], step: int, count: int) -> bool:
    return count >= FEW and not ((steps < DAY // 2) & (steps != step)).any()


def _most_frequent(steps: npt.NDArray[np.int64]) -> tuple[int, int]:
    """The most frequent of some steps, the shorter one of equals, and how often it comes."""
    # What is in the middle of some of them is as a rule what more than half of all are, and then none is more frequent.
    some = np.sort(steps[:: 1 + len(steps) // 100])
    middle = int(some[len(some) // 2])
    count = int(np.count_nonzero(steps == middle))
    if 2 * count > len(steps):
        return middle, count
    lengths, counts = np.unique(steps, return_counts=True)
    # argmax takes the first of equals, and the lengths rise.
    most = int(np.argmax(counts))
    return int(lengths[most]), int(counts[most])


def _named(step: int) -> Interval:
    for length, name in NOMINAL:
        if abs(step - length) <= HOUR:
            return Interval(name)
    try:
        if step % SECOND == 0:
            return Interval(f"{step // SECOND}s")
    except IntervalError:
        pass
    text = (
        f"interval cannot be told: the most frequent step between bars is {step / SECOND:g} seconds, "
        "which is no interval; give it, such as interval='1m'"
    )
    raise ArgumentError(text, got=step)
