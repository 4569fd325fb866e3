"""Objects with the attributes of a bar become bars; what they lack is named."""

from __future__ import annotations

from collections import deque, namedtuple
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapeloom import BarData, Bars, SessionData
from tapeloom.columns import read_frame
from tapeloom.errors import (
    ArgumentError,
    ArgumentTypeError,
    NonexistentTimeError,
    SymbolError,
    TimestampError,
    TimestampUnitError,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

NEW_YORK = ZoneInfo("America/New_York")
OPEN = 1_751_463_000_000_000_000
MINUTE = 60_000_000_000
FIELDS = ("open", "high", "low", "close", "volume")


@dataclass
class Candle:
    timestamp: datetime
    open: float
    high: float
    low: float
    close: float
    volume: float


Row = namedtuple("Row", "ts open high low close volume")


def item(minute: int = 0, **changes: Any) -> SimpleNamespace:
    said: dict[str, Any] = {
        "ts": OPEN + minute * MINUTE,
        "open": 10.0,
        "high": 11.0,
        "low": 9.0,
        "close": 10.0 + minute,
        "volume": 5,
    }
    return SimpleNamespace(
        **{k: v for k, v in (said | changes).items() if v is not ...}
    )


def read_one(rows: object, **options: Any) -> Bars:
    return read_frame(rows, zone=NEW_YORK, symbol="aapl", **options)["AAPL"]


PRICES = [(10.0, 11.0, 9.0, 10.0 + minute, 5.0) for minute in range(3)]
AT = [datetime.fromtimestamp(OPEN / 10**9 + 60 * k, UTC) for k in range(3)]
KINDS: dict[str, Callable[[], object]] = {
    "namespaces": lambda: [item(k) for k in range(3)],
    "dataclasses": lambda: [Candle(AT[k], *PRICES[k]) for k in range(3)],
    "dataclasses of wall time": lambda: [
        Candle(at.astimezone(NEW_YORK).replace(tzinfo=None), *prices)
        for at, prices in zip(AT, PRICES, strict=True)
    ],
    "named tuples": lambda: [Row(OPEN + k * MINUTE, *PRICES[k]) for k in range(3)],
    "a tuple": lambda: tuple(item(k) for k in range(3)),
    "a generator": lambda: (item(k) for k in range(3)),
    "a deque": lambda: deque(item(k) for k in range(3)),
    "rows of pandas": lambda: pd.DataFrame(
        [Row(OPEN + k * MINUTE, *PRICES[k]) for k in range(3)]
    ).itertuples(),
    "decimals": lambda: [
        item(k, close=Decimal(10 + k), volume=Decimal(5)) for k in range(3)
    ],
    "NumPy scalars": lambda: [
        item(k, ts=np.datetime64(OPEN + k * MINUTE, "ns"), close=np.float32(10 + k))
        for k in range(3)
    ],
    "some BarData": lambda: [
        BarData("AAPL", OPEN, *PRICES[0]),
        item(1),
        BarData("AAPL", AT[2], *PRICES[2]),
    ],
    "a time that is None beside one": lambda: [
        item(k, ts=None, timestamp=AT[k]) for k in range(3)
    ],
}


@pytest.mark.parametrize("make", KINDS.values(), ids=KINDS.keys())
def test_every_kind_of_object_gives_the_same_bars(make: Callable[[], object]) -> None:
    bars = read_one(make())

    assert bars.ts.tolist() == [OPEN + k * MINUTE for k in range(3)]
    assert [
        tuple(row)
        for row in zip(*(getattr(bars, f).tolist() for f in FIELDS), strict=True)
    ] == PRICES
    assert (bars.symbol, bars.interval) == ("AAPL", "1m")


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["AAPL", "msft", " ibm "]),
            st.integers(0, 400),
            st.floats(1, 1e6),
        ),
        min_size=1,
    )
)
def test_objects_come_apart_by_symbol_in_the_order_given(
    rows: list[tuple[str, int, float]],
) -> None:
    expected: dict[str, list[tuple[int, float]]] = {}
    for symbol, minute, close in rows:
        at = OPEN + minute * MINUTE
        expected.setdefault(symbol.strip().upper(), []).append((at, close))

    found = read_frame(
        [item(m, symbol=s, close=c) for s, m, c in rows], zone=UTC, interval="1m"
    )
    assert list(found) == list(expected)
    assert {
        s: list(zip(b.ts.tolist(), b.close.tolist(), strict=True))
        for s, b in found.items()
    } == expected


