"""Splits and what else restates old prices: a table of actions, and bars in the shares of a later date.

Knows no storage and no session; reads one table.
"""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from tapeloom._core import Bars
from tapeloom.bars import normalise_symbol
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
    from collections.abc import Iterable, Mapping

    from numpy.typing import NDArray

    from tapeloom._core import SessionTable

__all__ = ["Action", "Actions", "Jump", "is_ordinary", "split_jumps"]

COLUMNS = ("symbol", "ex_date", "price_factor", "volume_factor")
FILES = ("actions.csv", "actions.parquet")

#: Shares after for shares before, as splits have them; reverse splits are the same the other way round.
_SPLITS = (*range(2, 11), 12, 15, 20, 25, 30, 40, 50, 75, 100, 1.5, 2.5)
#: How far the open may lie from the price that a split alone would give.
_NEAR = 0.05
#: A night moves a price by less, the other way round too.
_LARGE = 1.4


class Action(NamedTuple):
    """Bars before ``ex_date`` have their prices and volumes multiplied to be in the shares of that date."""

    symbol: str
    ex_date: date
    price_factor: float
    volume_factor: float


class Jump(NamedTuple):
    """An open that lies from the close before as far as a split would move it."""

    symbol: str
    session_date: date
    ratio: float
    """Open by the close of the session before."""
    like: str
    """The split it is like, such as ``"7:1"``: shares after for shares before."""


@dataclass(frozen=True, slots=True)
class _Steps:
    """The actions of one symbol, oldest first."""

    days: NDArray[np.int64]
    price: NDArray[np.float64]
    volume: NDArray[np.float64]

    def factors(
        self, days: NDArray[np.int64], until: int
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
        """Price and volume factor of each day in the shares of a later one; ``None`` where nothing changes."""
        known = int(np.searchsorted(self.days, until, side="right"))
        # Element k is the product of the actions from k on, the last one 1.
        at = np.searchsorted(self.days[:known], days, side="right")
        if not known or (at == known).all():
            return None
        price, volume = (
            np.append(np.cumprod(column[:known][::-1])[::-1], 1.0)
            for column in (self.price, self.volume)
        )
        return price[at], volume[at]


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
            action = _checked(row, f"row {at}")
            key = (action.symbol, action.ex_date)
            if key in found:
                text = f"row {at}: {action.symbol} has two actions on {action.ex_date}; multiply their factors into one row"
                raise ArgumentError(text, symbol=action.symbol)
            found[key] = action
        self._rows = tuple(found[key] for key in sorted(found))
        by_symbol: dict[str, list[Action]] = {}
        for action in self._rows:
            by_symbol.setdefault(action.symbol, []).append(action)
        self._steps = {symbol: _steps(rows) for symbol, rows in by_symbol.items()}

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
            text = f"actions are {type(table).__name__}; give a table with the columns {', '.join(COLUMNS)}"
            raise ArgumentTypeError(text) from error
        for name in COLUMNS:
            if name not in read.column_names:
                near = did_you_mean(name, read.column_names)
                text = f"actions have no column {name!r}{near}; the columns are {', '.join(COLUMNS)}"
                raise ArgumentError(text)
        rows = read.select(list(COLUMNS)).to_pylist()
        return cls(Action(*(row[name] for name in COLUMNS)) for row in rows)

    @property
    def symbols(self) -> tuple[str, ...]:
        """The symbols that have actions, sorted."""
        return tuple(self._steps)

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Any:
        return iter(self._rows)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Actions) and self._rows == other._rows

    def __hash__(self) -> int:
        return hash(self._rows)

    def __repr__(self) -> str:
        return f"Actions({len(self)} of {len(self._steps)} symbols)"

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
        steps = self._steps.get(bars.symbol)
        if steps is None or not len(bars):
            return bars
        sessions = table.session_of(bars.ts)
        # What lies between sessions has the shares of the session before it.
        before = np.searchsorted(table.span_starts, bars.ts, side="right") - 1
        at = np.where(sessions >= 0, sessions, np.maximum(before, 0))
        found = steps.factors(table.dates[at].astype(np.int64), to_day(session_date))
        if found is None:
            return bars
        price, volume = found
        columns: dict[str, Any] = {
            "ts": bars.ts,
            "volume": bars.volume * volume,
            "zone": bars.zone,
            "table": bars.table,
            "flags": bars.flags,
        }
        for name in ("open", "high", "low", "close"):
            columns[name] = getattr(bars, name) * price
        if bars.is_derived:
            columns |= {"constituents": bars.constituents, "anchor": bars.anchor}
        return Bars.from_columns(bars.symbol, bars.interval, **columns)


