"""Files that are not ours, as a source of bars read as they are labelled: a check is to find what is wrong with that."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tapeloom.importing.mount import mount
from tapeloom.storage.bad_rows import check_policy, without_bad_rows
from tapeloom.storage.notes import Notes

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray

    from tapeloom._core import Bars
    from tapeloom.calendars.time_manager import TimeManager
    from tapeloom.intervals import IntervalLike
    from tapeloom.storage.notes import DataNote

__all__ = ["ForeignFiles", "Rules"]


@dataclass(frozen=True, slots=True)
class Rules:
    """Whose bars files hold and how long, where they do not say, and what happens to rows that break a rule."""

    symbol: str | None
    interval: IntervalLike | None
    on_invalid: str
    allow_negative_prices: bool


class ForeignFiles:
    """CSV and Parquet files as other tools write them.

    Parameters
    ----------
    pattern
        A file, a folder or a glob pattern.
    manager
        Its calendar and zone.
    rules
        How to read them.

    Raises
    ------
    MissingDataError
        If there is no such file.
    """

    def __init__(self, pattern: str, manager: TimeManager, rules: Rules) -> None:
        self._notes = Notes()
        self._files = mount(
            pattern,
            symbol=rules.symbol,
            interval=rules.interval,
            # Said outright, so that nothing is proposed in place of the labels.
            label="start",
            shift="0h",
            exchange_group=manager.exchange_group,
            table=manager.session_table,
            keep=_kept(self._notes, rules),
        )

    @property
    def notes(self) -> list[DataNote]:
        """Rows that were left out."""
        return self._notes.all()

    def get_symbols(self) -> list[str]:
        """Return the symbols there are, normalised."""
        return self._files.get_symbols()

    def get_intervals(self, symbol: str) -> list[str]:
        """Return the intervals of a symbol, finest first."""
        return self._files.get_intervals(symbol)

    def get_range(self, symbol: str, interval: str) -> tuple[int, int] | None:
        """Return the start of the first and of the last bar, nanoseconds UTC; ``None`` if there is none."""
        return self._files.get_range(symbol, interval)

    def get_ranges(self, symbol: str, interval: str) -> list[tuple[int, int]]:
        """Return the same for each file."""
        return self._files.get_ranges(symbol, interval)

    def read(self, symbol: str, interval: str, start: int, end: int) -> Bars:
        """Return the bars that start in ``[start, end)``, nanoseconds UTC, in order."""
        return self._files.read(symbol, interval, start, end)


def _kept(notes: Notes, rules: Rules) -> Callable[[Bars, str, NDArray[np.int64]], Bars]:
    policy = check_policy(rules.on_invalid)

    def keep(bars: Bars, source: str, rows: NDArray[np.int64]) -> Bars:
        return without_bad_rows(
            bars,
            source=source,
            rows=rows,
            on_invalid=policy,
            allow_negative_prices=rules.allow_negative_prices,
            notes=notes,
        )

    return keep
