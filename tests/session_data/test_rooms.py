"""A session is put together from rooms that do not get in each other's way."""

from __future__ import annotations

from collections import Counter
from types import FunctionType

import pytest

from tapeloom.errors import ArgumentError
from tapeloom.session_data import SessionData

#: Methods that a room adds to on purpose, by calling its neighbour's.
SHARED = {"_begin", "__init__", "__new__", "__repr__"}


def test_no_two_rooms_have_a_method_of_the_same_name() -> None:
    rooms = [
        room
        for room in SessionData.__mro__
        if room.__module__.startswith("tapeloom.session_data")
    ]
    names = Counter(
        name
        for room in rooms
        for name, value in vars(room).items()
        if isinstance(value, FunctionType | property) and name not in SHARED
    )
    assert [name for name, times in names.items() if times > 1] == []


def test_the_cores_own_word_for_completeness_is_refused() -> None:
    with pytest.raises(ArgumentError, match="it must be 'any' or 'complete'"):
        SessionData(completeness="present")
