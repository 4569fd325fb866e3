from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from tests.check.made_up import bars, grid
from tests.reference.schedule import HOUR
from typer.testing import CliRunner

from tapeloom import DataManager
from tapeloom.cli.app import app
from tapeloom.demo import write_demo

if TYPE_CHECKING:
    from collections.abc import Callable

    from typer.testing import Result

TWO_DAYS = grid("2025-07-01", "2025-07-02")


@pytest.fixture
def run() -> Callable[..., Result]:
    def invoke(*words: str) -> Result:
        return CliRunner().invoke(app, list(words))

    return invoke


@pytest.fixture
def data(tmp_path: Path) -> str:
    """Two symbols of two days; one lacks ten bars of the first and the end of the second."""
    store = DataManager(tmp_path)
    store.write_bars("ALDERA", "1m", bars("ALDERA", TWO_DAYS))
    ts = TWO_DAYS[:700]
    store.write_bars("BRIXUM", "1m", bars("BRIXUM", ts, without=range(40, 50)))
    return str(tmp_path)


def test_a_check_shows_symbols_then_findings_and_exits_with_1(
    run: Callable[..., Result], data: str
) -> None:
    result = run("check", data)
    assert result.exit_code == 1
    assert result.stderr == ""
    lines = [" ".join(line.split()) for line in result.stdout.splitlines()]
    assert lines == [
        "US_EQUITY: 2 series",
        "symbol interval sessions due missing quality gaps longest",
        lines[2],
        "ALDERA 1m 2 780 0 100.00% 0 0",
        "BRIXUM 1m 2 780 90 88.46% 2 80",
        "",
        "problems",
        "BRIXUM 1m: 90 of 780 bars missing in 2 gaps, the longest 80 from 2025-07-02 14:40; causes:",
        "truncated 1, unknown 1",
        "BRIXUM 1m: cut off on 2025-07-02: the last bar ends at 14:40, the session at 16:00 (80 bars)",
        "",
        "2 problems: 90 of 1,560 bars missing",
    ]


def test_clean_data_exit_with_0(run: Callable[..., Result], data: str) -> None:
    result = run("check", data, "--symbol", "ALDERA")
    assert result.exit_code == 0
    assert result.stdout.rstrip().endswith("no problems: 780 bars due, all there")


@pytest.mark.parametrize(
    ("words", "sessions", "missing"),
    [
        (["--end", "2025-07-01"], 2, 10),
        (["--start", "2025-07-02"], 2, 80),
        (["--start", "2025-07-02", "--end", "2025-07-03"], 4, 500),
        (["--interval", "1m", "--symbol", "brixum"], 2, 90),
    ],
)
def test_dates_intervals_and_symbols_narrow_a_check(
    run: Callable[..., Result],
    data: str,
    words: list[str],
    sessions: int,
    missing: int,
) -> None:
    found = json.loads(run("check", data, "--json", *words).stdout)
    assert len(found["sessions"]) == sessions
    assert found["totals"]["missing"] == missing


@pytest.mark.parametrize("command", ["check", "gaps"])
def test_json_prints_one_document_and_nothing_else(
    run: Callable[..., Result], data: str, command: str
) -> None:
    result = run(command, data, "--json")
    assert (result.exit_code, result.stderr) == (1, "")
    found: dict[str, Any] = json.loads(result.stdout)
    assert [gap["missing"] for gap in found["gaps"]] == [10, 80]


def test_gaps_are_listed_with_their_causes(
    run: Callable[..., Result], data: str
) -> None:
    result = run("gaps", data)
    assert result.exit_code == 1
    lines = [" ".join(line.split()) for line in result.stdout.splitlines()]
    assert "BRIXUM 1m 2025-07-01 10:10 10:20 10 unknown" in lines
    assert lines[-1] == "90 bars missing in 2 gaps"
    assert any("truncated the last bar ends at 14:40" in line for line in lines)


def test_no_gaps_exit_with_0(run: Callable[..., Result], data: str) -> None:
    result = run("gaps", data, "--symbol", "ALDERA")
    assert (result.exit_code, result.stdout) == (0, "no gaps\n")


