"""What an import asks of the store it writes to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from tapeloom.bars import Bars
    from tapeloom.intervals import IntervalLike

__all__ = ["BarStore"]


class BarStore(Protocol):
    """Where an import writes to; ``DataManager`` is one."""

    @property
    def local_root(self) -> Path | None:
        """The folder of the store, below which records are kept; ``None`` if it lies on no local disk."""

    @property
    def exchange_group(self) -> str:
        """Whose bars it keeps."""

    def get_ranges(self, symbol: str, interval: IntervalLike) -> list[tuple[int, int]]:
        """Return the start of the first and of the last bar, ns UTC, of each piece in which bars of a series lie."""

    def read(
        self, symbol: str, interval: IntervalLike, start: int | None, end: int | None
    ) -> Bars:
        """Return the stored bars that start in ``[start, end)``, ns UTC, in order."""

    def write_bars(
        self,
        symbol: str,
        interval: IntervalLike,
        bars: object,
        *,
        on_duplicate: str,
        origins: Sequence[Mapping[str, object]] = (),
    ) -> list[Path]:
        """Write bars of one series, merged by start with what is there; return the files written.

        ``origins`` are kept in their metadata.
        """
