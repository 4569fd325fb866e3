"""A session as the records of its journal make it: done again in order, as they were done when they came."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tapeloom._core import BarData, JournalReplay
from tapeloom.calendars.days import from_day
from tapeloom.errors import JournalError, TapeloomError, UnknownSymbolError
from tapeloom.live.journal_header import CLEARED, STATES, Header, Kind
from tapeloom.statuses import ConnectionEvent, TradingStatus

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date
    from pathlib import Path

    from numpy.typing import NDArray

    from tapeloom._core import JournalRecords
    from tapeloom.calendars.time_manager import TimeManager
    from tapeloom.live.journal_header import Patience
    from tapeloom.session_data import SessionData

__all__ = ["RecoveredSession"]

_VALUES = ("open", "high", "low", "close", "volume")


class RecoveredSession:
    """What the records of a journal tell, one after the other.

    Parameters
    ----------
    time_manager
        Calendar of the session, where it has corrections of its own.
    last
        Date of the session to stop after; by default nothing is left out.
    """

    def __init__(self, time_manager: TimeManager | None, last: date | None) -> None:
        self._time_manager = time_manager
        self._last = last
        self._is_over = False
        self._again: JournalReplay | None = None
        self.session: SessionData | None = None
        """``None`` before the header."""
        self.patience: Patience | None = None
        """That of the live session whose steps were written; ``None`` where none were."""
        self.config: Mapping[str, Any] = {}
        """What the session was configured with."""
        self.dates: list[date] = []
        """Dates of the sessions that began, in order."""
        self.bars = self.refused = 0
        self.holes: list[tuple[int, str]] = []
        """Records that a salvage could not keep: how many, and why."""
        self.corrections: list[BarData] = []
        """What the feed corrected in the newest session, in order, whether the session took it or not."""

    @property
    def names(self) -> list[str | None]:
        """Symbols by number; 0 is none."""
        return [None] if self._again is None else self._again.names

    def count(self, records: JournalRecords, path: Path) -> None:
        """Count bars and holes; nothing is done."""
        texts = dict(records.texts)
        columns = records.columns()
        events = records.events
        is_bar = (columns["kind"] == Kind.BAR) | (columns["kind"] == Kind.CORRECTION)
        self.bars += int(is_bar.sum())
        for row in events:
            if columns["kind"][row] == Kind.HOLE:
                self.holes.append((int(columns["ts"][row]), texts.get(row, "")))

    def take(self, records: JournalRecords, path: Path) -> None:
        """Do everything again, in stretches between what is done here, up to the end of the session that was asked for."""
        columns, texts = records.columns(), dict(records.texts)
        start = 0
        for row in [*records.events, len(records)]:
            if self._is_over:
                return
            if row > start:
                if self._again is None:
                    text = f"{path}: records come before the header of the journal"
                    raise JournalError(text, path=path, first_seq=records.first_seq)
                has_holes = bool(self.holes)
                bars, refused = self._again.take(records, start, row, has_holes)
                self.bars += bars
                self.refused += refused
                self._note_corrections(self._again, columns, start, row)
            if row < len(records):
                event = _Event(
                    kind=Kind(int(columns["kind"][row])),
                    seq=records.first_seq + row,
                    flags=int(columns["flags"][row]),
                    symbol=int(columns["symbol"][row]),
                    ts=int(columns["ts"][row]),
                    text=texts.get(row, ""),
                )
                self._do(event, path)
            start = row + 1

    def _note_corrections(
        self,
        again: JournalReplay,
        columns: Mapping[str, NDArray[Any]],
        start: int,
        end: int,
    ) -> None:
        kinds = columns["kind"][start:end]
        for row in (start + np.flatnonzero(kinds == Kind.CORRECTION)).tolist():
            symbol = again.name(int(columns["symbol"][row]))
            # A name may have been lost with the records that a salvage could not keep.
            if symbol is not None:
                ts = int(columns["ts"][row])
                first, high, low, last, volume = (columns[n][row] for n in _VALUES)
                bar = BarData(symbol, ts, first, high, low, last, volume)
                self.corrections.append(bar)

    def _do(self, event: _Event, path: Path) -> None:
        if event.kind is Kind.HEADER:
            self._begin(event, path)
        elif event.kind is Kind.HOLE:
            self.holes.append((event.ts, event.text))
        else:
            if self.session is None:
                raise _damaged(event, path, "it comes before the header")
            try:
                self._change(self.session, event, path)
            except JournalError:
                raise
            except TapeloomError:
                # It was refused when it came, and so it is now.
                self.refused += 1

    def _begin(self, event: _Event, path: Path) -> None:
        header = Header.read(event.text, path)
        if self.session is None:
            self.session = header.session(self._time_manager, path)
            self.patience, self.config = header.patience, header.config
            waits = header.patience
            self._again = JournalReplay(
                self.session,
                patience=None
                if waits is None
                else (waits.grace_ns, waits.tolerance_ns),
            )
        else:
            header.require_calendar(self.session, path)

    def _change(self, session: SessionData, event: _Event, path: Path) -> None:
        kind = event.kind
        if kind is Kind.SESSION_START:
            day = from_day(event.ts)
            stands = session.current_session_date
            if stands is not None and stands == self._last and day != stands:
                self._is_over = True
                return
            session.start_new_session(day, roll=bool(event.flags))
            self.dates.append(day)
            self.corrections.clear()
        elif kind is Kind.SESSION_END:
            session.end_session()
        elif kind is Kind.CONNECTION:
            up = bool(event.flags)
            session.append_connection(ConnectionEvent(event.ts, up, event.text))
        elif kind is Kind.STATUS:
            state = _word(STATES, event, path)
            name = None if event.symbol == 0 else self._name(event, path)
            session.append_status(name, TradingStatus(event.ts, state, event.text))
        elif kind is Kind.CLEAR:
            what = _word(CLEARED, event, path)
            if what != "history":
                self.corrections.clear()
            {
                "session": session.clear_session_bars,
                "history": session.clear_historical_bars,
                "all": session.clear_all,
            }[what]()
        else:
            name = self._name(event, path)
            session.remove_symbol(name)
            self.corrections = [bar for bar in self.corrections if bar.symbol != name]

    def _name(self, event: _Event, path: Path) -> str:
        name = None if self._again is None else self._again.name(event.symbol)
        if name is None and self.holes:
            # Its name was lost with the records that a salvage could not keep.
            raise UnknownSymbolError(f"symbol {event.symbol} has no name any more")
        if name is None:
            raise _damaged(event, path, f"symbol {event.symbol} has no name")
        return name


@dataclass(frozen=True, slots=True)
class _Event:
    kind: Kind
    seq: int
    flags: int
    symbol: int
    ts: int
    text: str


def _word(words: Sequence[str], event: _Event, path: Path) -> str:
    if event.flags >= len(words):
        raise _damaged(event, path, f"{event.flags} is none of {', '.join(words)}")
    return words[event.flags]


def _damaged(event: _Event, path: Path, rule: str) -> JournalError:
    text = f"{path}: record {event.seq} cannot be used: {rule}; salvage keeps the rest"
    return JournalError(text, path=path, first_seq=event.seq)
