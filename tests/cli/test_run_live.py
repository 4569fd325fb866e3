"""``tapeloom run`` and ``plan`` of a live config, over a day that the test plays in lock step."""

from __future__ import annotations

import json
import sys
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest
from tests.cli.market import write_market
from tests.reference.schedule import HOUR, MINUTE
from tests.system.scripted import DAY, SYMBOLS, ScriptedDay
from typer.testing import CliRunner

import tapeloom
from tapeloom.cli.app import app
from tapeloom.cli.run_live import what_comes
from tapeloom.live.alpaca_client import ENVIRONMENT
from tapeloom.system.system_manager import SystemManager

if TYPE_CHECKING:
    from pathlib import Path

    from typer.testing import Result

# What a user writes who has a feed of their own: the file of the analysis registers it.
FILE = """
from tapeloom.live import register_data_api
from tests.system.scripted import DAY, ScriptedDay, Vendor
from tests.reference.schedule import MINUTE

class Day(ScriptedDay):
    interrupt_at = {interrupt_at}

    def on_bar(self, session, bar):
        print("seen", bar.symbol)
        session.record(bar.symbol, close=bar.close)
        if len(self.told) + 1 == self.interrupt_at:
            raise KeyboardInterrupt
        super().on_bar(session, bar)

day = Day(range({first}, 210))
day.clock.now = max(day.clock.now, DAY.open + {first} * MINUTE)
register_data_api("{name}", lambda config, time_manager: day.api(Vendor()))
"""
NUMBERS = count()


def live_config(name: str, **changes: Any) -> dict[str, Any]:
    return {
        "session_name": "live",
        "mode": "live",
        "session_data_config": {
            "symbols": list(SYMBOLS),
            "streams": ["1m"],
            "historical": {"data": [{"trailing_days": 1, "intervals": ["1m"]}]},
        },
        "api_config": {"data_api": name},
        **changes,
    }


def written(
    folder: Path, *, first: int = 0, interrupt_at: int = -1
) -> tuple[str, str, str]:
    """Write config and file; return what the command is told: config, --analysis and its value."""
    # There is no way to take a name back.
    name = f"cli_{next(NUMBERS)}"
    config, file = folder / "live.json", folder / f"{name}.py"
    config.write_text(json.dumps(live_config(name)))
    file.write_text(FILE.format(name=name, first=first, interrupt_at=interrupt_at))
    return str(config), "--analysis", f"{file}:day"


def run(folder: Path, *words: str) -> Result:
    data = str(folder / "data")
    return CliRunner().invoke(app, ["run", *words, "--data", data])


def test_a_live_run_shows_how_it_is_doing_and_then_its_sessions(tmp_path: Path) -> None:
    done = run(tmp_path, *written(tmp_path))

    assert done.exit_code == 0, done.output
    assert "2025-07-03" in done.stdout
    assert "420" in done.stdout
    assert ", 2 symbols, " in done.stderr


def test_a_live_run_prints_one_document_and_what_the_analysis_prints_goes_elsewhere(
    tmp_path: Path,
) -> None:
    done = run(tmp_path, *written(tmp_path), "--json", "--quiet")

    assert done.exit_code == 0, done.output
    document = json.loads(done.stdout)
    assert document["sessions"][0]["bars"] == 420
    assert document["health"]["state"] == "CLOSED"
    assert list(document["health"]["symbols"]) == list(SYMBOLS)
    assert "seen AAPL" in done.stderr


def test_ctrl_c_stops_cleanly_and_the_next_run_goes_on_where_the_journal_ends(
    tmp_path: Path,
) -> None:
    # Two symbols: the first bar of the 31st minute is the last that comes.
    stopped = run(tmp_path, *written(tmp_path, interrupt_at=61))
    journal = tmp_path / "data" / "journal"

    assert stopped.exit_code == 130, stopped.output
    assert (
        f"stopped at 2025-07-03 10:01, after 0 sessions; 61 bars of 2025-07-03 are in {journal}, "
        "where the next run goes on"
    ) in stopped.stderr

    done = run(tmp_path, *written(tmp_path, first=31), "--json", "--quiet")

    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["sessions"][0]["missing"] == 0


