"""A live configuration is started, watched and ended by the same manager as a backtest."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tapeloom import SessionConfig, TimeManager
from tapeloom.errors import ArgumentError, ConfigError, PlanError, StateError
from tapeloom.live import FetchedHistory
from tapeloom.storage import DataManager
from tapeloom.system.live_wiring import live_surroundings
from tapeloom.system.system_manager import SystemManager, SystemState
from tests.reference.schedule import MINUTE
from tests.session.memory import JULY
from tests.session.runs import threads
from tests.system.scripted import (
    DAY,
    SYMBOLS,
    ScriptedDay,
    SetClock,
    Vendor,
    minutes_of,
)

if TYPE_CHECKING:
    from pathlib import Path

PATIENCE = 60.0


def config(**changes: Any) -> dict[str, Any]:
    return {
        "session_name": "live",
        "mode": "live",
        "session_data_config": {
            "symbols": list(SYMBOLS),
            "streams": ["1m", "5m"],
            "historical": {"data": [{"trailing_days": 2, "intervals": ["1m"]}]},
        },
        **changes,
    }


def started(
    day: ScriptedDay, data: Path, vendor: Vendor | None = None, **changes: Any
) -> SystemManager:
    manager = SystemManager(str(data), data_api=day.api(vendor))
    manager.engine.add(day)
    manager.start(config(**changes))
    return manager


def starts(manager: SystemManager, symbol: str, scope: str = "session") -> list[int]:
    bars = manager.session_data.get_bars(symbol, scope=scope)
    return [int(ts) for ts in bars.ts]


def test_a_live_day_runs_from_its_open_to_stored_bars(tmp_path: Path) -> None:
    day, data = ScriptedDay(), tmp_path / "data"
    manager = started(day, data, Vendor())

    assert manager.wait(PATIENCE)
    result = manager.result()
    (report,) = result.sessions

    assert manager.state is SystemState.STOPPED
    assert (report.session_date, report.present, report.missing) == (DAY.date, 420, 0)
    base = [told for told in day.told if told[1] == "1m"]
    assert base == [
        (symbol, "1m", minute.ts) for minute in minutes_of("AAPL") for symbol in SYMBOLS
    ]
    stored = DataManager(data, time_manager=TimeManager())
    assert stored.get_symbols() == ["AAPL", "MSFT"]
    assert [int(ts) for ts in stored.read("MSFT", "1m", DAY.open, DAY.close).ts] == [
        bar.ts for bar in minutes_of("MSFT")
    ]
    assert threads() == set()


def test_history_that_nothing_stores_comes_from_the_source(tmp_path: Path) -> None:
    day, vendor = ScriptedDay([0], last=False), Vendor()
    before = JULY[JULY.index(DAY) - 2 : JULY.index(DAY)]
    with started(day, tmp_path, vendor) as manager:
        assert day.played.wait(PATIENCE)

        assert starts(manager, "AAPL", "history") == [
            bar.ts for bar in minutes_of("AAPL", before)
        ]


def test_what_the_feed_misses_is_filled_from_the_source(tmp_path: Path) -> None:
    minutes = [k for k in range(210) if not 20 <= k < 25]
    manager = started(ScriptedDay(minutes), tmp_path, Vendor())

    assert manager.wait(PATIENCE)
    assert starts(manager, "AAPL") == [bar.ts for bar in minutes_of("AAPL")]


def test_without_a_source_a_gap_stays_and_is_reported(tmp_path: Path) -> None:
    minutes = [k for k in range(210) if not 20 <= k < 25]
    manager = started(ScriptedDay(minutes), tmp_path)

    assert manager.wait(PATIENCE)
    (report,) = manager.result().sessions
    assert (report.missing, report.gaps) == (10, 2)


def test_a_live_run_says_how_it_is_doing_and_cannot_be_paused(tmp_path: Path) -> None:
    day = ScriptedDay(range(7), last=False)
    with started(day, tmp_path, Vendor()) as manager:
        assert day.played.wait(PATIENCE)
        info = manager.system_info(complete=True)

        assert str(manager.state) == "RUNNING"
        assert (manager.mode, manager.backtest_start_date) == ("live", None)
        assert json.loads(json.dumps(info))["health"] == info["health"]
        assert (info["mode"], info["backtest_end_date"]) == ("live", None)
        assert list(info["health"]["symbols"]) == list(SYMBOLS)
        assert info["health"]["counts"]["bars"] == 14
        assert info["journal_folder"] == str(tmp_path / "journal")
        assert set(manager.health().symbols) == set(SYMBOLS)
        with pytest.raises(StateError, match="live run cannot be paused"):
            manager.pause()
        with pytest.raises(StateError, match="live run cannot be paused"):
            manager.resume()
        with pytest.raises(StateError, match=r"get_live_coordinator\(\)"):
            manager.get_session_coordinator()
        assert manager.get_data_manager().root == str(tmp_path)
    assert str(manager.state) == "STOPPED"
    assert threads() == set()


def test_a_run_that_was_stopped_goes_on_where_its_journal_ends(tmp_path: Path) -> None:
    morning = ScriptedDay(range(60), last=False)
    with started(morning, tmp_path):
        assert morning.played.wait(PATIENCE)
    noon = ScriptedDay(range(60, 210))
    noon.clock.now = DAY.open + 60 * MINUTE
    manager = started(noon, tmp_path)

    assert manager.wait(PATIENCE)
    (report,) = manager.result().sessions
    assert (report.present, report.missing) == (420, 0)


def test_symbols_join_a_live_run(tmp_path: Path) -> None:
    day = ScriptedDay([0], last=False)
    with started(day, tmp_path, Vendor()) as manager:
        assert day.played.wait(PATIENCE)
        manager.get_live_coordinator().add_symbol("RIVN")
        while "RIVN" not in manager.session_data.get_active_symbols():
            assert not manager.wait(0.01)

    assert day.subscribed == (*SYMBOLS, "RIVN")


def test_a_symbol_that_joined_streams_on_after_a_stop_and_can_be_removed(
    tmp_path: Path,
) -> None:
    morning = ScriptedDay([0], last=False)
    with started(morning, tmp_path, Vendor()) as manager:
        assert morning.played.wait(PATIENCE)
        manager.get_live_coordinator().add_symbol("RIVN")
        while "RIVN" not in manager.session_data.get_active_symbols():
            assert not manager.wait(0.01)
    noon = ScriptedDay([1], last=False)
    noon.clock.now = DAY.open + MINUTE
    with started(noon, tmp_path, Vendor()) as manager:
        assert noon.played.wait(PATIENCE)
        assert noon.subscribed == (*SYMBOLS, "RIVN")
        # It has the history of a configured symbol.
        assert len(starts(manager, "RIVN", "history")) == 2 * 390
        manager.get_live_coordinator().remove_symbol("RIVN")
        while "RIVN" in manager.session_data.get_active_symbols():
            assert not manager.wait(0.01)


def test_the_journal_of_another_session_is_not_gone_on_with(tmp_path: Path) -> None:
    first = ScriptedDay([0], last=False)
    with started(first, tmp_path):
        assert first.played.wait(PATIENCE)
    again = SystemManager(str(tmp_path), data_api=ScriptedDay([1]).api())

    with pytest.raises(ConfigError, match="is of the session 'live', not of 'other'"):
        again.start(config(session_name="other"))
    # Nobody holds it afterwards.
    second = ScriptedDay([1], last=False)
    with started(second, tmp_path):
        assert second.played.wait(PATIENCE)


def test_a_day_that_was_played_to_its_end_is_not_played_again_over_its_journal(
    tmp_path: Path,
) -> None:
    live = {"store_end_of_day": False}
    with started(ScriptedDay(), tmp_path, Vendor(), live_config=live) as manager:
        assert manager.wait(PATIENCE)
    again = SystemManager(str(tmp_path), data_api=ScriptedDay([0]).api())

    for _ in range(2):
        # Nobody holds it afterwards.
        with pytest.raises(
            ConfigError, match="holds the whole session of 2025-07-03, which has ended"
        ):
            again.start(config(live_config=live))


def test_a_simulated_clock_is_no_clock_of_a_live_run(tmp_path: Path) -> None:
    manager = SystemManager(
        str(tmp_path), time_manager=TimeManager(), data_api=ScriptedDay().api()
    )

    with pytest.raises(StateError, match="time_manager is simulated"):
        manager.start(config())
    assert manager.state is SystemState.FAILED


def test_a_live_clock_is_no_clock_of_a_backtest(tmp_path: Path) -> None:
    live = TimeManager(mode="live", clock=SetClock(DAY.open))
    window = {"start_date": "2025-07-03", "end_date": "2025-07-03"}
    manager = SystemManager(str(tmp_path), time_manager=live)

    with pytest.raises(StateError, match="time_manager is live"):
        manager.start(config(mode="backtest", backtest_config=window))


@pytest.mark.parametrize(
    ("made", "words"),
    [
        ({"out": "results"}, "the journal keeps a live session"),
        ({"resume": True}, "the journal keeps a live session"),
    ],
)
def test_what_is_for_backtests_is_refused(
    tmp_path: Path, made: dict[str, Any], words: str
) -> None:
    manager = SystemManager(str(tmp_path), data_api=ScriptedDay().api(), **made)

    with pytest.raises(ArgumentError, match=words):
        manager.start(config())
    assert list(tmp_path.iterdir()) == []


def test_each_kind_of_config_is_prepared_by_its_own_method(tmp_path: Path) -> None:
    window = {"start_date": "2025-07-03", "end_date": "2025-07-03"}
    manager = SystemManager(str(tmp_path), data_api=ScriptedDay().api())

    with pytest.raises(StateError, match=r"prepare_live\(\) wires it"):
        manager.prepare(config())
    with pytest.raises(StateError, match=r"prepare\(\) wires it"):
        manager.prepare_live(config(mode="backtest", backtest_config=window))


def test_a_start_that_fails_leaves_no_journal_open(tmp_path: Path) -> None:
    day = ScriptedDay()
    manager = SystemManager(str(tmp_path), data_api=day.api())
    asked = config(session_data_config={"symbols": ["AAPL"], "streams": ["30s"]})

    with pytest.raises(PlanError, match="the feed pushes 1m, of which 30s"):
        manager.start(asked)
    assert (manager.state, list(tmp_path.iterdir())) == (SystemState.FAILED, [])
    manager.engine.add(day)
    manager.start(config())
    assert manager.wait(PATIENCE)


def test_a_run_that_is_prepared_and_never_run_lets_go_of_its_journal(
    tmp_path: Path,
) -> None:
    first = SystemManager(str(tmp_path), data_api=ScriptedDay().api())
    first.prepare_live(config())
    first.stop()
    day = ScriptedDay()
    manager = started(day, tmp_path)

    assert manager.wait(PATIENCE)
    assert manager.result().sessions[0].present == 420


def test_bars_outside_a_folder_need_a_place_for_the_journal(tmp_path: Path) -> None:
    pattern = str(tmp_path / "*.parquet")
    manager = SystemManager(pattern, data_api=ScriptedDay().api())

    with pytest.raises(ConfigError, match=r"live_config.journal_folder: missing"):
        manager.start(config())
    with pytest.raises(
        ConfigError, match=r"live_config.store_end_of_day: .* no folder"
    ):
        manager.start(config(live_config={"journal": "off"}))


def test_without_a_journal_nothing_is_written_but_the_bars_at_the_end(
    tmp_path: Path,
) -> None:
    quiet = {"journal": "off", "store_end_of_day": False}
    manager = started(ScriptedDay(), tmp_path, live_config=quiet)

    assert manager.wait(PATIENCE)
    assert list(tmp_path.iterdir()) == []


def test_the_plan_of_a_live_config_is_seen_without_running_it(tmp_path: Path) -> None:
    asked = SessionConfig.from_dict(config())
    around = live_surroundings(asked, tmp_path, api=ScriptedDay().api(Vendor()))

    assert isinstance(around.history, FetchedHistory)
    assert around.plan(asked).symbols[0].base == "1m"
    assert list(tmp_path.iterdir()) == []


def test_a_journal_keeps_no_login_of_an_address(tmp_path: Path) -> None:
    address = "wss://me:hunter2@feed.example:9/v1?apiKey=hunter2#hunter2"
    live = {"url_override": address, "history_url_override": address}
    day = ScriptedDay(range(3), last=False)
    with started(day, tmp_path, live_config=live):
        assert day.played.wait(PATIENCE)
    (path,) = (tmp_path / "journal").glob("*.journal")
    written = b"".join(each.read_bytes() for each in path.parent.iterdir())
    assert b"wss://feed.example:9/v1" in written
    assert b"hunter2" not in written
