"""Pre- and post-market by example: buckets of their own, the day's bar, figures, quality, history, other markets."""

from __future__ import annotations

import pickle
from datetime import date, datetime

import pytest

from tapeloom import BarData, Outcome, SessionData
from tapeloom._core import Bars, Replay, resample
from tapeloom.calendars import get_session_table
from tapeloom.calendars.days import to_day
from tapeloom.errors import ArgumentError, ArgumentTypeError
from tapeloom.timestamps import to_ns
from tests.compare import counts_of
from tests.core.loaded import bars_of
from tests.reference.bars import Bar
from tests.reference.schedule import MINUTE

DAY, HALF_DAY = date(2025, 7, 2), date(2025, 7, 3)
DERIVED, EXTENDED, PARTIAL = 8, 16, 64


def at(clock: str, day: date = DAY) -> datetime:
    """Return wall time of the exchange."""
    return datetime.fromisoformat(f"{day} {clock}")


def store(
    mode: str, *, day: date = DAY, derived: tuple[str, ...] = ("5m", "1h", "1d")
) -> SessionData:
    session = SessionData(extended_hours=mode)
    session.register_symbol("AAA", base_interval="1m", derived=derived)
    session.start_new_session(day)
    return session


def add(
    session: SessionData, clock: str, price: float, volume: float = 1.0, day: date = DAY
) -> Outcome:
    bar = BarData("AAA", at(clock, day), price, price, price, price, volume)
    return session.add_bar("AAA", bar)


def starts(session: SessionData, interval: str) -> list[str]:
    return [f"{at:%H:%M}" for at in session.get_bars("AAA", interval).timestamps]


def minutes(day: date, first: str, last: str) -> Bars:
    """Return a bar of price 1 for each minute from ``first`` up to ``last``."""
    table = get_session_table("US_EQUITY")
    begin, end = (to_ns(at(clock, day), table.zone) for clock in (first, last))
    starts = range(begin, end, MINUTE)
    return bars_of([Bar(ts, 1.0, 1.0, 1.0, 1.0, 1.0) for ts in starts], "1m", table)


def test_an_hour_bar_of_the_pre_market_ends_at_the_open() -> None:
    session = store("show")
    for clock in ("04:00", "09:00", "09:29", "09:30"):
        add(session, clock, 10.0)
    assert starts(session, "1h") == ["04:00", "09:00"]
    last = session.get_bars("AAA", "1h")[-1]
    assert f"{last.end:%H:%M}" == f"{last.available_at:%H:%M}" == "09:30"
    # Outside regular hours no bar is expected, so none is missing.
    assert (last.flags, last.constituents) == (DERIVED | EXTENDED, 2)
    forming = session.get_forming_bar("AAA", "1h")
    assert forming is not None
    assert (f"{forming.timestamp:%H:%M}", forming.flags) == ("09:30", DERIVED | PARTIAL)


def test_the_post_market_of_a_half_day_goes_from_its_close_to_seventeen() -> None:
    session = store("show", day=HALF_DAY)
    for clock in ("12:59", "13:00", "16:59", "17:00"):
        add(session, clock, 10.0, day=HALF_DAY)
    session.end_session()
    assert starts(session, "1h") == ["12:30", "13:00", "16:00"]
    assert starts(session, "5m") == ["12:55", "13:00", "16:55"]
    # After the post-market nothing trades: the bar is stored and takes part in nothing.
    assert session.get_bar_count("AAA") == 4


@pytest.mark.parametrize(
    ("mode", "volume", "first"),
    [("off", 2.0, 20.0), ("show", 2.0, 20.0), ("full", 5.0, 10.0)],
)
def test_only_full_extended_hours_count_in_the_day_and_the_figures(
    mode: str, volume: float, first: float
) -> None:
    session = store(mode)
    for clock, price in (
        ("04:00", 10.0),
        ("09:29", 11.0),
        ("09:30", 20.0),
        ("15:59", 21.0),
        ("19:59", 30.0),
        ("20:00", 99.0),
    ):
        add(session, clock, price)
    session.end_session()
    day = session.get_latest_bar("AAA", "1d")
    assert day is not None
    assert (day.volume, day.open) == (volume, first)
    assert day.close == day.high == (30.0 if mode == "full" else 21.0)
    assert f"{day.timestamp:%H:%M}" == "09:30"
    assert (day.flags, day.constituents) == (DERIVED | PARTIAL, int(volume))
    figures = session.get_session_metrics("AAA")
    assert (figures["session_volume"], figures["bar_count"]) == (volume, volume)
    assert figures["session_high"] == day.high
    # Quality is that of regular hours in every mode.
    assert session.get_quality("AAA") == pytest.approx(100 * 2 / 390)
    report = session.get_quality_report("AAA")
    assert report is not None
    assert (report.expected, report.out_of_session) == (390, 4)


def test_a_day_is_not_known_before_its_post_market_is_over() -> None:
    session = store("full")
    table = session.session_table
    index = table.index_of(to_day(DAY))
    assert index is not None
    source = minutes(DAY, "09:00", "20:00")
    replay = Replay(session, [("AAA", source)], close=int(table.post_closes[index]))
    close = int(table.closes[index])
    assert replay.run(until=close).held
    assert session.get_bar_count("AAA", "1d") == 0
    assert session.get_quality("AAA") == 100.0
    while not (batch := replay.run(intervals=["1d"])).woke:
        pass
    (day,) = (bar for bar in batch.bars if bar.interval == "1d")
    assert batch.ts == int(table.post_closes[index])
    assert f"{day.end:%H:%M}" == f"{day.available_at:%H:%M}" == "20:00"
    # All that was expected is there, and more.
    assert (day.flags, day.constituents) == (DERIVED, 660)


