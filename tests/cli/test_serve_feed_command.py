"""``tapeloom serve-feed``: a folder of bars, served until the recording is over."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.live.recorded import bars_of
from typer.testing import CliRunner
from websockets.sync.client import connect

from tapeloom.cli.app import app

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "bars" / "US_EQUITY" / "interval=1m" / "symbol=AAPL"
    made.mkdir(parents=True)
    table = bars_of("AAPL", 5).to_arrow()
    if "symbol" not in table.column_names:
        table = table.append_column("symbol", pa.array(["AAPL"] * 5))
    pq.write_table(table, made / "day.parquet")
    return tmp_path


def command(*words: str) -> list[str]:
    return [sys.executable, "-m", "tapeloom.cli", "serve-feed", *words]


def test_a_folder_is_streamed_with_its_faults_until_it_is_over(folder: Path) -> None:
    faults = folder / "faults.json"
    faults.write_text('{"faults": [{"fault": "drop", "at": "2025-07-02T09:32:30"}]}')
    words = command(
        str(folder), "--speed", "1e6", "--port", "0", "--faults", str(faults), "--until-over",
    )  # fmt: skip
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        assert next(running.stdout) == "1 symbols from 2025-07-02T09:30:00-04:00\n"
        stream = next(running.stdout).split()[1]
        with connect(stream) as client:
            client.recv(timeout=60)
            client.send('{"action": "auth", "key": "any", "secret": "thing"}')
            client.recv(timeout=60)
            client.send('{"action": "subscribe", "bars": ["AAPL"]}')
            client.recv(timeout=60)
            starts: list[str] = []
            while len(starts) < 4:
                starts += [m["t"][11:16] for m in json.loads(client.recv(timeout=60))]
        assert starts == ["13:30", "13:31", "13:33", "13:34"]
        assert running.stdout.read().endswith("the recording is over\n")
        assert running.wait(60) == 0


def test_an_interrupt_ends_it(folder: Path) -> None:
    words = command(str(folder), "--port", "0")
    with subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as running:
        assert running.stdout is not None
        assert running.stderr is not None
        for _ in range(4):
            next(running.stdout)
        running.send_signal(signal.SIGINT)
        assert running.wait(60) == 130
        assert running.stderr.read() == "stopped\n"


@pytest.mark.parametrize(
    ("words", "code", "text"),
    [
        (["--speed", "0"], 2, "speed is 0.0; it must be a finite number above 0"),
        (["--speed", "-3"], 2, "speed is -3.0; it must be a finite number above 0"),
        (["--speed", "nan"], 2, "speed is nan"),
        (["--symbol", "MSFT"], 3, "no 1m bars of MSFT are recorded"),
        (["--interval", "1d"], 2, "seconds, minutes or hours"),
        (["--start", "noon"], 2, "write a time such as"),
    ],
)
def test_what_cannot_be_served_is_said_in_a_sentence(
    folder: Path, words: list[str], code: int, text: str
) -> None:
    result = CliRunner().invoke(app, ["serve-feed", str(folder), "--port", "0", *words])
    assert result.exit_code == code, result.output
    assert text in result.stderr


def test_all_that_is_wrong_with_a_file_of_faults_is_listed(folder: Path) -> None:
    faults = folder / "faults.json"
    faults.write_text(
        '{"faults": [{"fault": "dorp"}, 3, {"fault": "drop", "at": "x"}]}'
    )
    words = ["serve-feed", str(folder), "--port", "0", "--faults", str(faults)]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 2, result.output
    for part in (
        "3 errors",
        "faults[0]",
        "did you mean 'drop'",
        "faults[1]",
        "faults[2]",
    ):
        assert part in result.stderr
