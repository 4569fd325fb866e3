"""Decides what is streamed, computed or left out for each symbol, and which history it needs. It loads nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from tapeloom._core import Interval
from tapeloom.bars import normalise_symbol
from tapeloom.config.plan_text import plan_text
from tapeloom.config.plan_warnings import PlanNotes, PlanWarning
from tapeloom.config.stream_request import TICKS_IGNORED, StreamRequest
from tapeloom.config.window import coming_sessions, window_sessions
from tapeloom.errors import ConfigError, PlanError

if TYPE_CHECKING:
    from tapeloom._core import SessionTable
    from tapeloom.calendars.time_manager import TimeManager
    from tapeloom.config.feed_offer import FeedOffer
    from tapeloom.config.session_config import SessionConfig
    from tapeloom.config.symbol_plan import SymbolPlan

__all__ = ["BarCatalog", "StreamPlan"]


class BarCatalog(Protocol):
    """What is stored. Every ``BarSource`` is one."""

    def get_symbols(self) -> list[str]:
        """Return the stored symbols."""

    def get_intervals(self, symbol: str) -> list[str]:
        """Return the stored intervals of a symbol; empty if it is unknown."""

    def get_ranges(self, symbol: str, interval: str) -> list[tuple[int, int]]:
        """Return the first and last bar start of each stored piece, ns UTC; asked only if the plan has a window."""


@dataclass(frozen=True, slots=True)
class StreamPlan:
    """The plan of a run: a value; the run uses exactly this object. Symbols are in configured order."""

    symbols: tuple[SymbolPlan, ...]
    warnings: tuple[PlanWarning, ...] = ()

    @classmethod
    def build(
        cls,
        config: SessionConfig,
        source: BarCatalog,
        time_manager: TimeManager | None = None,
        *,
        start: int | None = None,
        end: int | None = None,
        offer: FeedOffer | None = None,
    ) -> StreamPlan:
        """Return the plan for a configuration and what is stored.

        Parameters
        ----------
        config
            The configuration; ``symbols="all"`` means every symbol of ``source``.
        source
            What is stored; in live what history can be read from. One with a method ``has_quotes(symbol, start, end)`` says whether quotes are too.
        time_manager
            Whose sessions the dates of the configuration mean: a stored interval without a bar in their window is not
            used.
        start, end
            The window itself, ``[start, end)`` in nanoseconds UTC, in place of that of a time manager. Open where neither
            is given.
        offer
            What a feed pushes: its intervals stand in the place of the stored ones, and no bar needs to be stored. A live
            plan needs it.

        Raises
        ------
        PlanError
            If no symbol has usable data, or ``base_interval`` is not stored or does not divide a stream.
        ConfigError
            If the window of the configuration holds no session.
        """
        hours = None
        if offer is not None and time_manager is not None:
            count = config.live.sessions
            hours = time_manager.session_table, coming_sessions(time_manager, count)
        elif time_manager is not None:
            hours = _hours(config, time_manager)
            table, sessions = hours
            start = int(table.span_starts[sessions[0]]) if start is None else start
            end = int(table.span_ends[sessions[-1]]) if end is None else end
        elif offer is None and config.session_data_config.indicators:
            from tapeloom.calendars.time_manager import TimeManager

            hours = _hours(config, TimeManager(config.exchange_group))
        wanted = config.universe.symbols
        known = source.get_symbols()
        symbols = [normalise_symbol(s) for s in (known if wanted == "all" else wanted)]
        if not symbols:
            text = f"no symbols are stored{_place(source)}; the configuration asks for all of them"
            raise PlanError(text)
        request, notes = StreamRequest.of(config, hours, offer), PlanNotes()
        if offer is not None:
            request.require_offered()
        # Most sources hold nothing but bars.
        is_asked = "quotes" in request.others
        has_quotes = getattr(source, "has_quotes", _never) if is_asked else _never
        plans = []
        for symbol in symbols:
            stored = sorted(map(Interval, source.get_intervals(symbol)))
            if offer is None:
                usable = [i for i in stored if _reaches(source, symbol, i, start, end)]
                lack = request.lack(source, symbol, stored, usable, known)
                quotes = bool(has_quotes(symbol, start, end))
            else:
                # Nothing needs to be stored: a symbol may trade for the first time today.
                usable, lack, quotes = [*offer.intervals], None, offer.has_quotes
            if lack:
                notes.drop(symbol, lack)
                continue
            plans.append(request.plan(symbol, stored, usable, notes, has_quotes=quotes))
        if not plans:
            raise PlanError(notes.nothing_left(), symbols=tuple(symbols))
        if wanted == "all":
            request.note_unknown(symbols, notes)
        if "ticks" in request.others:
            for plan in plans:
                notes.add("stream_ignored", TICKS_IGNORED, plan.symbol)
        return cls(tuple(plans), notes.warnings())

    def to_dict(self) -> dict[str, Any]:
        """Return the plan as dicts, lists, texts and numbers, ready for JSON; every symbol has an entry."""
        return {
            "symbols": [plan.to_dict() for plan in self.symbols],
            "warnings": [warning.to_dict() for warning in self.warnings],
        }

    def to_text(self, *, one_by_one: bool = False) -> str:
        """Return the plan as text. Symbols with the same plan are one entry, unless ``one_by_one``."""
        return plan_text(self.symbols, self.warnings, one_by_one=one_by_one)

    def __str__(self) -> str:
        return self.to_text()


def _hours(
    config: SessionConfig, time_manager: TimeManager
) -> tuple[SessionTable, range]:
    """The session table and the sessions of the window."""
    window = config.backtest_config
    if config.mode == "live":
        text = "a live plan needs what the feed pushes; give offer=FeedOffer.of(feed.intervals, feed.channels)"
        raise ConfigError(text)
    if window is None:
        text = "backtest_config is missing; give start_date and end_date"
        raise ConfigError(text)
    sessions = window_sessions(time_manager, window.start_date, window.end_date)
    return time_manager.session_table, sessions


def _never(*_: object) -> bool:
    return False


def _reaches(
    source: BarCatalog,
    symbol: str,
    interval: Interval,
    start: int | None,
    end: int | None,
) -> bool:
    if start is None and end is None:
        return True
    return any(
        (end is None or first < end) and (start is None or last >= start)
        for first, last in source.get_ranges(symbol, interval.text)
    )


def _place(source: BarCatalog) -> str:
    """Say where bars were looked for, of a source that lies somewhere."""
    root = getattr(source, "root", None)
    return "" if root is None else f" in {root!r}"
