"""Messages as the vendor writes them, in JSON and MessagePack."""

from __future__ import annotations

import json
from datetime import UTC
from typing import TYPE_CHECKING, Any, TypeAlias

from tapeloom.timestamps import from_ns

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tapeloom.bars import BarData

__all__ = [
    "ERRORS",
    "Message",
    "bar_message",
    "decode",
    "encode",
    "error_message",
    "history_row",
    "status_message",
    "time_text",
]

Message: TypeAlias = dict[str, Any]
"""A message by the vendor's short names; the time ``t`` stays an integer, ns UTC, until it is written."""

ERRORS = {
    400: "invalid syntax",
    401: "not authenticated",
    402: "auth failed",
    403: "already authenticated",
    406: "connection limit exceeded",
    409: "insufficient subscription",
    410: "invalid subscribe action for this feed",
}


def error_message(code: int) -> Message:
    """Return the message for one of the vendor's errors."""
    return {"T": "error", "code": code, "msg": ERRORS[code]}


def bar_message(bar: BarData, *, kind: str = "b") -> Message:
    """Return a bar, new (``"b"``) or updated (``"u"``). A recording has no trade count and average price: they are null."""
    return {"T": kind, "S": bar.symbol, **history_row(bar)}


def history_row(bar: BarData) -> Message:
    """Return a bar as a row of the history."""
    return {
        "t": bar.ts,
        "o": bar.open,
        "h": bar.high,
        "l": bar.low,
        "c": bar.close,
        "v": int(bar.volume) if bar.volume.is_integer() else bar.volume,
        "n": None,
        "vw": None,
    }


def status_message(symbol: str, ts: int, *, is_halted: bool) -> Message:
    """Return that a symbol is halted, or trades again, in the words of the tape of Nasdaq."""
    code, words = ("H", "Trading Halt") if is_halted else ("T", "Trading Resumption")
    return {
        "T": "s",
        "S": symbol,
        "sc": code,
        "sm": words,
        "rc": "T12" if is_halted else "",
        "rm": "Rehearsed halt" if is_halted else "",
        "t": ts,
        "z": "C",
    }


def encode(messages: Sequence[Message], *, packed: bool) -> str | bytes:
    """Return an array of messages as a frame: MessagePack with its own timestamps, or JSON with times in RFC 3339."""
    if not packed:
        return json.dumps([_with_time(m, time_text) for m in messages])
    import msgpack

    stamp = msgpack.Timestamp.from_unix_nano
    found: bytes = msgpack.packb([_with_time(m, stamp) for m in messages])
    return found


def decode(frame: str | bytes, *, packed: bool) -> Message:
    """Return what a client sent.

    Raises
    ------
    ValueError
        If it is no map in the encoding of this connection.
    """
    if packed and isinstance(frame, bytes):
        import msgpack

        found = msgpack.unpackb(frame)
    else:
        found = json.loads(frame)
    if not isinstance(found, dict):
        raise ValueError("not a map")
    return found


def time_text(ts: int) -> str:
    """Return an instant, ns UTC, as the vendor writes it: ``2025-07-02T13:30:00Z``."""
    seconds, rest = divmod(ts, 10**9)
    text = from_ns(seconds * 10**9, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return f"{text}.{rest:09d}Z" if rest else f"{text}Z"


def _with_time(message: Message, write: Any) -> Message:
    return {**message, "t": write(message["t"])} if "t" in message else message
