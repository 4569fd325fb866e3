"""What is kept of a session: symbols, figures, counts. The hot reads are methods of ``_core.Store``."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from typing import TYPE_CHECKING

from tapeloom._core import Interval
from tapeloom.bars import normalise_symbol
from tapeloom.errors import (
    ArgumentTypeError,
    TapeloomWarning,
    UnknownSeriesError,
    UnknownSymbolError,
    did_you_mean,
)
from tapeloom.ingest import IngestCounts
from tapeloom.session_data.life_cycle import SessionLife

if TYPE_CHECKING:
    from tapeloom._core import BarData, Group
    from tapeloom.intervals import IntervalLike
    from tapeloom.symbol_session_data import SymbolSessionData

__all__ = ["SessionReading"]


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
            warnings.warn(error.message, TapeloomWarning, stacklevel=3)

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

    def get_active_symbols(self) -> set[str]:
        """Return a copy of the set of symbols that are kept."""
        return set(self._symbols)

    def get_ingest_counts(
        self, symbol: str | None = None, interval: IntervalLike | None = None
    ) -> IngestCounts:
        """Return how many bars were offered and what became of them, for one symbol or all.

        Derived series are not offered anything: their counts are zero.
        """
        if symbol is None:
            counts = (IngestCounts(*self._counts(name)) for name in self._symbols)
            return sum(counts, IngestCounts())
        name = self._base_of(symbol, interval)
        return IngestCounts() if name is None else IngestCounts(*self._counts(name))

    def get_revisions(
        self, symbol: str, interval: IntervalLike | None = None
    ) -> list[tuple[BarData, BarData]]:
        """Return the corrections of a base series as (old bar, new bar), in order of arrival."""
        name = self._base_of(symbol, interval)
        return [] if name is None else self._revisions(name)

    def _base_of(self, symbol: str, interval: IntervalLike | None) -> str | None:
        """The symbol if the interval is that of its base series."""
        found = self._resolve(symbol, interval)
        if found is None or found[1] != self._intervals(found[0])[0]:
            return None
        return found[0]

    def get_quarantine(self, symbol: str | None = None) -> list[tuple[BarData, str]]:
        """Return valid bars without a place as (bar, reason), in order of arrival.

        The reason is ``off_grid`` (starts between two expected starts) or ``later_session``.
        """
        name = None if symbol is None else normalise_symbol(symbol)
        return [
            (bar, reason)
            for bar, reason in self._quarantine()
            if name in (None, bar.symbol)
        ]

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
        if isinstance(symbols, str) or not isinstance(symbols, Iterable):
            text = f"symbols is {symbols!r}; give a list such as ['AAPL']"
            raise ArgumentTypeError(text)
        names = [normalise_symbol(symbol) for symbol in symbols]
        return self._group_of(names, interval)
