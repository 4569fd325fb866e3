"""Files of trades and quotes as columns: one folder per symbol, each file with a zone in its stamps."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from datetime import UTC
from typing import TYPE_CHECKING, Generic, TypeAlias, TypeVar

import numpy as np

from tapeloom.columns.arrow import arrow_floats, arrow_instants
from tapeloom.errors import InvalidBarError, StorageError, did_you_mean
from tapeloom.quotes import Quote, TickData
from tapeloom.storage.group_facts import SaidFacts
from tapeloom.storage.layout import QUOTES, TRADES
from tapeloom.storage.parquet_bytes import check_stamps, errors_named, open_file
from tapeloom.timestamps import from_ns

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from datetime import tzinfo
    from pathlib import Path

    import numpy.typing as npt
    import pyarrow as pa

    from tapeloom.storage.files import Files

__all__ = ["QUOTE_KIND", "TICK_KIND", "Events", "Kind", "has_events", "read_events"]

Setter: TypeAlias = "Callable[[object, object], None]"
_Row = TypeVar("_Row", bound=TickData | Quote)


@dataclass(frozen=True, slots=True)
class Kind(Generic[_Row]):
    """Trades or quotes: their folder, and the names under which a file may have each of their numbers."""

    row: type[_Row]
    folder: str
    numbers: dict[str, tuple[str, ...]]
    #: Numbers that a file need not have, and those that must be above 0.
    optional: frozenset[str]
    above_zero: frozenset[str]


TICK_KIND = Kind(
    TickData,
    TRADES,
    {"price": ("price",), "size": ("size", "volume", "quantity")},
    frozenset(),
    frozenset({"price"}),
)
QUOTE_KIND = Kind(
    Quote,
    QUOTES,
    {
        "bid": ("bid", "bid_price"),
        "ask": ("ask", "ask_price"),
        "bid_size": ("bid_size",),
        "ask_size": ("ask_size",),
    },
    frozenset({"bid_size", "ask_size"}),
    frozenset(),
)


@dataclass(frozen=True, slots=True, eq=False)
class Events(Generic[_Row]):
    """Trades or quotes of one symbol in order of time, as columns.

    ``ts`` int64 nanoseconds UTC and ``columns`` float64, each of shape (n,).
    """

    kind: Kind[_Row]
    symbol: str
    zone: tzinfo
    ts: npt.NDArray[np.int64]
    columns: dict[str, npt.NDArray[np.float64]]

    def __len__(self) -> int:
        return len(self.ts)

    def rows(self, start: int, end: int) -> Events[_Row]:
        """Return the rows ``[start, end)``, sharing memory."""
        columns = {name: column[start:end] for name, column in self.columns.items()}
        return Events(self.kind, self.symbol, self.zone, self.ts[start:end], columns)

    def kept(self, wanted: npt.NDArray[np.bool_]) -> Events[_Row]:
        """Return some rows; bool of shape (n,)."""
        columns = {name: column[wanted] for name, column in self.columns.items()}
        return Events(self.kind, self.symbol, self.zone, self.ts[wanted], columns)

    def followed_by(self, other: Events[_Row]) -> Events[_Row]:
        """Return both, put in order of time; equal times stay in the order given."""
        return _joined(self.kind, self.symbol, self.zone, [self, other])

    def to_list(self) -> list[_Row]:
        """Return the rows as values. The numbers have been checked, so that they are not checked again."""
        row = self.kind.row
        fixed = {name: _setter(row, name) for name in ("symbol", "_instant")}
        set_time = _setter(row, "timestamp")
        set_source = _setter(row, "source") if row is Quote else None
        numbers = [(_setter(row, n), c.tolist()) for n, c in self.columns.items()]
        found = []
        for at, ts in enumerate(self.ts.tolist()):
            each = object.__new__(row)
            fixed["symbol"](each, self.symbol)
            fixed["_instant"](each, ts)
            set_time(each, from_ns(ts, self.zone))
            for set_number, values in numbers:
                set_number(each, values[at])
            if set_source is not None:
                set_source(each, "feed")
            found.append(each)
        return found


def _setter(row: type, name: str) -> Setter:
    """Return what sets a slot of a frozen value."""
    setter: Setter = getattr(row, name).__set__
    return setter


def _joined(
    kind: Kind[_Row], symbol: str, zone: tzinfo, parts: Iterable[Events[_Row]]
) -> Events[_Row]:
    """Return several columns behind each other, put in order of time; equal times stay in the order given."""
    found = list(parts)
    ts = np.concatenate([np.empty(0, np.int64), *(part.ts for part in found)])
    columns = {
        name: np.concatenate(
            [np.empty(0, np.float64), *(part.columns[name] for part in found)]
        )
        for name in kind.numbers
    }
    if (ts[1:] < ts[:-1]).any():
        order = np.argsort(ts, kind="stable")
        ts, columns = ts[order], {name: c[order] for name, c in columns.items()}
    return Events(kind, symbol, zone, ts, columns)


def read_events(
    kind: Kind[_Row],
    symbol: str,
    paths: Sequence[Path],
    start: int | None,
    end: int | None,
    *,
    zone: tzinfo,
    files: Files,
    skip_invalid: bool,
) -> Events[_Row]:
    """Return the trades or quotes of one symbol with ``ts`` in ``[start, end)``, nanoseconds UTC.

    A price or size that a file leaves out is 0: of a quote of one side the other one is.

    Raises
    ------
    InvalidBarError
        If a row breaks a rule of its kind; ``skip_invalid`` leaves it out instead.
    StorageError
        If a file lacks a column or cannot be read; ``CorruptFileError`` if it is damaged.
    """
    parts = []
    for path in sorted(paths, key=lambda path: (path.name, str(path))):
        part = _read(kind, symbol, path, start, end, zone=zone, files=files)
        parts.append(_valid(part, path, skip=skip_invalid))
    return _joined(kind, symbol, zone, parts)


def has_events(
    paths: Sequence[Path], start: int | None, end: int | None, *, files: Files
) -> bool:
    """Return whether a row lies in ``[start, end)``, nanoseconds UTC; its values are not looked at.

    Of a row group that lies in the range as a whole nothing is read.

    Raises
    ------
    StorageError
        If a file cannot be read; ``CorruptFileError`` if it is damaged.
    """
    for path in paths:
        with errors_named(path), closing(open_file(path, files)) as opened:
            _check_ts(opened.schema, path)
            facts = SaidFacts(opened)
            for group in _groups(facts, start, end):
                if not opened.parquet.metadata.row_group(group).num_rows:
                    continue
                first, last = int(facts.first[group]), int(facts.last[group])
                if (start is None or start <= first) and (end is None or last < end):
                    return True
                table = opened.parquet.read_row_groups([group], columns=["ts"])
                ts = arrow_instants(table["ts"], zone=UTC, name=f"{path}: column 'ts'")
                if _in_range(ts, start, end).any():
                    return True
    return False


def _read(
    kind: Kind[_Row],
    symbol: str,
    path: Path,
    start: int | None,
    end: int | None,
    *,
    zone: tzinfo,
    files: Files,
) -> Events[_Row]:
    with errors_named(path), closing(open_file(path, files)) as opened:
        names = _names(kind, opened.schema, path)
        facts = SaidFacts(opened)
        table = opened.parquet.read_row_groups(
            _groups(facts, start, end), columns=["ts", *filter(None, names.values())]
        )
        ts = arrow_instants(table["ts"], zone=UTC, name=f"{path}: column 'ts'")
        columns = {}
        for name, stored in names.items():
            values = np.zeros(len(ts))
            if stored is not None:
                label = f"{path}: column {stored!r}"
                values = arrow_floats(table[stored], name=label)
                # What is null is not there; what is NaN is wrong.
                values = np.where(table[stored].is_null().to_numpy(), 0.0, values)
            columns[name] = values
    found = Events(kind, symbol, zone, ts, columns)
    kept = _in_range(ts, start, end)
    return found if kept.all() else found.kept(kept)


def _in_range(
    ts: npt.NDArray[np.int64], start: int | None, end: int | None
) -> npt.NDArray[np.bool_]:
    kept = np.ones(len(ts), np.bool_)
    if start is not None:
        kept &= ts >= start
    if end is not None:
        kept &= ts < end
    return kept


def _names(kind: Kind[_Row], schema: pa.Schema, path: Path) -> dict[str, str | None]:
    """Return under which name the file has each number."""
    stored = schema.names
    _check_ts(schema, path)
    found: dict[str, str | None] = {}
    for name, spellings in kind.numbers.items():
        found[name] = next((s for s in spellings if s in stored), None)
        if found[name] is None and name not in kind.optional:
            near = did_you_mean(name, stored)
            text = (
                f"{path}: column {name!r} is missing; found {', '.join(stored)}{near}"
            )
            raise StorageError(text, path=str(path), expected=name)
    return found


def _check_ts(schema: pa.Schema, path: Path) -> None:
    if "ts" not in schema.names:
        text = f"{path}: column 'ts' is missing; found {', '.join(schema.names)}"
        raise StorageError(text, path=str(path), expected="ts")
    check_stamps(path, schema)


def _groups(facts: SaidFacts, start: int | None, end: int | None) -> list[int]:
    first, last = facts.first, facts.last
    kept = np.ones(len(first), np.bool_)
    if start is not None:
        kept &= last >= start
    if end is not None:
        kept &= first < end
    wanted: list[int] = np.flatnonzero(kept).tolist()
    return wanted


def _valid(events: Events[_Row], path: Path, *, skip: bool) -> Events[_Row]:
    bad = np.zeros(len(events), np.bool_)
    for name, values in events.columns.items():
        low = values <= 0 if name in events.kind.above_zero else values < 0
        wrong = ~np.isfinite(values) | low
        if wrong.any() and not skip:
            row = int(np.argmax(wrong))
            when = f"{from_ns(int(events.ts[row]), UTC):%Y-%m-%d %H:%M:%S} UTC"
            rule = "above 0" if name in events.kind.above_zero else "0 or more"
            text = f"{path}: {events.symbol}: {when}: {name} is {values[row]:g}, must be finite and {rule}"
            raise InvalidBarError(text, source=str(path), symbol=events.symbol)
        bad |= wrong
    return events.kept(~bad) if bad.any() else events
