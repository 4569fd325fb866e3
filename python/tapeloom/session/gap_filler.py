"""Fills gaps of the running session from a source of history: asks, waits, merges what comes. It does not look for gaps."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from tapeloom.errors import (
    ArgumentTypeError,
    DuplicateBarError,
)
from tapeloom.gap.filling import Filling, FillStatus
from tapeloom.history_source import HistorySource
from tapeloom.ingest import IngestCounts
from tapeloom.session.gap_answers import (
    Answer,
    ask_source,
    backfilled,
    failure_of,
    sift,
)
from tapeloom.session.gap_requests import Quota, joined, limit_of
from tapeloom.session.gap_state import FillJob, Retries

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from concurrent.futures import Executor

    from tapeloom._core import Bars
    from tapeloom.session.gap_requests import Ask
    from tapeloom.session.session_grids import MissingRun, SessionGrids
    from tapeloom.session_data import SessionData

__all__ = ["FillCounts", "GapFiller"]

_log = logging.getLogger("tapeloom.gap_filler")

_MOST_REQUESTS = 100
# What waits is joined with its neighbours, what has been sent is not.
_MOST_CALLS_OUT = 4

_NEVER = float("inf")


@dataclass(frozen=True, slots=True)
class FillCounts:
    """What was asked and what became of the rows that came.

    ``returned == outside + off_grid + too_early + refused + bars.offered`` and ``bars.balanced`` hold at any time.
    ``outside`` lay in no stretch that was asked for, ``off_grid`` between two expected starts, ``too_early`` were not
    known yet at the clock, ``refused`` would have changed a stored bar where ``on_duplicate`` is ``"error"``.
    """

    calls: int = 0
    requests: int = 0
    failures: int = 0
    returned: int = 0
    outside: int = 0
    off_grid: int = 0
    too_early: int = 0
    refused: int = 0
    bars: IngestCounts = field(default_factory=IngestCounts)

    def plus(self, *, bars: IngestCounts | None = None, **more: int) -> FillCounts:
        """Return the counts with some added."""
        values = {
            name: getattr(self, name) + more.get(name, 0)
            for name in self.__slots__
            if name != "bars"
        }
        return FillCounts(
            **values, bars=self.bars if bars is None else self.bars + bars
        )


class _Done(NamedTuple):
    """The answers to one call, and the session for which it was made."""

    session: int
    answers: list[Answer]


class GapFiller:
    """One state machine per stretch of missing bars; all methods are called by the thread that writes the session.

    A stretch goes from ``detected`` over ``requested`` to ``filled``, ``partial`` or ``abandoned``. A good answer settles
    it: what the source does not have it is not asked for again. A failure counts as a try.

    Parameters
    ----------
    session_data
        Where the bars go, and where ``get_gaps`` and ``explain`` show how far filling has come.
    source
        Whom to ask.
    grids
        The expected bars of the session.
    retries
        How often, and when again.
    instant
        The clock of the session, ns UTC.
    now
        Seconds on the clock by which tries are spaced; any zero.
    executor
        Makes the calls on other threads, outside every lock. ``None`` makes them at once on the caller's thread.
    wake
        Called from another thread when an answer is there; it must not wait.
    quota_clock, pause
        Monotonic seconds for the source's calls per minute; waits so many seconds. Without an executor a call that is
        not allowed yet is waited for, with one it is left for later.

    Raises
    ------
    ArgumentTypeError
        If the source has no ``fetch``; for limits that it states wrongly, also ``ArgumentError``.
    """

    def __init__(
        self,
        session_data: SessionData,
        source: HistorySource,
        *,
        grids: SessionGrids,
        retries: Retries,
        instant: Callable[[], int],
        now: Callable[[], float],
        executor: Executor | None = None,
        wake: Callable[[], object] | None = None,
        quota_clock: Callable[[], float] = time.monotonic,
        pause: Callable[[float], object] = time.sleep,
    ) -> None:
        if not isinstance(source, HistorySource):
            text = f"history_source is {type(source).__name__}; it must have fetch(requests), see HistorySource"
            raise ArgumentTypeError(text, got=source)
        self._session_data = session_data
        self._source = source
        self._grids = grids
        self._retries = retries
        self._instant = instant
        self._now = now
        self._executor = executor
        self._wake = wake
        self._quota_clock = quota_clock
        self._pause = pause
        self._most_requests = (
            limit_of(source, "most_requests", _MOST_REQUESTS) or _MOST_REQUESTS
        )
        self._quota = Quota(limit_of(source, "requests_per_minute", None))
        self._jobs: dict[tuple[str, int], FillJob] = {}
        self._next_try = _NEVER
        self._fresh: list[Filling] = []
        self._out = 0
        self._session = 0
        self._done: SimpleQueue[_Done] = SimpleQueue()
        #: What was asked, and what became of what came.
        self.counts = FillCounts()

    # The life of a session

    def start_session(self) -> None:
        """Give up what the session before left open."""
        self.give_up("the next session began")

    def give_up(self, reason: str) -> None:
        """Settle every stretch that is open; answers to come are dropped."""
        for job in list(self._jobs.values()):
            self._settled(job.abandon(reason, self._instant()))
        self._session += 1
        self._next_try = _NEVER

    def detect(self, symbol: str, start: int, end: int) -> None:
        """Take in base bars of the session that are missing in ``[start, end)``, ns UTC; asked for by the next ``apply_ready``."""
        grid = self._grids.of(symbol)
        if grid is None:
            return
        interval = self._session_data._intervals(symbol)[0]
        missing = grid.slot(end) - grid.slot(start)
        filling = Filling(symbol, interval, start, end, missing, self._instant())
        now = self._now()
        self._jobs[symbol, start] = FillJob(filling, now)
        self._next_try = min(self._next_try, now)
        self._session_data._fills.put(filling)

    def apply_ready(self) -> list[Filling]:
        """Merge the answers that are there, then ask for what is due. Never waits for an answer.

        Returns
        -------
        list
            The stretches that were settled. Where ``filled`` is not 0, bars of theirs came into the session.
        """
        self._merge_answers()
        self._ask()
        if self._executor is None:
            self._merge_answers()
        settled, self._fresh = self._fresh, []
        return settled

    @property
    def seconds_until_next(self) -> float | None:
        """In how many seconds ``apply_ready`` has somebody to ask; ``None`` where nothing waits, or all is being asked."""
        waiting = [
            job.next_try
            for job in self._jobs.values()
            if job.filling.status is FillStatus.DETECTED
        ]
        if not waiting or self._out >= _MOST_CALLS_OUT:
            return None
        allowed = self._quota.wait_seconds(self._quota_clock())
        return max(0.0, min(waiting) - self._now(), allowed)

    # Asking

    def _ask(self) -> None:
        now = self._now()
        if now < self._next_try or (
            self._executor is not None and not self._may_send()
        ):
            return
        asks: list[Ask] = []
        for ask in self._asks_due(now):
            asks.append(ask)
            if len(asks) < self._most_requests:
                continue
            if not self._may_send():
                # What is left waits, and is joined with what comes meanwhile.
                self._next_try = now
                return
            self._send(asks)
            asks = []
        if asks:
            if not self._may_send():
                self._next_try = now
                return
            self._send(asks)
        waiting = (
            job.next_try
            for job in self._jobs.values()
            if job.filling.status is FillStatus.DETECTED
        )
        self._next_try = min(waiting, default=_NEVER)

    def _may_send(self) -> bool:
        """Whether a call may be made now; without an executor this waits until it may."""
        wait = self._quota.wait_seconds(self._quota_clock())
        if self._executor is not None:
            return not wait and self._out < _MOST_CALLS_OUT
        if wait:
            self._pause(wait)
        return True

    def _asks_due(self, now: float) -> Iterator[Ask]:
        """Requests for the stretches whose try is due, by symbol in order of detection; lazily, since not all may be sent."""
        by_symbol: dict[str, list[FillJob]] = {}
        for job in self._jobs.values():
            if job.filling.status is FillStatus.DETECTED and job.next_try <= now:
                by_symbol.setdefault(job.filling.symbol, []).append(job)
        for symbol, jobs in by_symbol.items():
            if not self._forgot(symbol):
                yield from joined(job.filling for job in self._to_ask(symbol, jobs))

    def _to_ask(self, symbol: str, jobs: list[FillJob]) -> list[FillJob]:
        """Those of a symbol's stretches that history can know more of; the others are settled."""
        runs = self._session_data._due_runs(symbol)
        lacking = []
        for job in jobs:
            if self._left(job.filling, runs):
                lacking.append(job)
            else:
                self._settled(job.answer(0, 0, self._instant()))
        spans = [(job.filling.start, job.filling.end) for job in lacking]
        empty = self._session_data._known_empty(symbol, spans)
        for job, is_empty in zip(lacking, empty, strict=True):
            if is_empty:
                reason = "what is recorded says that nothing traded"
                self._settled(job.abandon(reason, self._instant()))
        return [
            job for job, is_empty in zip(lacking, empty, strict=True) if not is_empty
        ]

    def _forgot(self, symbol: str) -> bool:
        """Whether a symbol was removed; its stretches went with it."""
        if self._session_data._intervals(symbol):
            return False
        for key in [key for key in self._jobs if key[0] == symbol]:
            del self._jobs[key]
        return True

    def _send(self, asks: list[Ask]) -> None:
        self._quota.take(self._quota_clock())
        instant = self._instant()
        for ask in asks:
            for part in ask.parts:
                job = self._jobs[part.symbol, part.start]
                self._session_data._fills.put(job.request(instant))
        self._out += 1
        self.counts = self.counts.plus(calls=1, requests=len(asks))
        session = self._session
        if self._executor is None:
            self._answered(session, asks)
        else:
            self._executor.submit(self._answered, session, asks)

    def _answered(self, session: int, asks: list[Ask]) -> None:
        answers = ask_source(self._source, asks, self._session_data)
        self._done.put(_Done(session, answers))
        if self._wake is not None:
            self._wake()

    # Merging

    def _merge_answers(self) -> None:
        while True:
            try:
                done = self._done.get_nowait()
            except Empty:
                return
            self._out -= 1
            if done.session != self._session:
                # Its stretches were given up when the next session began.
                _log.info("an answer came after its session; dropped")
                continue
            self._log_failures(done.answers)
            for answer in done.answers:
                self._merge(answer)

    def _log_failures(self, answers: list[Answer]) -> None:
        failures: dict[str, list[str]] = {}
        for answer in answers:
            if answer.failure:
                failures.setdefault(answer.failure, []).append(answer.ask.symbol)
        self.counts = self.counts.plus(failures=sum(map(len, failures.values())))
        for failure, symbols in failures.items():
            named = ", ".join(symbols[:5])
            more = f" and {len(symbols) - 5} more" if len(symbols) > 5 else ""
            _log.warning("history of %s%s: %s", named, more, failure)

    def _merge(self, answer: Answer) -> None:
        """Draw the consequences of one answer."""
        symbol = answer.ask.symbol
        if self._forgot(symbol):
            return
        jobs = [
            job
            for part in answer.ask.parts
            if (job := self._jobs.get((symbol, part.start))) is not None
        ]
        before = self._session_data._due_runs(symbol)
        failure, rows = answer.failure, None
        if not failure:
            rows = self._store(answer)
        after = self._session_data._due_runs(symbol)
        for job in jobs:
            left = self._left(job.filling, after)
            if failure and left:
                instant = self._instant()
                self._failed(job.fail(failure, self._retries, self._now(), instant))
                continue
            came = 0 if failure else self._left(job.filling, before) - left
            self._settled(job.answer(came, left, self._instant()))
        if not failure:
            self._note_absent(answer.ask, after, rows)

    def _store(self, answer: Answer) -> Bars | None:
        """Add what the gap lacks to the session; the rows that were offered."""
        grid = self._grids.of(answer.ask.symbol)
        if answer.bars is None or grid is None:
            return None
        sifted = sift(
            answer.bars,
            answer.ask,
            grid,
            clock=self._instant(),
            zone=self._session_data.timezone,
        )
        self.counts = self.counts.plus(
            returned=len(answer.bars),
            outside=sifted.outside,
            off_grid=sifted.off_grid,
            too_early=sifted.too_early,
        )
        if sifted.bars is not None:
            self._offer(answer.ask.symbol, self._accepted(sifted.bars))
        return sifted.bars

    def _accepted(self, bars: Bars) -> Bars:
        """Without the rows that the policy of the store would refuse the whole answer for."""
        if self._session_data.policies["on_duplicate"] != "error":
            return bars
        runs = self._session_data._due_runs(bars.symbol)
        lacking = [any(s <= ts < e for s, e, _ in runs) for ts in bars.ts.tolist()]
        _, first = np.unique(bars.ts, return_index=True)
        rows = np.intersect1d(np.flatnonzero(lacking), first)
        self.counts = self.counts.plus(refused=len(bars) - len(rows))
        return backfilled(bars, rows, self._session_data.timezone)

    def _offer(self, symbol: str, bars: Bars) -> None:
        if not len(bars):
            return
        try:
            counts, skipped = self._session_data._add_batch(symbol, bars, "skip")
        except DuplicateBarError as error:
            # Another thread added one of them since.
            _log.warning("history of %s: %s", symbol, failure_of(error))
            rejected = IngestCounts(offered=len(bars), rejected=len(bars))
            self.counts = self.counts.plus(bars=rejected)
            return
        self.counts = self.counts.plus(bars=IngestCounts(*counts))
        if skipped:
            row, name, value, rule = skipped[0]
            text = "history of %s: %d invalid bars, first row %d: %s is %s; %s"
            _log.warning(text, symbol, len(skipped), row, name, value, rule)

    def _note_absent(
        self, ask: Ask, runs: Iterable[MissingRun], rows: Bars | None
    ) -> None:
        """Keep as evidence which bars the source does not have; not those that it has and that were refused."""
        came = [] if rows is None else rows.ts.tolist()
        for part in ask.parts:
            for start, end, _ in self._within(part, runs):
                if not any(start <= ts < end for ts in came):
                    self._session_data._evidence.add_asked(
                        part.symbol, start, end, self._instant()
                    )

    def _left(self, filling: Filling, runs: Iterable[MissingRun]) -> int:
        return sum(number for _, _, number in self._within(filling, runs))

    def _within(self, filling: Filling, runs: Iterable[MissingRun]) -> list[MissingRun]:
        grid = self._grids.of(filling.symbol)
        return [] if grid is None else grid.within(runs, filling.start, filling.end)

    def _failed(self, filling: Filling) -> None:
        if filling.settled is not None:
            self._settled(filling)
            return
        self._session_data._fills.put(filling)
        self._next_try = min(
            self._next_try, self._jobs[filling.symbol, filling.start].next_try
        )

    def _settled(self, filling: Filling) -> None:
        del self._jobs[filling.symbol, filling.start]
        self._fresh.append(filling)
        self._session_data._fills.put(filling)
        is_quiet = filling.status is FillStatus.ABANDONED and not filling.reason
        level = logging.DEBUG if is_quiet else logging.INFO
        if _log.isEnabledFor(level):
            _log.log(level, "%s", filling.line(self._session_data._times()))
