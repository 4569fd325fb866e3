"""The core's merge beside a plain sort."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given

from tapeloom import _core
from tapeloom.errors import TapeloomError
from tests.reference import merge
from tests.reference.schedule import MINUTE
from tests.strategies import INTERVALS, sorted_sources

if TYPE_CHECKING:
    from collections.abc import Sequence

ORIGIN = 1_751_463_000 * 10**9


def merged_by_core(
    sources: Sequence[tuple[str, Sequence[int]]],
) -> list[tuple[int, int]]:
    stamps = [np.array(starts, dtype=np.int64) for _, starts in sources]
    source, row = _core.merge_order(stamps, [interval for interval, _ in sources])
    assert source.dtype == np.int32
    assert row.dtype == np.int64
    return list(zip(source.tolist(), row.tolist(), strict=True))


def merged_by_sorting(
    sources: Sequence[tuple[str, Sequence[int]]],
) -> list[tuple[int, int]]:
    return merge.merge_order(
        [(INTERVALS[interval], starts) for interval, starts in sources]
    )


@given(sources=sorted_sources())
def test_merge_is_a_stable_sort_by_known_at(
    sources: list[tuple[str, list[int]]],
) -> None:
    assert merged_by_core(sources) == merged_by_sorting(sources)


def test_no_source_at_all_yields_nothing() -> None:
    assert merged_by_core([]) == []


def test_only_empty_sources_yield_nothing() -> None:
    assert merged_by_core([("1m", []), ("5m", []), ("1m", [])]) == []


def test_an_empty_source_between_others_keeps_their_numbers() -> None:
    assert merged_by_core([("1m", [ORIGIN]), ("1m", []), ("1m", [ORIGIN])]) == [
        (0, 0),
        (2, 0),
    ]


def test_sources_of_one_row_leave_in_the_order_of_their_known_at() -> None:
    sources = [("1m", [ORIGIN + MINUTE * minute]) for minute in (3, 1, 2, 1)]
    assert merged_by_core(sources) == [(1, 0), (3, 0), (2, 0), (0, 0)]


def test_one_source_leaves_as_it_is() -> None:
    assert merged_by_core([("1m", [ORIGIN, ORIGIN, ORIGIN + 1])]) == [
        (0, 0),
        (0, 1),
        (0, 2),
    ]


def test_equal_stamps_leave_source_by_source() -> None:
    sources = [("1m", [ORIGIN] * 3), ("1m", [ORIGIN] * 2)]
    assert merged_by_core(sources) == [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1)]


def test_the_finest_interval_leaves_first_whatever_the_order_of_sources() -> None:
    sources = [
        ("5m", [ORIGIN]),
        ("1m", [ORIGIN + 4 * MINUTE]),
        ("1m", [ORIGIN + 4 * MINUTE]),
    ]
    assert merged_by_core(sources) == [(1, 0), (2, 0), (0, 0)]


def test_equal_lengths_written_differently_are_one_interval() -> None:
    sources = [("1h", [ORIGIN]), ("60m", [ORIGIN]), ("1h", [ORIGIN])]
    assert merged_by_core(sources) == [(0, 0), (1, 0), (2, 0)]


def test_a_thousand_sources_on_one_minute_grid_interleave_minute_by_minute() -> None:
    starts = [ORIGIN + MINUTE * minute for minute in range(5)]
    order = merged_by_core([("1m", starts)] * 1_000)
    assert order == [(source, row) for row in range(5) for source in range(1_000)]


def test_a_thousand_sources_with_holes_and_two_intervals_are_a_stable_sort() -> None:
    sources = [
        (
            "5m" if source % 3 == 0 else "1m",
            [ORIGIN + MINUTE * m for m in range(30) if (m * source) % 7],
        )
        for source in range(1_000)
    ]
    assert merged_by_core(sources) == merged_by_sorting(sources)


def test_a_source_that_falls_is_refused() -> None:
    with pytest.raises(TapeloomError, match="sorted"):
        merged_by_core([("1m", [ORIGIN]), ("1m", [ORIGIN + 2, ORIGIN + 1])])


def test_a_merge_leaves_its_input_as_it_was() -> None:
    given_stamps = np.array([ORIGIN, ORIGIN + MINUTE], dtype=np.int64)
    _core.merge_order([given_stamps, given_stamps], ["1m", "1m"])
    assert given_stamps.tolist() == [ORIGIN, ORIGIN + MINUTE]
