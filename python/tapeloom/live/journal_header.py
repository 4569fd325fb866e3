"""What records of a journal mean: their kinds, and the header that says whose session it is."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from enum import IntEnum
from typing import TYPE_CHECKING, Any

from tapeloom.errors import ArgumentError, ArgumentTypeError, JournalError
from tapeloom.session_data import SessionData

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tapeloom.calendars.time_manager import TimeManager

__all__ = ["CLEARED", "STATES", "WHILE_LIVE", "Header", "Kind", "Offer", "Patience"]

#: What a status or a clearing is called by its number in the journal.
STATES = ("halted", "trading", "closed")
CLEARED = ("session", "history", "all")
#: Added to the number of an offer that came while somebody else moved the clock of the session.
WHILE_LIVE = 8

_NUMBERS = {"max_symbols"}
_FLAGS = {
    "allow_negative_prices",
    "strict",
    "measure_session_quality",
    "measure_history_quality",
}
_POLICIES = {
    "on_duplicate",
    "on_invalid",
    "completeness",
    "anchor",
    "extended_hours",
    "no_trade",
}


class Kind(IntEnum):
    """What a record says happened."""

    HEADER = 1
    SYMBOL = 2
    REGISTER = 3
    REMOVE = 4
    SESSION_START = 5
    SESSION_END = 6
    BAR = 7
    CORRECTION = 8
    STATUS = 9
    CONNECTION = 10
    CLEAR = 11
    HOLE = 12
    CLOCK = 13


class Offer(IntEnum):
    """How bars were offered: one by one, as a batch with a rule for invalid rows, or together in a step of a live session."""

    BAR = 0
    BATCH = 1
    BATCH_ERROR = 2
    BATCH_SKIP = 3
    STEP = 4


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a live session waits for bars, and by how much it believes their times.

    Raises
    ------
    ArgumentError
        If one is no whole number of nanoseconds from 0 on.
    """

    grace_ns: int
    """How long a bucket that lacks bars at its end waits for them, ns."""
    tolerance_ns: int
    """By how much the end of a bar may lie after the clock, ns."""

    def __post_init__(self) -> None:
        for name in ("grace_ns", "tolerance_ns"):
            given = getattr(self, name)
            if type(given) is not int or not 0 <= given < 1 << 63:
                text = f"{name} is {given!r}; it must be a whole number of nanoseconds from 0 on, such as 2_000_000_000"
                raise ArgumentError(text, got=given)


@dataclass(frozen=True, slots=True)
class Header:
    """The first record of each file: whose session it is, by which rules and calendar."""

    exchange_group: str
    fingerprint: str
    policies: Mapping[str, Any]
    patience: Patience | None = None
    """How its live session took steps; ``None`` where it takes none."""
    config: Mapping[str, Any] = field(default_factory=dict)
    """What the session was configured with; empty where nothing was said."""

    @classmethod
    def of(
        cls,
        session: SessionData,
        patience: Patience | None = None,
        config: Mapping[str, Any] | None = None,
    ) -> Header:
        """Describe a session."""
        policies: dict[str, Any] = {}
        for name, given in session.policies.items():
            if name in _FLAGS:
                policies[name] = given == "True"
            elif name in _NUMBERS:
                policies[name] = int(given)
            elif name in _POLICIES:
                policies[name] = given
        policies["strict"] = session._strict
        for scope, measured in session._measures.items():
            policies[f"measure_{scope}_quality"] = measured
        policies["historical_bars_trailing_days"] = (
            session.historical_bars_trailing_days
        )
        return cls(
            session.exchange_group,
            session.session_table.fingerprint,
            policies,
            patience,
            dict(config or {}),
        )

    def text(self) -> str:
        """Return it as the text of a record; ``ArgumentTypeError`` if the configuration is no JSON."""
        said: dict[str, Any] = {
            "exchange_group": self.exchange_group,
            "table_fingerprint": self.fingerprint,
            "policies": dict(self.policies),
        }
        if self.patience is not None:
            said["live"] = asdict(self.patience)
        if self.config:
            said["config"] = dict(self.config)
        try:
            return json.dumps(said, sort_keys=True, allow_nan=False)
        except (TypeError, ValueError) as error:
            text = f"config cannot be written as JSON: {error}"
            raise ArgumentTypeError(text, got=self.config) from error

    @classmethod
    def read(cls, text: str, path: object) -> Header:
        """Read the text of a record; ``JournalError`` if it is none of ours."""
        try:
            said = json.loads(text)
            group, fingerprint = said["exchange_group"], said["table_fingerprint"]
            policies, config = dict(said["policies"]), dict(said.get("config", {}))
            live = said.get("live")
            patience = None if live is None else Patience(**live)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            refusal = f"{path}: the header of the journal cannot be read: {error!r}"
            raise JournalError(refusal, path=path) from error
        known = _FLAGS | _NUMBERS | _POLICIES | {"historical_bars_trailing_days"}
        if (
            not isinstance(group, str)
            or not isinstance(fingerprint, str)
            or not policies.keys() <= known
        ):
            odd = sorted(policies.keys() - known)
            refusal = f"{path}: the header of the journal has values that it cannot have: {odd or said!r}"
            raise JournalError(refusal, path=path)
        return cls(group, fingerprint, policies, patience, config)

    def session(self, time_manager: TimeManager | None, path: object) -> SessionData:
        """Make an empty session of the same rules, if the calendar is still the same."""
        session = SessionData(
            self.exchange_group, time_manager=time_manager, **self.policies
        )
        self.require_calendar(session, path)
        return session

    def require_calendar(self, session: SessionData, path: object) -> None:
        """Refuse a session with another calendar: its grid, and so its derived bars, could be others."""
        found = session.session_table.fingerprint
        if found != self.fingerprint:
            text = f"{path}: was written with session table {self.fingerprint}, and {self.exchange_group} has {found} now"
            text += "; give the time_manager of that session, with its corrections"
            raise JournalError(text, path=path, expected=self.fingerprint, got=found)
