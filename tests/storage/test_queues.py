"""Queues: loaded in any order and any pieces they merge the same, and nothing comes twice."""

from __future__ import annotations

from datetime import date, datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.reference.queues import Entry, Queues

from tapeloom import BarData, Bars, Quote, SessionData, TickData, TimeManager
from tapeloom.errors import ArgumentError, InvalidBarError
from tapeloom.storage import DataManager

if TYPE_CHECKING:
    from pathlib import Path

    from tests.storage.conftest import Columns, Stamps, WriteFile

    from tapeloom.storage.stream_queue import Item

SECOND = 1_000_000_000
MINUTE = 60 * SECOND
OPEN = 1_751_463_000_000_000_000
SYMBOLS = ("MSFT", "AAPL", "BAC")
LENGTHS = {"1m": MINUTE, "5m": 5 * MINUTE}
SPAN = 30


def test_the_order_of_the_example(tmp_path: Path, columns: Columns) -> None:
    session = SessionData()
    for symbol in ("MSFT", "AAPL"):
        session.register_symbol(symbol)
    source = DataManager(tmp_path, session_data=session)
    for symbol, interval, minute in (("AAPL", "1m", 4), ("MSFT", "5m", 0), ("MSFT", "1m", 4)):  # fmt: skip
        ts = np.array([OPEN + minute * MINUTE])
        source.add_source(symbol, interval, columns(ts, symbol=None))

    (batch,) = source

    assert f"{batch.time:%H:%M}" == "09:35"
    assert [(bar.symbol, bar.interval) for bar in batch.items if isinstance(bar, BarData)] == [
        ("MSFT", "1m"), ("AAPL", "1m"), ("MSFT", "5m")
    ]  # fmt: skip
    assert [len(bars) for bars in batch.columns] == [1, 1, 1]


@pytest.fixture(scope="module")
def tape(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[Any, list[Entry]]]:  # fmt: skip
    """Return half an hour of bars, trades and quotes with holes and equal times, and all of it as entries."""
    root = tmp_path_factory.mktemp("tape")
    rng = np.random.default_rng(7)
    entries: dict[Any, list[Entry]] = {}
    source = DataManager(root)
    for symbol in SYMBOLS:
        for interval, length in LENGTHS.items():
            ts = OPEN + np.arange(0, SPAN * MINUTE, length)
            ts = ts[rng.random(len(ts)) < 0.8]
            source.write_bars(symbol, interval, columns_of(ts))
            key = ("bar", length, symbol)
            entries[key] = [Entry("bar", length, symbol, t, t + length) for t in ts.tolist()]  # fmt: skip
        for kind, folder, names in (
            ("tick", "trades", ("price", "size")),
            ("quote", "quotes", ("bid_price", "ask_price")),
        ):
            # Whole minutes, so that they meet the ends of bars and each other.
            ts = np.sort(OPEN + rng.integers(0, SPAN + 1, 40) * MINUTE)
            where = root / folder / "us_equity" / f"symbol={symbol}"
            where.mkdir(parents=True)
            numbers = {name: np.arange(1.0, 41.0) for name in names}
            stamps = pa.array(ts).cast(pa.timestamp("ns", "UTC"))
            pq.write_table(
                pa.table({"ts": stamps, **numbers}),
                where / "x.parquet",
                row_group_size=7,
            )
            entries[kind, 0, symbol] = [Entry(kind, 0, symbol, t, t) for t in ts.tolist()]  # fmt: skip
    return root, entries


def columns_of(ts: Any) -> dict[str, Any]:
    one = np.ones(len(ts))
    names = ("open", "high", "low", "close", "volume")
    return {"ts": np.asarray(ts, np.int64), **dict.fromkeys(names, one)}


def entry_of(item: Item) -> Entry:
    if isinstance(item, BarData):
        length = LENGTHS[item.interval]
        return Entry("bar", length, item.symbol, item.ts, item.ts + length)
    kind = "tick" if isinstance(item, TickData) else "quote"
    return Entry(kind, 0, item.symbol, item.ts, item.ts)


MINUTES = st.integers(-2, SPAN + 2)
SERIES = st.sampled_from(
    [("bar", length, symbol) for symbol in SYMBOLS for length in LENGTHS.values()]
    + [(kind, 0, symbol) for symbol in SYMBOLS for kind in ("tick", "quote")]
)
STEPS = st.lists(
    st.tuples(st.just("load"), SERIES, MINUTES, MINUTES)
    | st.tuples(st.just("until"), st.none(), MINUTES, MINUTES)
    | st.tuples(st.just("head"), SERIES, MINUTES, MINUTES),
    max_size=25,
)


