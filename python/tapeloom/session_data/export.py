"""A whole session as a table, as a dict and as a digest."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import numpy as np

from tapeloom.errors import ArgumentError, ArgumentTypeError, UnknownSymbolError
from tapeloom.session_data.indicator_values import SessionIndicators
from tapeloom.session_data.plain import plain, plain_columns
from tapeloom.session_data.quality import SessionQuality
from tapeloom.session_data.quotes import MOST_KEPT, SessionQuotes
from tapeloom.state_hash import state_hash

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl
    import pyarrow as pa

    from tapeloom.intervals import IntervalLike
    from tapeloom.session_data import SessionData

__all__ = ["SessionExport"]


class SessionExport(SessionQuality, SessionQuotes, SessionIndicators):
    """What hands a whole session to other tools."""

    def state_hash(self) -> str:
        """Return a digest of the session's bars, equal wherever they are equal; see ``tapeloom.state_hash``."""
        return state_hash(self)

    def to_dict(self, since_epoch: int | None = None) -> dict[str, Any]:
        """Return the state of the session as plain values that JSON can hold; a copy.

        Parameters
        ----------
        since_epoch
            The ``epoch`` of an earlier answer. Bars are then those that came or changed after it; quotes and ticks are
            ``None`` for a symbol to which none came. All else is whole: qualities, gaps and figures of all symbols,
            since they follow the clock and evidence as well.

        Returns
        -------
        dict
            ``exchange_group, timezone, session_date, session_ended, is_active, epoch, since_epoch, clock, kept`` (all
            symbols), ``symbols`` and ``indicators`` (``historical`` and ``realtime`` by name, then by symbol; ``""`` for
            all symbols). Each symbol has ``base_interval``, ``bars`` (columns as lists by interval), ``metrics``,
            ``quality``, ``gaps``, ``counts``, ``quotes`` and ``ticks``. Instants are ns UTC in ``ts`` and ``clock``, ISO
            texts elsewhere. Quotes and ticks begin no epoch: those that came in the epoch asked for are told again
            rather than not at all. Bars that went (``clear_session_bars``, a new session) are not told of: where
            ``session_date`` or ``kept`` differ from before, take the whole state.

        Raises
        ------
        ArgumentError
            If ``since_epoch`` lies after the epoch of this session; ``ArgumentTypeError`` if it is no integer.
        """
        # Taken first: what comes while this is read will be told again rather than not at all.
        epoch = self.epoch
        since = _checked_epoch(since_epoch, epoch)
        names = self._symbols
        symbols = {name: self._symbol_dict(name, since) for name in names}
        values = self._values
        return {
            "exchange_group": self.exchange_group,
            "timezone": str(self.timezone),
            "session_date": plain(self.current_session_date),
            "session_ended": self.session_ended,
            "is_active": self.is_active,
            "epoch": epoch,
            "since_epoch": since,
            "clock": self._clock,
            "kept": names,
            "symbols": {name: found for name, found in symbols.items() if found},
            "indicators": {
                "historical": plain(values.historical),
                "realtime": plain(values.realtime_now()),
            },
        }

    def _symbol_dict(self, name: str, since: int | None) -> dict[str, Any] | None:
        """What is known of a symbol; ``None`` if it was removed meanwhile."""
        intervals = self._intervals(name)
        if not intervals:
            return None
        try:
            return self._told_of(name, intervals, since)
        except UnknownSymbolError:
            return None

    def _told_of(
        self, name: str, intervals: list[str], since: int | None
    ) -> dict[str, Any]:
        if since is None:
            bars = {interval: self.get_bars(name, interval) for interval in intervals}
        else:
            bars = {i: self._rows_since(name, i, since) for i in intervals}
        quotes = ticks = None
        if since is None or self._newest.may_have_come_since(name, since):
            quotes = plain_columns(self.get_quotes(name, MOST_KEPT))
            ticks = plain_columns(self.get_ticks(name, MOST_KEPT))
        return {
            "base_interval": intervals[0],
            "bars": {interval: plain_columns(rows) for interval, rows in bars.items()},
            "metrics": plain(self.get_session_metrics(name)),
            "quality": self.get_quality(name),
            "gaps": plain(list(self.get_gaps(name))),
            "counts": plain(self.get_ingest_counts(name)),
            "quotes": quotes,
            "ticks": ticks,
        }

    def to_arrow(self, interval: IntervalLike | None = None) -> pa.Table:
        """Return the session's bars of all symbols as one Arrow table with a leading ``symbol`` column.

        Parameters
        ----------
        interval
            Of which series; the base series of each symbol if not given.

        Returns
        -------
        pyarrow.Table
            ``symbol, interval, ts, open, high, low, close, volume, flags`` in the order in which symbols were registered, then of
            ``ts``, all as of one epoch.
        """
        from tapeloom.tables import session

        return session.to_arrow(self._whole, interval)

    def to_pandas(self, interval: IntervalLike | None = None) -> pd.DataFrame:
        """Return what :meth:`to_arrow` has as a pandas frame, indexed by time in the exchange's zone."""
        from tapeloom.tables import session

        frame: pd.DataFrame = session.to_pandas(self._whole, interval)
        return frame

    def to_polars(self, interval: IntervalLike | None = None) -> pl.DataFrame:
        """Return what :meth:`to_arrow` has as a polars frame."""
        from tapeloom.tables import session

        frame: pl.DataFrame = session.to_polars(self._whole, interval)
        return frame

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        from tapeloom.tables import session

        return session.arrow_stream(self._whole, requested_schema)

    def __arrow_c_schema__(self) -> object:
        from tapeloom.tables import session

        return session.arrow_schema(self._whole)

    def _repr_html_(self) -> str:
        """Return how far each symbol has come as a table that needs nothing else."""
        from tapeloom.tables import session

        return session.as_html(self._whole)

    @property
    def _whole(self) -> SessionData:
        return cast("SessionData", self)


def _checked_epoch(since: object, epoch: int) -> int | None:
    if since is None:
        return None
    if isinstance(since, bool) or not isinstance(since, int | np.integer):
        text = f"since_epoch is {since!r} ({type(since).__name__}); give the epoch of an earlier answer"
        raise ArgumentTypeError(text, got=since)
    if not 0 <= since <= epoch:
        text = f"since_epoch is {since}; this session is at epoch {epoch}, so it must be from 0 to {epoch}"
        raise ArgumentError(text, got=since)
    return int(since)
