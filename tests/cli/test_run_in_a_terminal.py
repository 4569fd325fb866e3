"""``tapeloom run`` in a real terminal: what it shows, the keys it hears, and how it leaves the terminal."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from tests.cli.market import write_market
from tests.cli.terminal import Terminal

if TYPE_CHECKING:
    from pathlib import Path

pytest.importorskip("pty", reason="this system has no pseudo-terminals")

ANALYSES = """
def prints(session, bar):
    if bar.symbol == "ALDERA" and bar.interval == "5m":
        print("close", bar.close)

def fails(session, bar):
    if bar.symbol == "BRIXUM":
        raise ValueError("no good")

def interrupts(session, bar):
    if f"{session.get_latest_bar('ALDERA').timestamp:%H:%M}" == "10:00":
        import os, signal
        os.kill(os.getpid(), signal.SIGINT)

def warns(session, bar):
    session.get_latest_bar("NOBODY")

def dawdles(session, bar):
    import time
    time.sleep(0.4)
"""
#: A minute after the open, in the line of a run that is not paused. Which one it is, is a matter of the machine.
STREAMS = r"(?<!paused  )0 of 1 sessions  2024-11-29 (?!09:30)(\d\d):(\d\d)  x240"
STOPPED = r"stopped at 2024-11-29 \d\d:\d\d, after 0 sessions"
CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A half day whose clock runs at 240 times real time: it lasts longer than any test waits for it."""
    write_market(tmp_path, speed_multiplier=240)
    (tmp_path / "mine.py").write_text(ANALYSES, encoding="utf-8")
    return tmp_path


def started(folder: Path, *words: str, columns: int = 100) -> Terminal:
    words = ("run", "session.json", "--data", "bars", *words)
    return Terminal(*words, columns=columns, cwd=folder)


def frames(shown: str) -> list[str]:
    """Every line that was shown, also those that another took the place of."""
    return [line.strip() for line in re.split(r"[\r\n]+", CONTROL.sub("", shown))]


def test_a_clock_driven_run_shows_its_clock_and_speed(folder: Path) -> None:
    with started(folder) as terminal:
        shown = terminal.until(STREAMS + r".*stops\)")
        terminal.press("q")
        assert terminal.end() == 0
    behind = r"(?:[\d.]+ s behind  )?"
    line = rf"{STREAMS}  {behind}0:(\d\d) left .*\(space pauses, q stops\)"
    found = re.search(line, shown)
    assert found is not None, frames(shown)
    hour, minute, left = map(int, found.groups())
    assert abs((13 * 60 - hour * 60 - minute) * 60 / 240 - left) < 1


def test_space_pauses_and_goes_on_and_q_stops(folder: Path) -> None:
    with started(folder) as terminal:
        terminal.until(STREAMS)
        terminal.press(" ")
        terminal.until("paused")
        terminal.press(" ")
        terminal.until(STREAMS)
        terminal.press("q")
        assert terminal.end() == 0
        assert "small: no session was finished" in terminal.shown
        assert re.search(STOPPED, terminal.shown)
        assert terminal.modes() == terminal.before


def test_keys_typed_at_once_are_all_heard(folder: Path) -> None:
    with started(folder) as terminal:
        terminal.until(STREAMS)
        terminal.press(" x q")
        assert terminal.end() == 0
        assert "stopped at 2024-11-29" in terminal.shown


def test_a_paused_run_can_be_stopped(folder: Path) -> None:
    with started(folder) as terminal:
        terminal.until("x240")
        terminal.press(" ")
        terminal.until("paused")
        terminal.press("q")
        assert terminal.end() == 0
        assert terminal.modes() == terminal.before


@pytest.mark.parametrize("paused", [False, True])
def test_ctrl_c_stops_with_130_and_shows_what_was_done(
    folder: Path, paused: bool
) -> None:
    with started(folder) as terminal:
        terminal.until(STREAMS)
        if paused:
            terminal.press(" ")
            terminal.until("paused")
        terminal.press("\x03")
        assert terminal.end() == 130
        assert "the figures cover the sessions that have ended" in terminal.shown
        assert re.search(STOPPED, terminal.shown)
        assert "Traceback" not in terminal.shown
        assert terminal.modes() == terminal.before


def test_ctrl_c_stops_a_data_driven_run(folder: Path) -> None:
    write_market(folder)
    with started(folder, "--analysis", "mine.py:interrupts") as terminal:
        assert terminal.end() == 130
        assert "stopped at 2024-11-29 10:0" in terminal.shown
        assert terminal.modes() == terminal.before


def test_the_terminal_is_left_as_it_was_after_an_analysis_that_raises(
    folder: Path,
) -> None:
    with started(folder, "--analysis", "mine.py:fails") as terminal:
        assert terminal.end() == 3
        assert terminal.modes() == terminal.before
    last = [line for line in frames(terminal.shown) if line]
    assert any(line.startswith("error: analysis fails failed at") for line in last)
    # The cursor, hidden while the line is drawn, is back.
    assert terminal.shown.rindex("\x1b[?25h") > terminal.shown.rindex("\x1b[?25l")


