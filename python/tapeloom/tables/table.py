"""``Table``: rows of one dataclass, read as a sequence or handed to another tool as columns."""

from __future__ import annotations

import sys
from dataclasses import fields
from datetime import UTC
from functools import cache
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast, get_args, overload

from tapeloom.tables.column import NAMES, Column, kind_of
from tapeloom.tables.layout import Layout, cells, edges
from tapeloom.tables.libraries import frame_of_arrow, pandas

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from datetime import tzinfo
    from typing import Self

    import pyarrow as pa

__all__ = ["Table"]

Row = TypeVar("Row")

if TYPE_CHECKING:

    class _Rows(Sequence[Row]):
        """What a table is to a type checker."""
else:

    class _Rows(Generic[Row]):
        """Not a ``Sequence`` at run time: polars would read that row by row, and never ask for the columns."""


class Table(_Rows[Row]):
    """Rows of one frozen dataclass, which never change: a sequence that other tools know as a table.

    A subclass names the dataclass: ``class Gaps(Table[Gap])``. Columns are its fields, in order, and the properties that
    the subclass names with ``also=("quality",)``. Equal to any list of the same rows. ``polars.DataFrame(table)``,
    ``pyarrow.table(table)`` and ``duckdb.sql("from table")`` work; a table without rows keeps its columns and their types.

    Parameters
    ----------
    rows
        Rows of the dataclass, in order.
    zone
        In which pandas shows times; that of the first time by default, UTC where there is none.

    Examples
    --------
    >>> from dataclasses import dataclass
    >>> @dataclass(frozen=True)
    ... class Fill:
    ...     symbol: str
    ...     price: float
    >>> class Fills(Table[Fill]): ...
    >>> fills = Fills([Fill("AAPL", 9.5), Fill("MSFT", 10.25)])
    >>> fills
    Fills(2 rows)
    symbol  price
    AAPL     9.50
    MSFT    10.25
    >>> fills[-1].price, fills.columns()["symbol"]
    (10.25, ['AAPL', 'MSFT'])
    """

    __slots__ = ("_rows", "_zone")

    _row_type: type
    _also: tuple[str, ...] = ()

    def __init_subclass__(cls, also: tuple[str, ...] = (), **options: Any) -> None:
        super().__init_subclass__(**options)
        for base in getattr(cls, "__orig_bases__", ()):
            for row_type in get_args(base):
                if isinstance(row_type, type):
                    cls._row_type = row_type
        cls._also = (*cls._also, *also)

    def __init__(self, rows: Iterable[Row] = (), *, zone: tzinfo | None = None) -> None:
        self._rows = tuple(rows)
        self._zone = zone

    def __len__(self) -> int:
        return len(self._rows)

    @overload
    def __getitem__(self, at: int, /) -> Row: ...
    @overload
    def __getitem__(self, at: slice, /) -> Self: ...
    def __getitem__(self, at: int | slice, /) -> Row | Self:
        if isinstance(at, slice):
            return type(self)(self._rows[at], zone=self._zone)
        return self._rows[at]

    def __iter__(self) -> Iterator[Row]:
        return iter(self._rows)

    def __reversed__(self) -> Iterator[Row]:
        return reversed(self._rows)

    def __contains__(self, row: object) -> bool:
        return row in self._rows

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Table):
            return self._rows == other._rows
        if isinstance(other, list | tuple):
            return self._rows == tuple(other)
        return NotImplemented

    def __hash__(self) -> int:
        return hash(self._rows)

    def __add__(self, other: Iterable[Row]) -> list[Row]:
        return [*self._rows, *other]

    def __radd__(self, other: Iterable[Row]) -> list[Row]:
        return [*other, *self._rows]

    def index(self, row: object, start: int = 0, stop: int = sys.maxsize) -> int:
        """Return the place of the first such row; ``ValueError`` if there is none."""
        return self._rows.index(cast("Row", row), start, stop)

    def count(self, row: object) -> int:
        """Return the number of such rows."""
        return self._rows.count(cast("Row", row))

    def columns(self) -> dict[str, list[Any]]:
        """Return the columns by name, as lists of the values that the rows hold; new lists."""
        return {name: [getattr(r, name) for r in self._rows] for name in self._kinds()}

    def to_pandas(self) -> Any:
        """Return a pandas frame with one row per row, a copy.

        Times are aware in the exchange's zone, with nanoseconds; members of enumerations are their values.

        Raises
        ------
        MissingDependencyError
            If pandas is not installed.
        """
        typed = {name: column.to_pandas() for name, column in self._columns().items()}
        return pandas().DataFrame(typed)

    def to_polars(self) -> Any:
        """Return a polars frame with the columns of ``to_arrow``, a copy.

        Raises
        ------
        MissingDependencyError
            If polars is not installed.
        """
        return frame_of_arrow(self.to_arrow())

    def to_arrow(self) -> pa.Table:
        """Return an Arrow table, a copy; times are timestamp[ns, UTC], members of enumerations their values."""
        import pyarrow as pa

        return pa.table({n: column.to_arrow() for n, column in self._columns().items()})

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        return self.to_arrow().__arrow_c_stream__(requested_schema)

    def __arrow_c_schema__(self) -> object:
        return self[:0].to_arrow().schema.__arrow_c_schema__()

    def __repr__(self) -> str:
        return self._layout().text()

    def _repr_html_(self) -> str:
        return self._layout().html()

    def _layout(self) -> Layout:
        rows = len(self)
        first, last = edges(rows)
        shown = self[:first]._rows + (self[-last:]._rows if last else ())
        kinds = self._kinds()
        return Layout(
            head=f"{type(self).__name__}({rows} {'row' if rows == 1 else 'rows'})",
            names=list(kinds),
            columns=[cells([getattr(row, name) for row in shown]) for name in kinds],
            numeric=[kind in ("int", "float") for kind in kinds.values()],
            left_out=rows - first - last,
        )

    def _columns(self) -> dict[str, Column]:
        kinds, values = self._kinds(), self.columns()
        times = (
            at for name, kind in kinds.items() if kind == "time" for at in values[name]
        )
        met = next((at.tzinfo for at in times if at is not None), None)
        zone = self._zone or met or UTC
        return {n: Column(kind, values[n], zone) for n, kind in kinds.items()}

    def _kinds(self) -> dict[str, str]:
        return _kinds_of(self._row_type, self._also)


@cache
def _kinds_of(row_type: type, also: tuple[str, ...]) -> dict[str, str]:
    """Return what each column holds, by name."""
    said = {field.name: field.type for field in fields(row_type)}
    for name in also:
        said[name] = getattr(row_type, name).fget.__annotations__.get("return")
    return {name: kind_of(_resolved(row_type, hint)) for name, hint in said.items()}


def _resolved(row_type: type, annotation: Any) -> Any:
    """Return the type that an annotation names; ``None`` if its names are not known when the program runs."""
    if not isinstance(annotation, str):
        return annotation
    module = vars(sys.modules[row_type.__module__])
    try:
        return eval(annotation, {**NAMES, **module})
    except (NameError, TypeError, AttributeError, SyntaxError):
        return None
