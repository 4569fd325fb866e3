"""What can be made to go wrong, as values: read from JSON, checked before anything happens."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from tapeloom.bars import normalise_symbol
from tapeloom.errors import ArgumentError, ArgumentTypeError, ConfigError, did_you_mean
from tapeloom.json_file import listed, read_object
from tapeloom.timestamps import to_ns

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tapeloom.timestamps import TimestampLike

__all__ = ["KINDS", "Fault", "fault_of", "read_faults"]

KINDS = {
    "drop": "the next bars are not streamed; the history has them",
    "delay": "the next bars come later, behind bars that are newer",
    "duplicate": "the next bars come twice",
    "reorder": "the next bars of a symbol are held and come newest first",
    "correct": "the next bars come with other values, and later as updated bars with those of the recording",
    "halt": "symbols are halted: a status, no bars that start meanwhile, nor in the history, and a status at the end",
    "slow": "nothing is sent for a while, then all of it at once",
    "garbage": "a frame that cannot be read, see what",
    "oversized": "a message of many bytes",
    "disconnect": "connections break, and new ones are turned away for a while; the history too, see what",
    "refuse": "the next attempts are turned away, see what",
}
"""The faults, and what each of them does."""

_WHAT = {
    "disconnect": ("stream", "all"),
    "garbage": ("bytes", "shape", "values"),
    "refuse": ("http", "auth", "connections", "subscription", "history"),
}
_SECONDS = {
    "delay": 90.0,
    "correct": 30.0,
    "halt": 300.0,
    "slow": 60.0,
    "disconnect": 60.0,
}
_COUNTED = ("drop", "delay", "duplicate", "reorder", "correct", "refuse")
_COUNT = {"reorder": 2}
_OVERSIZED = 8 * 2**20


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault.

    Parameters
    ----------
    kind
        One of ``KINDS``.
    at
        When it begins, in market time; a naive time is wall time of the exchange. ``None`` is at once.
    symbols
        Whose bars; empty for all. ``halt`` needs them.
    count
        How many bars, or how many attempts for ``refuse``; by default 1, for ``reorder`` 2.
    seconds
        How long, in market time; by default 90 for ``delay``, 30 for ``correct``, 300 for ``halt``, 60 for ``slow`` and
        ``disconnect``.
    what
        For ``disconnect``: the ``"stream"`` (default), or ``"all"``, as where the network is down: the history answers
        nobody either. For ``garbage``: ``"bytes"`` that are no message (default), a message of another ``"shape"``, or a bar whose
        ``"values"`` are text. For ``refuse``: the handshake by ``"http"`` (default), the keys by ``"auth"``, one more of
        the ``"connections"``, the ``"subscription"``, or requests of ``"history"``.
    size
        Bytes of an ``oversized`` message.

    Raises
    ------
    ArgumentError
        If a value breaks its rule or does not belong to this kind; ``ArgumentTypeError`` if it has the wrong type.
    """

    kind: str
    at: TimestampLike | None = None
    symbols: tuple[str, ...] = ()
    count: int | None = None
    seconds: float | None = None
    what: str = ""
    size: int = _OVERSIZED

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            near = did_you_mean(str(self.kind), KINDS)
            text = f"fault is {self.kind!r}; it must be one of {', '.join(KINDS)}{near}"
            raise ArgumentError(text, got=self.kind)
        if self.at is not None:
            # Whatever the zone of a time without one turns out to be: it is a time.
            to_ns(self.at, UTC, name="at")
        if isinstance(self.symbols, str):
            text = f"symbols is {self.symbols!r}; give a list such as ['AAPL']"
            raise ArgumentTypeError(text, got=self.symbols)
        names = tuple(normalise_symbol(symbol) for symbol in self.symbols)
        object.__setattr__(self, "symbols", names)
        if self.kind == "halt" and not names:
            raise ArgumentError("halt needs symbols, such as ['AAPL']")
        self._check_count()
        self._check_seconds()
        self._check_what()
        _require_whole("size", self.size, least=1)

    @property
    def seconds_ns(self) -> int:
        """How long it lasts, in nanoseconds."""
        return round((self.seconds or 0.0) * 1e9)

    def concerns(self, symbol: str) -> bool:
        """Whether a symbol's bars are meant."""
        return not self.symbols or symbol in self.symbols

    def _check_count(self) -> None:
        if self.count is None:
            if self.kind in _COUNTED:
                object.__setattr__(self, "count", _COUNT.get(self.kind, 1))
            return
        if self.kind not in _COUNTED:
            text = f"count does not belong to {self.kind!r}; it is for {', '.join(_COUNTED)}"
            raise ArgumentError(text, got=self.count)
        _require_whole("count", self.count, least=_COUNT.get(self.kind, 1))

    def _check_seconds(self) -> None:
        if self.seconds is None:
            object.__setattr__(self, "seconds", _SECONDS.get(self.kind))
            return
        if self.kind not in _SECONDS:
            text = f"seconds does not belong to {self.kind!r}; it is for {', '.join(_SECONDS)}"
            raise ArgumentError(text, got=self.seconds)
        is_number = isinstance(self.seconds, int | float) and not isinstance(
            self.seconds, bool
        )
        if not is_number or not math.isfinite(self.seconds) or self.seconds <= 0:
            text = f"seconds is {self.seconds!r}; it must be a finite number above 0"
            raise ArgumentError(text, got=self.seconds)

    def _check_what(self) -> None:
        words = _WHAT.get(self.kind, ())
        if not self.what and words:
            object.__setattr__(self, "what", words[0])
        elif self.what not in ("", *words):
            near = did_you_mean(str(self.what), words)
            rule = f"one of {', '.join(words)}" if words else "left out"
            text = f"what is {self.what!r}; for {self.kind!r} it must be {rule}{near}"
            raise ArgumentError(text, got=self.what)


