"""Coarser bars of whole columns: examples worked out by hand, and what is refused."""

from __future__ import annotations

from datetime import date
from random import Random
from typing import TYPE_CHECKING

import pytest

from tapeloom import _core
from tapeloom.calendars import get_session_table
from tapeloom.errors import ArgumentError, IntervalError
from tests.compare import counts_of
from tests.core.loaded import bars_of, days_of, row_at
from tests.reference.derived import PARTIAL
from tests.reference.gaps import expected_starts
from tests.reference.schedule import HOUR, MINUTE, interval_ns

if TYPE_CHECKING:
    from tapeloom.bars import Bars
    from tests.reference.bars import Bar


def whole(group: str, first: date, last: date, base: str) -> Bars:
    """A series without a hole, each volume one."""
    rng = Random(7)
    starts = [
        ts
        for day in days_of(group, first, last)
        for ts in expected_starts(day, interval_ns(base))
    ]
    rows = [row_at(ts, rng)._replace(volume=1.0) for ts in starts]
    return bars_of(rows, base, get_session_table(group))


@pytest.mark.parametrize(
    ("group", "day", "target", "anchor", "counts"),
    [
        ("US_EQUITY", date(2025, 7, 2), "1h", "session", [60] * 6 + [30]),
        ("US_EQUITY", date(2025, 7, 2), "1h", "segment", [60] * 6 + [30]),
        ("US_EQUITY", date(2025, 7, 2), "1h", "clock", [30] + [60] * 6),
        ("US_EQUITY", date(2025, 7, 2), "4h", "clock", [150, 240]),
        ("US_EQUITY", date(2025, 7, 3), "1h", "clock", [30, 60, 60, 60]),
        ("JP_EQUITY", date(2025, 7, 2), "1h", "session", [60, 60, 30, 30, 60, 60, 30]),
        ("JP_EQUITY", date(2025, 7, 2), "1h", "segment", [60, 60, 30, 60, 60, 60]),
        ("JP_EQUITY", date(2025, 7, 2), "4h", "session", [180, 150]),
        ("JP_EQUITY", date(2025, 7, 2), "4h", "segment", [150, 180]),
        ("JP_EQUITY", date(2025, 7, 2), "4h", "clock", [150, 180]),
        ("HK_EQUITY", date(2024, 12, 23), "1h", "clock", [30, 60, 60, 60, 60, 60]),
        ("US_FUTURES", date(2025, 7, 8), "4h", "session", [240] * 6),
        ("US_FUTURES", date(2025, 7, 8), "4h", "clock", [180] + [240] * 5 + [60]),
        ("CRYPTO", date(2025, 7, 5), "4h", "clock", [240] * 6),
        ("JP_EQUITY", date(2025, 7, 2), "1d", "segment", [330]),
        ("JP_EQUITY", date(2025, 7, 2), "1d", "clock", [330]),
    ],
)
def test_a_whole_session_fills_its_buckets_from_each_anchor(
    group: str, day: date, target: str, anchor: str, counts: list[int]
) -> None:
    minutes = whole(group, day, day, "1m")
    table = get_session_table(group)
    found = minutes.aggregate(
        target, table=table, anchor=anchor, completeness="complete"
    )
    assert counts_of(found) == counts
    assert found.volume.tolist() == [float(count) for count in counts]
    assert found.ts[0] == minutes.ts[0]


