"""What is read from pandas_market_calendars: sessions of known days, refusals, and what happens without it."""

from __future__ import annotations

import sys
from datetime import UTC, date, datetime, timedelta
from importlib.util import find_spec
from itertools import pairwise
from typing import Any, ClassVar
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from tapeloom.calendars.providers import from_pandas_market_calendars as provider
from tapeloom.calendars.providers.provided_sessions import ProvidedSessions
from tapeloom.errors import CalendarError, MissingDependencyError

installed = pytest.mark.skipif(
    find_spec("pandas_market_calendars") is None,
    reason="pandas_market_calendars, an extra, is not installed",
)

# Calendars that it lists and cannot build, by version: four whose holidays are not there to take over, one without a close.
REFUSED = {"5.5.0": {"ASEX", "XBEL", "XBSE", "XCYS", "XSGO"}}


def day(text: str) -> int:
    return (date.fromisoformat(text) - date(1970, 1, 1)).days


def read(name: str) -> tuple[ProvidedSessions, ZoneInfo]:
    found = provider.find_code(name)
    assert found is not None
    zone = found.zone
    assert isinstance(zone, ZoneInfo)
    return provider.read_sessions(found.code), zone


def hours(name: str, text: str) -> list[str]:
    """Pre-market, stretches and post-market of one session as wall times, ``-1`` for the day before."""
    sessions, zone = read(name)
    row = int(np.searchsorted(sessions.days, day(text)))
    assert sessions.days[row] == day(text), f"{name} has no session on {text}"
    stretches = slice(*sessions.segment_offsets[row : row + 2])
    starts, ends = sessions.segment_starts[stretches], sessions.segment_ends[stretches]
    return [
        wall_time(sessions.pre_opens[row], zone, text),
        *(
            f"{wall_time(start, zone, text)} to {wall_time(end, zone, text)}"
            for start, end in zip(starts, ends, strict=True)
        ),
        wall_time(sessions.post_closes[row], zone, text),
    ]


def wall_time(ns: int, zone: ZoneInfo, session: str) -> str:
    moment = datetime.fromtimestamp(int(ns) / 1e9, zone)
    before = moment.date() == date.fromisoformat(session) - timedelta(days=1)
    return f"{moment:%H:%M}" + "-1" * before


@installed
def test_the_version_names_the_library() -> None:
    assert provider.version().startswith("pandas_market_calendars ")


@installed
@pytest.mark.parametrize(
    ("name", "code", "zone"),
    [
        ("NYSE", "NYSE", "America/New_York"),
        ("NASDAQ", "NYSE", "America/New_York"),
        ("CL", "CMEGlobex_EnergyAndMetals", "America/Chicago"),
        ("CME_Bond", "CME_Rate", "America/Chicago"),
        ("HKEX", "HKEX", "Asia/Shanghai"),
        ("BSE", "BSE", "Asia/Calcutta"),
        ("XETR", "XETR", "Europe/Berlin"),
    ],
)
def test_a_name_or_alias_leads_to_one_code(name: str, code: str, zone: str) -> None:
    assert provider.find_code(name) == (code, ZoneInfo(zone))


@installed
def test_an_unknown_name_is_not_found() -> None:
    assert provider.find_code("ATLANTIS") is None


