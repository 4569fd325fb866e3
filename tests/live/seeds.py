"""Which seeds are played, and how one of them is played again."""

from __future__ import annotations

import os
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

__all__ = ["chunks", "replayed", "seeds_of"]

_CHUNK = 1_000


def chunks(days: int) -> list[range]:
    """The seeds of a test in chunks: ``days`` of them, or as many as TAPELOOM_SEEDS says."""
    number = int(os.environ.get("TAPELOOM_SEEDS", days))
    return [
        range(first, min(first + _CHUNK, number)) for first in range(0, number, _CHUNK)
    ]


def seeds_of(chunk: range) -> Iterable[int]:
    """The seeds of a chunk; only the one that TAPELOOM_SEED names, if it does."""
    named = os.environ.get("TAPELOOM_SEED")
    if named is None:
        return chunk
    # Each chunk is asked, one of them plays it.
    return [int(named)] if chunk.start == 0 else []


@contextmanager
def replayed(seed: int, faults: Sequence[str], file: str) -> Iterator[None]:
    """Say on a failure which day it was, and the command that plays it again."""
    try:
        yield
    except Exception as error:
        place = Path(file).relative_to(Path(__file__).parents[2])
        text = f"day {seed} ({', '.join(faults) or 'no fault'}): {type(error).__name__}: {error}"
        text += f"\nagain: TAPELOOM_SEED={seed} python -m pytest {place}"
        raise AssertionError(text) from error
