"""One finding of an import: what was seen, in whose bars, what becomes of it. It looks at no data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["Finding", "Findings", "Outcome", "Proposal"]

Outcome = Literal["noted", "left_out", "applied", "stops"]
"""``"noted"``: nothing changed; ``"left_out"``: these rows are not written; ``"applied"``: read in another way than the
file says; ``"stops"``: the import does not go on without a decision."""

# What a user should look at, as opposed to what an import merely says about how it read a file.
PROBLEMS = frozenset(
    {
        "label",
        "shift",
        "zone",
        "time_unit",
        "price_scale",
        "member",
        "conflicts",
        "duplicates",
        "invalid",
        "off_grid",
        "missing_sessions",
        "cut_off",
        "other_fit",
        "no_session",
        "no_bar_inside",
    }
)


@dataclass(frozen=True, slots=True)
class Finding:
    """What an import found in one source.

    Attributes
    ----------
    kind
        One word, such as ``"label"``, ``"duplicates"`` or ``"dropped_columns"``.
    outcome
        ``"noted"``, ``"left_out"``, ``"applied"`` or ``"stops"``.
    text
        A sentence with the evidence.
    symbol
        Whose bars; empty if it concerns the whole file.
    count
        How many rows, sessions or columns are concerned.
    source
        The file, or the member of an archive.
    option, value
        What to pass to go on, where a finding stops the import and the data show what is right; else empty.
    """

    kind: str
    outcome: Outcome
    text: str
    symbol: str = ""
    count: int = 0
    source: str = ""
    option: str = ""
    value: object = None

    @property
    def is_problem(self) -> bool:
        """Whether the data, rather than the way they were read, need a look."""
        return self.outcome == "stops" or self.kind in PROBLEMS


@dataclass(frozen=True, slots=True)
class Proposal:
    """A reading that fits better than the one the file states, which nobody has chosen yet.

    ``option`` and ``value`` are what to pass to choose it.
    """

    kind: str
    text: str
    option: str
    value: object
    symbol: str = ""
    count: int = 0


class Findings:
    """Collects the findings of one source, in order."""

    def __init__(self, source: str, *, auto: bool = False) -> None:
        self.source = source
        self.auto = auto
        self._all: list[Finding] = []
        self._applied: dict[str, object] = {}

    def add(
        self,
        kind: str,
        text: str,
        *,
        outcome: Outcome = "noted",
        symbol: str = "",
        count: int = 0,
        option: str = "",
        value: object = None,
    ) -> None:
        """Add a finding of this source."""
        found = Finding(kind, outcome, text, symbol, count, self.source, option, value)
        self._all.append(found)

    def propose(self, proposal: Proposal) -> bool:
        """Add a proposal; return whether it is to be applied."""
        outcome: Outcome = "applied" if self.auto else "stops"
        remedy = f"; pass {proposal.option}={proposal.value!r}"
        text = proposal.text + (
            "; applied" if self.auto else f"{remedy}, or auto=True to apply it"
        )
        self.add(
            proposal.kind,
            text,
            outcome=outcome,
            symbol=proposal.symbol,
            count=proposal.count,
            option="" if self.auto else proposal.option,
            value=None if self.auto else proposal.value,
        )
        if self.auto:
            self._applied[proposal.option] = proposal.value
        return self.auto

    def extend(self, others: list[Finding]) -> None:
        """Add findings made elsewhere."""
        self._all += others

    def all(self) -> tuple[Finding, ...]:
        """Return the findings so far."""
        return tuple(self._all)

    @property
    def stops(self) -> list[Finding]:
        """The findings that need a decision."""
        return [f for f in self._all if f.outcome == "stops"]

    @property
    def applied(self) -> dict[str, object]:
        """Options that were not given and were applied because they fit best."""
        return dict(self._applied)