def test_a_slow_analysis_is_shown_as_being_behind(folder: Path) -> None:
    write_market(folder, speed_multiplier=1000)
    with started(folder, "--analysis", "mine.py:dawdles") as terminal:
        terminal.until(" s behind")
        terminal.press("\x03")
        assert terminal.end() == 130


def test_a_finished_run_leaves_its_summary_and_no_progress_line(folder: Path) -> None:
    write_market(folder)
    with started(folder) as terminal:
        assert terminal.end() == 0
    screen = "\n".join(terminal.screen())
    assert screen.lstrip().startswith("small: 1 session\n")
    assert "2024-11-29 half" in screen
    assert "━━ " not in screen
    assert "bars/s  " not in screen


def test_log_lines_and_prints_stand_above_the_progress_line(folder: Path) -> None:
    write_market(folder)
    with started(folder, "-v", "--analysis", "mine.py:prints") as terminal:
        assert terminal.end() == 0
    lines = terminal.screen()
    logged = [line for line in lines if "[SESSION_FLOW]" in line]
    assert "[SESSION_FLOW] 3.b.2.PHASE_6: Complete - session 2024-11-29 ended" in logged
    # Not one of them shares a line with the progress.
    assert all(line.startswith("[SESSION_FLOW]") for line in logged)
    printed = [line for line in lines if "close 1" in line]
    assert len(printed) == 42
    assert all(line.startswith("close") for line in printed)


def test_warnings_stand_above_the_progress_line(folder: Path) -> None:
    write_market(folder)
    with started(folder, "--analysis", "mine.py:warns", columns=200) as terminal:
        assert terminal.end() == 0
    warned = [line for line in terminal.screen() if "NOBODY" in line]
    assert warned
    assert all(line.startswith("warning: ") for line in warned)


@pytest.mark.parametrize("columns", [40, 60, 80, 200])
def test_nothing_is_wider_than_the_terminal(folder: Path, columns: int) -> None:
    write_market(folder)
    with started(folder, columns=columns) as terminal:
        assert terminal.end() == 0
    # An error in the width of one line would wrap it, and leave half of it behind.
    assert max(len(line) for line in frames(terminal.shown)) <= columns


def test_json_in_a_terminal_is_still_one_document(folder: Path) -> None:
    write_market(folder)
    with started(folder, "--json", "--analysis", "mine.py:prints") as terminal:
        assert terminal.end() == 0
    screen = terminal.screen()
    # What the analysis prints stands before it, on standard error.
    found = json.loads("\n".join(screen[screen.index("{") :]))
    assert found["missing"] == 3


def test_a_run_in_the_background_leaves_the_terminal_alone(folder: Path) -> None:
    # Behind "&" a program that set the terminal, or read it, would be halted for good.
    write_market(folder)
    words = ["run", "session.json", "--data", "bars"]
    code = (
        "import subprocess, sys\n"
        f"child = subprocess.Popen([sys.executable, '-m', 'tapeloom.cli', *{words}], process_group=0)\n"
        "print('ended with', child.wait())"
    )
    with Terminal(program=code, cwd=folder) as terminal:
        terminal.until("ended with 0")
        assert terminal.end() == 0
        assert terminal.modes() == terminal.before


def test_a_reader_that_leaves_early_ends_the_run_quietly(folder: Path) -> None:
    write_market(folder)
    words = [sys.executable, "-m", "tapeloom.cli", "run", "session.json"]
    with subprocess.Popen(
        [*words, "--data", "bars"],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as program:
        assert program.stdout is not None
        assert program.stderr is not None
        program.stdout.close()
        assert program.stderr.read() == b""
    assert program.returncode == 1


def test_system_start_is_the_same_command(folder: Path) -> None:
    words = ("system", "start", "session.json", "--data", "bars")
    with Terminal(*words, cwd=folder) as terminal:
        terminal.until(STREAMS)
        terminal.press("q")
        assert terminal.end() == 0
        assert "small: no session was finished" in terminal.shown


def test_a_live_run_draws_its_lines_in_place_and_ctrl_c_says_what_is_kept(
    folder: Path,
) -> None:
    config = json.loads((folder / "session.json").read_text())
    del config["backtest_config"]
    config |= {
        "mode": "live",
        "api_config": {"data_api": "replay"},
        # It begins three seconds before the open, and lasts longer than any test waits for it.
        "live_config": {"replay_speed": 60, "journal_folder": "days"},
    }
    (folder / "session.json").write_text(json.dumps(config))
    with started(folder) as terminal:
        # Before the open the session that comes is named instead.
        terminal.until(" bars, lag ")
        terminal.press("\x03")

        assert terminal.end() == 130
        shown = frames(terminal.shown)

    # Bars may be late for a machine that is busy.
    group = r"(STALE|LIVE|GAP|FILLING) +[12] symbols?"
    assert any(re.match(group, line) for line in shown), shown
    assert any(
        re.fullmatch(
            r"stopped at 2024-11-29 \d\d:\d\d, after 0 sessions; \d+ bars of 2024-11-29 are in days, "
            r"where the next run goes on",
            line,
        )
        for line in shown
    ), shown
    assert (folder / "days" / "2024-11-29.journal").exists()
