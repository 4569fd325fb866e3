"""Who may come in, and the answers to plain requests of HTTP."""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

from tapeloom.live.credentials import Secret
from tapeloom.live.server.history_pages import PATH, HistoryPages, RequestError

if TYPE_CHECKING:
    from collections.abc import Callable

    from websockets.asyncio.server import ServerConnection
    from websockets.http11 import Request, Response

    from tapeloom.live.server.player import Player

__all__ = ["CONTROL", "MARKET", "Gate"]

CONTROL = "/control"
"""Path of the websocket that takes faults."""
MARKET = "/market"
"""Path of what a rehearsal asks: where market time is, and how fast it runs."""


class Gate:
    """Looks at each request before a websocket opens.

    Parameters
    ----------
    player
        Whose market it is.
    key, secret
        What a client has to give; ``None`` takes anything that is not blank.
    market
        Returns what is told of the market to who rehearses on it, as JSON would have it.
    """

    def __init__(
        self,
        player: Player,
        *,
        key: Secret | None,
        secret: Secret | None,
        market: Callable[[], dict[str, Any]],
    ) -> None:
        self._player = player
        self._market = market
        self._keys = (key, secret)
        self._history = HistoryPages(player.recording, exists=player.bars.exists)

    def accepts(self, key: object, secret: object) -> bool:
        """Whether a key and a secret are right."""
        given = (key, secret)
        if not all(isinstance(text, str) and text.strip() for text in given):
            return False
        pairs = zip(given, self._keys, strict=True)
        return all(want is None or Secret(str(got)) == want for got, want in pairs)

    def answer(self, connection: ServerConnection, request: Request) -> Response | None:
        """Answer a plain request, or turn a connection away; ``None`` lets a websocket open."""
        parts = urlsplit(request.path)
        if "upgrade" not in request.headers.get("Connection", "").lower():
            return self._plain(request)
        if parts.path == CONTROL:
            return None
        if self._player.is_down or self._player.refuses("http"):
            return _reply(503, {"message": "service unavailable"})
        return None

    def _plain(self, request: Request) -> Response:
        parts = urlsplit(request.path)
        if parts.path == MARKET:
            # Of the server, not of the vendor: it needs no keys, and answers during an outage too.
            return _reply(200, self._market())
        if parts.path != PATH:
            return _reply(404, {"message": "endpoint not found."})
        names = ("APCA-API-KEY-ID", "APCA-API-SECRET-KEY")
        if not self.accepts(*(request.headers.get(name) for name in names)):
            return _reply(403, {"message": "forbidden."})
        if self._player.is_history_down:
            return _reply(503, {"message": "service unavailable"})
        if self._player.refuses("history"):
            return _reply(429, {"message": "too many requests."})
        query = dict(parse_qsl(parts.query, keep_blank_values=True))
        try:
            return _reply(200, self._history.page(query, self._player.now))
        except RequestError as error:
            return _reply(400, {"message": str(error)})


def _reply(status: int, body: dict[str, Any]) -> Response:
    from websockets.datastructures import Headers
    from websockets.http11 import Response

    content = json.dumps(body).encode()
    headers = Headers(
        {
            "Content-Type": "application/json",
            "Content-Length": str(len(content)),
            "Connection": "close",
        }
    )
    return Response(status, HTTPStatus(status).phrase, headers, content)
