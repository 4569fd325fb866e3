"""Session tables kept between processes: nothing but time depends on them, whatever happens to the files."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from tests.calendars.kept_tables import assert_same, files, forget, one_table

from tapeloom.calendars import (
    get_market_calendar,
    resolve_exchange_group,
    session_table,
    sources,
    table_cache,
)
from tapeloom.calendars.table_file import read_table_file, write_table_file
from tapeloom.calendars.table_record import from_record, from_saved, to_record

HALF_DAY = {"regular": ["09:30:30", "13:00"], "post": ["13:00", "17:00"], "name": "Eve"}
OVERLAY = {"XNYS": {"2025-08-07": HALF_DAY, "2025-08-08": "closed"}}


def run(code: str, **environment: str) -> str:
    """What a new process prints."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, **environment},
    )
    return done.stdout.strip()


# What is kept


@pytest.mark.parametrize("name", ["US_EQUITY", "XASX", "LSE", OVERLAY])
def test_a_second_process_loads_no_library(cache: Path, name: Any) -> None:
    overlay, group = (name, "NYSE") if isinstance(name, dict) else (None, name)
    first = get_market_calendar(group, overlay=overlay)
    code = (
        "import sys; from tapeloom.calendars import get_market_calendar;"
        f"market = get_market_calendar({group!r}, overlay={overlay!r});"
        "loaded = {'pandas', 'exchange_calendars', 'pandas_market_calendars'};"
        "print(market.table.fingerprint, len(market.holiday_names), *loaded & set(sys.modules))"
    )
    assert run(code) == f"{first.table.fingerprint} {len(first.holiday_names)}"


@pytest.mark.parametrize("name", ["XNYS", "CMES", "XTKS", "XHKG", "24/7"])
def test_a_kept_table_is_the_one_that_was_built(cache: Path, name: str) -> None:
    built = get_market_calendar(name)
    forget()
    kept = get_market_calendar(name)
    assert kept is not built
    assert_same(kept, built)


def test_a_kept_table_with_an_overlay_is_the_one_that_was_built(cache: Path) -> None:
    built = get_market_calendar("XNYS", overlay=OVERLAY)
    forget()
    kept = get_market_calendar("XNYS", overlay=OVERLAY)
    assert kept is not built
    assert_same(kept, built)
    # The calendar that it corrects is kept beside it.
    assert len(list(cache.glob("XNYS-*.table"))) == 2


def test_a_file_tells_its_calendar_without_being_asked_for_one(cache: Path) -> None:
    built = get_market_calendar("FX", overlay={"FX": {"2025-08-07": "closed"}})
    [path] = [
        path for path in cache.glob("*.table") if read_table_file(path)[0]["overlay"]
    ]
    assert_same(from_saved(*read_table_file(path)), built)


def test_a_record_is_the_calendar_it_was_made_of() -> None:
    market = get_market_calendar("XHKG")
    head, columns = to_record(market)
    assert all(column.dtype == np.int32 for column in columns.values())
    again = json.loads(json.dumps(head))
    zone = market.table.zone
    assert_same(from_record(again, columns, zone=zone, overlay=market.overlay), market)


def test_the_folder_can_be_deleted_at_any_time(cache: Path) -> None:
    built = get_market_calendar("FX")
    one_table(cache).unlink()
    cache.rmdir()
    assert get_market_calendar("FX") is built
    forget()
    assert_same(get_market_calendar("FX"), built)
    assert one_table(cache).is_file()


# Which file belongs to what


def changed_version(monkeypatch: pytest.MonkeyPatch) -> None:
    source_of = sources.source_of

    def newer(calendar: str) -> sources.Source:
        return source_of(calendar)._replace(version=lambda: "built-in 2")

    monkeypatch.setattr(session_table, "source_of", newer)


def changed_zone_data(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session_table, "zone_version", lambda _: "0123456789abcdef")


def changed_way_of_building(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session_table, "_BUILD", "next")


@pytest.mark.parametrize(
    "change", [changed_version, changed_zone_data, changed_way_of_building]
)
def test_a_table_of_other_origins_is_another_file(
    cache: Path,
    monkeypatch: pytest.MonkeyPatch,
    change: Callable[[pytest.MonkeyPatch], None],
) -> None:
    get_market_calendar("FX")
    forget()
    change(monkeypatch)
    get_market_calendar("FX")
    assert len(files(cache)) == 2


def test_every_overlay_has_a_file_and_every_group_of_a_calendar_the_same(
    cache: Path,
) -> None:
    for days in ({}, {"2025-08-07": "closed"}, {"2025-08-08": "closed"}):
        for name in ("FX", "24/5"):
            get_market_calendar(name, overlay={name: days})
    assert len(files(cache)) == 3


def test_the_version_of_a_zone_follows_its_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = tmp_path / "Asia" / "Tokyo"
    data.parent.mkdir()
    data.write_bytes(b"TZif2 of one year")
    monkeypatch.setattr("zoneinfo.TZPATH", (str(tmp_path),))
    before = table_cache.zone_version(ZoneInfo("Asia/Tokyo"))
    data.write_bytes(b"TZif2 of the next")
    assert table_cache.zone_version(ZoneInfo("Asia/Tokyo")) != before


