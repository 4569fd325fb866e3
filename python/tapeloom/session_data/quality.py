"""How whole a session is: quality, and gaps with their causes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tapeloom._core import Interval
from tapeloom.bars import normalise_symbol
from tapeloom.errors import ArgumentError
from tapeloom.gap import Gap, QualityReport, missing_runs
from tapeloom.session_data.reading import SessionReading
from tapeloom.timestamps import from_ns

if TYPE_CHECKING:
    from tapeloom.intervals import IntervalLike

__all__ = ["SessionQuality"]


class SessionQuality(SessionReading):
    """What a session lacks."""

    def get_session_metrics(self, symbol: str) -> dict[str, Any]:
        """Return figures of the current session over the base bars of regular hours.

        Returns
        -------
        dict
            ``symbol, session_volume, session_high, session_low, vwap, last_update, bar_quality, bar_count``;
            ``last_update`` is the start of the newest bar, aware. Empty for a symbol that is not kept; without a bar
            the figures are ``None`` and the volume 0.0.
        """
        found = self._resolve(symbol, None)
        if found is None:
            return {}
        name, _ = found
        metrics = self._metrics(name)
        volume, high, low, vwap, count, last = metrics or (
            0.0,
            None,
            None,
            None,
            0,
            None,
        )
        return {
            "symbol": name,
            "session_volume": volume,
            "session_high": high,
            "session_low": low,
            "vwap": vwap,
            "last_update": None if last is None else from_ns(last, self.timezone),
            "bar_quality": self.get_quality(name),
            "bar_count": count,
        }

    def get_quality(
        self,
        symbol: str,
        interval: IntervalLike | None = None,
        *,
        scope: str = "session",
    ) -> float | None:
        """Return the present among the due bars in percent, 0-100.

        ``None`` when nothing is due, for a series nobody keeps and without a schedule. A derived series has the quality
        of its base. Due are the expected bars of regular hours whose end the clock has reached.
        """
        found = self._resolve(symbol, interval)
        if found is None:
            return None
        present, due = self._presence_in(found[0], scope)
        return 100.0 * present / due if due else None

    def _presence_in(self, name: str, scope: str) -> tuple[int, int]:
        if scope not in ("session", "history", "all"):
            text = f"scope is {scope!r}; it must be 'session', 'history' or 'all'"
            raise ArgumentError(text, got=scope)
        present, due = 0, 0
        if scope != "history" and self._measures["session"]:
            present, due = self._presence(name) or (0, 0)
        if scope != "session":
            past_present, past_due, _ = self._history(name)
            # History that is not measured counts as whole.
            present += past_present if self._measures["history"] else past_due
            due += past_due
        return present, due

    def get_quality_report(self, symbol: str) -> QualityReport:
        """Return the quality of a symbol's session with its counters; zeros for a symbol that is not kept."""
        found = self._resolve(symbol, None)
        if found is None:
            return QualityReport(normalise_symbol(symbol), "1m", 0, 0, 0, 0, 0, 0)
        name, interval = found
        present, due = self._presence(name) or (0, 0)
        return QualityReport(name, interval, due, present, *self._session_counts(name))

    def get_gaps(
        self,
        symbol: str,
        interval: IntervalLike | None = None,
        *,
        scope: str = "session",
    ) -> list[Gap]:
        """Return the runs of due bars that did not come, oldest first.

        A derived series has a gap where it yielded no bar; for intervals of several days none is listed, those of the base
        say what is missing.
        """
        found = self._resolve(symbol, interval)
        if found is None:
            return []
        name, wanted = found
        self._presence_in(name, scope)
        if Interval(wanted) > Interval("1d"):
            return []
        if wanted != self._intervals(name)[0]:
            runs = self._derived_gaps(name, wanted, scope)
        else:
            runs = [] if scope == "session" else self._history(name)[2]
            runs = runs if scope == "history" else [*runs, *self._missing(name)]
        zone = self.timezone
        return [
            Gap(name, wanted, from_ns(start, zone), from_ns(end, zone), n)
            for start, end, n in runs
        ]

    def _derived_gaps(
        self, name: str, interval: str, scope: str
    ) -> list[tuple[int, int, int]]:
        table, clock = self.session_table, self._clock
        indices = [] if scope == "session" else self._history_sessions(name)
        day, _ = self._session
        current = None if day is None or scope == "history" else table.index_of(day)
        stamps = self.get_bars(name, interval, scope=scope).ts
        runs: list[tuple[int, int, int]] = []
        for index in [*indices, *([] if current is None else [current])]:
            until = clock if index == current else None
            runs += missing_runs(table, index, interval, stamps, until)
        return runs
