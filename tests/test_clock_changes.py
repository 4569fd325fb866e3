"""Every clock change from 1990 to 2040 in thirty zones, against the arithmetic of ``zoneinfo``."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import chain, pairwise
from typing import NamedTuple
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from tapeloom.errors import AmbiguousTimeError, NonexistentTimeError
from tapeloom.timestamps import from_ns, local_midnights, localize, to_ns
from tapeloom.timestamps.clock_changes import zone_rules

US = 1_000
SECOND = 10**9
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
NEW_YEAR = 946_684_800 * SECOND  # 2000

ZONES = (
    "Africa/Cairo",  # summer time dropped in some years, taken up again in 2023
    "Africa/Casablanca",  # an hour back for each Ramadan
    "Africa/Windhoek",  # to 2017 winter time, written as negative summer time
    "America/Caracas",  # half an hour in 2007 and 2016
    "America/Chicago",
    "America/Havana",  # changes at midnight
    "America/Managua",  # an hour back on New Year 1997
    "America/New_York",  # other weeks from 2007 on
    "America/Santiago",  # changes at midnight
    "America/Sao_Paulo",  # changes at midnight, to 2019
    "America/St_Johns",  # changes at 00:01 to 2011
    "Antarctica/Casey",  # three hours
    "Antarctica/Troll",  # two hours
    "Asia/Gaza",
    "Asia/Kathmandu",  # none since 1986
    "Asia/Khandyga",  # an hour left out on New Year 2004
    "Asia/Pyongyang",  # half an hour in 2015 and 2018
    "Asia/Tehran",  # to 2022, at midnight
    "Asia/Tokyo",  # none
    "Atlantic/Azores",
    "Australia/Lord_Howe",  # half an hour
    "Australia/Sydney",
    "Europe/Berlin",
    "Europe/Dublin",  # winter time is written as negative summer time
    "Europe/Istanbul",
    "Europe/London",
    "Europe/Moscow",
    "Pacific/Apia",  # left out a date in 2011
    "Pacific/Chatham",  # at 02:45 and 03:45
    "Pacific/Kwajalein",  # left out a date in 1993
)
every_zone = pytest.mark.parametrize("name", ZONES)


class Change(NamedTuple):
    """A clock change: its instant, and the offsets before and after it; ns."""

    at: int
    before: int
    after: int

    @property
    def stops(self) -> int:
        """The wall time that the clock would have shown."""
        return self.at + self.before

    @property
    def goes_on(self) -> int:
        """The wall time that it showed."""
        return self.at + self.after


class Probe(NamedTuple):
    """A wall time and the instants at which a clock shows it: none, one or two; ns."""

    wall: int
    instants: list[int]


# What zoneinfo says. Seconds go through datetime; no clock change falls between two.


def _offset(zone: ZoneInfo, second: int) -> int:
    offset = datetime.fromtimestamp(second, zone).utcoffset()
    assert offset is not None
    return round(offset.total_seconds()) * SECOND


@cache
def changes_of(name: str) -> tuple[Change, ...]:
    """All clock changes, found by asking for the offset every ten hours and halving."""
    zone = ZoneInfo(name)
    first, end = (
        round(datetime(y, 1, 1, tzinfo=UTC).timestamp()) for y in (1990, 2041)
    )
    found = []
    for low, high in pairwise([*range(first, end, 36_000), end]):
        before, after = _offset(zone, low), _offset(zone, high)
        if before == after:
            continue
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (
                (middle, high) if _offset(zone, middle) == before else (low, middle)
            )
        assert _offset(zone, high) == after, "two changes within ten hours"
        found.append(Change(high * SECOND, before, after))
    return tuple(found)


def instants_of(wall: int, zone: ZoneInfo) -> list[int]:
    """The instants at which a clock shows a wall time: those that lead there and back."""
    second, below = divmod(wall, SECOND)
    stamp = datetime(1970, 1, 1) + timedelta(seconds=second)  # noqa: DTZ001  (a wall time)
    found = set()
    for fold in (0, 1):
        instant = stamp.replace(tzinfo=zone, fold=fold).astimezone(UTC)
        if instant.astimezone(zone).replace(tzinfo=None) == stamp:
            found.add(round(instant.timestamp()) * SECOND + below)
    return sorted(found)


def probes_around(change: Change, zone: ZoneInfo) -> list[Probe]:
    """Wall times from two hours before to two hours after a change, and those beside its edges."""
    low, high = sorted((change.stops, change.goes_on))
    walls = set(range(low - 2 * HOUR, high + 2 * HOUR + 1, 15 * MINUTE))
    walls |= {edge + beside for edge in (low, high) for beside in (-US, -1, 1, US)}
    return [
        Probe(wall, instants_of(wall, zone)) for wall in sorted({*walls, low, high})
    ]


def instants_around(change: Change) -> list[int]:
    """Instants from two hours before to two hours after a change, and those beside it."""
    steps = set(range(change.at - 2 * HOUR, change.at + 2 * HOUR + 1, 15 * MINUTE))
    return sorted(steps | {change.at + beside for beside in (-US, -1, 1, US)})


class Case(NamedTuple):
    """One change, and the wall times around it."""

    change: Change
    probes: list[Probe]

    @property
    def valid(self) -> list[Probe]:
        """Those that occur."""
        return [probe for probe in self.probes if probe.instants]

    @property
    def twice(self) -> list[Probe]:
        """Those that occur twice."""
        return [probe for probe in self.probes if len(probe.instants) == 2]


@cache
def cases_of(name: str) -> tuple[Case, ...]:
    """All changes of a zone; in a zone that has none, an hour of no change stands for them."""
    zone = ZoneInfo(name)
    ordinary = Change(NEW_YEAR, *[_offset(zone, NEW_YEAR // SECOND)] * 2)
    changes = changes_of(name) or (ordinary,)
    return tuple(Case(change, probes_around(change, zone)) for change in changes)


def stamp_of(wall: int) -> datetime:
    """A naive datetime, or a pandas one where there are nanoseconds."""
    if wall % US:
        stamp: datetime = pd.Timestamp(wall)
        return stamp
    return datetime(1970, 1, 1) + timedelta(microseconds=wall // US)  # noqa: DTZ001  (a wall time)


def column(values: list[int]) -> NDArray[np.int64]:
    return np.array(values, dtype=np.int64)


def walls_of(probes: list[Probe]) -> NDArray[np.int64]:
    return column([probe.wall for probe in probes])


# The changes themselves


def test_there_are_as_many_changes_as_thirty_zones_have_had() -> None:
    assert len(ZONES) == len(set(ZONES)) == 30
    # 1,300 and more of them lie before 2025, where no law can change them.
    past = datetime(2025, 1, 1, tzinfo=UTC).timestamp() * SECOND
    counts = [
        (len(changes), sum(change.at < past for change in changes))
        for changes in map(changes_of, ZONES)
    ]
    assert sum(total for total, _ in counts) > 1_500
    assert sum(past for _, past in counts) > 1_300


@pytest.mark.parametrize(
    ("name", "first_year", "end_year", "minutes"),
    [
        ("America/New_York", 1990, 2025, [60, -60] * 35),
        ("Europe/London", 1990, 2025, [60, -60] * 35),
        ("Australia/Lord_Howe", 1990, 2025, [-30, 30] * 35),
        ("America/Caracas", 1990, 2025, [-30, 30]),
        ("Asia/Pyongyang", 1990, 2025, [-30, 30]),
        ("Asia/Tokyo", 1990, 2025, []),
        ("Asia/Kathmandu", 1990, 2025, []),
        ("Asia/Khandyga", 2003, 2004, [60, -60, 60]),
        ("Pacific/Kwajalein", 1990, 2025, [24 * 60]),
        ("Pacific/Apia", 2011, 2012, [-60, 60, 24 * 60]),
        ("Antarctica/Troll", 2010, 2020, [120, -120] * 10),
        ("Europe/Moscow", 2010, 2020, [60, -60, 60, -60]),
    ],
)
def test_known_history_is_found(
    name: str, first_year: int, end_year: int, minutes: list[int]
) -> None:
    begin, end = (
        datetime(year, 1, 1, tzinfo=UTC).timestamp() * SECOND
        for year in (first_year, end_year)
    )
    sizes = [c.after - c.before for c in changes_of(name) if begin <= c.at < end]
    assert [size // MINUTE for size in sizes] == minutes


@every_zone
def test_the_rules_of_a_zone_hold_every_change_of_zoneinfo(name: str) -> None:
    first, end = (
        round(datetime(year, 1, 1, tzinfo=UTC).timestamp()) * SECOND
        for year in (1990, 2041)
    )
    rules = zone_rules(ZoneInfo(name), first, end)
    found = [
        Change(at, before, after)
        for at, (before, after) in zip(
            rules.changes.tolist(), pairwise(rules.offsets.tolist()), strict=True
        )
    ]
    assert tuple(c for c in found if first <= c.at < end) == changes_of(name)


# One time at a time


@every_zone
def test_a_naive_time_follows_its_fold_or_does_not_occur(name: str) -> None:
    zone = ZoneInfo(name)
    for change, probes in cases_of(name):
        for wall, instants in probes:
            stamp = stamp_of(wall)
            for fold in (0, 1):
                if instants:
                    assert to_ns(stamp.replace(fold=fold), zone) == instants[-fold]
                    continue
                with pytest.raises(NonexistentTimeError) as caught:
                    to_ns(stamp.replace(fold=fold), zone)
                named = np.array(
                    [caught.value.start, caught.value.end], "datetime64[ns]"
                )
                assert named.astype(np.int64).tolist() == [change.stops, change.goes_on]


@every_zone
def test_an_aware_time_is_the_instant_that_zoneinfo_says(name: str) -> None:
    zone = ZoneInfo(name)
    for _, probes in cases_of(name):
        for wall, _ in probes:
            for fold in (0, 1):
                # Also where it does not occur: an aware time has one meaning everywhere.
                aware = stamp_of(wall // US * US).replace(tzinfo=zone, fold=fold)
                elapsed = aware.astimezone(UTC) - EPOCH
                assert to_ns(aware, UTC) == elapsed // timedelta(microseconds=1) * US


@every_zone
def test_an_instant_has_the_wall_time_and_fold_of_its_side_of_the_change(
    name: str,
) -> None:
    zone = ZoneInfo(name)
    for change, _ in cases_of(name):
        for ns in instants_around(change):
            offset = change.before if ns < change.at else change.after
            twice = change.at <= ns < change.at + change.before - change.after
            seen = from_ns(ns, zone)
            assert seen.replace(tzinfo=None) == stamp_of((ns + offset) // US * US)
            assert seen.utcoffset() == timedelta(microseconds=offset // US)
            assert seen.fold == twice


@every_zone
def test_an_instant_comes_back_from_its_wall_time(name: str) -> None:
    zone = ZoneInfo(name)
    for change, _ in cases_of(name):
        for ns in instants_around(change):
            seen, kept = from_ns(ns, zone), ns // US * US
            assert to_ns(seen, UTC) == kept
            assert to_ns(seen.replace(tzinfo=None), zone) == kept


# Columns


@pytest.mark.parametrize(("word", "place"), [("first", 0), ("second", -1)])
@every_zone
def test_a_column_that_says_first_or_second_is_read_as_told(
    name: str, word: str, place: int
) -> None:
    columns = [case.valid for case in cases_of(name)]
    for probes in (*columns, list(chain(*columns))):
        read = localize(walls_of(probes), ZoneInfo(name), ambiguous=word)
        assert read.tolist() == [probe.instants[place] for probe in probes]


@every_zone
def test_a_column_that_says_nothing_must_not_hold_a_time_that_occurs_twice(
    name: str,
) -> None:
    zone = ZoneInfo(name)
    for case in cases_of(name):
        once = [probe for probe in case.valid if len(probe.instants) == 1]
        read = localize(walls_of(once), zone)
        assert read.tolist() == [probe.instants[0] for probe in once]
        assert bool(case.twice) == (case.change.after < case.change.before)
        if case.twice:
            with pytest.raises(AmbiguousTimeError) as caught:
                localize(walls_of(case.valid), zone)
            assert caught.value.row == case.valid.index(case.twice[0])


@every_zone
def test_each_time_that_occurs_twice_is_an_error_alone(name: str) -> None:
    for case in cases_of(name):
        for probe in case.twice:
            for word in (None, "infer"):
                with pytest.raises(AmbiguousTimeError):
                    localize(walls_of([probe]), ZoneInfo(name), ambiguous=word)


@pytest.mark.parametrize("word", [None, "first", "second", "infer"])
@every_zone
def test_a_column_must_not_hold_a_time_that_is_left_out(
    name: str, word: str | None
) -> None:
    zone = ZoneInfo(name)
    for change, probes in cases_of(name):
        skipped = [row for row, probe in enumerate(probes) if not probe.instants]
        assert bool(skipped) == (change.after > change.before)
        if skipped:
            with pytest.raises(NonexistentTimeError) as caught:
                localize(walls_of(probes), zone, ambiguous=word)
            assert caught.value.row == skipped[0]


@every_zone
def test_each_time_left_out_is_an_error_alone(name: str) -> None:
    for _, probes in cases_of(name):
        for probe in probes:
            if not probe.instants:
                with pytest.raises(NonexistentTimeError):
                    localize(walls_of([probe]), ZoneInfo(name))


@every_zone
def test_infer_finds_the_second_hour_in_rows_of_rising_instants(name: str) -> None:
    instants, walls = [], []
    for change, _ in cases_of(name):
        rising = column(instants_around(change))
        instants.append(rising)
        offsets = np.where(rising < change.at, change.before, change.after)
        walls.append(rising + offsets)
    instants.append(np.concatenate(instants))
    walls.append(np.concatenate(walls))
    for wall, expected in zip(walls, instants, strict=True):
        read = localize(wall, ZoneInfo(name), ambiguous="infer")
        assert read.tolist() == expected.tolist()


@every_zone
def test_infer_refuses_rows_whose_wall_clock_never_falls_back(name: str) -> None:
    for case in cases_of(name):
        if case.twice:
            with pytest.raises(AmbiguousTimeError, match="falls back 0 times"):
                localize(walls_of(case.valid), ZoneInfo(name), ambiguous="infer")


# Dates


@every_zone
def test_a_date_begins_when_a_clock_first_shows_its_midnight_or_later(
    name: str,
) -> None:
    for change, _ in cases_of(name):
        days = range(change.stops // DAY - 1, change.goes_on // DAY + 2)
        expected = []
        for midnight in (day * DAY for day in days):
            before, after = midnight - change.before, midnight - change.after
            expected.append(before if before < change.at else max(after, change.at))
        assert local_midnights(column(list(days)), ZoneInfo(name)).tolist() == expected
