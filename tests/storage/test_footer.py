"""What the bytes of a footer say of the units of its timestamps, beside what pyarrow says."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tapeloom.storage.footer import parse_footer

if TYPE_CHECKING:
    from pathlib import Path

UNITS = {"milliseconds": 10**6, "microseconds": 10**3, "nanoseconds": 1}


def footer_of(path: Path) -> bytes:
    content = path.read_bytes()
    return content[-8 - int.from_bytes(content[-8:-4], "little") : -8]


def by_pyarrow(path: Path) -> dict[str, int]:
    schema = pq.ParquetFile(path).schema
    found = {}
    for at in range(len(schema.names)):
        column = schema.column(at)
        said = json.loads(column.logical_type.to_json())
        if column.path == column.name and said["Type"] == "Timestamp":
            found[column.name] = UNITS[said["timeUnit"]]
    return found


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
@pytest.mark.parametrize("zone", [None, "UTC", "America/New_York"])
@pytest.mark.parametrize("version", ["1.0", "2.4", "2.6"])
def test_units_are_those_that_pyarrow_reads(
    tmp_path: Path, unit: str, zone: str | None, version: Any
) -> None:
    table = pa.table(
        {
            "close": pa.array([1.0, 2.0]),
            "ts": pa.array([0, 60_000_000], pa.timestamp(unit, zone)),
            "day": pa.array([0, 1], pa.date32()),
            "clock": pa.array([0, 1], pa.time64("us")),
        }
    )
    path = tmp_path / "a.parquet"
    pq.write_table(table, path, version=version)
    found = parse_footer(footer_of(path)).units
    assert found == by_pyarrow(path)
    assert set(found) == {"ts"}


def test_a_stamp_inside_a_nested_column_is_not_the_one_beside_it(
    tmp_path: Path,
) -> None:
    inner = pa.array([{"ts": 1, "deep": {"ts": 2}}], _nested("ms", "us"))
    table = pa.table(
        {
            "around": inner,
            "ts": pa.array([3], pa.timestamp("ns", "UTC")),
            "many": pa.array([[4]], pa.list_(pa.timestamp("us"))),
            "sent": pa.array([5], pa.timestamp("ms")),
        }
    )
    path = tmp_path / "a.parquet"
    pq.write_table(table, path)
    found = parse_footer(footer_of(path)).units
    assert found == by_pyarrow(path) == {"ts": 1, "sent": 10**6}


def test_stamps_of_96_bits_have_no_unit(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    table = pa.table({"ts": pa.array([0], pa.timestamp("ns"))})
    pq.write_table(table, path, use_deprecated_int96_timestamps=True)
    assert parse_footer(footer_of(path)).units == {}


def _nested(outer: str, inner: str) -> pa.DataType:
    deep = pa.struct({"ts": pa.timestamp(inner)})
    return pa.struct({"ts": pa.timestamp(outer), "deep": deep})
