"""Arrows between rooms point one way."""

import ast
from pathlib import Path

PACKAGE = Path(__file__).parent.parent / "python" / "tapeloom"
CHAIN = [
    "errors",
    "words",
    "waiting",
    "side_by_side",
    "intervals",
    "periods",
    "timestamps",
    "bars",
    "history_source",
    "request_quota",
    "ingest",
    "tables",
    "quotes",
    "statuses",
    "gap",
    "panel",
    "records",
    "columns",
    "json_file",
    "calendars",
    "diagnosis",
    "importing",
    "indicators",
    "actions",
    "config",
    "state_hash",
    "symbol_session_data",
    "session_data",
    "default_session",
    "session_tracker",
    "checking",
    "storage",
    "merged",
    "standalone",
    "session",
    "live",
    "system",
    "report",
    "backtest",
    "demo",
    "cli",
]
HEAVY = {
    "pandas",
    "polars",
    "pyarrow",
    "exchange_calendars",
    "pandas_market_calendars",
    "platformdirs",
    "pydantic",
    "typer",
    "rich",
    "alpaca",
    "websockets",
    "msgpack",
}


def modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def room_of(module: Path) -> str:
    return module.relative_to(PACKAGE).with_suffix("").parts[0]


def imports(tree: ast.AST) -> list[str]:
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.append(node.module)
    return found


def test_every_room_stands_in_the_chain() -> None:
    assert {room_of(m) for m in modules()} - {"__init__"} == set(CHAIN)


def test_no_room_imports_one_to_its_right() -> None:
    # Types may point anywhere: a value can be described by the room that reads it.
    back = []
    for module in modules():
        room = room_of(module)
        if room == "__init__":
            continue
        tree = ast.parse(module.read_text())
        skipped = {
            inner
            for node in ast.walk(tree)
            if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)
            for inner in ast.walk(node)
        }
        for node in ast.walk(tree):
            if node in skipped or not isinstance(node, ast.Import | ast.ImportFrom):
                continue
            for name in imports(node):
                parts = name.split(".")
                if (
                    parts[0] == "tapeloom"
                    and len(parts) > 1
                    and parts[1] in CHAIN
                    and CHAIN.index(parts[1]) > CHAIN.index(room)
                ):
                    back.append(f"{module.relative_to(PACKAGE)} -> {name}")
    assert back == []


def test_import_tapeloom_loads_nothing_heavy() -> None:
    import subprocess
    import sys

    code = f"import sys, tapeloom; print(sorted({HEAVY!r} & set(sys.modules)))"
    seen = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert seen.stdout.strip() == "[]"


def test_imports_are_absolute() -> None:
    for module in modules():
        for node in ast.walk(ast.parse(module.read_text())):
            if isinstance(node, ast.ImportFrom):
                assert node.level == 0, f"{module.name} imports relatively"
