"""Stored quotes of one session, put into the store as its clock passes them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tapeloom.quotes import Quote
    from tapeloom.session_data import SessionData
    from tapeloom.storage.event_files import Events

__all__ = ["QuoteTape"]

#: As many as the store keeps of a symbol: older ones would be dropped again at once.
_KEPT = 10_000


class QuoteTape:
    """The quotes of each symbol and how many of them the store has.

    Parameters
    ----------
    session_data
        The store.
    quotes
        Quotes by symbol, rising in time.
    """

    def __init__(
        self, session_data: SessionData, quotes: Mapping[str, Events[Quote]]
    ) -> None:
        self._session_data = session_data
        self._quotes = dict(quotes)
        self._passed = dict.fromkeys(quotes, 0)

    def pass_to(self, clock: int) -> None:
        """Put every quote up to an instant (ns UTC) into the store."""
        for symbol, events in self._quotes.items():
            begin = self._passed[symbol]
            end = int(np.searchsorted(events.ts, clock, side="right"))
            if end > begin:
                for quote in events.rows(max(begin, end - _KEPT), end).to_list():
                    self._session_data.append_quote(symbol, quote)
                self._passed[symbol] = end

    def add(self, quotes: Mapping[str, Events[Quote]]) -> None:
        """Take in the quotes of symbols that join the session."""
        for symbol, events in quotes.items():
            self._quotes[symbol], self._passed[symbol] = events, 0

    def remove(self, symbol: str) -> None:
        """Drop the quotes of a symbol."""
        self._quotes.pop(symbol, None)
