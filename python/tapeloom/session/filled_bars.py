"""The bars that gap filling changed: those that came, and those derived from them, as one more batch to be told of."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tapeloom.bars import Provenance
from tapeloom.session.batches import ChosenBatch
from tapeloom.timestamps import to_ns

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tapeloom._core import BarData, Batch
    from tapeloom.gap.filling import Filling
    from tapeloom.session_data import SessionData

__all__ = ["filled_bars"]


def filled_bars(batch: Batch, fillings: Iterable[Filling]) -> ChosenBatch | None:
    """Return the bars that came into stretches and those derived from them, finest interval first.

    Parameters
    ----------
    batch
        The batch after which they came.
    fillings
        Stretches that were filled, wholly or in part.
    """
    store: SessionData = batch.session
    found: dict[tuple[int, int, int], tuple[BarData, str]] = {}
    order = {symbol: at for at, symbol in enumerate(store._symbols)}
    for filling in fillings:
        for level, interval in enumerate(store._intervals(filling.symbol)):
            for bar in _overlapping(store, filling, interval):
                if level == 0 and not bar.flags & Provenance.BACKFILLED:
                    continue
                corrected = bool(bar.flags & Provenance.CORRECTED)
                is_new = not corrected and (
                    level == 0 or bool(bar.flags & Provenance.LATE)
                )
                key = level, order[filling.symbol], bar.ts
                found[key] = bar, "late" if is_new else "corrected"
    chosen = [found[key] for key in sorted(found)]
    return ChosenBatch(batch, chosen) if chosen else None


def _overlapping(store: SessionData, filling: Filling, interval: str) -> list[BarData]:
    """The bars of a series that cover part of a stretch."""
    bars = store.get_bars(filling.symbol, interval)
    first = max(0, int(bars.ts.searchsorted(filling.start, side="right")) - 1)
    last = int(bars.ts.searchsorted(filling.end, side="left"))
    zone = store.timezone
    return [bar for bar in bars[first:last] if to_ns(bar.end, zone) > filling.start]