def test_the_short_first_bucket_of_the_clock_is_labelled_with_the_open() -> None:
    table = get_session_table("US_EQUITY")
    minutes = whole("US_EQUITY", date(2025, 7, 2), date(2025, 7, 2), "1m")
    hours = minutes.aggregate("1h", table=table, anchor="clock")
    offsets = ((hours.ts - minutes.ts[0]) // MINUTE).tolist()
    assert offsets == [0, 30, 90, 150, 210, 270, 330]


def test_the_hour_before_a_break_ends_where_trading_does() -> None:
    table = get_session_table("JP_EQUITY")
    day = date(2025, 7, 2)
    minutes = whole("JP_EQUITY", day, day, "1m")
    hours = minutes.aggregate("1h", table=table)
    assert [(bar.end.hour, bar.end.minute) for bar in hours] == [
        (10, 0),
        (11, 0),
        (11, 30),
        (13, 0),
        (14, 0),
        (15, 0),
        (15, 30),
    ]
    assert table.bar_end(int(hours.ts[2]), "1h") == hours.ts[2] + HOUR // 2


def test_days_count_from_the_first_session_of_the_year_and_the_last_group_is_short() -> (
    None
):
    table = get_session_table("US_EQUITY")
    days = whole("US_EQUITY", date(2024, 1, 2), date(2025, 1, 10), "1d")
    found = days.aggregate("5d", table=table)
    # 252 sessions in 2024, six by 2025-01-10: the ninth was a day of mourning.
    assert counts_of(found) == [5] * 50 + [2, 5, 1]
    partial = [bool(flags & PARTIAL) for flags in found.flags.tolist()]
    assert partial == [False] * 52 + [True]
    starts = [found.timestamps[at].date() for at in (0, 1, 50, 51, 52)]
    assert starts == [
        date(2024, 1, 2),
        date(2024, 1, 9),
        date(2024, 12, 30),
        date(2025, 1, 2),
        date(2025, 1, 10),
    ]


def test_the_week_of_the_new_year_is_one_week() -> None:
    table = get_session_table("US_EQUITY")
    days = whole("US_EQUITY", date(2024, 12, 23), date(2025, 1, 10), "1d")
    weeks = days.aggregate("1w", table=table)
    starts = [stamp.date() for stamp in weeks.timestamps]
    assert starts == [date(2024, 12, 23), date(2024, 12, 30), date(2025, 1, 6)]
    assert counts_of(weeks) == [4, 4, 4]
    # Monday to the close of Friday.
    assert weeks[1].end.date() == date(2025, 1, 3)


def test_buckets_of_the_clock_keep_their_wall_time_on_the_day_of_a_clock_change() -> (
    None
):
    # Clocks went forward in the night before this evening open.
    minutes = whole("US_FUTURES", date(2024, 3, 11), date(2024, 3, 11), "1m")
    table = get_session_table("US_FUTURES")
    found = minutes.aggregate("4h", table=table, anchor="clock")
    hours = [stamp.hour for stamp in found.timestamps]
    assert hours == [17, 20, 0, 4, 8, 12, 16]


def test_a_year_of_53_iso_weeks_ends_with_a_short_group() -> None:
    table = get_session_table("US_EQUITY")
    days = whole("US_EQUITY", date(2020, 12, 14), date(2021, 1, 15), "1d")
    pairs = days.aggregate("2w", table=table)
    starts = [stamp.date() for stamp in pairs.timestamps]
    assert starts == [date(2020, 12, 14), date(2020, 12, 28), date(2021, 1, 4)]
    assert counts_of(pairs) == [9, 4, 10]


def test_an_overnight_session_belongs_to_the_date_it_trades_for() -> None:
    table = get_session_table("US_FUTURES")
    minutes = whole("US_FUTURES", date(2025, 7, 8), date(2025, 7, 8), "1m")
    (day,) = minutes.aggregate("1d", table=table)
    assert (day.timestamp.date(), day.end.date()) == (
        date(2025, 7, 7),
        date(2025, 7, 8),
    )


def test_nothing_gives_nothing() -> None:
    table = get_session_table("US_EQUITY")
    assert _core.resample([], ["5m"], table) == []
    assert _core.resample([bars_of([], "1m", table)], [], table) == [[]]
    ((found,),) = _core.resample([bars_of([], "1m", table)], ["5m"], table)
    assert (len(found), found.interval, found.symbol) == (0, "5m", "AAA")


@pytest.mark.parametrize(
    ("base", "target"),
    [
        ("1m", "90s"),
        ("30m", "45m"),
        ("1d", "1h"),
        ("1h", "1h"),
        ("5m", "1m"),
        ("2d", "1w"),
    ],
)
def test_an_interval_that_the_base_does_not_divide_is_an_error(
    base: str, target: str
) -> None:
    table = get_session_table("US_EQUITY")
    ts = days_of("US_EQUITY", date(2025, 7, 2), date(2025, 7, 2))[0].open
    source = bars_of([row_at(ts, Random(0))], base, table)
    with pytest.raises(IntervalError):
        _core.resample([source], [target], table)


@pytest.mark.parametrize(
    "fault",
    [{"completeness": "most"}, {"anchor": "noon"}, {"threads": 0}],
)
def test_an_unknown_word_is_an_error(fault: dict[str, object]) -> None:
    table = get_session_table("US_EQUITY")
    with pytest.raises(ArgumentError, match=next(iter(fault))):
        _core.resample([], ["5m"], table, **fault)  # type: ignore[arg-type]


def test_rows_out_of_order_are_an_error_that_names_the_source_and_the_row() -> None:
    table = get_session_table("US_EQUITY")
    ts = days_of("US_EQUITY", date(2025, 7, 2), date(2025, 7, 2))[0].open
    rows = [row_at(ts + n * MINUTE, Random(n)) for n in (0, 2, 1)]
    whole_rows: list[Bar] = sorted(rows, key=lambda row: row.ts)
    sources = [bars_of(whole_rows, "1m", table), bars_of(rows, "1m", table)]
    with pytest.raises(ArgumentError) as raised:
        _core.resample(sources, ["5m"], table)
    assert raised.value.facts == {"source": 1, "row": 2}
