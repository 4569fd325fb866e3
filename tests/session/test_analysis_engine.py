"""Who is told what, in which order, and who is left alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tapeloom.errors import AnalysisError
from tapeloom.session.analysis_engine import AnalysisEngine
from tapeloom.session.data_processor import Notification, notifications
from tapeloom.system.system_manager import SystemManager
from tests.session.runs import config, market, prepared

if TYPE_CHECKING:
    from tapeloom import BarData, SessionData

SPEED = "backtest_config__speed_multiplier"


class Listening:
    """Writes down whose bars it was told of."""

    def __init__(self, name: str, told: list[tuple[str, str, str]]) -> None:
        self.name, self.told = name, told

    def on_bar(self, session: SessionData, bar: BarData) -> None:
        self.told.append((self.name, bar.symbol, bar.interval))


@pytest.mark.parametrize("speed", [0.0, 1e9])
def test_analyses_are_told_in_their_order_and_of_nothing_they_did_not_ask_for(
    speed: float,
) -> None:
    told: list[tuple[str, str, str]] = []
    manager, coordinator = prepared(**{SPEED: speed})
    engine = manager.engine
    engine.add(Listening("second", told), symbols=["aapl"], intervals=["5m"])
    engine.add(Listening("first", told), symbols=["MSFT", "AAPL"], intervals=[5])
    coordinator.run()
    assert set(told) == {
        ("second", "AAPL", "5m"),
        ("first", "AAPL", "5m"),
        ("first", "MSFT", "5m"),
    }
    instants = [told[at : at + 3] for at in range(0, len(told), 3)]
    assert instants[0] == [
        ("second", "AAPL", "5m"),
        ("first", "MSFT", "5m"),
        ("first", "AAPL", "5m"),
    ]


def test_nobody_is_woken_for_a_series_that_nobody_asked_for() -> None:
    told: list[tuple[str, str, str]] = []
    manager, coordinator = prepared()
    manager.engine.add(Listening("days", told), intervals=["1d"])
    coordinator.run()
    # One call of the engine a session, however many minutes there were.
    cycles = coordinator.metrics.to_dict("backtest")["analysis_engine"]["count"]
    assert cycles == 3
    assert told == [("days", s, "1d") for s in ("MSFT", "AAPL", "RIVN")] * 3


def test_what_changed_is_told_base_first_then_ascending_in_configured_order() -> None:
    found: list[list[Notification]] = []

    class Noting:
        def on_batch(self, session: SessionData, batch: Any) -> None:
            found.append(notifications(batch))

    _, coordinator = prepared(Noting())
    for _ in range(5):
        coordinator.step()
    coordinator.stop()
    last = [(n.symbol, n.interval, n.kind) for n in found[-1]]
    symbols = list(dict.fromkeys(symbol for symbol, _, _ in last))
    assert symbols == [s for s in ("MSFT", "AAPL", "RIVN") if s in symbols]
    for symbol in symbols:
        intervals = [i for s, i, _ in last if s == symbol]
        assert intervals in (["1m", "5m"], ["5m"], ["1m"])
    assert {n.interval for n in found[0]} == {"1m"}
    assert all(n.kind == "new" and n.index >= 0 for n in found[-1])


@pytest.mark.parametrize("speed", [0.0, 1e9])
def test_bars_that_an_analysis_writes_are_there_at_its_next_read(speed: float) -> None:
    seen: list[tuple[int, int]] = []
    updates: list[str] = []

    class Writing:
        def on_batch(self, session: SessionData, batch: Any) -> None:
            if len(seen) == 20:
                return
            before = session.get_bar_count("MSFT")
            newest = session.get_latest_bar("MSFT")
            if newest is not None:
                corrected = {"ts": [newest.ts], "open": [newest.open]}
                corrected |= {"high": [newest.high], "low": [newest.low]}
                corrected |= {"close": [newest.low], "volume": [newest.volume + 1]}
                session.add_bars_batch("MSFT", corrected)
                latest = session.get_latest_bar("MSFT")
                assert latest is not None
                assert latest.volume == newest.volume + 1
            seen.append((before, session.get_bar_count("MSFT")))

        def on_update(self, session: SessionData, bar: BarData) -> None:
            updates.append(bar.interval)

    _, coordinator = prepared(Writing(), **{SPEED: speed})
    coordinator.run()
    assert all(before == after for before, after in seen)
    # Who wrote them knows of them: the analyses are not told of what they wrote.
    assert "1m" not in updates


def test_a_hook_that_raises_is_counted_or_ends_the_run() -> None:
    class Failing:
        def on_bar(self, session: SessionData, bar: BarData) -> None:
            raise KeyError(bar.symbol)

    manager = SystemManager()
    isolated = AnalysisEngine(manager, on_error="continue")
    isolated.add(Failing(), symbols=["MSFT"], intervals=["1d"])
    manager.prepare(config(), source=market()).coordinator.run()
    assert isolated.errors == {("Failing", "KeyError"): 3}
    strict = AnalysisEngine(manager)
    strict.add(Failing(), symbols=["AAPL"], intervals=["5m"])
    run = manager.prepare(config(), source=market())
    with pytest.raises(AnalysisError) as caught:
        run.coordinator.run()
    error: Any = caught.value
    assert (error.symbol, error.analysis) == ("AAPL", "Failing")
    assert error.time.strftime("%H:%M") == "09:35"
    assert isinstance(error.__cause__, KeyError)
