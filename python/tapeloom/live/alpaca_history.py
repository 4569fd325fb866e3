"""``AlpacaHistory``: bars of the past by the vendor's REST client, many symbols in one call."""

from __future__ import annotations

import time
from contextlib import suppress
from datetime import UTC, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np

from tapeloom.bars import Bars, normalise_symbol
from tapeloom.errors import ArgumentError, FeedError, HistorySourceError, IntervalError
from tapeloom.intervals import Interval
from tapeloom.live.alpaca_client import ENVIRONMENT, check_address, history_client
from tapeloom.live.alpaca_messages import instant_of
from tapeloom.live.alpaca_spans import spans_of
from tapeloom.live.credentials import Credentials, hidden
from tapeloom.request_quota import Allowance
from tapeloom.timestamps import to_ns

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from numpy.typing import NDArray

    from tapeloom.history_source import HistoryRequest
    from tapeloom.live.credentials import SecretLike

__all__ = ["AlpacaHistory"]

_MINUTE = 60 * 10**9
_FIELDS = {"open": "o", "high": "h", "low": "l", "close": "c", "volume": "v"}
_REFUSED = (401, 403)


class AlpacaHistory:
    """A ``HistorySource`` of US equities. Requests for about the same time of many symbols become one of HTTP.

    Parameters
    ----------
    key, secret
        As of ``AlpacaFeed``; never shown.
    data_feed
        ``"iex"`` or ``"sip"``; ``None`` leaves it to the vendor.
    url_override
        Another address than the vendor's, such as that of a ``FeedServer``.
    most_requests
        How many requests one call of ``fetch`` may hold.
    requests_per_minute
        How many requests of HTTP a minute the plan allows. Each counts, every page of an answer too, whoever asks: a call
        waits until it may send the next one.
    timeout
        Seconds until a request without an answer fails.
    monotonic
        Nanoseconds of a clock that nobody sets, by which minutes are counted.

    Raises
    ------
    ArgumentError
        If there are no credentials, or the address is of another kind.
    MissingDependencyError
        If the vendor's client is not installed.

    Notes
    -----
    It serves intervals of whole minutes that divide half an hour: the vendor counts the others from the full hour and the
    calendar's day, not from the open. Coarser bars are derived from these.
    """

    def __init__(
        self,
        key: SecretLike | None = None,
        secret: SecretLike | None = None,
        *,
        data_feed: str | None = "iex",
        url_override: str | None = None,
        most_requests: int = 100,
        requests_per_minute: int = 200,
        timeout: float = 30.0,
        monotonic: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        # What is shown comes first: a traceback shows an object that is not finished.
        self._data_feed = data_feed
        key = hidden(key)
        secret = hidden(secret)
        check_address(url_override, ("https", "http"))
        self.most_requests = most_requests
        # Whoever asks need not count: what is sent is counted here.
        self.allowance = Allowance(requests_per_minute, monotonic=monotonic)
        """What is allowed, and what of it was used."""
        self._credentials = Credentials.found(key, secret, names=ENVIRONMENT)
        self._client = history_client(
            self._credentials,
            url_override=url_override,
            timeout=timeout,
            before_each=self.allowance.take,
        )

    def __repr__(self) -> str:
        return f"AlpacaHistory(data_feed={self._data_feed!r})"

    def fetch(self, requests: Sequence[HistoryRequest]) -> list[Bars]:
        """Return the bars of each request, in the order of the requests; see ``HistorySource.fetch``.

        Raises
        ------
        IntervalError
            For an interval it does not serve; nothing is asked then.
        FeedError
            If the credentials are refused.
        HistorySourceError
            If the vendor does not answer, or with something else than bars. The text does not hold the keys.
        """
        lengths = [_minutes(request.interval) for request in requests]
        found: dict[int, Bars] = {}
        for span in spans_of(requests, lengths):
            names = [normalise_symbol(requests[at].symbol) for at in span.places]
            rows = self._ask(names, span.minutes, span.start, span.end)
            # Once for each symbol, however many of its requests lie in the span.
            columns = {name: _columns(name, rows.get(name, [])) for name in set(names)}
            for place, name in zip(span.places, names, strict=True):
                found[place] = _bars(requests[place], columns[name])
        return [found[place] for place in range(len(requests))]

    def _ask(
        self, symbols: list[str], minutes: int, start: datetime, end: datetime
    ) -> dict[str, list[Any]]:
        if start >= end:
            return {}
        failure, status = "", None
        try:
            answer = self._client.get_stock_bars(
                self._request(symbols, minutes, start, end)
            )
        except Exception as error:
            # An exception of the client holds the request and its headers, so it is not chained.
            failure = self._credentials.scrubbed(f"{type(error).__name__}: {error}")
            status = getattr(error, "status_code", None)
        else:
            if isinstance(answer, dict):
                return _by_symbol(answer)
            failure = f"an answer of type {type(answer).__name__}"
        if status in _REFUSED:
            text = f"the vendor refuses the request ({status}); check key and secret, and that they belong to this address"
            raise FeedError(text, code=status)
        text = f"the vendor did not answer for {len(symbols)} symbols: {failure[:300]}"
        raise HistorySourceError(text, symbols=symbols, status=status)

    def _request(
        self, symbols: list[str], minutes: int, start: datetime, end: datetime
    ) -> Any:
        from alpaca.data.enums import DataFeed
        from alpaca.data.requests import StockBarsRequest
        from alpaca.data.timeframe import TimeFrame, TimeFrameUnit

        return StockBarsRequest(
            symbol_or_symbols=list(dict.fromkeys(symbols)),
            timeframe=TimeFrame(minutes, TimeFrameUnit("Min")),
            start=start,
            # The vendor's end is part of the range.
            end=end - timedelta(microseconds=1),
            feed=None if self._data_feed is None else DataFeed(self._data_feed),
        )


def _columns(symbol: str, lists: list[Any]) -> dict[str, NDArray[Any]]:
    """The rows of a symbol as columns."""
    try:
        rows = [row for each in lists for row in each or ()]
        ts = np.array([instant_of(row["t"]) for row in rows], dtype=np.int64)
        values = {
            name: np.array([row[short] for row in rows], dtype=np.float64)
            for name, short in _FIELDS.items()
        }
    except (KeyError, TypeError, ValueError) as error:
        text = f"the vendor's bars of {symbol} cannot be read: {error!r}"
        raise HistorySourceError(text, symbol=symbol) from error
    return {"ts": ts, **values}


def _bars(request: HistoryRequest, columns: dict[str, NDArray[Any]]) -> Bars:
    """The rows that were asked for by one request."""
    zone = request.start.tzinfo or UTC
    first, last = (to_ns(at, zone) for at in (request.start, request.end))
    ts = columns["ts"]
    inside = (ts >= first) & (ts < last)
    kept: dict[str, Any] = {name: column[inside] for name, column in columns.items()}
    symbol = normalise_symbol(request.symbol)
    return Bars.from_columns(symbol, request.interval, **kept, zone=zone)


def _by_symbol(answer: dict[Any, Any]) -> dict[str, list[Any]]:
    """The lists of an answer by their symbol, which may be spelt in several ways."""
    found: dict[str, list[Any]] = {}
    for spelt, rows in answer.items():
        # Nobody asked for what is no symbol.
        with suppress(ArgumentError):
            found.setdefault(normalise_symbol(spelt), []).append(rows)
    return found


def _minutes(interval: str) -> int:
    length = Interval(interval).ns
    if length is None or length % _MINUTE or 30 % (length // _MINUTE):
        text = f"interval is {interval!r}; Alpaca's bars fit sessions for 1m, 2m, 3m, 5m, 6m, 10m, 15m and 30m"
        raise IntervalError(f"{text}; derive coarser ones from '1m'", got=interval)
    return length // _MINUTE
