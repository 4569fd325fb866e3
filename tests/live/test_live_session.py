"""Live sessions on simulated days: what an undisturbed day leaves behind, and that others end as it does."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

from tapeloom.live.live_health import SymbolState
from tapeloom.statuses import ConnectionEvent
from tests.live.made import SetClock
from tests.live.simulated_day import (
    NINE_FORTY,
    SimulatedRun,
    config_of,
    live_manager,
    tape,
)
from tests.reference.schedule import MINUTE, SECOND, trading_day
from tests.session.vendor import Vendor, whole_day

if TYPE_CHECKING:
    from typing import Any

DATE = date(2025, 7, 2)
DAY = trading_day(DATE, f"09:30-{NINE_FORTY}", "America/New_York")
CLOCK = SetClock()
MANAGER = live_manager(CLOCK, NINE_FORTY, DATE)
SYMBOLS = ("AAA", "BBB", "CCC")
TRUTH = whole_day(DAY, SYMBOLS)


def played(
    events: Any = None, *, begin: int = DAY.open - MINUTE, **options: Any
) -> SimulatedRun:
    run = SimulatedRun(
        config_of(SYMBOLS),
        MANAGER,
        CLOCK,
        tape(TRUTH) if events is None else events,
        begin=begin,
        **options,
    )
    run.run()
    return run


def test_a_day_without_faults_is_whole() -> None:
    run = played(vendor=Vendor(TRUTH))
    (report,) = run.reports
    assert (report.expected, report.present, report.gaps) == (30, 30, 0)
    assert run.parts.quality.filler is not None
    assert run.parts.quality.filler.counts.calls == 0


def test_an_outage_is_filled_and_ends_as_the_undisturbed_day() -> None:
    whole = played().hash_at_close
    down, up = DAY.open + 3 * MINUTE + 10 * SECOND, DAY.open + 7 * MINUTE + 20 * SECOND
    events = [each for each in tape(TRUTH) if not down <= each[0] < up]
    events += [
        (down, ConnectionEvent(down, False, "feed")),
        (up, ConnectionEvent(up, True, "feed")),
    ]
    events.sort(key=lambda event: event[0])
    run = SimulatedRun(
        config_of(SYMBOLS),
        MANAGER,
        CLOCK,
        events,
        begin=DAY.open - MINUTE,
        vendor=Vendor(TRUTH),
    )
    run.run(down + SECOND)
    states = {h.state for h in run.parts.session.symbols(CLOCK.now).values()}
    assert states == {SymbolState.STALE}
    run.run()
    assert run.hash_at_close == whole
    assert run.parts.session.outages == 1


def test_an_outage_that_takes_history_along_is_filled_as_soon_as_it_is_over() -> None:
    whole = played().hash_at_close
    down, up = DAY.open + 3 * MINUTE + 10 * SECOND, DAY.open + 7 * MINUTE + 20 * SECOND
    events = [each for each in tape(TRUTH) if not down <= each[0] < up]
    events += [
        (down, ConnectionEvent(down, False, "feed")),
        (up, ConnectionEvent(up, True, "feed")),
    ]
    events.sort(key=lambda event: event[0])
    vendor = Vendor(TRUTH, failures=1_000)
    run = SimulatedRun(
        config_of(SYMBOLS, gap_filler={"max_retries": 1}),
        MANAGER,
        CLOCK,
        events,
        begin=DAY.open - MINUTE,
        vendor=vendor,
    )
    run.run(up - SECOND)
    assert vendor.calls
    vendor.failures = 0
    run.run(up + 10 * SECOND)
    states = {h.state for h in run.parts.session.symbols(CLOCK.now).values()}
    assert states == {SymbolState.LIVE}
    assert run.store.get_bar_count("AAA") == 7
    run.run()
    assert run.hash_at_close == whole


def test_a_session_that_begins_in_the_middle_has_no_hole_at_the_seam() -> None:
    whole = played().hash_at_close
    begin = DAY.open + 4 * MINUTE + 30 * SECOND
    events = [each for each in tape(TRUTH) if each[0] >= begin]
    run = played(events, begin=begin, vendor=Vendor(TRUTH))
    assert run.hash_at_close == whole
