"""``Explanation``: what is known of one bar, in fields and as a sentence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tapeloom.bars import Provenance

if TYPE_CHECKING:
    from datetime import date, datetime

    from tapeloom.gap.gaps import Cause

__all__ = ["Explanation"]

_NONE = Provenance(0)


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a bar is there or is not. ``str()`` gives the sentence.

    ``status`` is ``"present"``, ``"missing"``, ``"not_due"``, ``"closed"``, ``"not_listed"``,
    ``"unknown_symbol"`` or ``"unknown_series"``.
    ``ts`` is the start of the bar that was asked about, ns UTC, or the instant itself where there is no such bar.
    ``cause`` is ``None`` unless bars are missing, ``session`` the session date, ``segment`` what the market does at that
    time (``"regular"``, ``"pre_market"``, ``"break"``, ``"post_market"``, ``"closed"``), ``due_at`` when the bar becomes
    known. ``revisions`` counts corrections, ``attempts`` tries to fill the gap.
    """

    symbol: str
    interval: str
    ts: int
    status: str
    cause: Cause | None = None
    session: date | None = None
    segment: str | None = None
    due_at: datetime | None = None
    flags: Provenance = _NONE
    revisions: int = 0
    attempts: int = 0
    text: str = ""

    def __str__(self) -> str:
        return self.text
