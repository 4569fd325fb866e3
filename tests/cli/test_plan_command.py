"""``plan``, ``validate`` and ``schema``: what a config means and what is wrong with it, without running it."""

from __future__ import annotations

import json
from datetime import date
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import typer
from typer.testing import CliRunner

from tapeloom.calendars import TimeManager
from tapeloom.calendars.days import to_day
from tapeloom.cli.plan import plan
from tapeloom.cli.schema import schema
from tapeloom.cli.validate import validate
from tapeloom.config import SessionConfig

if TYPE_CHECKING:
    from pathlib import Path

    from typer.testing import Result

app = typer.Typer()
for command in (plan, validate, schema):
    app.command()(command)

CONFIG: dict[str, Any] = {
    "session_name": "planned",
    "mode": "backtest",
    "backtest_config": {"start_date": "2025-07-07", "end_date": "2025-07-07"},
    "session_data_config": {
        "symbols": ["AAA", "BBB"],
        "streams": ["1m", "5m", "ticks"],
        "historical": {
            "data": [{"trailing_days": 3, "intervals": ["1m"]}],
            "indicators": {"high_52w": {"type": "trailing_max", "period": "52w"}},
        },
    },
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A config and a folder with one symbol."""
    table = TimeManager().session_table
    index = table.index_of(to_day(date(2025, 7, 7)))
    assert index is not None
    columns = {
        "symbol": ["AAA"] * 390,
        "ts": pa.array(table.grid(index, "1m"), pa.timestamp("ns", "UTC")),
        **{name: [1.0] * 390 for name in ("open", "high", "low", "close", "volume")},
    }
    (tmp_path / "data").mkdir()
    pq.write_table(pa.table(columns), tmp_path / "data" / "AAA.parquet")
    write(tmp_path, CONFIG)
    return tmp_path


def write(folder: Path, config: dict[str, Any]) -> None:
    (folder / "session.json").write_text(json.dumps(config))


def invoke(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_a_plan_is_printed_without_running_it(folder: Path) -> None:
    result = invoke("plan", folder / "session.json", "--data", folder / "data")

    assert result.exit_code == 0
    assert result.stdout.splitlines()[:4] == [
        "AAA  1m     STREAMED   coarsest stored interval dividing 1m, 5m",
        "     5m     GENERATED  5 x 1m",
        "     ticks  IGNORED    ticks are not delivered",
        "     history 1m 3 days (configured), 1m 52 weeks (high_52w)",
    ]
    assert "warning: dropped: no bars are stored" in result.stdout


def test_symbols_with_the_same_plan_are_one_entry_unless_all_are_asked_for(
    folder: Path,
) -> None:
    names = [f"S{number:03}" for number in range(120)]
    table = pq.read_table(folder / "data" / "AAA.parquet", partitioning=None)
    rows = table.slice(0, 1).drop_columns("symbol")
    for name in names:
        row = rows.append_column("symbol", pa.array([name]))
        pq.write_table(row, folder / "data" / f"{name}.parquet")
    data: dict[str, Any] = CONFIG["session_data_config"]
    asked = data | {"symbols": names, "streams": ["1m", "5m"]}
    write(folder, CONFIG | {"session_data_config": asked})
    command = ("plan", folder / "session.json", "--data", folder / "data")

    short = invoke(*command).stdout
    every = invoke(*command, "--all").stdout
    as_json = json.loads(invoke(*command, "--json").stdout)

    assert short.splitlines() == [
        "120 symbols: S000, S001, S002, S003, S004 and 115 more",
        "  1m  STREAMED   coarsest stored interval dividing 1m, 5m",
        "  5m  GENERATED  5 x 1m",
        "  history 1m 3 days (configured), 1m 52 weeks (high_52w)",
    ]
    assert len(every.splitlines()) == 3 * 120
    assert every.splitlines()[3].startswith("S001  1m  STREAMED")
    assert [entry["symbol"] for entry in as_json["symbols"]] == names


def test_a_plan_as_json_is_one_document(folder: Path) -> None:
    result = invoke(
        "plan", folder / "session.json", "--data", folder / "data", "--json"
    )

    found = json.loads(result.stdout)
    assert found["session_name"] == "planned"
    assert [entry["symbol"] for entry in found["symbols"]] == ["AAA"]
    assert found["symbols"][0]["history"][1]["reasons"] == ["high_52w"]
    assert found["symbols"][0]["indicators"] == [{"name": "high_52w", "interval": "1m"}]


@pytest.mark.parametrize(
    ("change", "code", "message"),
    [
        ({"mode": "liv"}, 2, "mode: 'liv' must be"),
        ({"backtest_config": {"start_date": "2025-07-04", "end_date": "2025-07-06"}}, 2, "holds no session"),
        ({"backtest_config": {"start_date": "2025-07-08", "end_date": "2025-07-08"}}, 2, "no bars in the window"),
    ],
)  # fmt: skip
def test_a_config_that_cannot_be_planned_is_a_usage_error(
    folder: Path, change: dict[str, Any], code: int, message: str
) -> None:
    write(folder, CONFIG | change)

    result = invoke("plan", folder / "session.json", "--data", folder / "data")

    assert (result.exit_code, result.stdout) == (code, "")
    assert message in result.stderr


def test_a_missing_folder_is_a_data_error(folder: Path) -> None:
    result = invoke("plan", folder / "session.json", "--data", folder / "none")

    assert result.exit_code == 3


def test_a_clean_config_is_valid(folder: Path) -> None:
    result = invoke("validate", folder / "session.json")
    as_json = invoke("validate", folder / "session.json", "--json")

    assert (result.exit_code, result.stdout) == (0, "session.json: no errors\n")
    assert json.loads(as_json.stdout) == {
        "file": str(folder / "session.json"),
        "valid": True,
        "errors": [],
    }


def test_all_errors_are_shown_and_the_exit_code_says_so(folder: Path) -> None:
    write(folder, CONFIG | {"mod": 1, "asset_class": "EQUTY"})

    result = invoke("validate", folder / "session.json")
    as_json = invoke("validate", folder / "session.json", "--json")

    assert (result.exit_code, as_json.exit_code) == (1, 1)
    assert result.stdout.splitlines() == [
        "session.json: 2 errors",
        "  asset_class: 'EQUTY' must be one of 'EQUITY', 'OPTIONS', 'FUTURES', 'CRYPTO', 'FX', 'INDEX'; "
        "did you mean 'EQUITY'?",
        "  mod: unknown key; did you mean 'mode'?",
    ]
    errors = json.loads(as_json.stdout)["errors"]
    assert [error["path"] for error in errors] == ["asset_class", "mod"]


def test_a_file_that_is_no_json_is_a_problem_and_a_missing_one_is_usage(
    folder: Path,
) -> None:
    (folder / "session.json").write_text("{")

    assert invoke("validate", folder / "session.json").exit_code == 1
    missing = invoke("validate", folder / "none.json")
    assert (missing.exit_code, "does not exist" in missing.stderr) == (2, True)
    a_folder = invoke("validate", folder / "data")
    assert (a_folder.exit_code, "is a folder" in a_folder.stderr) == (2, True)


def test_the_schema_is_printed() -> None:
    result = invoke("schema")

    assert result.exit_code == 0
    assert json.loads(result.stdout) == SessionConfig.json_schema()
