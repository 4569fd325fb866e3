"""The rows of a check: one per series, one per session of a series, findings, and jumps that look like splits."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from tapeloom.tables.table import Table

__all__ = [
    "Finding",
    "Findings",
    "SessionCheck",
    "SessionChecks",
    "SplitHint",
    "SplitHints",
    "SymbolCheck",
    "SymbolChecks",
]


@dataclass(frozen=True, slots=True)
class SessionCheck:
    """One session of one series.

    ``expected``, ``present`` and ``missing`` count the bars of regular hours, ``gaps`` the runs of missing ones, of which
    ``longest_gap`` is the largest. The other counts are rows: all of the date, those before the open, from the close on
    and in a break, those between two expected starts, those that came twice, and those of regular hours without volume.
    """

    symbol: str
    interval: str
    session: date
    bars: int
    expected: int
    present: int
    missing: int
    gaps: int
    longest_gap: int
    before_open: int
    at_or_after_close: int
    in_break: int
    off_grid: int
    duplicates: int
    zero_volume: int


@dataclass(frozen=True, slots=True)
class SymbolCheck:
    """One series: the sums of its sessions, and what belongs to no session.

    ``sessions`` counts those from the first bar to the last, or of the dates asked for, ``empty_sessions`` those of them
    without any bar. ``conflicts`` are the ``duplicates`` with other values than the row before, ``outside_trading`` rows
    outside pre-market and post-market hours too, ``no_session`` rows on dates without a session, ``invalid`` rows that
    break a rule of a bar and were left out, ``unsorted`` rows that were put in order.
    """

    symbol: str
    interval: str
    bars: int
    first: datetime | None
    last: datetime | None
    sessions: int
    empty_sessions: int
    expected: int
    present: int
    missing: int
    gaps: int
    longest_gap: int
    before_open: int
    at_or_after_close: int
    in_break: int
    outside_trading: int
    no_session: int
    off_grid: int
    duplicates: int
    conflicts: int
    zero_volume: int
    invalid: int
    unsorted: int

    @property
    def quality(self) -> float | None:
        """Present of expected bars in percent; ``None`` where none is expected."""
        return 100.0 * self.present / self.expected if self.expected else None


@dataclass(frozen=True, slots=True)
class Finding:
    """Something to know about one series, in a sentence.

    ``kind`` is a word to filter by, such as ``"missing"``. ``is_problem`` tells what makes data wrong or incomplete from
    what is only worth knowing. ``count`` says how many bars, sessions or files it is about. What was found in a file of
    another tool has no ``interval``, and no ``symbol`` where the file holds several or none.
    """

    symbol: str
    interval: str
    kind: str
    is_problem: bool
    count: int
    text: str


@dataclass(frozen=True, slots=True)
class SplitHint:
    """A night over which a price moved as a split moves it, as a row for the table of actions.

    ``price_factor`` and ``volume_factor`` restate bars before ``ex_date``. ``ratio`` is the open by the close before,
    ``like`` the split it is like: shares after for shares before. A fall by half looks the same as a 2:1 split.
    """

    symbol: str
    ex_date: date
    price_factor: float
    volume_factor: float
    ratio: float
    like: str


class SymbolChecks(Table[SymbolCheck], also=("quality",)):
    """Series in the order of the data."""


class SessionChecks(Table[SessionCheck]):
    """Sessions of all series, each series' oldest first."""


class Findings(Table[Finding]):
    """Findings of all series, in the order of the data."""


class SplitHints(Table[SplitHint]):
    """Nights that look like splits. ``tapeloom.actions.Actions.of`` takes it as it is."""
