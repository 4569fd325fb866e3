"""Every session of every calendar against the libraries themselves, and the two libraries against each other.

``tests/golden/differences/`` has one file for each market that both libraries describe by themselves. Each row is a
difference, or several of one cause, with what is known of who is right.
"""

from __future__ import annotations

import csv
from datetime import date, datetime, timedelta, tzinfo
from functools import cache
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import exchange_calendars
import numpy as np
import pytest
from numpy.typing import NDArray

from tapeloom.calendars.providers import (
    from_exchange_calendars,
    from_pandas_market_calendars,
)
from tapeloom.calendars.providers.provided_sessions import (
    FIRST_DATE,
    LAST_DATE,
    NOTHING,
    ProvidedSessions,
)
from tapeloom.errors import CalendarError

DIFFERENCES = Path(__file__).parents[1] / "golden" / "differences"
EPOCH = date(1970, 1, 1)
UTC = ZoneInfo("UTC")

# These fail in exchange_calendars itself, on the index types of newer pandas.
UNBUILDABLE = {"ASEX", "XBEL", "XBSE", "XCYS", "XTAE"}
CODES = exchange_calendars.get_calendar_names(include_aliases=False)


class Difference(NamedTuple):
    """What the two libraries say about one thing of one day, as wall times of the exchange."""

    day: date
    what: str
    exchange_calendars: str
    pandas_market_calendars: str


class Explained(NamedTuple):
    """A row of a file: all differences alike from one day to another, both included."""

    first: date
    last: date
    days: int
    what: str
    exchange_calendars: str
    pandas_market_calendars: str
    explanation: str

    def covers(self, difference: Difference) -> bool:
        return self.first <= difference.day <= self.last and self[3:6] == difference[1:]


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
@pytest.mark.parametrize("code", CODES)
def test_every_session_is_that_of_exchange_calendars(code: str) -> None:
    try:
        sessions = from_exchange_calendars.read_sessions(code)
    except CalendarError:
        assert code in UNBUILDABLE
        return
    first, last = to_date(sessions.first_day), to_date(sessions.last_day)
    assert first == FIRST_DATE or not can_build(code, first - timedelta(days=1), last)
    assert last == LAST_DATE or not can_build(code, first, last + timedelta(days=1))
    calendar = exchange_calendars.get_calendar(
        code, start=first.isoformat(), end=last.isoformat()
    )
    # The integer columns behind its minute methods, where the provider reads the schedule.
    np.testing.assert_array_equal(
        sessions.days * 86_400 * 10**9, calendar.sessions_nanos
    )
    np.testing.assert_array_equal(sessions.opens, calendar.opens_nanos)
    np.testing.assert_array_equal(sessions.closes, calendar.closes_nanos)
    np.testing.assert_array_equal(*breaks_side_by_side(sessions, calendar))
    np.testing.assert_array_equal(sessions.pre_opens, sessions.opens)
    np.testing.assert_array_equal(sessions.post_closes, sessions.closes)
    assert early_closes_by_wall_time(sessions, calendar) == set(
        sessions.early_closes.tolist()
    )


