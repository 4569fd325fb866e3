"""From a foreign table to bars of each symbol that may be written: the steps in their order, and no rule of its own."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from tapeloom._core import Bars
from tapeloom.importing.daily import daily_dates, session_opens
from tapeloom.importing.examine import examined
from tapeloom.importing.reading import choose_reading, to_instants
from tapeloom.importing.series import interval_of, scaled, symbol_rows, values_of
from tapeloom.importing.stamps import read_stamps

if TYPE_CHECKING:
    import numpy.typing as npt

    from tapeloom._core import Interval, SessionTable
    from tapeloom.importing.findings import Findings
    from tapeloom.importing.options import ReadOptions
    from tapeloom.importing.reading import TimeReading
    from tapeloom.importing.series import SymbolRows
    from tapeloom.importing.stamps import Stamps
    from tapeloom.importing.tables import ForeignTable

    Ns = npt.NDArray[np.int64]

__all__ = ["Market", "ReadSeries", "Rules", "prepared", "read_series"]


@dataclass(frozen=True, slots=True)
class Market:
    """The exchange whose bars are read: its sessions, and whether prices are those of shares."""

    table: SessionTable
    equities: bool


@dataclass(frozen=True, slots=True)
class Rules:
    """What becomes of rows."""

    on_duplicate: str | None = None
    allow_negative_prices: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class ReadSeries:
    """Bars of one symbol, how the source spells it, how many rows it offered, and the row of each bar (int64).

    ``is_naive``: its stamps came without a zone, and none was given.
    """

    bars: Bars
    spelt: str
    offered: int
    rows: Ns
    is_naive: bool = False


def prepared(
    table: ForeignTable,
    *,
    market: Market,
    options: ReadOptions,
    rules: Rules,
    findings: Findings,
) -> list[ReadSeries]:
    """Return the bars of a table by symbol: read, examined, in order and without repeats."""
    found = []
    for series in read_series(table, market=market, options=options, findings=findings):
        kept = examined(
            series.bars,
            rows=series.rows,
            table=market.table,
            on_duplicate=rules.on_duplicate,
            allow_negative_prices=rules.allow_negative_prices,
            findings=findings,
        ).bars
        found.append(ReadSeries(kept, series.spelt, series.offered, series.rows))
    return found


def read_series(
    table: ForeignTable,
    *,
    market: Market,
    options: ReadOptions,
    findings: Findings,
    is_judged: bool = False,
) -> list[ReadSeries]:
    """Return the bars of a table by symbol, in its order and unexamined; for ``is_judged`` see ``choose_reading``."""
    _tell_table(table, findings)
    if not table.rows:
        findings.add("empty", "has no rows")
        return []
    stamps = read_stamps(table, options, findings)
    parts = symbol_rows(table, options, findings)
    values = scaled(
        values_of(table), table, options, findings, equities=market.equities
    )
    stamps = _with_values(stamps, values, table, findings)
    rows_of = [part.rows for part in parts]
    if not stamps.valid.all():
        rows_of = [rows[stamps.valid[rows]] for rows in rows_of]
    times = [stamps.ns if len(r) == table.rows else stamps.ns[r] for r in rows_of]
    interval = interval_of(table, times, options, findings)
    reading = choose_reading(
        stamps,
        interval,
        table=market.table,
        options=options,
        findings=findings,
        is_judged=is_judged,
    )
    # A zone that the file or the user names is a claim like any other.
    is_naive = stamps.naive and stamps.zone is None and options.zone is None
    found = []
    for part, timed, ns in zip(parts, rows_of, times, strict=True):
        ts, rows = _starts(part, timed, ns, interval, reading, market, findings)
        columns = values
        if len(rows) < table.rows:
            columns = {name: column[rows] for name, column in values.items()}
        bars = Bars.from_columns(
            part.symbol,
            interval,
            ts=ts,
            open=columns["open"],
            high=columns["high"],
            low=columns["low"],
            close=columns["close"],
            volume=columns["volume"],
            zone=market.table.zone,
            table=market.table,
        )
        found.append(ReadSeries(bars, part.spelt, len(part.rows), rows, is_naive))
    return found


def _tell_table(table: ForeignTable, findings: Findings) -> None:
    for kind, text in table.notes:
        findings.add(kind, text)
    if table.dropped:
        names = ", ".join(table.dropped)
        findings.add(
            "dropped_columns", f"columns not read: {names}", count=len(table.dropped)
        )
    if table.bad_rows:
        rows = "row" if table.bad_rows == 1 else "rows"
        text = f"{table.bad_rows:,} {rows} left out for want of columns, such as {table.bad_texts[0]!r}"
        findings.add("invalid", text, outcome="left_out", count=table.bad_rows)


def _with_values(
    stamps: Stamps,
    values: dict[str, npt.NDArray[np.float64]],
    table: ForeignTable,
    findings: Findings,
) -> Stamps:
    """Leave out rows without a time, and those of a wide table in which only other symbols have values."""
    timeless = len(stamps.valid) - int(np.count_nonzero(stamps.valid))
    if timeless:
        row = int(np.argmin(stamps.valid))
        rows = "row" if timeless == 1 else "rows"
        text = f"{timeless:,} {rows} left out without a readable time, the first is row {row}"
        findings.add("invalid", text, outcome="left_out", count=timeless)
    if table.symbol is None:
        return stamps
    blank = np.logical_and.reduce([np.isnan(c) for c in values.values()])
    if (blank & stamps.valid).any():
        count = int((blank & stamps.valid).sum())
        text = f"{count:,} rows in which only other symbols have values"
        findings.add("blank", text, symbol=table.symbol, count=count)
    return replace(stamps, valid=stamps.valid & ~blank)


def _starts(
    part: SymbolRows,
    rows: Ns,
    ns: Ns,
    interval: Interval,
    reading: TimeReading,
    market: Market,
    findings: Findings,
) -> tuple[Ns, Ns]:
    """Return the start of each bar, ns UTC, and the rows that have one; ``ns`` are the times of all rows."""
    if interval.ns is not None:
        return to_instants(ns, reading, name=f"times of {part.symbol}"), rows
    if not ns.size:
        return ns, rows
    table = market.table
    moved = ns + reading.shift_ns
    if reading.wall is None and np.isin(moved, table.opens).all():
        return moved, rows
    days = daily_dates(moved, reading.wall, table=table)
    opens, traded = session_opens(days, interval, table=table)
    count = int(traded.sum())
    text = f"{count:,} {interval.text} bars moved to the open of their session"
    findings.add("daily_at_midnight", text, symbol=part.symbol, count=count)
    if not traded.all():
        lost = np.flatnonzero(~traded)
        day = np.datetime64(int(days[lost[0]]), "D")
        text = f"{lost.size:,} {interval.text} bars left out of dates without a session, the first on {day}"
        findings.add(
            "no_session",
            text,
            outcome="left_out",
            symbol=part.symbol,
            count=int(lost.size),
        )
    return opens[traded], rows[traded]