def test_a_file_of_another_key_is_not_read(cache: Path) -> None:
    key = {"calendar": "FX", "build": "1"}
    market = get_market_calendar("FX")
    table_cache.write_cached(key, *to_record(market))
    assert table_cache.read_cached(key) is not None
    [path] = cache.glob("FX-*.table")
    other = {"calendar": "FX", "build": "2"}
    path.rename(table_cache._path(other) or path)
    assert table_cache.read_cached(other) is None
    assert table_cache.read_cached(key) is None


# A folder that cannot be used


def refusing(number: int) -> Callable[..., Any]:
    """A system call that fails with an error number."""

    def refuse(*_args: object, **_kwargs: object) -> None:
        raise OSError(number, os.strerror(number))

    return refuse


def in_cache(
    cache: Path, whole: Callable[..., Any], refuse: Callable[..., Any]
) -> Callable[..., Any]:
    """A method of paths that is refused in the cache."""

    def chosen(path: Path, *args: Any, **kwargs: Any) -> Any:
        call = refuse if path.is_relative_to(cache) else whole
        return call(path, *args, **kwargs)

    return chosen


@pytest.mark.parametrize(
    "number", [errno.ENOSPC, errno.EACCES, errno.EROFS, errno.EDQUOT, errno.EIO]
)
@pytest.mark.parametrize("what", ["mkdir", "open", "replace"])
def test_a_folder_that_cannot_be_written_is_left_alone(
    cache: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    what: str,
    number: int,
) -> None:
    refused = in_cache(cache, getattr(Path, what), refusing(number))
    with monkeypatch.context() as patch, caplog.at_level("INFO", "tapeloom.calendars"):
        patch.setattr(Path, what, refused)
        built = get_market_calendar("FX")
        assert resolve_exchange_group("XASX").zone == ZoneInfo("Australia/Sydney")
    assert "session table not cached" in caplog.text
    assert "calendar names not cached" in caplog.text
    assert not cache.exists() or files(cache) == []
    forget()
    assert_same(get_market_calendar("FX"), built)


def test_nothing_is_left_of_a_file_whose_writing_fails_midway(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = Path.open

    def nearly_full(path: Path, mode: str = "r", *args: Any, **kwargs: Any) -> Any:
        file: Any = opened(path, mode, *args, **kwargs)
        if path.is_relative_to(cache) and mode != "rb":
            file.write(b"as much as there was space for")
            file.close()
        return file

    monkeypatch.setattr(Path, "open", nearly_full)
    # A closed file raises ValueError where a full disk raises OSError: what was begun is removed for every reason.
    with pytest.raises(ValueError, match="closed file"):
        get_market_calendar("FX")
    assert files(cache) == []


def test_a_file_in_place_of_the_folder_is_left_alone(cache: Path) -> None:
    cache.write_text("mine", encoding="utf-8")
    assert get_market_calendar("FX").table.calendar == "24/5"
    assert cache.read_text(encoding="utf-8") == "mine"


def test_a_table_that_cannot_be_read_is_built(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    built = get_market_calendar("FX")
    forget()
    monkeypatch.setattr(Path, "read_bytes", refusing(errno.EACCES))
    assert_same(get_market_calendar("FX"), built)


def test_an_empty_variable_switches_the_cache_off(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TAPELOOM_CACHE_DIR", "")
    monkeypatch.chdir(cache.parent)
    assert table_cache.cache_folder() is None
    assert get_market_calendar("FX").table.calendar == "24/5"
    assert list(cache.parent.iterdir()) == []


def test_without_the_variable_the_folder_is_that_of_the_user(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("TAPELOOM_CACHE_DIR")
    folder = table_cache.cache_folder()
    assert folder is not None
    assert folder.name == "calendars"
    assert "tapeloom" in folder.parts


# Many at once


def test_processes_that_write_one_table_leave_one_whole_file(cache: Path) -> None:
    code = (
        "from tapeloom.calendars import get_market_calendar;"
        "print(get_market_calendar('FX', overlay={'FX': {'2025-08-07': 'closed'}}).table.fingerprint)"
    )
    with ThreadPoolExecutor(4) as pool:
        prints = list(pool.map(run, [code] * 4))
    assert len(set(prints)) == 1
    assert len(files(cache)) == 2
    for path in cache.iterdir():
        read_table_file(path)


def test_threads_that_write_and_read_one_file_see_it_whole(tmp_path: Path) -> None:
    path = tmp_path / "FX.table"
    market = get_market_calendar("FX")
    head, columns = to_record(market)
    other = {name: column[: column.size // 2] for name, column in columns.items()}
    write_table_file(path, head, columns)

    def write_or_read(number: int) -> int:
        if number % 2:
            write_table_file(path, head, columns if number % 4 == 1 else other)
        return read_table_file(path)[1]["dates"].size

    with ThreadPoolExecutor(8) as pool:
        sizes = set(pool.map(write_or_read, range(80)))
    assert sizes <= {columns["dates"].size, other["dates"].size}
    assert [path.name for path in tmp_path.iterdir()] == ["FX.table"]


def test_nothing_is_left_of_a_write_that_was_broken_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_args: object) -> None:
        raise KeyboardInterrupt

    market = get_market_calendar("FX")
    path = tmp_path / "FX.table"
    write_table_file(path, *to_record(market))
    before = path.read_bytes()
    monkeypatch.setattr(Path, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_table_file(path, *to_record(replace(market, source="another")))
    assert [path.name for path in tmp_path.iterdir()] == ["FX.table"]
    assert path.read_bytes() == before
