"""``QualityReport``: the quality of one session's series with the counters beside it."""

from __future__ import annotations

from dataclasses import dataclass

from tapeloom.tables.table import Table

__all__ = ["QualityReport", "QualityReports"]


@dataclass(frozen=True, slots=True)
class QualityReport:
    """Quality of one symbol's session with the counters beside it.

    ``quality`` is what ``get_quality`` answers: percent, ``None`` when nothing is due. ``expected`` counts the bars due at
    the clock, ``present`` those of them that came, ``missing`` the others. ``duplicates`` counts repeated keys,
    ``out_of_order`` arrivals that start before the newest bar, ``out_of_session`` bars outside regular hours,
    ``off_grid`` bars that start between two expected starts.

    ``source`` says where ``quality`` comes from: ``"measured"``, ``"set"`` (by ``set_quality``) or ``"assigned"`` (quality
    is not measured). ``excused`` counts missing bars that are not due because ``no_trade`` is ``"expected"``.
    """

    symbol: str
    interval: str
    quality: float | None = None
    expected: int = 0
    present: int = 0
    missing: int = 0
    duplicates: int = 0
    out_of_order: int = 0
    out_of_session: int = 0
    off_grid: int = 0
    source: str = "measured"
    excused: int = 0


class QualityReports(Table[QualityReport]):
    """Reports of all symbols, in configured order."""
