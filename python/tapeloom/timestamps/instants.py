"""One time at a time: any accepted form into nanoseconds UTC, nanoseconds into an aware datetime. Reads no clock."""

from __future__ import annotations

from datetime import datetime, timedelta, tzinfo
from typing import Any, TypeAlias

import numpy as np

from tapeloom.errors import ArgumentTypeError, TimestampError, TimestampUnitError
from tapeloom.timestamps.clock_changes import (
    EPOCH,
    EPOCH_ORDINAL,
    NS_PER_DAY,
    NS_PER_SECOND,
    offset_ns,
)
from tapeloom.timestamps.wall_times import nonexistent_time

__all__ = ["TimestampLike", "check_unit", "from_ns", "to_ns"]

TimestampLike: TypeAlias = int | datetime | np.datetime64 | np.integer[Any]
"""What every parameter that takes a time accepts; a ``pandas.Timestamp`` is a ``datetime``."""

# The smallest int64 is NaT to NumPy.
_SMALLEST, _LARGEST = -(2**63) + 1, 2**63 - 1

# 1990 to 2100 in seconds. All of it in seconds, milli- or microseconds lies before 1990 when read as nanoseconds.
_YEARS = range(631_152_000, 4_102_444_800)
_UNITS = (("seconds", 10**9), ("milliseconds", 10**6), ("microseconds", 10**3))

# Units of numpy.datetime64: nanoseconds in one, and how many make a nanosecond. Years and months go through days.
_COARSE = {
    "W": 7 * NS_PER_DAY,
    "D": NS_PER_DAY,
    "h": 3600 * NS_PER_SECOND,
    "m": 60 * NS_PER_SECOND,
    "s": NS_PER_SECOND,
    "ms": 10**6,
    "us": 10**3,
    "ns": 1,
}
_FINE = {"ps": 10**3, "fs": 10**6, "as": 10**9}


def to_ns(value: object, zone: tzinfo, *, name: str = "timestamp") -> int:
    """Return a time as nanoseconds since 1970-01-01 UTC.

    Parameters
    ----------
    value
        An aware ``datetime`` or ``pandas.Timestamp`` (that instant), a naive one (wall time in
        ``zone``; a wall time that occurs twice follows its ``fold``), a ``numpy.datetime64`` of any
        unit (UTC; finer than nanoseconds is cut), or an integer in nanoseconds.
    zone
        The exchange's zone. Used for naive times only.
    name
        What error texts call the value.

    Returns
    -------
    int
        Nanoseconds UTC. The nanoseconds of a ``pandas.Timestamp`` are kept.

    Raises
    ------
    ArgumentTypeError
        For ``bool``, ``float``, ``str``, NaT, ``None`` and every other type.
    TimestampUnitError
        If an integer looks like seconds, milliseconds or microseconds.
    NonexistentTimeError
        If a naive time lies in the hour that a spring clock change leaves out.
    TimestampError
        If the instant does not fit into int64 nanoseconds (1677 to 2262).
    """
    if isinstance(value, datetime):
        ns = _datetime_ns(value, zone, name)
    elif isinstance(value, np.datetime64):
        ns = _datetime64_ns(value, name)
    elif _is_integer(value):
        ns = int(value)  # type: ignore[call-overload]  # an int or NumPy integer
        check_unit(ns, ns, name=name)
    else:
        raise _wrong_type(value, name)
    if not _SMALLEST <= ns <= _LARGEST:
        text = (
            f"{name} is {value}; int64 nanoseconds reach from 1677-09-22 to 2262-04-11"
        )
        raise TimestampError(text, got=value)
    return ns


def from_ns(ns: int, zone: tzinfo) -> datetime:
    """Return nanoseconds UTC as an aware ``datetime`` in ``zone``; below a microsecond is cut."""
    return (EPOCH + timedelta(microseconds=int(ns) // 1_000)).astimezone(zone)


def check_unit(smallest: int, largest: int, *, name: str) -> None:
    """Refuse integers that are nanoseconds only by mistake.

    Parameters
    ----------
    smallest, largest
        The smallest and largest value of a column, or one value twice.
    name
        What the error text calls the value or column.

    Raises
    ------
    TimestampUnitError
        If either lies before 1990 as nanoseconds, but in 1990-2100 as seconds, milliseconds or
        microseconds. The ranges do not overlap, so the unit named is the only one possible.
    """
    for value in (smallest, largest):
        for unit, factor in _UNITS:
            if value // (NS_PER_SECOND // factor) in _YEARS:
                text = f"{name} is {value}, which looks like {unit}; integers are nanoseconds: multiply by {factor:_}"
                raise TimestampUnitError(text, got=value, unit=unit, factor=factor)


def _is_integer(value: object) -> bool:
    # bool counts as a Python integer, numpy.timedelta64 as a NumPy one.
    return isinstance(value, int | np.integer) and not isinstance(
        value, bool | np.timedelta64
    )


def _datetime_ns(value: datetime, zone: tzinfo, name: str) -> int:
    if value != value:  # only pandas.NaT, which is a datetime
        raise _wrong_type(value, name)
    # From the fields: they are exact whatever the unit of a pandas.Timestamp, which alone has nanoseconds.
    days = value.toordinal() - EPOCH_ORDINAL
    seconds = ((days * 24 + value.hour) * 60 + value.minute) * 60 + value.second
    below = value.microsecond * 1_000 + int(getattr(value, "nanosecond", 0))
    wall = seconds * NS_PER_SECOND + below
    if value.utcoffset() is not None:
        return wall - offset_ns(value)
    # Checked here too, since the text of the next error is made from nanoseconds.
    _check_range(wall, value, name)
    reading = datetime(
        value.year,
        value.month,
        value.day,
        value.hour,
        value.minute,
        value.second,
        tzinfo=zone,
    )
    first, second = offset_ns(reading), offset_ns(reading.replace(fold=1))
    # In the hour left out, the two readings stand the wrong way round (PEP 495).
    if first < second:
        raise nonexistent_time(wall, zone, name)
    return wall - (second if value.fold else first)


def _datetime64_ns(value: np.datetime64, name: str) -> int:
    if np.isnat(value):
        raise _wrong_type(value, name)
    if np.datetime_data(value.dtype)[0] in ("Y", "M"):
        value = value.astype("datetime64[D]")
    # In Python integers: NumPy's own conversion to nanoseconds overflows without a word.
    unit, count = np.datetime_data(value.dtype)
    number = int(value.astype(np.int64)) * count
    return number * _COARSE[unit] if unit in _COARSE else number // _FINE[unit]


def _check_range(ns: int, value: object, name: str) -> None:
    if not _SMALLEST <= ns <= _LARGEST:
        text = (
            f"{name} is {value}; int64 nanoseconds reach from 1677-09-22 to 2262-04-11"
        )
        raise TimestampError(text, got=value)


def _wrong_type(value: object, name: str) -> ArgumentTypeError:
    text = f"{name} is {value!r} ({type(value).__name__}); give an aware datetime, a naive one (wall time of"
    text += " the exchange), a numpy.datetime64 (UTC) or integer nanoseconds"
    return ArgumentTypeError(text, got=value)
