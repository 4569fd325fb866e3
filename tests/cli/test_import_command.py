from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import typer
from tests.importing.made_up import MINUTE, aware, day, lines
from typer.testing import CliRunner

from tapeloom import DataManager
from tapeloom.cli.import_bars import import_bars
from tapeloom.cli.import_words import as_options

if TYPE_CHECKING:
    from typer.testing import Result

app = typer.Typer()
app.command("import")(import_bars)


@app.callback()
def _other() -> None:
    """A second command, so that the first one keeps its name."""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, with a file of good bars and one of bars labelled by their ends."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "AAPL_1m.csv").write_text(lines(day()))
    (tmp_path / "MSFT_1m.csv").write_text(lines(day(), late=MINUTE))
    return tmp_path


def run(*words: str) -> Result:
    return CliRunner().invoke(app, ["import", *words])


def test_bars_are_imported_into_a_folder(folder: Path) -> None:
    done = run("AAPL_1m.csv", "--data", "bars")
    assert done.exit_code == 0, done.output
    assert done.stdout.splitlines() == [
        "AAPL_1m.csv",
        "  symbol 'AAPL' told from the file's name",
        "",
        "symbol   interval   bars   first bar          last bar           files",
        "──────────────────────────────────────────────────────────────────────",
        "AAPL     1m          390   2025-07-02 09:30   2025-07-02 15:59       1",
        "",
        "390 bars of 1 symbol from 1 file",
    ]
    assert len(DataManager(folder / "bars").get_bars("AAPL", "1m")) == 390


def test_what_would_be_a_guess_stops_with_a_remedy_in_words_of_the_command(
    folder: Path,
) -> None:
    done = run("MSFT_1m.csv")
    assert done.exit_code == 3
    assert done.stderr.startswith(
        "error: MSFT_1m.csv: labels look like bar ends: 390/390 as ends"
    )
    assert "pass --label end, or --auto to apply it" in done.stderr
    assert not (folder / "data").exists()


def test_the_remedy_can_be_pasted(folder: Path) -> None:
    (folder / "my bars").mkdir()
    (folder / "MSFT_1m.csv").rename(folder / "my bars" / "MSFT_1m.csv")
    done = run("my bars", "--data", "my data", "--interval", "1m")
    remedy = done.stderr.splitlines()[-1]
    assert remedy == (
        "try: tapeloom import 'my bars/MSFT_1m.csv' --data 'my data' --interval 1m --label end"
    )
    words = shlex.split(remedy.removeprefix("try: tapeloom import "))
    assert run(*words).exit_code == 0
    bars = DataManager(folder / "my data").get_bars("MSFT", "1m")
    assert bars.ts.tolist() == [r.ts for r in day()]


def test_files_of_one_remedy_share_its_command(folder: Path) -> None:
    for name in ("IBM", "SAP"):
        (folder / f"{name}_1m.csv").write_text(lines(day(), late=MINUTE))
    (folder / "XOM_1m.csv").write_text(aware(day(), late=240 * MINUTE))
    done = run(".", "--column", "volume=volume")
    assert done.stdout.splitlines()[-2:] == [
        "try: tapeloom import IBM_1m.csv MSFT_1m.csv SAP_1m.csv --column volume=volume --label end",
        "try: tapeloom import XOM_1m.csv --column volume=volume --shift -4h",
    ]
    assert "1 symbol from 5 files, 4 failed" in done.stdout


def test_a_conflict_is_told_in_words_of_the_command(folder: Path) -> None:
    run("AAPL_1m.csv")
    (folder / "AAPL_1m.csv").write_text(lines(day()).replace(".25,", ".27,"))
    done = run("AAPL_1m.csv")
    assert done.exit_code == 3
    assert "choose --on-duplicate: 'replace' keeps the imported bar" in done.stderr
    assert run("AAPL_1m.csv", "--on-duplicate", "replace").exit_code == 0


def test_a_dry_run_says_that_nothing_is_written(folder: Path) -> None:
    done = run("AAPL_1m.csv", "--dry-run")
    assert done.stdout.splitlines()[-1] == (
        "390 bars of 1 symbol from 1 file; nothing is written, since this is a dry run"
    )


