"""The rehearsal of a live day: what it shows, that all hashes are equal, and that nothing of it stays behind."""

from __future__ import annotations

import json
import multiprocessing
import os
import re
import signal
import subprocess
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import pytest
from typer.testing import CliRunner

from tapeloom.cli import demo_live
from tapeloom.cli.app import app
from tapeloom.demo import rehearsal, write_demo
from tapeloom.demo.rehearsal import rehearse
from tapeloom.demo.rehearsal_plan import Outcome, Plan
from tapeloom.errors import ArgumentError
from tapeloom.live.recovery import verify

if TYPE_CHECKING:
    from pathlib import Path

    from tapeloom.demo import DemoFolder

#: Everything that the whole one has, with five symbols and in a third of the time.
SHORT = Plan(
    speed=900.0,
    symbols=("ALDERA", "BRIXUM", "CORVEX", "DUNMAR", "QUILLO"),
    breaks_after=15,
    broken_minutes=5,
    lost_after=30,
    killed_after=40,
)


class Rehearsed(NamedTuple):
    made: DemoFolder
    outcome: Outcome
    lines: list[str]


@pytest.fixture(scope="module")
def rehearsed(tmp_path_factory: pytest.TempPathFactory) -> Rehearsed:
    made = write_demo(tmp_path_factory.mktemp("demo") / "demo")
    for speed in (SHORT.speed, SHORT.speed / 3):
        lines: list[str] = []
        try:
            outcome = rehearse(made, replace(SHORT, speed=speed), tell=lines.append)
        except ArgumentError:
            # So busy a machine starts no process within the rest of such a day.
            continue
        return Rehearsed(made, outcome, lines)
    pytest.fail("at no speed has a process started within the day")


def test_the_four_state_hashes_are_equal(rehearsed: Rehearsed) -> None:
    hashes = rehearsed.outcome.hashes
    assert list(hashes) == ["live", "recovered", "replayed", "undisturbed"]
    assert len(set(hashes.values())) == 1
    assert rehearsed.outcome.is_same


def test_what_the_outage_and_the_kill_took_came_from_history(
    rehearsed: Rehearsed,
) -> None:
    outcome = rehearsed.outcome
    # Five minutes of four symbols that trade in every minute, and the three bars that were not streamed.
    assert outcome.filled >= 4 * 5 + 3
    assert outcome.bars + outcome.missing == 5 * 210
    assert 0 < outcome.recovered_bars < outcome.bars


def test_the_outage_is_seen_from_stale_to_live(rehearsed: Rehearsed) -> None:
    outages = [each for each in rehearsed.outcome.disturbances if each[0] == "STALE"]
    assert len(outages) == 1
    assert outages[0][-1] == "LIVE"


def filled(text: str, symbol: str, begin: str) -> int:
    """How many bars of a symbol the story tells that history had, of the longest stretch that begins then."""
    sentence = rf"{symbol} {begin}\d\N{{EN DASH}}[\d:]+: \d+ missing for [\d.]+ s, filled (\d+)/"
    return max(map(int, re.findall(sentence, text)), default=0)


def test_the_story_tells_the_filled_gaps_and_the_kill(rehearsed: Rehearsed) -> None:
    text = "\n".join(rehearsed.lines)
    words = [line[10:].split(" ")[0] for line in rehearsed.lines[4:]]
    assert words.index("STALE") < words.index("KILLED") < words.index("CLOSED")
    assert words.count("starts") == 2
    # An outage is asked for as it is found, and one sentence tells of it, which may grow. A minute of the market lasts
    # 67 ms: the client may come back a minute after the outage, and the bars of the minutes beside it may be late.
    assert filled(text, "ALDERA", "09:4") >= SHORT.broken_minutes
    assert filled(text, "CORVEX", "10:0") >= SHORT.lost_bars
    assert max(map(len, rehearsed.lines)) <= 80


def test_the_journal_holds_every_bar_of_the_day(rehearsed: Rehearsed) -> None:
    report = verify(rehearsed.outcome.journal)
    assert report.bars >= rehearsed.outcome.bars


