"""The end of the server: whoever is connected by then learns of it."""

from __future__ import annotations

import socket
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from urllib.parse import urlsplit

from tapeloom.live import FeedServer
from tests.live.recorded import bars_of

CLIENTS = 4
REQUEST = b"GET /v2/stocks/bars HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n"


def until_the_end(port: int, together: Barrier) -> str:
    """Connect, ask, and read until the server lets go."""
    together.wait(60)
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=60) as client:
            client.sendall(REQUEST)
            while client.recv(4096):
                pass
    except ConnectionError:
        return "refused or reset"
    return "let go"


def test_clients_that_come_while_the_server_closes_are_let_go() -> None:
    with ThreadPoolExecutor(CLIENTS) as clients:
        for _ in range(25):
            server = FeedServer([bars_of("AAPL", 1)]).start()
            port = urlsplit(server.history_url).port
            assert port is not None
            together = Barrier(CLIENTS + 1)
            calls = [
                clients.submit(until_the_end, port, together) for _ in range(CLIENTS)
            ]
            together.wait(60)
            server.close()
            # A TimeoutError is what this test is about.
            assert {call.result() for call in calls} <= {"let go", "refused or reset"}
