"""One session on a live feed, without a thread, a socket or a clock of its own: it is handed events and the time.

What comes goes to the journal first, then into the store, then to the analyses; then it is looked for what is missing. So a
simulated day takes the same way as a real one. Here is its life, and how it is doing; what becomes of events is in
:mod:`tapeloom.live.live_steps`.
"""

from __future__ import annotations

import numpy as np

from tapeloom._core import Interval, Live
from tapeloom.errors import JournalError
from tapeloom.gap.filling import FillStatus
from tapeloom.live.live_health import SymbolHealth, SymbolState
from tapeloom.live.live_steps import LONGEST_STEP, SILENCE, LiveSteps, next_after

__all__ = ["LiveSession"]

_SECOND = 1_000_000_000


class LiveSession(LiveSteps):
    """The streaming part of a session: from when the store has begun it to when it ends it.

    Its parameters are those of its steps.
    """

    # The life of a session

    def begin(self, now: int) -> None:
        """Take over the store's clock, in the session that it has begun, and look what it lacks by now."""
        self._tells, self._looks = False, True
        self.follow_symbols(now)
        # What the session has already is out of its journal.
        self.instants, self.base_bars, self.derived_bars = 0, *self._bars_so_far()
        self._open()
        self._filled.clear()
        self._updated.clear()
        self._arrived = None
        self._unheard_since.pop(SILENCE, None)
        corrections, self._journal.corrections = self._journal.corrections, []
        self._corrected.begin(self._session_data, corrections)
        self._owed_reports += self._noted.values()
        self._noted.clear()
        self.tick(now)
        # Until that has come nothing of the feed is taken, so nothing of it is missing.
        self._looks = False

    def _bars_so_far(self) -> tuple[int, int]:
        """Base bars and derived bars of the session."""
        store, base, derived = self._session_data, 0, 0
        for name in store._symbols:
            first, *others = store._intervals(name)
            base += store.get_bar_count(name, first)
            derived += sum(store.get_bar_count(name, each) for each in others)
        return base, derived

    def end_warm_up(self, now: int) -> None:
        """What was lacking at the begin has come, or is waited for no more: the feed's bars are taken, and looked for."""
        self._looks = True
        self._look_at = next_after(now, self._step, self._gap_grace)

    def start_telling(self) -> None:
        """From now on the analyses are told of what comes; what came before is there, and no news."""
        self._tells = True
        self._processor.take_in()

    def follow_symbols(self, now: int) -> None:
        """Take bars of the symbols that the store keeps now, and look soon what they lack."""
        self._look_at, self._insists = now, True
        store = self._session_data
        bases = {name: store._intervals(name)[0] for name in store._symbols}
        self._sorter.keep(bases)
        lengths = (Interval(base).ns for base in set(bases.values()))
        self._shortest = min((ns for ns in lengths if ns), default=LONGEST_STEP)
        self._step = min(LONGEST_STEP, self._shortest)

    def remove_symbol(self, symbol: str) -> None:
        """Drop a symbol with its bars; what of it still comes is put aside."""
        is_open = self.is_open
        self._close()
        try:
            self._journal.remove_symbol(symbol)
            self._filled.pop(symbol, None)
        finally:
            if is_open:
                self._open()
        self._quality.forget(symbol)
        self._corrected.forget(symbol)
        owed = list(enumerate(self._owed))
        self._owed = [bar for _, bar in owed if bar.symbol != symbol]
        kept = [at for at, bar in owed if bar.symbol != symbol]
        corrections = set(self._owed_corrections)
        self._owed_corrections = [
            place for place, at in enumerate(kept) if at in corrections
        ]
        for _, bar in owed:
            if bar.symbol == symbol:
                self._sorter.refused(bar, "its symbol was removed")

    def end(self, now: int) -> None:
        """Take the last step, give the clock back and end the session in journal and store."""
        if self._live is not None:
            batch = self.tick(now)
            # Who was late hears of the bars that waited.
            self._processor.flush(batch)
            # What is still asked for comes too late for the analyses, not for the store.
            self._quality.look(self._updated)
            self._quality.apply_ready()
            self._close()
        try:
            self._journal.end_session()
        except JournalError:
            # It goes on until that can be written.
            self._open()
            raise

    def close(self) -> None:
        """Give the clock back, wherever the session stands. Doing so twice changes nothing."""
        self._close()

    def _open(self) -> None:
        if self._live is None:
            indicators = self._indicators
            self._before = self.instants, self.base_bars, self.derived_bars
            self._live = Live(
                self._session_data,
                grace=self._patience.grace_ns,
                tolerance=self._patience.tolerance_ns,
                indicators=None if indicators is None else indicators.core,
            )

    def _close(self) -> None:
        live, self._live = self._live, None
        if live is not None:
            live.close()

    # How it is doing

    @property
    def is_connected(self) -> bool:
        """Whether the feed says that its connection stands."""
        return bool(self._is_connected)

    @property
    def owed(self) -> int:
        """Bars that wait because the journal cannot be written."""
        return len(self._owed)

    @property
    def fills(self) -> tuple[str, ...]:
        """The newest sentences on what was missing and what became of it."""
        lines = self.stretches.lines(self._session_data._times())
        return (*self.not_loaded, *lines)[-self.stretches.most :]

    def symbols(self, now: int) -> dict[str, SymbolHealth]:
        """Return how each symbol is doing, in configured order. O(symbols)."""
        store, quality = self._session_data, self._quality
        names = store._symbols
        newest = store._group_of(names).latest()["ts"] if names else np.empty(0)
        is_stale = self._is_stale(now)
        being_filled = {} if quality.filler is None else quality.filler.open
        known = quality.known
        found = {}
        for name, ts in zip(names, newest.tolist(), strict=True):
            intervals = store._intervals(name)
            if not intervals:
                # It went while this is asked, on another thread.
                continue
            end = ts + (Interval(intervals[0]).ns or 0) if ts > 0 else None
            gaps, missing = known.get(name, (0, 0))
            status = being_filled.get(name)
            state = SymbolState.LIVE
            if is_stale:
                state = SymbolState.STALE
            elif status is FillStatus.REQUESTED:
                state = SymbolState.FILLING
            elif status is not None:
                state = SymbolState.GAP
            found[name] = SymbolHealth(
                symbol=name,
                state=state,
                lag_seconds=None if end is None else max(0, now - end) / _SECOND,
                last_bar=end,
                gaps=gaps,
                missing=missing,
                filled=self._filled[name],
            )
        return found

    def _is_stale(self, now: int) -> bool:
        """Whether the feed is down, or has been silent for longer than any pause between its bars."""
        if not self._is_connected:
            return True
        hours = self._session_data._bounds()
        if hours is None or not hours[0] <= now < hours[1]:
            return False
        since = max(self._arrived or hours[0], hours[0])
        return self._is_silence(now - since)
