"""Damaged Parquet files made with knowledge of the format: numbers of footers and page headers become others."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

if TYPE_CHECKING:
    from random import Random

__all__ = ["KINDS", "make_file", "mutant"]

OPEN = 1_751_463_000_000_000_000
MINUTE = 60_000_000_000

#: How a file is written: what other tools choose.
KINDS: tuple[dict[str, Any], ...] = (
    {"compression": "snappy"},
    {"compression": "zstd", "use_dictionary": False},
    {"compression": "gzip", "data_page_version": "2.0"},
    {"compression": "none", "write_page_checksum": True},
    {"compression": "lz4", "write_page_index": True},
    {"compression": "brotli", "version": "1.0"},
    {"compression": "none", "use_dictionary": False, "use_byte_stream_split": True},
    {"compression": "none", "store_schema": False, "coerce_timestamps": "ms"},
)
_COUNTS = (
    0,
    1,
    -1,
    2,
    127,
    128,
    2**15,
    2**31 - 1,
    2**31,
    -(2**31),
    2**40,
    2**62,
    -(2**63),
)


def make_file(kind: dict[str, Any]) -> bytes:
    """Return a small file of bars of two symbols."""
    ts = OPEN + MINUTE * np.arange(60)
    price = 100 + np.arange(60) / 8
    columns: dict[str, Any] = {
        "symbol": ["AAPL"] * 30 + ["MSFT"] * 30,
        "ts": pa.array(ts).cast(pa.timestamp("ns", "UTC")),
        **dict.fromkeys(("open", "high", "low", "close"), price),
        "volume": np.arange(60) + 1,
        "flags": np.zeros(60, np.uint8),
    }
    if kind.get("use_byte_stream_split"):
        columns["volume"] = price
        floats = ["open", "high", "low", "close", "volume"]
        kind = {**kind, "use_byte_stream_split": floats}
    out = io.BytesIO()
    pq.write_table(pa.table(columns), out, row_group_size=20, **kind)
    return out.getvalue()


def mutant(raw: bytes, random: Random) -> bytes:
    """Return a damaged copy."""
    ways = (_in_footer, _in_footer, _in_page, _bits, _cut, _spliced)
    for _ in range(random.choice((1, 1, 2, 4))):
        raw = random.choice(ways)(raw, random)
    return raw


def _in_footer(raw: bytes, random: Random) -> bytes:
    length = int.from_bytes(raw[-8:-4], "little")
    if not 0 < length <= len(raw) - 8:
        return raw
    footer = _changed(raw[-8 - length : -8], random)
    return b"".join(
        [raw[: -8 - length], footer, len(footer).to_bytes(4, "little"), raw[-4:]]
    )


def _in_page(raw: bytes, random: Random) -> bytes:
    """Change the header of a page, in place where it keeps its length."""
    # A page header begins with its type: field 1, an i32.
    starts = [at for at in range(4, len(raw) - 8) if raw[at : at + 1] == b"\x15"]
    if not starts:
        return raw
    at = random.choice(starts)
    head = raw[at : at + 40]
    new = _changed(head, random)
    if random.random() < 0.7:
        new = new[: len(head)].ljust(len(head), b"\0")
    return raw[:at] + new + raw[at + len(head) :]


def _bits(raw: bytes, random: Random) -> bytes:
    damaged = bytearray(raw)
    for _ in range(random.choice((1, 1, 3, 20))):
        if damaged:
            damaged[random.randrange(len(damaged))] ^= 1 << random.randrange(8)
    return bytes(damaged)


def _cut(raw: bytes, random: Random) -> bytes:
    """Cut something out; as a rule the end stays, so that it looks like a file."""
    start = random.randrange(len(raw) + 1)
    end = start + random.choice((1, 4, 100, len(raw)))
    return raw[:start] + raw[end:] if random.random() < 0.5 else raw[:start]


def _spliced(raw: bytes, random: Random) -> bytes:
    at, source = (random.randrange(len(raw) + 1) for _ in range(2))
    return raw[:at] + raw[source : source + random.choice((1, 8, 64))] + raw[at:]


def _changed(content: bytes, random: Random) -> bytes:
    """Replace one number, as varints have them, by a telling one; now and then a length or the kind of a field."""
    at = random.randrange(len(content)) if content else 0
    end = at
    while end < len(content) and content[end] & 128:
        end += 1
    if random.random() < 0.2:
        value = random.randrange(2 ** random.choice((4, 8, 32)))
    else:
        value = random.choice(_COUNTS)
    zigzag = (value << 1) ^ (value >> 63)
    return content[:at] + _varint(zigzag & (2**64 - 1)) + content[end + 1 :]


def _varint(value: int) -> bytes:
    found = bytearray()
    while value > 127:
        found.append(value & 127 | 128)
        value >>= 7
    return bytes([*found, value])
