"""The bars of one session, cut out of those of many symbols."""

from __future__ import annotations

from datetime import UTC

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tapeloom._core import Bars, cut_session

STAMPS = st.lists(st.integers(0, 60), max_size=30).map(sorted)


def bars_at(stamps: list[int]) -> Bars:
    ts, ones = np.array(stamps, np.int64), np.ones(len(stamps))
    return Bars.from_columns(
        "AAA",
        "1m",
        ts=ts,
        open=ones,
        high=ones,
        low=ones,
        close=ones,
        volume=ones,
        zone=UTC,
    )


@given(
    stamps=st.lists(STAMPS, max_size=4),
    bounds=st.lists(st.integers(0, 60), min_size=7, max_size=7).map(sorted),
)
def test_each_symbol_gets_what_one_alone_would_get(
    stamps: list[list[int]], bounds: list[int]
) -> None:
    before, start, *hours, end = bounds
    stretches = [(hours[0], hours[1]), (hours[2], hours[3])]
    bars = [bars_at(ts) for ts in stamps]

    cut, ahead, outside = cut_session(
        bars, before=before, span=(start, end), hours=stretches
    )

    for ts, found, early, out in zip(stamps, cut, ahead, outside, strict=True):
        own = [at for at in ts if start <= at < end]
        kept = [at for at in own if any(a <= at < b for a, b in stretches)]
        assert found.ts.tolist() == kept
        assert early == sum(before <= at < start for at in ts)
        # One that comes twice is one.
        assert out == len(set(own)) - len(set(kept))
