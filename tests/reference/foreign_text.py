"""Bars written as text in the many ways of other tools, one cell after the other: what reading has to undo."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["NAMES", "Style", "written"]

# Names of the columns time, open, high, low, close, volume.
NAMES = (
    ("ts", "open", "high", "low", "close", "volume"),
    ("Datetime", "Open", "High", "Low", "Close", "Volume"),
    ("t", "o", "h", "l", "c", "v"),
    ("<DATE>", "<OPEN>", "<HIGH>", "<LOW>", "<CLOSE>", "<VOL>"),
    ("window_start", "open", "high", "low", "close", "volume"),
)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Style:
    """How a tool writes bars.

    ``form`` is that of the times in ``zone``, or ``""`` for integers of nanoseconds; ``order`` is the order of the six
    columns; ``newest_first`` turns the rows around; ``extra`` adds a column that means nothing.
    """

    names: tuple[str, ...]
    order: tuple[int, ...]
    delimiter: str
    form: str
    zone: str
    newest_first: bool
    extra: bool
    line_end: str


def written(
    rows: Sequence[tuple[int, float, float, float, float, float]], style: Style
) -> str:
    """Return the text of a file: a header, and a line for each row of time (ns UTC), four prices and volume."""
    shown = [_picked(style.names, style) + (["remark"] if style.extra else [])]
    for row in reversed(rows) if style.newest_first else rows:
        cells = [_time(row[0], style), *(repr(float(value)) for value in row[1:])]
        shown.append(_picked(cells, style) + (["x y"] if style.extra else []))
    return "".join(style.delimiter.join(cells) + style.line_end for cells in shown)


def _picked(cells: Sequence[str], style: Style) -> list[str]:
    return [cells[i] for i in style.order]


def _time(ts: int, style: Style) -> str:
    if not style.form:
        return str(ts)
    moment = EPOCH + timedelta(microseconds=ts // 1000)
    return moment.astimezone(ZoneInfo(style.zone)).strftime(style.form)
