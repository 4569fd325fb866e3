"""One column of a table of rows: what its annotation says it holds, as an Arrow array and as a pandas column."""

from __future__ import annotations

import types
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from enum import Enum
from typing import (
    TYPE_CHECKING,
    Any,
    Literal,
    Optional,
    Union,
    get_args,
    get_origin,
)

import numpy as np

from tapeloom.tables.libraries import pandas, text_dtype, time_index
from tapeloom.timestamps import to_ns

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Column", "kind_of"]

#: Names that annotations use and that a module may import for its type checker only.
NAMES: dict[str, Any] = {
    "Any": Any,
    "Literal": Literal,
    "Mapping": Mapping,
    "Optional": Optional,
    "Sequence": Sequence,
    "Union": Union,
    "date": date,
    "datetime": datetime,
    "timedelta": timedelta,
}

_KINDS = {
    bool: "bool",
    int: "int",
    float: "float",
    str: "text",
    datetime: "time",
    date: "date",
    timedelta: "duration",
}
#: What pandas calls a column, without and with missing values.
_PANDAS = {
    "bool": ("bool", "boolean"),
    "int": ("int64", "Int64"),
    "float": ("float64", "float64"),
    "date": ("datetime64[s]", "datetime64[s]"),
    "duration": ("timedelta64[ns]", "timedelta64[ns]"),
}
_NAT = np.iinfo(np.int64).min


def kind_of(annotation: Any) -> str:
    """Return what a column holds: ``bool int float text time date duration``, or one of these behind ``list of``.

    ``None`` beside a type is left out, an enumeration is what its values are, and what has no column type of its own is
    text.
    """
    origin = get_origin(annotation)
    if origin in (Union, types.UnionType):
        kinds = {kind_of(a) for a in get_args(annotation) if a is not types.NoneType}
        if kinds == {"int", "float"}:
            return "float"
        return kinds.pop() if len(kinds) == 1 else "text"
    if origin is Literal:
        return kind_of(type(get_args(annotation)[0]))
    if origin in (tuple, list, Sequence):
        inner = {kind_of(a) for a in get_args(annotation) if a is not Ellipsis}
        return f"list of {inner.pop()}" if len(inner) == 1 else "text"
    if not isinstance(annotation, type):
        return "text"
    if issubclass(annotation, Enum):
        kinds = {kind_of(type(member.value)) for member in annotation}
        return kinds.pop() if len(kinds) == 1 else "text"
    # A datetime is a date and a bool an int; the first that fits in the order above would be wrong for neither.
    return next((_KINDS[base] for base in annotation.__mro__ if base in _KINDS), "text")


@dataclass(frozen=True, slots=True)
class Column:
    """Values of one kind, ``None`` where one is missing."""

    kind: str
    values: Sequence[Any]
    zone: tzinfo = UTC
    """In which pandas shows times."""

    def to_arrow(self) -> pa.Array:
        """Return an Arrow array; times are timestamp[ns, UTC], dates date32, durations duration[ns]."""
        import pyarrow as pa

        names = {
            "bool": pa.bool_(),
            "int": pa.int64(),
            "float": pa.float64(),
            "text": pa.string(),
            "time": pa.timestamp("ns", "UTC"),
            "date": pa.date32(),
            "duration": pa.duration("ns"),
        }
        kind, _, inner = self.kind.partition(" of ")
        if inner:
            lists = [
                v if v is None else [_plain(inner, x) for x in v] for v in self.values
            ]
            return pa.array(lists, pa.list_(names[inner]))
        return pa.array([_plain(kind, v) for v in self.values], names[kind])

    def to_pandas(self) -> Any:
        """Return what pandas makes a column of; times are aware in the zone."""
        plain = [_plain(self.kind, value) for value in self.values]
        missing = any(value is None for value in plain)
        if self.kind == "time":
            ns = [_NAT if value is None else value for value in plain]
            return time_index(np.array(ns, np.int64), self.zone, name=None)
        if self.kind == "text":
            return pandas().Series(plain, dtype=text_dtype())
        if self.kind in _PANDAS:
            return pandas().Series(plain, dtype=_PANDAS[self.kind][missing])
        return pandas().Series(plain, dtype=object)


def _plain(kind: str, value: Any) -> Any:
    """Return a value as the libraries take it: instants as ns UTC, members of enumerations as their values."""
    if value is None:
        return None
    if isinstance(value, Enum):
        value = value.value
    if kind == "time":
        return to_ns(value, UTC)
    return value if kind != "text" or isinstance(value, str) else str(value)
