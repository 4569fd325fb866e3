"""Stamps in order, each once."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tapeloom.diagnosis.candidates import rising


@given(st.lists(st.integers(-(2**63), 2**63 - 1) | st.integers(0, 9), max_size=50))
def test_stamps_are_sorted_and_each_is_there_once(given: list[int]) -> None:
    assert rising(np.array(given, np.int64)).tolist() == sorted(set(given))


def test_stamps_in_order_are_the_same_array() -> None:
    stamps = np.arange(5)
    assert rising(stamps) is stamps
