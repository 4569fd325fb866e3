"""The reference answers the worked examples of the documentation."""

from __future__ import annotations

from datetime import date
from itertools import pairwise

import pytest

from tests.days import HONG_KONG, TOKYO, US, us_day
from tests.reference.bars import Bar, is_valid
from tests.reference.derived import DERIVED, PARTIAL, buckets, compensated_sum, derive
from tests.reference.gaps import Run, due_starts, expected_starts, missing_runs, quality
from tests.reference.merge import merge_order
from tests.reference.replay import Batch, Item, replay
from tests.reference.schedule import (
    HOUR,
    MINUTE,
    SECOND,
    TradingDay,
    interval_ns,
    trading_day,
)
from tests.reference.session import Store

FULL = us_day("2025-07-02")
HALF = us_day("2025-07-03")
NINE = FULL.open - 30 * MINUTE


def at(hour: int, minute: int) -> int:
    """Return wall time of the full day."""
    return NINE + (hour - 9) * HOUR + minute * MINUTE


def bar(ts: int, volume: float = 10.0) -> Bar:
    return Bar(ts, 100.0, 101.0, 99.0, 100.5, volume)


def minutes(day: TradingDay) -> dict[int, Bar]:
    return {ts: bar(ts) for ts in expected_starts(day, MINUTE)}


def test_bars_known_at_one_instant_leave_finest_first_and_then_as_configured() -> None:
    msft, aapl, msft_5m = (
        (MINUTE, [at(9, 34)]),
        (MINUTE, [at(9, 34)]),
        (5 * MINUTE, [at(9, 30)]),
    )
    assert merge_order([msft_5m, msft, aapl]) == [(1, 0), (2, 0), (0, 0)]


def test_the_order_is_by_known_at_and_not_by_start() -> None:
    assert merge_order(
        [(5 * MINUTE, [0]), (MINUTE, [0, MINUTE, 4 * MINUTE, 5 * MINUTE])]
    ) == [
        (1, 0),
        (1, 1),
        (1, 2),
        (0, 0),
        (1, 3),
    ]


@pytest.mark.parametrize(
    ("day", "interval", "count", "last"),
    [
        (FULL, "5m", 78, (at(15, 55), 5)),
        (FULL, "1h", 7, (at(15, 30), 30)),
        (FULL, "4h", 2, (at(13, 30), 150)),
        (FULL, "1d", 1, (at(9, 30), 390)),
        (HALF, "5m", 42, (HALF.close - 5 * MINUTE, 5)),
        (HALF, "1h", 4, (HALF.close - 30 * MINUTE, 30)),
        (HALF, "1d", 1, (HALF.open, 210)),
    ],
)
def test_buckets_are_those_of_the_table(
    day: TradingDay, interval: str, count: int, last: tuple[int, int]
) -> None:
    found = buckets(day, MINUTE, interval_ns(interval))
    assert len(found) == count
    assert (found[-1].start, len(found[-1].expected)) == last
    assert found[-1].end == day.close


