"""Answers to requests for bars of the past, a page at a time. Pure: a request's words in, a status and a body out."""

from __future__ import annotations

import base64
import binascii
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from tapeloom.bars import normalise_symbol
from tapeloom.errors import SymbolError
from tapeloom.live.server.wire import history_row, time_text
from tapeloom.timestamps import NS_PER_DAY, to_ns

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tapeloom.live.recording import Recording

__all__ = ["PATH", "HistoryPages", "RequestError"]

PATH = "/v2/stocks/bars"
_LIMIT = 1_000
_LARGEST_LIMIT = 10_000
# These say which data to serve; a recording has one kind.
_ACCEPTED = ("feed", "asof", "currency")
_KNOWN = (
    "symbols", "timeframe", "start", "end", "limit", "page_token", "sort", "adjustment", *_ACCEPTED,
)  # fmt: skip


class RequestError(Exception):
    """A request that cannot be answered; its text is for the client."""


class HistoryPages:
    """Bars of a recording up to the present of the market.

    Parameters
    ----------
    recording
        What there is.
    exists
        Whether a bar of a symbol that starts at an instant, ns UTC, is there at all.
    """

    def __init__(
        self, recording: Recording, *, exists: Callable[[str, int], bool]
    ) -> None:
        self._recording = recording
        self._exists = exists
        unit = {"s": "Sec", "m": "Min", "h": "Hour"}[recording.interval[-1]]
        self._timeframe = recording.interval[:-1] + unit

    def page(self, query: Mapping[str, str], now: int) -> dict[str, Any]:
        """Return the body for a request at an instant of the market, ns UTC: bars that have ended by then.

        Symbols come in the order of the alphabet, bars in that of time; ``limit`` counts the bars of all symbols.

        Raises
        ------
        RequestError
            If a word of the request is missing, unknown or cannot be read.
        """
        for name in query:
            if name not in _KNOWN:
                raise RequestError(f"unexpected parameter: {name}")
        self._check_words(query)
        symbols = _symbols(query.get("symbols", ""))
        limit = _limit(query.get("limit"))
        start = _instant(query, "start", now // NS_PER_DAY * NS_PER_DAY)
        last = min(_instant(query, "end", now), now - self._recording.interval_ns)
        after = _place(query.get("page_token"))
        found: dict[str, list[Any]] = {}
        count = 0
        for symbol in symbols:
            if after is not None and symbol < after[0]:
                continue
            begin = start
            if after is not None and symbol == after[0]:
                begin = max(start, after[1] + 1)
            for bar in self._recording.read(symbol, begin, max(begin, last + 1)):
                if not self._exists(symbol, bar.ts):
                    continue
                if count == limit:
                    return {"bars": found, "next_page_token": _token(found)}
                found.setdefault(symbol, []).append(
                    history_row(bar) | {"t": time_text(bar.ts)}
                )
                count += 1
        return {"bars": found, "next_page_token": None}

    def _check_words(self, query: Mapping[str, str]) -> None:
        timeframe = query.get("timeframe", "")
        same = (self._timeframe, self._timeframe.replace("Min", "T"))
        if timeframe not in same:
            raise RequestError(
                f"invalid timeframe: {timeframe}; recorded is {self._timeframe}"
            )
        if query.get("sort", "asc") != "asc":
            raise RequestError("invalid sort: only asc is served")
        if query.get("adjustment", "raw") != "raw":
            raise RequestError("invalid adjustment: a recording is raw")


def _symbols(text: str) -> list[str]:
    try:
        return sorted({normalise_symbol(name) for name in text.split(",")})
    except SymbolError:
        raise RequestError("symbol is required") from None


def _limit(text: str | None) -> int:
    if text is None:
        return _LIMIT
    if (
        not text.isascii()
        or not text.isdigit()
        or not 1 <= int(text[:9]) <= _LARGEST_LIMIT
    ):
        raise RequestError(f"invalid limit: it must be 1 to {_LARGEST_LIMIT}")
    return int(text)


def _instant(query: Mapping[str, str], name: str, default: int) -> int:
    text = query.get(name)
    if text is None:
        return default
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise RequestError(f"invalid {name}: {text[:40]}") from None
    return to_ns(at if at.utcoffset() is not None else at.replace(tzinfo=UTC), UTC)


def _token(found: Mapping[str, list[Any]]) -> str:
    symbol = list(found)[-1]
    return base64.urlsafe_b64encode(
        f"{symbol}|{found[symbol][-1]['t']}".encode()
    ).decode()


def _place(token: str | None) -> tuple[str, int] | None:
    """Return the symbol and the start of the last bar of the page before, ns UTC."""
    if token is None:
        return None
    try:
        symbol, _, text = base64.urlsafe_b64decode(token).decode().rpartition("|")
        at = datetime.fromisoformat(text)
        return normalise_symbol(symbol), to_ns(at, UTC)
    except (binascii.Error, ValueError):
        raise RequestError("invalid page_token") from None
