"""Bars as they came, checked: rows that break a rule are refused or dropped, rows out of order are put in order."""

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING, Literal

import numpy as np

from tapeloom.errors import ArgumentError, InvalidBarError, did_you_mean
from tapeloom.storage.notes import INVALID_SKIPPED, REWRITTEN, UNSORTED
from tapeloom.timestamps import from_ns

if TYPE_CHECKING:
    import numpy.typing as npt

    from tapeloom._core import Bars
    from tapeloom.storage.notes import Notes

__all__ = [
    "OnInvalid",
    "check_policy",
    "late_rows",
    "note_rewritten",
    "note_unsorted",
    "without_bad_rows",
]

OnInvalid = Literal["error", "skip"]
SHOWN = 10


def check_policy(on_invalid: str) -> OnInvalid:
    """Return the policy; raises ArgumentError for an unknown word."""
    if on_invalid == "error":
        return "error"
    if on_invalid == "skip":
        return "skip"
    text = f"on_invalid is {on_invalid!r}; it must be 'error' or 'skip'{did_you_mean(on_invalid, ['error', 'skip'])}"
    raise ArgumentError(text, got=on_invalid)


def without_bad_rows(
    bars: Bars,
    *,
    source: str,
    rows: npt.NDArray[np.int64] | None,
    on_invalid: OnInvalid,
    allow_negative_prices: bool,
    notes: Notes,
) -> Bars:
    """Return the bars that keep the rules.

    Parameters
    ----------
    bars
        Bars of one source, in its order.
    source
        The file, or what the data are called in an error.
    rows
        Row in the source of each bar, int64, shape (n,); ``None`` if they are the same.
    on_invalid
        ``"error"`` refuses all bars, ``"skip"`` drops the bad ones and notes them.
    allow_negative_prices
        Whether prices may be zero or below.
    notes
        Where dropped rows are noted.

    Raises
    ------
    InvalidBarError
        With the first ten bad rows and their number, under ``"error"``.
    """
    found = bars.find_invalid(allow_negative_prices=allow_negative_prices)
    if not found:
        return bars
    at = np.array([bad[0] for bad in found], np.int64)
    numbers = at if rows is None else rows[at]
    lines = [
        f"row {number}, {from_ns(int(bars.ts[row]), UTC):%Y-%m-%d %H:%M:%S} UTC: {field} is {value:g}, {rule}"
        for number, (row, field, value, rule) in zip(
            numbers[:SHOWN].tolist(), found, strict=False
        )
    ]
    if on_invalid == "error":
        if len(found) > SHOWN:
            lines.append(f"and {len(found) - SHOWN} more")
        detail = (
            lines[0]
            if len(lines) == 1
            else f"{len(found)} invalid bars\n  " + "\n  ".join(lines)
        )
        _, field, value, rule = found[0]
        text = f"{source}: {bars.symbol}: {detail}"
        raise InvalidBarError(
            text,
            source=source,
            symbol=bars.symbol,
            row=int(numbers[0]),
            field=field,
            value=value,
            rule=rule,
            total=len(found),
        )
    text = f"rows that break a rule were left out (on_invalid='skip'); the first is {lines[0]}"
    notes.add(INVALID_SKIPPED, bars.symbol, source=source, text=text, rows=numbers)
    return bars.drop_rows(at.tolist())


def late_rows(ts: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return the rows that start before a bar in front of them: int64 positions, rising."""
    return np.flatnonzero(ts[1:] < np.maximum.accumulate(ts)[:-1]) + 1


def note_unsorted(
    symbol: str, *, source: str, rows: npt.NDArray[np.int64], notes: Notes
) -> None:
    """Note rows that were out of order."""
    text = "rows were not in order of ts and were sorted"
    notes.add(UNSORTED, symbol, source=source, text=text, rows=rows)


def note_rewritten(
    symbol: str, *, source: str, rows: npt.NDArray[np.int64], notes: Notes
) -> None:
    """Note rows of a file whose checksums another tool has left out."""
    text = (
        "rows come from a file that was written here and rewritten by another tool, without its checksums; it is read "
        "like any file of others"
    )
    notes.add(REWRITTEN, symbol, source=source, text=text, rows=rows)
