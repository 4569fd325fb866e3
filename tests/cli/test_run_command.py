from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.cli.market import write_bars, write_config, write_market
from typer.testing import CliRunner

from tapeloom import TimeManager, errors
from tapeloom.cli.app import app
from tapeloom.system.system_manager import SystemManager

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from typer.testing import Result

ANALYSES = """
from dataclasses import dataclass

CALLS = []

def analyse(session, bar):
    session.record(bar.symbol, close=bar.close)

@dataclass
class Counting:
    seen: int = 0

    def on_bar(self, session, bar):
        self.seen += 1

class Demanding:
    def __init__(self, needed):
        pass

def failing(session, bar):
    return 1 / 0

def below_a_library(session, bar):
    import json
    json.loads("{")

def below_tapeloom(session, bar):
    session.get_last_n_bars(bar.symbol, -1)

def leaving(session, bar):
    raise SystemExit

def leaving_with_4(session, bar):
    raise SystemExit(4)

def leaving_with_0(session, bar):
    raise SystemExit(0)

def leaving_with_words(session, bar):
    raise SystemExit("enough")

def chatty(session, bar):
    if bar.interval == "1m":
        print("seen", bar.symbol)

def interrupted(session, bar):
    if f"{bar.timestamp:%H:%M}" == "09:59":
        raise KeyboardInterrupt
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A config, a folder with two symbols of one half day, and a file of analyses."""
    write_market(tmp_path)
    (tmp_path / "mine.py").write_text(ANALYSES, encoding="utf-8")
    return tmp_path


def run(folder: Path, *options: str, data: str = "bars") -> Result:
    return CliRunner().invoke(
        app,
        ["run", str(folder / "session.json"), "--data", str(folder / data), *options],
    )


def analysis(folder: Path, name: str, file: str = "mine.py") -> tuple[str, str]:
    return "--analysis", f"{folder / file}:{name}"


def assert_error(done: Result, code: int, *words: str) -> None:
    """One sentence on stderr, nothing on stdout, no traceback."""
    assert done.exit_code == code, done.output
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    assert done.stderr.startswith("error: ")
    for word in words:
        assert word in done.stderr


def raising(error: BaseException) -> Callable[..., Any]:
    def replacement(*_: object, **__: object) -> None:
        raise error

    return replacement


def test_a_run_prints_its_summary_and_ends_with_0(folder: Path) -> None:
    done = run(folder)
    assert done.exit_code == 0, done.output
    assert "2024-11-29 half" in done.stdout
    assert "3 at 10:10 BRIXUM" in done.stdout
    assert done.stderr == ""


def test_data_may_be_a_pattern(folder: Path) -> None:
    done = run(folder, data="bars/*.parquet")
    assert done.exit_code == 0, done.output
    assert "3 at 10:10 BRIXUM" in done.stdout


def test_strict_ends_with_1_where_bars_are_missing(folder: Path) -> None:
    done = run(folder, "--strict")
    assert done.exit_code == 1
    assert "3 bars missing in 1 gap " in done.stderr


def test_strict_ends_with_0_where_nothing_is_missing(folder: Path) -> None:
    write_bars(folder / "bars" / "BRIXUM.parquet", "BRIXUM")
    assert run(folder, "--strict").exit_code == 0


def test_quiet_prints_nothing(folder: Path) -> None:
    done = run(folder, "--quiet")
    assert (done.exit_code, done.output) == (0, "")


@pytest.mark.parametrize("name", ["analyse", "Counting"])
def test_an_analysis_may_be_a_function_or_a_class(folder: Path, name: str) -> None:
    done = run(folder, *analysis(folder, name))
    assert done.exit_code == 0, done.output
    assert "bars/s with" in done.stdout


def test_an_analysis_that_raises_ends_with_3_and_names_its_line(folder: Path) -> None:
    done = run(folder, *analysis(folder, "failing"))
    assert_error(done, 3, "ZeroDivisionError", "mine.py, line 21")


