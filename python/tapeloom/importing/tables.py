"""A foreign table: our columns as Arrow holds them, before anything is read into them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa

    from tapeloom.importing.path_hints import PathHints

__all__ = ["ForeignTable"]


@dataclass(frozen=True, slots=True)
class ForeignTable:
    """Columns of one table by our names, as they came.

    Attributes
    ----------
    name
        What to call it in errors: the file, or the member of an archive.
    columns
        ``ts``, or ``date`` with or without ``time``; four prices; ``volume`` if it is there; ``symbol`` and ``rtype`` if
        they are. Each of n rows.
    hints
        What its path suggests.
    dropped
        Names of the columns that are not needed.
    symbol
        Whose bars, where the table itself says so.
    notes
        Sentences about guesses, each with its kind.
    bad_rows
        Rows that could not be cut into columns: their number and the first few texts.
    utc
        Whether times without a zone are UTC, as in NumPy.
    """

    name: str
    columns: dict[str, pa.ChunkedArray]
    hints: PathHints
    dropped: tuple[str, ...] = ()
    symbol: str | None = None
    notes: tuple[tuple[str, str], ...] = ()
    bad_rows: int = 0
    bad_texts: tuple[str, ...] = field(default=())
    utc: bool = False

    @property
    def rows(self) -> int:
        """Number of rows."""
        return len(self.columns["open"])
