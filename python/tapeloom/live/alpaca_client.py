"""Alpaca's official client, loaded when first needed, and one connection of its stream.

The client's own loop reconnects by itself and tells nobody, so it is not used: the client opens, authenticates and
subscribes, and whoever holds the connection reads from it and learns when it ends.
"""

from __future__ import annotations

import asyncio
import logging
from functools import partial
from typing import TYPE_CHECKING, Any, NoReturn
from urllib.parse import urlsplit

from tapeloom.errors import (
    ArgumentError,
    ArgumentTypeError,
    FeedError,
)
from tapeloom.live.alpaca_messages import messages_of
from tapeloom.live.alpaca_protocol import protocol_class
from tapeloom.live.alpaca_subscription import CLIENT_NAMES
from tapeloom.live.loading_client import loading_client

if TYPE_CHECKING:
    from collections.abc import Callable

    from tapeloom.live.alpaca_subscription import Subscription
    from tapeloom.live.credentials import Credentials

__all__ = [
    "ENVIRONMENT",
    "LARGEST_MESSAGE",
    "StreamConnection",
    "check_address",
    "history_client",
    "quiet",
]

ENVIRONMENT = (
    ("APCA_API_KEY_ID", "ALPACA_API_KEY"),
    ("APCA_API_SECRET_KEY", "ALPACA_SECRET_KEY"),
)
"""Names of the key and of the secret in the environment: the vendor's tools use the first, its examples the second."""
LARGEST_MESSAGE = 4 * 2**20
"""Bytes; a larger message ends the connection."""

_OPENING = 10.0
_WIRE_NAMES = {
    "bars": "bars",
    "updated_bars": "updatedBars",
    "trades": "trades",
    "quotes": "quotes",
    "statuses": "statuses",
}
# Refusals that stay: another attempt with the same credentials and subscription ends the same way.
_FINAL_CODES = {
    401: "not authenticated",
    402: "auth failed",
    405: "symbol limit exceeded",
    409: "insufficient subscription",
    410: "invalid subscribe action for this feed",
}
_FINAL_STATUSES = (401, 403)
_REMEDIES = {
    401: "check key and secret",
    402: "check key and secret, and that they belong to this address",
    403: "check key and secret, and that they belong to this address",
    405: "ask for fewer symbols, or for another plan",
    409: "choose a data feed that the plan includes, such as 'iex'",
    410: "choose channels that this address offers",
}


class _Quiet(logging.LoggerAdapter[logging.Logger]):
    """A logger that never shows frames: those at the beginning of a connection hold the keys."""

    def isEnabledFor(self, level: int) -> bool:  # noqa: N802  (the standard library's name)
        return level > logging.DEBUG and super().isEnabledFor(level)


def quiet(name: str) -> Any:
    """Return a logger for a library that would show what it sends and receives at level DEBUG."""
    return _Quiet(logging.getLogger(name), {})


def check_address(address: str | None, schemes: tuple[str, ...]) -> None:
    """Raise ``ArgumentError`` for an address of another kind, or one that holds keys, which libraries would log."""
    if address is None:
        return
    if not isinstance(address, str):
        text = f"url_override is {type(address).__name__}; it must be text such as '{schemes[0]}://127.0.0.1:8765'"
        raise ArgumentTypeError(text)
    parts = urlsplit(address)
    if parts.username or parts.password or parts.query:
        text = "url_override holds a login or a query; leave both out, keys are given as key and secret"
        raise ArgumentError(text)
    if parts.scheme not in schemes or not parts.hostname:
        text = f"url_override is {address!r}; it must begin with {' or '.join(f'{s}://' for s in schemes)}"
        raise ArgumentError(text, got=address)


