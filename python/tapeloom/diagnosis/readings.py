"""``Reading``: one way to understand stamps, and the sentences that say how well it fits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["Reading", "shift_text", "with_evidence"]

_HOUR = 3600 * 10**9
_MINUTE = 60 * 10**9


@dataclass(frozen=True, slots=True)
class Reading:
    """One way to understand stamps, and how the bars fit the calendar then.

    ``shift_ns`` is added to the stamps; under the label ``"end"`` the interval is subtracted besides. ``zone`` is the
    name of the zone whose wall time they are; ``None`` takes them as the instants they claim to be. ``hits`` of the
    ``due`` bars are there, counted over sessions with at least one of them; ``within`` bars lie in trading hours,
    pre-market and post-market included. ``evidence`` says it in a sentence.
    """

    label: Literal["start", "end"]
    shift_ns: int
    zone: str | None
    hits: int
    due: int
    within: int = 0
    evidence: str = ""

    @property
    def share(self) -> float:
        """``hits`` of ``due``, 0 to 1; 0 where nothing is due."""
        return self.hits / self.due if self.due else 0.0


def with_evidence(reading: Reading, labelled: Reading, stamps: int) -> Reading:
    """Return a reading with the sentence that holds it against the stamps as labelled, of which there are ``stamps``."""
    return Reading(
        reading.label,
        reading.shift_ns,
        reading.zone,
        reading.hits,
        reading.due,
        reading.within,
        _sentence(reading, labelled, stamps),
    )


def shift_text(shift_ns: int) -> str:
    """Return ``"-4 h"``, ``"+5 h 30 min"`` or ``"-15 min"``."""
    hours, rest = divmod(abs(shift_ns), _HOUR)
    minutes = rest // _MINUTE
    parts = [f"{hours} h"] if hours else []
    parts += [f"{minutes} min"] if minutes or not hours else []
    return f"{'-' if shift_ns < 0 else '+'}{' '.join(parts)}"


def _sentence(reading: Reading, labelled: Reading, stamps: int) -> str:
    found, due = _share(reading), labelled.due or reading.due
    before = f"{labelled.hits:,}/{due:,}"
    where = _where(reading, labelled)
    if where:
        ends = " and read as bar ends" if reading.label == "end" else ""
        text = f"these bars fit the session if {where}{ends}: {found} (as labelled: {before})"
        if (
            reading.hits * labelled.due <= labelled.hits * reading.due
            and labelled.within < reading.within
        ):
            # The session is full either way, and what lies around it tells.
            text += f"; {reading.within:,} of {stamps:,} bars in trading hours (as labelled: {labelled.within:,})"
    elif reading.label == "end":
        text = f"labels look like bar ends: {found} as ends, {before} as starts"
    else:
        return f"these bars fit the session as labelled: {found}"
    return text + _remedy(reading, labelled)


def _share(reading: Reading) -> str:
    return f"{reading.hits:,}/{reading.due:,}"


def _where(reading: Reading, labelled: Reading) -> str:
    if reading.zone != labelled.zone:
        return f"read as wall time of {reading.zone}"
    if reading.shift_ns:
        return f"shifted by {shift_text(reading.shift_ns)}"
    return ""


def _remedy(reading: Reading, labelled: Reading) -> str:
    options = [f"zone={reading.zone!r}"] if reading.zone != labelled.zone else []
    options += ["label='end'"] if reading.label == "end" else []
    return f"; pass {', '.join(options)}" if options else ""
