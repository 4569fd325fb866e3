"""Whose bars a run streams: the symbols of the plan, and those that come and go while it runs.

A group is some symbols with their queues and indicators of history. The configured symbols are one; each symbol that is added
later is a group of its own, prepared in the same way. History is one for all, since the store rolls it as a whole.
"""

from __future__ import annotations

import contextlib
from dataclasses import replace
from typing import TYPE_CHECKING

from tapeloom.calendars.days import from_day
from tapeloom.config.stream_plan import StreamPlan
from tapeloom.config.universe import Universe
from tapeloom.session.history import SessionHistory
from tapeloom.session.indicators import SessionIndicators
from tapeloom.session.queues import QueuedBars, SessionQueues

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tapeloom.actions import Actions
    from tapeloom.calendars.time_manager import TimeManager
    from tapeloom.config.session_data_config import IndicatorSpec
    from tapeloom.errors import DuplicateBarError
    from tapeloom.quotes import Quote
    from tapeloom.session.tally import Tally
    from tapeloom.session_data import SessionData
    from tapeloom.storage.bar_source import BarSource
    from tapeloom.storage.event_files import Events

__all__ = ["Roster"]


class Roster:
    """The symbols of a run, in configured order, those added later behind them.

    Parameters
    ----------
    session_data
        The store.
    source
        Where bars come from.
    time_manager
        Clock and calendar of the run.
    sessions
        Positions of the window's sessions in the session table, rising.
    tally
        Takes the warnings.
    prefetch_sessions
        Sessions loaded at once; ``None`` leaves it to the queues.
    indicators
        The indicators of history by name.
    actions
        Splits, by which history is restated.
    universe
        On which dates a symbol belongs to the run.
    extended
        Whether bars of pre- and post-market stream too.
    """

    def __init__(
        self,
        session_data: SessionData,
        source: BarSource,
        *,
        time_manager: TimeManager,
        sessions: Sequence[int],
        tally: Tally,
        prefetch_sessions: int | None,
        indicators: Mapping[str, IndicatorSpec],
        actions: Actions,
        universe: Universe | None,
        extended: bool,
    ) -> None:
        self._session_data = session_data
        self._source = source
        self._time_manager = time_manager
        # The run keeps the calendar it began with, whatever is corrected meanwhile.
        self._table = time_manager.calendar.table
        self._sessions = sessions
        self._tally = tally
        self._prefetch = prefetch_sessions
        self._indicators = indicators
        self._actions = actions
        self._universe = Universe("all") if universe is None else universe
        self._extended = extended
        self._groups: list[_Group] = []
        self._history: SessionHistory | None = None

    @property
    def symbols(self) -> list[str]:
        """All symbols of the run at present."""
        return [p.symbol for group in self._groups for p in group.plan.symbols]

    @property
    def history(self) -> list[tuple[str, str]]:
        """Symbol and interval of each series of history."""
        return [] if self._history is None else self._history.kept

    @property
    def load_seconds(self) -> float:
        """What loading the queues of the present session took."""
        return sum(group.queues.load_seconds for group in self._groups)

    def add(self, plan: StreamPlan, *, at: int = 0) -> None:
        """Take in the symbols of a plan, from the window's session number ``at`` on, and register them in the store."""
        self._session_data.register_symbols(
            (each.symbol, each.base, each.kept_intervals) for each in plan.symbols
        )
        self._tally.add_symbols([symbol.symbol for symbol in plan.symbols])
        self._session_data.make_quotes_from_bars(_quoted(plan, "GENERATED"))
        self._groups.append(self._group(plan, at))
        self._replan()

    def remove(self, symbol: str) -> None:
        """Take a symbol out; its bars in the store stay until the store is told."""
        for group in self._groups:
            left = tuple(p for p in group.plan.symbols if p.symbol != symbol)
            if len(left) < len(group.plan.symbols):
                group.keep(replace(group.plan, symbols=left))
                group.indicators.drop(symbol)
        for group in [g for g in self._groups if not g.plan.symbols]:
            group.queues.close()
            self._groups.remove(group)
        self._replan()

    def prepare(self, index: int) -> None:
        """Load history and compute indicators for session number ``index`` of the table."""
        if self._history is not None:
            self._history.prepare(index)
        for group in self._groups:
            group.indicators.prepare(index)

    def join(self, symbol: str, index: int) -> None:
        """Do so for a symbol that joins the session."""
        if self._history is not None:
            self._history.join(symbol)
        for group in self._groups:
            if symbol in group.names:
                group.indicators.prepare(index)

    def finish(self) -> None:
        """Note what the session that has ended leaves behind."""
        if self._history is not None:
            self._history.finish()

    def load(self, at: int, *, only: str | None = None) -> QueuedBars:
        """Return the queues of the window's session number ``at``, one per symbol."""
        day = from_day(int(self._table.dates[self._sessions[at]]))
        unlisted = self._universe.unlisted(day)
        found = QueuedBars({}, {})
        for group in self._groups:
            if only is not None and only not in group.names:
                continue
            queued = group.queues.load(at - group.first)
            for symbol in queued.bars.keys() - group.names:
                del queued.bars[symbol], queued.out_of_session[symbol]
            for symbol in queued.bars.keys() & unlisted:
                queued.bars[symbol] = queued.bars[symbol][:0]
                queued.out_of_session[symbol] = 0
            empty = [symbol for symbol, bars in queued.bars.items() if not len(bars)]
            if missing := [symbol for symbol in empty if symbol not in unlisted]:
                text = "no bar in a session of the window; it ran with quality 0"
                self._tally.warn("no data", text, count=len(missing), symbols=missing)
            self._say_between_sessions(group)
            found.bars.update(queued.bars)
            found.out_of_session.update(queued.out_of_session)
        return found

    def quotes(self, at: int, *, only: str | None = None) -> dict[str, Events[Quote]]:
        """Return the stored quotes of the window's session number ``at`` by symbol."""
        return {
            symbol: events
            for group in self._groups
            if group.streams_quotes and (only is None or only in group.names)
            for symbol, events in group.queues.quotes(at - group.first).items()
            if symbol in group.names
        }

    def with_rows(self, error: DuplicateBarError) -> DuplicateBarError:
        """Return the error with file and rows of the bars it is about."""
        symbol = getattr(error, "symbol", None)
        for group in self._groups:
            if symbol in group.names:
                return group.queues.with_rows(error)
        return error

    def close(self) -> None:
        """End what loads ahead."""
        with contextlib.ExitStack() as stack:
            for group in self._groups:
                stack.callback(group.queues.close)

    def _group(self, plan: StreamPlan, at: int) -> _Group:
        sessions = self._sessions[at:]
        return _Group(
            plan,
            at,
            SessionQueues(
                self._source,
                self._table,
                {symbol.symbol: symbol.base for symbol in plan.symbols},
                sessions=sessions,
                prefetch_sessions=self._prefetch,
                extended=self._extended,
                quoted=_quoted(plan, "STREAMED"),
            ),
            SessionIndicators(
                self._session_data,
                self._source,
                plan,
                self._indicators,
                time_manager=self._time_manager,
                sessions=sessions,
                actions=self._actions,
            ),
        )

    def _replan(self) -> None:
        """Let history follow the symbols that the run has now."""
        symbols = tuple(p for group in self._groups for p in group.plan.symbols)
        plan = StreamPlan(symbols)
        if self._history is None:
            self._history = SessionHistory(
                self._session_data,
                self._source,
                plan,
                self._table,
                actions=self._actions,
                tally=self._tally,
                stop=self._sessions[-1] + 1,
            )
        else:
            self._history = self._history.replanned(plan)

    def _say_between_sessions(self, group: _Group) -> None:
        for symbol, bars in group.queues.between_sessions.items():
            if symbol not in group.names:
                continue
            text = (
                "bars on days without a session, such as a weekend; not delivered: "
                "is the zone or the calendar wrong?"
            )
            self._tally.warn("no session", text, count=bars, symbols=[symbol])


class _Group:
    """Some symbols with what is theirs."""

    def __init__(
        self,
        plan: StreamPlan,
        first: int,
        queues: SessionQueues,
        indicators: SessionIndicators,
    ) -> None:
        self.first = first
        self.queues = queues
        self.indicators = indicators
        self.keep(plan)

    def keep(self, plan: StreamPlan) -> None:
        self.plan = plan
        # Asked for each symbol in turn, and before each session.
        self.names = {symbol.symbol for symbol in plan.symbols}
        self.streams_quotes = bool(_quoted(plan, "STREAMED"))


def _quoted(plan: StreamPlan, action: str) -> list[str]:
    """Return the symbols whose quotes are stored, or made from bars."""
    return [
        symbol.symbol
        for symbol in plan.symbols
        for stream in symbol.streams
        if (stream.stream, stream.action) == ("quotes", action)
    ]