@pytest.mark.parametrize(
    ("name", "line"), [("below_a_library", 25), ("below_tapeloom", 28)]
)
def test_the_line_named_is_the_users_own(folder: Path, name: str, line: int) -> None:
    done = run(folder, *analysis(folder, name))
    assert_error(done, 3, f"(mine.py, line {line})")


@pytest.mark.parametrize(
    ("name", "code", "text"),
    [
        ("leaving", 3, "stopped by sys.exit() (mine.py, line 31)\n"),
        ("leaving_with_4", 4, "stopped by sys.exit(4) (mine.py, line 34)\n"),
        ("leaving_with_0", 3, "stopped by sys.exit(0) (mine.py, line 37)\n"),
        ("leaving_with_words", 3, "stopped by sys.exit('enough') (mine.py, line 40)\n"),
    ],
)
def test_an_analysis_that_leaves_is_no_clean_run(
    folder: Path, name: str, code: int, text: str
) -> None:
    done = run(folder, *analysis(folder, name))
    assert (done.exit_code, done.stdout, done.stderr) == (code, "", text)


def test_a_folder_in_place_of_a_config_is_said_to_be_one(folder: Path) -> None:
    done = CliRunner().invoke(app, ["run", str(folder)])
    assert_error(done, 2, "is a folder", "did you mean 'session.json'")


def test_debug_shows_the_traceback(folder: Path) -> None:
    done = run(folder, *analysis(folder, "failing"), "--debug")
    assert done.exit_code == 3
    assert "Traceback" in done.stderr


def test_a_config_file_that_does_not_exist_ends_with_2(folder: Path) -> None:
    (folder / "session.json").unlink()
    assert_error(run(folder), 2, "session.json", "does not exist")


def test_an_unknown_key_in_the_config_ends_with_2_and_a_suggestion(
    folder: Path,
) -> None:
    write_config(folder / "session.json", end_dat="2024-11-29")
    assert_error(run(folder), 2, "end_dat", "did you mean")


def test_a_window_without_a_session_ends_with_2(folder: Path) -> None:
    write_config(
        folder / "session.json", start_date="2024-11-28", end_date="2024-11-28"
    )
    assert_error(run(folder), 2, "2024-11-28")


def test_a_data_folder_that_does_not_exist_ends_with_3(folder: Path) -> None:
    assert_error(run(folder, data="nowhere"), 3, "nowhere")


def test_a_damaged_file_ends_with_3_and_is_named(folder: Path) -> None:
    (folder / "bars" / "BRIXUM.parquet").write_bytes(b"PAR1 not a parquet file PAR1")
    assert_error(run(folder), 3, "BRIXUM.parquet")


def with_value(table: pa.Table, name: str, row: int, value: float) -> pa.Table:
    values = table.column(name).to_pylist()
    values[row] = value
    return table.set_column(table.schema.get_field_index(name), name, pa.array(values))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda t: t.drop_columns(["close"]), ["'close'", "missing"]),
        (
            lambda t: t.set_column(1, "ts", t["ts"].cast(pa.timestamp("ns"))),
            ["'ts'", "zone"],
        ),
        (
            lambda t: t.set_column(5, "close", t["close"].cast(pa.string())),
            ["'close'", "string"],
        ),
        (lambda t: with_value(t, "close", 7, float("nan")), ["row 7", "close", "nan"]),
        (lambda t: with_value(t, "high", 7, 1.0), ["row 7", "high"]),
    ],
    ids=[
        "no close",
        "naive stamps",
        "prices as text",
        "not a number",
        "high below low",
    ],
)
def test_a_mistake_in_the_data_ends_with_3_and_names_file_and_place(
    folder: Path, change: Callable[[pa.Table], pa.Table], words: list[str]
) -> None:
    file = folder / "bars" / "BRIXUM.parquet"
    pq.write_table(change(pq.read_table(file)), file)
    assert_error(run(folder), 3, "BRIXUM.parquet", *words)


