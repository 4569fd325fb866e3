"""A store that is taken from session to session as a run takes it, with bars in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tapeloom.actions import Actions
from tapeloom.calendars.days import to_day
from tapeloom.config import SessionConfig, StreamPlan
from tapeloom.session.history import SessionHistory
from tapeloom.session.tally import Tally
from tapeloom.session_data import SessionData
from tests.reference.bars import Bar
from tests.reference.gaps import expected_starts
from tests.reference.schedule import MINUTE, TradingDay
from tests.session.memory import MemorySource
from tests.strategies import bar_at

if TYPE_CHECKING:
    from datetime import date

    from tapeloom.session.result import RunWarning

__all__ = ["Run", "Tapes", "config", "dates_in", "minutes_of", "warnings_of"]

Tapes = dict[tuple[str, str], list[Bar]]


def config(
    data: list[dict[str, Any]],
    *,
    symbols: list[str],
    streams: tuple[str, ...] = ("1m",),
    **more: Any,
) -> SessionConfig:
    return SessionConfig.from_dict(
        {
            "session_name": "history",
            "mode": "backtest",
            "backtest_config": {"start_date": "2025-06-23", "end_date": "2025-07-10"},
            "session_data_config": {
                "symbols": symbols,
                "streams": list(streams),
                "historical": {"data": data},
                **more,
            },
        }
    )


class Run:
    """A store that is taken from session to session as a run takes it, without playing its bars."""

    def __init__(
        self,
        tapes: Tapes,
        asked: SessionConfig,
        actions: Actions | None = None,
    ) -> None:
        self.source = MemorySource(tapes)
        self.plan = StreamPlan.build(asked, self.source)
        rules = asked.session_data_config.bars
        self.store = SessionData(
            on_duplicate=rules.on_duplicate, extended_hours=rules.extended_hours
        )
        for plan in self.plan.symbols:
            coarse = [i for i in plan.kept_days if i != plan.base]
            self.store.register_symbol(
                plan.symbol, base_interval=plan.base, derived=[*plan.derived, *coarse]
            )
        self.tally = Tally(p.symbol for p in self.plan.symbols)
        self.table = self.store.session_table
        self.history = SessionHistory(
            self.store,
            self.source,
            self.plan,
            self.table,
            actions=Actions() if actions is None else actions,
            tally=self.tally,
        )

    def begin(self, day: date) -> SessionData:
        """Begin a session and prepare its history."""
        index = self.table.index_of(to_day(day))
        assert index is not None
        self.store.start_new_session(day, roll=True)
        self.history.prepare(index)
        return self.store

    def play(self, day: TradingDay) -> None:
        """Let the base bars of the session come in and end it."""
        for plan in self.plan.symbols:
            extended = self.store.policies["extended_hours"] != "off"
            hours = (
                (day.first_open, day.last_close) if extended else (day.open, day.close)
            )
            bars = self.source.read(plan.symbol, plan.base, *hours)
            if len(bars):
                self.store.add_bars_batch(plan.symbol, bars)
        self.store.end_session()
        self.history.finish()


def warnings_of(run: Run) -> list[RunWarning]:
    """The warnings but those of jumps: made-up prices jump every night."""
    return [w for w in run.tally.warnings if w.kind != "splits"]


def minutes_of(days: list[TradingDay], *, salt: int = 0) -> list[Bar]:
    return [bar_at(ts, salt) for day in days for ts in expected_starts(day, MINUTE)]


def dates_in(store: SessionData, symbol: str, interval: str = "1m") -> list[date]:
    bars = store.get_bars(symbol, interval, scope="history")
    return sorted({when.date() for when in bars.timestamps})
