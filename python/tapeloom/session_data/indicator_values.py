"""Values of indicators that analysis code or a coordinator puts beside the bars."""

from __future__ import annotations

from tapeloom.session_data.reading import SessionReading

__all__ = ["SessionIndicators"]


class SessionIndicators(SessionReading):
    """What keeps and reads the values of indicators."""
