"""Figures of a session by symbol and date, for code that was written before ``SessionData`` answered them itself."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

from tapeloom._core import Interval
from tapeloom.calendars.days import require_date, to_day
from tapeloom.default_session import get_session_data
from tapeloom.errors import ArgumentTypeError
from tapeloom.session_data import SessionData

if TYPE_CHECKING:
    from datetime import date

__all__ = ["SessionTracker", "get_session_tracker"]


def get_session_tracker(session_data: SessionData | None = None) -> SessionTracker:
    """Return a tracker of a session.

    .. deprecated:: 0.1
        Use :meth:`SessionData.get_session_metrics`.

    Parameters
    ----------
    session_data
        The session to answer from; the process-wide one if not given.
    """
    text = "get_session_tracker() is deprecated; use SessionData.get_session_metrics(symbol)"
    warnings.warn(text, DeprecationWarning, stacklevel=2)
    if session_data is None:
        session_data = get_session_data()
    if not isinstance(session_data, SessionData):
        text = (
            f"session_data is {type(session_data).__name__}; it must be a SessionData"
        )
        raise ArgumentTypeError(text, got=session_data)
    return SessionTracker(session_data)


class SessionTracker:
    """Answers the figures of a session by symbol and date. It keeps none itself."""

    def __init__(self, session_data: SessionData) -> None:
        self._session_data = session_data

    def get_session_metrics(
        self, symbol: str, date: date | None = None
    ) -> dict[str, Any]:
        """Return the figures of one session date over the base bars of regular hours.

        Parameters
        ----------
        date
            Session date; ``None`` is the current one.

        Returns
        -------
        dict
            As :meth:`SessionData.get_session_metrics`. Those of another date than the current one are computed from
            the bars that are stored of it; empty when there are none, never the figures of another date.

        Raises
        ------
        ArgumentTypeError
            If ``date`` is no date.
        UnknownSymbolError
            If nobody keeps the symbol and the session is strict; otherwise the answer is empty, with a warning.
        """
        session_data = self._session_data
        if date is None or (
            require_date(date, "date") == session_data.current_session_date
        ):
            return session_data.get_session_metrics(symbol)
        found = session_data._resolve(symbol, None)
        index = session_data.session_table.index_of(to_day(date))
        if found is None or index is None:
            return {}
        return self._figures_of(date, found[0], index)

    def _figures_of(self, date: date, name: str, index: int) -> dict[str, Any]:
        """Figures of the stored bars of one date, as a session of that date has them at its end."""
        session_data, table = self._session_data, self._session_data.session_table
        start, end = int(table.span_starts[index]), int(table.span_ends[index])
        stored = session_data.get_all_bars(name, start=start, end=end)
        alone = SessionData(
            session_data.exchange_group,
            allow_negative_prices=True,
            time_manager=session_data._time_manager,
        )
        # The table that the session began with, whatever was added to the calendar since.
        alone._calendar = session_data._market_calendar
        alone._set_table(table)
        alone.register_symbol(name, base_interval=stored.interval)
        alone.start_new_session(date)
        alone.add_bars_batch(name, stored)
        alone.end_session()
        figures = alone.get_session_metrics(name)
        if not figures["bar_count"]:
            return {}
        figures["bar_quality"] = self._quality_of(name, index, figures["bar_quality"])
        return figures

    def _quality_of(
        self, name: str, index: int, measured: float | None
    ) -> float | None:
        """Quality of one date, given how much of it came."""
        session_data = self._session_data
        if not session_data._measures["history"]:
            # History that is not measured counts as whole.
            return 100.0
        series = session_data._series(name, None)
        if (
            series is None
            or not session_data._excuses
            or Interval(series.base) > Interval("1d")
        ):
            return measured
        # What was recorded says which of the missing bars were due.
        holes = session_data._holes_in(series, index, session_data._clock)
        return 100.0 * holes.present / holes.due if holes.due else None
