"""Quotes and ticks of a session: the newest of each symbol."""

from __future__ import annotations

from tapeloom.session_data.reading import SessionReading

__all__ = ["SessionQuotes"]


class SessionQuotes(SessionReading):
    """What keeps and reads quotes and ticks."""