def fault_of(given: Mapping[str, Any]) -> Fault:
    """Return a fault from its JSON: ``{"fault": "drop", "at": "2025-07-02T14:00:00Z", "symbols": ["AAPL"]}``.

    Raises
    ------
    ArgumentError
        As ``Fault``; also for a key it does not have.
    """
    known = ["fault", *(f.name for f in fields(Fault) if f.name != "kind")]
    for key in given:
        if key not in known:
            near = did_you_mean(str(key), known)
            text = f"unknown key {key!r}; a fault has {', '.join(known)}{near}"
            raise ArgumentError(text, got=key)
    found = {key: value for key, value in given.items() if key != "fault"}
    if found.get("at") is not None:
        found["at"] = _instant(found["at"])
    if "symbols" in found:
        if not isinstance(found["symbols"], list):
            text = (
                f"symbols is {found['symbols']!r}; it must be a list such as ['AAPL']"
            )
            raise ArgumentTypeError(text, got=found["symbols"])
        found["symbols"] = tuple(found["symbols"])
    return Fault(given.get("fault", ""), **found)


def read_faults(path: Path) -> tuple[Fault, ...]:
    """Return the faults of a file: a JSON object with a list ``faults``.

    Raises
    ------
    ConfigError
        If it cannot be read as such; lists all that is wrong.
    """
    from tapeloom.json_file import Fault as Finding

    def failure(name: str, found: Any) -> ConfigError:
        every = list(found)
        return ConfigError(listed(name, every), errors=every)

    held, wrong = read_object(path, failure)
    entries = held.get("faults")
    if not isinstance(entries, list) or set(held) != {"faults"}:
        wrong.append(Finding((), 'must be an object such as {"faults": [...]}'))
        entries = []
    faults = []
    for number, entry in enumerate(entries):
        try:
            faults.append(fault_of(entry if isinstance(entry, dict) else {}))
        except ArgumentError as error:
            wrong.append(Finding(("faults", number), str(error)))
    if wrong:
        raise failure(str(path), wrong)
    return tuple(faults)


def _instant(value: object) -> datetime:
    try:
        return datetime.fromisoformat(str(value))
    except ValueError:
        text = f"at is {value!r}; it must be a time such as '2025-07-02T10:00:00', or with its zone"
        raise ArgumentError(text, got=value) from None


def _require_whole(name: str, value: object, *, least: int) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        text = f"{name} is {value!r}; it must be a whole number, {least} or more"
        raise ArgumentError(text, got=value)
