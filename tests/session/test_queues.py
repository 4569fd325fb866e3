"""Queues of sessions: what is cut from blocks of any size, beside plain lists; the thread that loads ahead."""

from __future__ import annotations

import threading
from datetime import date
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tapeloom
from tapeloom.calendars import get_session_table
from tapeloom.calendars.days import to_day
from tapeloom.errors import (
    DuplicateBarError,
    InvalidBarError,
    MissingDataError,
    StateError,
)
from tapeloom.session.queues import SessionQueues
from tapeloom.storage import DataManager
from tests.reference.bars import Bar
from tests.reference.schedule import HOUR, MINUTE
from tests.session.memory import JULY, MemorySource
from tests.strategies import fewer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from tapeloom._core import Bars

TABLE = get_session_table("US_EQUITY")
FIRST = TABLE.index_of(to_day(JULY[0].date)) or 0
SESSIONS = range(FIRST, FIRST + len(JULY))
SIZES = [1, 2, 5, None]


class ThreadedSource(MemorySource):
    """The same, and readable from several threads; notes which thread read."""

    threads: set[str]

    def read_many(
        self,
        series: Sequence[tuple[str, str]],
        start: int,
        end: int,
        *,
        cancelled: Callable[[], bool],
    ) -> list[Bars]:
        assert not cancelled()
        self.threads = {*getattr(self, "threads", ()), threading.current_thread().name}
        return [self.read(symbol, base, start, end) for symbol, base in series]


def bar(ts: int) -> Bar:
    return Bar(ts, 9.0, 9.0, 9.0, 9.0, 1.0)


def loaders() -> list[threading.Thread]:
    return [t for t in threading.enumerate() if t.name == "tapeloom-prefetch"]


# Minutes since midnight of the first day, nights and the weekend of a holiday included.
STARTS = st.lists(st.integers(0, 18 * 1440), max_size=60, unique=True)


