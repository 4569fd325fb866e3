from __future__ import annotations

import shlex
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from tapeloom.cli.app import app

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The folder in which the demo ran, and what it printed."""
    folder = tmp_path_factory.mktemp("demo")
    done = subprocess.run(
        [sys.executable, "-m", "tapeloom.cli", "demo"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return folder, done.stdout


def test_the_demo_names_the_folder_it_wrote(shown: tuple[Path, str]) -> None:
    assert "into tapeloom-demo/" in shown[1]
    assert (shown[0] / "tapeloom-demo" / "data" / "bars").is_dir()


def test_the_demo_runs_25_sessions(shown: tuple[Path, str]) -> None:
    assert "demo: 25 sessions" in shown[1]
    assert "2024-11-29 half" in shown[1]
    assert "2024-11-28" not in shown[1]


def test_the_demo_finds_everything_that_was_planted(shown: tuple[Path, str]) -> None:
    findings = [
        line
        for line in shown[1].splitlines()
        if " -> " in line and line.startswith("  ")
    ]
    assert len(findings) == 4
    assert all(line.endswith(": as planted") for line in findings)


def test_the_demo_shows_what_the_analysis_recorded(shown: tuple[Path, str]) -> None:
    assert "SmaCross recorded" in shown[1]


def test_the_next_command_of_the_demo_works_when_pasted(
    shown: tuple[Path, str],
) -> None:
    folder, text = shown
    command = text.rstrip().splitlines()[-1]
    done = subprocess.run(
        shlex.split(command), cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "demo: 25 sessions" in done.stdout


def test_a_second_demo_replaces_the_first(shown: tuple[Path, str]) -> None:
    folder = shown[0] / "tapeloom-demo"
    (folder / "data" / "left-over").mkdir()
    (folder / "notes.txt").write_text("mine", encoding="utf-8")
    done = CliRunner().invoke(app, ["demo", "--out", str(folder)])
    assert done.exit_code == 0, done.output
    assert not (folder / "data" / "left-over").exists()
    assert (folder / "notes.txt").read_text(encoding="utf-8") == "mine"


def test_a_folder_with_other_files_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "precious.txt").write_text("mine", encoding="utf-8")
    done = CliRunner().invoke(app, ["demo", "--out", str(tmp_path)])
    assert done.exit_code == 2
    assert "did not write" in done.stderr
    assert [p.name for p in tmp_path.iterdir()] == ["precious.txt"]


def test_a_file_in_the_place_of_the_folder_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("mine", encoding="utf-8")
    done = CliRunner().invoke(app, ["demo", "--out", str(tmp_path / "taken")])
    assert done.exit_code == 2
    assert "is a file" in done.stderr


def test_a_quiet_demo_writes_its_market_and_says_nothing(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["demo", "--quiet", "--out", str(tmp_path / "m")])
    assert (done.exit_code, done.output) == (0, "")
    assert (tmp_path / "m" / "data" / "bars").is_dir()
