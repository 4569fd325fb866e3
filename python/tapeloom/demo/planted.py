"""What was planted in the made-up market, and whether a run found it again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date, datetime

    from tapeloom.session.result import RunResult, SessionReport

__all__ = ["Finding", "Halt", "Outage", "Planted", "compare"]


@dataclass(frozen=True, slots=True)
class Outage:
    """The feed brought nothing for any symbol. ``start`` in nanoseconds UTC."""

    session_date: date
    start: int
    minutes: int


@dataclass(frozen=True, slots=True)
class Halt:
    """Trading of one symbol stopped. ``start`` in nanoseconds UTC."""

    symbol: str
    session_date: date
    start: int
    minutes: int


@dataclass(frozen=True, slots=True)
class Planted:
    """The faults of the market, in the sessions of the run.

    ``missing`` has the number of minutes without a bar for every symbol, ``extended_bars`` the bars outside regular hours.
    """

    outage: Outage
    halt: Halt
    thin: tuple[str, ...]
    missing: Mapping[str, int]
    extended_bars: int


@dataclass(frozen=True, slots=True)
class Finding:
    """One planted fault beside what the run reported."""

    planted: str
    found: str
    matches: bool


def compare(planted: Planted, result: RunResult) -> tuple[Finding, ...]:
    """Hold the report of a run against what was planted.

    Parameters
    ----------
    planted
        From `make_market`.
    result
        The run over that market.

    Returns
    -------
    tuple of Finding
        Outage, halt, missing minutes of the thin symbols, bars outside regular hours.
    """
    sessions = {s.session_date: s for s in result.sessions}
    found = {s.symbol: s for s in result.symbols}
    outage, halt = planted.outage, planted.halt
    others = [s for s in planted.missing if s not in (*planted.thin, halt.symbol)]
    hit = sum(
        found[s].longest_gap == found[s].missing == outage.minutes
        for s in others
        if s in found
    )
    thin_planted = sum(planted.missing[s] for s in planted.thin)
    thin_found = sum(found[s].missing for s in planted.thin if s in found)
    outside = sum(s.out_of_session for s in result.sessions)
    outage_gap = _longest(sessions.get(outage.session_date))
    halt_gap = _longest(sessions.get(halt.session_date))
    return (
        Finding(
            f"an outage of {outage.minutes} minutes in all {len(planted.missing)} symbols",
            _describe(outage_gap),
            outage_gap[1:] == (outage.minutes, outage.start) and hit == len(others),
        ),
        Finding(
            f"a halt of {halt.symbol} for {halt.minutes} minutes",
            _describe(halt_gap),
            halt_gap == (halt.symbol, halt.minutes, halt.start),
        ),
        Finding(
            f"{thin_planted:,} quiet minutes of {', '.join(planted.thin)}",
            f"{thin_found:,} missing",
            thin_found == thin_planted,
        ),
        Finding(
            f"{planted.extended_bars:,} bars outside regular hours",
            f"{outside:,} out of session",
            outside == planted.extended_bars,
        ),
    )


def _longest(session: SessionReport | None) -> tuple[str | None, int, int | None]:
    """Return symbol, bars and start of the longest gap of a session."""
    if session is None:
        return None, 0, None
    start = session.longest_gap_start
    return (
        session.longest_gap_symbol,
        session.longest_gap,
        None if start is None else _to_ns(start),
    )


def _to_ns(instant: datetime) -> int:
    return round(instant.timestamp()) * 1_000_000_000


def _describe(gap: tuple[str | None, int, int | None]) -> str:
    symbol, bars, _ = gap
    return f"longest gap {bars:,} bars ({symbol})" if bars else "no gap"