@installed
@pytest.mark.parametrize(
    ("name", "session", "expected"),
    [
        # An ordinary day, a half day, a minute of silence, the days around a clock change.
        ("NYSE", "2025-07-02", ["04:00", "09:30 to 16:00", "20:00"]),
        ("NYSE", "2025-07-03", ["04:00", "09:30 to 13:00", "17:00"]),
        ("NYSE", "2004-06-07", ["09:32", "09:32 to 16:00", "20:00"]),
        ("NYSE", "2025-03-07", ["04:00", "09:30 to 16:00", "20:00"]),
        ("NYSE", "2025-03-10", ["04:00", "09:30 to 16:00", "20:00"]),
        # No extended hours: pre and post are open and close.
        ("LSE", "2025-07-02", ["08:00", "08:00 to 16:30", "16:30"]),
        ("JPX", "2024-11-01", ["09:00", "09:00 to 11:30", "12:30 to 15:00", "15:00"]),
        ("JPX", "2024-11-05", ["09:00", "09:00 to 11:30", "12:30 to 15:30", "15:30"]),
        ("HKEX", "2025-07-02", ["09:30", "09:30 to 12:00", "13:00 to 16:00", "16:00"]),
        # A trade date begins the evening before. The pause at 15:15 ended in June 2021.
        (
            "CME_Equity",
            "2005-09-09",
            ["17:00-1", "17:00-1 to 15:15", "15:30 to 16:00", "16:00"],
        ),
        ("CME_Equity", "2005-09-12", ["15:30-1", "15:30-1 to 15:15", "15:15"]),
        ("CME_Equity", "2012-11-16", ["15:30-1", "15:30-1 to 15:15", "15:15"]),
        (
            "CME_Equity",
            "2012-11-19",
            ["17:00-1", "17:00-1 to 15:15", "15:30 to 16:00", "16:00"],
        ),
        (
            "CME_Equity",
            "2021-06-25",
            ["17:00-1", "17:00-1 to 15:15", "15:30 to 16:00", "16:00"],
        ),
        ("CME_Equity", "2021-06-28", ["17:00-1", "17:00-1 to 16:00", "16:00"]),
        # A session that closes before its pause has none.
        ("CME_Equity", "2020-01-20", ["17:00-1", "17:00-1 to 12:00", "12:00"]),
        ("CL", "2025-07-02", ["17:00-1", "17:00-1 to 16:00", "16:00"]),
        (
            "CMEGlobex_Grains",
            "2025-07-02",
            ["19:00-1", "19:00-1 to 07:45", "08:30 to 13:20", "13:20"],
        ),
        (
            "CME Globex Crypto",
            "2025-07-02",
            ["17:00-1", "17:00-1 to 16:00", "16:00"],
        ),
        # Its break was given up, which the library only notes beside its table.
        ("XKRX", "2000-05-19", ["09:00", "09:00 to 12:00", "13:00 to 15:00", "15:00"]),
        ("XKRX", "2000-05-22", ["09:00", "09:00 to 15:00", "15:00"]),
    ],
)
def test_a_session_has_the_hours_of_its_day(
    name: str, session: str, expected: list[str]
) -> None:
    assert hours(name, session) == expected


@installed
def test_the_same_wall_time_is_another_instant_after_a_clock_change() -> None:
    sessions, _ = read("NYSE")
    opens = dict(zip(sessions.days.tolist(), sessions.opens.tolist(), strict=True))
    before = datetime(2025, 3, 7, 14, 30, tzinfo=UTC)
    after = datetime(2025, 3, 10, 13, 30, tzinfo=UTC)
    assert opens[day("2025-03-07")] == int(before.timestamp()) * 10**9
    assert opens[day("2025-03-10")] == int(after.timestamp()) * 10**9


@installed
def test_early_closes_are_the_half_days_alone() -> None:
    sessions, _ = read("NYSE")
    start, end = np.searchsorted(
        sessions.early_closes, [day("2024-01-01"), day("2025-01-01")]
    )
    assert sessions.early_closes[start:end].tolist() == [
        day("2024-07-03"),
        day("2024-11-29"),
        day("2024-12-24"),
    ]


@installed
def test_holidays_have_their_names() -> None:
    sessions, _ = read("NYSE")
    names = {d: sessions.holiday_names[d] for d in sessions.holidays.tolist()}
    assert names[day("2025-01-09")] == "special closure"
    assert "Thanksgiving" in names[day("2025-11-27")].title()
    assert day("2025-07-05") not in sessions.holidays, "a Saturday is no holiday"


@installed
def test_the_week_of_a_day_decides_what_is_a_holiday() -> None:
    # Tel Aviv traded from Sunday to Thursday until Sunday 2026-01-04, then from Monday to Friday.
    sessions, _ = read("TASE")
    assert day("2025-12-28") in sessions.days
    assert day("2025-12-26") not in sessions.holidays
    assert day("2026-01-02") not in sessions.holidays
    assert day("2026-01-09") in sessions.days
    assert day("2026-01-11") not in sessions.holidays
    assert day("2024-10-03") in sessions.holidays


