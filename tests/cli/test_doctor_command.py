from __future__ import annotations

import json
from importlib import metadata
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from tapeloom.cli.app import app

if TYPE_CHECKING:
    from pathlib import Path

    from typer.testing import Result


def doctor(*words: str) -> Result:
    return CliRunner().invoke(app, ["doctor", *words])


def findings(done: Result) -> dict[str, dict[str, str]]:
    return {each["name"]: each for each in json.loads(done.stdout)["findings"]}


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_healthy_machine_ends_with_0() -> None:
    done = doctor()
    assert done.exit_code == 0, done.output
    assert done.stdout.endswith("\nnothing is wrong\n")
    assert done.stderr == ""


def test_the_document_names_versions_extras_zones_processors_and_folders() -> None:
    done = doctor("--json")
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["healthy"] is True
    found = findings(done)
    assert found["numpy"]["found"] == metadata.version("numpy")
    assert found["pandas (extra pandas)"]["state"] in ("ok", "absent")
    assert "zones of" in found["zone data"]["found"]
    assert found["calendar"]["found"].startswith("XNYS, ")
    assert "processors may be used" in found["cpu"]["found"]
    assert {"data folder", "cache folder"} <= found.keys()


def test_a_data_folder_that_cannot_be_one_is_a_problem(elsewhere: Path) -> None:
    (elsewhere / "taken").write_text("")
    done = doctor("--data", "taken", "--json")
    assert done.exit_code == 1
    found = findings(done)["data folder"]
    assert found["state"] == "problem"
    assert "is a file" in found["found"]
    assert found["remedy"] == "name another one with --data"


def test_looking_leaves_nothing_behind(elsewhere: Path) -> None:
    assert doctor("--data", "bars").exit_code == 0
    assert list(elsewhere.iterdir()) == []


@pytest.mark.parametrize(
    ("requirement", "state", "words"),
    [
        ("numpy>=99.1", "problem", "older than 99.1"),
        ("no-such-package-at-all>=1", "problem", "not installed"),
        ("no-such-package-at-all>=1 ; extra == 'x'", "absent", "not installed"),
    ],
)
def test_a_package_that_is_absent_or_old_is_told_with_its_remedy(
    monkeypatch: pytest.MonkeyPatch, requirement: str, state: str, words: str
) -> None:
    monkeypatch.setattr(metadata, "requires", lambda _: [requirement])
    done = doctor("--json")
    found = next(f for f in findings(done).values() if words in f["found"])
    assert found["state"] == state
    assert found["remedy"].startswith("pip install ")
    assert done.exit_code == (1 if state == "problem" else 0)


def test_a_package_that_cannot_be_loaded_is_a_problem(
    elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (elsewhere / "broken_package.py").write_text("raise OSError('damaged')\n")
    about = elsewhere / "broken_package-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Name: broken-package\nVersion: 1.0\n")
    monkeypatch.syspath_prepend(elsewhere)
    monkeypatch.setattr(metadata, "requires", lambda _: ["broken-package>=1"])
    found = findings(doctor("--json"))["broken-package"]
    assert found["state"] == "problem"
    assert "OSError: damaged" in found["found"]


def test_a_cache_that_is_switched_off_is_no_problem(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TAPELOOM_CACHE_DIR", "")
    done = doctor("--json")
    assert findings(done)["cache folder"]["state"] == "absent"
    assert done.exit_code == 0


def test_it_says_which_live_data_can_be_used_and_shows_no_key(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pytest.importorskip("alpaca")
    names = ("APCA_API_KEY_ID", "APCA_API_SECRET_KEY", "ALPACA_API_KEY", "ALPACA_SECRET_KEY")  # fmt: skip
    for name in names:
        monkeypatch.delenv(name, raising=False)
    without = findings(doctor("--json"))["live data"]
    for name in names[:2]:
        monkeypatch.setenv(name, "hush-hush")
    done = doctor("--json")

    assert without["state"] == "ok"
    assert "APCA_API_KEY_ID and APCA_API_SECRET_KEY not set" in without["found"]
    assert findings(done)["live data"]["found"].endswith("keys are set")
    assert "hush-hush" not in done.output


def test_without_the_live_extra_it_says_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    version = metadata.version

    def without_alpaca(name: str) -> str:
        if name == "alpaca-py":
            raise metadata.PackageNotFoundError(name)
        return version(name)

    monkeypatch.setattr(metadata, "version", without_alpaca)
    found = findings(doctor("--json"))["live data"]

    assert (found["state"], found["remedy"]) == (
        "absent",
        "pip install 'tapeloom[live]'",
    )
    assert "'alpaca' cannot, alpaca-py not installed" in found["found"]
