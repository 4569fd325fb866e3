"""What was counted of each symbol, a column each: in one session, and over a run. Reports are made of it when asked for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tapeloom.session.result import SymbolReport

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

__all__ = ["SymbolFigures", "SymbolTotals"]

#: Rows of the cells: bars expected and present, gaps, bars of the longest gap, bars out of session.
_FIGURES, _LONGEST = 5, 3


@dataclass(frozen=True, slots=True, eq=False)
class SymbolFigures:
    """The figures of some symbols: ``cells`` int64 of shape (5, n).

    Its rows are the bars expected and present, the gaps, the bars of the longest gap, and the bars out of session.
    """

    symbols: Sequence[str]
    cells: NDArray[np.int64]

    @classmethod
    def of(cls, reports: Iterable[SymbolReport]) -> SymbolFigures:
        """Return those of which reports were made."""
        found = tuple(reports)
        cells = [
            (r.expected, r.present, r.gaps, r.longest_gap, r.out_of_session)
            for r in found
        ]
        columns = np.array(cells, np.int64).reshape(len(found), _FIGURES)
        return cls([r.symbol for r in found], columns.T)

    def reports(self) -> tuple[SymbolReport, ...]:
        """Return a report for each symbol."""
        rows = zip(self.symbols, self.cells.T.tolist(), strict=True)
        return tuple(
            SymbolReport(
                symbol, expected, present, expected - present, gaps, longest, outside
            )
            for symbol, (expected, present, gaps, longest, outside) in rows
        )


class SymbolTotals:
    """The figures of symbols over many sessions, in the order in which they came. One thread at a time changes them."""

    def __init__(self) -> None:
        self._columns: dict[str, int] = {}
        self._cells = np.zeros((_FIGURES, 0), np.int64)

    def __contains__(self, symbol: str) -> bool:
        return symbol in self._columns

    @property
    def symbols(self) -> list[str]:
        """All symbols."""
        return list(self._columns)

    def add_symbols(self, symbols: Iterable[str]) -> None:
        """Begin to count those that are new."""
        new = [s for s in dict.fromkeys(symbols) if s not in self._columns]
        first = self._cells.shape[1]
        # In this order: whoever asks for reports on another thread finds cells in each column.
        self._cells = np.pad(self._cells, ((0, 0), (0, len(new))))
        self._columns.update(zip(new, range(first, first + len(new)), strict=True))

    def remove_symbol(self, symbol: str) -> None:
        """Drop what was counted of a symbol."""
        self._columns.pop(symbol, None)

    def add(self, session: SymbolFigures) -> None:
        """Add the figures of a session, whose symbols are all known."""
        columns = np.array([self._columns[name] for name in session.symbols], np.intp)
        before = self._cells[:, columns]
        after = before + session.cells
        after[_LONGEST] = np.maximum(before[_LONGEST], session.cells[_LONGEST])
        self._cells[:, columns] = after

    def reports(self) -> tuple[SymbolReport, ...]:
        """Return a report for each symbol; from any thread."""
        columns = self._columns.copy()
        cells = self._cells[:, list(columns.values())]
        return SymbolFigures(list(columns), cells).reports()