def test_a_file_without_a_header_is_read_by_its_names(folder: Path) -> None:
    rows = [
        ",".join([*line.split(",")[::-1]]) for line in lines(day()).splitlines()[1:]
    ]
    (folder / "SAP_1m.csv").write_text("\n".join(rows))
    done = run("SAP_1m.csv")
    assert done.exit_code == 2
    assert "such as --columns ts,open,high,low,close,volume" in done.stderr
    assert (
        run("SAP_1m.csv", "--columns", "volume,close,low,high,open,ts").exit_code == 0
    )
    bars = DataManager(folder / "data").get_bars("SAP", "1m")
    assert bars.open.tolist() == [r.open for r in day()]
    both = run("SAP_1m.csv", "--columns", "ts", "--column", "ts=Zeit")
    assert both.exit_code == 2


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("pass zone='America/New_York'", "pass --zone America/New_York"),
        ("pass members='*2019*', or auto=True", "pass --members '*2019*', or --auto"),
        ("pass price_scale=10000", "pass --price-scale 10000"),
        ("give symbol=", "give --symbol"),
        ("choose one with time_format=", "choose one with --time-format"),
        ("kept as zone= and shift= say", "kept as --zone and --shift say"),
        ("or columns={'volume': None} if", "or --column volume= if"),
        ("such as columns={'ts': 'Time stamp'}", "such as --column 'ts=Time stamp'"),
        ("with columns={'open': ...}", "with --column open=NAME"),
        ("columns=['ts', 'open']", "--columns ts,open"),
        ("choose on_duplicate: 'replace'", "choose --on-duplicate: 'replace'"),
        ("give ambiguous='first' or 'second'", "give --ambiguous first or 'second'"),
        ("high and low enclose open", "high and low enclose open"),
    ],
)
def test_texts_are_told_in_words_of_the_command(text: str, said: str) -> None:
    assert as_options(text) == said


def test_findings_of_one_kind_are_counted_after_the_first_ten(folder: Path) -> None:
    for n in range(15):
        (folder / f"S{n:02}_1m.csv").write_text(lines(day(count=100)))
    done = run(".", "--label", "start")
    said = done.stdout.splitlines()
    assert sum("290 bars before its close" in line for line in said) == 10
    assert "and 5 more findings; --json shows all" in said


def test_the_readme_shows_what_the_command_prints(folder: Path) -> None:
    readme = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    (shown,) = re.findall(r"```text\n(\$ tapeloom import .*?)```", readme, re.DOTALL)
    printed = []
    for words in re.findall(r"^\$ tapeloom import (.*)$", shown, re.MULTILINE):
        done = run(*shlex.split(words))
        printed.append(f"$ tapeloom import {words}\n{done.stdout}{done.stderr}")
    assert shown == "\n".join(printed)


@pytest.mark.parametrize("words", [("--auto",), ("--label", "end")])
def test_the_remedy_works(folder: Path, words: tuple[str, ...]) -> None:
    assert run("MSFT_1m.csv", *words).exit_code == 0
    bars = DataManager(folder / "data").get_bars("MSFT", "1m")
    assert bars.ts.tolist() == [r.ts for r in day()]


def test_a_dry_run_with_findings_exits_with_one(folder: Path) -> None:
    done = run("MSFT_1m.csv", "--dry-run")
    assert done.exit_code == 1
    assert "labels look like bar ends" in done.stdout
    assert not (folder / "data").exists()


def test_a_dry_run_over_clean_bars_exits_with_nought(folder: Path) -> None:
    assert run("AAPL_1m.csv", "--dry-run").exit_code == 0
    assert not (folder / "data").exists()


def test_json_is_one_document(folder: Path) -> None:
    done = run("AAPL_1m.csv", "MSFT_1m.csv", "--auto", "--json")
    assert done.exit_code == 0
    content = json.loads(done.stdout)
    assert content["symbols"] == ["AAPL", "MSFT"]
    assert content["files"][1]["applied"] == {"label": "end"}


def test_one_bad_file_among_several_exits_with_three(folder: Path) -> None:
    (folder / "BAD_1m.csv.gz").write_bytes(b"no gzip")
    done = run(".", "--auto")
    assert done.exit_code == 3
    assert "1 of 3 files failed" in done.stderr
    assert DataManager(folder / "data").get_symbols() == ["AAPL", "MSFT"]


def test_running_again_resumes(folder: Path) -> None:
    run("AAPL_1m.csv")
    assert "1 already imported" in run("AAPL_1m.csv").stdout
    assert "already" not in run("AAPL_1m.csv", "--again").stdout


def test_a_missing_file_is_an_error_of_usage(folder: Path) -> None:
    done = run("nowhere.csv")
    assert done.exit_code == 2
    assert "'nowhere.csv' does not exist" in done.stderr


@pytest.mark.parametrize(
    "words", [("--zone", "Mars"), ("--label", "middle"), ("--column", "ts")]
)
def test_a_wrong_option_is_an_error_of_usage(
    folder: Path, words: tuple[str, ...]
) -> None:
    assert run("AAPL_1m.csv", *words).exit_code == 2


def test_columns_are_named_by_options(folder: Path) -> None:
    text = lines(day()).replace("timestamp", "Zeit").replace("volume", "Umsatz")
    (folder / "SAP_1m.csv").write_text(text)
    assert run("SAP_1m.csv").exit_code == 2
    assert (
        run("SAP_1m.csv", "--column", "ts=Zeit", "--column", "volume=Umsatz").exit_code
        == 0
    )


def test_quiet_says_nothing_of_success(folder: Path) -> None:
    done = run("AAPL_1m.csv", "--quiet")
    assert (done.exit_code, done.output) == (0, "")
