"""Reads one JSON object from a file, strictly: no duplicate keys, no NaN, no huge file. Knows no configuration."""

from __future__ import annotations

import json
import math
from collections import Counter
from typing import TYPE_CHECKING, Any

from tapeloom.config.faults import Fault, config_error

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["LARGEST_FILE", "read_object"]

LARGEST_FILE = 2**20


class _Repeating(dict[str, Any]):
    """An object in which a key came more than once."""

    repeated: tuple[str, ...] = ()


class _NotFinite:
    """Stands where the file has a number that JSON does not know, until its path is told."""

    def __init__(self, text: str) -> None:
        self.text = text


def read_object(path: Path) -> tuple[dict[str, Any], list[Fault]]:
    """Return the object in a file, and what breaks the rules of JSON in it.

    Parameters
    ----------
    path
        A file in UTF-8 with one JSON object, at most 1 MiB.

    Returns
    -------
    dict
        The object; where a key came twice, its last value; where a number is not finite, ``None``.
    list
        One fault per repeated key and per number that is not finite.

    Raises
    ------
    ConfigError
        If the file is missing, too large, not UTF-8, or no JSON object.
    """
    text = _read_text(path)
    try:
        value = json.loads(
            text,
            object_pairs_hook=_object,
            parse_constant=_NotFinite,
            parse_float=_number,
        )
    except json.JSONDecodeError as error:
        reason = (
            f"not JSON: line {error.lineno}, column {error.colno}: {_lower(error.msg)}"
        )
        raise config_error(path.name, [Fault((), reason)]) from error
    except RecursionError as error:
        raise config_error(path.name, [Fault((), "nested too deeply")]) from error
    except ValueError as error:
        # Python refuses to read integers of thousands of digits.
        reason = f"not JSON: {_lower(str(error))}"
        raise config_error(path.name, [Fault((), reason)]) from error
    if not isinstance(value, dict):
        reason = f"the top level is {_kind(value)}; it must be an object: {{...}}"
        raise config_error(path.name, [Fault((), reason)])
    faults: list[Fault] = []
    return _clean(value, (), faults), faults


def _read_text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            raw = file.read(LARGEST_FILE + 1)
    except FileNotFoundError as error:
        reason = "no such file; give the path of a JSON file"
        raise config_error(str(path), [Fault((), reason)]) from error
    except OSError as error:
        reason = f"cannot be read: {_lower(error.strerror or str(error))}"
        raise config_error(str(path), [Fault((), reason)]) from error
    if len(raw) > LARGEST_FILE:
        reason = "larger than 1 MiB; a configuration is a small JSON file"
        raise config_error(path.name, [Fault((), reason)])
    try:
        # Some editors put a byte order mark in front.
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        reason = f"not UTF-8 at byte {error.start}; save the file as UTF-8"
        raise config_error(path.name, [Fault((), reason)]) from error


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = _Repeating(pairs)
    if len(found) < len(pairs):
        times = Counter(key for key, _ in pairs)
        found.repeated = tuple(key for key, count in times.items() if count > 1)
    return found


def _number(text: str) -> float | _NotFinite:
    value = float(text)
    return value if math.isfinite(value) else _NotFinite(text)


def _clean(value: Any, path: tuple[str | int, ...], faults: list[Fault]) -> Any:
    """Return the value in plain types and note its faults; recursion is as deep as the reader's was."""
    if isinstance(value, _NotFinite):
        faults.append(Fault(path, f"{value.text} is not a finite number"))
        return None
    if isinstance(value, list):
        return [_clean(item, (*path, i), faults) for i, item in enumerate(value)]
    if isinstance(value, _Repeating):
        faults += [Fault((*path, key), "key comes twice") for key in value.repeated]
        return {key: _clean(item, (*path, key), faults) for key, item in value.items()}
    return value


def _kind(value: object) -> str:
    names = {list: "a list", str: "a text", bool: "true or false", type(None): "null"}
    return names.get(type(value), "a number")


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:]
