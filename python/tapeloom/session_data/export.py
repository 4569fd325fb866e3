"""A whole session as a table, as a dict and as a digest."""

from __future__ import annotations

from tapeloom.session_data.reading import SessionReading
from tapeloom.state_hash import state_hash

__all__ = ["SessionExport"]


class SessionExport(SessionReading):
    """What hands a whole session to other tools."""

    def state_hash(self) -> str:
        """Return a digest of the session's bars, equal wherever they are equal; see ``tapeloom.state_hash``."""
        return state_hash(self)
