"""Bars in memory are a source like any other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest

from tapeloom.columns import read_frame
from tapeloom.errors import (
    InvalidBarError,
)
from tapeloom.storage import DataManager, FrameSource

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from tests.storage.conftest import Columns, Stamps


def zone_of(source: DataManager) -> ZoneInfo:
    from tapeloom.calendars import resolve_exchange_group

    return resolve_exchange_group(source.exchange_group).zone  # type: ignore[return-value]


def frame_source(columns: dict[str, Any], **policies: Any) -> FrameSource:
    columns["ts"] = pa.array(columns["ts"])
    zone = zone_of(DataManager())
    return FrameSource(read_frame(columns, zone=zone), zone=zone, **policies)


def test_frames_are_a_source_too(columns: Columns, minutes: Stamps) -> None:
    source = frame_source(columns(minutes[::-1]))

    assert (source.get_symbols(), source.get_intervals("aapl")) == (["AAPL"], ["1m"])
    assert source.get_range("AAPL", "1m") == (minutes[0], minutes[-1])
    assert source.get_range("AAPL", "5m") is None
    assert (
        source.read("AAPL", "1m", int(minutes[2]), int(minutes[4])).ts.tolist()
        == minutes[2:4].tolist()
    )
    assert [
        len(source.read(s, i, None, None)) for s, i in (("XYZ", "1m"), ("AAPL", "5m"))
    ] == [0, 0]
    assert [(n.kind, n.source, n.count) for n in source.notes] == [
        ("unsorted", "data", 9)
    ]


def test_bad_rows_of_frames_are_refused_or_left_out(
    columns: Columns, minutes: Stamps
) -> None:
    bad = columns(minutes, volume=[1] * 9 + [-1])

    with pytest.raises(InvalidBarError, match="data: AAPL: row 9"):
        frame_source(bad)
    assert len(frame_source(bad, on_invalid="skip").read("AAPL", "1m", None, None)) == 9
