"""Follows the quality of the running session: tells who listens, ends the run, or has gaps filled. It never gates."""

from __future__ import annotations

import logging
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeAlias

from tapeloom.errors import ArgumentError, GapError, StateError
from tapeloom.session.gap_filler import GapFiller
from tapeloom.session.gap_state import Retries
from tapeloom.session.gap_watch import GapWatch
from tapeloom.session.session_grids import SessionGrids
from tapeloom.session_data.life_cycle import require_flag
from tapeloom.timestamps import from_ns, to_ns

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Set
    from concurrent.futures import Executor

    from tapeloom._core import Batch
    from tapeloom.calendars.time_manager import TimeManager
    from tapeloom.gap import Gap, QualityReport, QualityReports
    from tapeloom.gap.filling import Filling
    from tapeloom.history_source import HistorySource
    from tapeloom.session.gap_merger import AddBars
    from tapeloom.session.gap_watch import Shortfall
    from tapeloom.session_data import SessionData

__all__ = ["DataQualityManager", "FillListener", "QualityListener"]

_log = logging.getLogger("tapeloom.quality_manager")

QualityListener: TypeAlias = "Callable[[SessionData, QualityReport], object]"
FillListener: TypeAlias = "Callable[[list[Filling]], object]"

_WORKERS = 2
_NS_PER_SECOND = 1_000_000_000


