"""The process-wide store, for those who do not hand theirs around."""

from __future__ import annotations

import threading

from tapeloom.errors import StateError
from tapeloom.session_data import SessionData

__all__ = ["get_session_data", "install_session_data", "reset_session_data"]

_default: SessionData | None = None
_default_lock = threading.Lock()


def get_session_data() -> SessionData:
    """Return the process-wide store, made on first use."""
    global _default
    with _default_lock:
        if _default is None:
            _default = SessionData()
        return _default


def reset_session_data() -> None:
    """Drop the process-wide store: who holds it keeps it, the next ``get_session_data()`` makes a new one.

    Raises
    ------
    StateError
        While a session is running in it.
    """
    global _default
    with _default_lock:
        if _default is not None and _default.is_active:
            text = "a session is running in the default store; stop it first"
            raise StateError(text)
        _default = None


def install_session_data(session_data: SessionData) -> None:
    """Make a run's store the process-wide one."""
    global _default
    with _default_lock:
        _default = session_data