@installed
@pytest.mark.parametrize(
    ("name", "first", "last"),
    [
        ("NYSE", "1990-01-01", "2035-12-31"),
        ("IEX", "2013-08-26", "2035-12-31"),
        ("AIXK", "2017-01-01", "2035-12-31"),
        ("XTKS", "1997-01-01", "2035-12-31"),
    ],
)
def test_the_range_is_no_longer_than_what_is_known(
    name: str, first: str, last: str
) -> None:
    sessions, _ = read(name)
    assert (sessions.first_day, sessions.last_day) == (day(first), day(last))
    assert sessions.first_day <= sessions.days[0]
    assert np.all(sessions.holidays >= sessions.first_day)


@installed
def test_every_calendar_is_read_or_refused() -> None:
    refused = set()
    for name in provider.known_names():
        found = provider.find_code(name)
        assert found is not None
        if found.code != name:
            continue
        try:
            sessions = provider.read_sessions(name)
        except CalendarError:
            refused.add(name)
            continue
        edges = [sessions.pre_opens, sessions.opens, sessions.closes]
        edges += [sessions.post_closes]
        assert all(np.all(a <= b) for a, b in pairwise(edges))
        assert np.all(sessions.opens < sessions.closes)
        assert np.all(sessions.post_closes[:-1] <= sessions.pre_opens[1:])
        assert np.all(np.isin(sessions.early_closes, sessions.days))
    # What a newer version can build is welcome.
    assert refused <= REFUSED.get(provider.version().split()[1], refused)


SOUND: dict[str, str | None] = {
    "market_open": "2024-01-02T09:00",
    "market_close": "2024-01-02T17:00",
}


@installed
@pytest.mark.parametrize(
    ("columns", "why"),
    [
        ({"market_close": "2024-01-02T09:00"}, "its open is not before its close"),
        ({"market_open": None}, "it has no open or no close"),
        ({"pre": "2024-01-02T09:30"}, "its pre-market begins after its open"),
        ({"post": "2024-01-02T16:00"}, "its post-market ends before its close"),
        ({"post": "2024-01-03T09:30"}, "it reaches into the next session"),
        (
            {"break_start": "2024-01-02T16:00", "break_end": "2024-01-02T18:00"},
            "its break does not lie within its hours",
        ),
        (
            {"break_start": "2024-01-02T13:00", "break_end": "2024-01-02T12:00"},
            "its break does not lie within its hours",
        ),
        (
            {"break_start": "2024-01-02T13:00", "break_end": None},
            "its break does not lie within its hours",
        ),
    ],
)
def test_hours_that_do_not_nest_are_refused_with_their_day(
    columns: dict[str, str | None], why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    calendar = WithColumns(SOUND | columns)
    monkeypatch.setattr(provider, "_calendar", lambda _: calendar)
    with pytest.raises(CalendarError, match=f"'BROKEN' on 2024-01-02: {why}$"):
        provider.read_sessions("BROKEN")


class WithColumns:
    """Two sessions: one as given, and a sound one on the next day."""

    weekmask = "Mon Tue Wed Thu Fri"
    regular_holidays = None
    discontinued_market_times: ClassVar[dict[str, Any]] = {}

    def __init__(self, columns: dict[str, str | None]) -> None:
        self.columns = columns

    def schedule(self, *_: object, **__: object) -> Any:
        import pandas as pd

        sound = {
            "pre": "2024-01-03T09:00",
            "market_open": "2024-01-03T09:00",
            "break_start": "2024-01-03T12:00",
            "break_end": "2024-01-03T13:00",
            "market_close": "2024-01-03T17:00",
            "post": "2024-01-03T17:00",
        }
        rows = [self.columns, {name: sound[name] for name in self.columns}]
        index = pd.DatetimeIndex(["2024-01-02", "2024-01-03"])
        return pd.DataFrame(rows, index=index).apply(pd.to_datetime, utc=True)

    def early_closes(self, schedule: Any) -> Any:
        return schedule[:0]


def test_without_the_library_the_extra_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "pandas_market_calendars", None)
    with pytest.raises(MissingDependencyError) as caught:
        provider.known_names()
    assert "pip install 'tapeloom[calendars]'" in str(caught.value)
    assert caught.value.extra == "calendars"
    assert isinstance(caught.value, ImportError)
