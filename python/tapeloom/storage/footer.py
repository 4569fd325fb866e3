"""What the footer of a Parquet file says, taken from its bytes before pyarrow sees them: a damaged one is an error here.

pyarrow reads rows of a damaged file safely, but ends the process over some footers when it is asked for the facts of a
column. The encoding is the compact protocol of Thrift, the fields are those of ``parquet.thrift``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

__all__ = ["BadFooter", "Chunk", "Footer", "Group", "parse_footer"]

#: Fields of a struct by number, elements of a list, numbers, texts as bytes.
_Value: TypeAlias = Any
_MOST_DEPTH = 16
_TRUE, _FALSE, _BYTE, _DOUBLE, _BINARY, _LIST, _SET, _MAP, _STRUCT = (
    1,
    2,
    3,
    7,
    8,
    9,
    10,
    11,
    12,
)
_INTEGERS = frozenset({4, 5, 6})
# Nanoseconds by the number of the unit in a logical type, and by that of the older type it stands beside.
_LOGICAL_UNITS = {1: 10**6, 2: 10**3, 3: 1}
_CONVERTED_UNITS = {9: 10**6, 10: 10**3}


class BadFooter(Exception):  # noqa: N818, it never leaves this room
    """The footer is not what a footer is."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """One column of a row group: where it lies, how long it is, and what its statistics say.

    ``end`` is where the last of its bytes lies, those of its indexes and filters included.
    """

    start: int
    end: int
    packed: int
    unpacked: int
    values: int
    nulls: int | None
    smallest: bytes | None
    largest: bytes | None


@dataclass(frozen=True, slots=True)
class Group:
    """One row group; columns by name, those of nested types by their names with dots."""

    rows: int
    chunks: dict[str, Chunk]


@dataclass(frozen=True, slots=True)
class Footer:
    """Row groups, and the nanoseconds that a raw value of each column of timestamps counts; none of nested types."""

    groups: list[Group]
    units: dict[str, int]


def parse_footer(content: bytes) -> Footer:
    """Return what a footer says.

    Raises
    ------
    BadFooter
        If it is none.
    """
    try:
        footer, _ = _struct(content, 0, 0)
        groups = [_group(group) for group in footer.get(4, [])]
        units = _units(footer[2])
        rows = footer[3]
    except (IndexError, KeyError, TypeError, AttributeError, ValueError) as error:
        text = "its footer cannot be read"
        raise BadFooter(text) from error
    if sum(group.rows for group in groups) != rows:
        text = f"its footer says {rows} rows, its row groups have {sum(g.rows for g in groups)}"
        raise BadFooter(text)
    return Footer(groups, units)


def _units(elements: _Value) -> dict[str, int]:
    """Return the units of the timestamps among the elements of a schema, which stand in order of depth first."""
    units: dict[str, int] = {}
    # Children that are still to come, of each element around.
    around: list[int] = []
    for element in elements[1:]:
        if around:
            around[-1] -= 1
        else:
            unit = _unit(element)
            if unit is not None:
                units[element[4].decode("utf-8")] = unit
        around.append(_integer(element.get(5, 0)))
        while around and around[-1] <= 0:
            around.pop()
    return units


def _unit(element: _Value) -> int | None:
    stamp = element.get(10, {}).get(8)
    if stamp is None:
        return _CONVERTED_UNITS.get(element.get(6))
    (unit,) = stamp[2]
    return _LOGICAL_UNITS.get(unit)


def _group(fields: _Value) -> Group:
    chunks = {}
    for column in fields[1]:
        if 1 in column:
            text = "its columns lie in other files"
            raise BadFooter(text)
        about = column[3]
        name = b".".join(about[3]).decode("utf-8")
        statistics = about.get(12, {})
        start = min(_integer(about[9]), _integer(about.get(11, about[9])))
        nulls = statistics.get(3)
        # A writer without a dictionary may say that it lies at 0.
        start, packed = start or about[9], _integer(about[7])
        beside = (
            (column.get(4), column.get(5)),
            (column.get(6), column.get(7)),
            (about.get(14), about.get(15)),
        )
        chunks[name] = Chunk(
            start,
            max([start + packed, *(a + n for a, n in beside if a and n)]),
            packed,
            _integer(about[6]),
            _integer(about[5]),
            None if nulls is None else _integer(nulls),
            _bytes(statistics.get(6, statistics.get(2))),
            _bytes(statistics.get(5, statistics.get(1))),
        )
    return Group(_integer(fields[3]), chunks)


def _integer(value: _Value) -> int:
    # Truth values are no numbers here.
    if type(value) is not int:
        raise TypeError
    return value


def _bytes(value: _Value) -> bytes | None:
    if value is not None and not isinstance(value, bytes):
        raise TypeError
    return value


# Written out and flat, since it is met in every file: a position goes in, and value and next position come out. Running
# over the end is an IndexError.


def _struct(content: bytes, at: int, depth: int) -> tuple[dict[int, _Value], int]:
    fields: dict[int, _Value] = {}
    number = 0
    while True:
        head = content[at]
        at += 1
        if not head:
            return fields, at
        kind, step = head & 15, head >> 4
        if step:
            number += step
        else:
            number, at = _signed(content, at)
        if kind in _INTEGERS:
            byte = content[at]
            if byte < 128:
                # Most numbers are small.
                fields[number] = (byte >> 1) ^ -(byte & 1)
                at += 1
            else:
                fields[number], at = _signed(content, at)
        else:
            fields[number], at = _value(content, at, kind, depth)


def _value(content: bytes, at: int, kind: int, depth: int) -> tuple[_Value, int]:
    if kind == _BINARY:
        length, at = _unsigned(content, at)
        return _bytes_at(content, at, length), at + length
    if kind == _STRUCT:
        return _struct(content, at, _deeper(depth))
    if kind in (_LIST, _SET):
        return _list(content, at, _deeper(depth))
    if kind in (_TRUE, _FALSE):
        return kind == _TRUE, at
    if kind in _INTEGERS:
        return _signed(content, at)
    if kind == _DOUBLE:
        return _bytes_at(content, at, 8), at + 8
    if kind == _BYTE:
        return content[at], at + 1
    if kind == _MAP:
        return _map(content, at, _deeper(depth))
    text = f"its footer holds a value of kind {kind}, which there is not"
    raise BadFooter(text)


def _list(content: bytes, at: int, depth: int) -> tuple[list[_Value], int]:
    head = content[at]
    length, kind, at = head >> 4, head & 15, at + 1
    if length == 15:
        length, at = _unsigned(content, at)
    # Each element takes a byte at least; truth values are a byte each here.
    raw = _bytes_at(content, at, length)
    if kind in (_TRUE, _FALSE):
        return [byte == _TRUE for byte in raw], at + length
    found = []
    for _ in range(length):
        value, at = _value(content, at, kind, depth)
        found.append(value)
    return found, at


def _map(content: bytes, at: int, depth: int) -> tuple[list[_Value], int]:
    length, at = _unsigned(content, at)
    if not length:
        return [], at
    kinds = _bytes_at(content, at, length + 1)[0]
    at += 1
    found = []
    for _ in range(length):
        for kind in (kinds >> 4, kinds & 15):
            value, at = _value(content, at, kind, depth)
            found.append(value)
    return found, at


def _bytes_at(content: bytes, at: int, length: int) -> bytes:
    found = content[at : at + length]
    if len(found) != length:
        text = f"its footer should go on for {length} bytes and ends"
        raise BadFooter(text)
    return found


def _deeper(depth: int) -> int:
    if depth >= _MOST_DEPTH:
        text = "its footer is nested too deeply"
        raise BadFooter(text)
    return depth + 1


def _signed(content: bytes, at: int) -> tuple[int, int]:
    found, at = _unsigned(content, at)
    return (found >> 1) ^ -(found & 1), at


def _unsigned(content: bytes, at: int) -> tuple[int, int]:
    found = shift = 0
    while True:
        byte = content[at]
        at += 1
        found |= (byte & 127) << shift
        if byte < 128:
            return found, at
        shift += 7
        if shift > 63:
            text = "its footer holds a number of more than 64 bits"
            raise BadFooter(text)
