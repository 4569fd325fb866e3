"""The table of actions: read from a file or a frame, asked for bars in the shares of a session."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tapeloom.actions.action import COLUMNS, Action, checked
from tapeloom.actions.factors import Factors, multiplied
from tapeloom.calendars.days import to_day
from tapeloom.errors import (
    ArgumentError,
    ArgumentTypeError,
    CorruptFileError,
    DataError,
    MissingDataError,
    did_you_mean,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import date

    from tapeloom._core import Bars, SessionTable

__all__ = ["Actions"]

FILES = ("actions.csv", "actions.parquet")


class Actions:
    """A table of splits and the like, which restates bars in the shares of a session.

    Parameters
    ----------
    actions
        Rows in any order: symbol, ex-date, and the factors for bars before it. A 7:1 split has the price factor 1/7 and
        the volume factor 7.

    Raises
    ------
    ArgumentError
        For a factor that is not above 0, or an ex-date of a symbol that comes twice.

    Examples
    --------
    >>> from datetime import date
    >>> from tapeloom.actions import Action, Actions
    >>> actions = Actions([Action("AAPL", date(2014, 6, 9), 1 / 7, 7)])
    >>> len(actions), actions.symbols
    (1, ('AAPL',))
    """

    def __init__(self, actions: Iterable[Action] = ()) -> None:
        found: dict[tuple[str, date], Action] = {}
        for at, row in enumerate(actions):
            action = checked(row, f"row {at}")
            key = (action.symbol, action.ex_date)
            if key in found:
                text = f"row {at}: {action.symbol} has two actions on {action.ex_date}; multiply their factors into one row"
                raise ArgumentError(text, symbol=action.symbol)
            found[key] = action
        self._rows = tuple(found[key] for key in sorted(found))
        by_symbol: dict[str, list[Action]] = {}
        for action in self._rows:
            by_symbol.setdefault(action.symbol, []).append(action)
        self._factors = {symbol: Factors.of(rows) for symbol, rows in by_symbol.items()}

    @classmethod
    def of(cls, table: object) -> Actions:
        """Return the actions of an argument.

        Parameters
        ----------
        table
            ``Actions``, the path of a CSV or Parquet file, or a table with the columns
            ``symbol, ex_date, price_factor, volume_factor``: a dict of lists, or a frame of pandas, polars or Arrow.

        Raises
        ------
        ArgumentError
            For rows that break a rule, and for a table without these columns.
        DataError
            The same of a file; ``MissingDataError`` if there is none.
        """
        if isinstance(table, Actions):
            return table
        if isinstance(table, str | os.PathLike):
            return cls.read(Path(table))
        return cls._of_columns(table)

    @classmethod
    def read(cls, path: Path) -> Actions:
        """Return the actions in a CSV or Parquet file; errors as ``of``."""
        import pyarrow as pa

        try:
            return cls._of_columns(_read(path))
        except FileNotFoundError as error:
            text = f"{str(path)!r} does not exist; give the path of a table of actions"
            raise MissingDataError(text, path=str(path)) from error
        except (OSError, pa.ArrowInvalid) as error:
            text = f"{str(path)!r} cannot be read as a table: {error}"
            raise CorruptFileError(text, path=str(path)) from error
        except ArgumentError as error:
            text = f"{str(path)!r}: {error}"
            raise DataError(text, path=str(path)) from error

    @classmethod
    def beside(cls, root: str | os.PathLike[str]) -> Actions:
        """Return the actions in ``actions.csv`` or ``actions.parquet`` of a folder; none where there is no such file."""
        for name in FILES:
            path = Path(root) / name
            if path.is_file():
                return cls.read(path)
        return cls()

    @classmethod
    def _of_columns(cls, table: Any) -> Actions:
        import pyarrow as pa

        try:
            read = pa.table(table)
        except (TypeError, ValueError, pa.ArrowException) as error:
            given = type(table).__name__
            text = f"actions are {given}; give a table with the columns {', '.join(COLUMNS)}"
            if isinstance(table, Mapping) or hasattr(table, "columns"):
                text = f"actions are no table with columns of one length: {error}"
            raise ArgumentTypeError(text) from error
        for name in COLUMNS:
            found = read.column_names.count(name)
            if found != 1:
                near = "" if found else did_you_mean(name, read.column_names)
                count = f"{found} columns" if found else "no column"
                text = f"actions have {count} {name!r}{near}; the columns are {', '.join(COLUMNS)}, each once"
                raise ArgumentError(text)
        rows = read.select(list(COLUMNS)).to_pylist()
        return cls(Action(*(row[name] for name in COLUMNS)) for row in rows)

    @property
    def symbols(self) -> tuple[str, ...]:
        """The symbols that have actions, sorted."""
        return tuple(self._factors)

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[Action]:
        return iter(self._rows)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Actions) and self._rows == other._rows

    def __hash__(self) -> int:
        return hash(self._rows)

    def __repr__(self) -> str:
        return f"Actions({len(self)} of {len(self._factors)} symbols)"

    def between(self, after: date, until: date) -> tuple[Action, ...]:
        """Return the actions with ex-dates after one date, up to and with another, by symbol."""
        return tuple(row for row in self._rows if after < row.ex_date <= until)

    def restated(self, bars: Bars, session_date: date, table: SessionTable) -> Bars:
        """Return bars in the shares of a session.

        Parameters
        ----------
        bars
            Bars of one symbol. Those of a session are in the shares of its date.
        session_date
            The session. Later ex-dates are not looked at.
        table
            Says to which session a bar belongs.

        Returns
        -------
        Bars
            The same object where nothing changes, else new columns.
        """
        factors = self._factors.get(bars.symbol)
        if factors is None or not len(bars):
            return bars
        return multiplied(bars, factors, to_day(session_date), table)


def _read(path: Path) -> Mapping[str, Any]:
    if path.suffix.lower() == ".parquet":
        import pyarrow.parquet as pq

        return pq.read_table(path)  # type: ignore[no-any-return]
    # A symbol such as TRUE or NA is text.
    import pyarrow as pa
    from pyarrow import csv

    options = csv.ConvertOptions(
        column_types={"symbol": pa.string(), "ex_date": pa.string()},
        strings_can_be_null=False,
    )
    return csv.read_csv(path, convert_options=options)  # type: ignore[no-any-return]
