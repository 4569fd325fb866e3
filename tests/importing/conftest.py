"""A store in memory, and a folder for foreign files."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import pytest
from tests.importing.memory_store import MemoryStore


class WriteText(Protocol):
    """Writes a file and returns its path."""

    def __call__(self, name: str, text: str | bytes, /) -> Path: ...


@pytest.fixture
def store(tmp_path: Path) -> MemoryStore:
    return MemoryStore(tmp_path / "data")


@pytest.fixture
def write_text(tmp_path: Path) -> WriteText:
    def write(name: str, text: str | bytes, /) -> Path:
        path = tmp_path / "in" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return path

    return write
