"""Values of the package beside values of the reference: bars in, plain tuples out."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import numpy as np

from tapeloom.bars import BarData
from tests.reference.bars import Bar
from tests.reference.derived import DERIVED, EXTENDED, PARTIAL, Derived
from tests.reference.gaps import Run
from tests.reference.schedule import SECOND, to_ns

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import numpy.typing as npt

    from tapeloom._core import Bars
    from tapeloom.gap import QualityReport
    from tapeloom.session_data import SessionData

__all__ = [
    "bar_data",
    "columns",
    "counts_of",
    "derived_facts",
    "gap_runs",
    "instant",
    "long_columns",
    "plain",
    "plain_derived",
    "report_of",
    "stored",
]

FIELDS = ("open", "high", "low", "close", "volume")


def instant(ts: int) -> datetime:
    """Return whole seconds as an aware datetime."""
    return datetime.fromtimestamp(ts // SECOND, tz=UTC)


def bar_data(symbol: str, bar: Bar, interval: str = "1m") -> BarData:
    """Return the bar as a user would make it."""
    return BarData(symbol, instant(bar.ts), *bar[1:], interval=interval)


def columns(
    bars: Sequence[Bar],
) -> dict[str, npt.NDArray[np.int64] | npt.NDArray[np.float64]]:
    """Return the bars as a dict of arrays."""
    found: dict[str, npt.NDArray[np.int64] | npt.NDArray[np.float64]] = {
        "ts": np.array([bar.ts for bar in bars], dtype=np.int64)
    }
    for number, name in enumerate(FIELDS, start=1):
        found[name] = np.array([bar[number] for bar in bars], dtype=np.float64)
    return found


def long_columns(tape: dict[str, list[Bar]]) -> dict[str, object]:
    """Return the bars of several symbols as one dict of arrays with a symbol column."""
    rows = [(symbol, bar) for symbol, bars in tape.items() for bar in bars]
    return {
        "symbol": np.array([symbol for symbol, _ in rows]),
        **columns([bar for _, bar in rows]),
    }


def stored(bars: Bars) -> list[Bar]:
    """Return the columns of a read as plain bars."""
    lists = [bars.ts.tolist()] + [getattr(bars, name).tolist() for name in FIELDS]
    return [Bar(*values) for values in zip(*lists, strict=True)]


def plain(bar: BarData) -> Bar:
    """Return one bar as a plain tuple."""
    return Bar(bar.ts, bar.open, bar.high, bar.low, bar.close, bar.volume)


def derived_facts(bars: Iterable[Derived]) -> list[tuple[Bar, int, int]]:
    """Return values, number of base bars and the flags DERIVED, PARTIAL and EXTENDED of the reference."""
    return [(Bar(*bar[:6]), bar.constituents, bar.flags) for bar in bars]


def plain_derived(bars: Bars) -> list[tuple[Bar, int, int]]:
    """Return the same of a read."""
    assert bars.constituents is not None
    flags = (bars.flags & (DERIVED | PARTIAL | EXTENDED)).tolist()
    return list(zip(stored(bars), bars.constituents.tolist(), flags, strict=True))


def report_of(session: SessionData, symbol: str) -> QualityReport:
    """Return the report of a symbol that is kept."""
    report = session.get_quality_report(symbol)
    assert report is not None
    return report


def counts_of(bars: Bars) -> list[int]:
    """Return the number of base bars of each bar of a derived series."""
    assert bars.constituents is not None
    found: list[int] = bars.constituents.tolist()
    return found


def gap_runs(session: SessionData, symbol: str) -> list[Run]:
    """Return the gaps of a symbol as plain runs."""
    return [
        Run(to_ns(gap.start), to_ns(gap.end), gap.missing)
        for gap in session.get_gaps(symbol)
    ]
