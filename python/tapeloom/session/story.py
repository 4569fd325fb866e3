"""What the log of a run tells of each session: the steps of its phases, with their numbers."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from tapeloom.session.flow import flow, flow_warning, is_told
from tapeloom.words import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tapeloom.session.queues import QueuedBars
    from tapeloom.session.result import SessionReport
    from tapeloom.session_data import SessionData

__all__ = ["tell_end", "tell_history", "tell_queues"]

#: Of more symbols one line per interval is told, and those of each symbol only to who wants every detail.
_MOST_LINES = 10


def tell_history(session_data: SessionData, kept: Sequence[tuple[str, str]]) -> None:
    """Tell which history a session begins with, which indicators and what quality it has."""
    if not is_told(logging.INFO):
        return
    by_interval: dict[str, dict[str, int]] = {}
    for symbol, interval in kept:
        bars = session_data.get_bar_count(symbol, interval, scope="history")
        by_interval.setdefault(interval, {})[symbol] = bars
    for interval, counts in by_interval.items():
        is_many = len(counts) > _MOST_LINES
        for symbol, bars in counts.items():
            flow(
                "PHASE_2.1",
                "Loaded %d bars for %s %s",
                bars,
                symbol,
                interval,
                level=logging.DEBUG if is_many else logging.INFO,
                symbol=symbol,
                bars=bars,
            )
        if is_many:
            bars = sum(counts.values())
            text = "Loaded %d bars for %d symbols %s"
            flow("PHASE_2.1", text, bars, len(counts), interval, bars=bars)
    names = len(session_data._values.historical)
    flow("PHASE_2.2", "Computed %s of history", counted(names, "indicator"))
    measured = session_data._measures["history"]
    text = "Measured quality of %d" if measured else "Assigned quality 100 to %d"
    flow("PHASE_2.3", f"{text} symbol/interval pairs", len(kept))


def tell_queues(queued: QueuedBars, seconds: float) -> None:
    """Tell what will stream, and who has nothing to stream."""
    queues = queued.bars
    bars = sum(map(len, queues.values()))
    flow("PHASE_3.1", "Loaded %d bars for %d symbols", bars, len(queues), bars=bars)
    empty = [symbol for symbol, queue in queues.items() if not len(queue)]
    if empty:
        more = f" and {len(empty) - 3} more" if len(empty) > 3 else ""
        flow_warning("PHASE_3", "No bars for %s%s", ", ".join(empty[:3]), more)
    flow(
        "3.b.2.PHASE_3",
        "Complete - %s",
        counted(len(queues), "queue"),
        bars=bars,
        seconds=seconds,
    )


def tell_end(report: SessionReport, final_time: str) -> None:
    """Tell what streamed, and what is missing."""
    flow(
        "PHASE_5.SUMMARY",
        "%d batches, %d bars, final time %s",
        report.instants,
        report.bars,
        final_time,
        bars=report.bars,
        seconds=report.seconds,
    )
    flow("3.b.2.PHASE_5", "Complete - streamed", seconds=report.seconds)
    if report.missing:
        flow_warning(
            "PHASE_6",
            "%d of %d bars are missing, in %s",
            report.missing,
            report.expected,
            counted(report.gaps, "gap"),
        )
