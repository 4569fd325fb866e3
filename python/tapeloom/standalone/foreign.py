"""Files that are not ours, as a source of bars; read as they are labelled where a check is to find what is wrong with that."""

from __future__ import annotations

import re
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tapeloom.checking.files_read import findings_of_files
from tapeloom.errors import (
    ArgumentError,
    ArgumentTypeError,
    ImportMismatchError,
    did_you_mean,
)
from tapeloom.importing.mount import mount
from tapeloom.storage.bad_rows import check_policy, without_bad_rows
from tapeloom.storage.notes import Notes

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping

    import numpy as np
    from numpy.typing import NDArray

    from tapeloom._core import Bars
    from tapeloom.calendars.time_manager import TimeManager
    from tapeloom.checking import Finding
    from tapeloom.intervals import IntervalLike
    from tapeloom.storage.notes import DataNote

__all__ = ["ForeignFiles", "Rules", "reading_options"]

_READING = (
    *("columns", "zone", "label", "shift", "time_unit", "time_format"),
    *("ambiguous", "price_scale", "members"),
)


def reading_options(reading: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the options of ``mount`` that say how files are read, checked by name.

    Raises
    ------
    ArgumentError
        If there is no such option.
    """
    if reading is None:
        return {}
    if not hasattr(reading, "keys"):
        text = f"reading is {type(reading).__name__}; give a dict such as {{'shift': '-4h'}}"
        raise ArgumentTypeError(text, got=reading)
    for name in reading:
        if name not in _READING:
            text = f"reading names {name!r}; it takes {', '.join(_READING)}{did_you_mean(str(name), _READING)}"
            raise ArgumentError(text, got=name)
    return dict(reading)


@dataclass(frozen=True, slots=True)
class Rules:
    """Whose bars files hold and how long, where they do not say, and what happens to rows that break a rule.

    ``reading`` holds options of ``mount``. What they leave open is read ``as_labelled``, or else refused where the file
    would have to be read in another way to fit.
    """

    symbol: str | None
    interval: IntervalLike | None
    on_invalid: str
    allow_negative_prices: bool
    reading: Mapping[str, Any] = field(default_factory=dict)
    as_labelled: bool = False


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
    ImportMismatchError
        When it is asked for what a file holds that would have to be read in another way to fit.
    """

    def __init__(self, pattern: str, manager: TimeManager, rules: Rules) -> None:
        self._notes = Notes()
        # Said outright, so that nothing is proposed in place of the labels.
        as_labelled = {"label": "start", "shift": "0h"} if rules.as_labelled else {}
        self._files = mount(
            pattern,
            symbol=rules.symbol,
            interval=rules.interval,
            **{**as_labelled, **rules.reading},
            # What else an import would ask for is applied, and a finding.
            auto=rules.as_labelled,
            # A check holds what it reads against the calendar.
            is_judged=rules.as_labelled,
            exchange_group=manager.exchange_group,
            table=manager.session_table,
            keep=_kept(self._notes, rules),
        )

    @property
    def notes(self) -> list[DataNote]:
        """Rows that were left out."""
        return self._notes.all()

    def is_naive(self, symbol: str) -> bool:
        """Whether the stamps of a symbol that was read came without a zone."""
        return self._files.is_naive(symbol)

    def findings(self, symbols: Collection[str]) -> Iterator[Finding]:
        """Return what was found in the files that hold bars of some symbols, or no bar at all."""
        return findings_of_files([self._files], symbols)

    def get_symbols(self) -> list[str]:
        """Return the symbols there are, normalised."""
        with _remedies():
            return self._files.get_symbols()

    def get_intervals(self, symbol: str) -> list[str]:
        """Return the intervals of a symbol, finest first."""
        with _remedies():
            return self._files.get_intervals(symbol)

    def get_range(self, symbol: str, interval: str) -> tuple[int, int] | None:
        """Return the start of the first and of the last bar, nanoseconds UTC; ``None`` if there is none."""
        return self._files.get_range(symbol, interval)

    def get_ranges(self, symbol: str, interval: str) -> list[tuple[int, int]]:
        """Return the same for each file."""
        return self._files.get_ranges(symbol, interval)

    def read(self, symbol: str, interval: str, start: int, end: int) -> Bars:
        """Return the bars that start in ``[start, end)``, nanoseconds UTC, in order."""
        with _remedies():
            return self._files.read(symbol, interval, start, end)


@contextmanager
def _remedies() -> Iterator[None]:
    """Name the reading to give in place of an option of imports."""
    try:
        yield
    except ImportMismatchError as error:
        error.message = re.sub(
            r"pass (\w+)=(\S+), or auto=True to apply it",
            r"pass reading={'\1': \2}",
            error.message,
        )
        raise


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
