"""What is known up to now: the store that analysis code reads while the session runs. It computes nothing.

The hot reads (`get_latest_bar`, `get_last_n_bars`, ...) are methods of `_core.Store`; see `_core.pyi`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tapeloom.session_data.export import SessionExport
from tapeloom.session_data.writing import SessionWriting

if TYPE_CHECKING:
    from tapeloom.session_data.aio import AsyncSessionData

__all__ = ["SessionData"]


class SessionData(SessionWriting, SessionExport):
    """All bars of a session and its history, readable from any thread while one thread writes.

    Parameters
    ----------
    exchange_group
        Exchange whose calendar and zone hold, such as ``"US_EQUITY"`` or a calendar code.
    on_duplicate
        A key that comes again with other values: ``"replace"``, ``"ignore"`` or ``"error"``.
    on_invalid
        Invalid rows of a batch: ``"error"`` refuses the batch, ``"skip"`` stores the good rows.
    allow_negative_prices
        Whether prices may be zero or below.
    completeness
        Derived bars: ``"any"`` yields a bar from at least one base bar, flagged ``PARTIAL`` when some are missing;
        ``"complete"`` only from all of them.
    anchor
        From where buckets of derived bars are counted: ``"session"`` (the open), ``"segment"`` (again after a break) or
        ``"clock"`` (wall-clock multiples; the first bucket of a session may be short).
    extended_hours
        Bars of pre- and post-market: ``"off"`` stores them; ``"show"`` also derives bars of seconds, minutes and hours from
        them, counted from the start of the pre-market and from the close; with ``"full"`` they take part in bars of days
        and weeks and in the session's figures too. Quality is that of regular hours. A bar between two expected starts of
        theirs is quarantined unless they are ``"off"``.
    no_trade
        Missing bars between two others: ``"gap"`` counts each; ``"expected"`` takes them for minutes without a trade, unless
        a recorded closure, halt, outage or trade says otherwise. They are not due then, and a derived bar needs one base bar.
    historical_bars_trailing_days
        Sessions of history kept when a session rolls; ``None`` keeps all.
    max_symbols
        Symbols that the store keeps at most; one more is a ``CapacityError``.
    measure_session_quality
        ``False``: the quality of the session is ``None``.
    measure_history_quality
        ``False``: the quality of history counts as 100.
    time_manager
        Whose calendar holds, corrections included; by default that of the exchange group as its source has it. The
        store keeps the session table it began with.
    strict
        Whether an unknown symbol or interval raises when it is read, instead of reading as empty with a warning.

    Examples
    --------
    >>> from tapeloom import BarData, SessionData
    >>> session_data = SessionData()
    >>> session_data.add_bar("AAPL", BarData("AAPL", 1_751_463_000_000_000_000, 10, 11, 9, 10.5, 100))
    <Outcome.ACCEPTED: 'accepted'>
    >>> session_data.get_last_n_bars("AAPL", 1).close
    array([10.5])
    """

    @property
    def aio(self) -> AsyncSessionData:
        """The methods as coroutines, and the bars of a series as they come, for asyncio."""
        # Made from this class, and loaded by those who use it only.
        from tapeloom.session_data.aio import AsyncSessionData

        return AsyncSessionData(self)

    def __repr__(self) -> str:
        session = self.current_session_date or "no session"
        return f"SessionData({self.exchange_group!r}, {session}, {len(self._symbols)} symbols, epoch {self.epoch})"
