"""A real day of thin shares, a tenth of whose bars the stream loses: filled from the whole day, and nothing made up."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

from tapeloom.columns import read_frame
from tapeloom.session.quality_manager import DataQualityManager
from tests.compare import gap_runs, stored
from tests.reference.schedule import MINUTE, trading_day
from tests.session.vendor import Played, Vendor
from tests.truth.facts import gap_truths

if TYPE_CHECKING:
    from datetime import date
    from pathlib import Path

    from tests.reference.bars import Bar
    from tests.truth.facts import SessionTruth

SYMBOLS = 8


def thinnest_day(
    root: Path,
) -> tuple[date, dict[str, SessionTruth], dict[str, dict[int, Bar]]]:
    """The day on which the downloads of February 2025 lack most, their truth and their bars in regular hours."""
    import pyarrow.parquet as pq

    from tapeloom.calendars import get_session_table

    table = get_session_table("US_EQUITY")
    truths = [
        t
        for t in gap_truths(root, "us_equity")
        if t.first.year == 2025 and t.first.month == 2
    ]
    lacking: dict[date, int] = {}
    for truth in truths:
        for day, session in truth.sessions.items():
            lacking[day] = lacking.get(day, 0) + session.missing
    day = max(lacking, key=lambda each: (lacking[each], each))
    facts, bars = {}, {}
    for truth in truths[:SYMBOLS]:
        session = truth.sessions[day]
        frame = pq.read_table(truth.path, partitioning=None)
        (found,) = read_frame(
            frame, zone=table.zone, table=table, interval="1m"
        ).values()
        facts[truth.symbol] = session
        bars[truth.symbol] = {
            bar.ts: bar
            for bar in stored(found)
            if session.open <= bar.ts < session.close
        }
    return day, facts, bars


def test_what_a_stream_loses_of_a_real_day_comes_back_and_nothing_else(
    real_data: Path,
) -> None:
    day, facts, whole = thinnest_day(real_data)
    assert sum(session.missing for session in facts.values()) > 100
    rng = Random(8)
    streamed = {
        symbol: {ts: bar for ts, bar in bars.items() if rng.random() < 0.9}
        for symbol, bars in whole.items()
    }
    vendor = Vendor(whole)
    hours = trading_day(day, "09:30-16:00", "America/New_York")
    played = Played(hours, streamed, derived=("5m", "1d"))
    manager = DataQualityManager(played.session, on_gap="fill", history_source=vendor)
    manager.start_session()
    while not (batch := played.next()).ended:
        manager.after_batch(batch)
    manager.after_batch(batch)
    played.end()
    manager.end_session()
    undisturbed = Played(hours, whole, derived=("5m", "1d"))
    undisturbed.to(hours.close)
    undisturbed.end()
    assert played.session.state_hash() == undisturbed.session.state_hash()
    for symbol, session in facts.items():
        assert gap_runs(played.session, symbol) == session.runs
        report = manager.report(symbol)
        assert (report.present, report.missing) == (session.present, session.missing)
        for gap in played.session.get_gaps(symbol):
            assert gap.attempts == 1
            assert gap.status in ("abandoned", "partial")
            assert gap.cause in ("no_trade", "truncated", "vendor_hole")
    filler = manager.filler
    assert filler is not None
    lost = sum(map(len, whole.values())) - sum(map(len, streamed.values()))
    assert filler.counts.bars.late == lost - filler.counts.bars.accepted
    assert filler.counts.bars.balanced
    # One call at most for each minute, whatever the number of symbols.
    assert filler.counts.calls <= (hours.close - hours.open) // MINUTE
