"""The table at the end of ``tapeloom import``: what came, by symbol and interval."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from rich.console import RenderableType

    from tapeloom.importing import ImportReport, SeriesReport

__all__ = ["import_page"]

ROWS_SHOWN = 40
LEFT = ("symbol", "interval", "first bar", "last bar")


def import_page(report: ImportReport) -> Iterator[RenderableType]:
    """Yield the table of the series of a report, and how many more there are; nothing if no bar came."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    found = _by_series(report)
    shown = list(found.values())[:ROWS_SHOWN]
    if not shown:
        return
    table = Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False)
    names = ("symbol", "interval", "bars", "first bar", "last bar", "files")
    for name in names:
        table.add_column(
            name, justify="left" if name in LEFT else "right", no_wrap=True
        )
    for parts in shown:
        table.add_row(
            parts[0].symbol,
            parts[0].interval,
            f"{sum(p.bars for p in parts):,}",
            _minute(min(p.first for p in parts)),
            _minute(max(p.last for p in parts)),
            f"{len(parts):,}",
        )
    yield ""
    yield table
    if len(found) > len(shown):
        yield f"and {len(found) - len(shown):,} more; --json shows all"
    yield ""


def _by_series(report: ImportReport) -> dict[tuple[str, str], list[SeriesReport]]:
    found: dict[tuple[str, str], list[SeriesReport]] = {}
    for file in report.files:
        if file.status != "failed":
            for one in file.series:
                found.setdefault((one.symbol, one.interval), []).append(one)
    return dict(sorted(found.items()))


def _minute(time: datetime) -> str:
    return f"{time:%Y-%m-%d %H:%M}"
