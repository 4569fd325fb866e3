"""What is reported beside the bars: statuses, connections, causes and qualities that somebody knows."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from tapeloom._core import Interval
from tapeloom.bars import normalise_symbol
from tapeloom.errors import (
    ArgumentError,
    ArgumentTypeError,
    UnknownSeriesError,
    UnknownSymbolError,
    did_you_mean,
)
from tapeloom.gap.gaps import Cause
from tapeloom.gap.record import EvidenceRecord
from tapeloom.session_data.reading import SessionReading
from tapeloom.statuses import ConnectionEvent, TradingStatus
from tapeloom.timestamps import from_ns, to_ns

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tapeloom._core import SessionTable
    from tapeloom.intervals import IntervalLike
    from tapeloom.timestamps import TimestampLike

__all__ = ["SessionEvidence", "has_trading"]


class SessionEvidence(SessionReading):
    """What keeps evidence of why bars are missing."""

    def _begin(self) -> None:
        super()._begin()
        self._evidence = EvidenceRecord()
        self._parts.append(self._evidence)

    def append_status(self, symbol: str | None, status: TradingStatus) -> None:
        """Keep a report that a symbol, or with ``None`` the whole market, trades, is halted or is closed.

        It counts from the instant it names on, and holds until the next status. The newest 10,000 of a symbol are kept,
        from session to session; the symbol need not be registered.

        Raises
        ------
        ArgumentTypeError
            If ``status`` is no ``TradingStatus``, or its timestamp no time.
        """
        self._check_process()
        if not isinstance(status, TradingStatus):
            text = f"status is {type(status).__name__}; it must be a TradingStatus"
            raise ArgumentTypeError(text, got=status)
        name = None if symbol is None else normalise_symbol(symbol)
        ts = to_ns(status.timestamp, self.timezone)
        self._evidence.add_status(name, ts, status.state, status.reason)

    def append_connection(self, event: ConnectionEvent) -> None:
        """Keep that our connection to a source went up or down.

        From down to up is an outage; one that has not ended lasts until the clock. The newest 10,000 events of a source are
        kept, from session to session.

        Raises
        ------
        ArgumentTypeError
            If ``event`` is no ``ConnectionEvent``, or its timestamp no time.
        """
        self._check_process()
        if not isinstance(event, ConnectionEvent):
            text = f"event is {type(event).__name__}; it must be a ConnectionEvent"
            raise ArgumentTypeError(text, got=event)
        ts = to_ns(event.timestamp, self.timezone)
        self._evidence.add_connection(event.source, ts, event.is_up)

    def set_gap_cause(
        self, symbol: str, start: TimestampLike, end: TimestampLike, cause: Cause | str
    ) -> None:
        """Keep a known cause of bars missing in ``[start, end)``. It goes before what evidence shows.

        A gap takes the cause if it holds for all its bars; of two for the same bar, the later call counts. ``"unknown"``
        takes back what was set.

        Raises
        ------
        UnknownSymbolError
            If the symbol is not kept.
        ArgumentError
            If there is no such cause, ``start`` is after ``end``, or no trading lies between them.
        """
        name = self._kept_symbol(symbol)
        try:
            known = Cause(cause)
        except ValueError:
            words = [word.value for word in Cause]
            near = did_you_mean(str(cause), words)
            text = f"cause is {cause!r}; it must be one of {', '.join(words)}{near}"
            raise ArgumentError(text, got=cause) from None
        first = to_ns(start, self.timezone, name="start")
        last = to_ns(end, self.timezone, name="end")
        if first > last:
            text = f"start is {self._shown(first)}, after end, {self._shown(last)}; ranges are [start, end)"
            raise ArgumentError(text, symbol=name, start=start, end=end)
        if first == last:
            return
        span = np.array([first]), np.array([last])
        if not has_trading(self.session_table, *span).any():
            text = f"no regular hours of {self.exchange_group} lie between {self._shown(first)} and {self._shown(last)}"
            text += "; bars are missing only in those"
            raise ArgumentError(text, symbol=name, start=start, end=end)
        self._evidence.add_cause(name, first, last, known)

    def set_quality(
        self, symbol: str, interval: IntervalLike | None, pct: float | None
    ) -> None:
        """Replace the measured quality of a session's series, until the next session or ``None``.

        What is set for the base series holds for derived series without a value of their own.

        Parameters
        ----------
        interval
            Interval of the series; ``None`` means the base.
        pct
            Percent, 0-100; ``None`` goes back to what is measured.

        Raises
        ------
        UnknownSymbolError
            If the symbol is not kept; for an interval that is not, ``UnknownSeriesError``.
        ArgumentError
            If ``pct`` lies outside 0-100.
        """
        if pct is not None:
            if isinstance(pct, bool) or not isinstance(
                pct, int | float | np.integer | np.floating
            ):
                text = f"pct is {pct!r} ({type(pct).__name__}); it must be a number from 0 to 100, or None"
                raise ArgumentTypeError(text, got=pct)
            if not 0 <= pct <= 100:
                near = 100 if pct > 100 else 0
                text = f"pct is {pct}; it must be from 0 to 100"
                text += "" if math.isnan(pct) else f"; the nearest is {near}"
                raise ArgumentError(text, got=pct)
        name = self._kept_symbol(symbol)
        wanted = self._kept_interval(name, interval)
        self._evidence.set_quality(name, wanted, None if pct is None else float(pct))

    set_quality_metric = set_quality

    def _kept_symbol(self, symbol: object) -> str:
        """A symbol that is written about must be kept: to take a misspelt one would lose what is said."""
        name = normalise_symbol(symbol)
        if not self._intervals(name):
            hint = did_you_mean(name, self._symbols)
            raise UnknownSymbolError(f"symbol {name} is not kept{hint}", symbol=name)
        return name

    def _kept_interval(self, name: str, interval: IntervalLike | None) -> str:
        kept = self._intervals(name)
        wanted = kept[0] if interval is None else str(Interval(interval))
        if wanted not in kept:
            text = f"{name} has no {wanted} bars; kept: {', '.join(kept)}"
            raise UnknownSeriesError(text, symbol=name, interval=wanted)
        return wanted

    def _shown(self, ns: int) -> str:
        return from_ns(ns, self.timezone).strftime("%Y-%m-%d %H:%M:%S")


def has_trading(
    table: SessionTable, starts: NDArray[np.int64], ends: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """Return which of ``[starts, ends)`` (ns UTC) meet regular hours."""
    at = table.segment_ends.searchsorted(starts, side="right")
    following = np.append(table.segment_starts, np.iinfo(np.int64).max)
    met: NDArray[np.bool_] = following[at] < ends
    return met
