"""What a data manager answers: up to the clock and never beyond, by trading days, as an array of many symbols."""

from __future__ import annotations

from datetime import date, datetime, time
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapeloom import BarData, SessionData, TimeManager
from tapeloom.errors import (
    ArgumentError,
    ArgumentTypeError,
    MissingDataError,
    StateError,
    TapeloomError,
)
from tapeloom.storage import DataManager

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from tests.storage.conftest import Columns, Stamps

    from tapeloom.bars import Bars

MINUTE = 60_000_000_000
DAY = 1440 * MINUTE
# Wednesday, a half day, the Monday after a holiday and a weekend, Tuesday.
DATES = [date(2025, 7, 2), date(2025, 7, 3), date(2025, 7, 7), date(2025, 7, 8)]


def eastern(day: int, hour: int, minute: int = 0) -> datetime:
    return datetime(2025, 7, day, hour, minute)  # noqa: DTZ001, naive is wall time of the exchange


def stamps_of(days: Sequence[date]) -> Stamps:
    manager = TimeManager()
    found = [manager.get_grid(day, "1m") for day in days]
    return np.concatenate(found)


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a store of four sessions: AAPL with a bar before each open and after each close, MSFT with holes."""
    root = tmp_path_factory.mktemp("market")
    source = DataManager(root)
    grid = stamps_of(DATES)
    manager = TimeManager()
    extra = [
        ts
        for day in DATES
        for first, end in manager.session_table.segments(
            manager.session_table.index_of((day - date(1970, 1, 1)).days) or 0
        )
        for ts in (first - 5 * MINUTE, end)
    ]
    for symbol, ts in (("AAPL", np.sort([*grid, *extra])), ("MSFT", grid[::3])):
        source.write_bars(symbol, "1m", made_up(ts))
    opens = np.array([int(manager.get_grid(day, "1d")[0]) for day in DATES])
    source.write_bars("AAPL", "1d", made_up(opens, volume=opens * 0 + 1e6))
    source.write_bars("AAPL", "1h", made_up(grid[::60]))
    return root


def made_up(ts: Any, **changes: Any) -> dict[str, Any]:
    ts = np.asarray(ts, np.int64)
    price = 100 + (ts // MINUTE) % 97 / 10
    columns = {
        "ts": ts,
        "open": price,
        "high": price + 0.5,
        "low": price - 0.5,
        "close": price + 0.25,
        "volume": (ts // MINUTE % 7 + 1).astype(np.float64),
    }
    return {**columns, **changes}


def at(root: Path, instant: datetime | int) -> DataManager:
    manager = TimeManager()
    manager.set_backtest_time(instant)
    return DataManager(root, time_manager=manager)


def test_the_latest_bar_at_ten_is_the_one_of_a_minute_before(market: Path) -> None:
    source = at(market, eastern(3, 10))

    latest = source.get_latest_bar("AAPL", "1m")

    assert latest is not None
    assert f"{latest.timestamp:%d %H:%M}" == "03 09:59"
    assert source.get_latest_bar("AAPL") == latest
    assert source.get_bars("AAPL", "1m")[-1] == latest


@pytest.mark.parametrize(
    ("instant", "interval", "hours", "expected"),
    [
        (eastern(2, 9, 30), "1m", "regular", None),
        (eastern(2, 9, 30), "1m", "extended", "02 09:25"),
        (eastern(2, 9, 31), "1m", "regular", "02 09:30"),
        (eastern(2, 16, 0), "1h", "regular", "02 15:30"),
        (eastern(2, 15, 59), "1h", "regular", "02 14:30"),
        (eastern(2, 15, 59), "1d", "regular", None),
        (eastern(2, 16, 0), "1d", "regular", "02 09:30"),
        (eastern(3, 13, 0), "1d", "regular", "03 09:30"),
        (eastern(3, 12, 59), "1d", "regular", "02 09:30"),
        (eastern(5, 12, 0), "1m", "regular", "03 12:59"),
        (eastern(5, 12, 0), "1m", "all", "03 13:00"),
        (eastern(7, 9, 30), "1m", "regular", "03 12:59"),
        (eastern(9, 9, 30), "1m", "regular", "08 15:59"),
    ],
)
def test_a_bar_is_seen_when_it_has_ended(
    market: Path, instant: datetime, interval: str, hours: Any, expected: str | None
) -> None:
    source = at(market, instant)

    latest = source.get_latest_bar("AAPL", interval, hours=hours)
    bars = source.get_bars("AAPL", interval, hours=hours)

    assert (f"{latest.timestamp:%d %H:%M}" if latest else None) == expected
    assert (bars[-1] if len(bars) else None) == latest
    assert source.get_bar_count("AAPL", interval, hours=hours) == len(bars)


READS: dict[str, Callable[[DataManager, str], object]] = {
    "get_bars": lambda s, symbol: s.get_bars(symbol, "1m"),
    "get_bars, all hours": lambda s, symbol: s.get_bars(symbol, "1m", hours="all"),
    "get_bars of hours": lambda s, symbol: s.get_bars(symbol, "1h"),
    "get_bars of days": lambda s, symbol: s.get_bars(symbol, "1d"),
    "get_bars of a range": lambda s, symbol: s.get_bars(symbol, "1m", eastern(2, 10), eastern(8, 11)),
    "read": lambda s, symbol: s.read(symbol, "1m", None, None),
    "read_many": lambda s, symbol: s.read_many([(symbol, "1m"), (symbol, "1d")], None, None),
    "get_latest_bar": lambda s, symbol: s.get_latest_bar(symbol, "1m"),
    "get_latest_bar of hours": lambda s, symbol: s.get_latest_bar(symbol, "1h"),
    "get_bar_count": lambda s, symbol: s.get_bar_count(symbol, "1m"),
    "get_date_range": lambda s, symbol: s.get_date_range(symbol, "1m"),
    "load_historical_bars": lambda s, symbol: s.load_historical_bars(symbol, "1m", 2),
    "get_average_volume": lambda s, symbol: s.get_average_volume(symbol, 3),
    "get_time_specific_average_volume": lambda s, symbol: s.get_time_specific_average_volume(symbol, "11:07", 3),
    "get_historical_high_low": lambda s, symbol: s.get_historical_high_low(symbol, 3),
    "matrix": lambda s, symbol: s.matrix("close", [symbol, "MSFT"]).to_pandas().to_csv(),
    "matrix of hours": lambda s, symbol: s.matrix("volume", [symbol], "1h").to_pandas().to_csv(),
}  # fmt: skip


def answers(source: DataManager) -> list[str]:
    found = []
    for symbol in ("AAPL", "MSFT"):
        for name, read in READS.items():
            try:
                answer = read(source, symbol)
            except TapeloomError as error:  # pragma: no cover, shown when it happens
                answer = error
            found.append(f"{name} {symbol}: {plain(answer)}")
    return found


def plain(answer: object) -> str:
    if isinstance(answer, list):
        return str([plain(each) for each in answer])
    columns = getattr(answer, "to_numpy", None)
    if columns is None:
        return repr(answer)
    return str({name: column.tobytes() for name, column in columns().items()})


@given(
    minute=st.integers(0, 6 * 1440),
    seed=st.integers(0, 2**32 - 1),
)
def test_whatever_comes_later_changes_no_answer(
    market: Path,
    tmp_path_factory: pytest.TempPathFactory,
    minute: int,
    seed: int,
) -> None:
    instant = 1_751_428_800_000_000_000 + minute * MINUTE  # From midnight of July 2.
    poisoned = tmp_path_factory.mktemp("poisoned")
    poison(market, poisoned, instant, seed)

    assert answers(at(poisoned, instant)) == answers(at(market, instant))


def poison(market: Path, target: Path, instant: int, seed: int) -> None:
    """Copy a store with garbage in place of all that is not known at the instant: NaN, lost rows, new rows."""
    rng = np.random.default_rng(seed)
    import pyarrow as pa
    import pyarrow.parquet as pq

    source = DataManager(market)
    table = TimeManager().session_table
    for symbol, interval in (("AAPL", "1m"), ("MSFT", "1m"), ("AAPL", "1d"), ("AAPL", "1h")):  # fmt: skip
        bars = source.read(symbol, interval, None, None)
        known = table.known_at(bars.ts, interval) <= instant
        later = bars.ts[~known]
        later = later[rng.random(len(later)) < 0.5]
        if interval == "1m" and len(later):
            # Off the grid and beyond the end, but never known by then.
            later = np.concatenate([later + 7, later[-1:] + 3 * DAY])
        ts = np.concatenate([bars.ts[known], later])
        columns: dict[str, Any] = {"ts": pa.array(ts).cast(pa.timestamp("ns", "UTC"))}
        for name in ("open", "high", "low", "close", "volume"):
            garbage = rng.choice([np.nan, -1.0, 1e300], len(later))
            values = np.concatenate([getattr(bars, name)[known], garbage])
            columns[name] = values
        folder = target / f"bars/us_equity/interval={interval}/symbol={symbol}"
        folder.mkdir(parents=True)
        pq.write_table(pa.table(columns), folder / "x.parquet", row_group_size=300)


def test_the_clock_of_a_session_holds_too(market: Path) -> None:
    session = SessionData()
    session.start_new_session(DATES[0])
    source = DataManager(market, session_data=session)
    ts = int(stamps_of(DATES[:1])[29])
    session.add_bar("AAPL", BarData("AAPL", ts, 1, 1, 1, 1, 1))

    latest = source.get_latest_bar("AAPL", "1m")

    assert latest is not None
    assert latest.ts == ts
    assert source.session_data is session
    assert source.get_session_metrics("AAPL")["session_volume"] == 1.0


def test_without_a_session_there_are_no_session_figures(market: Path) -> None:
    assert DataManager(market).session_data is None
    with pytest.raises(StateError, match="session_data="):
        DataManager(market).get_session_metrics("AAPL")


def test_a_session_of_another_exchange_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match="session_data's is"):
        DataManager(
            tmp_path,
            session_data=SessionData("CRYPTO"),
            time_manager=TimeManager("US_EQUITY"),
        )
    assert DataManager(tmp_path, session_data=SessionData("CRYPTO")).exchange_group == SessionData("CRYPTO").exchange_group  # fmt: skip


def test_a_clock_that_was_not_set_and_the_wall_clock_hold_nothing_back(
    market: Path,
) -> None:
    for manager in (TimeManager(), TimeManager(mode="live")):
        source = DataManager(market, time_manager=manager)
        assert source.clock_ns is None
        assert source.get_date_range("AAPL") == (DATES[0], DATES[-1])


@pytest.mark.parametrize(
    ("instant", "days", "expected"),
    [
        (eastern(7, 11), 1, DATES[1:2]),
        (eastern(7, 11), 2, DATES[:2]),
        (eastern(7, 11), 9, DATES[:2]),
        (eastern(5, 11), 1, DATES[1:2]),
        (eastern(2, 11), 3, []),
        (eastern(8, 9, 30), 2, DATES[1:3]),
        (None, 2, DATES[2:]),
        (None, 3, DATES[1:]),
    ],
)
def test_history_is_the_trading_dates_before_the_session(
    market: Path, instant: datetime | None, days: int, expected: list[date]
) -> None:
    source = DataManager(market) if instant is None else at(market, instant)

    bars = source.load_historical_bars("AAPL", "1m", days)

    wanted = stamps_of(expected).tolist() if expected else []
    assert bars.ts.tolist() == wanted


def test_figures_of_the_days_before_equal_those_by_hand(market: Path) -> None:
    source = at(market, eastern(8, 12))
    history = source.get_bars("AAPL", "1m", eastern(3, 0), eastern(8, 0))
    minute = [bar.volume for bar in history if f"{bar.timestamp:%H:%M}" == "13:30"]

    assert source.get_average_volume("AAPL", 2) == 1e6
    assert source.get_average_volume("MSFT", 2) == pytest.approx(
        sum(source.get_bars("MSFT", "1m", eastern(3, 0), eastern(8, 0)).volume) / 2
    )
    # The half day has no such minute.
    assert len(minute) == 1
    assert source.get_time_specific_average_volume("AAPL", time(13, 30), 2) == minute[0]
    days = source.get_bars("AAPL", "1d", eastern(3, 0), eastern(8, 0))
    assert source.get_historical_high_low("AAPL", 2) == (days.high.max(), days.low.min())  # fmt: skip


def test_figures_of_nothing_are_nan(market: Path) -> None:
    source = at(market, eastern(2, 9))

    assert np.isnan(source.get_average_volume("AAPL", 5))
    assert np.isnan(source.get_time_specific_average_volume("XYZ", "09:30", 5))
    assert np.isnan(source.get_historical_high_low("AAPL", 5)).all()


@pytest.mark.parametrize(
    ("when", "error"),
    [
        ("09:29", ArgumentError),
        ("16:00", ArgumentError),
        ("noon", ArgumentError),
        (time(10, 0, 30), ArgumentError),
        (600, ArgumentTypeError),
    ],
)
def test_a_time_that_has_no_minute_is_refused(
    market: Path, when: Any, error: type[Exception]
) -> None:
    with pytest.raises(error, match="time is"):
        DataManager(market).get_time_specific_average_volume("AAPL", when, 2)


@pytest.mark.parametrize(("days", "error"), [(0, ArgumentError), (-1, ArgumentError), (1.5, ArgumentTypeError), (True, ArgumentTypeError)])  # fmt: skip
def test_days_are_a_number_of_at_least_one(
    market: Path, days: Any, error: type[Exception]
) -> None:
    source = DataManager(market)
    for call in (
        lambda: source.load_historical_bars("AAPL", "1m", days),
        lambda: source.get_average_volume("AAPL", days),
        lambda: source.get_historical_high_low("AAPL", days),
    ):
        with pytest.raises(error, match="days is"):
            call()


def test_a_matrix_has_every_time_that_is_due_and_nan_where_nothing_came(
    market: Path,
) -> None:
    source = at(market, eastern(3, 10))

    panel = source.matrix("close", ["MSFT", "AAPL"], start=eastern(2, 15, 57))

    grid = stamps_of(DATES[:2])
    assert panel.symbols == ("MSFT", "AAPL")
    assert panel.ts.tolist() == grid[387 : 390 + 30].tolist()
    assert np.isnan(panel["MSFT"]).tolist() == [i % 3 != 0 for i in range(33)]
    assert panel["AAPL"].tolist() == source.get_bars("AAPL", "1m", eastern(2, 15, 57)).close.tolist()  # fmt: skip


def test_a_matrix_takes_all_symbols_of_its_interval(market: Path) -> None:
    source = DataManager(market)

    assert source.matrix("volume").symbols == ("AAPL", "MSFT")
    assert source.matrix("volume", interval="1d").shape == (4, 1)
    assert source.matrix("volume", ["XYZ"]).shape == (0, 1)
    with pytest.raises(ArgumentError, match="field is"):
        source.matrix("colse")


def test_of_bars_that_start_together_the_last_is_in_the_matrix(
    tmp_path: Path, columns: Columns, minutes: Stamps
) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    twice = np.sort(np.concatenate([minutes, minutes[:2]]))
    table = pa.table(columns(twice, volume=np.arange(12.0)))
    pq.write_table(table, tmp_path / "a.parquet")

    panel = DataManager(tmp_path).matrix("volume")

    assert panel["AAPL"][:4].tolist() == [1, 3, 4, 5]


def test_what_is_not_stored_reads_as_empty_and_a_missing_root_as_an_error(
    market: Path, tmp_path: Path
) -> None:
    source = DataManager(market)

    assert len(source.get_bars("XYZ", "1m")) == 0
    assert len(source.get_bars("AAPL", "5m")) == 0
    assert source.get_latest_bar("XYZ") is None
    assert source.get_bar_count("XYZ") == 0
    assert source.get_date_range("XYZ") is None
    assert len(source.get_ticks("AAPL")) == len(source.get_quotes("AAPL")) == 0
    missing = DataManager(tmp_path / "nowhere")
    for call in (
        missing.get_symbols,
        lambda: missing.get_bars("AAPL", "1m"),
        lambda: missing.get_ticks("AAPL"),
    ):
        with pytest.raises(MissingDataError, match="does not exist"):
            call()


def test_many_series_are_read_side_by_side_as_one_by_one(market: Path) -> None:
    source = DataManager(market)
    wanted = [("MSFT", "1m"), ("AAPL", "1m"), ("AAPL", "1d"), ("XYZ", "1m")]

    together: list[Bars] = source.read_many(wanted, None, None)

    assert together == [source.read(*one, None, None) for one in wanted]
    assert not any(map(len, source.read_many(wanted, None, None, cancelled=lambda: True)))  # fmt: skip


def test_bars_are_deleted_from_their_files_only(
    tmp_path: Path, columns: Columns, minutes: Stamps
) -> None:
    source = DataManager(tmp_path)
    ts = np.concatenate([minutes, minutes + 40 * DAY])
    july, august = source.write_bars("AAPL", "1m", columns(ts, volume=np.ones(20)))
    before = july.read_bytes()

    assert source.delete_bars("AAPL", "1m", int(ts[12]), int(ts[15])) == 3
    assert july.read_bytes() == before
    assert source.delete_bars("AAPL", "1m", int(ts[10]), None) == 7
    assert not august.exists()
    assert source.read("AAPL", "1m", None, None).ts.tolist() == minutes.tolist()
    assert source.delete_bars("XYZ", "1m") == 0
    assert source.delete_bars("AAPL", "1m") == 10


def test_a_symbol_too_long_for_a_folder_is_stored_and_read_back(
    tmp_path: Path, columns: Columns, minutes: Stamps
) -> None:
    symbols = sorted("€" * 1_300 + end for end in "AB")
    source = DataManager(tmp_path)
    for number, symbol in enumerate(symbols):
        given = columns(minutes, symbol=None, volume=[number] * 10)
        source.write_bars(symbol, "1m", given)
        source.write_bars(symbol, "1m", given)

    again = DataManager(tmp_path)
    assert again.get_symbols() == symbols
    found = [again.read(symbol, "1m", None, None).volume for symbol in symbols]
    assert [volume.tolist() for volume in found] == [[0] * 10, [1] * 10]
    assert again.delete_bars(symbols[0], "1m") == 10
    assert DataManager(tmp_path).get_symbols() == symbols[1:]