def test_an_empty_data_folder_ends_with_3(folder: Path) -> None:
    (folder / "empty").mkdir()
    assert_error(run(folder, data="empty"), 3, "empty")


def test_a_symbol_that_nothing_is_stored_for_is_warned_of(folder: Path) -> None:
    (folder / "bars" / "BRIXUM.parquet").unlink()
    done = run(folder)
    assert done.exit_code == 0, done.output
    warned = done.stdout.partition("warnings")[2]
    assert "BRIXUM" in warned


@pytest.mark.parametrize(
    ("place", "words"),
    [
        ("mine.py", ["FILE.py:Name"]),
        ("mine.py:", ["FILE.py:Name"]),
        ("mien.py:analyse", ["does not exist", "did you mean 'mine.py'"]),
        ("mine.py:analyze", ["did you mean 'analyse'"]),
        ("mine.py:Demanding", ["without arguments", "needed"]),
        ("broken.py:analyse", ["cannot be loaded", "line 1"]),
        ("needy.py:analyse", ["cannot be loaded", "line 2", "no_such_module"]),
    ],
)
def test_an_analysis_that_cannot_be_used_ends_with_2(
    folder: Path, place: str, words: list[str]
) -> None:
    (folder / "broken.py").write_text("def analyse(session, bar:\n", encoding="utf-8")
    (folder / "needy.py").write_text("\nimport no_such_module\n", encoding="utf-8")
    assert_error(run(folder, "--analysis", str(folder / place)), 2, *words)


def test_an_analysis_may_import_its_neighbours(folder: Path) -> None:
    (folder / "neighbour_of_mine.py").write_text("LIMIT = 3\n", encoding="utf-8")
    text = "from neighbour_of_mine import LIMIT\n\ndef analyse(session, bar):\n    assert LIMIT\n"
    (folder / "with_neighbour.py").write_text(text, encoding="utf-8")
    done = run(folder, *analysis(folder, "analyse", "with_neighbour.py"))
    assert done.exit_code == 0, done.output


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.ConfigError("x"), 2),
        (errors.PlanError("x"), 2),
        (errors.UnknownExchangeError("x"), 2),
        (errors.IntervalError("x"), 2),
        (errors.OutOfCalendarError("x"), 2),
        (errors.MissingDataError("x"), 3),
        (errors.CorruptFileError("x"), 3),
        (errors.StorageError("x"), 3),
        (errors.InvalidBarError("x"), 3),
        (errors.DuplicateBarError("x"), 3),
        (errors.TimestampUnitError("x"), 3),
        (errors.CalendarError("x"), 3),
        (errors.AnalysisError("x"), 3),
        (errors.InternalError("x"), 3),
        (PermissionError(13, "Permission denied", "bars/x.parquet"), 3),
        (OSError(28, "x is full"), 3),
        (RuntimeError("x"), 3),
    ],
)
def test_every_error_has_its_exit_code(
    folder: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, code: int
) -> None:
    monkeypatch.setattr(SystemManager, "prepare", raising(error))
    assert_error(run(folder), code, "x")


def test_ctrl_c_stops_with_130(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SystemManager, "prepare", raising(KeyboardInterrupt()))
    done = run(folder)
    assert (done.exit_code, done.output) == (130, "stopped\n")


@pytest.mark.parametrize(
    "words", [["run"], ["run", "x.json", "--no-such-option"], ["no-such-command"]]
)
def test_wrong_usage_ends_with_2(words: list[str]) -> None:
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 2
    assert "Traceback" not in done.output


def test_version_is_one_line() -> None:
    done = CliRunner().invoke(app, ["--version"])
    assert done.exit_code == 0
    assert done.stdout.split()[0] == "tapeloom"


