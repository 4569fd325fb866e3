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
    steps = [np.diff(np.sort(ts)) for ts in parts]
    joined = np.concatenate(steps) if steps else np.empty(0, dtype=np.int64)
    lengths, counts = np.unique(joined[joined > 0], return_counts=True)
    found = lengths.astype(np.int64)
    if not found.size:
        return assume
    # argmax takes the first of equals, and `found` rises.
    most = int(np.argmax(counts))
    regular = counts[most] >= FEW and (found[found < DAY // 2] == found[most]).all()
    if assume is not None and counts[most] < ENOUGH and not regular:
        fits = assume.ns is not None and assume.ns % int(found[most]) == 0
        return _named(int(found[most])) if fits else assume
    return _named(int(found[most]))


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
