"""One symbol of a session: a handle that reads and holds nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tapeloom._core import BarData, Bars
    from tapeloom.intervals import IntervalLike
    from tapeloom.session_data import SessionData

__all__ = ["SymbolSessionData"]


class SymbolSessionData:
    """A live, read-only handle on one symbol of a :class:`SessionData`."""

    __slots__ = ("_session_data", "_symbol")

    def __init__(self, session_data: SessionData, symbol: str) -> None:
        self._session_data = session_data
        self._symbol = symbol

    @property
    def symbol(self) -> str:
        """Symbol, upper-cased."""
        return self._symbol

    @property
    def intervals(self) -> list[str]:
        """Intervals that are kept: the base first, then derived ones, finest first."""
        return self._session_data._intervals(self._symbol)

    @property
    def base_interval(self) -> str:
        """Interval of the base series."""
        return self.intervals[0]

    def get_latest_bar(
        self, interval: IntervalLike | None = None, *, scope: str = "session"
    ) -> BarData | None:
        """As ``SessionData.get_latest_bar``."""
        return self._session_data.get_latest_bar(self._symbol, interval, scope=scope)

    def get_last_n_bars(
        self, n: int, interval: IntervalLike | None = None, *, scope: str = "session"
    ) -> Bars:
        """As ``SessionData.get_last_n_bars``."""
        return self._session_data.get_last_n_bars(
            self._symbol, n, interval, scope=scope
        )

    def get_bars_since(
        self,
        timestamp: object,
        interval: IntervalLike | None = None,
        *,
        scope: str = "session",
    ) -> Bars:
        """As ``SessionData.get_bars_since``."""
        return self._session_data.get_bars_since(
            self._symbol, timestamp, interval, scope=scope
        )

    def get_bars(
        self,
        interval: IntervalLike | None = None,
        *,
        start: object | None = None,
        end: object | None = None,
        scope: str = "session",
    ) -> Bars:
        """As ``SessionData.get_bars``."""
        return self._session_data.get_bars(
            self._symbol, interval, start=start, end=end, scope=scope
        )

    def get_bar_count(
        self, interval: IntervalLike | None = None, *, scope: str = "session"
    ) -> int:
        """As ``SessionData.get_bar_count``."""
        return self._session_data.get_bar_count(self._symbol, interval, scope=scope)

    def __repr__(self) -> str:
        return f"SymbolSessionData({self._symbol!r}, intervals {', '.join(self.intervals)})"
