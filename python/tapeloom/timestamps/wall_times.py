"""Columns of wall times into nanoseconds UTC, with the hours that a clock change repeats or leaves out."""

from __future__ import annotations

from datetime import tzinfo
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from tapeloom.errors import (
    AmbiguousTimeError,
    ArgumentError,
    ArgumentTypeError,
    NonexistentTimeError,
    TimestampError,
    did_you_mean,
)
from tapeloom.timestamps.clock_changes import (
    NS_PER_DAY,
    ZoneRules,
    wall_text,
    zone_rules,
)

__all__ = ["Ambiguous", "local_midnights", "localize", "nonexistent_time"]

Ambiguous: TypeAlias = Literal["first", "second", "infer"]
"""How a naive column reads wall times that occur twice."""

_WORDS = ("first", "second", "infer")
# NumPy keeps the smallest int64 for NaT; two days of room for offsets at either end of the range.
_NAT = -(2**63)
_SMALLEST, _LARGEST = _NAT + 2 * NS_PER_DAY, 2**63 - 2 * NS_PER_DAY


def localize(
    naive_ns: NDArray[np.int64],
    zone: tzinfo,
    *,
    ambiguous: str | None = None,
    name: str = "ts",
) -> NDArray[np.int64]:
    """Read a column of naive wall times as instants.

    Parameters
    ----------
    naive_ns
        int64, shape ``(n,)``: wall time in nanoseconds, as if 1970-01-01 00:00 of the zone were 0.
    zone
        The zone whose wall clock was read.
    ambiguous
        How to read wall times that occur twice, since a column has no ``fold``: all as the
        ``"first"`` or the ``"second"`` occurrence, or ``"infer"`` from the order of the rows (the
        second begins where the wall clock falls back). ``None`` makes them an error.
    name
        What error texts call the column.

    Returns
    -------
    numpy.ndarray
        int64, shape ``(n,)``: nanoseconds UTC, in the given order. A new array.

    Raises
    ------
    NonexistentTimeError
        If a wall time lies in the hour that a spring clock change leaves out.
    AmbiguousTimeError
        If one occurs twice and ``ambiguous`` does not say which is meant, or ``"infer"`` does not
        find exactly one fall-back among the rows of a clock change.
    ArgumentTypeError
        For another dtype or shape, or NaT.
    TimestampError
        If an instant may not fit into int64 nanoseconds (1677 to 2262).
    ArgumentError
        For an unknown word in ``ambiguous``.
    """
    if ambiguous is not None and ambiguous not in _WORDS:
        text = f"ambiguous is {ambiguous!r}; it must be 'first', 'second' or 'infer'"
        raise ArgumentError(
            text + did_you_mean(str(ambiguous), _WORDS), got=ambiguous, expected=_WORDS
        )
    _check_column(naive_ns, name)
    if not naive_ns.size:
        return naive_ns.copy()
    rules = zone_rules(zone, int(naive_ns.min()), int(naive_ns.max()))
    first, last = rules.periods(naive_ns)
    skipped = first > last
    if skipped.any():
        row = int(skipped.argmax())
        where = _where(name, row, int(skipped.sum()))
        raise nonexistent_time(int(naive_ns[row]), zone, where, row=row)
    twice = first < last
    if not twice.any() or ambiguous == "first":
        chosen = first
    elif ambiguous == "second":
        chosen = last
    elif ambiguous == "infer":
        second = _second_by_order(naive_ns, first, twice, zone=zone, name=name)
        chosen = np.where(second, last, first)
    else:
        row = int(twice.argmax())
        where = _where(name, row, int(twice.sum()))
        raise _ambiguous_time(
            int(naive_ns[row]),
            zone,
            where,
            row=row,
            rule="give ambiguous='first', 'second' or 'infer'",
        )
    return naive_ns - rules.offsets[chosen]


