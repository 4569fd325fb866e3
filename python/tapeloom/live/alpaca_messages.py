"""Frames of Alpaca's stream into events. Knows the wire, not the connection."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from tapeloom._core import BarData, bars_of_frame
from tapeloom.bars import normalise_symbol
from tapeloom.errors import TapeloomError
from tapeloom.live.feed import MalformedMessage, SymbolStatus, UpdatedBar
from tapeloom.quotes import Quote, TickData
from tapeloom.statuses import TradingStatus
from tapeloom.timestamps import to_ns

if TYPE_CHECKING:
    from collections.abc import Callable

    from tapeloom.live.feed import FeedEvent

__all__ = [
    "CONTROL",
    "KINDS",
    "SOURCE",
    "UnreadableFrameError",
    "event_of",
    "instant_of",
    "messages_of",
]

SOURCE = "alpaca"
CONTROL = ("success", "subscription", "error")
"""The words of messages that speak of the connection."""
KINDS = frozenset((*CONTROL, *"butqsdlcxno"))
"""All words of the vendor for kinds of messages."""

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
_TIME = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?Z", re.ASCII)


class UnreadableFrameError(ValueError):
    """A frame is no array of messages; ``event`` tells of it."""

    def __init__(self, frame: str | bytes, reason: str) -> None:
        super().__init__(reason)
        self.event = _malformed(frame[:_LONGEST_TEXT], reason)


def messages_of(frame: str | bytes) -> list[Any]:
    """Return the messages of a frame: JSON if it is text, else MessagePack.

    Where all of them are whole bars in MessagePack, as they are in most frames, each is a ``BarData`` already: the one that
    ``event_of`` would make of it.

    Raises
    ------
    UnreadableFrameError
        If the frame cannot be decoded or holds no array.
    """
    if isinstance(frame, bytes):
        bars = bars_of_frame(frame)
        if bars is not None:
            return bars
    try:
        found = _decoded(frame)
    except RecursionError:
        raise UnreadableFrameError(frame, "it is nested too deeply") from None
    except ValueError as error:
        reason = f"{type(error).__name__}: {error}"[:_LONGEST_TEXT]
        raise UnreadableFrameError(frame, reason) from None
    if not isinstance(found, list):
        reason = f"it is {type(found).__name__}; it must be an array"
        raise UnreadableFrameError(frame, reason)
    return found


def _decoded(frame: str | bytes) -> object:
    if isinstance(frame, str):
        return json.loads(frame)
    import msgpack

    # The limits of a message hold for what lies in it too, before anything is allocated for it.
    return msgpack.unpackb(frame, max_ext_len=64)


def event_of(message: object) -> FeedEvent | None:
    """Return a message as an event; ``None`` for one that speaks of something a session has no place for.

    What cannot be read is a ``MalformedMessage``. Whether the values of a bar make sense is for the session to judge. One that
    was read with its frame is an event already.
    """
    if type(message) is BarData:
        return message
    if not isinstance(message, dict):
        return _malformed(message, f"it is {type(message).__name__}, not a map")
    kind = message.get("T")
    if not isinstance(kind, str):
        return _malformed(message, f"its kind 'T' is {type(kind).__name__}, not text")
    read = _READERS.get(kind)
    if read is None:
        return None
    try:
        return read(message)
    except KeyError as error:
        return _malformed(message, f"it lacks {error.args[0]!r}")
    except (TapeloomError, TypeError, ValueError, OverflowError) as error:
        return _malformed(message, str(error) or type(error).__name__)


def instant_of(value: Any) -> int:
    """Return a time of the wire in nanoseconds UTC: MessagePack's own timestamp, or text in RFC 3339.

    Raises
    ------
    ValueError
        If it is anything else.
    """
    if isinstance(value, str):
        found = _TIME.fullmatch(value)
        if found is None:
            text = f"time {value[:40]!r} must be such as '2025-07-02T13:30:00.5Z'"
            raise ValueError(text)
        whole = to_ns(datetime.fromisoformat(f"{found[1]}+00:00"), UTC)
        return whole + int((found[2] or "").ljust(9, "0"))
    nanoseconds = getattr(value, "to_unix_nano", None)
    if nanoseconds is None:
        raise ValueError(f"time is {type(value).__name__}; it must be a timestamp")
    return int(nanoseconds())


def _malformed(message: object, reason: str) -> MalformedMessage:
    """Return the event that tells of a message nobody can read, with the beginning of what came."""
    return MalformedMessage(reason, repr(message)[:_LONGEST_TEXT], SOURCE)


def _bar(message: dict[str, Any]) -> BarData:
    # By position: names take as long again as the bar.
    return BarData(
        _symbol(message),
        instant_of(message["t"]),
        _number(message, "o"),
        _number(message, "h"),
        _number(message, "l"),
        _number(message, "c"),
        _number(message, "v"),
        "1m",
    )


def _updated_bar(message: dict[str, Any]) -> UpdatedBar:
    return UpdatedBar(_bar(message))


def _trade(message: dict[str, Any]) -> TickData:
    at = instant_of(message["t"])
    return TickData(message["S"], at, _number(message, "p"), _number(message, "s"))


def _quote(message: dict[str, Any]) -> Quote:
    return Quote(
        message["S"],
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
    # None would mean the whole market.
    symbol = normalise_symbol(message["S"])
    return SymbolStatus(symbol, TradingStatus(instant_of(message["t"]), state, reason))


def _symbol(message: dict[str, Any]) -> str:
    """The symbol of a bar, which refuses none by itself."""
    symbol = message["S"]
    # As a rule; the bar knows how to write it.
    if type(symbol) is str and symbol.isalnum():
        return symbol
    return normalise_symbol(symbol)


def _number(message: dict[str, Any], name: str) -> float:
    value = message[name]
    # As a rule; the test of every other type takes longer than the rest of the bar.
    if type(value) is float:
        return value
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"{name!r} is {type(value).__name__}; it must be a number")
    return float(value)


_READERS: dict[str, Callable[[dict[str, Any]], FeedEvent | None]] = {
    "b": _bar,
    "u": _updated_bar,
    "t": _trade,
    "q": _quote,
    "s": _status,
}
