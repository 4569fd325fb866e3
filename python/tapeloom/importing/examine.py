"""Examines the bars of one symbol before they are written: order, rules, repeats, and how they lie on the calendar."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC
from typing import TYPE_CHECKING

import numpy as np

from tapeloom._core import Interval
from tapeloom.calendars.days import from_day
from tapeloom.importing.repeats import without_repeats
from tapeloom.timestamps import from_ns

if TYPE_CHECKING:
    import numpy.typing as npt

    from tapeloom._core import Bars, SessionTable
    from tapeloom.importing.findings import Findings

    Ns = npt.NDArray[np.int64]

__all__ = ["Examined", "examined", "tell_order"]

SHOWN = 3
# A last day is cut off where this many bars are missing at its end, more than at the end of any other day.
CUT_OFF_BARS = 10


@dataclass(frozen=True, slots=True)
class Examined:
    """Bars that may be written: valid, in order, without repeats; and how many were left out."""

    bars: Bars
    left_out: int


def examined(
    bars: Bars,
    *,
    rows: Ns,
    table: SessionTable,
    on_duplicate: str | None,
    allow_negative_prices: bool,
    findings: Findings,
) -> Examined:
    """Return the bars that may be written, and tell what was found.

    Parameters
    ----------
    bars
        Bars of one symbol in the order of the source.
    rows
        Row in the source of each, int64, shape (n,).
    table
        Sessions of the exchange.
    on_duplicate
        What to do with repeated keys of other values; ``None`` stops.
    """
    tell_order(bars, findings)
    offered = len(bars)
    bars = _without_invalid(bars, rows, allow_negative_prices, findings)
    bars = without_repeats(
        bars if bars.is_sorted() else bars.sorted(), on_duplicate, findings
    )
    length = Interval(bars.interval).ns
    if length is not None and len(bars):
        _tell_places(bars, length, table, findings)
    if len(bars):
        _tell_sessions(bars, length, table, findings)
    return Examined(bars, offered - len(bars))


def tell_order(bars: Bars, findings: Findings) -> None:
    """Say whether bars come newest first, or in no order."""
    steps = np.diff(bars.ts)
    falls = int((steps < 0).sum())
    if not falls:
        return
    if (steps <= 0).all():
        text = "newest first; sorted"
    else:
        text = f"{falls:,} {_rows(falls)} earlier than the one before; sorted"
    findings.add("order", text, symbol=bars.symbol, count=falls)


def _without_invalid(
    bars: Bars, rows: Ns, allow_negative_prices: bool, findings: Findings
) -> Bars:
    found = bars.find_invalid(allow_negative_prices=allow_negative_prices)
    if not found:
        return bars
    lines = [
        f"row {rows[at]}, {from_ns(int(bars.ts[at]), UTC):%Y-%m-%d %H:%M:%S} UTC: {field} is {value:g}, {rule}"
        for at, field, value, rule in found[:SHOWN]
    ]
    more = f"; and {len(found) - SHOWN:,} more" if len(found) > SHOWN else ""
    findings.add(
        "invalid",
        f"{len(found):,} {_rows(len(found))} left out that {'breaks' if len(found) == 1 else 'break'} a rule: {'; '.join(lines)}{more}",
        outcome="left_out",
        symbol=bars.symbol,
        count=len(found),
    )
    return bars.drop_rows([at for at, *_ in found])


def _tell_places(
    bars: Bars, length: int, table: SessionTable, findings: Findings
) -> None:
    """Tell which bars lie off the grid of their session, and which outside its hours."""
    ts = bars.ts
    if not len(table):
        return
    session = np.maximum(np.searchsorted(table.span_starts, ts, side="right") - 1, 0)
    off = np.flatnonzero((ts - table.opens[session]) % length)
    if off.size:
        first = from_ns(int(ts[off[0]]), bars.zone)
        text = f"{off.size:,} {_rows(off.size)} off the grid of {bars.interval} bars, the first at {first:%Y-%m-%d %H:%M:%S}"
        findings.add("off_grid", text, symbol=bars.symbol, count=off.size)
    segment = np.searchsorted(table.segment_starts, ts, side="right") - 1
    inside = (segment >= 0) & (ts < table.segment_ends[np.maximum(segment, 0)])
    outside = int((~inside).sum())
    if outside == len(ts):
        first = from_ns(int(ts[0]), bars.zone)
        text = f"none of the {len(ts):,} bars lies in the regular hours of a session, the first at {first:%Y-%m-%d %H:%M}; kept"
        findings.add("no_bar_inside", text, symbol=bars.symbol, count=outside)
    elif outside:
        text = f"{outside:,} of {len(ts):,} bars outside regular hours; kept"
        findings.add("outside_hours", text, symbol=bars.symbol, count=outside)


def _tell_sessions(
    bars: Bars, length: int | None, table: SessionTable, findings: Findings
) -> None:
    """Tell which sessions between the first and the last have no bar, and whether the last one is cut off."""
    ts, opens, closes = bars.ts, table.opens, table.closes
    low = int(np.searchsorted(closes, ts[0], side="right"))
    high = int(np.searchsorted(opens, ts[-1], side="right"))
    sessions = np.arange(low, high)
    first = np.searchsorted(ts, opens[sessions])
    behind = np.searchsorted(ts, closes[sessions])
    empty = sessions[first == behind]
    if empty.size and len(sessions) > 2 and bars.interval[-1] != "w":
        days = ", ".join(str(from_day(int(table.dates[i]))) for i in empty[:SHOWN])
        more = f" and {empty.size - SHOWN:,} more" if empty.size > SHOWN else ""
        text = f"no bars on {days}{more}, {empty.size:,} of {len(sessions):,} sessions"
        findings.add("missing_sessions", text, symbol=bars.symbol, count=empty.size)
    full = first < behind
    if length is None or not full.any():
        return
    ends = -(-(closes[sessions[full]] - ts[behind[full] - 1] - length) // length)
    others = int(ends[:-1].max()) if ends.size > 1 else 0
    if ends[-1] >= CUT_OFF_BARS and ends[-1] > others:
        last = from_ns(int(ts[behind[full][-1] - 1]), bars.zone)
        text = f"the last day ends at {last:%Y-%m-%d %H:%M}, {int(ends[-1]):,} bars before its close, as a download during the session does"
        findings.add("cut_off", text, symbol=bars.symbol, count=int(ends[-1]))


def _rows(count: int) -> str:
    return "row" if count == 1 else "rows"