def split_jumps(bars: Bars, table: SessionTable) -> list[Jump]:
    """Return where a session opens as far from the close before it as a split would move the price.

    Parameters
    ----------
    bars
        Bars of one symbol in order of time; those of regular hours say most.
    table
        Says to which session a bar belongs.

    Returns
    -------
    list of Jump
        Oldest first. A fall by half over a night looks the same as a 2:1 split: these are hints.
    """
    from tapeloom.calendars.days import from_day

    if len(bars) < 2:
        return []
    before, after = bars.close[:-1], bars.open[1:]
    # Most rows are ruled out by their ratio alone, before anyone asks for their session.
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = after / before
    rows = np.flatnonzero((ratio > _LARGE) | (ratio < 1 / _LARGE)) + 1
    found = []
    for row in rows.tolist():
        one, other = (table.session_of(int(bars.ts[k])) for k in (row - 1, row))
        like = _like_split(float(ratio[row - 1]))
        if one is None or other is None or one == other or like is None:
            continue
        when = from_day(int(table.dates[other]))
        found.append(Jump(bars.symbol, when, float(ratio[row - 1]), like))
    return found


def is_ordinary(close: float, opened: float) -> bool:
    """Return whether an open lies too near to the close before it for any split. O(1), for who asks often."""
    return close <= opened * _LARGE and opened <= close * _LARGE


def _like_split(ratio: float) -> str | None:
    if not math.isfinite(ratio) or ratio <= 0:
        return None
    shares = max(ratio, 1 / ratio)
    near = min(_SPLITS, key=lambda number: abs(shares / number - 1))
    if abs(shares / near - 1) > _NEAR:
        return None
    after, before = (near, 1) if near == int(near) else (int(2 * near), 2)
    if ratio > 1:
        after, before = before, after
    return f"{after:g}:{before:g}"


def _steps(rows: list[Action]) -> _Steps:
    return _Steps(
        np.array([to_day(row.ex_date) for row in rows], np.int64),
        np.array([row.price_factor for row in rows], np.float64),
        np.array([row.volume_factor for row in rows], np.float64),
    )


def _checked(row: Action, name: str) -> Action:
    symbol, ex_date, *factors = row
    for column, factor in zip(COLUMNS[2:], factors, strict=True):
        is_number = isinstance(factor, int | float) and not isinstance(factor, bool)
        if not is_number or not (math.isfinite(factor) and factor > 0):
            text = f"{name}: {column} is {factor!r}; it must be a number above 0, such as 0.5 for a 2:1 split"
            raise ArgumentError(text, got=factor)
    try:
        known = normalise_symbol(symbol)
    except ArgumentError as error:
        text = f"{name}: {error}"
        raise ArgumentError(text, got=symbol) from error
    return Action(known, _date(ex_date, name), float(factors[0]), float(factors[1]))


def _date(value: object, name: str) -> date:
    if isinstance(value, datetime):
        return value.date()
    if isinstance(value, date):
        return value
    try:
        if isinstance(value, str):
            return date.fromisoformat(value)
    except ValueError:
        pass
    text = f"{name}: ex_date is {value!r}; it must be a date, YYYY-MM-DD"
    raise ArgumentError(text, got=value)


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