class DataQualityManager:
    """Follows what the base series of a session lack, on the coordinator's thread.

    The coordinator calls ``start_session``, ``after_batch`` after each instant it woke for, ``apply_ready`` when it has
    nothing else to do, and ``end_session``. With ``on_gap="mark"`` and nobody who listens these return at once: the store
    itself keeps quality up to date, bar by bar.

    Listeners are told of a symbol when a gap of its session begins or closes, in part or as a whole, not when one merely
    grows; and of each symbol once at the session's end.

    In a backtest gaps are filled at once, on the caller's thread, when they are seen, and tries are spaced on the clock of
    the session: the result does not depend on the speed of the run. In live calls are made by two threads.

    Parameters
    ----------
    session_data
        The store that is followed.
    enable_session_quality
        ``False``: the session is not measured, so nobody is told, nothing is filled and no gap ends the run.
    on_gap
        ``"mark"``; ``"raise"``: a new gap is a ``GapError``; ``"fill"``: history is asked for it.
    history_source
        Whom to ask. Without one, ``"fill"`` marks, with a warning in the log.
    stream_source
        Where the session's bars come from, if that can be told: to ask it again for what it lacks is an error.
    max_retries
        Tries for each gap, 1-20.
    retry_interval_seconds
        From the first try to the second; it doubles, up to 15 minutes.
    time_manager
        The clock of the session; without one it is that of the store, and the session is a backtest.
    executor
        Makes the calls of a live session; by default two threads of its own.
    now
        Seconds on the clock by which tries are spaced; in live monotonic ones by default.
    wake
        Called from another thread when an answer waits for ``apply_ready``; it must not wait.
    patience
        How long after its end a bar may come before it is looked for, ns.
    add
        Adds filled bars to the session, as of :class:`GapMerger`; where a journal is written, it does.
    corrected
        As of :class:`GapMerger`.

    Raises
    ------
    ArgumentError
        For an unknown word, a number out of range, or a history source that is the source of the stream.
    """

    def __init__(
        self,
        session_data: SessionData,
        *,
        enable_session_quality: bool = True,
        on_gap: str = "mark",
        history_source: HistorySource | None = None,
        stream_source: object = None,
        max_retries: int = 5,
        retry_interval_seconds: float = 60.0,
        time_manager: TimeManager | None = None,
        executor: Executor | None = None,
        now: Callable[[], float] | None = None,
        wake: Callable[[], object] | None = None,
        patience: int = 0,
        add: AddBars | None = None,
        corrected: Set[tuple[str, int]] = frozenset(),
    ) -> None:
        if on_gap not in ("mark", "raise", "fill"):
            text = f"on_gap is {on_gap!r}; it must be 'mark', 'raise' or 'fill'"
            raise ArgumentError(text, got=on_gap)
        require_flag(enable_session_quality, "enable_session_quality")
        retries = Retries(max_retries, retry_interval_seconds)
        self._session_data = session_data
        self._time_manager = time_manager
        self._is_live = (
            time_manager is not None and time_manager.get_current_mode() == "live"
        )
        self._measures = enable_session_quality and session_data._measures["session"]
        self._on_gap = on_gap
        self._listeners: list[QualityListener] = []
        self._fill_listeners: list[FillListener] = []
        self._grids = SessionGrids(session_data)
        self._watch = GapWatch(session_data, self._grids, patience=patience)
        # By symbol: gaps and missing bars after the last look, filling included.
        self._told: dict[str, tuple[int, int]] = {}
        self._own_executor: ThreadPoolExecutor | None = None
        self._filler: GapFiller | None = None
        if on_gap == "fill" and self._fills(history_source, stream_source):
            assert history_source is not None
            if self._is_live and executor is None:
                executor = self._own_executor = ThreadPoolExecutor(
                    _WORKERS, thread_name_prefix="tapeloom-gap-filler"
                )
            self._filler = GapFiller(
                session_data,
                history_source,
                grids=self._grids,
                retries=retries,
                instant=self._instant,
                now=now or (time.monotonic if self._is_live else self._session_seconds),
                quota_clock=now if self._is_live and now else time.monotonic,
                executor=executor,
                wake=wake,
                add=add,
                corrected=corrected,
            )
        elif on_gap != "mark" and not self._measures:
            text = "on_gap is %r, but the session's quality is not measured (enable_session_quality): gaps are not looked for"
            _log.warning(text, on_gap)

    def _fills(self, source: HistorySource | None, stream: object) -> bool:
        """Whether gaps can be filled; a source that can only repeat itself is an error."""
        if source is None:
            text = "on_gap is 'fill', but there is no history source: gaps are marked, not filled"
            _log.warning(text)
            return False
        roots = [getattr(each, "root", None) for each in (source, stream)]
        is_same = roots[0] is not None and str(roots[0]) == str(roots[1])
        if stream is not None and (source is stream or is_same):
            text = "history_source reads where the stream comes from, which lacks the same bars; give another one"
            raise ArgumentError(text, got=source)
        return self._measures

    # Clocks

    def _instant(self) -> int:
        manager = self._time_manager
        if manager is not None and self._is_live:
            return to_ns(manager.get_current_time(), self._session_data.timezone)
        clock = self._session_data._clock
        return 0 if clock is None else clock

    def _session_seconds(self) -> float:
        return self._instant() / _NS_PER_SECOND

    # Who listens

    def add_listener(self, listener: QualityListener) -> None:
        """Have ``listener(session_data, report)`` called when the state of a symbol changed."""
        self._listeners.append(listener)

    def add_fill_listener(self, listener: FillListener) -> None:
        """Have ``listener(fillings)`` called when bars of history came into the session."""
        self._fill_listeners.append(listener)

    @property
    def needs_each_instant(self) -> bool:
        """Whether the coordinator must wake for every instant, so that gaps are seen when they appear."""
        return self._measures and (
            # Live, somebody may ask at any time how the session is doing.
            self._is_live
            or bool(self._listeners)
            or self._on_gap == "raise"
            or self._filler is not None
        )

    @property
    def known(self) -> dict[str, tuple[int, int]]:
        """By symbol: gaps and missing bars of the session as of the last look; without those that lack none."""
        return self._watch.known

    @property
    def filler(self) -> GapFiller | None:
        """Who fills the gaps; ``None`` where nobody does."""
        return self._filler

    # The life of a session

    def start_session(self) -> None:
        """Begin to follow the session that the store has just started."""
        self._grids.start_session()
        self._watch.start_session()
        self._told = {}
        if self._filler is not None:
            self._filler.start_session()

    def after_batch(self, batch: Batch | None = None) -> None:
        """Look at what the instant changed; the batch has been seen by everybody else.

        Raises
        ------
        GapError
            If ``on_gap`` is ``"raise"`` and a gap has shown. ``symbol``, ``interval``, ``start``, ``end``, ``missing`` and
            ``cause`` are its facts.
        """
        if not self.needs_each_instant:
            return
        updated: set[str] = set()
        if batch is not None and batch.has_updates:
            changes = batch.changes()
            updated = {bar.symbol for bar, kind in changes if kind != "new"}
        self.look(updated)

    def look(self, updated: Iterable[str] = (), *, insists: bool = False) -> None:
        """Look at what became due since the last look, and at symbols whose bars came late; raises as ``after_batch``.

        With ``insists`` also at what a symbol that trades now and then may merely not have traded: nobody listened.
        """
        if not self.needs_each_instant:
            return
        if self._filler is not None:
            self._filler.review(updated)
        self._draw(self._watch.look(updated, insists=insists))

    def forget(self, symbol: str) -> None:
        """Follow a symbol no more that was removed."""
        if self._filler is not None:
            self._filler.forget(symbol)

    def apply_ready(self) -> list[Filling]:
        """Merge what history has answered and ask for what is due; to be called between batches, and when ``wake`` was.

        Returns
        -------
        list
            The stretches that were settled. Where ``filled`` is not 0, bars of theirs came into the session.
        """
        if self._filler is None:
            return []
        settled = self._filler.apply_ready()
        if not settled:
            return []
        self._tell_filled(settled)
        self._tell(self._watch.look_at({each.symbol for each in settled}))
        return settled

    def try_again(self) -> None:
        """Have what history was asked for in vain asked for once more by the next ``apply_ready``: a line is up again."""
        if self._filler is not None:
            self._filler.try_again()

    def ask_again(self, since: int, until: int) -> None:
        """Have bars that are there asked for once more, of all symbols: who may have corrected them was not heard.

        Those that end after ``since`` and have ended at ``until``, ns UTC.
        """
        if self._filler is not None:
            for name in self._session_data._symbols:
                self._filler.ask_again(name, since, until)

    @property
    def seconds_until_next(self) -> float | None:
        """In how many seconds ``apply_ready`` has something to ask; ``None`` where it only waits for answers, or nothing."""
        return None if self._filler is None else self._filler.seconds_until_next

    def remove_symbol(self, symbol: str) -> None:
        """Forget a symbol that was removed from the session."""
        self._watch.remove(symbol)
        self._told.pop(symbol, None)

    def end_session(self) -> None:
        """Look at the whole session once more, and tell of each symbol. Answers to come are merged until the next one begins."""
        if not self.needs_each_instant:
            return
        # What is judged only now is news to the filler; listeners are told of every symbol anyway.
        self._draw(self._watch.look(self._session_data._symbols), is_end=True)
        for name in self._session_data._symbols:
            self._call(name)

    def close(self) -> None:
        """Stop asking, without waiting: calls that have begun end by themselves, and their answers are dropped."""
        if self._filler is not None:
            self._filler.close()
            self._filler = None
        if self._own_executor is not None:
            self._own_executor.shutdown(wait=False, cancel_futures=True)

    def __enter__(self) -> DataQualityManager:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # What follows from a look

    def _draw(self, shortfalls: list[Shortfall], *, is_end: bool = False) -> None:
        filler = self._filler
        if filler is not None:
            for shortfall in shortfalls:
                for start, end in shortfall.new:
                    filler.detect(shortfall.symbol, start, end)
            fillings = filler.apply_ready()
            self._tell_filled(fillings)
            settled = {each.symbol for each in fillings}
            after = {each.symbol: each for each in self._watch.look_at(settled)}
            shortfalls = [after.pop(each.symbol, each) for each in shortfalls]
            shortfalls += after.values()
        if not is_end:
            self._tell(shortfalls)
        if self._on_gap == "raise":
            self._require_none(shortfalls)

    def _tell(self, shortfalls: Iterable[Shortfall]) -> None:
        for name, gaps, missing, _ in shortfalls:
            before, lacked = self._told.get(name, (0, 0))
            if gaps != before or missing < lacked:
                self._call(name)
            self._told[name] = gaps, missing

    def _tell_filled(self, fillings: list[Filling]) -> None:
        came = [each for each in fillings if each.filled or each.corrected]
        for listener in self._fill_listeners if came else ():
            listener(came)

    def _call(self, name: str) -> None:
        if not self._listeners:
            return
        report = self._session_data.get_quality_report(name)
        for listener in self._listeners:
            listener(self._session_data, report)

    def _require_none(self, shortfalls: Iterable[Shortfall]) -> None:
        new = [(start, each.symbol) for each in shortfalls for start, _ in each.new]
        if not new:
            return
        first = min(start for start, _ in new)
        name = next(symbol for start, symbol in new if start == first)
        gap = self._gap_at(name, first)
        span = f"{gap.start:%Y-%m-%d %H:%M:%S}-{gap.end:%H:%M:%S}"
        others = len({symbol for _, symbol in new}) - 1
        also = f", and {others} more symbols lack bars" if others else ""
        text = f"{name} {gap.interval} has no bars {span}: {gap.missing} missing, cause {gap.cause}{also}"
        text += "; on_gap is 'raise', 'mark' goes on"
        raise GapError(
            text,
            symbol=name,
            interval=gap.interval,
            start=gap.start,
            end=gap.end,
            missing=gap.missing,
            cause=gap.cause,
            evidence=gap.evidence,
        )

    def _gap_at(self, name: str, start: int) -> Gap:
        at = from_ns(start, self._session_data.timezone)
        gaps = self._session_data.get_gaps(name)
        return next(gap for gap in gaps if gap.start <= at < gap.end)

    # Reports

    def report(self, symbol: str) -> QualityReport:
        """Return the quality of a symbol's session with its counters; see ``SessionData.get_quality_report``."""
        return self._session_data.get_quality_report(symbol)

    def reports(self) -> QualityReports:
        """Return the reports of all symbols, in configured order."""
        return self._session_data.get_quality_reports()

    def fill_lines(self) -> list[str]:
        """Return a sentence for each stretch of missing bars of this session that was to be filled."""
        bounds = self._session_data._bounds()
        if bounds is None:
            raise StateError("there is no current session; start one")
        times = self._session_data._times()
        return [
            each.line(times)
            for each in self._session_data._fills.all()
            if bounds[0] <= each.start < bounds[1]
        ]
