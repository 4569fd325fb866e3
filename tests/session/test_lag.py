"""Symbols that fall behind a running clock: stored at once, told later, nothing dropped."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tapeloom.session.lag import Lag
from tests.session.runs import Diary, prepared

if TYPE_CHECKING:
    from tapeloom import BarData, SessionData

MINUTE = 60_000_000_000


def told(batch: Any) -> list[tuple[str, int]]:
    return [] if batch is None else [(bar.symbol, bar.ts) for bar in batch.bars]


def test_calls_of_a_late_symbol_wait_and_come_as_one_when_it_has_caught_up() -> None:
    manager, coordinator = prepared(
        session_data_config__symbols=["MSFT"], session_data_config__streams=["1m"]
    )
    lag = Lag(60, 3)
    seen, all_bars = [], []
    # Minutes behind the clock when each batch comes.
    behind = [0, 5, 5, 5, 5, 5, 5, 0, 0, 0, 0, 0]
    for minutes in behind:
        batch = coordinator.step()
        assert batch is not None
        all_bars += told(batch)
        seen.append(told(lag.sift(batch, batch.ts + minutes * MINUTE)))
    # Looked at with bars 1, 4, 7 and 10: late from the 4th on, caught up with the 10th.
    counts = [len(batch) for batch in seen]
    assert counts == [1, 1, 1, 0, 0, 0, 0, 0, 0, 7, 1, 1]
    assert [bar for batch in seen for bar in batch] == all_bars
    assert lag.catching_up == frozenset()
    assert lag.worst_seconds == 300.0
    manager.stop()


def test_a_symbol_between_half_the_threshold_and_the_threshold_stays_what_it_is() -> (
    None
):
    manager, coordinator = prepared(session_data_config__symbols=["MSFT"])
    lag = Lag(60, 1)
    seconds = [61, 59, 31, 30, 29, 31, 59, 60, 61]
    states = []
    for late in seconds:
        batch = coordinator.step()
        assert batch is not None
        lag.sift(batch, batch.ts + late * 1_000_000_000)
        states.append(bool(lag.catching_up))
    assert states == [True, True, True, True, False, False, False, False, True]
    manager.stop()


def test_nothing_that_waits_is_dropped_at_the_end_of_a_session_or_at_any_speed() -> (
    None
):
    bars: list[tuple[str, str, int]] = []
    ends: list[int] = []

    class Counting:
        def on_bar(self, session: SessionData, bar: BarData) -> None:
            bars.append((bar.symbol, bar.interval, bar.ts))

        def on_session_end(self, session: SessionData) -> None:
            ends.append(len(bars))

    changes: dict[str, object] = {
        "session_data_config__streaming": {
            "catchup_threshold_seconds": 1,
            "catchup_check_interval": 1,
        }
    }
    _, coordinator = prepared(Counting(), **changes)
    coordinator.run()
    inline, inline_ends = sorted(bars), list(ends)
    bars.clear()
    ends.clear()
    _, coordinator = prepared(
        Counting(), backtest_config__speed_multiplier=1e9, **changes
    )
    coordinator.run()
    assert sorted(bars) == inline
    assert ends == inline_ends
    # Per series the order is kept.
    for key in {bar[:2] for bar in bars}:
        starts = [bar[2] for bar in bars if bar[:2] == key]
        assert starts == sorted(starts)


LATE: dict[str, object] = {
    "session_data_config__streaming": {
        "catchup_threshold_seconds": 1,
        "catchup_check_interval": 1,
    },
    "backtest_config__speed_multiplier": 1e9,
}


class Told:
    """Writes down which bars it was told of; may do something once enough have come."""

    def __init__(self) -> None:
        self.bars: list[tuple[str, str, int]] = []

    def on_bar(self, session: SessionData, bar: BarData) -> None:
        self.bars.append((bar.symbol, bar.interval, bar.ts))


def test_nobody_is_late_while_a_run_is_played_by_hand() -> None:
    told = Told()
    manager, coordinator = prepared(told, **LATE)
    for _ in range(30):
        batch = coordinator.step()
        assert batch is not None
        mine = [(bar.symbol, bar.interval, bar.ts) for bar in batch.bars]
        assert told.bars[-len(mine) :] == mine
    assert coordinator.lag_seconds < 0.01
    assert coordinator.catching_up == frozenset()
    manager.stop()


def test_what_waits_at_a_stop_is_told_before_the_run_is_over() -> None:
    told, all_bars = Told(), list[tuple[str, str, int]]()

    class Stopping:
        def on_quality(self, session: SessionData, report: object) -> None:
            # Called after each batch whose gaps changed, while everybody is late.
            for symbol in session.get_active_symbols():
                if session.get_bar_count(symbol) > 50 and not all_bars:
                    manager.stop()
                    all_bars.append(("", "", 0))

    manager, coordinator = prepared(told, Stopping(), **LATE)
    coordinator.run()
    assert coordinator.stopped_early
    store = manager.session_data
    stored = [
        (symbol, interval, int(ts))
        for symbol in ("MSFT", "AAPL", "RIVN")
        for interval in ("1m", "5m")
        for ts in store.get_bars(symbol, interval).ts
    ]
    assert sorted(told.bars) == sorted(stored)
    assert coordinator.catching_up == frozenset()


def test_a_run_that_keeps_pace_has_no_overrun_and_no_lag() -> None:
    _, coordinator = prepared(Diary(), backtest_config__speed_multiplier=1_000)
    pace, seconds = coordinator._driver._pace, [0.0]
    assert pace is not None
    # Waiting takes as long as is asked for, a microsecond more as on any machine; nothing else takes any time.
    pace.now = lambda: seconds[0]

    def wait(deadline: float) -> bool:
        seconds[0] = max(seconds[0], deadline) + 1e-6
        return True

    coordinator.control.sleep_until = wait  # type: ignore[method-assign]
    coordinator.run()
    assert coordinator.overruns == 0
    assert coordinator.lag_seconds < 0.01
    # Three sessions of 390, 210 and 390 minutes; nights take no time.
    assert round(seconds[0] * 1_000 / 60) == 990