def breaks_side_by_side(
    sessions: ProvidedSessions, calendar: Any
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Start and end of every session's break. A break that an early close or a late open swallows is none."""
    begins, ends = calendar.break_starts_nanos, calendar.break_ends_nanos
    real = (begins > calendar.opens_nanos) & (ends < calendar.closes_nanos)
    theirs = np.where(real, [begins, ends], NOTHING)
    ours = np.full_like(theirs, NOTHING)
    rows = np.flatnonzero(np.diff(sessions.segment_offsets) == 2)
    before = sessions.segment_offsets[rows]
    ours[0, rows] = sessions.segment_ends[before]
    ours[1, rows] = sessions.segment_starts[before + 1]
    return ours, theirs


def early_closes_by_wall_time(sessions: ProvidedSessions, calendar: Any) -> set[int]:
    """Sessions that close before the regular wall time of their day."""
    early = set()
    for day, close in zip(sessions.days.tolist(), sessions.closes, strict=True):
        regular = [
            time
            for since, time in calendar.close_times
            if since is None or since.date() <= to_date(day)
        ][-1]
        due = datetime.combine(
            to_date(day) + timedelta(days=calendar.close_offset),
            regular.replace(tzinfo=calendar.tz),
        )
        if datetime.fromtimestamp(int(close) // 10**9, UTC) < due:
            early.add(day)
    return early


def can_build(code: str, first: date, last: date) -> bool:
    try:
        exchange_calendars.get_calendar(
            code, start=first.isoformat(), end=last.isoformat()
        )
    except ValueError:
        return False
    return True


def written_for(market: str) -> tuple[str, str, str, str]:
    """Calendar in either library, and their versions, from the first line of a file."""
    head = (DIFFERENCES / f"{market}.csv").read_text().partition("\n")[0]
    _, ours, our_version, _, theirs, their_version, *_ = head.split()
    return ours, our_version, theirs, their_version.rstrip(":")


def explained(market: str) -> list[Explained]:
    with (DIFFERENCES / f"{market}.csv").open(newline="") as file:
        rows = csv.DictReader(line for line in file if not line.startswith("#"))
        return [
            Explained(
                date.fromisoformat(row["first_date"]),
                date.fromisoformat(row["last_date"]),
                int(row["days"]),
                row["what"],
                row["exchange_calendars"],
                row["pandas_market_calendars"],
                row["explanation"],
            )
            for row in rows
        ]


@cache
def differences(code: str, name: str) -> list[Difference]:
    """Every difference over the days that both libraries cover, by day."""
    left = from_exchange_calendars.read_sessions(code)
    right = from_pandas_market_calendars.read_sessions(name)
    known = from_exchange_calendars.find_code(code)
    assert known is not None
    ours, theirs = wall_times(left, known.zone), wall_times(right, known.zone)
    first = max(left.first_day, right.first_day)
    last = min(left.last_day, right.last_day)
    found = []
    for number in range(first, last + 1):
        one, other = ours.get(number), theirs.get(number)
        day = to_date(number)
        if one is None or other is None:
            if one is not other:
                answers = [
                    "closed" if hours is None else "open" for hours in (one, other)
                ]
                found.append(Difference(day, "session", *answers))
            continue
        found += [
            Difference(day, what, one[what], other[what])
            for what in one
            if one[what] != other[what]
        ]
    return found


def wall_times(sessions: ProvidedSessions, zone: tzinfo) -> dict[int, dict[str, str]]:
    """Open, close and break of every session, by day."""
    table = {}
    bounds = zip(
        sessions.segment_offsets.tolist(),
        sessions.segment_offsets[1:].tolist(),
        strict=False,
    )
    for number, (low, high) in zip(sessions.days.tolist(), bounds, strict=True):
        starts = [
            wall_time(ns, number, zone) for ns in sessions.segment_starts[low:high]
        ]
        ends = [wall_time(ns, number, zone) for ns in sessions.segment_ends[low:high]]
        pause = f"{ends[0]}-{starts[1]}" if high - low == 2 else "none"
        table[number] = {"open": starts[0], "close": ends[-1], "break": pause}
    return table


def wall_time(ns: int, number: int, zone: tzinfo) -> str:
    moment = datetime.fromtimestamp(int(ns) // 10**9, zone)
    shift = (moment.date() - to_date(number)).days
    return f"{moment:%H:%M}" + (f"{shift:+d}d" if shift else "")


def to_date(number: int) -> date:
    return EPOCH + timedelta(days=number)


MARKETS = sorted(path.stem for path in DIFFERENCES.glob("*.csv"))


@pytest.mark.skipif(
    find_spec("pandas_market_calendars") is None,
    reason="pandas_market_calendars, an extra, is not installed",
)
@pytest.mark.parametrize("market", MARKETS)
def test_every_difference_between_the_libraries_is_in_one_row(market: str) -> None:
    code, our_version, name, their_version = written_for(market)
    installed = version("exchange_calendars"), version("pandas_market_calendars")
    if installed != (our_version, their_version):
        pytest.skip(f"written for {our_version} and {their_version}, not {installed}")
    rows = explained(market)
    left = []
    counts = dict.fromkeys(rows, 0)
    for difference in differences(code, name):
        covering = [row for row in rows if row.covers(difference)]
        if len(covering) == 1:
            counts[covering[0]] += 1
        else:
            left.append((difference, len(covering)))
    assert not left, f"{len(left)} differences not in one row, first {left[:5]}"
    assert counts == {row: row.days for row in rows}
    assert all(row.days and row.explanation for row in rows)
