"""The rows of the table of faults in the guide, and the test that is held against each."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["TESTED", "row"]

T = TypeVar("T", bound="Callable[..., None]")
#: Each row of the table by its first cell, and the name of the test.
TESTED: dict[str, str] = {}


def row(fault: str) -> Callable[[T], T]:
    """Say of which row a test is."""

    def keep(test: T) -> T:
        assert fault not in TESTED, f"{fault} has a test already"
        TESTED[fault] = test.__name__
        return test

    return keep
