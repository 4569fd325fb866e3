"""A made-up market: the same 20 symbols and 30 sessions each time, with faults planted where we know them.

It has what analysis code meets in a real one: a common factor, overnight jumps, busy openings and closings. Grids come from the session table, so the half day and the clock
change are the calendar's and not ours.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

import numpy as np

from tapeloom.calendars.days import to_day
from tapeloom.demo.instruments import HALTED, INSTRUMENTS, WITH_EXTENDED_HOURS
from tapeloom.demo.planted import Halt, Outage, Planted

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy.typing as npt

    from tapeloom._core import SessionTable

    Floats = npt.NDArray[np.float64]
    Stamps = npt.NDArray[np.int64]
    Mask = npt.NDArray[np.bool_]

__all__ = ["FIRST_DATE", "LAST_DATE", "STORED_FROM", "Columns", "Market", "make_market"]

# 25 sessions: the clock change of 2024-11-03, Thanksgiving on 11-28 and the half day on 11-29.
FIRST_DATE = date(2024, 10, 31)
LAST_DATE = date(2024, 12, 5)
# Five more sessions in front, so that the first session of the run has its history.
STORED_FROM = date(2024, 10, 24)

MINUTE = 60_000_000_000
DAY = 1440 * MINUTE
# Times are minutes after the open: no opening hour is written down outside the calendar.
OUTAGE_DATE, OUTAGE_AFTER, OUTAGE_MINUTES = date(2024, 11, 12), 277, 17
HALT_DATE, HALT_AFTER, HALT_MINUTES, HALT_JUMP = date(2024, 11, 19), 95, 35, 0.062
# Shorter than the outage, so that the outage is the longest gap of its session in every symbol.
LONGEST_THIN_GAP = 15


@dataclass(frozen=True, slots=True)
class Columns:
    """One symbol's minute bars: ``ts`` int64 in nanoseconds UTC, rising; the rest float64 in dollars and shares; shape (n,)."""

    ts: Stamps
    open: Floats
    high: Floats
    low: Floats
    close: Floats
    volume: Floats


@dataclass(frozen=True, slots=True)
class Market:
    """All columns by symbol, in the order of `INSTRUMENTS`, and what was planted in them."""

    columns: Mapping[str, Columns]
    planted: Planted


@dataclass(frozen=True, slots=True)
class _Timeline:
    """The regular minutes of all sessions in one row; ``day`` numbers each minute's session, ``phase`` runs from 0 to 1 in it."""

    dates: tuple[date, ...]
    ts: Stamps
    day: npt.NDArray[np.int64]
    phase: Floats
    early: tuple[bool, ...]

    def minutes(self, day: date) -> slice:
        """Return where the session of ``day`` lies in the row."""
        start, stop = np.searchsorted(
            self.day, [self.dates.index(day), self.dates.index(day) + 1]
        )
        return slice(int(start), int(stop))

    def stretch(self, day: date, after: int, minutes: int) -> slice:
        """Return ``minutes`` of ``day``, beginning ``after`` minutes into the session."""
        start = self.minutes(day).start + after
        return slice(start, start + minutes)


def make_market(table: SessionTable, *, seed: int = 20241031) -> Market:
    """Make the market, equal for equal seeds.

    Parameters
    ----------
    table
        The session table of US shares; its regular minutes are the grid.
    seed
        Start of the one random generator.

    Returns
    -------
    Market
        About 220,000 minute bars. Prices are whole cents, volumes whole shares.
    """
    rng = np.random.default_rng(seed)
    time = _timeline(table)
    present = _presence(time, rng)
    rows = _prices_and_volumes(time, rng)
    columns: dict[str, Columns] = {}
    extended = 0
    for i, share in enumerate(INSTRUMENTS):
        regular = np.vstack([row[i] for row in rows])
        ts, values = time.ts[present[i]], regular[:, present[i]]
        if share.symbol in WITH_EXTENDED_HOURS:
            more_ts, more = _extended_hours(time, regular, rng)
            extended += int(np.count_nonzero(more_ts >= to_day(FIRST_DATE) * DAY))
            ts, values = np.concatenate([ts, more_ts]), np.hstack([values, more])
        order = np.argsort(ts, kind="stable")
        columns[share.symbol] = Columns(ts[order], *values[:, order])
    return Market(columns, _planted(time, present, extended))


def _timeline(table: SessionTable) -> _Timeline:
    first, last = np.searchsorted(
        table.dates, [to_day(STORED_FROM), to_day(LAST_DATE) + 1]
    )
    grids = [table.grid(i, "1m") for i in range(int(first), int(last))]
    longest = max(len(g) for g in grids)
    return _Timeline(
        dates=tuple(_date(int(d)) for d in table.dates[int(first) : int(last)]),
        ts=np.concatenate(grids),
        day=np.repeat(np.arange(len(grids)), [len(g) for g in grids]),
        phase=np.concatenate([np.linspace(0.0, 1.0, len(g)) for g in grids]),
        early=tuple(len(g) < longest for g in grids),
    )


def _date(day: int) -> date:
    return date.fromordinal(date(1970, 1, 1).toordinal() + day)


