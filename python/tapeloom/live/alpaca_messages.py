"""Frames of Alpaca's stream into events. Knows the wire, not the connection."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

from tapeloom.bars import BarData
from tapeloom.errors import TapeloomError
from tapeloom.live.feed import MalformedMessage, SymbolStatus, UpdatedBar
from tapeloom.quotes import Quote, TickData
from tapeloom.statuses import TradingStatus

if TYPE_CHECKING:
    from collections.abc import Callable

    from tapeloom.live.feed import FeedEvent

__all__ = ["CONTROL", "SOURCE", "event_of", "instant_of", "malformed", "messages_of"]

SOURCE = "alpaca"
CONTROL = ("success", "subscription", "error")
"""The words of messages that speak of the connection."""

# What the tapes call it: A and B use digits, C and O letters. A code that is not here does not begin or end a halt:
# "Q" lets quotes resume while trading does not, others announce imbalances and price bands.
_STATES = {
    "2": "halted",
    "H": "halted",
    "P": "halted",
    "3": "trading",
    "T": "trading",
}
_LONGEST_TEXT = 200


def messages_of(frame: str | bytes) -> list[Any]:
    """Return the messages of a frame: JSON if it is text, else MessagePack.

    Raises
    ------
    ValueError
        If the frame cannot be decoded or holds no array.
    """
    if isinstance(frame, str):
        found = json.loads(frame)
    else:
        import msgpack

        # The limits of a message hold for what lies in it too, before anything is allocated for it.
        found = msgpack.unpackb(frame, max_ext_len=64)
    if not isinstance(found, list):
        raise ValueError(f"a message is {type(found).__name__}; it must be an array")
    return found


def event_of(message: object) -> FeedEvent | None:
    """Return a message as an event; ``None`` for one that speaks of something a session has no place for.

    What cannot be read is a ``MalformedMessage``. Whether the values of a bar make sense is for the session to judge.
    """
    if not isinstance(message, dict):
        return malformed(message, f"it is {type(message).__name__}, not a map")
    read = _READERS.get(message.get("T"))
    if read is None:
        return None
    try:
        return read(message)
    except KeyError as error:
        return malformed(message, f"it lacks {error.args[0]!r}")
    except (TapeloomError, TypeError, ValueError, OverflowError) as error:
        return malformed(message, str(error) or type(error).__name__)


def instant_of(value: Any) -> int:
    """Return a time of the wire in nanoseconds UTC: MessagePack's own timestamp, or text in RFC 3339.

    Raises
    ------
    ValueError
        If it is anything else.
    """
    if isinstance(value, str):
        if not value.endswith("Z"):
            raise ValueError(
                f"time {value[:40]!r} must end in 'Z', such as '2025-07-02T13:30:00Z'"
            )
        return int(np.datetime64(value[:-1], "ns").astype(np.int64))
    nanoseconds = getattr(value, "to_unix_nano", None)
    if nanoseconds is None:
        raise ValueError(f"time is {type(value).__name__}; it must be a timestamp")
    return int(nanoseconds())


def malformed(message: object, reason: str) -> MalformedMessage:
    """Return the event that tells of a message nobody can read, with the beginning of what came."""
    return MalformedMessage(reason, repr(message)[:_LONGEST_TEXT], SOURCE)


def _bar(message: dict[str, Any]) -> BarData:
    return BarData(
        _symbol(message),
        instant_of(message["t"]),
        open=_number(message, "o"),
        high=_number(message, "h"),
        low=_number(message, "l"),
        close=_number(message, "c"),
        volume=_number(message, "v"),
        interval="1m",
    )


def _updated_bar(message: dict[str, Any]) -> UpdatedBar:
    return UpdatedBar(_bar(message))


def _trade(message: dict[str, Any]) -> TickData:
    at = instant_of(message["t"])
    return TickData(_symbol(message), at, _number(message, "p"), _number(message, "s"))


def _quote(message: dict[str, Any]) -> Quote:
    return Quote(
        _symbol(message),
        instant_of(message["t"]),
        bid=_number(message, "bp"),
        ask=_number(message, "ap"),
        bid_size=_number(message, "bs"),
        ask_size=_number(message, "as"),
    )


def _status(message: dict[str, Any]) -> SymbolStatus | None:
    state = _STATES.get(str(message["sc"]))
    if state is None:
        return None
    words = (message.get("sm"), message.get("rm"))
    reason = ": ".join(str(word) for word in words if word)
    return SymbolStatus(
        _symbol(message), TradingStatus(instant_of(message["t"]), state, reason)
    )


def _symbol(message: dict[str, Any]) -> str:
    symbol = message["S"]
    if not isinstance(symbol, str) or not symbol.strip():
        raise ValueError(f"symbol is {symbol!r}; it must be text")
    return symbol


def _number(message: dict[str, Any], name: str) -> float:
    value = message[name]
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"{name!r} is {type(value).__name__}; it must be a number")
    return float(value)


_READERS: dict[object, Callable[[dict[str, Any]], FeedEvent | None]] = {
    "b": _bar,
    "u": _updated_bar,
    "t": _trade,
    "q": _quote,
    "s": _status,
}
