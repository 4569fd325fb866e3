"""What the footer of a Parquet file says, taken from its bytes before pyarrow sees them: a damaged one is an error here.

pyarrow reads rows of a damaged file safely, but ends the process over some footers when it is asked for the facts of a
column. The encoding is the compact protocol of Thrift, the fields are those of ``parquet.thrift``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

__all__ = ["BadFooter", "Chunk", "Group", "parse_footer"]

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
_INTEGERS = (4, 5, 6)


class BadFooter(Exception):  # noqa: N818, it never leaves this room
    """The footer is not what a footer is."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """One column of a row group: where it lies, how long it is, and what its statistics say."""

    start: int
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


def parse_footer(content: bytes) -> list[Group]:
    """Return the row groups of a footer.

    Raises
    ------
    BadFooter
        If it is none.
    """
    try:
        footer = _Reader(content).struct(0)
        groups = [_group(group) for group in footer.get(4, [])]
        rows = footer[3]
    except (IndexError, KeyError, TypeError, AttributeError, ValueError) as error:
        text = "its footer cannot be read"
        raise BadFooter(text) from error
    if sum(group.rows for group in groups) != rows:
        text = f"its footer says {rows} rows, its row groups have {sum(g.rows for g in groups)}"
        raise BadFooter(text)
    return groups


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
        chunks[name] = Chunk(
            # A writer without a dictionary may say that it lies at 0.
            start or about[9],
            _integer(about[7]),
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


class _Reader:
    """Reads values one after the other; running over the end is an IndexError."""

    __slots__ = ("_at", "_content")

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._at = 0

    def struct(self, depth: int) -> dict[int, _Value]:
        if depth > _MOST_DEPTH:
            text = "its footer is nested too deeply"
            raise BadFooter(text)
        content, number = self._content, 0
        fields: dict[int, _Value] = {}
        while True:
            head = content[self._at]
            self._at += 1
            if not head:
                return fields
            number = number + (head >> 4) if head >> 4 else self._integer()
            fields[number] = self._value(head & 15, depth)

    def _value(self, kind: int, depth: int) -> _Value:
        if kind in _INTEGERS:
            return self._integer()
        if kind == _BINARY:
            return self._take(self._unsigned())
        if kind == _STRUCT:
            return self.struct(depth + 1)
        if kind in (_LIST, _SET):
            return self._list(depth + 1)
        if kind in (_TRUE, _FALSE):
            return kind == _TRUE
        if kind == _DOUBLE:
            return self._take(8)
        if kind == _BYTE:
            return self._take(1)[0]
        if kind == _MAP:
            return self._map(depth + 1)
        text = f"its footer holds a value of kind {kind}, which there is not"
        raise BadFooter(text)

    def _list(self, depth: int) -> list[_Value]:
        head = self._take(1)[0]
        length, kind = head >> 4, head & 15
        if length == 15:
            length = self._unsigned()
        self._check_length(length, depth)
        if kind in (_TRUE, _FALSE):
            # In a list a byte each.
            return [byte == _TRUE for byte in self._take(length)]
        return [self._value(kind, depth) for _ in range(length)]

    def _map(self, depth: int) -> list[tuple[_Value, _Value]]:
        length = self._unsigned()
        self._check_length(length, depth)
        if not length:
            return []
        kinds = self._take(1)[0]
        return [
            (self._value(kinds >> 4, depth), self._value(kinds & 15, depth))
            for _ in range(length)
        ]

    def _check_length(self, length: int, depth: int) -> None:
        # Each element takes a byte at least.
        if length > len(self._content) - self._at or depth > _MOST_DEPTH:
            text = f"its footer holds a list of {length} elements, more than there is room for"
            raise BadFooter(text)

    def _take(self, length: int) -> bytes:
        end = self._at + length
        if end > len(self._content):
            text = "its footer ends too early"
            raise BadFooter(text)
        found = self._content[self._at : end]
        self._at = end
        return found

    def _integer(self) -> int:
        found = self._unsigned()
        return (found >> 1) ^ -(found & 1)

    def _unsigned(self) -> int:
        content, found, shift = self._content, 0, 0
        while True:
            byte = content[self._at]
            self._at += 1
            found |= (byte & 127) << shift
            if byte < 128:
                return found
            shift += 7
            if shift > 63:
                text = "its footer holds a number of more than 64 bits"
                raise BadFooter(text)
