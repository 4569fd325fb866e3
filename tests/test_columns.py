"""Frames of every library become the same bars; what cannot be read says why."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from tapeloom.bars import BarData, Bars
from tapeloom.columns import infer_interval, read_frame
from tapeloom.errors import (
    ArgumentError,
    ArgumentTypeError,
    NonexistentTimeError,
    SymbolError,
    TimestampError,
    TimestampUnitError,
)

NEW_YORK = ZoneInfo("America/New_York")
MINUTE = 60_000_000_000
# 2025-07-02 09:30 New York.
OPEN = 1_751_463_000_000_000_000
TS = OPEN + MINUTE * np.arange(4)
PRICES: dict[str, list[Any]] = {
    "open": [10.0, 11.0, 12.0, 13.0],
    "high": [10.5, 11.5, 12.5, 13.5],
    "low": [9.5, 10.5, 11.5, 12.5],
    "close": [10.2, 11.2, 12.2, 13.2],
    "volume": [100, 200, 300, 400],
}
UTC_STAMPS = pd.to_datetime(TS).tz_localize("UTC")


def plain(bars: Bars) -> dict[str, list[float]]:
    columns = bars.to_numpy()
    return {name: columns[name].tolist() for name in ("ts", *PRICES)}


EXPECTED = {"ts": TS.tolist(), **{k: [float(v) for v in c] for k, c in PRICES.items()}}


def arrays(**changes: Any) -> dict[str, Any]:
    columns: dict[str, Any] = {
        "ts": TS,
        **{name: np.array(values) for name, values in PRICES.items()},
    }
    return {k: v for k, v in {**columns, **changes}.items() if v is not None}


def pandas_frame(stamps: object = UTC_STAMPS) -> pd.DataFrame:
    return pd.DataFrame({"ts": stamps, **PRICES})


def read_one(data: object, **options: Any) -> Bars:
    return read_frame(data, zone=NEW_YORK, symbol="aapl", **options)["AAPL"]


ONE_SYMBOL = {
    "dict of arrays": arrays(),
    "dict of lists": {**arrays(), "ts": TS.tolist(), "volume": PRICES["volume"]},
    "dict of datetime64 in UTC": arrays(ts=TS.view("M8[ns]").astype("M8[s]")),
    "dict of aware datetimes": arrays(ts=UTC_STAMPS.to_pydatetime().tolist()),
    "dict of naive datetimes": arrays(
        ts=[datetime(2025, 7, 2, 9, 30 + i) for i in range(4)]  # noqa: DTZ001
    ),
    "dict of object prices": arrays(volume=np.array(PRICES["volume"], dtype=object)),
    "dict of polars series": {
        name: pl.Series(values)
        for name, values in pl.from_pandas(pandas_frame()).to_dict().items()
    },
    "pandas, nanoseconds UTC": pandas_frame(),
    "pandas, seconds UTC": pandas_frame(UTC_STAMPS.as_unit("s")),
    "pandas, milliseconds in Tokyo": pandas_frame(
        UTC_STAMPS.as_unit("ms").tz_convert("Asia/Tokyo")
    ),
    "pandas, naive wall time": pandas_frame(
        UTC_STAMPS.tz_convert("America/New_York").tz_localize(None)
    ),
    "pandas, naive microseconds": pandas_frame(
        UTC_STAMPS.tz_convert("America/New_York").tz_localize(None).as_unit("us")
    ),
    "pandas, time index without a name": pandas_frame()
    .set_index("ts")
    .rename_axis(None),
    "pandas, time index called Datetime": pandas_frame()
    .set_index("ts")
    .rename_axis("Datetime"),
    "pandas, Arrow dtypes": pandas_frame().convert_dtypes(dtype_backend="pyarrow"),
    "pandas, nullable dtypes": pandas_frame().convert_dtypes(),
    "pandas, upper-case names": pandas_frame().rename(columns=str.upper),
    "pandas, float32": pandas_frame().astype({"volume": "float32"}),
    "polars, UTC": pl.from_pandas(pandas_frame()),
    "polars, naive wall time": pl.from_pandas(
        pandas_frame(UTC_STAMPS.tz_convert("America/New_York").tz_localize(None))
    ),
    "Arrow table": pa.Table.from_pandas(pandas_frame(), preserve_index=False),
    "Arrow batch": pa.RecordBatch.from_pandas(pandas_frame(), preserve_index=False),
    "Arrow, seconds": pa.table(
        {"ts": pa.array(TS // 10**9, pa.timestamp("s", "UTC")), **PRICES}
    ),
    "Arrow, several chunks": pa.concat_tables(
        [
            pa.Table.from_pandas(pandas_frame().iloc[i : i + 2], preserve_index=False)
            for i in (0, 2)
        ]
    ),
    "list of BarData": [
        BarData("AAPL", UTC_STAMPS[i].to_pydatetime(), *(c[i] for c in PRICES.values()))
        for i in range(4)
    ],
    "list of naive BarData": [
        BarData(
            "AAPL",
            datetime(2025, 7, 2, 9, 30 + i),  # noqa: DTZ001
            *(c[i] for c in PRICES.values()),
        )
        for i in range(4)
    ],
}


@pytest.mark.parametrize("data", ONE_SYMBOL.values(), ids=ONE_SYMBOL.keys())
def test_every_kind_of_frame_gives_the_same_bars(data: object) -> None:
    bars = read_one(data)

    assert (bars.symbol, bars.interval, plain(bars)) == ("AAPL", "1m", EXPECTED)


LONG = pd.concat(
    [pandas_frame().assign(symbol=s) for s in ("msft", "AAPL")], ignore_index=True
)
SEVERAL = {
    "pandas": LONG,
    "pandas, categories": LONG.astype({"symbol": "category"}),
    "pandas, index of symbol and time": LONG.set_index(["symbol", "ts"]),
    "pandas, interleaved": LONG.sort_values("ts", kind="stable"),
    "polars": pl.from_pandas(LONG),
    "polars, categories": pl.from_pandas(LONG).with_columns(
        pl.col("symbol").cast(pl.Categorical)
    ),
    "Arrow": pa.Table.from_pandas(LONG, preserve_index=False),
    "dict of arrays": {
        "symbol": ["msft"] * 4 + ["AAPL"] * 4,
        **{n: np.tile(np.asarray(c), 2) for n, c in arrays().items()},
    },
    "dict of frames": {"msft": pandas_frame(), " aapl ": arrays()},
    "dict of bars": {
        "MSFT": read_frame(arrays(), zone=UTC, symbol="MSFT")["MSFT"],
        "AAPL": pl.from_pandas(pandas_frame()),
    },
}


@pytest.mark.parametrize("data", SEVERAL.values(), ids=SEVERAL.keys())
def test_several_symbols_come_apart_in_order_of_appearance(data: object) -> None:
    found = read_frame(data, zone=NEW_YORK)

    assert {s: plain(b) for s, b in found.items()} == dict.fromkeys(
        ("MSFT", "AAPL"), EXPECTED
    )
    assert list(found) == ["MSFT", "AAPL"]


def test_two_spellings_of_one_symbol_are_one_symbol() -> None:
    data = {"symbol": ["aapl", "AAPL ", "Aapl", "AAPL"], **arrays()}

    assert plain(read_frame(data, zone=NEW_YORK)["AAPL"]) == EXPECTED


def test_rows_keep_their_order() -> None:
    newest_first = pandas_frame().iloc[::-1]

    assert read_one(newest_first).ts.tolist() == TS[::-1].tolist()


def test_flags_are_kept() -> None:
    bars = read_one(arrays(flags=np.array([0, 1, 2, 32])))

    assert bars.flags.tolist() == [0, 1, 2, 32]


def test_a_missing_price_becomes_nan_in_every_library() -> None:
    holes = [10.2, None, 12.2, 13.2]
    frames = (
        arrays(close=holes),
        pandas_frame().assign(close=pd.array(holes, dtype="Float64")),
        pa.Table.from_pandas(pandas_frame(), preserve_index=False)
        .drop_columns("volume")
        .append_column("volume", pa.array([100, None, 300, 400])),
    )

    assert [
        int(np.isnan(list(read_one(f).to_numpy().values())[1:6]).sum()) for f in frames
    ] == [1, 1, 1]


def test_an_interval_that_is_given_wins() -> None:
    assert read_one(arrays(), interval="5m").interval == "5m"


def test_a_symbol_with_one_bar_has_the_interval_of_the_others() -> None:
    found = read_frame(
        {"AAPL": arrays(), "MSFT": {k: v[:1] for k, v in arrays().items()}},
        zone=NEW_YORK,
    )

    assert found["MSFT"].interval == "1m"


@pytest.mark.parametrize("name", ["ts", "open", "volume"])
def test_a_missing_column_is_named(name: str) -> None:
    with pytest.raises(ArgumentError, match=f"column '{name}' is missing"):
        read_one(arrays(**{name: None}))


def test_a_misspelt_column_is_suggested() -> None:
    data = arrays(close=None, clsoe=np.ones(4))

    with pytest.raises(ArgumentError, match="did you mean 'clsoe'"):
        read_one(data)


WRONG_TYPES = {
    "text as time": arrays(ts=["2025-07-02 09:30"] * 4),
    "float as time": arrays(ts=TS.astype(float)),
    "bool as price": arrays(open=[True] * 4),
    "text as price": arrays(open=["a"] * 4),
    "text as price in Arrow": pa.table({**arrays(), "open": ["a"] * 4}),
    "text as time in Arrow": pa.table({**arrays(), "ts": ["a"] * 4}),
    "date as time": pa.table({**arrays(), "ts": pa.array([1] * 4, pa.date32())}),
    "number as symbol": {"symbol": [1] * 4, **arrays()},
    "large flag": arrays(flags=[256] * 4),
    "a number": 5,
    "a lazy frame": pl.from_pandas(pandas_frame()).lazy(),
    "a list of something else": [1, 2],
}


@pytest.mark.parametrize("data", WRONG_TYPES.values(), ids=WRONG_TYPES.keys())
@pytest.mark.filterwarnings("ignore::polars.exceptions.PerformanceWarning")
def test_a_wrong_type_is_refused(data: object) -> None:
    with pytest.raises(ArgumentTypeError):
        read_frame(data, zone=NEW_YORK, symbol="AAPL")


def test_integers_in_seconds_are_recognised() -> None:
    with pytest.raises(TimestampUnitError, match="seconds"):
        read_one(arrays(ts=TS // 10**9))


def test_a_wall_time_that_does_not_exist_is_refused() -> None:
    stamps = pd.to_datetime(["2025-03-09 01:59", "2025-03-09 02:30"] * 2)

    with pytest.raises(NonexistentTimeError):
        read_one(pandas_frame(stamps))


MISSING_TIMES = {
    "pandas": pandas_frame(UTC_STAMPS.where(np.array([True, True, False, True]))),
    "Arrow": pa.table(
        {**arrays(), "ts": pa.array([1, 2, None, 4], pa.timestamp("ns", "UTC"))}
    ),
    "datetime64": arrays(
        ts=np.array(["2025-07-02", "2025-07-02", "NaT", "2025-07-02"], "M8[ns]")
    ),
}


@pytest.mark.parametrize("data", MISSING_TIMES.values(), ids=MISSING_TIMES.keys())
def test_a_missing_time_names_its_row(data: object) -> None:
    with pytest.raises(TimestampError, match="row 2"):
        read_one(data)


@pytest.mark.parametrize(
    "data",
    [
        arrays(ts=np.array(["2500-01-01"] * 4, "M8[s]")),
        pa.table({**arrays(), "ts": pa.array([2**60] * 4, pa.timestamp("us", "UTC"))}),
    ],
    ids=["datetime64", "Arrow"],
)
def test_a_time_outside_the_range_of_nanoseconds_is_refused(data: object) -> None:
    with pytest.raises(TimestampError, match="years"):
        read_one(data)


@pytest.mark.parametrize(
    "data",
    [
        arrays(volume=np.array([2**53 + 1] * 4)),
        pa.table({**arrays(), "volume": pa.array([2**53 + 1] * 4)}),
        pandas_frame().assign(volume=pd.array([2**53 + 1, None, 1, 1], "Int64")),
    ],
    ids=["array", "Arrow", "pandas"],
)
def test_an_integer_that_float64_does_not_keep_is_refused(data: object) -> None:
    with pytest.raises(ArgumentError, match=r"2\*\*53"):
        read_one(data)


def test_columns_of_different_length_are_refused() -> None:
    with pytest.raises(ArgumentError, match="'close' has 3 rows"):
        read_one(arrays(close=[1.0] * 3))


def test_two_columns_that_could_be_the_time_are_refused() -> None:
    with pytest.raises(ArgumentError, match="call one 'ts'"):
        read_one(arrays(ts=None, date=TS, time=TS))


def test_data_without_a_symbol_are_refused() -> None:
    with pytest.raises(ArgumentError, match="symbol="):
        read_frame(arrays(), zone=NEW_YORK)


def test_a_symbol_that_is_not_in_the_data_is_refused() -> None:
    with pytest.raises(ArgumentError, match="MSFT"):
        read_frame({"symbol": ["MSFT"] * 4, **arrays()}, zone=NEW_YORK, symbol="AAPL")


def test_a_row_without_a_symbol_is_named() -> None:
    with pytest.raises(SymbolError, match="row 1"):
        read_frame({"symbol": ["A", None, "A", "A"], **arrays()}, zone=NEW_YORK)


def test_one_bar_has_no_interval_of_its_own() -> None:
    with pytest.raises(ArgumentError, match="interval="):
        read_one({k: v[:1] for k, v in arrays().items()})


def test_bars_of_two_intervals_are_refused() -> None:
    stamp = datetime(2025, 7, 2, 13, 30, tzinfo=UTC)
    bars = [
        BarData("AAPL", stamp, 1.0, 1.0, 1.0, 1.0, 1.0, interval=i)
        for i in ("1m", "5m")
    ]

    with pytest.raises(ArgumentError, match="1m, 5m"):
        read_one(bars)


@pytest.mark.parametrize(
    ("steps", "interval"),
    [
        ([60, 60, 120, 60], "1m"),
        ([300, 64_800, 300], "5m"),
        ([86_400, 82_800, 86_400, 259_200], "1d"),
        ([604_800, 608_400, 604_800], "1w"),
        ([1, 1, 5], "1s"),
        ([60, 300], "1m"),
        ([300, 60, 120, 180, 60], "1m"),
        ([120, 60, 300, 120, 60], "1m"),
    ],
)
def test_the_interval_is_the_most_frequent_step(
    steps: list[int], interval: str
) -> None:
    ts = OPEN + np.cumsum([0, *steps]) * 10**9

    assert infer_interval(ts).text == interval
    assert infer_interval(ts[::-1]).text == interval


@pytest.mark.parametrize("step", [timedelta(days=3), timedelta(milliseconds=1500)])
def test_a_step_that_is_no_interval_is_refused(step: timedelta) -> None:
    ts = OPEN + np.arange(5) * int(step / timedelta(microseconds=1)) * 1000

    with pytest.raises(ArgumentError, match="cannot be told"):
        infer_interval(ts)
