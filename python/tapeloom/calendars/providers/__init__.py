"""Who says when a market trades: one file per source, each with the same two functions.

``find_code(name)`` returns the source's code of a calendar and its zone, ``None`` for a name it does not know;
``read_sessions(code)`` returns all its sessions as :class:`ProvidedSessions`. Nothing else imports the libraries.
"""

from __future__ import annotations

__all__: list[str] = []