def local_midnights(days: NDArray[np.int64], zone: tzinfo) -> NDArray[np.int64]:
    """Return the first instant of each local date.

    Parameters
    ----------
    days
        int64, shape ``(n,)``: days since 1970-01-01.
    zone
        The zone whose dates are meant.

    Returns
    -------
    numpy.ndarray
        int64, shape ``(n,)``: nanoseconds UTC. Where a clock change leaves out midnight, the instant
        of the change; where midnight occurs twice, the first.
    """
    wall = days * NS_PER_DAY
    if not wall.size:
        return wall
    rules = zone_rules(zone, int(wall.min()), int(wall.max()))
    first, last = rules.periods(wall)
    midnights = wall - rules.offsets[first]
    skipped = first > last
    midnights[skipped] = rules.changes[last[skipped]]
    return midnights


def nonexistent_time(
    wall: int, zone: tzinfo, where: str, *, row: int | None = None
) -> NonexistentTimeError:
    """Return the error for a wall time that a clock change leaves out, naming the wall times around it."""
    rules = zone_rules(zone, wall, wall)
    before, after = _around(rules, wall)
    text = f"{where} is {wall_text(wall)}, which does not occur in {zone}: its clocks go from {before} to {after};"
    text += f" give an aware time, or a wall time before {before} or from {after} on"
    return NonexistentTimeError(
        text, got=wall_text(wall), zone=str(zone), row=row, start=before, end=after
    )


def _around(rules: ZoneRules, wall: int) -> tuple[str, str]:
    """The wall times a clock shows at the change that leaves out ``wall``: the one it stops at, the one it goes on with."""
    change = int(rules.periods(np.array([wall]))[1][0])
    at = int(rules.changes[change])
    stops, goes_on = (at + int(rules.offsets[change + i]) for i in (0, 1))
    return wall_text(stops), wall_text(goes_on)


def _second_by_order(
    wall: NDArray[np.int64],
    first: NDArray[np.intp],
    twice: NDArray[np.bool_],
    *,
    zone: tzinfo,
    name: str,
) -> NDArray[np.bool_]:
    """Which rows are the second occurrence: those after the one place where the wall clock falls back."""
    second = np.zeros(wall.size, dtype=np.bool_)
    for period in np.unique(first[twice]):
        rows = np.flatnonzero(twice & (first == period))
        falls = np.flatnonzero(np.diff(wall[rows]) < 0)
        if falls.size != 1:
            rule = f"in these rows the wall clock falls back {falls.size} times, and once would tell which is meant;"
            rule += " give ambiguous='first' or 'second'"
            row = int(rows[0])
            where = _where(name, row, rows.size)
            raise _ambiguous_time(int(wall[row]), zone, where, row=row, rule=rule)
        second[rows[falls[0] + 1 :]] = True
    return second


def _ambiguous_time(
    wall: int, zone: tzinfo, where: str, *, row: int, rule: str
) -> AmbiguousTimeError:
    text = f"{where} is {wall_text(wall)}, which occurs twice in {zone}; {rule}"
    return AmbiguousTimeError(text, got=wall_text(wall), zone=str(zone), row=row)


def _where(name: str, row: int, count: int) -> str:
    more = f" (and {count - 1} more)" if count > 1 else ""
    return f"{name} in row {row}{more}"


def _check_column(naive_ns: NDArray[np.int64], name: str) -> None:
    if (
        not isinstance(naive_ns, np.ndarray)
        or naive_ns.dtype != np.int64
        or naive_ns.ndim != 1
    ):
        got = f"{getattr(naive_ns, 'dtype', type(naive_ns).__name__)}, shape {getattr(naive_ns, 'shape', None)}"
        text = f"{name} must be a 1-d int64 array of nanoseconds; got {got}"
        raise ArgumentTypeError(text, got=got)
    if not naive_ns.size:
        return
    smallest, largest = int(naive_ns.min()), int(naive_ns.max())
    if smallest == _NAT:
        row = int(naive_ns.argmin())
        text = f"{name} in row {row} is NaT; a time is required"
        raise ArgumentTypeError(text, row=row)
    if smallest < _SMALLEST or largest > _LARGEST:
        row = int(naive_ns.argmin() if smallest < _SMALLEST else naive_ns.argmax())
        text = f"{name} in row {row} is {wall_text(int(naive_ns[row]))}; int64 nanoseconds of wall time reach from"
        text += " 1677-09-23 to 2262-04-09"
        raise TimestampError(text, row=row)
