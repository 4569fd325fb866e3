"""What is asked of the vendor's stream, in our words and in the client's."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from tapeloom.bars import normalise_symbol
from tapeloom.errors import ArgumentError, did_you_mean
from tapeloom.live.feed import CHANNELS

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["CLIENT_NAMES", "Subscription", "subscription"]

CLIENT_NAMES = {
    "bars": "bars",
    "updated_bars": "updated_bars",
    "trades": "trades",
    "quotes": "quotes",
    "statuses": "trading_statuses",
}
"""How the client's methods call our channels: ``subscribe_bars``, ``unsubscribe_trading_statuses``."""


class Subscription(NamedTuple):
    """The same symbols on some channels."""

    symbols: tuple[str, ...]
    channels: tuple[str, ...]

    def pairs(self) -> set[tuple[str, str]]:
        """Return each channel with each symbol."""
        return {
            (channel, symbol) for channel in self.channels for symbol in self.symbols
        }


def subscription(symbols: Sequence[str], channels: Sequence[str]) -> Subscription:
    """Return what is asked for, each symbol and channel once.

    Raises
    ------
    ArgumentError
        If nothing is asked for, a word is no channel, or text stands for a list.
    """
    if isinstance(symbols, str) or isinstance(channels, str):
        text = f"symbols is {symbols!r} and channels {channels!r}; both must be lists, such as ['AAPL']"
        raise ArgumentError(text)
    for channel in channels:
        if channel not in CHANNELS:
            near = did_you_mean(str(channel), CHANNELS)
            text = (
                f"channel is {channel!r}; it must be one of {', '.join(CHANNELS)}{near}"
            )
            raise ArgumentError(text, got=channel)
    if not symbols or not channels:
        empty = "channels" if symbols else "symbols"
        raise ArgumentError(f"{empty} is empty; ask for at least one")
    names = dict.fromkeys(normalise_symbol(symbol) for symbol in symbols)
    return Subscription(tuple(names), tuple(dict.fromkeys(channels)))
