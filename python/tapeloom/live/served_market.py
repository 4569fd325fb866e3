"""The market of a ``FeedServer``, for a live configuration that is rehearsed on it: its stream, its history, its time."""

from __future__ import annotations

import asyncio
import http.client
import ipaddress
import json
import math
import re
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

import numpy as np

from tapeloom.errors import ArgumentError, FeedError
from tapeloom.live.alpaca import AlpacaFeed
from tapeloom.live.alpaca_history import AlpacaHistory
from tapeloom.live.data_api import DataApi
from tapeloom.live.served_clock import ServedClock
from tapeloom.live.server.gate import MARKET
from tapeloom.timestamps import from_ns

if TYPE_CHECKING:
    from tapeloom.calendars.clock import Clock
    from tapeloom.calendars.time_manager import TimeManager
    from tapeloom.config.session_config import SessionConfig

__all__ = ["market_api", "served_market"]

_SECOND = 1_000_000_000
#: Seconds after which a server of this machine that says nothing is none.
_TIMEOUT = 10.0
#: How long after its close the player still takes a session for the present one, ns.
_SETTLE = 40 * _SECOND
#: What the vendor allows a minute.
_CALLS_A_MINUTE = 200
#: How a market is called.
_MARKET = re.compile("[0-9a-f]{1,32}")
#: The keys of an account have no business with a rehearsal.
_KEYS = ("rehearsal", "rehearsal")


class _Told(NamedTuple):
    """What a server says of its market."""

    market: str
    now: int
    end: int
    is_running: bool
    speed: float | None


def served_market(
    address: str, config: SessionConfig, time_manager: TimeManager
) -> DataApi:
    """Return stream, history and time of the market that a ``FeedServer`` of this machine plays.

    Parameters
    ----------
    address
        As ``tapeloom serve-feed`` shows it for the history, such as ``"http://127.0.0.1:8765"``.
    config
        The live configuration that is rehearsed; where it gets its data from otherwise does not matter.
    time_manager
        Whose sessions these are.

    Returns
    -------
    DataApi
        Its journals lie apart from those of real sessions, and none of its bars are stored. No key of an account is used.

    Raises
    ------
    ArgumentError
        If it is no address of this machine, no ``FeedServer`` is there, its time does not run by itself, or its recording
        is over.
    FeedError
        If nothing answers there.
    MissingDependencyError
        If the extra ``live`` is not installed.
    """
    host, port = _place(address)
    told = _asked(host, port)
    where = f"http://{host}:{port}"
    if told.speed is None:
        text = f"the market at {where} stands still until somebody moves it; start its server with a speed, such as --speed 60"
        raise ArgumentError(text, got=address)
    sessions = _sessions_left(told, config, time_manager)
    if not sessions:
        ended = from_ns(told.end, time_manager.timezone)
        text = f"the recording at {where} was over on {ended:%Y-%m-%d %H:%M}; start tapeloom serve-feed again"
        raise ArgumentError(text, got=address)

    def ask() -> tuple[int, bool]:
        latest = _asked(host, port)
        return latest.now, latest.is_running

    return market_api(
        f"ws://{host}:{port}/v2/iex",
        where,
        ServedClock(ask, told.speed),
        speed=told.speed,
        sessions=sessions,
        market=told.market,
    )


def market_api(
    stream_url: str,
    history_url: str,
    clock: Clock,
    *,
    speed: float,
    sessions: int,
    market: str | None = None,
) -> DataApi:
    """Return what a market that is rehearsed on gives, at its own speed.

    Parameters
    ----------
    stream_url, history_url
        Addresses of a ``FeedServer``.
    clock
        The time of its market.
    speed
        How many seconds of the market pass in one: pauses and quotas are of the market's time, as everything there.
    sessions
        After how many sessions its recording is over.
    market
        As of ``DataApi``.

    Raises
    ------
    MissingDependencyError
        If the extra ``live`` is not installed.
    """
    feed = AlpacaFeed(
        *_KEYS,
        url_override=stream_url,
        clock=clock,
        wait=lambda seconds: asyncio.sleep(seconds / speed),
    )
    history = AlpacaHistory(
        *_KEYS,
        url_override=history_url,
        requests_per_minute=max(1, round(_CALLS_A_MINUTE * speed)),
    )
    return DataApi(feed, history, clock=clock, sessions=sessions, market=market)


def _place(address: str) -> tuple[str, int]:
    """Host and port of an address of this machine; a host that is another is not spoken to."""
    rule = "name what tapeloom serve-feed shows, such as http://127.0.0.1:8765"
    try:
        parts = urlsplit(address)
        host, port = parts.hostname, parts.port
    except ValueError:
        host = port = None
    if host is None or port is None or parts.scheme not in ("http", "ws"):
        raise ArgumentError(f"rehearse is {address!r}; {rule}", got=address)
    if not _is_here(host):
        text = f"rehearse is {address!r}; a rehearsal speaks to a server of this machine only, never to a vendor: {rule}"
        raise ArgumentError(text, got=address)
    # The server listens on this one.
    return "127.0.0.1", port


def _is_here(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _asked(host: str, port: int) -> _Told:
    """What the server says of its market."""
    where = f"http://{host}:{port}"
    connection = http.client.HTTPConnection(host, port, timeout=_TIMEOUT)
    try:
        connection.request("GET", MARKET)
        body = connection.getresponse().read(4_096)
    except (OSError, http.client.HTTPException) as error:
        why = getattr(error, "strerror", None) or type(error).__name__
        text = f"no market answers at {where}: {why}; start one with tapeloom serve-feed DIR --speed N"
        raise FeedError(text, got=where) from error
    finally:
        connection.close()
    try:
        told: dict[str, Any] = json.loads(body)
        speed = None if told["speed"] is None else float(told["speed"])
        if speed is not None and not 0 < speed < math.inf:
            raise ValueError(speed)
        if _MARKET.fullmatch(told["market"]) is None:
            # It names a folder.
            raise ValueError(told["market"])
        return _Told(
            told["market"],
            int(told["now_ns"]),
            int(told["end_ns"]),
            bool(told["is_running"]),
            speed,
        )
    except (ValueError, TypeError, KeyError, OverflowError) as error:
        text = f"what answers at {where} is no tapeloom serve-feed of this version; name the address that it shows"
        raise ArgumentError(text, got=where) from error


def _sessions_left(
    told: _Told, config: SessionConfig, time_manager: TimeManager
) -> int:
    """How many sessions begin before the recording ends, with the one that runs."""
    table = time_manager.session_table
    extended = config.session_data_config.bars.extended_hours != "off"
    starts = table.pre_opens if extended else table.opens
    ends = table.post_closes if extended else table.closes
    first = int(np.searchsorted(ends, told.now - _SETTLE, side="right"))
    stop = int(np.searchsorted(starts, told.end, side="left"))
    return max(0, stop - first)
