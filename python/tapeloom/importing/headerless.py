"""Guesses the columns of a text without a header from its first rows, and says on what evidence."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tapeloom.errors import ArgumentError
from tapeloom.importing.column_names import PRICES, map_columns
from tapeloom.importing.sniff import NUMBER

if TYPE_CHECKING:
    from tapeloom.importing.options import ReadOptions
    from tapeloom.importing.sniff import Shape

__all__ = ["headerless_columns"]

TIME_OF_DAY = re.compile(r"\d{1,2}:\d{2}(:\d{2}(\.\d+)?)?$|\d{6}$|\d{4}$")
DATE_ALONE = re.compile(r"\d{8}$|\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}$")


def headerless_columns(
    shape: Shape, options: ReadOptions, *, source: str
) -> tuple[dict[str, int], tuple[str, ...], str]:
    """Return the place of each of our columns, the names of the others, and the evidence for a guess.

    Raises
    ------
    ArgumentError
        If the rows are not those of bars, or ``columns`` does not fit them.
    """
    if isinstance(options.columns, tuple):
        names = options.columns
        if len(names) != shape.width:
            text = f"{source}: columns has {len(names)} names; the rows have {shape.width} columns: {_first(shape)}"
            raise ArgumentError(text, got=len(names), expected=shape.width)
        found = map_columns(names, options, source=source)
        return {r: names.index(n) for r, n in found.of.items()}, found.dropped, ""
    if options.columns is not None:
        text = f"{source}: has no header, so columns must be the list of its {shape.width} names in order: {_first(shape)}"
        raise ArgumentError(text)
    lead = _lead(shape.rows)
    first = len(lead)
    fields = (*lead, *PRICES, "volume")
    good = sum(_is_bar(row[first : first + 5]) for row in shape.rows)
    if shape.width < len(fields) or good < len(shape.rows) or not shape.rows:
        text = (
            f"{source}: has no header, and its rows do not look like bars ({_first(shape)}); if they are, name all "
            f"{shape.width} columns in order, such as columns=['ts', 'open', 'high', 'low', 'close', 'volume']"
        )
        raise ArgumentError(text)
    note = (
        f"no header; columns read as {', '.join(fields)}: high and low enclose open and close in {good} of the first "
        f"{len(shape.rows)} rows"
    )
    rest = tuple(f"column {i + 1}" for i in range(len(fields), shape.width))
    return {role: i for i, role in enumerate(fields)}, rest, note


def _lead(rows: tuple[tuple[str, ...], ...]) -> tuple[str, ...]:
    """Return the columns in front of the prices."""
    row = next((r for r in rows if len(r) > 6), rows[0] if rows else ())
    lead: tuple[str, ...] = ()
    if row and re.match(r"[A-Za-z^]", row[0]) and not NUMBER.match(row[0]):
        lead, row = ("symbol",), row[1:]
    dated = len(row) > 6 and DATE_ALONE.match(row[0]) and TIME_OF_DAY.match(row[1])
    return (*lead, "date", "time") if dated else (*lead, "ts")


def _is_bar(fields: tuple[str, ...]) -> bool:
    if len(fields) < 5 or not all(NUMBER.match(f) for f in fields):
        return False
    opened, high, low, close, volume = (float(f.replace(",", ".")) for f in fields)
    return low <= min(opened, close) and max(opened, close) <= high and volume >= 0


def _first(shape: Shape) -> str:
    return ", ".join(shape.rows[0][:10]) if shape.rows else "no rows"