@given(steps=STEPS, configured=st.permutations(SYMBOLS).map(lambda all_: all_[:2]))
def test_queues_are_sorted_lists(
    tape: tuple[Path, dict[Any, list[Entry]]], steps: Any, configured: list[str]
) -> None:
    root, entries = tape
    session = SessionData()
    for symbol in configured:
        session.register_symbol(symbol)
    source = DataManager(root, session_data=session)
    expected = Queues(configured)
    names = {length: text for text, length in LENGTHS.items()}
    for what, key, one, other in [*steps, ("until", None, SPAN + 9, 0)]:
        low, high = (OPEN + minute * MINUTE for minute in sorted((one, other)))
        if what == "load":
            kind, length, symbol = key
            found = source.load_queue(symbol, names.get(length), low, high, kind=kind)
            wanted = expected.load(key, entries[key], low, high)
            assert (found.loaded, found.dropped) == wanted
        elif what == "head":
            kind, length, symbol = key
            item = source.consume_queue(symbol, names.get(length), kind=kind)
            head = expected.consume(key)
            assert (item and entry_of(item)) == head
        else:
            until = OPEN + one * MINUTE
            taken = [entry_of(item) for item in source.consume_until(until)]
            assert taken == expected.consume_until(until)
        ahead = source.next_timestamp()
        assert (None if ahead is None else int(ahead.timestamp()) * SECOND) == expected.next()  # fmt: skip
    assert all(stats.size == 0 for stats in source.queue_stats().values())


@given(order=st.permutations(range(12)), cut=st.integers(1, SPAN - 1))
def test_queues_that_are_loaded_in_any_order_merge_the_same(
    tape: tuple[Path, dict[Any, list[Entry]]], order: list[int], cut: int
) -> None:
    root, entries = tape
    names = {length: text for text, length in LENGTHS.items()}
    merged = []
    for permuted in (range(12), order):
        source = DataManager(root)
        keys = sorted(entries)
        for kind, length, symbol in (keys[at] for at in permuted):
            # In two pieces that overlap, the later one first.
            for start, end in ((cut - 1, SPAN + 1), (0, cut)):
                source.load_queue(
                    symbol,
                    names.get(length),
                    OPEN + start * MINUTE,
                    OPEN + end * MINUTE,
                    kind=kind,
                )
        merged.append([(batch.ts, [entry_of(i) for i in batch.items]) for batch in source])  # fmt: skip

    assert merged[0] == merged[1]
    assert sum(len(items) for _, items in merged[0]) == sum(map(len, entries.values()))


def test_what_was_consumed_does_not_come_again(
    tmp_path: Path, columns: Columns, minutes: Stamps
) -> None:
    source = DataManager(tmp_path)
    source.write_bars("AAPL", "1m", columns(minutes))
    source.load_queue("AAPL", "1m", None, int(minutes[6]))
    assert len(source.consume_until(int(minutes[4]))) == 4

    again = source.load_queue("AAPL", "1m", int(minutes[2]), None)

    assert (again.loaded, again.duplicate, again.outside) == (4, 4, 0)
    assert again.first is not None
    assert again.first.timestamp() * SECOND == minutes[6]
    left = [bar.ts for bar in source.consume_until(2**62) if isinstance(bar, BarData)]
    assert left == minutes[4:].tolist()
    stats = source.queue_stats()["AAPL", "1m", "bar"]
    assert (stats.size, stats.consumed, stats.oldest) == (0, 10, None)


def test_bars_that_come_twice_and_those_out_of_hours_are_counted(
    tmp_path: Path, write_file: WriteFile, minutes: Stamps
) -> None:
    ts = np.sort(np.concatenate([minutes, minutes[3:5], minutes[:1] - 5 * MINUTE]))
    write_file(tmp_path / "a.parquet", ts, volume=np.arange(13.0))
    source = DataManager(tmp_path)

    found = source.load_queue("AAPL", "1m", None, None)

    assert (found.loaded, found.duplicate, found.outside, found.dropped) == (10, 2, 1, 3)  # fmt: skip
    volumes = [b.volume for b in source.consume_until(2**62) if isinstance(b, BarData)]
    # The last of those that start together.
    assert volumes == [1, 2, 3, 5, 7, 8, 9, 10, 11, 12]
    more = source.load_queue("AAPL", "1m", None, None, hours="extended")
    assert (more.loaded, more.duplicate) == (0, 13)