def test_the_hashes_are_shown_side_by_side(
    rehearsed: Rehearsed, capsys: pytest.CaptureFixture[str]
) -> None:
    demo_live._show(rehearsed.outcome)
    shown = capsys.readouterr().out.splitlines()
    hashes = rehearsed.outcome.hashes
    assert [line.split() for line in shown[2:6]] == [list(x) for x in hashes.items()]
    assert "All four are equal: nothing was lost, nothing came twice." in shown
    assert str(rehearsed.outcome.journal) in shown[-1]


@pytest.fixture
def without_playing(
    rehearsed: Rehearsed, monkeypatch: pytest.MonkeyPatch
) -> pytest.MonkeyPatch:
    """The command with what was rehearsed before."""
    monkeypatch.setattr(rehearsal, "rehearse", lambda *_, **__: rehearsed.outcome)
    return monkeypatch


@pytest.mark.usefixtures("without_playing")
def test_json_prints_one_document(tmp_path: Path, rehearsed: Rehearsed) -> None:
    done = CliRunner().invoke(app, ["demo", "--live", "--json", "--out", str(tmp_path)])
    assert done.exit_code == 0, done.output
    document = json.loads(done.stdout)
    assert document["state_hashes"] == rehearsed.outcome.hashes
    assert document["is_same"] is True


def test_hashes_that_differ_are_an_error(
    tmp_path: Path, rehearsed: Rehearsed, without_playing: pytest.MonkeyPatch
) -> None:
    hashes = rehearsed.outcome.hashes | {"replayed": "0" * 64}
    other = replace(rehearsed.outcome, hashes=hashes)
    without_playing.setattr(rehearsal, "rehearse", lambda *_, **__: other)
    done = CliRunner().invoke(app, ["demo", "--live", "--out", str(tmp_path)])
    assert done.exit_code == 3
    assert "the state hashes differ" in done.stderr
    assert "All four are equal" not in done.stdout


@pytest.mark.parametrize("option", [["--speed", "60"], ["--json"]])
def test_options_of_the_rehearsal_are_refused_without_it(
    tmp_path: Path, option: list[str]
) -> None:
    done = CliRunner().invoke(app, ["demo", *option, "--out", str(tmp_path / "demo")])
    assert done.exit_code == 2
    assert "--live" in done.stderr
    assert not (tmp_path / "demo").exists()


@pytest.mark.parametrize("speed", ["0", "-1", "nan"])
def test_a_speed_that_is_none_is_refused(tmp_path: Path, speed: str) -> None:
    done = CliRunner().invoke(
        app, ["demo", "--live", "--speed", speed, "--out", str(tmp_path / "demo")]
    )
    assert done.exit_code == 2, done.output
    assert "speed is" in done.stderr
    assert not (tmp_path / "demo").exists()


def test_a_day_that_is_over_too_soon_is_refused_and_leaves_nothing_running(
    tmp_path: Path,
) -> None:
    done = CliRunner().invoke(
        app, ["demo", "--live", "--speed", "1e6", "--out", str(tmp_path / "demo")]
    )
    assert done.exit_code == 2, done.output
    assert "speed is 1e+06" in done.stderr
    names = [child.name for child in multiprocessing.active_children()]
    assert "tapeloom-live" not in names


def test_without_the_vendors_client_the_extra_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rehearsal, "find_spec", lambda _: None)
    done = CliRunner().invoke(app, ["demo", "--live", "--out", str(tmp_path / "demo")])
    assert done.exit_code == 2
    assert "pip install 'tapeloom[live]'" in done.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="sends SIGINT to one process")
def test_ctrl_c_leaves_nothing_running(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-u", "-m", "tapeloom.cli", "demo", "--live"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as running:
        assert running.stdout is not None
        assert running.stderr is not None
        line = next(line for line in running.stdout if "starts   process" in line)
        live = int(line.split("process ")[1].split(",")[0])
        running.send_signal(signal.SIGINT)
        said = running.stderr.read()
    assert running.returncode == 130, said
    assert said == "stopped\n"
    with pytest.raises(ProcessLookupError):
        os.kill(live, 0)
