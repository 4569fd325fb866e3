"""A cache of session tables of one test."""

from __future__ import annotations

from pathlib import Path

import pytest

from tapeloom.calendars import exchange_group, session_table


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder for tables, and a process that has loaded none."""
    monkeypatch.setenv("TAPELOOM_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(session_table, "_loaded", {})
    exchange_group._resolve.cache_clear()
    return tmp_path / "calendars"
