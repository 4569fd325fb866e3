"""What a run reads bars from: the protocol, and the source whose bars are in memory."""

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING, Protocol

from tapeloom._core import Bars, Interval
from tapeloom.bars import no_bars, normalise_symbol
from tapeloom.errors import SymbolError
from tapeloom.storage.bad_rows import (
    check_policy,
    late_rows,
    note_unsorted,
    without_bad_rows,
)
from tapeloom.storage.notes import DataNote, Notes

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import tzinfo

    from tapeloom.intervals import IntervalLike

__all__ = ["BarSource", "DataNote", "FrameSource"]


class BarSource(Protocol):
    """Bars by symbol and interval. ``DataManager`` and ``FrameSource`` are two; a user may write a third."""

    @property
    def notes(self) -> list[DataNote]:
        """What reading found so far and went on without."""

    def get_symbols(self) -> list[str]:
        """Return the symbols there are, normalised."""

    def get_intervals(self, symbol: str) -> list[str]:
        """Return the intervals of a symbol as canonical text, finest first; empty if it is unknown."""

    def get_range(self, symbol: str, interval: str) -> tuple[int, int] | None:
        """Return the start of the first and of the last bar, nanoseconds UTC; ``None`` if there is none."""

    def get_ranges(self, symbol: str, interval: str) -> list[tuple[int, int]]:
        """Return the same for each piece, such as a file, in which the bars lie; there may be holes between them."""

    def read(self, symbol: str, interval: str, start: int, end: int) -> Bars:
        """Return the bars that start in ``[start, end)``, nanoseconds UTC.

        They are in order of ``ts``, keep the rules of a bar, and are of all hours. Bars that come twice stay. An
        unknown series is empty.
        """


class FrameSource:
    """Bars in memory, one series per symbol.

    Parameters
    ----------
    bars
        Symbol to its bars, as ``tapeloom.columns.read_frame`` returns them; in any order of time.
    zone
        Zone of the exchange, for reads that find nothing.
    source
        What to call the data in notes and errors.
    on_invalid
        ``"error"`` or ``"skip"``: what happens to rows that break a rule.
    allow_negative_prices
        Whether prices may be zero or below.

    Raises
    ------
    InvalidBarError
        If a row breaks a rule and ``on_invalid`` is ``"error"``.
    """

    def __init__(
        self,
        bars: Mapping[str, Bars],
        *,
        zone: tzinfo = UTC,
        source: str = "data",
        on_invalid: str = "error",
        allow_negative_prices: bool = False,
    ) -> None:
        self._zone = zone
        self._notes = Notes()
        self._bars: dict[str, Bars] = {}
        policy = check_policy(on_invalid)
        for symbol, given in bars.items():
            is_sorted = given.is_sorted()
            if not is_sorted:
                late = late_rows(given.ts)
                note_unsorted(given.symbol, source=source, rows=late, notes=self._notes)
            kept = without_bad_rows(
                given,
                source=source,
                rows=None,
                on_invalid=policy,
                allow_negative_prices=allow_negative_prices,
                notes=self._notes,
            )
            self._bars[normalise_symbol(symbol)] = kept if is_sorted else kept.sorted()

    @property
    def notes(self) -> list[DataNote]:
        """Rows that were sorted or left out, per symbol."""
        return self._notes.all()

    def get_symbols(self) -> list[str]:
        """Return the symbols in the order given."""
        return list(self._bars)

    def get_intervals(self, symbol: str) -> list[str]:
        """Return the one interval of a symbol; empty if it is unknown."""
        bars = self._find(symbol)
        return [] if bars is None else [bars.interval]

    def get_range(self, symbol: str, interval: IntervalLike) -> tuple[int, int] | None:
        """Return the start of the first and of the last bar, nanoseconds UTC; ``None`` if there is none."""
        bars = self._find(symbol, interval)
        if bars is None or not len(bars):
            return None
        ts = bars.ts
        return int(ts[0]), int(ts[-1])

    def get_ranges(self, symbol: str, interval: IntervalLike) -> list[tuple[int, int]]:
        """Return the one range of a series in memory, or nothing."""
        found = self.get_range(symbol, interval)
        return [] if found is None else [found]

    def read(
        self, symbol: str, interval: IntervalLike, start: int | None, end: int | None
    ) -> Bars:
        """Return the bars that start in ``[start, end)``, nanoseconds UTC, sharing memory; see ``BarSource``."""
        bars = self._find(symbol, interval)
        if bars is None:
            return no_bars(normalise_symbol(symbol), interval, self._zone)
        return bars.between(start, end)

    def _find(self, symbol: str, interval: IntervalLike | None = None) -> Bars | None:
        bars = self._bars.get(symbol)
        if bars is None:
            # Asked for in another form, or not there.
            try:
                bars = self._bars.get(normalise_symbol(symbol))
            except SymbolError:
                return None
        if bars is None or interval is None or bars.interval == interval:
            return bars
        return bars if Interval(bars.interval) == Interval(interval) else None