def test_the_program_can_be_started_as_a_module() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tapeloom.cli", "run", "no-such-config.json"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(
        "error: config file 'no-such-config.json' does not exist"
    )


def test_an_overlay_corrects_the_calendar_of_the_run(folder: Path) -> None:
    hours = {"regular": ["09:30", "13:10"]}
    write_overlay(folder, {"XNYS": {"2024-11-29": hours}})
    done = run(folder, "--overlay", str(folder / "fixes.json"))
    assert done.exit_code == 0, done.output
    # Ten minutes more, in which both symbols have no bar.
    assert "10 at 13:00" in done.stdout
    fingerprint = TimeManager(overlay=folder / "fixes.json").session_table
    assert fingerprint.fingerprint in done.stdout
    assert done.stderr == ""


def test_an_overlay_that_corrects_nothing_is_a_warning(folder: Path) -> None:
    write_overlay(folder, {"XTKS": {"2024-11-29": "closed"}})
    done = run(folder, "--quiet", "--overlay", str(folder / "fixes.json"))
    assert done.exit_code == 0, done.output
    assert done.stderr.startswith("warning: ")
    assert "corrects nothing of XNYS" in done.stderr


def test_an_overlay_with_faults_is_a_usage_error(folder: Path) -> None:
    write_overlay(folder, {"XNYS": {"2024-11-29": "shut", "yesterday": "closed"}})
    done = run(folder, "--overlay", str(folder / "fixes.json"))
    assert_error(done, 2, "fixes.json: 2 errors", "yesterday: no date")


def write_overlay(folder: Path, content: object) -> None:
    (folder / "fixes.json").write_text(json.dumps(content), encoding="utf-8")


def test_files_without_a_row_are_a_failure_of_the_data(folder: Path) -> None:
    for path in (folder / "bars").iterdir():
        pq.write_table(pq.read_table(path).slice(0, 0), path)

    result = run(folder)

    assert result.exit_code == 3
    assert (
        result.stderr == f"error: the files in {str(folder / 'bars')!r} hold no bar\n"
    )


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ([], 0),
        (["--strict"], 1),
        (["--on-error", "contine"], 2),
        (["--resume"], 2),
        (["--log-file", "no-such-folder/run.log"], 2),
        (["--log-file", "."], 2),
        (["--out", "session.json"], 2),
        (["--out", "session.json/below"], 2),
        (["--analysis", "mine.py"], 2),
        (["--overlay", "no-such-file.json"], 2),
        (["--no-such-option"], 2),
        (["--data", "no-such-folder"], 3),
        (["--analysis", "mine.py:failing"], 3),
        (["--analysis", "mine.py:failing", "--on-error", "continue"], 0),
        (["--analysis", "mine.py:leaving_with_4"], 4),
        (["--analysis", "mine.py:interrupted"], 130),
    ],
    ids=str,
)
@pytest.mark.parametrize("command", [["run"], ["system", "start"]], ids=str)
@pytest.mark.parametrize("form", [[], ["--json"], ["--quiet"]], ids=str)
def test_every_way_a_run_ends_has_its_exit_code(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    command: list[str],
    form: list[str],
    options: list[str],
    code: int,
) -> None:
    monkeypatch.chdir(folder)
    words = [*command, "session.json", "--data", "bars", *form, *options]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == code, done.output
    assert "Traceback" not in done.output
    if code in (2, 3, 4) or form == ["--quiet"]:
        assert done.stdout == ""
    elif form == ["--json"]:
        assert json.loads(done.stdout)["session_name"] == "small"


def test_json_is_one_document_whatever_the_analysis_prints(folder: Path) -> None:
    done = run(folder, "--json", *analysis(folder, "chatty"))
    assert done.exit_code == 0
    assert json.loads(done.stdout)["bars"] == 417
    assert done.stderr.count("seen") == 417


