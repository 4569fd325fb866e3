"""Reads one JSON object from a file, strictly: no duplicate keys, no NaN, no huge file. Knows nothing of its content."""

from __future__ import annotations

import json
import math
from collections import Counter
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from tapeloom.errors import TapeloomError

    Failure: TypeAlias = Callable[[str, Iterable["Fault"]], TapeloomError]

__all__ = ["LARGEST_FILE", "Fault", "listed", "read_object"]

LARGEST_FILE = 2**20


class Fault(NamedTuple):
    """One fault: keys and positions from the top, and what is wrong there."""

    path: tuple[str | int, ...]
    message: str

    @property
    def where(self) -> str:
        """The path as text, such as ``session_data_config.symbols[2]``."""
        text = ""
        for part in self.path:
            text += f"[{part}]" if isinstance(part, int) else f".{part}"
        return text.removeprefix(".")


def listed(name: str, faults: Iterable[Fault]) -> str:
    """Return the text that lists faults, a line each."""
    found = list(dict.fromkeys(faults))
    number = "1 error" if len(found) == 1 else f"{len(found)} errors"
    lines = [f"{f.where}: {f.message}" if f.path else f.message for f in found]
    return "\n  ".join([f"{name}: {number}", *lines])


class _Repeating(dict[str, Any]):
    """An object in which a key came more than once."""

    repeated: tuple[str, ...] = ()


class _NotFinite:
    """Stands where the file has a number that JSON does not know, until its path is told."""

    def __init__(self, text: str) -> None:
        self.text = text


def read_object(path: Path, failure: Failure) -> tuple[dict[str, Any], list[Fault]]:
    """Return the object in a file, and what breaks the rules of JSON in it.

    Parameters
    ----------
    path
        A file in UTF-8 with one JSON object, at most 1 MiB.
    failure
        Makes the error from the name of the file and its faults.

    Returns
    -------
    dict
        The object; where a key came twice, its last value; where a number is not finite, ``None``.
    list
        One fault per repeated key and per number that is not finite.

    Raises
    ------
    TapeloomError
        As ``failure`` makes it, if the file is missing, too large, not UTF-8, or no JSON object.
    """
    text = _read_text(path, failure)
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
        raise failure(path.name, [Fault((), reason)]) from error
    except RecursionError as error:
        raise failure(path.name, [Fault((), "nested too deeply")]) from error
    except ValueError as error:
        # Python refuses to read integers of thousands of digits.
        reason = f"not JSON: {_lower(str(error))}"
        raise failure(path.name, [Fault((), reason)]) from error
    if not isinstance(value, dict):
        reason = f"the top level is {_kind(value)}; it must be an object: {{...}}"
        raise failure(path.name, [Fault((), reason)])
    faults: list[Fault] = []
    try:
        return _clean(value, (), faults), faults
    except RecursionError as error:
        raise failure(path.name, [Fault((), "nested too deeply")]) from error


def _read_text(path: Path, failure: Failure) -> str:
    try:
        with path.open("rb") as file:
            raw = file.read(LARGEST_FILE + 1)
    except FileNotFoundError as error:
        reason = "no such file; give the path of a JSON file"
        raise failure(str(path), [Fault((), reason)]) from error
    except OSError as error:
        reason = f"cannot be read: {_lower(error.strerror or str(error))}"
        raise failure(str(path), [Fault((), reason)]) from error
    if len(raw) > LARGEST_FILE:
        reason = "larger than 1 MiB; a small JSON file is expected"
        raise failure(path.name, [Fault((), reason)])
    try:
        # Some editors put a byte order mark in front.
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        reason = f"not UTF-8 at byte {error.start}; save the file as UTF-8"
        raise failure(path.name, [Fault((), reason)]) from error


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
    """Return the value in plain types and note its faults."""
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