class StreamConnection:
    """One connection of the vendor's stream: opened once, read until it ends.

    Parameters
    ----------
    credentials
        Key and secret.
    asked
        What to subscribe to.
    data_feed
        The vendor's word for the source, such as ``"iex"``.
    url_override
        Another address than the vendor's.

    Raises
    ------
    MissingDependencyError
        If the client is not installed.
    """

    def __init__(
        self,
        credentials: Credentials,
        asked: Subscription,
        *,
        data_feed: str,
        url_override: str | None,
    ) -> None:
        stream_class, feed_class = _stream_classes()
        self._credentials = credentials
        # What was read with the answer to the subscription, and is still to be handed out.
        self._early: list[Any] = []
        self._stream = stream_class(
            credentials.key.reveal(),
            credentials.secret.reveal(),
            feed=feed_class(data_feed),
            url_override=url_override,
            websocket_params={
                "open_timeout": _OPENING,
                "close_timeout": 1,
                "ping_interval": 10,
                "ping_timeout": 20,
                "max_size": LARGEST_MESSAGE,
                "max_queue": 64,
                "logger": quiet("tapeloom.live.websocket"),
                "create_protocol": protocol_class(),
            },
        )
        self._asked = asked
        for channel in asked.channels:
            self._client("subscribe", channel)(_unused, *asked.symbols)

    async def open(self) -> None:
        """Connect, authenticate and subscribe, and wait until the subscription is confirmed.

        Raises
        ------
        FeedError
            If credentials or subscription are refused for good.
        ConnectionError
            If it did not work this time; the text says why, without the keys.
        """
        refusal: FeedError | None = None
        failure = ""
        try:
            await asyncio.wait_for(self._open(), 2 * _OPENING)
        except FeedError as error:
            refusal = error
        except Exception as error:
            refusal = _refusal_of(error)
            failure = self._said(error)
        if refusal is None and not failure:
            return
        await self.close()
        # Outside the handler: frames of the client hold the keys, so its exceptions are not chained.
        if refusal is not None:
            raise refusal
        raise ConnectionError(failure)

    def answers_to(self, asked: Subscription) -> int:
        """Return how often the vendor will answer to a change."""
        before, after = self._asked.pairs(), asked.pairs()
        if before == after:
            return 0
        return len({channel for channel, _ in before - after}) + 1

    async def change(self, asked: Subscription) -> None:
        """Subscribe to what is asked for now and was not, and no longer to what was.

        Raises
        ------
        ConnectionError
            If the connection ended.
        """
        before, after = self._asked.pairs(), asked.pairs()
        if before == after:
            return
        self._asked = asked
        dropped: dict[str, list[str]] = {}
        for channel, symbol in sorted(before - after):
            dropped.setdefault(channel, []).append(symbol)
        for channel, symbols in dropped.items():
            self._client("unsubscribe", channel)(*symbols)
        for channel in asked.channels:
            self._client("subscribe", channel)(_unused, *asked.symbols)
        try:
            for channel, symbols in dropped.items():
                word = _WIRE_NAMES[channel]
                await self._stream._send_unsubscribe_msg(word, symbols)
            await self._stream._send_subscribe_msg()
        except Exception as error:
            failure = self._said(error)
        else:
            return
        raise ConnectionError(failure)

    async def read_into(self, take: Callable[[list[Any]], object]) -> None:
        """Hand over the messages of frames as they come, until the connection ends or ``take`` raises, which is raised.

        Frames are handed over where they come in, those that come together at once; see ``alpaca_protocol.py``.

        Raises
        ------
        ConnectionError
            If the connection ended.
        FeedError
            If the vendor refuses the subscription for good.
        UnreadableFrameError
            If a frame cannot be decoded.
        """
        ended: asyncio.Future[Exception] = asyncio.get_running_loop().create_future()

        def take_at_once(frames: list[str | bytes]) -> bool:
            if not ended.done():
                try:
                    _take_each(frames, take)
                except Exception as error:
                    # Inside the client an error would only end the connection.
                    ended.set_result(error)
            return not ended.done()

        async def take_queued() -> None:
            # Those that came before there was anybody to take them at once, and the end of the connection.
            while take_at_once([await self._frame()]):
                pass

        early, self._early = self._early, []
        if early:
            take(early)
        self._stream._ws.take_at_once = take_at_once
        queued = asyncio.ensure_future(take_queued())
        # Where both end, the loop is not to say that nobody asked.
        queued.add_done_callback(lambda task: task.cancelled() or task.exception())
        try:
            await asyncio.wait((ended, queued), return_when=asyncio.FIRST_COMPLETED)
            if not ended.done():
                # It has ended, and does so only by raising.
                await queued
            raise await ended
        finally:
            queued.cancel()

    async def _frame(self) -> str | bytes:
        try:
            found: str | bytes = await self._stream._ws.recv()
        except Exception as error:
            failure = self._said(error)
        else:
            return found
        raise ConnectionError(failure)

    async def close(self) -> None:
        """End the connection; one that ended already is no error."""
        try:
            await self._stream.close()
        except Exception as error:
            logging.getLogger(__name__).debug("closing: %s", self._said(error))

    async def _open(self) -> None:
        await self._stream._start_ws()
        await self._stream._send_subscribe_msg()
        while True:
            messages = _checked(await self._frame())
            for number, message in enumerate(messages):
                if isinstance(message, dict) and message.get("T") == "subscription":
                    self._early += messages[number + 1 :]
                    return
            # Data may come before the confirmation.
            self._early += messages

    def _client(self, verb: str, channel: str) -> Any:
        return getattr(self._stream, f"{verb}_{CLIENT_NAMES[channel]}")

    def _said(self, error: Exception) -> str:
        said = str(error) or "no answer in time"
        return self._credentials.scrubbed(f"{type(error).__name__}: {said}"[:300])