def test_a_queue_reaches_ahead_of_the_clock(
    tmp_path: Path, columns: Columns, minutes: Stamps
) -> None:
    manager = TimeManager()
    manager.set_backtest_time(int(minutes[0]))
    source = DataManager(tmp_path, time_manager=manager)
    source.write_bars("AAPL", "1m", columns(minutes))

    assert len(source.get_bars("AAPL", "1m")) == 0
    assert source.load_queue("AAPL", "1m", None, None).loaded == 10
    assert f"{source.peek_queue_timestamp('AAPL', '1m'):%H:%M}" == "09:31"


def test_a_day_ends_at_its_close(tmp_path: Path, columns: Columns) -> None:
    source = DataManager(tmp_path)
    opens = np.array([int(TimeManager().get_grid(date(2025, 7, 3), "1d")[0])])
    source.add_source("AAPL", "1d", columns(opens, symbol=None))

    assert f"{source.peek_queue_timestamp('AAPL', '1d'):%H:%M}" == "13:00"


def test_a_time_between_microseconds_is_reached(tmp_path: Path) -> None:
    where = tmp_path / "trades/us_equity/symbol=AAPL"
    where.mkdir(parents=True)
    stamps = pa.array([OPEN + 1]).cast(pa.timestamp("ns", "UTC"))
    pq.write_table(pa.table({"ts": stamps, "price": [1.0], "size": [1]}), where / "x.parquet")  # fmt: skip
    source = DataManager(tmp_path)
    source.load_queue("AAPL", None, None, None, kind="tick")

    ahead = source.next_timestamp()

    assert ahead is not None
    assert [item.ts for item in source.consume_until(ahead)] == [OPEN + 1]


def test_memory_is_taken_as_it_is_given_and_checked(
    tmp_path: Path, columns: Columns, minutes: Stamps
) -> None:
    source = DataManager(tmp_path)
    given = columns(minutes[::-1], symbol=None)

    assert source.add_source("AAPL", "1m", given).loaded == 10
    assert source.add_source("AAPL", "1m", given).duplicate == 10
    with pytest.raises(InvalidBarError):
        source.add_source("AAPL", "1m", columns(minutes, symbol=None, volume=[-1] * 10))
    assert [bar.ts for bar in source.consume_until(2**62)] == minutes.tolist()


def test_an_empty_queue_answers_nothing(tmp_path: Path) -> None:
    source = DataManager(tmp_path)

    assert source.peek_queue_timestamp("AAPL", "1m") is None
    assert source.consume_queue("AAPL", "1m") is None
    assert source.next_timestamp() is None
    assert source.consume_until(OPEN) == []
    assert (list(source), source.queue_stats()) == ([], {})
    with pytest.raises(ArgumentError, match="kind is 'bars'"):
        source.peek_queue_timestamp("AAPL", "1m", kind="bars")  # type: ignore[arg-type]


def test_no_row_is_made_before_it_is_taken(
    tmp_path: Path, columns: Columns, minutes: Stamps, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = DataManager(tmp_path)
    source.write_bars("AAPL", "1m", columns(minutes))
    source.load_queue("AAPL", "1m", None, None)
    queue = source.queues._queues
    (only,) = queue.values()

    assert isinstance(only._items.bars, Bars)
    assert isinstance(source.consume_queue("AAPL", "1m"), BarData)


def when(minute: int) -> datetime:
    return datetime(2025, 7, 2, 9, minute)  # noqa: DTZ001, naive is wall time of the exchange


def test_values_of_trades_and_quotes_are_those_stored(
    tape: tuple[Path, dict[Any, list[Entry]]],
) -> None:
    root, entries = tape
    source = DataManager(root)
    source.load_queue("AAPL", None, None, None, kind="tick")
    source.load_queue("AAPL", None, None, None, kind="quote")

    taken = source.consume_until(2**62)

    ticks = [item for item in taken if isinstance(item, TickData)]
    quotes = [item for item in taken if isinstance(item, Quote)]
    assert ticks == source.get_ticks("AAPL").to_list()
    assert quotes == source.get_quotes("AAPL").to_list()
    assert [tick.price for tick in ticks] == [quote.bid for quote in quotes]
    assert [tick.ts for tick in ticks] == [e.start for e in entries["tick", 0, "AAPL"]]
    assert source.get_ticks("AAPL", when(40), when(40)).to_list() == []
