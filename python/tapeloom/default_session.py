"""The process-wide store, for those who do not hand theirs around."""

from __future__ import annotations

import os
import threading

from tapeloom.errors import ForkedSessionError, StateError
from tapeloom.session_data import SessionData

__all__ = ["get_session_data", "install_session_data", "reset_session_data"]

_default: SessionData | None = None
_default_lock = threading.Lock()


def get_session_data() -> SessionData:
    """Return the process-wide store, made on first use.

    A forked child inherits that of its parent, which refuses there, until :func:`reset_session_data` drops it.
    """
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
        if _default is not None and _is_running(_default):
            text = "a session is running in the default store; stop it first"
            raise StateError(text)
        _default = None


def install_session_data(session_data: SessionData) -> None:
    """Make a run's store the process-wide one."""
    global _default
    with _default_lock:
        _default = session_data


def _is_running(session_data: SessionData) -> bool:
    try:
        return session_data.is_active
    except ForkedSessionError:
        # What runs in it, runs in the parent.
        return False


def _unlock_in_child() -> None:
    """Let a forked child have a lock of its own: a thread that it does not have may hold the other."""
    global _default_lock
    _default_lock = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_unlock_in_child)
