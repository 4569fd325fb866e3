"""The exceptions of tapeloom, one tree under ``TapeloomError``.

TapeloomError
├── ArgumentError (ValueError)
│   ├── ArgumentTypeError (TypeError)
│   ├── TimestampError
│   │   ├── TimestampUnitError
│   │   ├── AmbiguousTimeError
│   │   └── NonexistentTimeError
│   ├── IntervalError
│   ├── SymbolError
│   ├── InvalidBarError
│   ├── DuplicateBarError
│   ├── SeriesConflictError
│   ├── AmbiguousIndicatorError
│   └── ConfigError
├── UnknownNameError (KeyError)
│   ├── UnknownSymbolError
│   ├── UnknownSeriesError
│   └── UnknownExchangeError
├── PlanError
├── GapError
├── CalendarError
│   └── OutOfCalendarError
├── ClockError (ValueError)
├── DataError
│   ├── StorageError
│   ├── CorruptFileError
│   ├── ImportMismatchError
│   └── MissingDataError
├── StateError (RuntimeError)
│   └── ForkedSessionError
├── AnalysisError
├── CapacityError
├── SubscriptionClosedError
├── FeedError
├── HistorySourceError
├── JournalError
│   ├── AlreadyOpenError
│   └── JournalTruncatedError
├── MissingDependencyError (ImportError)
└── InternalError

The text names the parameter, what came, the rule and the nearest good value. The facts stay readable
as attributes: ``AnalysisError("...", symbol="AAPL").symbol``.
"""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = [
    "AlreadyOpenError",
    "AmbiguousIndicatorError",
    "AmbiguousTimeError",
    "AnalysisError",
    "ArgumentError",
    "ArgumentTypeError",
    "CalendarError",
    "CapacityError",
    "ClockError",
    "ConfigError",
    "CorruptFileError",
    "DataError",
    "DuplicateBarError",
    "FeedError",
    "ForkedSessionError",
    "GapError",
    "HistorySourceError",
    "ImportMismatchError",
    "InternalError",
    "IntervalError",
    "InvalidBarError",
    "JournalError",
    "JournalTruncatedError",
    "MissingDataError",
    "MissingDependencyError",
    "NonexistentTimeError",
    "OutOfCalendarError",
    "PlanError",
    "SeriesConflictError",
    "StateError",
    "StorageError",
    "SubscriptionClosedError",
    "SymbolError",
    "TapeloomError",
    "TapeloomWarning",
    "TimestampError",
    "TimestampUnitError",
    "UnknownExchangeError",
    "UnknownNameError",
    "UnknownSeriesError",
    "UnknownSymbolError",
    "did_you_mean",
]


class TapeloomError(Exception):
    """Base of every exception that tapeloom raises on purpose.

    Parameters
    ----------
    message
        One sentence: what came, the rule, the nearest good value.
    **facts
        Values a program may want to read; each becomes an attribute.
    """

    # The layout of Exception, so that failures of the core can be told to be InternalErrors.
    __slots__ = ()

    def __init__(self, message: str = "", **facts: object) -> None:
        super().__init__(message)
        self.message = message
        self.facts = facts

    def __getattr__(self, name: str) -> object:
        facts = self.__dict__.get("facts", {})
        if name in facts:
            return facts[name]
        text = f"{type(self).__name__!r} has no attribute {name!r}"
        raise AttributeError(text)

    def __str__(self) -> str:
        # KeyError would quote the text as if it were a key.
        return self.message


class TapeloomWarning(UserWarning):
    """Something a user will want to know that is no error, such as reading a symbol nobody keeps."""


class ArgumentError(TapeloomError, ValueError):
    """An argument breaks its rule."""


class ArgumentTypeError(ArgumentError, TypeError):
    """An argument has the wrong type."""


class TimestampError(ArgumentError):
    """A time cannot be read as an instant."""


class TimestampUnitError(TimestampError):
    """An integer time is in another unit than nanoseconds."""


class AmbiguousTimeError(TimestampError):
    """A wall time that occurs twice, without saying which is meant."""


class NonexistentTimeError(TimestampError):
    """A wall time that the spring clock change leaves out."""


class IntervalError(ArgumentError):
    """An interval cannot be read."""


class SymbolError(ArgumentError):
    """A symbol is blank or unprintable."""


class InvalidBarError(ArgumentError):
    """A bar breaks a rule: NaN, high below low, a negative volume."""


class DuplicateBarError(ArgumentError):
    """A bar came twice and ``on_duplicate`` is ``"error"``."""


class SeriesConflictError(ArgumentError):
    """A second base interval, or a write into a derived series."""


class AmbiguousIndicatorError(ArgumentError):
    """An indicator was named without a symbol, and several symbols have it."""


class ConfigError(ArgumentError):
    """A configuration cannot be used; ``errors`` lists path and message of each fault."""


class UnknownNameError(TapeloomError, KeyError):
    """A name that must exist does not."""


class UnknownSymbolError(UnknownNameError):
    """No such symbol."""


class UnknownSeriesError(UnknownNameError):
    """The symbol is known, the interval is not kept."""


class UnknownExchangeError(UnknownNameError):
    """No such exchange group or calendar."""


class PlanError(TapeloomError):
    """Nothing stored serves the request."""


class GapError(TapeloomError):
    """Bars are missing, and ``on_gap="raise"`` says that a run ends with that."""


class CalendarError(TapeloomError):
    """A calendar or session table cannot be used."""


class OutOfCalendarError(CalendarError):
    """A date lies outside the session table."""


class ClockError(TapeloomError, ValueError):
    """The simulated clock was asked to go backwards."""


class DataError(TapeloomError):
    """Stored data cannot be used."""


class StorageError(DataError):
    """Writing or reading storage failed."""


class CorruptFileError(DataError):
    """A file is damaged."""


class ImportMismatchError(DataError):
    """Foreign data do not fit what they say of themselves; the text holds the evidence and the remedy."""


class MissingDataError(DataError):
    """Data that must exist do not."""


class StateError(TapeloomError, RuntimeError):
    """The call does not fit the present state."""


class ForkedSessionError(StateError):
    """A forked child used the session of its parent."""


class AnalysisError(TapeloomError):
    """The user's analysis raised; the original exception is ``__cause__``."""


class CapacityError(TapeloomError):
    """More than a configured limit allows."""


class SubscriptionClosedError(TapeloomError):
    """Somebody waited for, or used, a subscription that is closed."""


class FeedError(TapeloomError):
    """A live feed stopped for good: credentials or subscription were refused, and trying again would not help."""


class HistorySourceError(TapeloomError):
    """A source of history could not answer; the original exception is ``__cause__``."""


class JournalError(TapeloomError):
    """A journal cannot be written, or what is there cannot be trusted; nothing more is acknowledged."""


class AlreadyOpenError(JournalError):
    """Another process, or another handle of this one, has the journal open; ``owner`` says who."""


class JournalTruncatedError(JournalError):
    """A journal ends before what its witness says was acknowledged: ``last_seq`` before ``witnessed_seq``."""


class MissingDependencyError(TapeloomError, ImportError):
    """An optional package is not installed; ``extra`` names what to install."""


class InternalError(TapeloomError):
    """A defect of tapeloom itself, including a failure in its core; the session it happened in refuses to go on."""

    __slots__ = ()


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return ``"; did you mean 'x'?"`` for the nearest known name, or an empty string."""
    names = [str(k) for k in known]
    folded = {n.casefold(): n for n in names}
    near = get_close_matches(name.casefold(), folded, n=1, cutoff=0.6)
    return f"; did you mean {folded[near[0]]!r}?" if near else ""