def test_what_an_object_says_beside_its_prices_is_read() -> None:
    rows = [item(5 * k, symbol="msft", interval="5m", flags=k) for k in range(2)]
    bars = read_frame(rows, zone=UTC)["MSFT"]

    assert (bars.interval, bars.flags.tolist()) == ("5m", [0, 1])


def test_what_a_row_of_a_database_left_open_counts_as_not_said() -> None:
    rows = [item(k, symbol=None, interval=None, flags=None) for k in range(2)]

    assert read_one(rows).flags.tolist() == [0, 0]


def test_a_dict_of_lists_of_objects_is_a_frame_for_each_symbol() -> None:
    found = read_frame({"aapl": [item(0), item(1)], "msft": (item(0),)}, zone=UTC)

    assert {s: len(b) for s, b in found.items()} == {"AAPL": 2, "MSFT": 1}


def test_the_store_takes_objects() -> None:
    session = SessionData()
    report = session.add_bars_batch("AAPL", (item(k, high=99.0) for k in range(3)))

    assert report.counts.accepted == 3
    assert session.get_bars("AAPL").close.tolist() == [10.0, 11.0, 12.0]


def test_a_bar_keeps_its_nanoseconds() -> None:
    bars = read_one([BarData("AAPL", OPEN + 7, *PRICES[0])], interval="1m")

    assert bars.ts.tolist() == [OPEN + 7]


def test_no_rows_are_no_bars() -> None:
    empty: Iterable[object] = iter(())

    assert read_frame(empty, zone=UTC) == {}
    assert read_frame([], zone=UTC, symbol="AAPL") == {}


@pytest.mark.parametrize("field", FIELDS)
def test_a_missing_attribute_is_named_with_its_item(field: str) -> None:
    with pytest.raises(
        ArgumentTypeError,
        match=rf"item 1 \(SimpleNamespace\) has no attribute '{field}'",
    ):
        read_one([item(0), item(1, **{field: ...})])


def test_an_item_without_a_time_is_named() -> None:
    with pytest.raises(ArgumentTypeError, match=r"item 0 .* has no attribute 'ts'"):
        read_one([item(0, ts=...)])


def test_the_item_that_is_named_is_the_one_in_the_list() -> None:
    rows = [item(0, symbol="A"), item(0, symbol="B"), item(1, symbol="B", low=...)]

    with pytest.raises(ArgumentTypeError, match="item 2 ") as caught:
        read_frame(rows, zone=UTC)
    assert caught.value.row == 2


def test_dicts_are_told_to_come_as_columns() -> None:
    with pytest.raises(ArgumentTypeError, match=r"item 0 \(dict\).*dict of columns"):
        read_one([vars(item(0))])


@pytest.mark.parametrize(
    ("change", "error", "text"),
    [
        ({"ts": "2025-07-02"}, ArgumentTypeError, "attribute 'ts' in row 1"),
        ({"ts": None}, ArgumentTypeError, "attribute 'ts' in row 1"),
        ({"ts": OPEN // 10**9}, TimestampUnitError, "seconds"),
        ({"ts": datetime(2025, 3, 9, 2, 30)}, NonexistentTimeError, "row 1"),  # noqa: DTZ001
        ({"close": "10"}, ArgumentTypeError, "attribute 'close' is '10' in row 1"),
        ({"close": True}, ArgumentTypeError, "attribute 'close' is True in row 1"),
        ({"volume": 2**53 + 1}, ArgumentError, r"2\*\*53"),
        ({"flags": 256}, ArgumentTypeError, "0 to 255"),
        ({"symbol": " "}, SymbolError, "printable"),
        ({"symbol": "MSFT"}, ArgumentError, "bar 1 is of MSFT, not of 'AAPL'"),
        ({"interval": "5m"}, ArgumentError, "one symbol has one interval"),
    ],
)
def test_a_wrong_value_is_named(
    change: dict[str, Any], error: type[Exception], text: str
) -> None:
    with pytest.raises(error, match=text):
        read_one([item(0, interval="1m"), item(1, **{"interval": "1m"} | change)])


def test_objects_without_a_symbol_need_one() -> None:
    with pytest.raises(ArgumentError, match="no symbol= was given"):
        read_frame([item(0)], zone=UTC)


def test_a_time_out_of_the_range_of_nanoseconds_is_refused() -> None:
    far = datetime(2500, 1, 1, tzinfo=UTC) + timedelta(days=1)

    with pytest.raises(TimestampError, match="reach"):
        read_one([item(0, ts=far)])
