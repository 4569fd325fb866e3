"""Which symbols a configuration means: a list, a file with one a line, a table of membership."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tapeloom.config import SessionConfig
from tapeloom.config.universe import Span, Universe
from tapeloom.errors import ConfigError

TABLE = (
    "date_from,date_to,symbol\n2025-07-01,2025-07-03,aapl\n2025-07-08,,AAPL\n,,msft\n"
)
MEMBERS = Universe(
    ("AAPL", "MSFT"),
    {
        "AAPL": (
            Span(date(2025, 7, 1), date(2025, 7, 3)),
            Span(date(2025, 7, 8), None),
        ),
        "MSFT": (Span(None, None),),
    },
)


def given(symbols: object, **data: Any) -> dict[str, Any]:
    return {
        "session_name": "universe",
        "mode": "backtest",
        "backtest_config": {"start_date": "2025-07-02", "end_date": "2025-07-07"},
        "session_data_config": {"symbols": symbols, "streams": ["1m"], **data},
    }


def load(folder: Path, symbols: object, **data: Any) -> SessionConfig:
    file = folder / "session.json"
    file.write_text(json.dumps(given(symbols, **data)))
    return SessionConfig.load(file)


def errors_of(folder: Path, symbols: object, **data: Any) -> dict[str, str]:
    with pytest.raises(ConfigError) as caught:
        load(folder, symbols, **data)
    return dict(caught.value.errors)  # type: ignore[call-overload, no-any-return]


def test_a_list_and_all_mean_what_they_say() -> None:
    assert SessionConfig.from_dict(given([" aapl", "B"])).universe == Universe(
        ("AAPL", "B")
    )
    assert SessionConfig.from_dict(given("all")).universe == Universe("all")


def test_a_file_has_one_symbol_a_line_and_lies_beside_the_config(
    tmp_path: Path,
) -> None:
    (tmp_path / "symbols.txt").write_text(
        "\ufeffaapl\r\n\n BTC/USD \nbrk.b\n", encoding="utf-8"
    )

    config = load(tmp_path, {"file": "symbols.txt"})

    assert config.universe.symbols == ("AAPL", "BTC/USD", "BRK.B")
    assert config.universe.is_listed("AAPL", date(2025, 7, 2))


def test_saving_keeps_the_path_and_loses_nothing(tmp_path: Path) -> None:
    (tmp_path / "symbols.txt").write_text("AAPL\n")
    config = load(tmp_path, {"file": "symbols.txt"})

    config.save(tmp_path / "again.json")

    again = SessionConfig.load(tmp_path / "again.json")
    assert (again, again.universe) == (config, config.universe)
    saved = json.loads((tmp_path / "again.json").read_text())
    assert saved == given({"file": "symbols.txt"})


def test_a_config_keeps_to_the_symbols_it_was_loaded_with(tmp_path: Path) -> None:
    (tmp_path / "symbols.txt").write_text("AAPL\n")
    config = load(tmp_path, {"file": "symbols.txt"})

    (tmp_path / "symbols.txt").write_text("MSFT\n")

    assert config.universe.symbols == ("AAPL",)


def test_membership_is_read_from_csv_parquet_and_the_config_itself(
    tmp_path: Path,
) -> None:
    (tmp_path / "members.csv").write_text(TABLE)
    columns = {
        "date_from": [date(2025, 7, 1), date(2025, 7, 8), None],
        "date_to": [date(2025, 7, 3), None, None],
        "symbol": ["AAPL", "AAPL", "MSFT"],
    }
    pq.write_table(pa.table(columns), tmp_path / "members.parquet")
    inline = [
        {"date_from": "2025-07-01", "date_to": "2025-07-03", "symbol": "aapl"},
        {"date_from": "2025-07-08", "date_to": None, "symbol": "AAPL"},
        {"symbol": "MSFT"},
    ]

    for symbols in (
        {"file": "members.csv"},
        {"file": "members.parquet"},
        {"table": inline},
    ):
        assert load(tmp_path, symbols).universe == MEMBERS


@pytest.mark.parametrize(
    ("day", "listed"),
    [(1, True), (3, True), (4, False), (7, False), (8, True), (31, True)],
)
def test_both_ends_of_a_membership_belong_to_it(day: int, listed: bool) -> None:
    assert MEMBERS.is_listed("AAPL", date(2025, 7, day)) is listed
    assert MEMBERS.is_listed("MSFT", date(2025, 7, day))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "holds no symbol"),
        ("AAPL\nmsft\n aapl\n", "line 3: 'aapl' repeats line 1"),
        ("AAPL\n\x07\n", "line 2: '\\x07' is no symbol"),
        (b"A\xff\n", "is not UTF-8 at byte 1"),
        (TABLE.replace("2025-07-03", "2025-06-03"), "line 2: date_to 2025-06-03 is before date_from 2025-07-01"),
        (TABLE.replace("2025-07-08", "2025-07-03"), "line 3: AAPL overlaps line 2"),
        (TABLE.replace("2025-07-08", "8/7/2025"), "line 3: '8/7/2025' is not a date; write YYYY-MM-DD"),
        (TABLE.replace("2025-07-08", "2025-07-32"), "line 3: '2025-07-32' is not a day of the calendar"),
        (TABLE.replace("msft", " "), "line 4: '' is no symbol"),
    ],
)  # fmt: skip
def test_a_fault_of_the_file_names_its_line(
    tmp_path: Path, text: str | bytes, message: str
) -> None:
    raw = text.encode() if isinstance(text, str) else text
    (tmp_path / "symbols.txt").write_bytes(raw)

    errors = errors_of(tmp_path, {"file": "symbols.txt"})

    assert message in errors["session_data_config.symbols.file"]


def test_a_file_that_is_not_there_is_an_error_beside_the_others(tmp_path: Path) -> None:
    errors = errors_of(tmp_path, {"file": "none.txt"}, stream=["1m"])

    assert "does not exist" in errors["session_data_config.symbols.file"]
    assert "did you mean 'streams'" in errors["session_data_config.stream"]


def test_a_parquet_file_without_the_columns_is_refused(tmp_path: Path) -> None:
    pq.write_table(pa.table({"symbol": ["A"]}), tmp_path / "a.parquet")
    (tmp_path / "b.parquet").write_bytes(b"nothing")

    for name in ("a", "b"):
        errors = errors_of(tmp_path, {"file": f"{name}.parquet"})
        assert "cannot be read" in errors["session_data_config.symbols.file"]


@pytest.mark.parametrize(
    ("symbols", "path", "message"),
    [
        ({"fil": "a"}, "symbols.fil", "unknown key; did you mean 'file'?"),
        ({"file": " "}, "symbols.file", "must not be blank"),
        ({"file": 5}, "symbols.file", "5 where text is required"),
        ({"table": []}, "symbols.table", "must not be empty"),
        ({"table": [{"symbol": "A", "from": None}]}, "symbols.table[0].from", "unknown key"),
        ({"table": [{"symbol": "A", "date_from": "x"}]}, "symbols.table[0].date_from", "is not a date"),
        ({"table": [{"date_from": None}]}, "symbols.table[0].symbol", "missing"),
    ],
)  # fmt: skip
def test_a_fault_of_the_value_names_its_key(
    tmp_path: Path, symbols: object, path: str, message: str
) -> None:
    assert message in errors_of(tmp_path, symbols)[f"session_data_config.{path}"]


def test_entries_apply_to_symbols_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "symbols.txt").write_text("AAPL\nMSFT\n")
    entry = {"trailing_days": 1, "intervals": ["1m"], "apply_to": ["MSFTT"]}

    errors = errors_of(tmp_path, {"file": "symbols.txt"}, historical={"data": [entry]})

    assert list(errors.values()) == [
        "'MSFTT' is not among symbols; did you mean 'MSFT'?"
    ]


def test_a_config_made_from_keywords_reads_its_file_when_it_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    config = SessionConfig(**given({"file": "symbols.txt"}))

    with pytest.raises(ConfigError, match="does not exist"):
        _ = config.universe
    Path("symbols.txt").write_text("AAPL")
    assert config.universe.symbols == ("AAPL",)
