"""``tapeloom run --rehearse``: the commands of the guide, over a server in a process of its own."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from typer.testing import CliRunner

from tapeloom import DataManager, TimeManager
from tapeloom.cli.app import app

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE = Path(__file__).parents[2] / "docs" / "guide" / "going-live.md"
TEXT = PAGE.read_text(encoding="utf-8")
HALF_DAY = date(2025, 7, 3)
#: What differs from the page, so that the rehearsal takes seconds: its last half hour.
FASTER = {"--speed": "600", "--start": "2025-07-03T12:30"}


def commands() -> tuple[list[str], list[str]]:
    """The two commands of the page: that of the server, and that of the run."""
    _, _, section = TEXT.partition("## The whole configuration against a server\n")
    (block,) = re.findall(r"```text\n(.*?)```", section.partition("\n## ")[0], re.S)
    server, run = (shlex.split(line) for line in block.splitlines())
    assert server[:2] == ["tapeloom", "serve-feed"]
    assert run[:2] == ["tapeloom", "run"]
    return server[1:], run[1:]


def changed(words: list[str], changes: dict[str, str]) -> list[str]:
    """The words with other values of some options, each of which is there."""
    made = list(words)
    for name, value in changes.items():
        made[made.index(name) + 1] = value
    return made


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What a user of the page has: bars, a configuration, an analysis. And no keys."""
    monkeypatch.chdir(tmp_path)
    for name in ("APCA_API_KEY_ID", "APCA_API_SECRET_KEY"):
        monkeypatch.delenv(name, raising=False)
    ts = TimeManager("US_EQUITY").get_grid(HALF_DAY, "1m")
    close = 50 + np.sin(np.arange(len(ts)) / 50)
    columns = dict.fromkeys(("open", "high", "low", "close"), close)
    bars = {"ts": ts, **columns, "volume": close * 0 + 10}
    for symbol in ("AAA", "BBB"):
        DataManager(tmp_path / "bars").write_bars(symbol, "1m", bars)
    analysis, code, *_ = re.findall(r"```python\n(.*?)```", TEXT, re.S)
    names: dict[str, Any] = {}
    exec(code, names)
    (tmp_path / "opening_range.py").write_text(analysis)
    (tmp_path / "live.json").write_text(json.dumps(names["live"]))
    return tmp_path


@pytest.fixture
def address(folder: Path, request: pytest.FixtureRequest) -> Iterator[str]:
    """Where the server of the page listens."""
    faster = FASTER | getattr(request, "param", {})
    words = [*changed(commands()[0], faster), "--port", "0"]
    command = [sys.executable, "-m", "tapeloom.cli", *words]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        assert next(server.stdout).startswith("2 symbols from 2025-07-03T12:30")
        next(server.stdout)
        yield next(server.stdout).split()[1]
        server.terminate()


def test_the_commands_of_the_guide_play_the_market_to_the_configuration(
    folder: Path, address: str
) -> None:
    words = changed(commands()[1], {"--rehearse": address})
    done = CliRunner().invoke(app, [*words, "--json"])

    assert done.exit_code == 0, done.output
    document = json.loads(done.stdout)
    (session,) = document["sessions"]
    assert (session["session_date"], session["missing"]) == ("2025-07-03", 0)
    assert sum(each["bars"] > 0 for each in document["sessions"]) == 1
    assert document["health"]["state"] == "CLOSED"
    said = done.stderr.splitlines()[0]
    assert said.startswith("rehearsal: the market is at 2025-07-03 12:30; the journal")
    # It lies by itself, and the stored bars are what they were.
    (kept,) = (folder / "bars" / "journal").iterdir()
    assert kept.name.startswith("rehearsal-")
    assert str(kept.relative_to(folder)) in said
    assert (kept / "2025-07-03.journal").exists()


STOPS = """
class Stops:
    told = 0

    def on_bar(self, session, bar):
        self.told += 1
        if self.told == 10:
            raise KeyboardInterrupt
"""


# Slow enough for the second run to begin before the market is over.
@pytest.mark.parametrize("address", [{"--speed": "150"}], indirect=True)
def test_a_rehearsal_that_was_stopped_goes_on_where_its_journal_ends(
    folder: Path, address: str
) -> None:
    (folder / "stops.py").write_text(STOPS)
    words = changed(commands()[1], {"--rehearse": address})
    first = changed(words, {"--analysis": "stops.py:Stops"})
    stopped = CliRunner().invoke(app, first)
    assert stopped.exit_code == 130, stopped.output
    (kept,) = (folder / "bars" / "journal").iterdir()
    assert f"{kept.relative_to(folder)}, where the next run goes on" in stopped.stderr

    done = CliRunner().invoke(app, [*words, "--json"])

    assert done.exit_code == 0, done.output
    (session,) = json.loads(done.stdout)["sessions"]
    assert (session["session_date"], session["missing"]) == ("2025-07-03", 0)
    assert list((folder / "bars" / "journal").iterdir()) == [kept]


def refused(folder: Path, config: dict[str, Any]) -> str:
    (folder / "other.json").write_text(json.dumps(config))
    words = ["run", "other.json", "--rehearse", "http://127.0.0.1:1"]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 2, done.output
    assert done.stderr.count("\n") == 1
    return done.stderr


def test_a_backtest_is_not_rehearsed(folder: Path) -> None:
    live = json.loads((folder / "live.json").read_text())
    window = {"start_date": "2025-07-03", "end_date": "2025-07-03"}
    del live["live_config"], live["api_config"]
    backtest = live | {"mode": "backtest", "backtest_config": window}

    assert "this one is a backtest; leave --rehearse out" in refused(folder, backtest)


def test_a_replay_needs_no_market_to_rehearse_on(folder: Path) -> None:
    live = json.loads((folder / "live.json").read_text())
    replay = live | {"api_config": {"data_api": "replay"}}

    assert "this one replays stored bars; leave --rehearse out" in refused(
        folder, replay
    )


@pytest.mark.parametrize("address", ["https://data.alpaca.markets:443", "http://a:1"])
def test_the_vendor_is_no_market_to_rehearse_on(folder: Path, address: str) -> None:
    done = CliRunner().invoke(app, ["run", "live.json", "--rehearse", address])

    assert done.exit_code == 2
    assert "tapeloom serve-feed" in done.stderr
    assert not (folder / "data").exists()