@given(
    minutes=STARTS,
    size=st.none() | st.integers(1, 20),
    extended=st.booleans(),
    source=st.sampled_from([MemorySource, ThreadedSource]),
)
@fewer(60)
def test_each_session_gets_the_bars_of_its_hours_whatever_a_block_holds(
    minutes: list[int], size: int | None, extended: bool, source: type[MemorySource]
) -> None:
    starts = sorted(JULY[0].span[0] + at * MINUTE for at in minutes)
    queues = SessionQueues(
        source({("AAPL", "1m"): [bar(ts) for ts in starts]}),
        TABLE,
        {"AAPL": "1m"},
        sessions=SESSIONS,
        prefetch_sessions=size,
        extended=extended,
    )

    for at, day in enumerate(JULY):
        queued = queues.load(at)
        # Pre-market from 04:00, post-market to 20:00, on the half day to 17:00.
        opened = day.open - (11 * HOUR // 2 if extended else 0)
        closed = day.close + (4 * HOUR if extended else 0)
        own = [ts for ts in starts if day.span[0] <= ts < day.span[1]]
        kept = [ts for ts in own if opened <= ts < closed]
        between = [
            ts for ts in starts if at and JULY[at - 1].span[1] <= ts < day.span[0]
        ]
        assert queued.bars["AAPL"].ts.tolist() == kept
        assert queued.out_of_session["AAPL"] == len(own) - len(kept)
        assert queues.between_sessions.get("AAPL", 0) == len(between)
    queues.close()


def test_hours_of_an_exchange_with_a_break_leave_the_break_out() -> None:
    table = get_session_table("XHKG")
    index = table.index_of(to_day(date(2025, 7, 2))) or 0
    (morning, noon), (afternoon, close) = table.segments(index)
    starts = [morning, noon - MINUTE, noon, afternoon - MINUTE, afternoon, close]
    source = MemorySource({("700", "1m"): [bar(ts) for ts in starts]})

    for extended in (False, True):
        queues = SessionQueues(
            source, table, {"700": "1m"}, sessions=[index], extended=extended
        )
        queued = queues.load(0)
        assert queued.bars["700"].ts.tolist() == [morning, noon - MINUTE, afternoon]
        assert queued.out_of_session["700"] == 3


def test_only_a_source_that_allows_it_is_read_by_another_thread() -> None:
    tape = {("AAPL", "1m"): [bar(day.open) for day in JULY]}
    threaded, plain = ThreadedSource(tape), MemorySource(tape)

    for source in (threaded, plain):
        queues = SessionQueues(
            source, TABLE, {"AAPL": "1m"}, sessions=SESSIONS, prefetch_sessions=2
        )
        for at in range(len(JULY)):
            assert [len(bars) for bars in queues.load(at).bars.values()] == [1]
        queues.close()

    assert threaded.threads == {"MainThread", "tapeloom-prefetch"}
    assert len(plain.reads) == -(-len(JULY) // 2)


def test_sessions_are_loaded_in_order_and_not_after_the_end() -> None:
    source = MemorySource({("AAPL", "1m"): [bar(day.open) for day in JULY]})
    queues = SessionQueues(source, TABLE, {"AAPL": "1m"}, sessions=SESSIONS)

    assert queues.load(3).bars["AAPL"].ts.tolist() == [JULY[3].open]
    assert queues.load(3).bars["AAPL"].ts.tolist() == [JULY[3].open]
    with pytest.raises(StateError, match="session 2 of the window was loaded before"):
        queues.load(2)
    queues.close()
    queues.close()
    with pytest.raises(StateError):
        queues.load(4)


# -- stored bars ------------------------------------------------------------------------------------------------------


def write_market(root: Path, *, bad: int | None = None) -> None:
    """Three symbols over all sessions and a weekend, one file each; a bar of session ``bad`` breaks a rule."""
    starts = [ts for day in JULY for ts in range(day.open, day.close, 30 * MINUTE)]
    starts = sorted([*starts, JULY[4].span[1] + HOUR, JULY[0].close + MINUTE])
    for number, symbol in enumerate(("AAPL", "MSFT", "SPY")):
        ts = np.array(starts[number:], np.int64)
        price = 100.0 + np.arange(len(ts)) % 17
        low = price.copy()
        if bad is not None and symbol == "MSFT":
            low[np.searchsorted(ts, JULY[bad].open)] = 500.0
        folder = root / f"bars/us_equity/interval=1m/symbol={symbol}"
        folder.mkdir(parents=True)
        columns = {"open": price, "high": price, "low": low, "close": price}
        stamps = pa.array(ts).cast(pa.timestamp("ns", "UTC"))
        table = pa.table({"ts": stamps, **columns, "volume": price})
        pq.write_table(table, folder / "x.parquet", row_group_size=8)


def config(size: int | None) -> dict[str, Any]:
    window = {"start_date": str(JULY[0].date), "end_date": str(JULY[-1].date)}
    return {
        "session_name": "queues",
        "mode": "backtest",
        "backtest_config": {**window, "prefetch_days": size},
        "session_data_config": {
            "symbols": "all",
            "streams": ["1m", "1h", "1d"],
            "historical": {"data": [{"trailing_days": 2, "intervals": ["1m"]}]},
        },
    }


class Story:
    """What an analysis saw: every bar, and the state of the session at each end."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def on_bar(self, session: object, bar: object) -> None:
        self.told.append(repr(bar))

    def on_session_end(self, session: tapeloom.SessionData) -> None:
        self.told.append(session.state_hash())


def test_the_size_of_a_block_changes_nothing(tmp_path: Path) -> None:
    write_market(tmp_path)
    stories = []
    for size in SIZES:
        story = Story()
        result = tapeloom.run(config(size), story, data=tmp_path, progress=False)
        assert len(result.sessions) == len(JULY)
        kinds = [(w.kind, w.count, w.symbols) for w in result.warnings]
        stories.append((story.told, kinds, result.session_data.state_hash()))
        assert loaders() == []

    assert ("no session", 3, ("AAPL", "MSFT", "SPY")) in stories[0][1]
    assert all(story == stories[0] for story in stories[1:])


@pytest.mark.parametrize("bad", [0, 1, 4, 6])
def test_a_fault_ends_the_run_at_the_session_it_lies_in(
    tmp_path: Path, bad: int
) -> None:
    write_market(tmp_path, bad=bad)
    stories = []
    for size in SIZES:
        story = Story()
        with pytest.raises(InvalidBarError, match="MSFT: row") as error:
            tapeloom.run(config(size), story, data=tmp_path, progress=False)
        stories.append((story.told, str(error.value)))
        assert sum(":" not in line for line in story.told) == bad
        assert loaders() == []

    assert all(story == stories[0] for story in stories[1:])


def test_no_thread_is_left_by_who_stops_iterating(tmp_path: Path) -> None:
    write_market(tmp_path)
    closed = tapeloom.replay(tmp_path, intervals=["1m"])
    next(closed)
    closed.close()
    assert loaders() == []

    dropped = tapeloom.replay(tmp_path, intervals=["1m"])
    next(dropped)
    del dropped
    assert loaders() == []


def test_no_thread_is_left_by_an_analysis_that_raises(tmp_path: Path) -> None:
    write_market(tmp_path)

    def fail(session: object, bar: object) -> None:
        raise ValueError

    with pytest.raises(tapeloom.errors.AnalysisError):
        tapeloom.run(config(1), fail, data=tmp_path, progress=False)
    assert loaders() == []


def test_garbage_after_a_session_changes_nothing_before_it(tmp_path: Path) -> None:
    """Loading ahead sees what comes; nobody else does."""
    stories = []
    for name, bad in (("clean", None), ("poisoned", 5)):
        write_market(tmp_path / name, bad=bad)
        batches = tapeloom.replay(tmp_path / name, intervals=["1m", "1d"])
        seen = []
        for batch in batches:
            if batch.ts > JULY[4].close:
                break
            seen.append((batch.ts, batch.session.state_hash()))
            if batch.ts == JULY[4].close:
                break
        batches.close()
        stories.append(seen)

    assert stories[0] == stories[1]
    assert stories[0][-1][0] == JULY[4].close


# -- quotes -----------------------------------------------------------------------------------------------------------


def write_quotes(root: Path, symbol: str, starts: Sequence[int]) -> None:
    folder = root / f"quotes/us_equity/symbol={symbol}"
    folder.mkdir(parents=True)
    ts = pa.array(np.array(starts, np.int64)).cast(pa.timestamp("ns", "UTC"))
    bid = np.arange(len(starts)) + 1.0
    table = pa.table({"ts": ts, "bid": bid, "ask": bid + 0.5, "bid_size": bid})
    pq.write_table(table, folder / "x.parquet", row_group_size=3)


def test_quotes_of_a_session_are_those_of_its_hours(tmp_path: Path) -> None:
    write_market(tmp_path)
    first, second = JULY[0], JULY[1]
    early, late = first.open - MINUTE, first.close
    starts = [early, first.open, first.open, first.close - 1, late, second.open + 5]
    write_quotes(tmp_path, "SPY", starts)
    write_quotes(tmp_path, "MSFT", [second.close + HOUR])
    source = DataManager(tmp_path)

    def found(*, extended: bool) -> list[dict[str, list[float]]]:
        queues = SessionQueues(
            source,
            TABLE,
            dict.fromkeys(("AAPL", "MSFT", "SPY"), "1m"),
            sessions=SESSIONS[:3],
            extended=extended,
            quoted=["AAPL", "MSFT", "SPY"],
        )
        days = [queues.quotes(at) for at in range(3)]
        return [{s: e.columns["bid"].tolist() for s, e in d.items()} for d in days]

    assert found(extended=False) == [{"SPY": [2, 3, 4]}, {"SPY": [6]}, {}]
    assert found(extended=True) == [
        {"SPY": [1, 2, 3, 4, 5]},
        {"MSFT": [1], "SPY": [6]},
        {},
    ]


def test_whether_quotes_are_stored_is_told_of_a_range(tmp_path: Path) -> None:
    write_market(tmp_path)
    starts = [JULY[0].open, JULY[2].open, JULY[5].open, JULY[6].open]
    write_quotes(tmp_path, "SPY", starts)
    source = DataManager(tmp_path)

    assert source.has_quotes("spy")
    assert not source.has_quotes("AAPL")
    # Row groups say from when to when they reach; in between only their rows tell.
    for at, day in enumerate(JULY):
        assert source.has_quotes("SPY", *day.span) == (at in (0, 2, 5, 6))
    assert not source.has_quotes("SPY", JULY[6].open + 1)
    assert not source.has_quotes("SPY", None, JULY[0].open)


# -- what is said of rows -----------------------------------------------------------------------------------------------


def write_series(root: Path, starts: Sequence[int], **changes: list[float]) -> Path:
    folder = root / "bars/us_equity/interval=1m/symbol=AAPL"
    folder.mkdir(parents=True)
    price = [100.0 + at for at in range(len(starts))]
    columns = dict.fromkeys(("open", "high", "low", "close", "volume"), price) | changes
    ts = pa.array(np.array(starts, np.int64)).cast(pa.timestamp("ns", "UTC"))
    floats = {name: np.array(c, np.float64) for name, c in columns.items()}
    pq.write_table(pa.table({"ts": ts, **floats}), folder / "x.parquet")
    return folder / "x.parquet"


@pytest.mark.parametrize("streamed", [True, False], ids=["streamed", "history"])
def test_a_bar_that_comes_twice_is_named_by_file_and_row(
    tmp_path: Path, streamed: bool
) -> None:
    first, second = JULY[0].open, JULY[1].open
    starts = [first, first + MINUTE, first + MINUTE, second, second + MINUTE]
    path = write_series(tmp_path, starts)
    asked = config(None)
    asked["session_data_config"]["bars"] = {"on_duplicate": "error"}
    asked["backtest_config"]["start_date"] = str(JULY[0 if streamed else 1].date)

    with pytest.raises(DuplicateBarError) as caught:
        tapeloom.run(asked, data=tmp_path, progress=False)

    assert f"it is row 1 of {path}, row 2 of {path}" in str(caught.value)
    assert caught.value.rows == [(str(path), 1), (str(path), 2)]


def test_left_out_rows_are_told_with_their_number_file_and_first_row(
    tmp_path: Path,
) -> None:
    starts = [JULY[0].open + MINUTE * at for at in range(6)]
    path = write_series(tmp_path, starts, high=[100.0, 101, 102, 1, 104, 2])
    asked = config(None)
    asked["session_data_config"]["bars"] = {"on_invalid": "skip"}

    result = tapeloom.run(asked, data=tmp_path, progress=False)

    (warning,) = [w for w in result.warnings if w.kind == "invalid_skipped"]
    assert (warning.count, warning.symbols) == (2, ("AAPL",))
    assert warning.text.endswith(f"the first is row 3 of {path}")


def test_a_symbol_without_files_or_without_rows_is_told_where_it_was_looked_for(
    tmp_path: Path,
) -> None:
    write_series(tmp_path, [JULY[0].open])
    write_series(tmp_path / "none", [])
    (tmp_path / "none/bars/us_equity/interval=1m/symbol=AAPL").rename(
        tmp_path / "bars/us_equity/interval=1m/symbol=MSFT"
    )
    asked = config(None)
    asked["session_data_config"]["symbols"] = ["AAPL", "MSFT", "AAPPL"]

    texts = {w.symbols: w.text for w in tapeloom.run(asked, data=tmp_path, progress=False).warnings}  # fmt: skip

    assert texts["MSFT",] == "dropped: the 1m files hold no bar"
    assert f"no bars are stored in {str(tmp_path)!r}" in texts["AAPPL",]
    assert texts["AAPPL",].endswith("did you mean 'AAPL'?")


def test_files_without_a_row_are_missing_data_that_name_the_folder(
    tmp_path: Path,
) -> None:
    write_series(tmp_path, [])

    with pytest.raises(
        MissingDataError, match=r"the files in .* hold no bar"
    ) as caught:
        tapeloom.run(config(None), data=tmp_path, progress=False)
    assert caught.value.path == str(tmp_path)
