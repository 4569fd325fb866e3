"""``tapeloom.merge`` beside a plain sort: every shape of sources, every form of data."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tapeloom
from tapeloom import Bars, DataManager, TimeManager
from tapeloom._core import merge_bars
from tapeloom.calendars import get_session_table
from tapeloom.errors import ArgumentError, ArgumentTypeError, InvalidBarError
from tests.days import us_day
from tests.reference.gaps import expected_starts
from tests.reference.schedule import MINUTE
from tests.strategies import INTERVALS, sorted_sources

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

US = get_session_table("US_EQUITY")
FIELDS = ("open", "high", "low", "close", "volume")
FULL, HALF = us_day("2025-07-02"), us_day("2025-07-03")
FULL_GRID = expected_starts(FULL, MINUTE)[:3]


def bars_at(symbol: str, interval: str, ts: Sequence[int] | NDArray[np.int64]) -> Bars:
    stamps = np.array(ts, dtype=np.int64)
    price = np.arange(len(ts), dtype=np.float64) + 1
    return Bars.from_columns(
        symbol,
        interval,
        ts=stamps,
        open=price,
        high=price + 3,
        low=price / 2,
        close=price + 1,
        volume=price * 100,
        zone=US.zone,
        table=US,
    )


def expected_order(series: Sequence[Bars]) -> list[tuple[int, int]]:
    """Source and row by (known at, length of the interval, source, row)."""
    keys = []
    for source, bars in enumerate(series):
        length = INTERVALS.get(bars.interval, 10**18)
        for row, ts in enumerate(bars.ts.tolist()):
            keys.append((US.bar_end(ts, bars.interval), length, source, row))
    return [(source, row) for _, _, source, row in sorted(keys)]


def order_of(series: Sequence[Bars], threads: int = 2) -> list[tuple[int, int]]:
    source, ts, prices, flags = merge_bars(series, US, threads=threads)
    assert source.dtype == np.int32
    # The first price says from which row it came.
    rows = (prices["open"] - 1).astype(np.int64).tolist()
    for at, (one, row) in enumerate(zip(source.tolist(), rows, strict=True)):
        bars = series[one]
        assert ts[at] == bars.ts[row]
        assert prices["close"][at] == bars.close[row]
        assert prices["volume"][at] == bars.volume[row]
        assert flags[at] == bars.flags[row]
    return list(zip(source.tolist(), rows, strict=True))


@given(sources=sorted_sources(), threads=st.integers(1, 3))
def test_merging_is_a_stable_sort_by_the_end_of_the_bars(
    sources: list[tuple[str, list[int]]], threads: int
) -> None:
    series = [bars_at(f"S{n}", *source) for n, source in enumerate(sources)]
    assert order_of(series, threads) == expected_order(series)


@given(data=st.data())
def test_no_bar_is_known_after_its_session(data: st.DataObject) -> None:
    days = [FULL, HALF]
    moments = st.sampled_from(
        [
            day.close + minutes * MINUTE
            for day in days
            for minutes in (-61, -60, -59, -31, -30, -1, 0, 1, 30)
        ]
        + [day.open + minutes * MINUTE for day in days for minutes in (-90, -30, 0, 15)]
    )
    series = [
        bars_at(
            f"S{n}",
            data.draw(st.sampled_from(["1m", "15m", "1h"])),
            sorted(data.draw(st.lists(moments, max_size=6))),
        )
        for n in range(data.draw(st.integers(1, 5)))
    ]
    assert order_of(series) == expected_order(series)


def test_a_bar_that_a_bound_cuts_short_overtakes_an_earlier_one() -> None:
    # From 02:00 on no session cuts it; from 09:00 on the open does.
    long = bars_at("LONG", "12h", [FULL.open - 450 * MINUTE, FULL.open - 30 * MINUTE])
    assert order_of([long]) == expected_order([long]) == [(0, 1), (0, 0)]


def test_a_daily_bar_is_known_at_the_close() -> None:
    minutes = expected_starts(HALF, MINUTE)
    day = bars_at("DAY", "1d", [HALF.open])
    minute = bars_at("MIN", "1m", minutes)
    assert order_of([day, minute])[-1] == (0, 0)
    assert order_of([day, minute])[-2] == (1, len(minutes) - 1)


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_many_rows_are_the_same_on_any_number_of_threads(threads: int) -> None:
    rng = np.random.default_rng(11)
    grid = np.concatenate([US.grid(row, "1m") for row in range(8_000, 8_060)])
    series = []
    for number in range(40):
        kept = grid[rng.random(grid.size) > 0.05 * (number % 3)]
        if number % 5 == 4:
            kept = kept + rng.integers(0, MINUTE, kept.size)
        series.append(bars_at(f"S{number}", "1m", kept))
    source, ts, prices, _ = merge_bars(series, US, threads=threads)
    ends = np.concatenate(
        [np.minimum(bars.ts + MINUTE, US.next_close(bars.ts)) for bars in series]
    )
    sources = np.repeat(np.arange(40), [len(bars) for bars in series])
    order = np.argsort(ends, kind="stable")
    assert (source == sources[order]).all()
    assert (ts == np.concatenate([bars.ts for bars in series])[order]).all()
    opens = np.concatenate([bars.open for bars in series])
    assert (prices["open"] == opens[order]).all()


@pytest.mark.parametrize("threads", [1, 2, 5])
@pytest.mark.parametrize("interval", ["30m", "1h"])
def test_series_with_the_same_starts_take_turns(interval: str, threads: int) -> None:
    """The last hour of a session is cut short, the last half hour is not."""
    grid = np.concatenate([US.grid(row, interval) for row in range(8_000, 8_100)])
    starts = [grid] * 11 + [grid[:300], grid[150:], np.delete(grid, [200, 500])]
    series = [bars_at(f"S{n}", interval, ts) for n, ts in enumerate(starts)]
    assert order_of(series, threads) == expected_order(series)


def test_five_thousand_sources_of_one_row_and_of_none() -> None:
    stamps = expected_starts(FULL, MINUTE)
    series = [
        bars_at(f"S{n}", "1m", [stamps[n * 7 % 390]] if n % 3 else [])
        for n in range(5_000)
    ]
    assert order_of(series) == expected_order(series)


def test_nothing_at_all_is_an_empty_table() -> None:
    assert len(merge_bars([], US)[0]) == 0
    assert len(tapeloom.merge([bars_at("A", "1m", [])])) == 0


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("kinds", [(3, 3, 3), (3, 1, 3), (None, 3, 3), (3, 3, None)])
def test_flags_come_along_whether_or_not_they_are_all_the_same(
    kinds: tuple[int | None, ...], threads: int
) -> None:
    grid = np.concatenate([US.grid(row, "1m") for row in range(8_000, 8_090)])
    rng = np.random.default_rng(3)
    series = []
    for number, flag in enumerate(kinds):
        bars = bars_at(f"S{number}", "1m", grid)
        mixed = rng.integers(0, 8, grid.size) if flag is None else flag
        flags = np.full(grid.size, mixed, np.uint8)
        columns = {name: getattr(bars, name) for name in ("ts", *FIELDS)}
        series.append(
            Bars.from_columns(bars.symbol, "1m", **columns, flags=flags, zone=US.zone)
        )
    source, _, _, flags = merge_bars(series, US, threads=threads)
    for number, bars in enumerate(series):
        assert (flags[source == number] == bars.flags).all()


def test_a_series_out_of_order_is_named_with_its_row() -> None:
    good = bars_at("GOOD", "1m", [FULL.open])
    bad = bars_at("BAD", "1m", [FULL.open, FULL.open + 2 * MINUTE, FULL.open + MINUTE])
    with pytest.raises(ArgumentError, match="BAD 1m is not in order: row 2") as raised:
        tapeloom.merge([good, bad])
    assert (raised.value.symbol, raised.value.row) == ("BAD", 2)


def test_a_live_view_of_a_store_can_be_merged() -> None:
    session = tapeloom.SessionData()
    session.start_new_session(FULL.date)
    for symbol in ("AAA", "BBB"):
        minutes = expected_starts(FULL, MINUTE)[:50]
        session.add_bars_batch(symbol, bars_at(symbol, "1m", minutes))
    merged = tapeloom.merge([session.get_bars(symbol) for symbol in ("BBB", "AAA")])
    assert [merged.sources[s][0] for s in merged.source[:4]] == ["BBB", "AAA"] * 2


def test_frames_of_every_library_give_the_same_table(tmp_path: Path) -> None:
    minutes = expected_starts(FULL, MINUTE)[:5]
    series = {
        "BBB": bars_at("BBB", "1m", minutes),
        "AAA": bars_at("AAA", "1m", minutes),
    }
    merged = tapeloom.merge(series)
    frame = pl.concat(
        [
            pl.DataFrame(
                {
                    "ts": bars.ts.view("datetime64[ns]"),
                    **{name: getattr(bars, name) for name in FIELDS},
                }
            ).with_columns(
                pl.col("ts").dt.replace_time_zone("UTC"),
                pl.lit(symbol).alias("symbol"),
            )
            for symbol, bars in series.items()
        ]
    )
    for data in (frame, frame.to_arrow(), frame.to_pandas(), list(series.values())):
        again = tapeloom.merge(data)
        assert again.source.tolist() == merged.source.tolist()
        assert again.ts.tolist() == merged.ts.tolist()
        assert again.volume.tolist() == merged.volume.tolist()
    files = DataManager(tmp_path)
    for symbol, bars in series.items():
        files.write_bars(symbol, "1m", bars)
    stored = tapeloom.merge(tmp_path)
    assert [symbol for symbol, _ in stored.sources] == ["AAA", "BBB"]
    assert stored.ts.tolist() == merged.ts.tolist()
    assert len(tapeloom.merge(tmp_path, interval="5m")) == 0


def test_the_table_is_arrow_to_every_tool() -> None:
    merged = tapeloom.merge(
        [bars_at("AAA", "1m", [FULL.open]), bars_at("AAA", "5m", [FULL.open])]
    )
    table = pa.table(merged)
    assert table.column_names[:3] == ["symbol", "interval", "ts"]
    frame = pl.DataFrame(merged)
    assert frame["interval"].to_list() == ["1m", "5m"]
    assert frame["ts"].dtype == pl.Datetime("ns", "UTC")
    assert repr(merged) == "MergedBars(2 bars of 2 series)"


def test_a_corrected_calendar_ends_bars_earlier() -> None:
    manager = TimeManager(
        overlay={"XNYS": {"2025-07-02": {"regular": ["09:30", "10:15"]}}}
    )
    hour = bars_at("HOUR", "1h", [FULL.open])
    later = bars_at("LATE", "1m", [FULL.open + 50 * MINUTE])
    assert tapeloom.merge([later, hour]).source.tolist() == [0, 1]
    assert tapeloom.merge([later, hour], time_manager=manager).source.tolist() == [1, 0]


def test_wrong_arguments_are_refused() -> None:
    with pytest.raises(ArgumentTypeError, match="give a TimeManager"):
        tapeloom.merge([], time_manager="US_EQUITY")  # type: ignore[arg-type]  # what is tested
    with pytest.raises(ArgumentError, match="'JP_EQUITY', and the time manager's"):
        tapeloom.merge([], exchange_group="JP_EQUITY", time_manager=TimeManager())
    with pytest.raises(ArgumentError, match="threads is 0"):
        merge_bars([], US, threads=0)


def test_memory_that_somebody_holds_is_never_used_again() -> None:
    grid = np.concatenate([US.grid(row, "1m") for row in range(8_000, 8_090)])
    series = [bars_at(f"S{n}", "1m", grid) for n in range(3)]
    first = merge_bars(series, US)
    kept = [first[0][5:], first[1][::2], *first[2].values(), memoryview(first[3].data)]
    copies = [bytes(np.ascontiguousarray(array)) for array in kept]
    addresses = {array.ctypes.data for array in (first[0], first[1])}
    del first
    others = [bars_at(f"T{n}", "1m", grid + 7) for n in range(3)]
    used = set()
    for _ in range(5):
        again = merge_bars(others, US)
        assert again[1][0] == grid[0] + 7
        assert again[1].ctypes.data not in addresses
        assert [bytes(np.ascontiguousarray(array)) for array in kept] == copies
        used.add(again[1].ctypes.data)
    del again
    assert merge_bars(series, US)[1].ctypes.data in used


def test_rows_of_a_frame_that_break_a_rule_are_refused() -> None:
    columns = {name: getattr(bars_at("A", "1m", FULL_GRID), name) for name in FIELDS}
    frame = {"ts": np.array(FULL_GRID), **columns}
    assert len(tapeloom.merge(frame, symbol="aapl")) == 3
    assert tapeloom.merge(frame, symbol="aapl").sources[0][0] == "AAPL"
    broken = {**frame, "close": np.array([1.0, np.nan, 2.0])}
    with pytest.raises(InvalidBarError, match="row 1"):
        tapeloom.merge({"AAPL": broken})
    below = {**frame, **dict.fromkeys(("open", "high", "low", "close"), -np.ones(3))}
    with pytest.raises(InvalidBarError, match="row 0"):
        tapeloom.merge({"CL": below})
    assert len(tapeloom.merge({"CL": below}, allow_negative_prices=True)) == 3


def test_memory_whose_owner_was_frozen_is_not_used_again() -> None:
    grid = np.concatenate([US.grid(session, "1m") for session in range(8_000, 8_200)])
    data = {name: bars_at(name, "1m", grid) for name in ("AAA", "BBB")}
    merged = tapeloom.merge(data)
    owner = merged.close.base
    assert isinstance(owner, np.ndarray)
    owner.flags.writeable = False
    del merged, owner
    for _ in range(2):
        assert len(tapeloom.merge(data)) == 2 * len(grid)
