"""Fills gaps of the running session from a source of history: asks, waits, merges what comes. It does not look for gaps."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from queue import Empty, SimpleQueue
from threading import Event
from typing import TYPE_CHECKING, NamedTuple

from tapeloom.errors import ArgumentTypeError, StateError
from tapeloom.gap.filling import Filling, FillStatus
from tapeloom.history_source import HistorySource
from tapeloom.request_quota import most_requests_of, pausing_by, quota_of
from tapeloom.session.gap_answers import Answer, ask_source
from tapeloom.session.gap_merger import FillCounts, GapMerger
from tapeloom.session.gap_requests import Ask, joined
from tapeloom.session.gap_state import FillJob, Retries
from tapeloom.waiting import is_exiting, sleep, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence, Set
    from concurrent.futures import Executor

    from tapeloom.session.gap_merger import AddBars
    from tapeloom.session.session_grids import SessionGrids
    from tapeloom.session_data import SessionData

__all__ = ["GapFiller"]

_log = logging.getLogger("tapeloom.gap_filler")

# What waits is joined with its neighbours, what has been sent is not.
_MOST_CALLS_OUT = 4

_SECOND = 1_000_000_000
_NEVER = float("inf")


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
    add
        Adds bars to the session, as of :class:`GapMerger`.
    corrected
        As of :class:`GapMerger`.
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
        add: AddBars | None = None,
        corrected: Set[tuple[str, int]] = frozenset(),
        quota_clock: Callable[[], float] = time.monotonic,
        pause: Callable[[float], object] = sleep,
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
        self._most_requests = most_requests_of(source)
        self._quota = quota_of(source)
        self._jobs: dict[tuple[str, int], FillJob] = {}
        self._next_try = _NEVER
        self._fresh: list[Filling] = []
        # Given up because every try failed: not because history has nothing.
        self._unanswered: dict[tuple[str, int], Filling] = {}
        self._out = 0
        self._session = 0
        self._closed = Event()
        self._done: SimpleQueue[_Done] = SimpleQueue()
        # Answers of this session that are not merged yet.
        self._came: deque[Answer] = deque()
        self._merger = GapMerger(session_data, grids, instant, add, corrected)
        self._asked = FillCounts()

    # The life of a session

    def start_session(self) -> None:
        """Give up what the session before left open."""
        self.give_up("the next session began")

    def give_up(self, reason: str) -> None:
        """Settle every stretch that is open; answers to come are dropped."""
        for job in list(self._jobs.values()):
            self._settled(job.abandon(reason, self._instant()))
        self._unanswered.clear()
        self._session += 1
        self._came.clear()
        self._next_try = _NEVER

    def close(self) -> None:
        """Give up everything, and have no call wait any longer for the quota of the source."""
        self.give_up("the run was stopped")
        self._closed.set()

    def try_again(self) -> None:
        """Have everything that failed so far asked for by the next ``apply_ready``, also what was given up for it.

        For when a line is up again: what was tried in vain while it was down has not had its chance.
        """
        now = self._now()
        for key, filling in self._unanswered.items():
            afresh = replace(
                filling, status=FillStatus.DETECTED, attempts=0, settled=None
            )
            if key not in self._jobs:
                self._jobs[key] = FillJob(afresh, now)
                self._keep(afresh)
        self._unanswered.clear()
        for job in self._jobs.values():
            if job.filling.status is FillStatus.DETECTED:
                job.next_try = now
                self._next_try = now

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

    def ask_again(self, symbol: str, since: int, until: int) -> None:
        """Have bars that are there asked for once more by the next ``apply_ready``: who may have corrected them was not heard.

        Those that end after ``since`` and have ended at ``until``, ns UTC.
        """
        grid = self._grids.of(symbol)
        if grid is None:
            return
        interval = self._session_data._intervals(symbol)[0]
        instant, now = self._instant(), self._now()
        missing = self._session_data._due_runs(symbol)
        # What is due later than the store knows of may be missing.
        until = min(until, self._session_data._clock or until)
        for start, end in grid.without(missing, since, until):
            before = self._jobs.get((symbol, start))
            if before is not None:
                if not before.asks_again:
                    continue
                end = max(end, before.filling.end)
            # An answer that is on its way may be older than what was not heard: it is not the one to this.
            filling = Filling(symbol, interval, start, end, 0, instant)
            self._jobs[symbol, start] = FillJob(filling, now)
            self._next_try = min(self._next_try, now)

    def forget(self, symbol: str) -> None:
        """Ask no more for a symbol that was removed; what comes of it is dropped."""
        self._forgot(symbol)

    def review(self, symbols: Iterable[str]) -> None:
        """Settle what came by itself while history was waited for, in symbols whose bars came late."""
        late = frozenset(symbols)
        waiting: dict[str, list[FillJob]] = {}
        for job in self._jobs.values() if late else ():
            if job.filling.symbol in late and not job.asks_again:
                waiting.setdefault(job.filling.symbol, []).append(job)
        for symbol, jobs in waiting.items():
            left = self._merger.left(symbol, (job.filling for job in jobs))
            for job, missing in zip(jobs, left, strict=True):
                if not missing:
                    self._settled(job.answer(0, 0, self._instant()))

    def apply_ready(self) -> list[Filling]:
        """Merge the answers that are there, then ask for what is due. Never waits for an answer.

        Returns
        -------
        list
            The stretches that were settled. Where ``filled`` is not 0, bars of theirs came into the session.

        Raises
        ------
        JournalError
            If bars cannot be written. The answer is merged by a later call.
        """
        self._merge_answers()
        self._ask()
        if self._executor is None:
            self._merge_answers()
        settled, self._fresh = self._fresh, []
        return settled

    @property
    def counts(self) -> FillCounts:
        """What was asked, and what became of what came."""
        asked = self._asked
        return self._merger.counts.plus(
            calls=asked.calls, requests=asked.requests, failures=asked.failures
        )

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
        allowed = self._seconds_to_quota()
        return max(0.0, min(waiting) - self._now(), allowed)

    @property
    def open(self) -> dict[str, FillStatus]:
        """Symbols with missing bars that are not settled: ``REQUESTED`` where some of them were asked for."""
        found: dict[str, FillStatus] = {}
        # Copied in one piece: others ask while the run goes on.
        for job in list(self._jobs.values()):
            if job.asks_again:
                continue
            status = job.filling.status
            if found.get(job.filling.symbol) is not FillStatus.REQUESTED:
                found[job.filling.symbol] = status
        return found

    @property
    def bounds(self) -> dict[str, tuple[int, int]]:
        """How many calls are out, and how many may be."""
        return {"history_calls": (self._out, _MOST_CALLS_OUT)}

    @property
    def is_idle(self) -> bool:
        """Whether every stretch is settled."""
        return not self._jobs

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

    def _quota_ns(self) -> int:
        return int(self._quota_clock() * _SECOND)

    def _seconds_to_quota(self) -> float:
        return self._quota.wait_ns(self._quota_ns()) / _SECOND

    def _may_send(self) -> bool:
        """Whether a call may be made now; without an executor this waits until it may."""
        wait = self._seconds_to_quota()
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
        left = self._merger.left(symbol, (job.filling for job in jobs))
        lacking = []
        for job, missing in zip(jobs, left, strict=True):
            if missing or job.asks_again:
                lacking.append(job)
            else:
                self._settled(job.answer(0, 0, self._instant()))
        spans = [(job.filling.start, job.filling.end) for job in lacking]
        empty = self._session_data._known_empty(symbol, spans)
        wanted = []
        for job, is_empty in zip(lacking, empty, strict=True):
            if job.asks_again or not is_empty:
                wanted.append(job)
            else:
                reason = "what is recorded says that nothing traded"
                self._settled(job.abandon(reason, self._instant()))
        return wanted

    def _forgot(self, symbol: str) -> bool:
        """Whether a symbol was removed; its stretches went with it."""
        if self._session_data._intervals(symbol):
            return False
        for kept in (self._jobs, self._unanswered):
            for key in [key for key in kept if key[0] == symbol]:
                del kept[key]
        return True

    def _send(self, asks: list[Ask]) -> None:
        self._quota.take(self._quota_ns())
        instant = self._instant()
        for ask in asks:
            for part in ask.parts:
                job = self._jobs[part.symbol, part.start]
                self._keep(job.request(instant))
        self._out += 1
        self._asked = self._asked.plus(calls=1, requests=len(asks))
        session = self._session
        if self._executor is None:
            self._answered(session, asks)
        else:
            self._executor.submit(self._answered, session, asks)

    def _answered(self, session: int, asks: list[Ask]) -> None:
        pause = self._pause if self._executor is None else self._pause_beside
        with pausing_by(pause):
            answers = ask_source(self._source, asks, self._session_data)
        self._done.put(_Done(session, answers))
        if self._wake is not None:
            self._wake()

    def _pause_beside(self, seconds: float) -> None:
        """Wait on a thread of the executor, which nobody stops: until the run is, or the interpreter ends."""

        def is_over(seconds: float) -> bool:
            return self._closed.wait(seconds) or is_exiting()

        if wait_for(is_over, seconds):
            text = "the run was stopped while it waited for the quota of the source"
            raise StateError(text)

    # Merging

    def _merge_answers(self) -> None:
        self._collect()
        while self._came:
            self._merge(self._came[0])
            self._came.popleft()

    def _collect(self) -> None:
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
            self._came += done.answers

    def _log_failures(self, answers: list[Answer]) -> None:
        failures: dict[str, list[str]] = {}
        for answer in answers:
            if answer.failure:
                failures.setdefault(answer.failure, []).append(answer.ask.symbol)
        self._asked = self._asked.plus(failures=sum(map(len, failures.values())))
        for failure, symbols in failures.items():
            named = ", ".join(symbols[:5])
            more = f" and {len(symbols) - 5} more" if len(symbols) > 5 else ""
            _log.warning("history of %s%s: %s", named, more, failure)

    def _merge(self, answer: Answer) -> None:
        """Draw the consequences of one answer."""
        symbol = answer.ask.symbol
        if self._forgot(symbol):
            return
        # Stretches that settled meanwhile are asked for no more; nor are those of a symbol that went, and came again.
        parts = tuple(part for part in answer.ask.parts if self._is_asked(part))
        if not parts:
            return
        merged = self._merger.merge(answer._replace(ask=Ask(parts)))
        for part, (came, left, changed) in zip(parts, merged, strict=True):
            job, instant = self._jobs[symbol, part.start], self._instant()
            if answer.failure and (left or job.asks_again):
                failure = answer.failure
                self._failed(job.fail(failure, self._retries, self._now(), instant))
            else:
                filling = job.answer(len(came), left, instant, len(changed))
                self._settled(filling, came, changed)

    def _is_asked(self, part: Filling) -> bool:
        """Whether an answer is waited for to the very try that was made with a stretch."""
        job = self._jobs.get((part.symbol, part.start))
        return job is not None and (
            job.filling.detected == part.detected
            and job.filling.attempts == part.attempts + 1
            and job.filling.status is FillStatus.REQUESTED
        )

    def _failed(self, filling: Filling) -> None:
        if filling.settled is not None:
            self._unanswered[filling.symbol, filling.start] = filling
            self._settled(filling)
            return
        self._keep(filling)
        self._next_try = min(
            self._next_try, self._jobs[filling.symbol, filling.start].next_try
        )

    def _settled(
        self, filling: Filling, came: Sequence[int] = (), changed: Sequence[int] = ()
    ) -> None:
        """Tell of a filling; of one that asked again for bars only of those with news, by their starts, one by one."""
        del self._jobs[filling.symbol, filling.start]
        if filling.missing:
            self._tell(filling)
            return
        if filling.reason:
            _log.info("%s", filling.line(self._session_data._times()))
        grid = self._grids.of(filling.symbol)
        if grid is None:
            return
        for start in sorted([*came, *changed]):
            end = int(grid.ends[grid.slot(start)])
            filled, corrected = int(start in came), int(start in changed)
            one = replace(filling, start=start, end=end)
            self._tell(replace(one, filled=filled, corrected=corrected))

    def _tell(self, filling: Filling) -> None:
        self._keep(filling)
        self._fresh.append(filling)
        is_quiet = filling.status is FillStatus.ABANDONED and not filling.reason
        level = logging.DEBUG if is_quiet else logging.INFO
        if _log.isEnabledFor(level):
            _log.log(level, "%s", filling.line(self._session_data._times()))

    def _keep(self, filling: Filling) -> None:
        """Keep for reports how far a filling is; where bars are asked for again, only that some were corrected."""
        if filling.missing or filling.corrected:
            self._session_data._fills.put(filling)