def history_client(
    credentials: Credentials,
    *,
    url_override: str | None,
    timeout: float,
    before_each: Callable[[], object],
) -> Any:
    """Return the vendor's client for bars of the past, which answers with plain dicts and does not try again by itself.

    ``before_each`` is called before each request of HTTP, so once for each page of an answer.

    Raises
    ------
    MissingDependencyError
        If the client is not installed.
    """
    with loading_client():
        from alpaca.data.historical.stock import StockHistoricalDataClient
    client: Any = StockHistoricalDataClient(
        credentials.key.reveal(),
        credentials.secret.reveal(),
        raw_data=True,
        url_override=url_override,
    )
    # Trying again is for whoever paces all requests; the client would sleep, and wait for an answer for ever.
    client._retry = 0
    send = partial(client._session.request, timeout=timeout)

    def request(*words: Any, **options: Any) -> Any:
        before_each()
        return send(*words, **options)

    client._session.request = request
    return client


async def _unused(_: object) -> None:
    """The client asks for a handler; messages are read from the connection instead."""


def _stream_classes() -> tuple[Any, Any]:
    with loading_client():
        from alpaca.data.enums import DataFeed
        from alpaca.data.live.stock import StockDataStream
    return StockDataStream, DataFeed


def _take_each(frames: list[str | bytes], take: Callable[[list[Any]], object]) -> None:
    """Hand over the messages of some frames together; what comes before a frame that raises is not lost."""
    messages: list[Any] = []
    try:
        for frame in frames:
            messages += _checked(frame)
    finally:
        take(messages)


def _checked(frame: str | bytes) -> list[Any]:
    """Return the messages of a frame; one that speaks of an error raises."""
    messages = messages_of(frame)
    for message in messages:
        if isinstance(message, dict) and message.get("T") == "error":
            _raise_error(message)
    return messages


def _raise_error(message: dict[str, Any]) -> NoReturn:
    code, said = message.get("code"), str(message.get("msg", ""))
    if code in _FINAL_CODES:
        raise _refused(int(code), said)
    raise ConnectionError(f"the vendor says {said!r} ({code})")


def _refusal_of(error: Exception) -> FeedError | None:
    """Return the refusal that an exception of the client speaks of, if it is one that stays."""
    # Older and newer versions of the websockets library say it in two ways.
    answer = getattr(error, "response", error)
    status = getattr(answer, "status_code", None)
    if status in _FINAL_STATUSES:
        return _refused(int(status), "the handshake")
    if isinstance(error, ValueError):
        for code, words in _FINAL_CODES.items():
            if words in str(error):
                return _refused(code, words)
    return None


def _refused(code: int, said: str) -> FeedError:
    text = f"the vendor refuses with {said!r} ({code}); {_REMEDIES.get(code, 'see its documentation')}"
    return FeedError(text, code=code)
