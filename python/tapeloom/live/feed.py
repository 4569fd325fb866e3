"""What a live session needs of a feed: the protocol, and the values a feed pushes. Nothing here opens a connection."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeAlias, runtime_checkable

from tapeloom.bars import BarData, normalise_symbol
from tapeloom.errors import ArgumentTypeError
from tapeloom.quotes import Quote, TickData
from tapeloom.statuses import ConnectionEvent, TradingStatus

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, Iterable, Sequence

__all__ = [
    "CHANNELS",
    "Feed",
    "FeedEvent",
    "MalformedMessage",
    "SymbolStatus",
    "UpdatedBar",
]

CHANNELS = ("bars", "updated_bars", "trades", "quotes", "statuses")
"""The words for what can be asked of a feed."""


@dataclass(frozen=True, slots=True)
class UpdatedBar:
    """A bar that the feed corrects: it replaces the one of the same symbol and start.

    Parameters
    ----------
    bar
        The bar with its new values.

    Raises
    ------
    ArgumentTypeError
        If ``bar`` is no ``BarData``.
    """

    bar: BarData

    def __post_init__(self) -> None:
        if not isinstance(self.bar, BarData):
            text = f"bar is {type(self.bar).__name__}; it must be a BarData"
            raise ArgumentTypeError(text, got=self.bar)


@dataclass(frozen=True, slots=True)
class SymbolStatus:
    """A symbol, or with ``None`` the whole market, began to trade or ceased to.

    Parameters
    ----------
    symbol
        Symbol, kept stripped and upper-cased; ``None`` for the whole market.
    status
        What it is from its instant on.

    Raises
    ------
    SymbolError
        If the symbol is blank or unprintable.
    ArgumentTypeError
        If ``status`` is no ``TradingStatus``.
    """

    symbol: str | None
    status: TradingStatus

    def __post_init__(self) -> None:
        if self.symbol is not None:
            object.__setattr__(self, "symbol", normalise_symbol(self.symbol))
        if not isinstance(self.status, TradingStatus):
            text = f"status is {type(self.status).__name__}; it must be a TradingStatus"
            raise ArgumentTypeError(text, got=self.status)


@dataclass(frozen=True, slots=True)
class MalformedMessage:
    """Something arrived that cannot be read as any other event. It is told, so that nothing is dropped in silence.

    Parameters
    ----------
    reason
        What is wrong with it.
    text
        The beginning of what came, at most 200 characters, in printable form.
    source
        Which feed it came from.
    """

    reason: str
    text: str
    source: str = "feed"


FeedEvent: TypeAlias = (
    BarData
    | UpdatedBar
    | TickData
    | Quote
    | SymbolStatus
    | ConnectionEvent
    | MalformedMessage
)
"""What a feed pushes: a new bar, tick or quote is its own event. All are frozen and slotted."""


@runtime_checkable
class Feed(Protocol):
    """Where a live session gets its data from: a vendor's stream, a recording, a queue of one's own.

    Bars are labelled by their start and pushed once they are closed. Symbols may be spelt in any way: each event keeps its
    own stripped and upper-cased, and a bar whose symbol is blank or unprintable is a malformed message. A feed that loses
    its connection pushes a ``ConnectionEvent`` that says so before anything else, reconnects by itself, subscribes again,
    and pushes another one. It does not fill what it missed: the session does, because it is told. A feed may also have
    ``health()``, which returns a ``FeedHealth``.
    """

    @property
    def intervals(self) -> Sequence[str]:
        """The intervals of the bars it can push, finest first."""

    @property
    def channels(self) -> Sequence[str]:
        """What it can push, out of ``CHANNELS``."""

    def connect(self, symbols: Sequence[str], channels: Sequence[str]) -> None:
        """Begin to push what is asked for.

        Raises
        ------
        FeedError
            If the credentials or the subscription are refused: trying again would not help.
        """

    def events(self) -> Iterable[FeedEvent] | AsyncIterable[FeedEvent]:
        """Return the events in the order of their arrival, until ``close()``; from any thread, or asynchronously.

        Raises
        ------
        FeedError
            While iterating: the feed stopped for good.
        """

    def close(self) -> None:
        """End the connection. What has arrived is still handed out; may be called twice, and from any thread."""
