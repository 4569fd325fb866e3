"""Merged bars handed out one by one, instant by instant, and merged from pieces."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tapeloom
from tapeloom import Bars, MergedBars
from tapeloom._core import Merging, merge_bars
from tapeloom.errors import ArgumentError
from tests.days import us_day
from tests.reference.gaps import expected_starts
from tests.reference.schedule import MINUTE
from tests.strategies import INTERVALS, sorted_sources
from tests.test_merged import FULL_GRID, US, bars_at

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tapeloom import BarData

FULL = us_day("2025-07-02")
GRID = expected_starts(FULL, MINUTE)


def two_series() -> dict[str, Bars]:
    return {
        "MSFT": bars_at("MSFT", "1m", GRID[:40]),
        "AAPL": bars_at("AAPL", "1m", GRID[10:60:3]),
    }


def test_each_bar_is_delivered_once_in_the_order_of_the_columns() -> None:
    merged = tapeloom.merge(two_series())
    seen: list[BarData] = []

    assert merged.each(seen.append) == len(merged) == 57

    assert [bar.ts for bar in seen] == merged.ts.tolist()
    assert [bar.close for bar in seen] == merged.close.tolist()
    names = [merged.sources[source][0] for source in merged.source]
    assert [bar.symbol for bar in seen] == names
    assert {bar.interval for bar in seen} == {"1m"}
    assert seen[0].end.isoformat() == "2025-07-02T09:31:00-04:00"


def test_bars_that_a_function_keeps_never_change() -> None:
    merged = tapeloom.merge({"AAA": bars_at("AAA", "1m", GRID)})
    kept: list[BarData] = []
    values: list[tuple[int, float]] = []

    def keep_every_third(bar: BarData) -> None:
        if len(values) % 3 == 0:
            kept.append(bar)
        values.append((bar.ts, bar.close))

    for _ in range(8):
        merged.each(keep_every_third)

    assert [(bar.ts, bar.close) for bar in kept] == values[::3]


def test_derived_bars_come_with_the_number_of_their_base_bars() -> None:
    base = bars_at("AAA", "1m", [ts for at, ts in enumerate(GRID) if at % 13])
    derived = base.aggregate("5m", table=US)
    seen: list[BarData] = []
    tapeloom.merge([derived, base]).each(seen.append)
    coarse = [bar for bar in seen if bar.interval == "5m"]
    assert [bar.constituents for bar in coarse] == derived.constituents.tolist()
    assert coarse == derived.to_list()


def test_columns_are_read_only() -> None:
    merged = tapeloom.merge(two_series())
    with pytest.raises(ValueError, match="read-only"):
        merged.close[0] = -1
    (_, first), *_ = merged.instants()
    assert not first.ts.flags.writeable
    with pytest.raises(ArgumentError, match="call is NoneType"):
        merged.each(None)  # type: ignore[arg-type]  # the wrong type is the point


def test_what_the_function_raises_ends_the_delivery() -> None:
    merged = tapeloom.merge(two_series())
    seen = []

    def stop(bar: BarData) -> None:
        seen.append(bar)
        if len(seen) == 5:
            raise KeyError("enough")

    with pytest.raises(KeyError, match="enough"):
        merged.each(stop)
    assert len(seen) == 5


@given(sorted_sources())
def test_instants_are_the_bars_that_become_known_together(
    sources: list[tuple[str, list[int]]],
) -> None:
    series = [
        bars_at(f"S{at}", interval, ts) for at, (interval, ts) in enumerate(sources)
    ]
    merged = tapeloom.merge(series) if series else None
    if merged is None:
        return
    known = [
        US.bar_end(ts, merged.sources[source][1])
        for source, ts in zip(merged.source.tolist(), merged.ts.tolist(), strict=True)
    ]

    parts = list(merged.instants())

    assert merged.known_at().tolist() == known
    assert [at for at, _ in parts] == sorted(set(known))
    assert [len(part) for _, part in parts] == [known.count(at) for at, _ in parts]
    assert [ts for _, part in parts for ts in part.ts.tolist()] == merged.ts.tolist()
    for _, part in parts[:3]:
        assert len(part.to_arrow()) == len(part)


@given(
    sorted_sources(),
    st.integers(1, 50),
    st.lists(st.integers(0, 7), min_size=1, max_size=9),
)
def test_pieces_of_any_size_give_the_merge_of_the_whole(
    sources: list[tuple[str, list[int]]], rows: int, cuts: list[int]
) -> None:
    # Bars of days know their end by the table as a whole does; longer ones may overlap their neighbours.
    series = {
        f"S{at}": bars_at(f"S{at}", interval, ts)
        for at, (interval, ts) in enumerate(sources)
        if interval in INTERVALS and known_in_order(interval, ts)
    }
    if not series:
        return

    def pieces(bars: Bars) -> Iterator[Bars]:
        at = 0
        for number in range(len(bars) + len(cuts)):
            step = cuts[number % len(cuts)]
            yield bars[at : at + step]
            at += step
        yield bars[at:]

    merged = tapeloom.merge(series)
    parts = list(
        tapeloom.merge_pieces(
            {name: pieces(bars) for name, bars in series.items()}, rows=rows
        )
    )

    def flat(column: str) -> list[float]:
        return [v for part in parts for v in getattr(part, column).tolist()]

    assert flat("ts") == merged.ts.tolist()
    assert flat("volume") == merged.volume.tolist()
    names = [part.sources[at][0] for part in parts for at in part.source.tolist()]
    assert names == [merged.sources[at][0] for at in merged.source.tolist()]
    assert all(len(part) == rows for part in parts[:-1])


def known_in_order(interval: str, ts: list[int]) -> bool:
    ends = [US.bar_end(at, interval) for at in ts]
    return ends == sorted(ends)


def test_a_source_is_read_only_as_far_as_it_is_needed() -> None:
    read = {"A": 0, "B": 0}

    def pieces(name: str, starts: list[int]) -> Iterator[Bars]:
        for at in range(0, len(starts), 10):
            read[name] += 1
            yield bars_at(name, "1m", starts[at : at + 10])

    merging = tapeloom.merge_pieces(
        {"A": pieces("A", GRID), "B": pieces("B", GRID[100:])}, rows=20
    )
    first = next(merging)

    assert first.ts.tolist() == GRID[:20]
    assert read["A"] <= 4
    assert read["B"] == 1


def test_a_piece_out_of_order_is_named() -> None:
    pieces = [bars_at("A", "1m", GRID[:3]), bars_at("A", "1m", GRID[1:2])]
    with pytest.raises(ArgumentError, match="row 3"):
        list(tapeloom.merge_pieces({"A": pieces}))
    mixed = [bars_at("A", "1m", GRID[:3]), bars_at("A", "5m", GRID[5:6])]
    with pytest.raises(ArgumentError, match="1m bars; the piece has 5m bars"):
        list(tapeloom.merge_pieces({"A": mixed}))
    with pytest.raises(ArgumentError, match="rows is 0"):
        tapeloom.merge_pieces({}, rows=0)
    assert list(tapeloom.merge_pieces({"A": []})) == []


def test_columns_that_do_not_fit_each_other_are_refused_before_a_call() -> None:
    merged = tapeloom.merge(two_series())
    named = list(two_series().items())
    source, ts, prices, flags = merge_bars([bars for _, bars in named], US)
    called: list[object] = []
    with pytest.raises(ArgumentError, match="one length"):
        Merging.done(named, US, (source, ts[:3], prices, flags))
    with pytest.raises(ArgumentError, match=r"1-d int64"):
        Merging.done(named, US, (source, ts.astype(float), prices, flags))
    strange = np.full(len(merged), 9, np.int32)
    with pytest.raises(ArgumentError, match="none of the 2"):
        MergedBars(Merging.done(named, US, (strange, ts, prices, flags))).each(
            called.append
        )
    with pytest.raises(ArgumentError, match="contiguous"):
        Merging.done(named, US, (source, ts[::-1], prices, flags))
    assert called == []


def test_bars_of_an_instant_that_somebody_keeps_never_change() -> None:
    merged = tapeloom.merge(two_series())
    kept = list(merged.instants())
    columns = [part.close for _, part in merged.instants()]
    for _, part in merged.instants():
        copied = copy.copy(part)
        assert copied.ts.tolist() == part.ts.tolist()
    assert len({id(part) for _, part in kept}) == len(kept) > 2
    expected = merged.close.tolist()
    assert [close for _, part in kept for close in part.close.tolist()] == expected
    del kept, merged, part, copied
    tapeloom.merge(two_series())
    assert [close for column in columns for close in column.tolist()] == expected


def test_instants_of_instants_are_these_instants() -> None:
    merged = tapeloom.merge(two_series())
    for at, part in merged.instants():
        ((again, same),) = part.instants()
        assert (again, same.ts.tolist()) == (at, part.ts.tolist())
        seen: list[BarData] = []
        assert part.each(seen.append) == len(part)
        assert [bar.close for bar in seen] == part.close.tolist()
        assert type(part) is MergedBars
        assert part.sources == merged.sources


def test_instants_of_a_class_of_ones_own_are_new_objects() -> None:
    class Noted(MergedBars):
        note: str | None = None

    series = [("AAA", bars_at("AAA", "1m", FULL_GRID))]
    noted = Noted(Merging(series, US, threads=1))
    for _, part in noted.instants():
        assert isinstance(part, Noted)
        assert part.note is None
        part.note = "seen"
