"""What is wrong with an overlay is told in words that say where, and all at once."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from tapeloom.calendars import TimeManager
from tapeloom.errors import CalendarError, TapeloomError


@pytest.fixture
def written(tmp_path: Path) -> Callable[[str], Path]:
    """Writes the text of an overlay file and returns its path."""

    def write(text: str) -> Path:
        path = tmp_path / "overlay.json"
        path.write_text(text, encoding="utf-8")
        return path

    return write


def refused(overlay: Any, group: str = "US_EQUITY") -> CalendarError:
    """The error that an overlay gives, on first use of the calendar and ever after."""
    manager = TimeManager(group, overlay=overlay)
    for _ in range(2):
        with pytest.raises(CalendarError) as caught:
            manager.is_trading_day(date(2025, 8, 7))
    return caught.value


def refused_day(hours: object, day: str = "2025-08-07") -> str:
    return str(refused({"XNYS": {day: hours}}))


@pytest.mark.parametrize(
    ("hours", "fault"),
    [
        ("shut", "'shut' must be \"closed\" or an object"),
        (None, 'None must be "closed" or an object'),
        (["09:30", "16:00"], 'must be "closed" or an object'),
        ({}, 'regular is missing; give [open, close], or "closed"'),
        ({"pre": ["04:00", "09:30"]}, "regular is missing"),
        (
            {"reglar": ["09:30", "16:00"]},
            "unknown key 'reglar'; did you mean 'regular'?; keys are closed, name",
        ),
        ({"regular": "09:30-16:00"}, "must be a list of two times, or four"),
        ({"regular": ["09:30"]}, "must be a list of two times, or four"),
        ({"regular": ["09:30", "12:00", "13:00"]}, "must be a list of two times"),
        ({"regular": ["16:00", "09:30"]}, "times must rise"),
        ({"regular": ["09:30", "09:30"]}, "times must rise"),
        ({"regular": ["09:30", "12:00", "12:00", "16:00"]}, "times must rise"),
        ({"regular": ["9:30", "16:00"]}, "regular[0] is '9:30'; write HH:MM"),
        ({"regular": [570, 960]}, "regular[0] is 570; write HH:MM"),
        ({"regular": ["09:30", "16:00-2d"]}, "regular[1] is '16:00-2d'; write HH:MM"),
        ({"regular": ["09:30", "16:60"]}, "'16:60', which is no time of day"),
        (
            {"regular": ["09:30", "24:00"]},
            "no time of day; midnight at the end of the day is '00:00+1d'",
        ),
        (
            {"regular": ["09:30", "16:00"], "pre": ["04:00", "09:00"]},
            "pre ends at 09:00; it must end at the open, 09:30",
        ),
        (
            {"regular": ["09:30", "16:00"], "post": ["16:30", "20:00"]},
            "post begins at 16:30; it must begin at the close, 16:00",
        ),
        (
            {
                "regular": ["09:30", "16:00"],
                "pre": ["04:00", "05:00", "06:00", "09:30"],
            },
            "must be a list of two times",
        ),
        ({"closed": "yes"}, "closed is 'yes'; it must be true or false"),
        (
            {"closed": True, "regular": ["09:30", "16:00"]},
            "closed is true, and yet there are regular hours",
        ),
        ({"closed": True, "name": " "}, "name is ' '; it must be text"),
        ({"closed": True, "name": 5}, "name is 5; it must be text"),
    ],
)
def test_a_day_that_cannot_be_read_says_why(hours: object, fault: str) -> None:
    text = refused_day(hours)
    assert text.startswith("overlay: 1 error\n  XNYS.2025-08-07: ")
    assert fault in text


@pytest.mark.parametrize(
    "key",
    [
        "Thursday",
        "2025-8-7",
        "20250807",
        "2025-W32-4",
        "2025-02-29",
        "2025-08-07T00:00",
        "",
    ],
)
def test_a_key_that_is_no_date_says_how_to_write_one(key: str) -> None:
    assert f"XNYS.{key}: no date; write YYYY-MM-DD" in refused_day("closed", key)


def test_dates_of_a_mapping_are_text_as_those_of_a_file_are() -> None:
    text = str(refused({"XNYS": {date(2025, 8, 7): "closed"}}))
    assert "no date; write YYYY-MM-DD" in text


def test_a_calendar_that_does_not_exist_is_named() -> None:
    text = str(refused({"XNYZ": {"2025-08-07": "closed"}}))
    assert "XNYZ: no calendar and no exchange group" in text


def test_a_calendar_holds_dates() -> None:
    assert "XNYS: must be an object of dates" in str(refused({"XNYS": "closed"}))


def test_one_day_under_two_names_of_a_calendar_is_told() -> None:
    days = {"2025-08-07": "closed"}
    text = str(refused({"XNYS": days, "NASDAQ": days}))
    assert "NASDAQ.2025-08-07: XNYS has this date under another name too" in text


def test_faults_in_the_days_of_another_calendar_are_told_too() -> None:
    text = str(refused({"XLON": {"2025-08-07": "shut"}}))
    assert "XLON.2025-08-07: 'shut' must be" in text


def test_all_faults_of_a_file_come_at_once(written: Callable[[str], Path]) -> None:
    path = written(
        """{"XNYS": {"2025-08-07": "shut", "yesterday": "closed", "2025-08-08": "closed",
                     "2025-08-08": "closed", "2025-08-11": {"regular": ["16:00", "09:30"]}},
            "XNYZ": {}, "XLON": [1e999]}"""
    )
    error = refused(path)
    where = [
        "XLON[0]",
        "XNYS.2025-08-08",
        "XNYS.2025-08-07",
        "XNYS.yesterday",
        "XNYS.2025-08-11",
        "XNYZ",
        "XLON",
    ]
    assert sorted(path for path, _ in error.errors) == sorted(where)  # type: ignore[attr-defined]  # a fact of the error
    lines = str(error).splitlines()
    assert lines[0] == "overlay.json: 7 errors"
    assert all(any(line.startswith(f"  {at}: ") for line in lines) for at in where)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "not JSON: line 1, column 1"),
        ('{"XNYS": {"2025-08-07": "closed",}}', "not JSON: line 1, column 3"),
        ("[]", "the top level is a list; it must be an object"),
        ('{"XNYS": {"2025-08-07": {"closed": NaN}}}', "NaN is not a finite number"),
        ('{"XNYS": {}, "XNYS": {}}', "XNYS: key comes twice"),
        (
            '{"XNYS": {"2025-08-07": "closed", "2025-08-07": "closed"}}',
            "XNYS.2025-08-07: key comes twice",
        ),
        (
            '{"XNYS": {"2025-08-07": {"closed": true, "closed": true}}}',
            "XNYS.2025-08-07.closed: key comes twice",
        ),
        ("[" * 100_000, "nested too deeply"),
        (" " * (2**20 + 1), "larger than 1 MiB"),
    ],
)
def test_a_file_that_is_no_json_object_says_where(
    written: Callable[[str], Path], text: str, fault: str
) -> None:
    error = str(refused(written(text)))
    assert error.startswith("overlay.json: ")
    assert fault in error


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    path = tmp_path / "nowhere.json"
    assert f"{path}: 1 error\n  no such file" in str(refused(path))
    assert "cannot be read" in str(refused(tmp_path))


def test_a_file_that_is_not_utf8_is_told(tmp_path: Path) -> None:
    path = tmp_path / "overlay.json"
    path.write_bytes(b'{"XNYS": {"2025-08-07": {"closed": true, "name": "\xe9"}}}')
    assert "not UTF-8 at byte 50" in str(refused(path))


# What only the calendar knows


@pytest.mark.parametrize("day", ["1989-12-31", "2036-01-01", "0001-01-01"])
def test_a_day_outside_the_calendar_names_the_covered_range(day: str) -> None:
    text = refused_day("closed", day)
    expected = "which covers 1990-01-01 to 2035-12-31"
    assert text == f"overlay: {day} lies outside the calendar, {expected}"


def test_the_days_of_a_shorter_calendar_are_its_own() -> None:
    text = str(refused({"XTKS": {"1996-12-31": "closed"}}, "JP_EQUITY"))
    assert "which covers 1997-01-01" in text


def test_a_wall_time_that_does_not_occur_is_refused() -> None:
    text = refused_day({"regular": ["02:30", "16:00"]}, "2025-03-09")
    assert text.startswith("overlay: 2025-03-09: ")
    assert "02:30-16:00 does not occur in America/New_York" in text


@pytest.mark.parametrize(
    ("hours", "dates"),
    [
        ({"regular": ["15:00-1d", "16:00"]}, "2025-08-06 and 2025-08-07"),
        ({"regular": ["09:30", "10:00+1d"]}, "2025-08-07 and 2025-08-08"),
        (
            {"regular": ["09:30", "16:00"], "pre": ["19:00-1d", "09:30"]},
            "2025-08-06 and 2025-08-07",
        ),
        (
            {"regular": ["09:30", "16:00"], "post": ["16:00", "04:30+1d"]},
            "2025-08-07 and 2025-08-08",
        ),
        (
            {"regular": ["15:59-1d", "16:00-1d", "09:30", "16:00"]},
            "2025-08-06 and 2025-08-07",
        ),
    ],
)
def test_sessions_that_overlap_are_refused(hours: object, dates: str) -> None:
    assert f"the sessions of {dates} overlap" in refused_day(hours)


def test_two_corrected_days_may_not_overlap_either() -> None:
    days = {
        "2025-08-07": {"regular": ["09:30", "18:00"]},
        "2025-08-08": {"regular": ["17:00-1d", "16:00"]},
    }
    text = str(refused({"XNYS": days}))
    assert "the sessions of 2025-08-07 and 2025-08-08 overlap" in text


def test_sessions_may_touch() -> None:
    hours = {"regular": ["20:00-1d", "16:00"], "post": ["16:00", "04:00+1d"]}
    manager = TimeManager(overlay={"XNYS": {"2025-08-07": hours}})
    assert manager.is_trading_day(date(2025, 8, 7))


@pytest.mark.parametrize(
    "overlay", [{5: {}}, {None: {}}, {"XNYS": {5: "closed"}}, {"": {}}]
)
def test_keys_that_are_no_text_are_an_error_of_ours(overlay: Any) -> None:
    with pytest.raises(TapeloomError):
        _ = TimeManager(overlay=overlay).session_table
