"""Overlays: the days they hold, what they change in a calendar, and what they leave alone."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tapeloom.calendars import Overlay, TimeManager, get_market_calendar, to_day
from tapeloom.calendars.market_day import MarketDay, read_market_day
from tapeloom.calendars.market_questions import MarketQuestions
from tapeloom.errors import ArgumentTypeError

WEDNESDAY, THURSDAY, FRIDAY = (date(2025, 8, day) for day in (6, 7, 8))
SATURDAY, SUNDAY = date(2025, 8, 9), date(2025, 8, 10)
HALF_DAY: dict[str, Any] = {"regular": ["09:30", "13:00"], "post": ["13:00", "17:00"]}


def corrected(hours: object, day: date = THURSDAY, group: str = "US_EQUITY") -> Any:
    """A manager whose calendar has other hours on one day."""
    code = TimeManager(group)._group.calendar
    return TimeManager(group, overlay={code: {day.isoformat(): hours}})


def wall(text: str) -> datetime:
    return datetime.fromisoformat(text)


def walls(manager: MarketQuestions, day: date) -> list[str]:
    """The stretches of a session in wall time."""
    return [
        f"{segment.kind} {segment.start:%d %H:%M} {segment.end:%d %H:%M}"
        for segment in manager.get_trading_session(day).segments
    ]


# What a day may say


def test_a_closed_day_is_a_holiday() -> None:
    manager = corrected("closed")
    assert not manager.is_trading_day(THURSDAY)
    assert manager.is_holiday(THURSDAY) == (True, None)
    assert manager.get_trading_session(THURSDAY).segments == ()
    assert manager.get_next_trading_date(WEDNESDAY) == FRIDAY
    assert manager.get_trading_dates_in_range(WEDNESDAY, FRIDAY) == [WEDNESDAY, FRIDAY]


def test_a_closed_day_may_have_a_name() -> None:
    manager = corrected({"closed": True, "name": "Day of Mourning"})
    assert manager.is_holiday(THURSDAY) == (True, "Day of Mourning")
    assert manager.get_trading_session(THURSDAY).holiday_name == "Day of Mourning"


def test_a_half_day_closes_early() -> None:
    manager = corrected(HALF_DAY)
    assert walls(manager, THURSDAY) == [
        "regular 07 09:30 07 13:00",
        "post_market 07 13:00 07 17:00",
    ]
    assert manager.is_early_close(THURSDAY) == (True, time(13))
    assert manager.is_holiday(THURSDAY) == (False, None)
    assert len(manager.get_grid(THURSDAY, "1m")) == 210


def test_a_later_close_is_no_early_close() -> None:
    manager = corrected({"regular": ["10:00", "16:30"]})
    assert manager.is_early_close(THURSDAY) == (False, None)
    assert manager.get_market_hours(THURSDAY) == (time(10), time(16, 30))


def test_the_hours_of_a_half_day_may_be_made_whole() -> None:
    manager = corrected({"regular": ["09:30", "16:00"]}, date(2025, 7, 3))
    assert manager.is_early_close(date(2025, 7, 3)) == (False, None)


def test_the_early_close_of_an_overnight_session_is_that_of_its_date() -> None:
    early = corrected({"regular": ["17:00-1d", "12:00"]}, THURSDAY, "US_FUTURES")
    assert early.is_early_close(THURSDAY) == (True, time(12))
    whole = corrected({"regular": ["17:00-1d", "17:00"]}, THURSDAY, "US_FUTURES")
    assert whole.is_early_close(THURSDAY) == (False, None)


def test_breaks_and_extended_hours_are_kept_as_written() -> None:
    manager = corrected(
        {
            "pre": ["07:00", "09:00"],
            "regular": ["09:00", "11:30", "12:30", "15:00"],
            "post": ["15:00", "18:30"],
        }
    )
    assert walls(manager, THURSDAY) == [
        "pre_market 07 07:00 07 09:00",
        "regular 07 09:00 07 11:30",
        "break 07 11:30 07 12:30",
        "regular 07 12:30 07 15:00",
        "post_market 07 15:00 07 18:30",
    ]


def test_without_extended_hours_of_its_own_a_day_has_none() -> None:
    manager = corrected({"regular": ["09:30", "16:00"]})
    assert walls(manager, THURSDAY) == ["regular 07 09:30 07 16:00"]
    assert manager.get_session_type(wall("2025-08-07 08:00")) == "closed"


def test_a_saturday_may_trade() -> None:
    manager = corrected({"regular": ["10:00", "13:00"]}, SATURDAY)
    assert manager.is_trading_day(SATURDAY)
    assert manager.is_market_open(wall("2025-08-09 12:59"))
    assert manager.get_next_trading_date(FRIDAY) == SATURDAY
    assert manager.count_trading_days(FRIDAY, SUNDAY) == 2
    assert manager.session_table.session_of(np.datetime64("2025-08-09T15:00")) == (
        manager.session_table.index_of(to_day(SATURDAY))
    )


def test_a_holiday_may_trade() -> None:
    independence_day = date(2025, 7, 4)
    manager = corrected({"regular": ["09:30", "16:00"]}, independence_day)
    assert manager.is_trading_day(independence_day)
    assert manager.is_holiday(independence_day) == (False, None)


def test_a_closed_weekend_is_no_holiday() -> None:
    manager = corrected("closed", SATURDAY)
    assert manager.is_holiday(SATURDAY) == (False, None)


def test_a_holiday_that_is_closed_again_keeps_or_changes_its_name() -> None:
    christmas = date(2025, 12, 25)
    assert corrected("closed", christmas).is_holiday(christmas) == (True, "Christmas")
    named = corrected({"closed": True, "name": "Noel"}, christmas)
    assert named.is_holiday(christmas) == (True, "Noel")


def test_an_evening_session_belongs_to_the_next_date() -> None:
    manager = corrected(
        {"regular": ["17:00-1d", "12:00"]}, date(2025, 6, 19), "US_FUTURES"
    )
    assert walls(manager, date(2025, 6, 19)) == ["regular 18 17:00 19 12:00"]
    table = manager.session_table
    index = table.index_of(to_day(date(2025, 6, 19)))
    assert table.session_of(np.datetime64("2025-06-18T22:00")) == index
    assert manager.is_market_open(wall("2025-06-19 11:59"))
    assert not manager.is_market_open(wall("2025-06-19 12:00"))


def test_a_session_may_end_at_the_midnight_after() -> None:
    manager = corrected({"regular": ["09:30", "00:00+1d"]})
    assert walls(manager, THURSDAY) == ["regular 07 09:30 08 00:00"]
    assert len(manager.get_grid(THURSDAY, "30m")) == 29


@pytest.mark.parametrize(
    ("day", "open_utc"), [("2025-03-07", "13:00"), ("2025-03-10", "12:00")]
)
def test_hours_are_wall_time_on_both_sides_of_a_clock_change(
    day: str, open_utc: str
) -> None:
    session_date = date.fromisoformat(day)
    manager = corrected({"regular": ["08:00", "09:00"]}, session_date)
    session = manager.get_trading_session(session_date).in_zone(UTC)
    assert f"{session.regular_open:%H:%M}" == open_utc


def test_an_hour_that_comes_twice_is_the_first_one() -> None:
    manager = corrected({"regular": ["00:30", "01:30"]}, date(2025, 11, 2))
    session = manager.get_trading_session(date(2025, 11, 2))
    assert session.regular_time == timedelta(hours=1)
    assert [str(s.end.utcoffset()) for s in session.segments] == ["-1 day, 20:00:00"]


def test_times_may_have_seconds() -> None:
    manager = corrected({"regular": ["09:30:30", "15:59:59"]})
    assert manager.get_market_hours(THURSDAY) == (time(9, 30, 30), time(15, 59, 59))


# The time that belongs to a date


def test_all_time_of_a_closed_day_belongs_to_no_date() -> None:
    table = corrected("closed").session_table
    hours = np.datetime64("2025-08-07T04:00") + np.arange(24) * np.timedelta64(1, "h")
    assert table.session_of(hours).tolist() == [-1] * 24


def test_the_neighbours_of_an_overnight_session_give_and_take_its_time() -> None:
    plain = TimeManager("US_FUTURES").session_table
    closed = corrected("closed", THURSDAY, "US_FUTURES").session_table
    evening = np.datetime64("2025-08-06T22:30")
    assert plain.session_of(evening) == plain.index_of(to_day(THURSDAY))
    # The evening is the rest of Wednesday's local day then.
    assert closed.session_of(evening) == closed.index_of(to_day(WEDNESDAY))
    assert not closed.is_open(evening)


# What it leaves alone


def test_every_other_day_is_as_it_was() -> None:
    plain, changed = TimeManager().session_table, corrected(HALF_DAY).session_table
    index = plain.index_of(to_day(THURSDAY))
    assert (changed.dates == plain.dates).all()
    for name in ("opens", "closes", "pre_opens", "post_closes", "span_starts"):
        differ = np.flatnonzero(getattr(changed, name) != getattr(plain, name))
        assert set(differ.tolist()) <= {index}


def test_only_the_calendar_it_names_is_touched() -> None:
    overlay = {"XNYS": {THURSDAY.isoformat(): "closed"}}
    london = get_market_calendar("UK_EQUITY", overlay=overlay)
    assert london is get_market_calendar("UK_EQUITY")
    assert not TimeManager("US_FUTURES", overlay=overlay).is_holiday(THURSDAY)[0]
    assert TimeManager().is_trading_day(THURSDAY)


@pytest.mark.parametrize("name", ["XNYS", "US_EQUITY", "NASDAQ", "US_OPTIONS"])
@pytest.mark.parametrize("group", ["US_EQUITY", "NYSE", "XNYS"])
def test_a_calendar_may_be_named_by_its_groups(name: str, group: str) -> None:
    manager = TimeManager(group, overlay={name: {"2025-08-07": "closed"}})
    assert not manager.is_trading_day(THURSDAY)


def test_different_days_of_one_calendar_may_stand_under_two_names() -> None:
    overlay = {"XNYS": {"2025-08-07": "closed"}, "NYSE": {"2025-08-08": "closed"}}
    manager = TimeManager(overlay=overlay)
    assert manager.count_trading_days(WEDNESDAY, FRIDAY) == 1


# Where it comes from


def test_a_path_a_mapping_and_an_overlay_say_the_same(tmp_path: Path) -> None:
    content = {"XNYS": {"2025-08-07": HALF_DAY, "2025-08-08": "closed"}}
    path = tmp_path / "overlay.json"
    path.write_text(json.dumps(content), encoding="utf-8")
    overlay = TimeManager(overlay=content).overlay
    assert len(overlay) == 2
    assert THURSDAY in overlay
    for given in (path, str(path), content, overlay):
        manager = TimeManager(overlay=given)
        assert manager.overlay == overlay
        assert manager.session_table is TimeManager(overlay=content).session_table


@pytest.mark.parametrize(
    "value",
    [
        {"closed": True},
        {"closed": True, "name": "Storm"},
        {"regular": ["17:00:30-1d", "12:00", "13:00", "00:00+1d"], "name": "Long"},
        {"regular": ["09:30", "16:00"], "pre": ["23:00-1d", "09:30"]},
        {"regular": ["09:30", "16:00"], "post": ["16:00", "01:00+1d"]},
    ],
)
def test_a_day_writes_itself_as_a_file_holds_it(value: Any) -> None:
    read = read_market_day(value)
    assert isinstance(read, MarketDay)
    assert read.to_dict() == value


def test_an_overlay_writes_itself_as_a_file_holds_it() -> None:
    days = {"2025-08-07": {"closed": True}, "2025-08-08": HALF_DAY}
    assert TimeManager(overlay={"XNYS": days}).overlay.to_dict() == days


@pytest.mark.parametrize("given", [5, b"overlay.json", [THURSDAY], True])
def test_anything_else_is_no_overlay(given: Any) -> None:
    with pytest.raises(ArgumentTypeError, match=r"overlay is .*; give the path"):
        _ = TimeManager(overlay=given).session_table


# The fingerprint


def test_the_fingerprint_changes_with_every_overlay() -> None:
    kinds: list[object] = [
        "closed",
        {"closed": True, "name": "Storm"},
        HALF_DAY,
        {"regular": ["09:30", "13:00"]},
        {"regular": ["09:30", "13:01"]},
    ]
    prints = {corrected(hours).session_table.fingerprint for hours in kinds}
    prints.add(TimeManager().session_table.fingerprint)
    assert len(prints) == len(kinds) + 1


def test_an_overlay_that_changes_no_hours_has_its_own_fingerprint_nevertheless() -> (
    None
):
    hours = {
        "pre": ["04:00", "09:30"],
        "regular": ["09:30", "16:00"],
        "post": ["16:00", "20:00"],
    }
    plain, same = TimeManager().session_table, corrected(hours).session_table
    assert (plain.closes == same.closes).all()
    assert plain.fingerprint != same.fingerprint


def test_the_order_of_days_changes_nothing() -> None:
    forth = {"2025-08-07": "closed", "2025-08-08": HALF_DAY}
    back = dict(reversed(forth.items()))
    one, other = (TimeManager(overlay={"XNYS": days}) for days in (forth, back))
    assert one.overlay == other.overlay
    assert hash(one.overlay) == hash(other.overlay)
    assert one.overlay.digest == other.overlay.digest
    assert one.session_table is other.session_table


def test_an_empty_overlay_is_none() -> None:
    plain = TimeManager()
    given: Any
    for given in ({}, {"XNYS": {}}, Overlay()):
        assert TimeManager(overlay=given).session_table is plain.session_table
        assert TimeManager(overlay=given).overlay.digest == ""


def test_the_fingerprint_of_an_overlay_is_the_same_in_every_process() -> None:
    code = (
        "from tapeloom.calendars import get_session_table as get;"
        "print(get('FX', overlay={'FX': {'2025-08-07': 'closed'}}).fingerprint)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    here = corrected("closed", THURSDAY, "FX").session_table.fingerprint
    assert done.stdout.strip() == here