def test_many_series_and_findings_are_cut_and_counted(
    run: Callable[..., Result], tmp_path: Path
) -> None:
    store = DataManager(tmp_path)
    ts = grid("2025-07-01", "2025-07-01")
    for number in range(45):
        name = f"S{number:02}"
        store.write_bars(name, "1m", bars(name, ts, without=range(number + 1)))
    shown = run("check", str(tmp_path)).stdout
    assert "and 5 more with fewer missing bars; --all shows all" in shown
    assert "and 40 more of this kind (missing); --all shows all" in shown
    # The worst are those shown.
    assert "S44  " in shown
    assert "S00  " not in shown
    every = run("check", str(tmp_path), "--all").stdout
    assert "more" not in every
    assert "and 5 more; --all shows all" in run("gaps", str(tmp_path)).stdout


@pytest.mark.parametrize("command", ["check", "gaps"])
@pytest.mark.parametrize(
    ("words", "code", "text"),
    [
        (["nowhere"], 3, "does not exist"),
        (["{data}", "--symbol", "ALDERB"], 3, "did you mean 'ALDERA'"),
        (["{data}", "--symbol", " "], 2, "--symbol: symbol ' ' must hold"),
        (["{data}", "--interval", "5m"], 3, "the data hold no 5m bars"),
        (["{data}", "--interval", "5 minutes"], 2, "interval"),
        (["{data}", "--start", "yesterday"], 2, "no date"),
        (["{data}", "--start", "2025-07-02", "--end", "2025-07-01"], 2, "is after end"),
        (["{data}", "--exchange-group", "US_EQUTY"], 2, "US_EQUITY"),
        (["{data}", "--nonsense"], 2, "No such option"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_sentence(
    run: Callable[..., Result],
    data: str,
    command: str,
    words: list[str],
    code: int,
    text: str,
) -> None:
    result = run(command, *(word.replace("{data}", data) for word in words))
    assert result.exit_code == code
    assert text in result.stderr
    assert result.stdout == ""


def test_a_damaged_file_is_a_data_error(
    run: Callable[..., Result], data: str, tmp_path: Path
) -> None:
    file = next(tmp_path.rglob("symbol=BRIXUM/*.parquet"))
    file.write_bytes(file.read_bytes()[:-20])
    result = run("check", data)
    assert result.exit_code == 3
    assert file.name in result.stderr


@pytest.mark.parametrize("command", ["check", "gaps"])
def test_quiet_shows_nothing_and_exits_the_same(
    run: Callable[..., Result], data: str, command: str
) -> None:
    result = run(command, data, "--quiet")
    assert (result.exit_code, result.stdout, result.stderr) == (1, "", "")


LATE = grid("2025-07-01", "2025-07-01") + 4 * HOUR


@pytest.fixture
def late(tmp_path: Path) -> str:
    """A file of one day whose stamps say UTC and run four hours late, and that does not say whose bars it holds."""
    rows = [f"{np.datetime64(ts, 'ns')}Z,100,100,100,100,5" for ts in LATE.tolist()]
    path = tmp_path / "bars.csv"
    path.write_text("\n".join(["ts,open,high,low,close,volume", *rows]))
    return str(path)


def test_a_file_that_does_not_say_whose_bars_it_holds_is_told(
    run: Callable[..., Result], late: str
) -> None:
    found = json.loads(run("check", late, "--symbol", "aapl", "--json").stdout)
    assert [row["symbol"] for row in found["symbols"]] == ["AAPL"]
    (reading,) = [f for f in found["findings"] if f["kind"] == "reading"]
    assert reading["text"].startswith(
        "these bars fit the session if shifted by -4 h: 390/390"
    )
    result = run("check", late, "--symbol", "AAPL", "--shift", "-4h")
    assert result.exit_code == 0
    assert "no problems: 390 bars due, all there" in result.stdout
    refused = run("gaps", late, "--symbol", "AAPL")
    assert (refused.exit_code, refused.stdout) == (3, "")
    assert refused.stderr.endswith("; pass --shift -4h\n")
    assert run("gaps", late, "--symbol", "AAPL", "--shift", "-4h").exit_code == 0


def test_a_symbol_chooses_among_the_files_of_a_folder(
    run: Callable[..., Result], late: str, tmp_path: Path
) -> None:
    for name in ("AAPL", "MSFT"):
        (tmp_path / f"{name}.csv").write_text(Path(late).read_text())
    Path(late).unlink()
    found = json.loads(run("check", str(tmp_path), "--symbol", "MSFT", "--json").stdout)
    assert [(row["symbol"], row["bars"]) for row in found["symbols"]] == [("MSFT", 390)]


def test_remedies_are_named_as_options(
    run: Callable[..., Result], tmp_path: Path
) -> None:
    path = tmp_path / "AAPL.csv"
    path.write_text("ts,open,high,low,close,volume\n2025-07-01 13:30,1,1,1,1,1\n")
    result = run("check", str(path))
    assert result.exit_code == 2
    assert "--interval" in result.stderr
    assert "interval=" not in result.stderr
    result = run("check", str(path), "--column", "ts")
    assert "write OURS=THEIRS" in result.stderr


def test_the_largest_findings_are_those_shown(
    run: Callable[..., Result], tmp_path: Path
) -> None:
    store = DataManager(tmp_path)
    ts = grid("2025-07-01", "2025-07-01")
    for number in range(8):
        one = bars(f"S{number}", ts, without=range(number + 1))
        store.write_bars(f"S{number}", "1m", one)
    shown = run("check", str(tmp_path)).stdout
    assert "S7 1m: 8 of 390 bars missing" in shown
    assert "S3 1m: 4 of 390 bars missing" in shown
    assert "S2 1m: 3 of 390 bars missing" not in shown


def test_where_no_bar_is_due_none_is_said_to_be_there(
    run: Callable[..., Result], data: str
) -> None:
    weekend = ["--start", "2025-07-05", "--end", "2025-07-06"]
    result = run("check", data, *weekend)
    assert result.exit_code == 0
    assert result.stdout.endswith("no problems: no bar is due\n")
    result = run("check", data, "--start", "2060")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "which covers 1990-01-01 to 2035-12-31" in result.stderr


RAW_LATE = "raw/mismartera/bars_dump_AAPL_2025-07-02.csv"


def test_a_raw_file_whose_labels_run_late_is_found_out(
    run: Callable[..., Result], real_data: Path
) -> None:
    path = str(real_data / RAW_LATE)
    shown = run("check", path)
    assert (shown.exit_code, shown.stderr) == (1, "")
    text = (
        "these bars fit the session if shifted by -4 h: 390/390 (as labelled: 349/390)"
    )
    assert f"AAPL 1m: {text}" in shown.stdout
    result = run("check", path, "--json")
    assert (result.exit_code, result.stderr) == (1, "")
    found = json.loads(result.stdout)
    assert found["findings"][0] == {
        "symbol": "AAPL",
        "interval": "1m",
        "kind": "reading",
        "is_problem": True,
        "count": 862,
        "text": text,
    }
    assert (found["is_clean"], found["totals"]["present"]) == (False, 349)
    mended = json.loads(
        run(
            "check",
            path,
            "--shift",
            "-4h",
            "--start",
            "2025-07-02",
            "--end",
            "2025-07-02",
            "--json",
        ).stdout
    )
    assert mended["is_clean"]
    assert mended["totals"]["present"] == mended["totals"]["expected"] == 390


def test_the_report_in_the_readme_is_that_of_the_made_up_market(
    run: Callable[..., Result], tmp_path: Path
) -> None:
    readme = Path(__file__).parents[2] / "README.md"
    pages = re.findall(
        r"```text\n\$ tapeloom check demo-market/data (.*?)\n(.*?)```",
        readme.read_text(encoding="utf-8"),
        re.DOTALL,
    )
    ((options, page),) = pages
    made = write_demo(tmp_path / "demo-market")
    result = run("check", str(made.data), *options.split())
    assert result.exit_code == 1
    assert [line.rstrip() for line in result.stdout.splitlines()] == page.splitlines()
