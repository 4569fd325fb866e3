"""One session played through the store. Symbols may come and go between two instants."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tapeloom._core import Replay

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tapeloom._core import Bars, Batch, SessionTable
    from tapeloom.session.realtime_indicators import RealtimeIndicators
    from tapeloom.session_data import SessionData

__all__ = ["SessionStream"]


class SessionStream:
    """The queues of one session and how far they were played.

    Parameters
    ----------
    session_data
        The store to play into; its session has begun.
    bars
        The bars of each symbol, in configured order.
    table
        The session table.
    close
        Instant at which the session is over, ns UTC.
    indicators
        The real-time indicators, which follow each instant and show with its epoch.
    """

    def __init__(
        self,
        session_data: SessionData,
        bars: Mapping[str, Bars],
        table: SessionTable,
        *,
        close: int,
        indicators: RealtimeIndicators | None = None,
    ) -> None:
        self._indicators = indicators
        self._session_data = session_data
        self._table = table
        self._close = close
        self._sources: dict[str, Bars] = dict(bars)
        self._instants = self._base_bars = self._derived_bars = 0
        self._last: Batch | None = None
        self._replay = self._begin()

    @property
    def instants(self) -> int:
        """Instants played."""
        return self._instants + (0 if self._last is None else self._last.instants)

    @property
    def base_bars(self) -> int:
        """Base bars delivered."""
        return self._base_bars + (0 if self._last is None else self._last.base_bars)

    @property
    def derived_bars(self) -> int:
        """Derived bars emitted, replaced ones included."""
        return self._derived_bars + (
            0 if self._last is None else self._last.derived_bars
        )

    def next_ns(self) -> int:
        """Return the next instant at which something becomes known or a bucket ends, ns UTC; at last the close."""
        return self._replay.next_ts

    def run(
        self,
        *,
        each_instant: bool,
        intervals: Sequence[str] | None,
        most_bars: int,
        until: int | None,
    ) -> Batch:
        """Play on; see ``_core.Replay.run``."""
        self._last = self._replay.run(
            each_instant=each_instant,
            intervals=intervals,
            most_bars=most_bars,
            until=until,
        )
        return self._last

    def add(self, symbol: str, bars: Bars, *, clock: int) -> None:
        """Let a registered symbol stream from an instant on: what was known by then must be in the store already."""
        self._sources[symbol] = bars
        self._begin_again(clock)

    def remove(self, symbol: str, *, clock: int) -> None:
        """Drop the queue of a symbol, so that the store lets it go."""
        self._sources.pop(symbol, None)
        self.close()
        self._replace(clock)

    def reopen(self) -> None:
        """Play on after :meth:`remove`, once the store has let the symbol go."""
        self._replay = self._begin()

    def close(self) -> None:
        """Give the store back to its user. Doing so twice changes nothing."""
        self._replay.close()

    def _begin_again(self, clock: int) -> None:
        self.close()
        self._replace(clock)
        self._replay = self._begin()

    def _replace(self, clock: int) -> None:
        """Keep only what is known after ``clock``, and what was counted."""
        self._instants, self._base_bars = self.instants, self.base_bars
        self._derived_bars = self.derived_bars
        self._last = None
        self._sources = {
            symbol: self.after(bars, clock) for symbol, bars in self._sources.items()
        }

    def after(self, bars: Bars, clock: int) -> Bars:
        """Return the bars that become known after an instant, sharing memory."""
        known = self._table.known_at(bars.ts, bars.interval)
        return bars[int(known.searchsorted(clock, side="right")) :]

    def _begin(self) -> Replay:
        followed = None if self._indicators is None else self._indicators.core
        return Replay(
            self._session_data,
            list(self._sources.items()),
            close=self._close,
            indicators=followed,
        )
