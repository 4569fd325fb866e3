"""What is known of one bar: why it is there, why it is missing, or why nobody expects it."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import datetime, time, timedelta
from typing import TYPE_CHECKING

import numpy as np

from tapeloom._core import Interval
from tapeloom.bars import Provenance, normalise_symbol
from tapeloom.calendars.days import from_day
from tapeloom.errors import ArgumentError, StateError, UnknownSymbolError, did_you_mean
from tapeloom.gap.causes import cause_of, shared_cause
from tapeloom.gap.explanation import Explanation
from tapeloom.gap.filling import progress_of
from tapeloom.gap.gaps import Cause
from tapeloom.gap.sentences import bars_named, how_it_came, neighbours, parts_missing
from tapeloom.session_data.closed import no_trading_on, outside_hours
from tapeloom.session_data.gaps import SessionGaps
from tapeloom.session_data.holes import Series, is_longer_than_a_day
from tapeloom.timestamps import NS_PER_DAY, from_ns, to_ns

if TYPE_CHECKING:
    from tapeloom._core import BarData
    from tapeloom.gap.holes import Holes, Run
    from tapeloom.intervals import IntervalLike
    from tapeloom.timestamps import TimestampLike

__all__ = ["SessionExplaining"]

_TIME_OF_DAY = re.compile(r"\d{1,2}:\d{2}(?::\d{2})?")


class SessionExplaining(SessionGaps):
    """What explains single bars."""

    def explain(
        self,
        symbol: str,
        timestamp: TimestampLike | time | str,
        interval: IntervalLike | None = None,
    ) -> Explanation:
        """Return what is known of the bar in whose time an instant lies.

        Parameters
        ----------
        timestamp
            The instant; or a ``time`` or text such as ``"14:37"``, the time of day in the current session.
        interval
            Interval of the series, the base if not given.

        Returns
        -------
        Explanation
            Fields, and one sentence as ``str()``. A symbol or interval nobody keeps is an answer too, and no error.

        Raises
        ------
        ArgumentError
            If the text is no time of day.
        StateError
            For a time of day without a current session.
        """
        name = normalise_symbol(symbol)
        wanted = None if interval is None else str(Interval(interval))
        ns = self._instant(timestamp)
        kept = self._intervals(name)
        if not kept:
            text = f"{name} is not kept{did_you_mean(name, self._symbols)}"
            return Explanation(name, wanted or "", ns, "unknown_symbol", text=text)
        asked = Explanation(name, wanted or kept[0], ns, "not_due")
        if asked.interval not in kept:
            text = f"{name} has no {wanted} bars; kept: {', '.join(kept)}"
            text += f"; did you mean {_nearest(asked.interval, kept)!r}?"
            return replace(asked, status="unknown_series", text=text)
        try:
            return self._answer(self._in_calendar(asked), kept[0])
        except UnknownSymbolError:
            # Another thread removed it since.
            text = f"{name} is not kept{did_you_mean(name, self._symbols)}"
            return replace(asked, status="unknown_symbol", text=text)

    def _answer(self, asked: Explanation, base: str) -> Explanation:
        bar = self._bar_at(asked)
        if bar is None:
            return self._absent(asked, base)
        if bar.flags & Provenance.PARTIAL:
            return self._in_part(asked, bar, base)
        return self._present(asked, bar, base)

    def _instant(self, timestamp: TimestampLike | time | str) -> int:
        if isinstance(timestamp, str):
            if not _TIME_OF_DAY.fullmatch(timestamp.strip()):
                text = f"timestamp is {timestamp!r}; text must be a time of day such as '14:37', or give a datetime"
                raise ArgumentError(text, got=timestamp)
            text = timestamp.strip()
            try:
                # The standard library wants two digits of the hour.
                timestamp = time.fromisoformat(f"0{text}" if text[1] == ":" else text)
            except ValueError:
                text = f"timestamp is {timestamp!r}, which is no time of day; give one from '00:00' to '23:59:59'"
                raise ArgumentError(text, got=timestamp) from None
        if not isinstance(timestamp, time):
            return to_ns(timestamp, self.timezone)
        if timestamp.tzinfo is not None:
            text = f"timestamp is {timestamp!r}; a time of day is wall time of the exchange and has no zone"
            raise ArgumentError(text, got=timestamp)
        return self._in_session(timestamp)

    def _in_session(self, clock: time) -> int:
        """A time of day of the current session; of an overnight one it may lie on the day before."""
        day, _ = self._session
        if day is None:
            text = f"there is no current session for {clock:%H:%M}; start one, or give a whole timestamp"
            raise StateError(text)
        wall = datetime.combine(from_day(day), clock)
        found = to_ns(wall, self.timezone)
        current = self._current_session()
        if current is None or self.session_table.session_of(found) == current:
            return found
        for shift in (-1, 1):
            other = to_ns(wall + timedelta(days=shift), self.timezone)
            if self.session_table.session_of(other) == current:
                return other
        return found

    def _in_calendar(self, asked: Explanation) -> Explanation:
        """The question with session and segment, where the table knows them."""
        table = self.session_table
        if not table.covered[0] <= asked.ts < table.covered[1]:
            return asked
        at = table.session_of(asked.ts)
        date = None if at is None else from_day(int(table.dates[at]))
        return replace(asked, session=date, segment=table.session_type(asked.ts))

    def _head(self, asked: Explanation) -> str:
        return f"{asked.symbol} {self._times().at(asked.ts)} {asked.interval}"

    # A bar that is there

    def _bar_at(self, asked: Explanation) -> BarData | None:
        """The stored bar in whose time the instant lies."""
        kept = self._kept_bars(asked.symbol, asked.interval, "all")
        found = kept.between(None, asked.ts + 1)
        if not len(found):
            return None
        bar = found[-1]
        return bar if asked.ts < to_ns(bar.end, self.timezone) else None

    def _present(self, asked: Explanation, bar: BarData, base: str) -> Explanation:
        flags = Provenance(bar.flags)
        at: list[int | None] = []
        if asked.interval == base:
            # Each is the old bar, the new one and, where it is known, when it came.
            revisions: list[tuple[object, ...]] = list(self._revisions(asked.symbol))
            at = [_came_at(r) for r in revisions if getattr(r[0], "ts", None) == bar.ts]
        answer = self._about(asked, "present", bar.ts, to_ns(bar.end, self.timezone))
        came = how_it_came(flags, asked.segment, at, self._times())
        if flags & Provenance.DERIVED:
            parts = f"derived from {bar.constituents} {bars_named(base)}"
            came = parts if came == "stored" else f"{parts}, {came}"
        text = f"{self._head(answer)}: {came}"
        tries = self._tries(answer.symbol, bar.ts, bar.ts + 1)
        return replace(
            answer, flags=flags, revisions=len(at), attempts=tries, text=text
        )

    def _tries(self, name: str, start: int, end: int) -> int:
        """How often history was asked for what is, or was, missing there."""
        return progress_of(self._fills.of(name), start, end).attempts

    def _in_part(self, asked: Explanation, bar: BarData, base: str) -> Explanation:
        flags = Provenance(bar.flags)
        answer = self._about(asked, "missing", bar.ts, to_ns(bar.end, self.timezone))
        answer = replace(answer, flags=flags)
        if is_longer_than_a_day(asked.interval):
            parts = f"{bar.constituents} {bars_named(base)}"
            text = f"{self._head(answer)}: only {parts}, others are missing"
            return replace(answer, cause=Cause.UNKNOWN, text=text)
        return self._with_parts(answer, base)

    def _about(
        self, asked: Explanation, status: str, start: int, end: int
    ) -> Explanation:
        due_at = from_ns(end, self.timezone)
        return replace(asked, status=status, ts=start, due_at=due_at)

    # A bar that is not there

    def _absent(self, asked: Explanation, base: str) -> Explanation:
        table = self.session_table
        market = self._market_calendar
        session = None if asked.segment is None else table.session_of(asked.ts)
        if session is None:
            day = from_ns(asked.ts, self.timezone).date()
            return replace(asked, status="closed", text=no_trading_on(market, day))
        if not self._is_listed(asked.symbol, session):
            text = f"{self._head(asked)}: {asked.symbol} is not listed on {asked.session}, so nothing is due"
            return replace(asked, status="not_listed", text=text)
        if is_longer_than_a_day(asked.interval):
            return self._long_absent(asked)
        series = Series(asked.symbol, asked.interval, base)
        starts, ends = self._expected(series, session)
        at = int(starts.searchsorted(asked.ts, side="right")) - 1
        if at < 0 or asked.ts >= ends[at]:
            where = outside_hours(market, session, asked.ts, self._times())
            return replace(asked, status="closed", text=f"{self._head(asked)}: {where}")
        answer = self._about(asked, "missing", int(starts[at]), int(ends[at]))
        answer = replace(answer, segment="regular")
        waiting = self._not_due(answer, [session], int(ends[at]))
        if waiting is not None:
            return waiting
        if series.interval != base:
            return self._with_parts(answer, base)
        following = int(starts[at + 1]) if at + 1 < len(starts) else None
        return self._hole(answer, session, following)

    def _not_due(
        self, answer: Explanation, sessions: list[int], end: int
    ) -> Explanation | None:
        """The answer for a bar that need not be there yet, or of whose sessions none is kept."""
        day, _ = self._session
        clock = self._clock
        head = self._head(answer)
        kept = {self._current_session(), *self._history_sessions(answer.symbol)}
        if day is None or clock is None:
            text = f"{head}: no session has begun, so nothing is due"
        elif end > clock:
            text = f"{head}: becomes due at {self._times().at(end)}"
        elif kept.isdisjoint(sessions):
            which = "that session" if len(sessions) == 1 else "those sessions"
            text = f"{head}: nothing is kept of {which}, so nothing is due"
        else:
            return None
        return replace(answer, status="not_due", text=text)

    def _long_absent(self, asked: Explanation) -> Explanation:
        table = self.session_table
        end = table.bar_end(asked.ts, asked.interval)
        answer = replace(asked, due_at=from_ns(end, self.timezone))
        ends = table.known_at(table.opens, asked.interval)
        waiting = self._not_due(answer, np.flatnonzero(ends == end).tolist(), end)
        if waiting is not None:
            return waiting
        due_at = self._times().at(end)
        text = f"{self._head(asked)}: due {due_at}, no bar; cause unknown"
        return replace(answer, status="missing", cause=Cause.UNKNOWN, text=text)

    def _hole(
        self, answer: Explanation, session: int, following: int | None
    ) -> Explanation:
        """The answer for a missing base bar."""
        clock, times = self._clock, self._times()
        series = Series(answer.symbol, answer.interval, answer.interval)
        holes = self._holes_in(series, session, clock)
        run = _run_at(holes, answer.ts)
        if run is None:
            # The bar came since it was looked for.
            return self._answer(answer, series.base)
        known = self._known(series, session, clock)
        cause, evidence = cause_of(run, known)
        assert answer.due_at is not None
        due_at = times.at(to_ns(answer.due_at, self.timezone))
        due = "no bar, and none was due" if run.is_excused else f"due {due_at}, no bar"
        said = [due, f"cause {cause}" + (f": {evidence}" if evidence else "")]
        if len(run) > 1:
            said.append(f"one of {len(run)} missing {times.span(run.start, run.end)}")
            following = self._following(series, session, run)
        tries = self._tries(answer.symbol, answer.ts, answer.ts + 1)
        if tries:
            said.append(f"history was asked {tries} time{'s' if tries > 1 else ''}")
        said.append(neighbours(holes, run, following, times))
        text = f"{self._head(answer)}: {'; '.join(said)}"
        return replace(answer, cause=cause, attempts=tries, text=text)

    def _following(self, series: Series, session: int, run: Run) -> int | None:
        starts, _ = self._expected(series, session)
        at = int(starts.searchsorted(run.end))
        return int(starts[at]) if at < len(starts) else None

    def _with_parts(self, answer: Explanation, base: str) -> Explanation:
        """The answer for a derived bar that lacks base bars."""
        clock, times = self._clock, self._times()
        session = self.session_table.session_of(answer.ts)
        assert session is not None
        assert answer.due_at is not None
        series = Series(answer.symbol, answer.interval, base)
        holes = self._holes_in(series.of_base, session, clock)
        start, end = answer.ts, to_ns(answer.due_at, self.timezone)
        inside = (holes.starts >= start) & (holes.starts < end)
        absent = inside & holes.missing
        # A bar of a longer gap has the cause of the gap; one that came in part is in none.
        run = _run_at(self._holes_in(series, session, clock), start)
        span = (start, end) if run is None else (run.start, run.end)
        known = self._known(series, session, clock)
        cause, evidence = shared_cause(holes.within(*span), known)
        starts, ends = holes.starts[absent].tolist(), holes.ends[absent].tolist()
        text = parts_missing(starts, ends, int(inside.sum()), base, times)
        if cause is not Cause.UNKNOWN:
            text += f"; cause {cause}: {evidence}"
        return replace(
            answer,
            status="missing",
            cause=cause,
            attempts=self._tries(answer.symbol, start, end),
            text=f"{self._head(answer)}: {text}",
        )


def _run_at(holes: Holes, ts: int) -> Run | None:
    runs = (run for run in holes.runs() if run.start <= ts < run.end)
    return next(runs, None)


def _came_at(revision: tuple[object, ...]) -> int | None:
    at = revision[2] if len(revision) > 2 else None
    return at if isinstance(at, int) else None


def _nearest(interval: str, kept: list[str]) -> str:
    """The kept interval next in length; days and weeks are all longer than what has nanoseconds."""

    def distance(other: str) -> int:
        lengths = (Interval(text).ns or NS_PER_DAY for text in (interval, other))
        return abs(next(lengths) - next(lengths))

    return min(kept, key=distance)
