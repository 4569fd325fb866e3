"""Finds what JSON cannot hold in a configuration given as a dict, and what is too deep or too much of it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import date, datetime

from tapeloom.json_file import Fault

__all__ = ["MOST_DEPTH", "MOST_VALUES", "broken_values"]

MOST_DEPTH = 64
MOST_VALUES = 1_000_000
_MOST_FAULTS = 100

Path = tuple[str | int, ...]


def broken_values(given: object) -> tuple[list[Fault], bool]:
    """Return the faults of the values below one, and whether it is small enough to be looked at further.

    Works without recursion, so that no depth of nesting ends it.
    """
    faults: list[Fault] = []
    # A stack of what is still to be looked at; the last one comes first.
    waiting: list[tuple[Path, object]] = [((), given)]
    seen = 0
    while waiting:
        path, value = waiting.pop()
        seen += 1
        if seen > MOST_VALUES:
            return [Fault((), f"holds more than {MOST_VALUES:,} values")], False
        inner = _inner(path, value, faults)
        if inner and len(path) >= MOST_DEPTH:
            text = f"nested more than {MOST_DEPTH} levels deep"
            # The whole path would be longer than the file.
            return [Fault(path[:4], text)], False
        waiting += reversed(inner)
        if len(faults) >= _MOST_FAULTS:
            break
    return faults, True


def _inner(path: Path, value: object, faults: list[Fault]) -> list[tuple[Path, object]]:
    """Note what is wrong with a value itself and return what lies in it."""
    if isinstance(value, Mapping):
        inner: list[tuple[Path, object]] = []
        for key, item in value.items():
            if isinstance(key, str) and _is_text(key):
                inner.append(((*path, key), item))
            else:
                faults.append(Fault(path, f"key {key!r} is no text"))
        return inner
    if isinstance(value, (list, tuple)):
        return [((*path, at), item) for at, item in enumerate(value)]
    if isinstance(value, str):
        if not _is_text(value):
            faults.append(Fault(path, f"{value!r} holds half a character"))
    elif isinstance(value, float):
        if not math.isfinite(value):
            faults.append(Fault(path, f"{value} is not a finite number"))
    elif not _is_plain(value):
        text = f"{type(value).__name__} is nothing that JSON can hold"
        faults.append(Fault(path, text))
    return []


def _is_plain(value: object) -> bool:
    if isinstance(value, date):
        return not isinstance(value, datetime)
    return value is None or isinstance(value, (bool, int))


def _is_text(value: str) -> bool:
    # JSON can spell half of a surrogate pair, which no file in UTF-8 can hold.
    return value.isascii() or not any("\ud800" <= c <= "\udfff" for c in value)
