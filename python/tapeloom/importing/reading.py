"""Chooses how the times of a table are read: zone, shift and label, as given, as the file says, or as fits best."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import numpy as np

from tapeloom.diagnosis import diagnose
from tapeloom.diagnosis.candidates import rising
from tapeloom.importing.findings import Proposal
from tapeloom.importing.options import duration_text
from tapeloom.timestamps import localize

if TYPE_CHECKING:
    from datetime import tzinfo

    import numpy.typing as npt

    from tapeloom._core import Interval, SessionTable
    from tapeloom.diagnosis import Diagnosis, Reading
    from tapeloom.importing.findings import Findings
    from tapeloom.importing.options import ReadOptions
    from tapeloom.importing.stamps import Stamps

    Ns = npt.NDArray[np.int64]

__all__ = ["TimeReading", "choose_reading", "to_instants"]


@dataclass(frozen=True, slots=True)
class TimeReading:
    """How times are read.

    ``wall`` is the zone whose wall clock they are, ``None`` if they are instants; ``shift_ns`` is added; ``back_ns``, one
    interval, is taken off where they are ends of bars.
    """

    wall: tzinfo | None
    shift_ns: int = 0
    back_ns: int = 0
    ambiguous: str | None = None


def choose_reading(
    stamps: Stamps,
    interval: Interval,
    *,
    table: SessionTable,
    options: ReadOptions,
    findings: Findings,
    is_judged: bool = False,
) -> TimeReading:
    """Return how to read the times of a table.

    What is given as an option holds. What is not, and what fits the calendar clearly better than what the file says, is
    proposed; unless the table is part of one that ``is_judged`` as a whole.
    """
    given = _as_given(stamps, interval, table.zone, options)
    if is_judged or interval.ns is None or not stamps.valid.any():
        return given
    ns = rising(stamps.ns[stamps.valid])
    found = _diagnosed(ns, given, stamps, interval, table=table, options=options)
    if options.zone is not None and not stamps.naive:
        _hold_against_claim(ns, found, interval, table, findings)
    if found.proposal is None:
        for text in found.findings:
            findings.add("closing_print", text)
        return given
    return _proposed(found, given, interval, options, findings)


def to_instants(ns: Ns, reading: TimeReading, *, name: str) -> Ns:
    """Return times as nanoseconds UTC of bar starts, in the given order.

    Parameters
    ----------
    ns
        int64, shape (n,), as read, the rows of one symbol.
    reading
        How to read them.
    name
        What errors call the times.

    Raises
    ------
    TimestampError
        If a wall time occurs twice and it is not said which is meant, or does not occur.
    """
    if reading.wall is not None:
        falling = ns.size > 1 and ns[0] > ns[-1]
        # The order of rows tells the two passes of an hour that comes twice; it must be the order of time.
        ordered = np.ascontiguousarray(ns[::-1]) if falling else ns
        found = localize(ordered, reading.wall, ambiguous=reading.ambiguous, name=name)
        ns = found[::-1] if falling else found
    return ns + (reading.shift_ns - reading.back_ns)


def _as_given(
    stamps: Stamps, interval: Interval, zone: tzinfo, options: ReadOptions
) -> TimeReading:
    wall = options.zone or stamps.zone or (zone if stamps.naive else None)
    back = interval.ns or 0 if options.label == "end" else 0
    return TimeReading(wall, options.shift_ns or 0, back, options.ambiguous)


def _diagnosed(
    ns: Ns,
    given: TimeReading,
    stamps: Stamps,
    interval: Interval,
    *,
    table: SessionTable,
    options: ReadOptions,
) -> Diagnosis:
    moved = given.shift_ns - given.back_ns
    if stamps.naive and options.zone is None and stamps.zone is None:
        return diagnose(ns + moved, table=table, interval=interval, naive=True)
    # The hour that comes twice decides nothing here, and its rows are not in their order.
    sure = replace(given, ambiguous="first")
    instants = to_instants(ns, sure, name="ts")
    return diagnose(instants, table=table, interval=interval, naive=False)


def _hold_against_claim(
    ns: Ns,
    found: Diagnosis,
    interval: Interval,
    table: SessionTable,
    findings: Findings,
) -> None:
    """Stop where the instants that a file states fit, and the given zone would move them away."""
    claimed = diagnose(ns, table=table, interval=interval, naive=False).as_labelled
    chosen = found.as_labelled
    if claimed.share > chosen.share:
        text = (
            f"the stamps say that they are UTC and fit so: {claimed.hits:,}/{claimed.due:,}; read as wall time of the given "
            f"zone they do not: {chosen.hits:,}/{chosen.due:,}; leave zone= out"
        )
        findings.add("zone", text, outcome="stops")


def _proposed(
    found: Diagnosis,
    given: TimeReading,
    interval: Interval,
    options: ReadOptions,
    findings: Findings,
) -> TimeReading:
    best, labelled = found.best, found.as_labelled
    chosen = given
    evidence = best.evidence.split("; pass ")[0]
    is_moved = best.zone != labelled.zone or best.shift_ns != 0
    if is_moved and (options.zone is not None or options.shift_ns is not None):
        findings.add("other_fit", f"{evidence}; kept as zone= and shift= say")
    elif is_moved and findings.propose(_move(best, labelled, evidence)):
        chosen = _moved(chosen, best, labelled)
    if best.label == "end" and options.label is not None:
        findings.add("other_fit", f"{evidence}; kept as label= says")
    elif best.label == "end":
        proposal = Proposal("label", evidence, option="label", value="end")
        if findings.propose(proposal):
            chosen = replace(chosen, back_ns=interval.ns or 0)
    return chosen


def _move(best: Reading, labelled: Reading, evidence: str) -> Proposal:
    if best.zone != labelled.zone and best.zone is not None:
        return Proposal("zone", evidence, option="zone", value=best.zone)
    value = duration_text(best.shift_ns)
    return Proposal("shift", evidence, option="shift", value=value)


def _moved(given: TimeReading, best: Reading, labelled: Reading) -> TimeReading:
    wall = given.wall
    if best.zone != labelled.zone and best.zone is not None:
        wall = ZoneInfo(best.zone)
    return replace(given, wall=wall, shift_ns=given.shift_ns + best.shift_ns)