def test_a_lunch_break_expects_nothing_and_shortens_the_buckets_beside_it() -> None:
    tokyo = TOKYO.days[0]
    assert len(expected_starts(tokyo, MINUTE)) == 300
    hours = buckets(tokyo, MINUTE, HOUR)
    assert [(b.start - tokyo.open) // HOUR for b in hours] == [0, 1, 2, 3, 4, 5]
    assert [len(b.expected) for b in hours] == [60, 60, 30, 30, 60, 60]


def test_a_bucket_inside_a_break_does_not_exist() -> None:
    hong_kong = HONG_KONG.days[0]
    halves = buckets(hong_kong, MINUTE, 30 * MINUTE)
    assert len(halves) == 11
    assert not any(
        hong_kong.segments[0][1] <= b.start < hong_kong.segments[1][0] for b in halves
    )


def test_a_missing_minute_flags_its_bucket_or_removes_it() -> None:
    present = {
        ts: bar(ts) for ts in range(at(9, 30), at(9, 50), MINUTE) if ts != at(9, 42)
    }
    emitted = derive(FULL, present, MINUTE, 5 * MINUTE)
    assert [(d.ts, d.constituents, d.flags) for d in emitted] == [
        (at(9, 30), 5, DERIVED),
        (at(9, 35), 5, DERIVED),
        (at(9, 40), 4, DERIVED | PARTIAL),
        (at(9, 45), 5, DERIVED),
    ]
    whole = derive(FULL, present, MINUTE, 5 * MINUTE, completeness="complete")
    assert [d.ts for d in whole] == [at(9, 30), at(9, 35), at(9, 45)]


def test_a_late_minute_makes_its_bucket_whole_and_the_newest_stays_the_newest() -> None:
    store = Store([FULL])
    store.start_session(FULL.date)
    for ts in range(at(9, 30), at(9, 50), MINUTE):
        if ts != at(9, 42):
            store.offer("AAPL", bar(ts))
    assert store.derived("AAPL", "5m")[2].constituents == 4
    assert store.offer("AAPL", bar(at(9, 42))) == "late"
    emitted = store.derived("AAPL", "5m")
    assert (emitted[2].ts, emitted[2].constituents, emitted[2].flags) == (
        at(9, 40),
        5,
        DERIVED,
    )
    assert emitted[-1].ts == at(9, 45)


def test_a_derived_bar_is_emitted_at_the_end_of_its_bucket() -> None:
    present = {at(9, 30): bar(at(9, 30))}
    assert derive(FULL, present, MINUTE, 5 * MINUTE, clock=at(9, 35) - 1) == []
    assert len(derive(FULL, present, MINUTE, 5 * MINUTE, clock=at(9, 35))) == 1
    assert derive(FULL, present, MINUTE, None, clock=FULL.close)[0].constituents == 1


def test_values_of_a_derived_bar_are_first_highest_lowest_last_and_sum() -> None:
    present = {
        at(9, 30): Bar(at(9, 30), 10.0, 12.0, 9.0, 11.0, 1.0),
        at(9, 31): Bar(at(9, 31), 11.0, 15.0, 11.0, 14.0, 2.5),
        at(9, 34): Bar(at(9, 34), 14.0, 14.0, 8.0, 8.5, 4.0),
    }
    (found,) = derive(FULL, present, MINUTE, 5 * MINUTE)
    assert found[:7] == (at(9, 30), 10.0, 15.0, 8.0, 8.5, 7.5, 3)


def test_the_compensated_sum_keeps_small_values_beside_large_ones() -> None:
    assert compensated_sum([1.0, 1e100, 1.0, -1e100]) == 2.0
    assert compensated_sum([]) == 0.0


def test_quality_counts_what_is_due() -> None:
    present = {at(9, 30), at(9, 31)}
    assert quality(due_starts(FULL, MINUTE, at(9, 33)), present) == pytest.approx(
        200 / 3
    )
    assert quality(due_starts(FULL, MINUTE, at(9, 30)), present) is None
    assert quality(due_starts(FULL, MINUTE, at(9, 30) + 59 * SECOND), set()) is None
    assert quality(due_starts(FULL, MINUTE, None), present) is None


def test_two_days_count_bars_and_not_the_mean_of_percentages() -> None:
    due = expected_starts(FULL, MINUTE) + expected_starts(HALF, MINUTE)
    assert quality(due, set(due[:495])) == 82.5


def test_neighbouring_missing_minutes_are_one_gap_and_a_break_separates_two() -> None:
    tokyo = TOKYO.days[0]
    lunch, after = tokyo.segments[0][1], tokyo.segments[1][0]
    absent = {lunch - 2 * MINUTE, lunch - MINUTE, after, after + 5 * MINUTE}
    due = due_starts(tokyo, MINUTE, tokyo.close)
    assert missing_runs(tokyo, MINUTE, due, set(due) - absent) == [
        Run(lunch - 2 * MINUTE, lunch, 2),
        Run(after, after + MINUTE, 1),
        Run(after + 5 * MINUTE, after + 6 * MINUTE, 1),
    ]


def test_an_empty_session_is_one_gap_per_stretch() -> None:
    tokyo = TOKYO.days[0]
    due = due_starts(tokyo, MINUTE, tokyo.close)
    assert [run.missing for run in missing_runs(tokyo, MINUTE, due, set())] == [
        150,
        150,
    ]
    assert quality(due, set()) == 0.0


def test_ten_missing_seconds_are_one_gap() -> None:
    due = due_starts(FULL, SECOND, at(9, 31))
    absent = set(range(at(9, 30) + 20 * SECOND, at(9, 30) + 30 * SECOND, SECOND))
    runs = missing_runs(FULL, SECOND, due, set(due) - absent)
    assert runs == [Run(at(9, 30) + 20 * SECOND, at(9, 30) + 30 * SECOND, 10)]


def test_the_open_keeps_its_wall_time_over_a_clock_change() -> None:
    friday, monday = US.days[:2]
    assert friday.open % (24 * HOUR) == 14 * HOUR + 30 * MINUTE
    assert monday.open % (24 * HOUR) == 13 * HOUR + 30 * MINUTE
    assert monday.span[1] - monday.span[0] == 24 * HOUR
    sunday = trading_day(date(2008, 3, 9), "09:30-16:00", "America/New_York")
    assert sunday.span[1] - sunday.span[0] == 23 * HOUR


@pytest.mark.parametrize(
    "fault",
    [
        {"close": float("nan")},
        {"high": float("inf")},
        {"high": 98.0},
        {"open": 102.0},
        {"close": 98.0},
        {"volume": -1.0},
        {"low": 0.0},
        {"low": -1.0},
    ],
)
def test_a_broken_rule_makes_a_bar_invalid(fault: dict[str, float]) -> None:
    assert not is_valid(Bar(**{**bar(0)._asdict(), **fault}))


def test_zero_volume_is_valid_and_negative_prices_are_where_allowed() -> None:
    assert is_valid(bar(0, volume=0.0))
    crude = Bar(0, -37.0, -36.0, -40.0, -38.0, 5.0)
    assert not is_valid(crude)
    assert is_valid(crude, allow_negative_prices=True)


def store_at(day: TradingDay, **rules: object) -> Store:
    store = Store([FULL, HALF], **rules)  # type: ignore[arg-type]
    store.start_session(day.date)
    return store


def test_every_outcome_has_its_case() -> None:
    store = store_at(FULL, on_invalid="skip")
    assert store.offer("A", bar(at(9, 30))) == "accepted"
    assert store.offer("A", bar(at(9, 32))) == "accepted"
    assert store.offer("A", bar(at(9, 31))) == "late"
    assert store.offer("A", bar(at(9, 31))) == "duplicate"
    assert store.offer("A", bar(at(9, 31), volume=11.0)) == "correction"
    assert store.offer("A", bar(at(9, 33), volume=-1.0)) == "rejected"
    assert store.offer("A", bar(at(9, 33) + 30 * SECOND)) == "quarantined"
    assert store.offer("A", bar(HALF.open)) == "quarantined"
    counts = store.series["A"].counts
    assert counts.pop("offered") == sum(counts.values()) == 8
    assert [reason for _, reason in store.series["A"].quarantine] == [
        "off_grid",
        "later_session",
    ]
    assert [b.ts for b in store.bars("A")] == [at(9, 30), at(9, 31), at(9, 32)]
    assert store.bars("A")[1].volume == 11.0
    assert (store.series["A"].repeats, store.series["A"].out_of_order) == (2, 3)


def test_a_batch_is_put_in_order_first_and_a_bad_one_changes_nothing() -> None:
    store = store_at(FULL)
    newest_first = [bar(ts) for ts in range(at(9, 40), at(9, 30), -MINUTE)]
    assert store.offer_batch("A", newest_first) == {"accepted": 10}
    assert store.offer_batch("A", newest_first) == {"duplicate": 10}
    bad = [bar(at(9, 41)), bar(at(9, 42))._replace(high=float("nan"))]
    assert store.offer_batch("A", bad) == {"rejected": 2}
    assert len(store.bars("A")) == 10
    equal_keys = [bar(at(9, 50)), bar(at(9, 50)), bar(at(9, 50), volume=3.0)]
    assert store.offer_batch("A", equal_keys) == {
        "accepted": 1,
        "duplicate": 1,
        "correction": 1,
    }


def test_a_bar_of_an_earlier_session_goes_to_history() -> None:
    store = store_at(HALF)
    assert store.offer("A", bar(at(15, 59))) == "accepted"
    assert (
        len(store.bars("A")),
        len(store.bars("A", "history")),
        len(store.bars("A", "all")),
    ) == (0, 1, 1)


def test_the_bar_at_the_close_is_extended_and_counts_nowhere() -> None:
    store = store_at(FULL)
    store.offer("A", bar(at(15, 59)))
    store.offer("A", bar(at(16, 0), volume=99.0))
    metrics = store.metrics("A")
    assert metrics is not None
    assert (metrics.bar_count, metrics.volume, metrics.last_update) == (
        1,
        10.0,
        at(15, 59),
    )
    assert store.out_of_session("A") == 1
    assert store.quality("A") == pytest.approx(100 / 390)


def test_the_clock_is_the_latest_known_at_and_the_close_in_the_end() -> None:
    store = store_at(FULL)
    assert store.now is None
    store.offer("A", bar(at(9, 33)))
    assert store.now == at(9, 34)
    assert (len(store.due()), store.gaps("A")) == (4, [Run(at(9, 30), at(9, 33), 3)])
    store.end_session()
    assert store.now == FULL.close
    assert [run.missing for run in store.gaps("A")] == [3, 386]


def test_a_store_without_a_session_has_no_schedule_yet_derives() -> None:
    store = Store([FULL, HALF])
    store.offer("A", bar(at(9, 30) + 30 * SECOND))
    for ts in expected_starts(FULL, MINUTE)[:5]:
        store.offer("A", bar(ts))
    assert (store.quality("A"), store.gaps("A"), store.out_of_session("A")) == (
        None,
        [],
        0,
    )
    assert len(store.bars("A")) == 6
    assert [d.constituents for d in store.derived("A", "5m")] == [5]


def test_a_replay_tells_base_bars_first_and_derived_bars_at_the_end_of_their_bucket() -> (
    None
):
    tape = {
        "MSFT": [bar(at(9, 30)), bar(at(9, 34))],
        "AAPL": [bar(at(9, 0)), bar(at(9, 31)), bar(at(9, 34)), bar(at(16, 0))],
    }
    batches = replay([FULL], tape, derived=["1d", "5m"])
    assert [batch.ts for batch in batches] == [
        at(9, 31),
        at(9, 32),
        at(9, 35),
        at(16, 0),
    ]
    assert batches[0] == Batch(at(9, 31), [Item("MSFT", "1m", tape["MSFT"][0])])
    names = [
        [(item.symbol, item.interval) for item in batch.items] for batch in batches[2:]
    ]
    assert names[0] == [("MSFT", "1m"), ("AAPL", "1m"), ("MSFT", "5m"), ("AAPL", "5m")]
    assert names[1] == [("MSFT", "1d"), ("AAPL", "1d")]


def test_a_replay_of_a_whole_half_day_has_one_batch_a_minute() -> None:
    batches = replay(
        [HALF], {"A": list(minutes(HALF).values())}, derived=["5m", "1h", "1d"]
    )
    assert len(batches) == 210
    assert all(later.ts - earlier.ts == MINUTE for earlier, later in pairwise(batches))
    assert [item.interval for item in batches[-1].items] == ["1m", "5m", "1h", "1d"]
    assert sum(len(batch.items) for batch in batches) == 210 + 42 + 4 + 1
