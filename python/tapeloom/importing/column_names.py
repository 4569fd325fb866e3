"""Finds our columns among those of a foreign table, by the names that common tools write."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from tapeloom.errors import ArgumentError, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tapeloom.importing.options import ReadOptions

__all__ = ["PRICES", "ROLES", "ColumnMap", "fold", "map_columns"]

PRICES = ("open", "high", "low", "close")
ROLES = ("ts", "date", "time", *PRICES, "volume", "symbol", "rtype")
# The first name that is there is taken, so the most telling ones come first.
NAMES: dict[str, tuple[str, ...]] = {
    "ts": (
        "ts",
        "ts_event",
        "window_start",
        "timestamp",
        "datetime",
        "date_time",
        "open_time",
        "bar_time",
        "t",
    ),
    "date": ("date", "day", "trade_date", "trading_date"),
    "time": ("time", "time_of_day", "trade_time", "bar_time_of_day"),
    "open": ("open", "o", "open_price", "price_open"),
    "high": ("high", "h", "high_price", "price_high", "max"),
    "low": ("low", "l", "low_price", "price_low", "min"),
    "close": ("close", "c", "close_price", "price_close", "last"),
    "volume": ("volume", "vol", "v", "volume_traded", "qty", "tickvol"),
    "symbol": ("symbol", "ticker", "sym", "s", "instrument", "security", "code"),
    "rtype": ("rtype",),
}
# An exact adjusted close beside a close is another series of prices.
PLAIN = ("date", "time", "datetime")


@dataclass(frozen=True, slots=True)
class ColumnMap:
    """Our columns by the names they have in a table, and the names of those that are not needed.

    ``absent`` are columns that the user says are not there.
    """

    of: dict[str, str]
    dropped: tuple[str, ...]
    absent: frozenset[str] = frozenset()
    telling: bool = True


# The files of a folder have the same columns.
@lru_cache(maxsize=1_024, typed=True)
def fold(name: object) -> str:
    """Return a column name for comparison: without case, brackets, blanks and underscores at its edges."""
    text = str(name).strip().strip("<>").strip().casefold()
    return re.sub(r"[\s.\-]+", "_", text).strip("_")


def map_columns(
    names: Sequence[str], options: ReadOptions, *, source: str
) -> ColumnMap:
    """Find our columns.

    Parameters
    ----------
    names
        The columns of the table, in order.
    options
        May name columns.
    source
        What to call the table in an error.

    Raises
    ------
    ArgumentError
        If a column that is needed is missing, or two could be it.
    """
    if isinstance(options.columns, tuple) and options.columns != tuple(names):
        text = (
            f"{source}: has names for its columns ({_listed(names)}), so columns must be a dict from ours to them, such as "
            "columns={'ts': " + repr(str(names[0]) if names else "") + "}"
        )
        raise ArgumentError(text, got=options.columns)
    given = options.columns if isinstance(options.columns, Mapping) else {}
    folded: dict[str, list[str]] = {}
    for name in names:
        folded.setdefault(fold(name), []).append(name)
    of: dict[str, str] = {}
    for role, theirs in given.items():
        if theirs is not None:
            of[role] = _named(role, theirs, names, source)
    taken = set(of.values())
    for role, known in NAMES.items():
        if role in given:
            continue
        found = next((n for n in known if n in folded), None)
        if found is None:
            continue
        free = [n for n in folded[found] if n not in taken]
        if len(free) > 1:
            text = f"{source}: {len(free)} columns are called {found!r}; names are compared without case; name one with columns="
            raise ArgumentError(text, got=found)
        if free:
            of[role] = free[0]
    absent = frozenset(r for r, theirs in given.items() if theirs is None)
    _settle_times(of)
    _require(of, absent, names, source)
    used = set(of.values())
    return ColumnMap(of, tuple(n for n in names if n not in used), absent)


def _named(role: str, theirs: str, names: Sequence[str], source: str) -> str:
    if theirs in names:
        return theirs
    same = [n for n in names if fold(n) == fold(theirs)]
    if len(same) == 1:
        return same[0]
    near = did_you_mean(theirs, names)
    text = f"{source}: columns names {theirs!r} for {role!r}, which is not there; found {_listed(names)}{near}"
    raise ArgumentError(text, got=theirs)


def _settle_times(of: dict[str, str]) -> None:
    """Keep one column of instants, or a date with its time of day."""
    if "ts" in of:
        of.pop("date", None)
        of.pop("time", None)
    elif "date" in of and "time" not in of:
        of["ts"] = of.pop("date")
    elif "time" in of and "date" not in of:
        of["ts"] = of.pop("time")


def _require(
    of: Mapping[str, str], absent: frozenset[str], names: Sequence[str], source: str
) -> None:
    if "ts" not in of and "date" not in of:
        text = (
            f"{source}: no column is known to be the time of the bars; found {_listed(names)}; "
            "name it, such as columns={'ts': "
            + repr(str(names[0]) if names else "")
            + "}"
        )
        raise ArgumentError(text, expected="ts")
    for role in (*PRICES, "volume"):
        if role in of or (role in absent and role == "volume"):
            continue
        extra = (
            ", or columns={'volume': None} if there is none" if role == "volume" else ""
        )
        other = next((r for r, n in of.items() if fold(n) in NAMES[role]), None)
        if other is not None:
            text = f"{source}: column {of[other]!r} is named for {other!r} already; name the one for {role!r} with columns="
            raise ArgumentError(text, expected=role)
        text = (
            f"{source}: column {role!r} is missing; found {_listed(names)}{did_you_mean(role, names)}; "
            f"name it with columns={{{role!r}: ...}}{extra}"
        )
        raise ArgumentError(text, expected=role)


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(map(str, names[:12]))
    return f"{shown} and {len(names) - 12} more" if len(names) > 12 else shown or "none"
