"""Whole sessions of 500 symbols with history, derived bars, quality and figures of time; an analysis that reads columns."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import pytest
from benches.python.bench_resample import five_minutes
from benches.python.by_hand import Bar, DequeSession
from benches.python.ratios import Targets, Way
from benches.python.workload import MINUTE, Market, make_market

from tapeloom import SystemManager
from tapeloom.storage.bar_source import FrameSource

if TYPE_CHECKING:
    from collections.abc import Callable

    from benches.python.ratios import Comparison
    from benches.python.workload import Columns

    from tapeloom import SessionData
    from tapeloom.session.coordinator import SessionCoordinator
    from tapeloom.session.result import RunResult

HISTORY = 10
# Instants a second that an analysis of 500 symbols is to see.
WANTED = 20_000
Facts = tuple[float, ...]


def config(market: Market, first: int, *, streams: list[str], days: int) -> Any:
    wanted: dict[str, Any] = {"data": [], "indicators": {}}
    if days:
        period = {"type": "trailing_average", "field": "volume", "period": f"{days}d"}
        wanted["data"] = [{"trailing_days": days, "intervals": ["1m"]}]
        wanted["indicators"] = {"average_volume": period}
    window = {
        "start_date": str(market.dates[first]),
        "end_date": str(market.dates[-1]),
    }
    return {
        "session_name": "bench",
        "exchange_group": "US_EQUITY",
        "mode": "backtest",
        "backtest_config": window,
        "session_data_config": {
            "symbols": market.symbols,
            "streams": streams,
            "historical": wanted,
        },
    }


def played(market: Market, given: Any, analysis: object | None = None) -> RunResult:
    system = SystemManager()
    if analysis is not None:
        system.engine.add(analysis)
    run = system.prepare(given, source=FrameSource(market.bars))
    run.coordinator.run()
    return run.result()


class ByHand:
    """The parts of a session, each with what does it best: polars, deques, NumPy, duckdb."""

    def __init__(self, market: Market) -> None:
        duckdb = pytest.importorskip("duckdb")
        self._connection = duckdb.connect()
        self._market = market
        split = market.table.opens[market.sessions[-1]]
        self._grid = market.grid[market.grid >= split]
        self._today: dict[str, Columns] = {}
        history = []
        for number, (symbol, columns) in enumerate(market.columns.items()):
            at = int(columns["ts"].searchsorted(split))
            self._today[symbol] = {n: values[at:] for n, values in columns.items()}
            days = market.table.session_of(columns["ts"][:at]).astype(np.int16)
            source = np.full(at, number, np.int32)
            past = {n: values[:at] for n, values in columns.items()}
            history.append(pl.DataFrame({"source": source, "day": days, **past}))
        self._history = history
        self._frames = [
            pl.DataFrame({"source": np.full(len(c["ts"]), n, np.int32), **c})
            for n, c in enumerate(self._today.values())
        ]

    def run(self, _: None) -> Facts:
        symbols = self._market.symbols
        # The bars of the past, which the analysis may read, and the average volume of their days.
        past = pl.concat(self._history, rechunk=True).to_arrow()
        self._connection.register("past", past)
        averages = self._connection.execute(
            "select source, avg(v) from (select source, day, sum(volume) v from past group by all) "
            "group by source order by source"
        ).fetchnumpy()
        merged = pl.concat(self._frames).sort("ts", maintain_order=True)
        session = DequeSession(symbols)
        for source, *row in merged.iter_rows():
            symbol = symbols[source]
            session.append(symbol, Bar(symbol, *row))
        derived = [five_minutes(columns) for columns in self._today.values()]
        missing = sum(
            len(np.setdiff1d(self._grid, columns["ts"], assume_unique=True))
            for columns in self._today.values()
        )
        five = sum(len(columns["ts"]) for columns in derived)
        average = float(np.sum(list(averages.values())[1]))
        return merged.height, missing, five, round(average)


def test_whole_backtest(compare: Comparison, small: bool) -> None:
    shape = (5, HISTORY + 1) if small else (500, HISTORY + 1)
    market = make_market(*shape, seed=7, drop=0.02)
    given = config(market, HISTORY, streams=["1m", "5m"], days=HISTORY)
    rows = len(market.columns) * len(market.grid) // (HISTORY + 1)

    def facts(result: RunResult) -> Facts:
        assert result.metrics.to_dict("backtest")["backtest"]["trading_days"] == 1
        session = result.session_data
        values = [
            session.get_historical_indicator(symbol, "average_volume")
            for symbol in market.symbols
        ]
        return (
            result.bars,
            result.missing,
            result.derived_bars,
            round(float(sum(values))),
        )

    compare(
        "whole backtest session, 500 symbols, history, derived bars and quality, per bar",
        ours=[
            Way(
                "`SystemManager`, all metrics",
                lambda _: played(market, given),
                [None],
                facts,
                rows,
            )
        ],
        peers=[
            Way("sum of the peers' parts", ByHand(market).run, [None], size=rows),
        ],
        targets=Targets(3, 6, 10),
        # Of all threads.
        clock=time.process_time,
        rounds=5,
    )


class Scan:
    """Reads the newest close and volume of all symbols at every instant, and takes the time from open to close."""

    def __init__(self, symbols: list[str], clock: Callable[[], float]) -> None:
        self.symbols, self.clock = symbols, clock
        self.instants, self.seconds, self.turnover = 0, 0.0, 0.0

    def on_session_start(self, session: SessionData) -> None:
        self.group = session.group(self.symbols)
        self.seconds -= self.clock()

    def on_batch(self, session: SessionData, batch: object) -> None:
        newest = self.group.latest()
        self.turnover += float(newest["close"] @ newest["volume"])
        self.instants += 1

    def on_session_end(self, session: SessionData) -> None:
        self.seconds += self.clock()


@pytest.mark.parametrize("symbols", [500, 1])
def test_an_analysis_that_reads_two_columns(
    compare: Comparison, symbols: int, small: bool
) -> None:
    """The wall time from open to close, since threads share the work; beside it what is wanted, which nobody has to run."""
    market = make_market(
        min(symbols, 5 if small else symbols), 2 if small else 10, seed=7
    )
    given = config(market, 0, streams=["1m"], days=0)

    def ours() -> Scan:
        scan = Scan(market.symbols, time.perf_counter)
        played(market, given, scan)
        return scan

    columns = [
        np.array([c[f] for c in market.columns.values()]) for f in ("close", "volume")
    ]
    turnover = float((columns[0] * columns[1]).sum())
    first = ours()
    assert first.instants == len(market.grid)
    assert first.turnover == pytest.approx(turnover)
    case = f"an analysis that reads two columns of {symbols} symbols, per instant"
    compare.take_part(case, ours)
    if not compare.benchmark.enabled:
        return

    def sample() -> float:
        scan = ours()
        return scan.seconds / scan.instants

    compare.measure(
        case,
        ours={"`Group.latest` in `on_batch`": sample},
        peers={f"{WANTED:,} instants a second": lambda: 1 / WANTED},
        targets=Targets(1),
        rounds=5,
    )


class Late(Scan):
    """Notes how late the latest batch was, seconds of the market."""

    coordinator: SessionCoordinator
    worst = 0.0

    def on_batch(self, session: SessionData, batch: object) -> None:
        super().on_batch(session, batch)
        self.worst = max(self.worst, self.coordinator.lag_seconds)


def test_a_clock_a_thousand_times_as_fast(compare: Comparison, small: bool) -> None:
    """500 symbols by the clock at x1000: how late the latest batch was, beside the market minute that it may take."""
    market = make_market(5 if small else 500, 1, seed=7)
    given = config(market, 0, streams=["1m"], days=0)
    given["backtest_config"]["speed_multiplier"] = 10_000 if small else 1_000
    scan = Late(market.symbols, time.perf_counter)
    system = SystemManager()
    system.engine.add(scan)
    run = system.prepare(given, source=FrameSource(market.bars))
    scan.coordinator = run.coordinator
    case = (
        "by the clock at x1000, 500 symbols: the latest batch of a session, real time"
    )
    compare.take_part(case, run.coordinator.run)
    # Bars of one instant may be told in several calls where symbols are late, but none is lost.
    assert run.result().bars == market.rows
    if compare.benchmark.enabled:
        overruns = run.coordinator.overruns
        compare.keep(
            case,
            ours={f"`SystemManager`, {overruns} overruns": scan.worst / 1_000},
            peers={"a minute of the market": MINUTE / 1e9 / 1_000},
            targets=Targets(1),
        )
