"""Each finding of an import on real bars: as they came, or with the one fault that none of them has."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.importing.memory_store import MemoryStore

from tapeloom.importing import ImportMismatchError, import_bars
from tapeloom.timestamps import from_ns

if TYPE_CHECKING:
    from pathlib import Path

    from tapeloom.importing import ImportReport

MINUTE = 60 * 10**9
NEW_YORK = ZoneInfo("America/New_York")
FULL_DAYS = "symbol=SPY/2024-03-26_2024-08-30.parquet"


@pytest.fixture
def minutes(real_data: Path) -> Path:
    """The folder of one-minute bars of shares."""
    return real_data / "bars" / "us_equity" / "interval=1m"


@pytest.fixture
def spy(minutes: Path) -> pa.Table:
    """Five months of SPY: each day has one bar at 16:00, beside its 390 minutes."""
    return pq.read_table(minutes / FULL_DAYS, partitioning=None)


def first_days(table: pa.Table, count: int) -> pa.Table:
    """The bars of the first days, which have 391 each."""
    return table.slice(0, 391 * count)


def starts(table: pa.Table) -> list[int]:
    found: list[int] = table["ts"].cast("int64").to_pylist()
    return found


def with_times(table: pa.Table, times: Any) -> pa.Table:
    return table.set_column(table.column_names.index("ts"), "ts", pa.array(times))


def with_value(table: pa.Table, name: str, row: int, value: float) -> pa.Table:
    values = table[name].to_numpy().astype(float).copy()
    values[row] = value
    return table.set_column(table.column_names.index(name), name, pa.array(values))


def texts(report: ImportReport) -> dict[str, str]:
    return {f.kind: f.text for f in report.findings}


def refused(data: object, store: MemoryStore, **options: Any) -> str:
    with pytest.raises(ImportMismatchError) as caught:
        import_bars(data, into=store, **options)
    assert store.bars == {}
    return str(caught.value)


def stored(store: MemoryStore, symbol: str = "SPY") -> list[int]:
    found: list[int] = store.bars[symbol, "1m"].ts.tolist()
    return found


def test_newest_first_is_sorted_and_told(store: MemoryStore, spy: pa.Table) -> None:
    turned = spy.take(np.arange(spy.num_rows)[::-1])
    report = import_bars(turned, into=store)
    assert texts(report)["order"] == "newest first; sorted"
    assert stored(store) == starts(spy)


def test_rows_out_of_order_are_sorted_and_counted(
    store: MemoryStore, spy: pa.Table
) -> None:
    halves = pa.concat_tables([spy.slice(20_000), spy.slice(0, 20_000)])
    report = import_bars(halves, into=store)
    assert texts(report)["order"] == "1 row earlier than the one before; sorted"
    assert stored(store) == starts(spy)


def test_one_whole_day_of_end_labels_is_told_as_the_calendar_shows_it(
    store: MemoryStore, spy: pa.Table
) -> None:
    day = spy.slice(0, 390)
    ends = [
        from_ns(ns + MINUTE, NEW_YORK).replace(tzinfo=None).isoformat(" ")
        for ns in starts(day)
    ]
    said = refused(with_times(day, ends), store)
    assert (
        "labels look like bar ends: 390/390 as ends, 389/390 as starts; pass label='end'"
        in said
    )


def test_a_bar_at_the_close_is_a_closing_print_and_no_proof_of_ends(
    store: MemoryStore, spy: pa.Table
) -> None:
    report = import_bars(first_days(spy, 1), into=store)
    assert texts(report)["closing_print"] == (
        "start labels, 390/390, plus one bar at the close (closing print), kept as extended"
    )
    assert stored(store) == starts(first_days(spy, 1))


def test_so_is_one_at_each_close_of_five_months(
    store: MemoryStore, spy: pa.Table
) -> None:
    report = import_bars(spy, into=store)
    assert not {f.kind for f in report.problems} & {"label", "shift", "zone"}
    assert stored(store) == starts(spy)


@pytest.mark.parametrize("zone", ["UTC", "Europe/London", "America/Chicago"])
def test_wall_times_of_another_zone_are_proposed_by_its_name(
    store: MemoryStore, spy: pa.Table, zone: str
) -> None:
    # March to August: the clocks of London change on another day than those of New York.
    walls = [
        from_ns(ns, ZoneInfo(zone)).replace(tzinfo=None).isoformat(" ")
        for ns in starts(spy)
    ]
    data = with_times(spy, walls)
    assert f"pass zone={zone!r}" in refused(data, store)
    import_bars(data, into=store, auto=True)
    assert stored(store) == starts(spy)


def test_times_an_hour_off_are_proposed_as_a_shift(
    store: MemoryStore, spy: pa.Table
) -> None:
    data = with_times(spy, np.array(starts(spy)) + 60 * MINUTE)
    assert "pass shift='-1h'" in refused(data, store)
    import_bars(data, into=store, auto=True)
    assert stored(store) == starts(spy)


@pytest.mark.parametrize(
    ("unit", "per_second", "word"),
    [("s", 1, "seconds"), ("ms", 10**3, "milliseconds"), ("us", 10**6, "microseconds")],
)
def test_integers_of_another_unit_are_told(
    store: MemoryStore, spy: pa.Table, unit: str, per_second: int, word: str
) -> None:
    data = with_times(spy, np.array(starts(spy)) // (10**9 // per_second))
    said = refused(data, store)
    assert f"look like {word} since 1970; pass time_unit={unit!r}" in said
    import_bars(data, into=store, auto=True)
    assert stored(store) == starts(spy)


def test_repeats_of_the_same_values_are_dropped_and_counted(
    store: MemoryStore, spy: pa.Table
) -> None:
    report = import_bars(pa.concat_tables([spy, spy.slice(100, 50)]), into=store)
    assert texts(report)["duplicates"] == (
        "50 repeated rows with the same values, kept once"
    )
    assert stored(store) == starts(spy)


def test_repeats_of_other_values_stop_under_auto_too(
    store: MemoryStore, real_data: Path
) -> None:
    (path,) = (real_data / "bars" / "future_eurex" / "interval=1m").rglob("*.parquet")
    store.exchange_group = "24/7"
    said = refused(path, store, auto=True)
    assert "2,276 keys occur twice with different values; choose on_duplicate" in said


def test_invalid_rows_are_listed_and_left_out(
    store: MemoryStore, spy: pa.Table
) -> None:
    bad = with_value(with_value(spy, "high", 7, 1.0), "close", 9, float("nan"))
    report = import_bars(bad, into=store)
    said = texts(report)["invalid"]
    assert said.startswith("2 rows left out that break a rule: row 7, 2024-03-26 13:37")
    assert "row 9, 2024-03-26 13:39:00 UTC: close is nan" in said
    assert stored(store) == [n for i, n in enumerate(starts(spy)) if i not in (7, 9)]


def test_rows_off_the_grid_are_told(store: MemoryStore, spy: pa.Table) -> None:
    times = np.array(starts(spy))
    times[100] += 7 * 10**9
    report = import_bars(with_times(spy, times), into=store)
    assert texts(report)["off_grid"] == (
        "1 row off the grid of 1m bars, the first at 2024-03-26 11:10:07"
    )


def test_bars_outside_hours_are_counted(store: MemoryStore, minutes: Path) -> None:
    path = next((minutes / "symbol=AAPL").glob("2014*"))
    report = import_bars(path, into=store)
    # As the truth has it: 551 before the open, 582 at the close or after it.
    assert texts(report)["outside_hours"] == (
        "1,133 of 2,303 bars outside regular hours; kept"
    )


def test_missing_sessions_are_counted(store: MemoryStore, minutes: Path) -> None:
    path = next((minutes / "symbol=QQQ").glob("2022*"))
    report = import_bars(path, into=store)
    assert "559 of 639 sessions" in texts(report)["missing_sessions"]


def test_a_last_day_that_is_cut_off_is_told(store: MemoryStore, minutes: Path) -> None:
    path = next((minutes / "symbol=UVXY").glob("2026-03-23*"))
    report = import_bars(path, into=store)
    assert (
        "bars before its close, as a download during the session does"
        in texts(report)["cut_off"]
    )


@pytest.mark.parametrize("form", ["%Y-%m-%d", "%Y-%m-%d 00:00:00", "%Y%m%d"])
def test_daily_bars_at_midnight_move_to_the_open_of_their_session(
    store: MemoryStore, real_data: Path, form: str
) -> None:
    folder = real_data / "bars" / "us_equity" / "interval=1d" / "symbol=AAPL"
    table = pq.read_table(next(folder.iterdir()), partitioning=None)
    dates = [from_ns(ns, NEW_YORK).strftime(form) for ns in starts(table)]
    report = import_bars(with_times(table, dates), into=store)
    assert (
        "1d bars moved to the open of their session"
        in texts(report)["daily_at_midnight"]
    )
    assert store.bars["AAPL", "1d"].ts.tolist() == starts(table)
