"""The words for where data come from: those that are built in, and those that a program adds. It makes nothing."""

from __future__ import annotations

from threading import Lock

from tapeloom.errors import ArgumentError, did_you_mean

__all__ = [
    "ADDRESSED",
    "ALPACA",
    "LIVE",
    "LOCAL",
    "REPLAY",
    "check_data_api",
    "note_data_api",
]

LOCAL, REPLAY, ALPACA = "local", "replay", "alpaca"
#: Those that push bars as they come.
LIVE = (ALPACA, REPLAY)
#: Those whose address and source can be chosen, beside what a program registers.
ADDRESSED = (ALPACA,)

_lock = Lock()
_added: dict[str, None] = {}


def note_data_api(name: str) -> None:
    """Let configurations say a further word.

    Raises
    ------
    ArgumentError
        If it is blank, or a word already.
    """
    if not isinstance(name, str) or not name.strip() or not name.isprintable():
        text = f"name is {name!r}; it must be printable text, such as 'my_vendor'"
        raise ArgumentError(text, got=name)
    with _lock:
        if name in (LOCAL, *LIVE, *_added):
            text = (
                f"name is {name!r}, which is taken; choose another, such as '{name}_2'"
            )
            raise ArgumentError(text, got=name)
        _added[name] = None


def check_data_api(name: str) -> str | None:
    """Return what is wrong with a word, or ``None``."""
    with _lock:
        known = (LOCAL, *LIVE, *_added)
    if name in known:
        return None
    near = did_you_mean(name, known)
    if near:
        return f"{name!r} is no source of data{near}"
    words = ", ".join(map(repr, known))
    return (
        f"{name!r} is no source of data; use one of {words}, "
        "or register it first with tapeloom.live.register_data_api"
    )