def _prices_and_volumes(
    time: _Timeline, rng: np.random.Generator
) -> tuple[Floats, ...]:
    """Return open, high, low, close and volume, each of shape (symbols, minutes)."""
    n, t = len(INSTRUMENTS), len(time.ts)
    price, swing, market, volume = np.array(
        [[s.price, s.swing, s.market, s.volume] for s in INSTRUMENTS]
    ).T[:, :, None]
    # Busy at both ends of the day and quiet at noon; the mean over a session is close to 1.
    busy = 0.55 + 1.75 * np.abs(2.0 * time.phase - 1.0) ** 3.0
    minute_swing = swing / np.sqrt(390.0) * np.sqrt(busy)
    common = rng.standard_normal(t)
    step = minute_swing * (
        np.sqrt(market) * common + np.sqrt(1.0 - market) * rng.standard_normal((n, t))
    )

    jump = np.zeros((n, t))
    opening = np.flatnonzero(np.diff(time.day, prepend=-1))
    jump[:, opening] = 0.45 * swing * rng.standard_normal((n, len(opening)))
    jump[:, 0] = 0.0
    jump[_row(HALTED), time.stretch(HALT_DATE, HALT_AFTER, HALT_MINUTES).stop] = (
        HALT_JUMP
    )

    log_close = np.log(price) + np.cumsum(step + jump, axis=1)
    opened = np.exp(
        log_close - step + 0.15 * minute_swing * rng.standard_normal((n, t))
    )
    closed = np.exp(log_close)
    reach = np.abs(0.5 * minute_swing * rng.standard_normal((2, n, t)))
    high = np.maximum(opened, closed) * np.exp(reach[0])
    low = np.minimum(opened, closed) * np.exp(-reach[1])
    shares = np.maximum(
        1.0, np.rint(volume * busy * np.exp(0.55 * rng.standard_normal((n, t))))
    )
    # Rounding keeps the order of two prices, so the high stays the highest.
    return (*(np.round(p, 2) for p in (opened, high, low, closed)), shares)


def _presence(time: _Timeline, rng: np.random.Generator) -> Mask:
    """Return which minutes have a bar, shape (symbols, minutes)."""
    present = np.ones((len(INSTRUMENTS), len(time.ts)), dtype=np.bool_)
    outage = time.stretch(OUTAGE_DATE, OUTAGE_AFTER, OUTAGE_MINUTES)
    for i, share in enumerate(INSTRUMENTS):
        if share.trading < 1.0:
            present[i] = _in_clusters(share.trading, len(time.ts), rng)
            # Otherwise a quiet spell beside the outage would lengthen it.
            present[i, [outage.start - 1, outage.stop]] = True
    present[:, outage] = False
    present[_row(HALTED), time.stretch(HALT_DATE, HALT_AFTER, HALT_MINUTES)] = False
    return present


def _in_clusters(trading: float, minutes: int, rng: np.random.Generator) -> Mask:
    """Return runs of minutes with and without a trade, about ``trading`` of them with one."""
    # Folded back rather than cut off: spells of exactly the longest length would look made.
    quiet = 1 + (rng.geometric(0.26, size=minutes) - 1) % LONGEST_THIN_GAP
    busy = rng.geometric(
        min(1.0, (1.0 - trading) / (trading * float(quiet.mean()))), size=minutes
    )
    runs = np.column_stack([busy, quiet]).ravel()
    alternating = np.tile([True, False], minutes)
    return np.repeat(alternating, runs)[:minutes]


def _extended_hours(
    time: _Timeline, regular: Floats, rng: np.random.Generator
) -> tuple[Stamps, Floats]:
    """Return a few trades before the open and after the close of every third session, and of each half day."""
    stamps: list[Stamps] = []
    values: list[Floats] = []
    for k, day in enumerate(time.dates):
        if k % 3 and not time.early[k]:
            continue
        at = time.minutes(day)
        before = np.sort(rng.choice(np.arange(1, 60), size=6, replace=False))[::-1]
        after = np.sort(rng.choice(np.arange(0, 90), size=9, replace=False))
        stamps += [
            time.ts[at.start] - before * MINUTE,
            time.ts[at.stop - 1] + (after + 1) * MINUTE,
        ]
        near = np.repeat(
            [regular[0, at.start], regular[3, at.stop - 1]], [len(before), len(after)]
        )
        traded = np.round(near * np.exp(0.0008 * rng.standard_normal(len(near))), 2)
        shares = np.rint(rng.uniform(20.0, 900.0, size=len(near)))
        values.append(np.vstack([traded, traded, traded, traded, shares]))
    return np.concatenate(stamps), np.hstack(values)


def _planted(time: _Timeline, present: Mask, extended: int) -> Planted:
    outage = time.stretch(OUTAGE_DATE, OUTAGE_AFTER, OUTAGE_MINUTES)
    halt = time.stretch(HALT_DATE, HALT_AFTER, HALT_MINUTES)
    in_run = slice(time.minutes(FIRST_DATE).start, None)
    absent = np.count_nonzero(~present[:, in_run], axis=1)
    return Planted(
        outage=Outage(OUTAGE_DATE, int(time.ts[outage.start]), OUTAGE_MINUTES),
        halt=Halt(HALTED, HALT_DATE, int(time.ts[halt.start]), HALT_MINUTES),
        thin=tuple(s.symbol for s in INSTRUMENTS if s.trading < 1.0),
        missing={s.symbol: int(n) for s, n in zip(INSTRUMENTS, absent, strict=True)},
        extended_bars=extended,
    )


def _row(symbol: str) -> int:
    return [s.symbol for s in INSTRUMENTS].index(symbol)
