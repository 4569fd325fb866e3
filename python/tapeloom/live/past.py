"""What lies before a live session: history and its indicators, put into the store before each session begins."""

from __future__ import annotations

from collections import Counter
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from tapeloom.config.stream_plan import StreamPlan
from tapeloom.session.history import SessionHistory
from tapeloom.session.indicators import SessionIndicators
from tapeloom.storage.notes import HISTORY_NOT_LOADED
from tapeloom.words import counted

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tapeloom.actions import Actions
    from tapeloom.calendars.time_manager import TimeManager
    from tapeloom.config.session_data_config import IndicatorSpec
    from tapeloom.session.tally import Tally
    from tapeloom.session_data import SessionData
    from tapeloom.storage.bar_source import BarSource

__all__ = ["Past"]


class Past:
    """Keeps history and indicators of history as the plan says, from session to session.

    Nothing is read ahead: the bars of a session that has not ended are not there yet.

    Parameters
    ----------
    session_data
        The store, whose symbols are registered.
    source
        Bars of earlier days.
    plan
        Which bars are kept over which days, and what each indicator reads.
    specs
        The indicators of history by name.
    time_manager
        The calendar.
    actions
        Splits, by which bars of earlier sessions are restated.
    tally
        Takes the warnings.
    """

    def __init__(
        self,
        session_data: SessionData,
        source: BarSource,
        plan: StreamPlan,
        specs: Mapping[str, IndicatorSpec],
        *,
        time_manager: TimeManager,
        actions: Actions,
        tally: Tally,
    ) -> None:
        self._session_data = session_data
        self._source = source
        self._plan = plan
        self._specs = specs
        self._time_manager = time_manager
        self._actions = actions
        self._tally = tally
        self._index: int | None = None
        self._history: SessionHistory | None = None
        # Each symbol that joins has its own, as it is prepared alone.
        self._indicators: list[tuple[StreamPlan, SessionIndicators]] = []
        #: Sentences on what nobody answered for when bars were last loaded.
        self.lacking: list[str] = []

    @property
    def kept(self) -> list[tuple[str, str]]:
        """Symbol and interval of each series of history."""
        return [] if self._history is None else self._history.kept

    def prepare(self, index: int) -> None:
        """Let the store hold what lies before session number ``index`` of the table, which it has begun."""
        with self._noting():
            if self._history is None:
                self._history = self._history_of(self._plan, index)
                self._indicators = [
                    (self._plan, self._indicators_of(self._plan, index))
                ]
            self._index = index
            self._history.prepare(index)
            for _, indicators in self._indicators:
                indicators.prepare(index)

    def finish(self) -> None:
        """Note what the session that has ended leaves behind."""
        if self._history is not None:
            self._history.finish()

    def add(self, plan: StreamPlan) -> None:
        """Do so for a symbol that joins, registered by now."""
        self._plan = StreamPlan((*self._plan.symbols, *plan.symbols))
        if self._history is None or self._index is None:
            return
        with self._noting():
            self._history = self._history.replanned(self._plan)
            indicators = self._indicators_of(plan, self._index)
            self._indicators.append((plan, indicators))
            for symbol in plan.symbols:
                self._history.join(symbol.symbol)
            indicators.prepare(self._index)

    def remove(self, symbol: str) -> None:
        """Care no more for a symbol."""
        left = tuple(p for p in self._plan.symbols if p.symbol != symbol)
        self._plan = replace(self._plan, symbols=left)
        if self._history is not None:
            self._history = self._history.replanned(self._plan)
        for _, indicators in self._indicators:
            indicators.drop(symbol)

    @contextmanager
    def _noting(self) -> Iterator[None]:
        """Keep what is not loaded meanwhile."""
        before = self._not_loaded()
        yield
        symbols = Counter(text for text, _ in self._not_loaded() - before)
        self.lacking = [
            f"{text} ({counted(count, 'symbol')})" for text, count in symbols.items()
        ]

    def _not_loaded(self) -> Counter[tuple[str, str]]:
        """How many sessions nobody answered for so far, by the reason and the symbol."""
        return Counter(
            {
                (note.text, note.symbol): note.count
                for note in self._source.notes
                if note.kind == HISTORY_NOT_LOADED
            }
        )

    def _history_of(self, plan: StreamPlan, index: int) -> SessionHistory:
        return SessionHistory(
            self._session_data,
            self._source,
            plan,
            self._time_manager.calendar.table,
            actions=self._actions,
            tally=self._tally,
            stop=index,
        )

    def _indicators_of(self, plan: StreamPlan, index: int) -> SessionIndicators:
        return SessionIndicators(
            self._session_data,
            self._source,
            plan,
            self._specs,
            time_manager=self._time_manager,
            # No session from here on is read before it has ended.
            sessions=[index],
            actions=self._actions,
        )