def test_a_symbol_that_was_taken_out_goes_on_with_the_journal_and_is_told_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert run(tmp_path, *written(tmp_path, interrupt_at=61)).exit_code == 130
    words = written(tmp_path, first=31)
    config = tmp_path / "live.json"
    changed = json.loads(config.read_text())
    changed["session_data_config"]["symbols"] = ["AAPL"]
    config.write_text(json.dumps(changed))

    done = run(tmp_path, *words)

    assert done.exit_code == 0, done.output
    text = "the journal of 2025-07-03 goes on with MSFT, which the configuration does not stream"
    assert done.stderr.splitlines()[0] == text
    (told,) = [each for each in caplog.messages if "does not stream" in each]
    assert "2.e.WARNING" in told


@pytest.mark.parametrize(
    ("now", "sentence"),
    [
        (
            DAY.close + HOUR,
            "the session of 2025-07-03 is over since 13:00; the run waits for that of 2025-07-07, which opens at 09:30",
        ),
        (
            DAY.open - HOUR,
            "no session is open; the run waits for that of 2025-07-03, which opens at 09:30",
        ),
        (DAY.open, None),
        (DAY.close - MINUTE, None),
    ],
)
def test_a_day_that_is_over_or_has_not_begun_is_told_of_in_a_sentence(
    tmp_path: Path, now: int, sentence: str | None
) -> None:
    day = ScriptedDay()
    day.clock.now = now
    manager = SystemManager(tmp_path, data_api=day.api())
    live = manager.prepare_live(live_config("alpaca"))

    assert what_comes(live) == sentence
    manager.stop()


def test_the_first_line_says_that_the_run_warms_up_and_not_that_the_feed_is_down(
    tmp_path: Path,
) -> None:
    done = run(tmp_path, *written(tmp_path))

    assert done.stderr.startswith("WARMING 09:30:00, 2 symbols, history and")
    assert "STALE" not in done.stderr.splitlines()[0]


def test_the_vendors_keys_are_asked_for_by_their_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in (each for names in ENVIRONMENT for each in names):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "live.json").write_text(json.dumps(live_config("alpaca")))
    done = run(tmp_path, str(tmp_path / "live.json"))

    assert done.exit_code == 2
    assert "set APCA_API_KEY_ID and APCA_API_SECRET_KEY" in done.stderr
    assert done.stderr.count("\n") == 1


def test_without_the_vendors_client_the_command_to_install_it_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for names in ENVIRONMENT:
        monkeypatch.setenv(names[0], "any")
    # A module that is None cannot be imported.
    for module in [name for name in sys.modules if name.split(".")[0] == "alpaca"]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, "alpaca", None)
    (tmp_path / "live.json").write_text(json.dumps(live_config("alpaca")))
    done = run(tmp_path, str(tmp_path / "live.json"))

    assert done.exit_code == 2
    assert "pip install 'tapeloom[live]'" in done.stderr


@pytest.mark.parametrize("words", [("--out", "results"), ("--out", "r", "--resume")])
def test_what_is_for_backtests_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    monkeypatch.chdir(tmp_path)
    done = run(tmp_path, *written(tmp_path), *words)

    assert done.exit_code == 2
    assert "the journal keeps a live session" in done.stderr


def test_a_live_config_without_a_source_of_data_is_told_what_there_is(
    tmp_path: Path,
) -> None:
    config = live_config("x")
    del config["api_config"]
    (tmp_path / "live.json").write_text(json.dumps(config))
    done = run(tmp_path, str(tmp_path / "live.json"))

    assert done.exit_code == 2
    assert "a live run needs one, such as 'alpaca' or 'replay'" in done.stderr


def test_the_plan_of_a_replay_names_what_the_feed_pushes(tmp_path: Path) -> None:
    write_market(tmp_path)
    config = live_config("replay")
    config["session_data_config"] |= {"symbols": ["ALDERA"], "streams": ["5m"]}
    (tmp_path / "live.json").write_text(json.dumps(config))
    words = [str(tmp_path / "live.json"), "--data", str(tmp_path / "bars")]
    done = CliRunner().invoke(app, ["plan", *words])

    assert done.exit_code == 0, done.output
    assert "coarsest interval of the feed dividing 5m" in done.stdout
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "bars",
        "live.json",
        "session.json",
    ]


def test_run_of_the_package_runs_a_live_config_too(tmp_path: Path) -> None:
    from tests.system.scripted import ScriptedDay, Vendor

    from tapeloom.live import register_data_api

    name, day = f"cli_{next(NUMBERS)}", ScriptedDay()
    register_data_api(name, lambda *_: day.api(Vendor()))
    told: list[str] = []

    result = tapeloom.run(
        live_config(name),
        day,
        data=tmp_path,
        progress=lambda health: told.append(str(health.state)),
    )

    assert [report.bars for report in result.sessions] == [420]
    assert told
