"""What is kept of a session: symbols, figures, counts. The hot reads are methods of ``_core.Store``."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tapeloom._core import Interval
from tapeloom.bars import normalise_symbol
from tapeloom.errors import (
    ArgumentError,
    ArgumentTypeError,
    TapeloomWarning,
    UnknownSeriesError,
    UnknownSymbolError,
    did_you_mean,
)
from tapeloom.ingest import IngestCounts
from tapeloom.panel import Panel, check_field, grid_times, place, times_met
from tapeloom.session_data.life_cycle import SessionLife
from tapeloom.timestamps import to_ns

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from tapeloom._core import BarData, Bars, Group
    from tapeloom.intervals import IntervalLike
    from tapeloom.symbol_session_data import SymbolSessionData

__all__ = ["SessionReading"]

_PACKAGE = str(Path(__file__).parent.parent)


class SessionReading(SessionLife):
    """What reads a session, beside the bars themselves."""

    def _resolve(
        self, symbol: object, interval: IntervalLike | None
    ) -> tuple[str, str] | None:
        """Return the canonical names of a series, or ``None`` with a warning when nobody keeps it."""
        name = normalise_symbol(symbol)
        kept = self._intervals(name)
        if not kept:
            known = self._symbols
            hint = (
                did_you_mean(name, known)
                or f"; kept: {', '.join(known[:10]) or 'none'}"
            )
            self._miss(
                UnknownSymbolError(f"symbol {name} is not kept{hint}", symbol=name),
                (name, ""),
            )
            return None
        wanted = kept[0] if interval is None else str(Interval(interval))
        if wanted not in kept:
            text = f"{name} has no {wanted} bars; kept: {', '.join(kept)}"
            self._miss(
                UnknownSeriesError(text, symbol=name, interval=wanted), (name, wanted)
            )
            return None
        return name, wanted

    def _miss(
        self, error: UnknownSymbolError | UnknownSeriesError, key: tuple[str, str]
    ) -> None:
        if self._strict:
            raise error
        if key not in self._warned:
            self._warned.add(key)
            warnings.warn(
                error.message, TapeloomWarning, stacklevel=_levels_to_caller()
            )

    def get_symbol_data(self, symbol: str) -> SymbolSessionData | None:
        """Return a live handle on one symbol, ``None`` when it is not kept."""
        name = normalise_symbol(symbol)
        return self._handle(name) if self._intervals(name) else None

    def __getitem__(self, symbol: str) -> SymbolSessionData:
        found = self.get_symbol_data(symbol)
        if found is None:
            hint = did_you_mean(normalise_symbol(symbol), self._symbols)
            text = f"symbol {normalise_symbol(symbol)} is not kept{hint}"
            raise UnknownSymbolError(text, symbol=symbol)
        return found

    def __contains__(self, symbol: object) -> bool:
        """Whether a symbol is kept; ``False`` for what cannot be one."""
        try:
            return bool(self._intervals(normalise_symbol(symbol)))
        except ArgumentError:
            return False

    def __iter__(self) -> Iterator[str]:
        """Go through the symbols that are kept, in the order in which they were registered."""
        return iter(self._symbols)

    def get_active_symbols(self) -> set[str]:
        """Return a copy of the set of symbols that are kept."""
        return set(self._symbols)

    @property
    def historical_bars_types(self) -> list[str]:
        """Intervals of which some symbol has history, finest first."""
        kept = {
            interval
            for name in self._symbols
            for interval in self._intervals(name)
            if self.get_bar_count(name, interval, scope="history")
        }
        return sorted(kept, key=Interval)

    def get_ingest_counts(
        self, symbol: str | None = None, interval: IntervalLike | None = None
    ) -> IngestCounts:
        """Return how many bars were offered and what became of them, for one symbol or all.

        Derived series are not offered anything: their counts are zero. An interval with all symbols counts those whose
        base it is.
        """
        if symbol is not None:
            name = self._base_of(symbol, interval)
            return IngestCounts() if name is None else self._counts_of(name)
        wanted = None if interval is None else str(Interval(interval))
        kept = [(name, self._intervals(name)) for name in self._symbols]
        if kept and wanted is not None and not any(wanted in each for _, each in kept):
            text = f"no symbol has {wanted} bars"
            self._miss(UnknownSeriesError(text, interval=wanted), ("", wanted))
        counts = (
            self._counts_of(name)
            for name, each in kept
            if each and wanted in (None, each[0])
        )
        return sum(counts, IngestCounts())

    def _counts_of(self, name: str) -> IngestCounts:
        try:
            return IngestCounts(*self._counts(name))
        except UnknownSymbolError:
            # Removed meanwhile.
            return IngestCounts()

    def get_revisions(
        self, symbol: str, interval: IntervalLike | None = None
    ) -> list[tuple[BarData, BarData]]:
        """Return the corrections of a base series as (old bar, new bar), in order of arrival."""
        name = self._base_of(symbol, interval)
        if name is None:
            return []
        return [(old, new) for old, new, _ in self._revisions(name)]

    def _base_of(self, symbol: str, interval: IntervalLike | None) -> str | None:
        """The symbol if the interval is that of its base series."""
        found = self._resolve(symbol, interval)
        if found is None or found[1] not in self._intervals(found[0])[:1]:
            return None
        return found[0]

    def get_quarantine(self, symbol: str | None = None) -> list[tuple[BarData, str]]:
        """Return valid bars without a place as (bar, reason), in order of arrival.

        The reason is ``off_grid`` (starts between two expected starts) or ``later_session``.
        """
        if symbol is None:
            return self._quarantine()
        found = self._resolve(symbol, None)
        if found is None:
            return []
        kept = self._quarantine()
        return [(bar, reason) for bar, reason in kept if bar.symbol == found[0]]

    def group(
        self, symbols: Iterable[str], interval: IntervalLike | None = None
    ) -> Group:
        """Find the series of many symbols once, to read them together often.

        Parameters
        ----------
        symbols
            Registered symbols; one that nobody keeps reads as absent.
        interval
            Interval of the series, the base if not given.

        Returns
        -------
        Group
            ``latest()`` gives the latest bar of each as columns, all from one epoch.

        Examples
        --------
        >>> from tapeloom import SessionData
        >>> session = SessionData()
        >>> group = session.group(["AAPL", "MSFT"])
        >>> group.latest()["close"]
        array([nan, nan])
        """
        return self._group_of(_names(symbols), interval)

    def matrix(
        self,
        field: str,
        symbols: Iterable[str] | None = None,
        interval: IntervalLike | None = None,
        *,
        start: object | None = None,
        end: object | None = None,
        scope: str = "session",
    ) -> Panel:
        """Return one field of many symbols as an array of times x symbols, all as of one epoch.

        Parameters
        ----------
        field
            ``"open"``, ``"high"``, ``"low"``, ``"close"`` or ``"volume"``.
        symbols
            Columns in this order, each symbol once; all that are kept if not given.
        interval
            Of the bars. If not given, the base interval, which must be the same for all.
        start, end
            Bars that start in ``[start, end)``; a missing bound is open.
        scope
            ``"session"``, ``"history"`` (the sessions of which any of them has history) or ``"all"``.

        Returns
        -------
        Panel
            float64 of shape (times, symbols), a copy. The times are those at which a bar is due in regular hours and
            known by the clock, whether it came or not; bars of other hours are left out. Before the first session, and
            for intervals above a day, they are those of the bars.

        Raises
        ------
        ArgumentError
            For another field or scope, ``start`` after ``end``, and symbols of different base intervals.
        """
        check_field(field)
        if scope not in ("session", "history", "all"):
            text = f"scope is {scope!r}; it must be 'session', 'history' or 'all'"
            raise ArgumentError(text, got=scope)
        names = list(
            dict.fromkeys(self._symbols if symbols is None else _names(symbols))
        )
        first, last = self._range(start, end)
        wanted = self._common_interval(names, interval)
        # The clock first: a bar that comes meanwhile is not on the grid of this moment.
        clock = self._clock
        bars = self._group_of(names, wanted)._bars(scope)
        grid = self._grid(names, wanted, scope, clock, bars)
        low, high = np.searchsorted(grid, [first, last])
        ts = grid[low:high].copy()
        values = place(bars, ts, field)
        return Panel(values, ts, tuple(names), field, wanted, self.timezone)

    def _range(self, start: object | None, end: object | None) -> tuple[int, int]:
        zone, bounds = self.timezone, np.iinfo(np.int64)
        first = bounds.min if start is None else to_ns(start, zone, name="start")
        last = bounds.max if end is None else to_ns(end, zone, name="end")
        if first > last:
            text = f"start {start} is after end {end}; ranges are [start, end)"
            raise ArgumentError(text, start=start, end=end)
        return first, last

    def _common_interval(self, names: list[str], interval: IntervalLike | None) -> str:
        """The interval asked for, or the one base interval of all; says who is not kept."""
        wanted = None if interval is None else str(Interval(interval))
        found = [self._resolve(name, wanted) for name in names]
        bases = {kept[1]: kept[0] for kept in found if kept is not None}
        if wanted is not None:
            return wanted
        if len(bases) > 1:
            some = ", ".join(f"{name} {base}" for base, name in bases.items())
            text = f"symbols have different base intervals ({some}); name the interval"
            raise ArgumentError(text, intervals=sorted(bases, key=Interval))
        return next(iter(bases), "1m")

    def _grid(
        self,
        names: list[str],
        interval: str,
        scope: str,
        clock: int | None,
        bars: list[Bars | None],
    ) -> NDArray[np.int64]:
        """Starts of the bars that are due in a scope by the clock."""
        day, _ = self._session
        if day is None or Interval(interval) > Interval("1d"):
            return times_met(bars)
        table = self.session_table
        # Looked up once: another thread may remove a symbol at any time.
        found = {name: self._intervals(name) for name in names}
        kept = {name: each for name, each in found.items() if interval in each}
        sessions: set[int] = set()
        if scope != "session":
            for name in kept:
                with suppress(UnknownSymbolError):
                    sessions.update(self._history_sessions(name))
        current = None if scope == "history" else table.index_of(day)
        indices = [*sorted(sessions), *([] if current is None else [current])]
        base = next((each[0] for each in kept.values()), interval)
        anchor = self.policies["anchor"]
        return grid_times(
            table, indices, interval, base=base, anchor=anchor, until=clock
        )


def _names(symbols: object) -> list[str]:
    if isinstance(symbols, str) or not isinstance(symbols, Iterable):
        text = f"symbols is {symbols!r}; give a list such as ['AAPL']"
        raise ArgumentTypeError(text, got=symbols)
    return [normalise_symbol(symbol) for symbol in symbols]


def _levels_to_caller() -> int:
    """How far up the user's code is, for a warning that names its line."""
    level, frame = 1, sys._getframe(1)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_PACKAGE):
        level, frame = level + 1, frame.f_back
    return level
