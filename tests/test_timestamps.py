"""Every accepted form of a time, the clock changes, and the errors that name what to do."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from tapeloom.errors import (
    AmbiguousTimeError,
    ArgumentError,
    ArgumentTypeError,
    NonexistentTimeError,
    TimestampError,
    TimestampUnitError,
)
from tapeloom.timestamps import check_unit, from_ns, local_midnights, localize, to_ns

NEW_YORK = ZoneInfo("America/New_York")
SECOND = 10**9
HOUR = 3600 * SECOND
# 2025-07-02 09:30 in New York.
OPEN = 1_751_463_000 * SECOND


def naive(text: str) -> datetime:
    return datetime.fromisoformat(text)


def wall(*texts: str) -> NDArray[np.int64]:
    return np.array(texts, dtype="datetime64[ns]").astype(np.int64)


@pytest.mark.parametrize(
    "value",
    [
        datetime(2025, 7, 2, 13, 30, tzinfo=UTC),
        datetime(2025, 7, 2, 9, 30, tzinfo=NEW_YORK),
        datetime(2025, 7, 2, 19, 0, tzinfo=timezone(timedelta(hours=5, minutes=30))),
        naive("2025-07-02 09:30"),
        pd.Timestamp("2025-07-02 09:30"),
        pd.Timestamp("2025-07-02 13:30", tz="UTC"),
        pd.Timestamp("2025-07-02 22:30", tz="Asia/Tokyo"),
        np.datetime64("2025-07-02T13:30"),
        np.datetime64("2025-07-02T13:30:00.000000000"),
        OPEN,
        np.int64(OPEN),
        np.uint64(OPEN),
    ],
    ids=repr,
)
def test_every_form_of_one_instant_is_the_same_nanosecond(value: object) -> None:
    assert to_ns(value, NEW_YORK) == OPEN


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
@pytest.mark.parametrize("tz", [None, "America/New_York", "UTC"])
def test_a_pandas_timestamp_of_any_unit_is_read_by_its_fields(
    unit: str, tz: str | None
) -> None:
    stamp = pd.Timestamp("2025-07-02 09:30", tz=tz).as_unit(unit)
    expected = OPEN if tz != "UTC" else OPEN - 4 * HOUR
    assert to_ns(stamp, NEW_YORK) == expected


@pytest.mark.parametrize("tz", [None, "America/New_York"])
def test_a_pandas_timestamp_keeps_its_nanoseconds(tz: str | None) -> None:
    stamp = pd.Timestamp("2025-07-02 09:30:00.123456789", tz=tz)
    assert to_ns(stamp, NEW_YORK) == OPEN + 123_456_789


def test_a_column_of_pandas_3_keeps_its_unit() -> None:
    column = pd.Series(pd.to_datetime(["2025-07-02 09:30:00.000001"])).astype(
        "datetime64[us]"
    )
    assert to_ns(column.iloc[0], NEW_YORK) == OPEN + 1_000


@pytest.mark.parametrize(
    ("text", "unit", "expected"),
    [
        ("2025", "Y", 1_735_689_600 * SECOND),
        ("2025-07", "M", 1_751_328_000 * SECOND),
        ("2025-07-03", "W", 1_751_500_800 * SECOND),
        ("2025-07-02", "D", 1_751_414_400 * SECOND),
        ("2025-07-02T13", "h", OPEN - HOUR // 2),
        ("2025-07-02T13:30:00.123", "ms", OPEN + 123_000_000),
        ("1970-01-01T00:00:00.000000001999", "ps", 1),
        ("1969-12-31T23:59:59.999999999999", "ps", -1),
    ],
)
def test_a_datetime64_of_any_unit_is_utc(text: str, unit: Any, expected: int) -> None:
    assert to_ns(np.datetime64(text, unit), NEW_YORK) == expected


def test_a_datetime64_of_several_units_counts_them() -> None:
    assert to_ns(np.datetime64(10, ("m", 15)), NEW_YORK) == 150 * 60 * SECOND


@pytest.mark.parametrize(
    "value",
    [
        True,
        np.True_,
        1.5,
        np.float64(OPEN),
        "2025-07-02",
        None,
        pd.NaT,
        np.datetime64("NaT"),
        np.timedelta64(1, "s"),
        date(2025, 7, 2),
        np.array([OPEN]),
    ],
    ids=repr,
)
def test_other_types_are_refused(value: object) -> None:
    with pytest.raises(ArgumentTypeError, match=r"^start is ") as caught:
        to_ns(value, NEW_YORK, name="start")
    assert caught.value.got is value


@pytest.mark.parametrize(
    ("value", "unit", "factor"),
    [
        (1_751_463_000, "seconds", "1_000_000_000"),
        (1_751_463_000_000, "milliseconds", "1_000_000"),
        (1_751_463_000_000_000, "microseconds", "1_000"),
    ],
)
def test_an_integer_in_another_unit_names_the_unit(
    value: int, unit: str, factor: str
) -> None:
    text = f"ts is {value}, which looks like {unit}; integers are nanoseconds: multiply by {factor}$"
    with pytest.raises(TimestampUnitError, match=text):
        to_ns(value, NEW_YORK, name="ts")


@pytest.mark.parametrize("unit", [1, 10**3, 10**6])
def test_the_units_are_told_apart_at_the_ends_of_1990_to_2100(unit: int) -> None:
    first, end = 631_152_000 * unit, 4_102_444_800 * unit
    for value in (first - 1, end, -first):
        assert to_ns(value, NEW_YORK) == value
    for value in (first, end - 1):
        with pytest.raises(TimestampUnitError):
            to_ns(value, NEW_YORK)


@pytest.mark.parametrize("ns", [0, -1, 631_152_000 * SECOND, OPEN])
def test_nanoseconds_before_1990_are_nanoseconds(ns: int) -> None:
    assert to_ns(ns, NEW_YORK) == ns


def test_a_column_is_checked_at_both_ends() -> None:
    check_unit(0, OPEN, name="ts")
    with pytest.raises(TimestampUnitError, match="ts is 1751463000"):
        check_unit(1_751_463_000, OPEN, name="ts")
    with pytest.raises(TimestampUnitError, match="ts is 1751463000"):
        check_unit(0, 1_751_463_000, name="ts")


@pytest.mark.parametrize(
    "value",
    [
        2**63,
        -(2**63),
        np.uint64(2**64 - 1),
        np.datetime64("2300-01-01", "s"),
        np.datetime64(2**62, "W"),
        naive("2300-01-01"),
        datetime(9999, 12, 31, tzinfo=UTC),
        # In the hour that a clock change leaves out, and past the range.
        naive("2300-03-11 02:30"),
        naive("0001-01-01"),
    ],
    ids=repr,
)
def test_what_int64_nanoseconds_cannot_hold_is_an_error(value: object) -> None:
    with pytest.raises(
        TimestampError, match="int64 nanoseconds reach from 1677-09-22 to 2262-04-11"
    ):
        to_ns(value, NEW_YORK)


def test_a_wall_time_that_occurs_twice_follows_its_fold() -> None:
    first, second = (naive("2025-11-02 01:30").replace(fold=fold) for fold in (0, 1))
    assert to_ns(first, NEW_YORK) == to_ns(
        datetime(2025, 11, 2, 5, 30, tzinfo=UTC), NEW_YORK
    )
    assert to_ns(second, NEW_YORK) == to_ns(first, NEW_YORK) + HOUR


def test_the_fold_of_a_pandas_timestamp_counts() -> None:
    stamp = pd.Timestamp(year=2025, month=11, day=2, hour=1, minute=30, fold=1)
    assert to_ns(stamp, NEW_YORK) == to_ns(
        datetime(2025, 11, 2, 6, 30, tzinfo=UTC), NEW_YORK
    )


@pytest.mark.parametrize("fold", [0, 1])
def test_a_wall_time_left_out_names_the_wall_times_around_it(fold: int) -> None:
    text = (
        "ts is 2025-03-09T02:30, which does not occur in America/New_York: its clocks go from 2025-03-09T02:00"
        " to 2025-03-09T03:00; give an aware time, or a wall time before 2025-03-09T02:00 or from 2025-03-09T03:00 on"
    )
    with pytest.raises(NonexistentTimeError) as caught:
        to_ns(naive("2025-03-09 02:30").replace(fold=fold), NEW_YORK, name="ts")
    assert str(caught.value) == text


def test_naive_never_means_the_zone_of_the_machine(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    assert to_ns(naive("2025-07-02 09:30"), NEW_YORK) == OPEN


def test_a_returned_datetime_is_aware_and_cut_to_microseconds() -> None:
    assert from_ns(OPEN + 1_999, NEW_YORK) == datetime(
        2025, 7, 2, 9, 30, 0, 1, tzinfo=NEW_YORK
    )
    assert from_ns(OPEN, NEW_YORK).tzinfo is NEW_YORK
    assert from_ns(-1, UTC) == datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)


def test_a_column_of_wall_times_becomes_instants() -> None:
    column = wall(
        "2025-03-08T09:30", "2025-03-10T09:30", "2025-07-02T09:30:00.000000007"
    )
    found = localize(column, NEW_YORK)
    assert (found - column).tolist() == [5 * HOUR, 4 * HOUR, 4 * HOUR]
    assert found.dtype == np.int64


def test_an_empty_column_stays_empty() -> None:
    assert localize(wall(), NEW_YORK).tolist() == []
    assert local_midnights(wall(), NEW_YORK).tolist() == []


def test_a_zone_without_clock_changes_is_a_constant_shift() -> None:
    column = wall("1990-01-01", "2035-12-31")
    assert (localize(column, UTC) == column).all()
    assert (localize(column, timezone(timedelta(hours=9))) == column - 9 * HOUR).all()


def test_a_column_that_occurs_twice_must_say_what_is_meant() -> None:
    column = wall("2025-11-02T00:59", "2025-11-02T01:30", "2025-11-02T01:31")
    with pytest.raises(AmbiguousTimeError) as caught:
        localize(column, NEW_YORK)
    assert caught.value.row == 1
    assert str(caught.value) == (
        "ts in row 1 (and 1 more) is 2025-11-02T01:30, which occurs twice in America/New_York;"
        " give ambiguous='first', 'second' or 'infer'"
    )


@pytest.mark.parametrize(("word", "hours"), [("first", 4), ("second", 5)])
def test_a_column_that_occurs_twice_is_read_as_told(word: str, hours: int) -> None:
    column = wall(
        "2025-11-02T01:30", "2025-11-02T01:00", "2025-11-02T01:59:59.999999999"
    )
    assert (localize(column, NEW_YORK, ambiguous=word) == column + hours * HOUR).all()


def test_inferring_takes_the_rows_after_the_fall_back_as_second() -> None:
    column = wall(
        *("2024-11-03T01:10", "2024-11-03T01:05", "2024-11-03T02:00"),
        *(
            "2025-11-02T00:59",
            "2025-11-02T01:00",
            "2025-11-02T01:00",
            "2025-11-02T01:59",
        ),
        *("2025-11-02T01:00", "2025-11-02T01:58", "2025-11-02T02:00"),
    )
    shift = (localize(column, NEW_YORK, ambiguous="infer") - column) // HOUR
    assert shift.tolist() == [4, 5, 5, 4, 4, 4, 4, 5, 5, 5]


@pytest.mark.parametrize(
    ("times", "falls"),
    [(["01:00", "01:59"], 0), (["01:30", "01:00", "01:30", "01:00"], 2)],
)
def test_inferring_without_one_fall_back_is_an_error(
    times: list[str], falls: int
) -> None:
    column = wall(*(f"2025-11-02T{time}" for time in times))
    with pytest.raises(AmbiguousTimeError, match=f"falls back {falls} times"):
        localize(column, NEW_YORK, ambiguous="infer")


def test_a_column_with_a_time_left_out_names_its_row() -> None:
    column = wall(
        "2025-03-09T01:59", "2025-03-09T02:00", "2025-03-09T02:59", "2025-03-09T03:00"
    )
    with pytest.raises(
        NonexistentTimeError, match=r"time in row 1 \(and 1 more\) is 2025-03-09T02:00"
    ) as caught:
        localize(column, NEW_YORK, ambiguous="infer", name="time")
    assert caught.value.row == 1


@pytest.mark.parametrize(
    "column", [[1, 2], np.zeros(2), np.zeros((2, 2), np.int64), None]
)
def test_a_column_must_be_one_dimensional_int64(column: Any) -> None:
    with pytest.raises(ArgumentTypeError, match="ts must be a 1-d int64 array"):
        localize(column, NEW_YORK)


def test_a_column_with_nat_names_its_row() -> None:
    with pytest.raises(ArgumentTypeError, match="ts in row 1 is NaT"):
        localize(wall("2025-07-02", "NaT"), NEW_YORK)


@pytest.mark.parametrize("ns", [-(2**63) + 1, 2**63 - 1])
def test_a_column_at_the_end_of_int64_is_an_error(ns: int) -> None:
    with pytest.raises(TimestampError, match="ts in row 1"):
        localize(np.array([0, ns]), NEW_YORK)


def test_an_unknown_word_is_an_error_with_a_suggestion() -> None:
    with pytest.raises(ArgumentError, match="did you mean 'infer'"):
        localize(wall("2025-07-02"), NEW_YORK, ambiguous="inferr")


@pytest.mark.parametrize(
    ("zone", "day", "first_instant"),
    [
        ("America/New_York", "2025-03-09", "2025-03-09T05:00"),
        ("America/New_York", "2025-03-10", "2025-03-10T04:00"),
        # The clocks of Chile go from 00:00 to 01:00, and in autumn from 00:00 back to 23:00.
        ("America/Santiago", "2024-09-08", "2024-09-08T04:00"),
        ("America/Santiago", "2024-04-07", "2024-04-07T04:00"),
        # Havana's go from 01:00 back to 00:00: midnight occurs twice.
        ("America/Havana", "2024-11-03", "2024-11-03T04:00"),
        # Samoa left out a whole date.
        ("Pacific/Apia", "2011-12-30", "2011-12-30T10:00"),
        ("Pacific/Apia", "2011-12-31", "2011-12-30T10:00"),
    ],
)
def test_a_local_date_begins_at_its_first_instant(
    zone: str, day: str, first_instant: str
) -> None:
    days = np.array([day], dtype="datetime64[D]").astype(np.int64)
    assert (
        local_midnights(days, ZoneInfo(zone)).tolist() == wall(first_instant).tolist()
    )


CHANGES = [
    ("America/New_York", naive("2025-03-09 02:00")),
    ("America/New_York", naive("2025-11-02 01:00")),
    ("Europe/London", naive("2024-10-27 01:00")),
    ("Europe/Dublin", naive("1971-10-31 02:00")),
    ("Australia/Lord_Howe", naive("2025-04-06 02:00")),
    ("Australia/Lord_Howe", naive("2025-10-05 02:00")),
    ("America/Santiago", naive("2024-09-08 00:00")),
    ("America/Santiago", naive("2024-04-07 00:00")),
    ("Africa/Casablanca", naive("2025-02-23 02:00")),
    ("Pacific/Apia", naive("2011-12-30 12:00")),
    ("Asia/Pyongyang", naive("2018-05-04 23:30")),
    ("America/New_York", naive("1883-11-18 12:00")),
]


def near_a_change() -> st.SearchStrategy[tuple[str, datetime]]:
    seconds = st.integers(-13 * 3600, 13 * 3600)
    moved = st.tuples(st.sampled_from(CHANGES), seconds)
    return moved.map(lambda m: (m[0][0], m[0][1] + timedelta(seconds=m[1])))


def anywhere() -> st.SearchStrategy[tuple[str, datetime]]:
    zones = st.sampled_from(
        sorted({zone for zone, _ in CHANGES} | {"Asia/Kolkata", "UTC"})
    )
    return st.tuples(zones, st.datetimes(naive("1700-01-01"), naive("2200-01-01")))


@given(case=near_a_change() | anywhere())
def test_wall_times_are_read_as_zoneinfo_reads_them(case: tuple[str, datetime]) -> None:
    zone, stamp = ZoneInfo(case[0]), case[1]
    # The instants whose wall time is the given one, found by going there and back.
    readings = {
        stamp.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1)
    }
    valid = sorted(
        u for u in readings if u.astimezone(zone).replace(tzinfo=None) == stamp
    )
    column = wall(stamp.isoformat())
    if not valid:
        with pytest.raises(NonexistentTimeError):
            to_ns(stamp, zone)
        with pytest.raises(NonexistentTimeError):
            localize(column, zone)
        return
    expected = [to_ns(valid[0], UTC), to_ns(valid[-1], UTC)]
    assert [to_ns(stamp.replace(fold=fold), zone) for fold in (0, 1)] == expected
    assert [
        int(localize(column, zone, ambiguous=w)[0]) for w in ("first", "second")
    ] == expected
    assert [from_ns(ns, zone).replace(tzinfo=None) for ns in expected] == [stamp, stamp]
