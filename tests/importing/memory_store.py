"""A store that keeps what an import writes in memory."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tapeloom.bars import Bars
from tapeloom.errors import DuplicateBarError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tapeloom.intervals import IntervalLike


class MemoryStore:
    """Keeps the bars it is given, and refuses another value for a start it has."""

    exchange_group = "US_EQUITY"

    def __init__(self, root: Path) -> None:
        self.root = str(root)
        self.bars: dict[tuple[str, str], Bars] = {}
        self.writes = 0

    @property
    def local_root(self) -> Path:
        return Path(self.root)

    def get_ranges(self, symbol: str, interval: IntervalLike) -> list[tuple[int, int]]:
        bars = self.bars.get((symbol, str(interval)))
        return [] if bars is None else [(int(bars.ts[0]), int(bars.ts[-1]))]

    def read(
        self, symbol: str, interval: IntervalLike, start: int | None, end: int | None
    ) -> Bars:
        return self.bars[symbol, str(interval)].between(start, end)

    def write_bars(
        self,
        symbol: str,
        interval: IntervalLike,
        bars: Any,
        *,
        on_duplicate: str,
        origins: Sequence[Mapping[str, object]] = (),
    ) -> list[Path]:
        key = (symbol, str(interval))
        bars = bars.sorted()
        known = self.bars.get(key)
        if known is not None:
            joined = Bars.concat([known, bars]).sorted()
            if on_duplicate == "error" and joined.count_duplicates()[1]:
                text = f"{symbol}: a bar is there with other values and on_duplicate is 'error'"
                raise DuplicateBarError(text, symbol=symbol)
            bars = joined
        repeats = bars.ts[1:] == bars.ts[:-1]
        at = np.flatnonzero(repeats) + (on_duplicate == "ignore")
        bars = bars.drop_rows(at.tolist())
        self.bars[key] = bars
        self.writes += 1
        path = Path(self.root) / f"{symbol}.written"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        return [path]