def test_json_names_the_cause_of_the_longest_gap(folder: Path) -> None:
    (session,) = json.loads(run(folder, "--json").stdout)["sessions"]
    assert session["longest_gap_cause"] == "unknown"
    write_bars(folder / "bars" / "BRIXUM.parquet", "BRIXUM", without=(207, 208, 209))
    (session,) = json.loads(run(folder, "--json").stdout)["sessions"]
    assert session["longest_gap_cause"] == "truncated"
    assert "none came up to the close" in session["longest_gap_evidence"]


def test_an_interrupted_run_shows_what_was_done_and_where_it_stopped(
    folder: Path,
) -> None:
    done = run(folder, *analysis(folder, "interrupted"))
    assert done.exit_code == 130
    assert "small: no session was finished" in done.stdout
    assert done.stderr == "stopped at 2024-11-29 10:00, after 0 sessions\n"


def test_a_log_file_holds_the_story_of_the_run(folder: Path) -> None:
    for _ in range(2):
        done = run(folder, "--quiet", "--log-file", str(folder / "run.log"))
        assert (done.exit_code, done.output) == (0, "")
    lines = (folder / "run.log").read_text("utf-8").splitlines()
    ends = [line for line in lines if line.endswith("3: Complete - 1 of 1 session")]
    # A second run goes on behind the first.
    assert len(ends) == 2
    assert " INFO tapeloom.session_flow [SESSION_FLOW] " in ends[0]


def test_a_log_file_that_cannot_be_written_is_named_with_what_to_do(
    folder: Path,
) -> None:
    missing, taken = folder / "logs" / "run.log", folder / "bars"
    assert_error(run(folder, "--log-file", str(missing)), 2, "make it first")
    assert_error(
        run(folder, "--log-file", str(taken)), 2, "it is a folder; name a file"
    )


def test_verbose_shows_the_steps_on_standard_error(folder: Path) -> None:
    done = run(folder, "-v", "--quiet")
    assert done.stdout == ""
    assert done.stderr.startswith("[SESSION_FLOW] 2.a: Complete - Config loaded: small")


def test_strict_ends_with_1_where_a_symbol_was_dropped(folder: Path) -> None:
    (folder / "bars" / "BRIXUM.parquet").unlink()
    done = run(folder, "--strict", "--quiet")
    assert done.exit_code == 1
    assert "1 symbol dropped (--strict)" in done.stderr


def test_several_analyses_run_in_their_order(folder: Path) -> None:
    both = (*analysis(folder, "analyse"), *analysis(folder, "Counting"))
    done = run(folder, *both)
    assert done.exit_code == 0
    assert "with analyse, Counting (" in done.stdout


def test_an_analysis_that_raises_on_and_on_is_counted_in_the_summary(
    folder: Path,
) -> None:
    done = run(folder, *analysis(folder, "failing"), "--on-error", "continue")
    assert done.exit_code == 0
    words = " ".join(done.stdout.split())
    assert "analysis failing raised ZeroDivisionError; the run went on (" in words


def test_a_resumed_run_shows_the_sessions_of_both(folder: Path) -> None:
    out = ("--out", str(folder / "out"))
    first = run(folder, *out)
    again = run(folder, *out, "--resume")
    assert (first.exit_code, again.exit_code) == (0, 0)
    row = next(line for line in first.stdout.splitlines() if "half" in line)
    assert row in again.stdout
    assert_error(run(folder, *out), 2, "holds the results of a run")


def test_the_report_of_where_the_time_went_comes_after_the_summary(
    folder: Path,
) -> None:
    done = run(folder, "--report")
    summary, found, report = done.stdout.partition("Backtest Performance\n")
    assert found
    assert "session table" in summary
    assert "trading days" in report


def test_a_misspelt_config_gets_the_nearest_name(folder: Path) -> None:
    done = CliRunner().invoke(app, ["run", str(folder / "sesion.json")])
    assert_error(done, 2, "does not exist", "did you mean 'session.json'")