def test_pre_market_bars_do_not_stand_in_for_missing_regular_ones() -> None:
    table = get_session_table("US_EQUITY")
    whole, without = minutes(DAY, "08:00", "16:00"), minutes(DAY, "08:00", "15:59")
    for completeness, expected in (("any", [DERIVED | PARTIAL]), ("complete", [])):
        made = resample(
            [without, whole],
            ["1d"],
            table,
            completeness=completeness,
            extended_hours="full",
        )
        assert [day.flags.tolist() for (day,) in made] == [expected, [DERIVED]]


def test_a_week_takes_in_extended_hours_and_ends_after_the_last_of_them() -> None:
    table = get_session_table("US_EQUITY")
    sources = [
        Bars.concat(
            [minutes(DAY, "15:00", "17:00"), minutes(HALF_DAY, "09:00", "16:00")]
        )
    ]
    expected = {
        "off": (60 + 210, "2025-07-03 13:00"),
        "show": (270, "2025-07-03 13:00"),
    }
    expected["full"] = (120 + 420, "2025-07-03 17:00")
    for mode, (volume, end) in expected.items():
        # 2025-07-04 is a holiday, so Thursday's half day is the last of its week.
        ((week,),) = resample(sources, ["1w"], table, extended_hours=mode)
        assert (week[0].volume, f"{week[0].end:%Y-%m-%d %H:%M}") == (volume, end)
        again = pickle.loads(pickle.dumps(week))
        assert (again, again.extended_hours) == (week, mode)
        assert again[0].end == week[0].end


def test_a_session_with_extended_hours_becomes_history_as_it_was() -> None:
    session = store("full", derived=("5m", "1d", "1w"))
    for clock in ("04:00", "09:30", "19:59"):
        add(session, clock, 10.0)
    session.start_new_session(HALF_DAY, roll=True)
    history = session.get_bars("AAA", "1d", scope="history")
    assert (history.volume.tolist(), counts_of(history)) == ([3.0], [3])
    late = BarData("AAA", at("18:00"), 50.0, 50.0, 50.0, 50.0, 4.0)
    assert session.add_bar("AAA", late) is Outcome.LATE
    history = session.get_bars("AAA", "1d", scope="history")
    assert (history.volume.tolist(), history.high.tolist()) == ([7.0], [50.0])
    add(session, "13:30", 20.0, volume=2.0, day=HALF_DAY)
    session.end_session()
    week = session.get_latest_bar("AAA", "1w")
    assert week is not None
    assert (week.volume, week.open, week.close) == (9.0, 10.0, 20.0)


def test_a_bar_between_two_starts_of_the_pre_market_is_put_aside_unless_they_are_off() -> (
    None
):
    for mode in ("off", "show", "full"):
        session = store(mode)
        bar = BarData("AAA", at("08:00:30"), 10.0, 10.0, 10.0, 10.0, 1.0)
        if mode == "off":
            assert session.add_bar("AAA", bar) is Outcome.ACCEPTED
            continue
        assert session.add_bar("AAA", bar) is Outcome.QUARANTINED
        ((_, reason),) = session.get_quarantine("AAA")
        assert reason == "off_grid"


@pytest.mark.parametrize("mode", ["show", "full"])
@pytest.mark.parametrize("group", ["CRYPTO", "US_FUTURES", "JP_EQUITY"])
def test_where_nothing_trades_outside_regular_hours_nothing_changes(
    group: str, mode: str
) -> None:
    stores = [SessionData(group, extended_hours=word) for word in ("off", mode)]
    table = stores[0].session_table
    index = table.index_of(to_day(DAY))
    assert index is not None
    span = range(int(table.span_starts[index]), int(table.span_ends[index]), 7 * MINUTE)
    for session in stores:
        session.register_symbol("AAA", base_interval="1m", derived=("1h", "1d", "1w"))
        session.start_new_session(DAY)
        for number, ts in enumerate(span):
            price = 10.0 + number % 5
            session.add_bar("AAA", BarData("AAA", ts, price, price, price, price, 1.0))
        session.end_session()
    off, on = stores
    assert off.state_hash() == on.state_hash()
    assert off.get_session_metrics("AAA") == on.get_session_metrics("AAA")
    for interval in ("1m", "1h", "1d"):
        assert off.get_bars("AAA", interval) == on.get_bars("AAA", interval)
        ends = [[bar.end for bar in one.get_bars("AAA", interval)] for one in stores]
        assert ends[0] == ends[1]


def test_a_word_that_is_none_of_the_three_is_refused() -> None:
    with pytest.raises(ArgumentError, match="extended_hours is 'on'; it must be 'off'"):
        SessionData(extended_hours="on")
    with pytest.raises(ArgumentTypeError, match="extended_hours is bool"):
        SessionData(extended_hours=True)
    assert SessionData().policies["extended_hours"] == "off"
