"""A table as text and as HTML: what is shown of many rows, how numbers and times are written."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from enum import Enum
from html import escape
from math import isfinite
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Layout", "cells", "edges"]

# Beyond this many rows the first and the last are shown.
_MOST_ROWS = 10
_EDGE_ROWS = 5
# What float64 prices need; more digits are noise of arithmetic.
_DIGITS = 9

_TABLE = "border-collapse: collapse; font-variant-numeric: tabular-nums"
_CELL = "padding: 0.15em 0.6em; text-align: {}"


def edges(rows: int) -> tuple[int, int]:
    """Return how many of the first and how many of the last rows are shown."""
    return (rows, 0) if rows <= _MOST_ROWS else (_EDGE_ROWS, _EDGE_ROWS)


def cells(values: Sequence[object]) -> list[str]:
    """Return the values of one column as text, numbers with as many decimals each as the one that needs most."""
    plain = [value.value if isinstance(value, Enum) else value for value in values]
    decimals = _decimals([value for value in plain if isinstance(value, float)])
    clock = _clock([value for value in plain if isinstance(value, datetime)])
    return [_cell(value, decimals, clock) for value in plain]


@dataclass(frozen=True, slots=True)
class Layout:
    """The rows that are shown of a table, as text."""

    head: str
    """The line above."""
    names: Sequence[str]
    """Headings of the columns."""
    columns: Sequence[Sequence[str]]
    """Cells of each column: the first rows, then the last."""
    numeric: Sequence[bool]
    """Which columns are numbers, which stand right."""
    left_out: int = 0
    """Rows between the first and the last that are not shown."""

    def text(self) -> str:
        """Return head and table in plain text; the head alone if there are no rows."""
        rows = [list(row) for row in zip(*self.columns, strict=True)]
        if not rows:
            return self.head
        widths = [
            max(map(len, (name, *column)))
            for name, column in zip(self.names, self.columns, strict=True)
        ]
        lines = [self._line(row, widths) for row in (list(self.names), *rows)]
        if self.left_out:
            lines.insert(1 + self._edge, "...")
        return "\n".join([self.head, *lines])

    def html(self) -> str:
        """Return head and table as HTML that needs no other file; every value is escaped."""
        rows = [self._html_row(row, "td") for row in zip(*self.columns, strict=True)]
        if self.left_out:
            span = len(self.names)
            more = f'<tr><td colspan="{span}">… {self.left_out:,} more</td></tr>'
            rows.insert(self._edge, more)
        return (
            f'<div><code>{escape(self.head)}</code><table style="{_TABLE}">'
            f"<thead>{self._html_row(self.names, 'th')}</thead><tbody>{''.join(rows)}</tbody></table></div>"
        )

    @property
    def _edge(self) -> int:
        return len(self.columns[0]) // 2

    def _line(self, row: Sequence[str], widths: Sequence[int]) -> str:
        aligned = [
            cell.rjust(width) if right else cell.ljust(width)
            for cell, width, right in zip(row, widths, self.numeric, strict=True)
        ]
        return "  ".join(aligned).rstrip()

    def _html_row(self, row: Sequence[str], tag: str) -> str:
        written = [
            f'<{tag} style="{_CELL.format("right" if right else "left")}">{escape(cell)}</{tag}>'
            for cell, right in zip(row, self.numeric, strict=True)
        ]
        return f"<tr>{''.join(written)}</tr>"


def _cell(value: object, decimals: int | None, clock: str) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return (
            f"{value:.{_DIGITS}g}"
            if decimals is None or not isfinite(value)
            else f"{value:.{decimals}f}"
        )
    if isinstance(value, datetime):
        return value.isoformat(" ", clock)
    if isinstance(value, date):
        return value.isoformat()
    # A line break would tear the row apart.
    return " ".join(str(value).split())


def _decimals(numbers: Sequence[float]) -> int | None:
    """Return the decimals that a column needs, ``None`` where some number is too large or small to be written out."""
    texts = [f"{number:.{_DIGITS}g}" for number in numbers if isfinite(number)]
    if any("e" in text for text in texts):
        return None
    return max((len(text.partition(".")[2]) for text in texts), default=0)


def _clock(times: Sequence[datetime]) -> str:
    """Return how exactly the times of a column are written."""
    if any(at.microsecond for at in times):
        return "microseconds"
    return "seconds" if any(at.second for at in times) else "minutes"
