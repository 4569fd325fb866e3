"""What a feed reports beside its data: whether a symbol trades, and whether the connection stands."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC
from typing import TYPE_CHECKING

from tapeloom.errors import ArgumentError, ArgumentTypeError, did_you_mean
from tapeloom.timestamps import to_ns

if TYPE_CHECKING:
    from tapeloom.timestamps import TimestampLike

__all__ = ["ConnectionEvent", "TradingStatus"]

_STATES = ("halted", "trading", "closed")


@dataclass(frozen=True, slots=True)
class TradingStatus:
    """A report that a symbol, or the whole market, began to trade or ceased to. It holds until the next one.

    Parameters
    ----------
    timestamp
        When; a naive datetime is wall time of the exchange.
    state
        ``"halted"``, ``"trading"`` or ``"closed"``.
    reason
        What the feed gives as reason, for people to read.

    Raises
    ------
    ArgumentError
        If ``state`` is another word; ``ArgumentTypeError`` if ``timestamp`` is no time.
    """

    timestamp: TimestampLike
    state: str
    reason: str = ""

    def __post_init__(self) -> None:
        _require_time(self.timestamp)
        if self.state not in _STATES:
            near = did_you_mean(str(self.state), _STATES)
            text = f"state is {self.state!r}; it must be 'halted', 'trading' or 'closed'{near}"
            raise ArgumentError(text, got=self.state)
        _require_text("reason", self.reason)


@dataclass(frozen=True, slots=True)
class ConnectionEvent:
    """Our own connection to a source of data went up or down.

    Parameters
    ----------
    timestamp
        When; a naive datetime is wall time of the exchange.
    is_up
        ``False`` begins an outage of the source, ``True`` ends it.
    source
        Which connection, where there are several.

    Raises
    ------
    ArgumentTypeError
        If ``is_up`` is no ``bool`` or ``timestamp`` no time.
    """

    timestamp: TimestampLike
    is_up: bool
    source: str = "feed"

    def __post_init__(self) -> None:
        _require_time(self.timestamp)
        if not isinstance(self.is_up, bool):
            text = f"is_up is {self.is_up!r} ({type(self.is_up).__name__}); it must be True or False"
            raise ArgumentTypeError(text, got=self.is_up)
        _require_text("source", self.source)


def _require_time(value: object) -> None:
    # Whatever the zone of a time without one turns out to be: it is a time.
    to_ns(value, UTC)


def _require_text(name: str, value: object) -> None:
    if not isinstance(value, str):
        text = f"{name} is {value!r} ({type(value).__name__}); it must be text"
        raise ArgumentTypeError(text, got=value)
