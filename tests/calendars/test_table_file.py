"""Damaged files of session tables: found out, and the tables built anew."""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.calendars.kept_tables import assert_same, forget, one_table

from tapeloom.calendars import (
    get_market_calendar,
    resolve_exchange_group,
    sources,
    table_cache,
)
from tapeloom.calendars.table_file import read_table_file
from tapeloom.errors import CalendarError


def test_no_flipped_byte_gets_through(cache: Path) -> None:
    get_market_calendar("XNYS")
    path = one_table(cache)
    whole, (head, columns) = path.read_bytes(), read_table_file(path)
    refused = 0
    for at in [*range(200), *range(0, len(whole), 1000), len(whole) - 1]:
        content = bytearray(whole)
        content[at] ^= 0xFF
        path.write_bytes(content)
        try:
            found_head, found = read_table_file(path)
        except CalendarError:
            refused += 1
            continue
        # The blank between checksum and header says nothing.
        assert at == 8
        assert found_head == head
        assert all((found[name] == columns[name]).all() for name in columns)
    assert refused > 400


@pytest.mark.parametrize("keep", [0, 1, 8, 9, 100, 5_000, -1, -4])
def test_a_table_that_was_cut_is_built_anew(
    cache: Path, caplog: pytest.LogCaptureFixture, keep: int
) -> None:
    built = get_market_calendar("FX")
    path = one_table(cache)
    whole = path.read_bytes()
    path.write_bytes(whole[:keep])
    forget()
    with caplog.at_level("INFO", "tapeloom.calendars"):
        assert_same(get_market_calendar("FX"), built)
    assert path.read_bytes() == whole
    assert "cached session table ignored" in caplog.text


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\n",
        b"not a table at all",
        b"00000000 " + b"[" * 100_000,
        b"00000000 {}\n",
        b"zzzzzzzz {}\n",
        b"\x00" * 10_000,
    ],
)
def test_a_file_that_is_no_table_is_built_anew(cache: Path, content: bytes) -> None:
    built = get_market_calendar("FX")
    one_table(cache).write_bytes(content)
    forget()
    assert_same(get_market_calendar("FX"), built)


def with_header(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Write another header into a table, with the checksum that belongs to it."""
    text, numbers = path.read_bytes()[9:].split(b"\n", 1)
    head = json.loads(text)
    change(head)
    text = json.dumps(head).encode()
    crc = zlib.crc32(numbers, zlib.crc32(text))
    path.write_bytes(b"%08x %s\n%s" % (crc, text, numbers))


@pytest.mark.parametrize(
    "change",
    [
        lambda head: head.update(format=2),
        lambda head: head.pop("format"),
        lambda head: head.pop("columns"),
        lambda head: head.pop("fingerprint"),
        lambda head: head.update(fingerprint=5),
        lambda head: head.update(covered=[0, 1]),
        lambda head: head.update(covered=None),
        lambda head: head.update(first_day=2**40),
        lambda head: head.update(holiday_names=["Christmas"]),
        lambda head: head["holiday_names"].update({"2025-07-04": 7}),
        lambda head: head.update(columns=[1]),
        lambda head: head["columns"].update(dates=10),
        lambda head: head["columns"].update(dates=10**9),
        lambda head: head["columns"].pop("span_ends"),
        lambda head: head["key"].update(overlay="another"),
    ],
)
def test_a_table_that_reads_well_and_says_nonsense_is_built_anew(
    cache: Path, change: Callable[[dict[str, Any]], object]
) -> None:
    built = get_market_calendar("FX")
    with_header(one_table(cache), change)
    forget()
    assert_same(get_market_calendar("FX"), built)


def test_another_format_is_told_apart_from_damage(cache: Path) -> None:
    get_market_calendar("FX")
    path = one_table(cache)
    with_header(path, lambda head: head.update(format=2))
    with pytest.raises(CalendarError, match="its format is 2, not 1"):
        read_table_file(path)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(CalendarError, match="it is damaged"):
        read_table_file(path)


def test_damaged_names_are_found_out_and_looked_up_anew(cache: Path) -> None:
    found = resolve_exchange_group("XASX")
    [path] = cache.glob("*.names")
    whole = path.read_bytes()
    for at in range(len(whole)):
        content = bytearray(whole)
        content[at] ^= 0x01
        path.write_bytes(content)
        forget()
        assert table_cache.read_names(sources.source_of("XASX").version()) in (
            {},
            {"XASX": ("XASX", "Australia/Sydney")},
        )
    assert resolve_exchange_group("XASX") == found
