"""What is known of each row group before it is read: from when to when it reaches, and whose bars it holds."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np

from tapeloom.storage.parquet_bytes import (
    LARGEST,
    SMALLEST,
    parsed_footer,
    ts_bounds,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import numpy.typing as npt

    from tapeloom.storage.footer import Group
    from tapeloom.storage.parquet_bytes import OpenFile
    from tapeloom.storage.seal import Seal

__all__ = ["GroupFacts", "SaidFacts", "SealedFacts"]


class GroupFacts(Protocol):
    """Facts of the row groups of a file, each of shape (g,)."""

    @property
    def first(self) -> npt.NDArray[np.int64]:
        """Smallest ``ts``, int64 nanoseconds UTC; the smallest int64 where the file does not say."""

    @property
    def last(self) -> npt.NDArray[np.int64]:
        """Largest ``ts``; the largest int64 where the file does not say."""

    @property
    def newest_before(self) -> npt.NDArray[np.int64]:
        """Largest ``ts`` of the same symbol in the row groups in front; the smallest int64 if unknown."""

    @property
    def symbols(self) -> tuple[str | None, ...]:
        """The one symbol as it is stored; ``None`` where there may be several, ``""`` without a symbol column."""


class SealedFacts:
    """Those of a file of ours, which its seal vouches for."""

    def __init__(self, seal: Seal, symbol: str) -> None:
        self.first = seal.groups["first"].astype(np.int64)
        self.last = seal.groups["last"].astype(np.int64)
        self.symbols: tuple[str | None, ...] = (symbol,) * len(seal.groups)

    @cached_property
    def newest_before(self) -> npt.NDArray[np.int64]:
        """See ``GroupFacts``."""
        newest = np.maximum.accumulate(self.last)
        return np.concatenate(([SMALLEST], newest))[:-1]


class SaidFacts:
    """Those that the footer of a file says; looked up when somebody asks."""

    def __init__(self, file: OpenFile) -> None:
        # Not the file itself, which would stay open; and no more of the footer than until it was looked at.
        self._footer: tuple[Path, bytes, int] | None = (file.path, file.tail, file.size)
        self._told: _Told | None = None
        self._has_symbol = "symbol" in file.schema.names
        self._count: int = file.parquet.metadata.num_row_groups

    @property
    def first(self) -> npt.NDArray[np.int64]:
        """See ``GroupFacts``."""
        return self._facts.first

    @property
    def last(self) -> npt.NDArray[np.int64]:
        """See ``GroupFacts``."""
        return self._facts.last

    @cached_property
    def newest_before(self) -> npt.NDArray[np.int64]:
        """See ``GroupFacts``."""
        if self._count < 2:
            return np.full(self._count, SMALLEST, np.int64)
        return _newest_before(self.last, self.symbols)

    @property
    def symbols(self) -> tuple[str | None, ...]:
        """See ``GroupFacts``."""
        if not self._has_symbol:
            none: tuple[str | None, ...] = ("",) * self._count
            return none
        return self._facts.symbols

    @property
    def _facts(self) -> _Told:
        footer = self._footer
        if self._told is None and footer is not None:
            said = parsed_footer(*footer)
            same: dict[str | None, str | None] = {}
            found = [_symbol_of(group) for group in said.groups]
            symbols = tuple(same.setdefault(symbol, symbol) for symbol in found)
            # In this order: another thread may look between the two.
            self._told = _Told(*ts_bounds(said), symbols)
            self._footer = None
        assert self._told is not None  # either it or the footer is there
        return self._told


class _Told(NamedTuple):
    """What the footer said."""

    first: npt.NDArray[np.int64]
    last: npt.NDArray[np.int64]
    symbols: tuple[str | None, ...]


def _symbol_of(group: Group) -> str | None:
    chunk = group.chunks.get("symbol")
    if chunk is None or chunk.nulls != 0 or chunk.smallest != chunk.largest:
        return None
    # Longer ones may have been cut where they are stored.
    if not chunk.smallest or len(chunk.smallest) > 60:
        return None
    return chunk.smallest.decode("utf-8", errors="surrogateescape")


def _newest_before(
    last: npt.NDArray[np.int64], symbols: Sequence[str | None]
) -> npt.NDArray[np.int64]:
    newest: dict[str, int] = {}
    found = np.full(len(last), SMALLEST, np.int64)
    for group, symbol in enumerate(symbols):
        if symbol is None:
            continue
        found[group] = newest.get(symbol, SMALLEST)
        if last[group] != LARGEST:
            newest[symbol] = max(int(last[group]), int(found[group]))
    return found
