"""Cuts a range of bars into requests as the store keeps them, and asks a source for them, many in one call."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from tapeloom.errors import ArgumentTypeError, HistorySourceError
from tapeloom.history_source import HistoryRequest
from tapeloom.request_quota import most_requests_of, pausing_by, quota_of
from tapeloom.timestamps import from_ns

if TYPE_CHECKING:
    from collections.abc import Callable

    from tapeloom._core import Interval, SessionTable
    from tapeloom.calendars.clock import Clock
    from tapeloom.history_source import HistorySource

__all__ = ["Asking", "requests_for", "title_of"]

LONGEST_MESSAGE = 300
# Addresses in messages carry keys: ?apikey=..., &token=..., user:password@host.
SECRET = re.compile(
    r"([?&;\s][\w.-]*(?:key|token|secret|passw(?:or)?d|signature|auth)[\w.-]*=)[^&;\s'\"]+",
    re.IGNORECASE,
)
LOGIN = re.compile(r"(://[^/\s:@]*):[^/\s@]+@")
# A request that the vendor understood, and will not answer however often it is made.
_BLAMED = (400, 404, 422)


def requests_for(
    symbols: Sequence[str],
    interval: Interval,
    start: int,
    end: int,
    *,
    table: SessionTable,
) -> list[HistoryRequest]:
    """Return the requests for ``[start, end)``, ns UTC: one per symbol and month, per year for days and weeks.

    They are cut where stored files are: before the first session of a month. A piece without a session is no request of
    its own.
    """
    if start >= end:
        return []
    period = "datetime64[Y]" if interval.ns is None else "datetime64[M]"
    named = np.asarray(table.dates).astype("datetime64[D]").astype(period)
    begins = table.span_starts[1:][named[1:] != named[:-1]]
    edges = [start]
    for edge in begins[(begins > start) & (begins < end)].tolist():
        opened = np.searchsorted(table.pre_opens, edge)
        if opened > np.searchsorted(table.post_closes, edges[-1], side="right"):
            edges.append(edge)
    times = [from_ns(ns, table.zone) for ns in (*edges, end)]
    return [
        HistoryRequest(symbol, interval.text, first, last)
        for symbol in symbols
        for first, last in pairwise(times)
    ]


def title_of(request: HistoryRequest) -> str:
    """Return what reports and errors call a request."""
    first, last = (f"{t:%Y-%m-%d %H:%M}" for t in (request.start, request.end))
    return f"{request.symbol} {request.interval} {first} to {last}"


class Asking:
    """Asks one source, no more often than it allows.

    Parameters
    ----------
    source
        Who is asked. Its ``most_requests`` is the size of a call, its ``requests_per_minute`` how many calls it allows.
    clock, sleep
        What says how late it is, ns UTC, and what waits a number of seconds, or raises where nobody wants to wait any more.

    Raises
    ------
    ArgumentTypeError
        If the source has no ``fetch``.
    ArgumentError
        If a limit that it states is no number of at least 1.
    """

    def __init__(
        self,
        source: HistorySource,
        *,
        clock: Clock,
        sleep: Callable[[float], object],
    ) -> None:
        if not callable(getattr(source, "fetch", None)):
            text = f"source is {type(source).__name__}; it must have a method fetch(requests), as tapeloom.history_source says"
            raise ArgumentTypeError(text, got=source)
        self._source = source
        self._clock = clock
        self._sleep = sleep
        self._quota = quota_of(source)
        self.most = most_requests_of(source)
        """How many requests one call may hold."""
        self.failure: Exception | None = None
        """Why nothing more was asked by the last ``ask``, where that has nothing to do with its requests."""

    @property
    def name(self) -> str:
        """What errors call the source."""
        return type(self._source).__qualname__

    def ask(self, requests: Sequence[HistoryRequest]) -> list[object]:
        """Return for each request its answer, or the ``HistorySourceError`` that stands for it.

        A call that fails for one of its requests is made again in two halves, down to the request that the source does not
        answer: one bad symbol does not cost the others. That takes some ``2 log2(n)`` calls for each bad one of n requests.
        One that fails for whatever else, as a line that is down or a limit, fails as a whole: see ``failure``.
        """
        self.failure = None
        return self._ask(requests)

    def _ask(self, requests: Sequence[HistoryRequest]) -> list[object]:
        if self.failure is not None:
            return self._failures(requests, self.failure)
        try:
            self._wait()
            with pausing_by(self._sleep):
                answers: object = self._source.fetch(list(requests))
        except Exception as error:
            if not _blames_a_request(error):
                self.failure = error
            elif len(requests) > 1:
                half = len(requests) // 2
                return [*self._ask(requests[:half]), *self._ask(requests[half:])]
            return self._failures(requests, error)
        if isinstance(answers, Sequence) and not isinstance(answers, str | bytes):
            if len(answers) == len(requests):
                return list(answers)
            came = f"{len(answers):,} answers"
        else:
            came = type(answers).__name__
        text = f"{self.name} returned {came} to {len(requests):,} requests; fetch returns a list with one answer each"
        return [
            HistorySourceError(f"{title_of(r)}: {text}", symbol=r.symbol)
            for r in requests
        ]

    def _wait(self) -> None:
        """Wait until one more call is allowed, and count it."""
        while wait := self._quota.wait_ns(self._clock.now_ns()):
            self._sleep(wait / 10**9)
        self._quota.take(self._clock.now_ns())

    def _failures(
        self, requests: Sequence[HistoryRequest], error: Exception
    ) -> list[object]:
        return [self._failed(request, error) for request in requests]

    def _failed(self, request: HistoryRequest, error: Exception) -> HistorySourceError:
        said = " ".join(str(error).split())
        said = LOGIN.sub(r"\1:***@", SECRET.sub(r"\1***", said))
        said = f"{said[:LONGEST_MESSAGE]}..." if len(said) > LONGEST_MESSAGE else said
        text = f"{title_of(request)}: {self.name} raised {type(error).__name__}{': ' if said else ''}{said}"
        found = HistorySourceError(text, symbol=request.symbol)
        found.__cause__ = error
        return found


def _blames_a_request(error: Exception) -> bool:
    """Whether an error of a source speaks of what it was asked for, so that the same call in parts may be answered."""
    answer = getattr(error, "response", None)
    for each, name in (
        (error, "status"),
        (error, "status_code"),
        (error, "code"),
        (answer, "status_code"),
    ):
        status = getattr(each, name, None)
        if isinstance(status, int):
            return status in _BLAMED
    if isinstance(error, HistorySourceError) and hasattr(error, "symbol"):
        # The answer to one of them cannot be read.
        return True
    words = (LookupError, TypeError, ValueError)
    return isinstance(error, words) and not isinstance(error, OSError)
