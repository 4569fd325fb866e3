"""What can be asked for bars of the past: the interface that gap filling and imports use, whoever stands behind it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

__all__ = ["HistoryRequest", "HistorySource"]


class HistoryRequest(NamedTuple):
    """Bars of one series that start in ``[start, end)``; the times are aware, in the exchange's zone."""

    symbol: str
    interval: str
    start: datetime
    end: datetime


@runtime_checkable
class HistorySource(Protocol):
    """Anything that answers requests for bars of the past: a vendor's client, a database, a folder.

    A source may also have ``most_requests`` (how many requests one call may hold, 100 if it does not say) and
    ``requests_per_minute`` (how many calls of ``fetch`` a minute it allows, any number if it does not say). Each who asks
    keeps to that for itself: a live session's gaps, its earlier days, an import. A source whose vendor counts something
    else, or all of them together, states none and takes from an ``Allowance`` of ``tapeloom.request_quota`` for each
    request that it sends, as ``AlpacaHistory`` does.
    """

    def fetch(self, requests: Sequence[HistoryRequest]) -> Sequence[object]:
        """Return the bars of each request, in the order of the requests.

        An answer is whatever ``SessionData.add_bars_batch`` takes: ``Bars``, a list of ``BarData``, a frame, an Arrow table,
        a dict of arrays. An empty one says that the source has no such bar. A source that cannot answer raises.

        For history of earlier days and for imports it matters what it raises. ``LookupError``, ``ValueError`` or
        ``TypeError``, and whatever has the status 400, 404 or 422, says that one of the requests is to blame: the call is
        made again in halves. Anything else says that the source is down, or allows no more now: the call has failed.
        """
