"""What the market says of the bars of a simulated day at its end, and which corrections nobody could know of."""

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING

from tapeloom.bars import BarData
from tapeloom.live.feed import UpdatedBar
from tapeloom.live.live_player import Stage
from tapeloom.statuses import ConnectionEvent
from tapeloom.timestamps import to_ns

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.live.simulated_script import Script
    from tests.live.simulated_script_run import ScriptRun
    from tests.reference.bars import Bar

__all__ = ["Market"]

Key = tuple[str, int]


class Market:
    """The last edition of each bar that was traded, or the first where nobody could know of its correction.

    Parameters
    ----------
    script
        What was traded, and what of it was said when.
    runs
        The runs of the day; the process died between two of them.
    can_ask
        Whether a source of history had the time and the will to answer everything.
    forgets
        What was heard of corrections by a run whose journal lost the newest records: promised of none.
    """

    def __init__(
        self,
        script: Script,
        runs: Sequence[ScriptRun],
        *,
        can_ask: bool,
        forgets: frozenset[Key] = frozenset(),
    ) -> None:
        self.script = script
        self._can_ask = can_ask
        self._forgets = forgets
        # When events were taken, and when nobody could, as the store was told.
        self._begin = runs[0].handed[0].at
        self._listened = [_listened(run) for run in runs]
        self._end = max(step.at for run in runs for step in run.handed if step.is_open)
        self._on_record = _stretches(runs[-1])
        # When a bar itself came last.
        self._came = {
            (event.symbol, event.ts): at
            for at, event in script.events
            if isinstance(event, BarData)
        }
        self._said = {
            (event.bar.symbol, event.bar.ts): at
            for at, event in script.events
            if isinstance(event, UpdatedBar)
        }

    def rows(self, symbol: str, found: dict[int, Bar]) -> dict[int, Bar]:
        """The bars of a symbol as they must be at the end of a day on which these were found."""
        rows = dict(self.script.truth[symbol])
        for ts in rows:
            first, _ = self.script.first.get((symbol, ts), (None, 0))
            if first is not None and found.get(ts) == first:
                _, is_excused = self.why(symbol, ts)
                rows[ts] = first if is_excused else rows[ts]
        return rows

    def why(self, symbol: str, ts: int) -> tuple[str, bool]:
        """What became of the correction of a bar, and whether its first edition may stand for it."""
        script, key = self.script, (symbol, ts)
        if key in self._forgets:
            return "was lost with the tail of a relaxed journal", True
        (at,) = (
            said[key]
            for said in (script.unsaid, script.unheard, self._said)
            if key in said
        )
        if at > self._end:
            return "came after the end of the session", True
        absence = self._absence(at)
        if absence is not None and self._came.get(key, 0) > at:
            return f"came {absence}, and before the bar itself", True
        joined = self._joined(symbol)
        if absence is None and at < joined:
            return "came before the symbol joined", not self._can_ask
        if absence is None:
            if key in script.unsaid:
                return "was never said", True
            return "was said, or history had it", False
        # Where nobody can be asked, the record of the absence is what the day says of it.
        is_on_record = any(start <= at <= end for start, end in self._on_record)
        can_ask = self._can_ask and key not in script.holes
        return f"came {absence}", is_on_record and not can_ask

    def _absence(self, at: int) -> str | None:
        """Why nobody could listen at an instant."""
        if self.script.is_down(at):
            return "while the connection was down"
        if any(start <= at < end for start, end in self.script.sleeps):
            return "while the machine slept"
        if at < self._begin:
            return "before the run began"
        if not any(start <= at <= end for start, end in self._listened):
            return "while the process was dead, or warmed up and died"
        return None

    def _joined(self, symbol: str) -> int:
        """When a symbol was last taken in."""
        changes = self.script.changes
        return max((c.at for c in changes if c.joins and c.symbol == symbol), default=0)


def _listened(run: ScriptRun) -> tuple[int, int]:
    """From when to when a run took events: what comes while it warms up waits, and goes with it if it dies."""
    begin = run.handed[0].at
    taken = (h.at for h in run.handed if h.stage is not Stage.WARMING)
    return begin, max(taken, default=begin)


def _stretches(run: ScriptRun) -> list[tuple[int, int]]:
    """When nobody could listen, as the store has it on record."""
    found: list[tuple[int, int]] = []
    since: dict[str, int] = {}
    for report in run.reports_written:
        if not isinstance(report, ConnectionEvent):
            continue
        if not report.is_up:
            since.setdefault(report.source, to_ns(report.timestamp, UTC))
        elif report.source in since:
            found.append((since.pop(report.source), to_ns(report.timestamp, UTC)))
    return found + [(start, 2**62) for start in since.values()]
