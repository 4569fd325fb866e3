"""``FetchedHistory``: bars of earlier sessions, from storage where it has them and from a source of history where not."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from functools import partial
from threading import Event, RLock
from typing import TYPE_CHECKING

import numpy as np

from tapeloom._core import Bars, Interval
from tapeloom.bars import no_bars, normalise_symbol
from tapeloom.errors import FeedError, HistorySourceError, StateError
from tapeloom.importing.history_requests import Asking, requests_for, title_of
from tapeloom.live.fetched_answers import bars_of
from tapeloom.live.stored_sessions import whole_sessions, without
from tapeloom.storage.notes import HISTORY_NOT_LOADED, DataNote, Notes
from tapeloom.timestamps import to_ns
from tapeloom.waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from tapeloom.calendars.time_manager import TimeManager
    from tapeloom.config.stream_plan import StreamPlan
    from tapeloom.history_source import HistoryRequest, HistorySource
    from tapeloom.intervals import IntervalLike
    from tapeloom.storage.bar_source import BarSource

__all__ = ["FetchedHistory"]

_Key = tuple[str, str]
# Seconds before what a source does not answer is tried again, once in each of its outages: with the time that a client
# waits for an answer that ends before a session must have begun.
_PAUSES = (2.0, 8.0)
# For so long nobody is asked after the last of them.
_LEFT_ALONE_NS = 60_000_000_000


class FetchedHistory:
    """A ``BarSource`` for the days before a live session.

    A session of which storage has every bar of regular hours is read from there. One that is over and that storage does
    not have as a whole is asked for once: in one go for all symbols whose plan is the same, in calls as large and as often
    as the source allows; whole sessions, so that symbols that lack different minutes are one call. What is stored counts,
    and what came fills its holes. A source that is down is tried a few times, and then left alone for a while, so that a
    session begins without what it does not have. What does not come is missing, and ``notes`` say why; it is tried again
    when the next session has begun. Sessions that are not over are never asked for. Any thread may read.

    Parameters
    ----------
    source
        Who is asked.
    intervals
        The intervals it serves.
    time_manager
        Calendar and clock of the run.
    stored
        Bars that need not be asked for.
    allow_negative_prices
        Whether prices may be zero or below.
    no_trade
        As of ``SessionData``: with ``"expected"`` bars between two others are not missed, so that nobody is asked for the
        minutes in which a thin symbol was not traded.
    wait
        Waits that many seconds, and returns whether ``close()`` was called meanwhile; by default real seconds.

    Raises
    ------
    ArgumentError
        If a limit that the source states of itself is no number of at least 1.
    """

    def __init__(
        self,
        source: HistorySource,
        *,
        intervals: Iterable[str],
        time_manager: TimeManager,
        stored: BarSource | None = None,
        allow_negative_prices: bool = False,
        no_trade: str = "gap",
        wait: Callable[[float], bool] | None = None,
    ) -> None:
        self._clock = time_manager.clock
        # The run keeps the calendar it began with, whatever is corrected meanwhile.
        self._table = time_manager.calendar.table
        self._stored = stored
        self._allow_negative_prices = allow_negative_prices
        self._no_trade = no_trade
        self._intervals = tuple(sorted(map(Interval, intervals)))
        self._closed = Event()
        self._wait = wait or partial(wait_for, self._closed.wait)
        self._asking = Asking(source, clock=self._clock, sleep=self._sleep)
        self._lock = RLock()
        self._peers: dict[str, tuple[str, ...]] = {}
        self._fetched: dict[_Key, Bars] = {}
        # Sessions that storage has as a whole, or that were asked for; and those of them that nobody answered for.
        self._known: defaultdict[_Key, set[int]] = defaultdict(set)
        self._failed: defaultdict[_Key, set[int]] = defaultdict(set)
        self._failed_before = 0
        self._pauses = list(_PAUSES)
        # Until when the source is left alone, and what its calls failed with.
        self._down_until = 0
        self._down: HistorySourceError | None = None
        self._notes: dict[tuple[str, str], DataNote] = {}
        self._rows = Notes()

    def follow(self, plan: StreamPlan) -> None:
        """Ask for symbols with the same plan together from now on; those of other plans are asked for by themselves."""
        groups: defaultdict[object, list[str]] = defaultdict(list)
        for symbol in plan.symbols:
            groups[replace(symbol, symbol="")].append(symbol.symbol)
        alike = map(tuple, groups.values())
        with self._lock:
            self._peers = {symbol: peers for peers in alike for symbol in peers}

    def close(self) -> None:
        """Ask for nothing more; what is waiting for its turn is given up. What was read can still be read."""
        self._closed.set()

    # What a source of bars is asked

    @property
    def notes(self) -> list[DataNote]:
        """What storage found, and what nobody answered for, per symbol and reason."""
        stored = [] if self._stored is None else self._stored.notes
        with self._lock:
            return [*stored, *self._rows.all(), *self._notes.values()]

    def get_symbols(self) -> list[str]:
        """Return the symbols that are stored; nobody can say which others a source of history has."""
        return [] if self._stored is None else self._stored.get_symbols()

    def get_intervals(self, symbol: str) -> list[str]:
        """Return the intervals that are stored and those that can be asked for, finest first."""
        stored = [] if self._stored is None else self._stored.get_intervals(symbol)
        return [i.text for i in sorted({*map(Interval, stored), *self._intervals})]

    def get_range(self, symbol: str, interval: IntervalLike) -> tuple[int, int] | None:
        """Return the start of the first and of the last bar that is here, ns UTC; ``None`` if there is none."""
        known = self.get_ranges(symbol, interval)
        if not known:
            return None
        return min(first for first, _ in known), max(last for _, last in known)

    def get_ranges(self, symbol: str, interval: IntervalLike) -> list[tuple[int, int]]:
        """Return the same for each piece that is stored, and for what was fetched so far."""
        text = Interval(interval).text
        ranges = [] if self._stored is None else self._stored.get_ranges(symbol, text)
        with self._lock:
            fetched = self._fetched.get((normalise_symbol(symbol), text))
        if fetched is None:
            return ranges
        return [*ranges, (int(fetched.ts[0]), int(fetched.ts[-1]))]

    def read(self, symbol: str, interval: IntervalLike, start: int, end: int) -> Bars:
        """Return the bars that start in ``[start, end)``, ns UTC, in order; see ``BarSource``. May ask the source first.

        Raises
        ------
        TapeloomError
            What reading from storage raises. A source that does not answer raises nothing.
        """
        name, text = normalise_symbol(symbol), Interval(interval).text
        with self._lock:
            self._reach(name, text, self._sessions_over(start, end))
            fetched = self._fetched.get((name, text))
        stored = self._from_storage(name, text, start, end)
        if fetched is None:
            return stored
        found = fetched.between(start, end)
        if not len(stored):
            return found
        found = without(found, stored, self._table)
        return Bars.concat([stored, found]).sorted()

    # Inside

    def _from_storage(self, symbol: str, interval: str, start: int, end: int) -> Bars:
        if self._stored is None or start >= end:
            return no_bars(symbol, interval, self._table.zone)
        return self._stored.read(symbol, interval, start, end)

    def _sessions_over(self, start: int, end: int) -> range:
        """Positions of the sessions with a part in ``[start, end)`` that are over."""
        table, now = self._table, self._clock.now_ns()
        over = int(np.searchsorted(table.span_ends, now, side="right"))
        if over != self._failed_before:
            self._forget_failures(over)
        first = int(np.searchsorted(table.span_ends, start, side="right"))
        stop = int(np.searchsorted(table.span_starts, end, side="left"))
        return range(first, max(first, min(stop, over)))

    def _forget_failures(self, over: int) -> None:
        for key, sessions in self._failed.items():
            self._known[key] -= sessions
        self._failed.clear()
        self._failed_before = over
        self._pauses, self._down = list(_PAUSES), None

    def _reach(self, symbol: str, interval: str, sessions: range) -> None:
        """Have everything of some sessions here that can be had, of the symbol and of those that are read like it."""
        if Interval(interval) not in self._intervals:
            return
        if self._known[symbol, interval].issuperset(sessions):
            return
        lacking = {
            peer: self._lacking(peer, interval, sessions)
            for peer in self._peers.get(symbol, (symbol,))
        }
        alike: defaultdict[tuple[int, ...], list[str]] = defaultdict(list)
        for peer, missing in lacking.items():
            if missing:
                alike[tuple(missing)].append(peer)
        requests = [
            request
            for missing, peers in alike.items()
            for start, end in self._spans(missing)
            for request in requests_for(
                peers, Interval(interval), start, end, table=self._table
            )
        ]
        # One call is for the same time of many symbols, as far as it goes.
        self._fetch(sorted(requests, key=lambda each: (each.start, each.end)))

    def _lacking(self, symbol: str, interval: str, sessions: range) -> list[int]:
        """The sessions that are neither stored as a whole nor asked for; they count as asked for from now on."""
        known = self._known[symbol, interval]
        unknown = [at for at in sessions if at not in known]
        if not unknown:
            return []
        start = int(self._table.span_starts[unknown[0]])
        end = int(self._table.span_ends[unknown[-1]])
        stored = self._from_storage(symbol, interval, start, end)
        whole = whole_sessions(stored, unknown, self._table, no_trade=self._no_trade)
        known.update(unknown)
        return [at for at in unknown if at not in whole]

    def _spans(self, sessions: Sequence[int]) -> list[tuple[int, int]]:
        """Each run of neighbouring sessions as ``[start, end)``, ns UTC."""
        breaks = np.flatnonzero(np.diff(sessions) > 1) + 1
        return [
            (int(self._table.span_starts[run[0]]), int(self._table.span_ends[run[-1]]))
            for run in np.split(np.asarray(sessions), breaks)
        ]

    def _fetch(self, requests: Sequence[HistoryRequest]) -> None:
        most = self._asking.most
        found: defaultdict[_Key, list[Bars]] = defaultdict(list)
        for first in range(0, len(requests), most):
            some = requests[first : first + most]
            answers = self._ask(some)
            for request, answer in zip(some, answers, strict=True):
                bars = self._read(request, answer)
                if bars is not None and len(bars):
                    found[bars.symbol, bars.interval].append(bars)
        for key, parts in found.items():
            kept = self._fetched.get(key)
            every = parts if kept is None else [kept, *parts]
            self._fetched[key] = Bars.concat(every).sorted()

    def _ask(self, requests: Sequence[HistoryRequest]) -> Sequence[object]:
        if self._closed.is_set():
            text = "the run was stopped before it was asked for"
            return [HistorySourceError(text)] * len(requests)
        if self._down is not None and self._clock.now_ns() < self._down_until:
            return [self._down] * len(requests)
        answers = self._asking.ask(requests)
        while (failure := self._asking.failure) is not None and self._pauses:
            # Credentials that are refused will be refused again.
            if isinstance(failure, FeedError) or self._wait(self._pauses.pop(0)):
                break
            answers = self._asking.ask(requests)
        self._down = None
        if failure is None:
            self._pauses = list(_PAUSES)
        else:
            self._down_until = self._clock.now_ns() + _LEFT_ALONE_NS
            why = str(answers[-1]).removeprefix(f"{title_of(requests[-1])}: ")
            self._down = HistorySourceError(why)
        return answers

    def _read(self, request: HistoryRequest, answer: object) -> Bars | None:
        """The bars of an answer that were asked for; of a failure a note is kept."""
        try:
            if isinstance(answer, HistorySourceError):
                raise answer
            return bars_of(
                answer,
                request,
                self._table,
                notes=self._rows,
                allow_negative_prices=self._allow_negative_prices,
            )
        except HistorySourceError as error:
            why = str(error).removeprefix(f"{title_of(request)}: ")
            self._note(request, why)
        return None

    def _note(self, request: HistoryRequest, why: str) -> None:
        symbol, interval = request.symbol, request.interval
        zone = self._table.zone
        start, end = (to_ns(at, zone) for at in (request.start, request.end))
        sessions = self._sessions_over(start, end)
        self._failed[symbol, interval].update(sessions)
        text = f"history of {interval} bars is not loaded: {why}"
        before = self._notes.get((symbol, text))
        count = len(sessions) + (0 if before is None else before.count)
        note = DataNote(HISTORY_NOT_LOADED, symbol, self._asking.name, count, text, 0)
        self._notes[symbol, text] = note

    def _sleep(self, seconds: float) -> None:
        if self._wait(seconds):
            text = "the run was stopped while it waited for the quota of the source"
            raise StateError(text)
