"""Single faults on simulated live days, and what each leaves behind."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tapeloom.bars import BarData
from tapeloom.live.feed import UpdatedBar
from tapeloom.live.live_health import SymbolState
from tapeloom.statuses import ConnectionEvent
from tests.compare import bar_data
from tests.live.fault_rows import row
from tests.live.simulated_checks import check
from tests.live.simulated_script import Change, Script, quiet_day
from tests.live.simulated_script_run import ScriptRun, play
from tests.reference.schedule import MINUTE, SECOND
from tests.strategies import bar_at

if TYPE_CHECKING:
    from collections.abc import Callable

    from tapeloom.live.feed import FeedEvent

OPEN, CLOSE = quiet_day().day.open, quiet_day().day.close


def minute(number: int) -> int:
    return OPEN + number * MINUTE


def keep(script: Script, wanted: Callable[[int, FeedEvent], bool]) -> None:
    """Let only some of the events come."""
    script.events = [each for each in script.events if wanted(*each)]


def lose(script: Script, *minutes: int) -> None:
    """Let the bars of some minutes not come."""
    lost = {minute(number) for number in minutes}
    keep(script, lambda _, e: not (type(e) is BarData and e.ts in lost))


def push(script: Script, at: int, event: FeedEvent) -> None:
    script.events = sorted([*script.events, (at, event)], key=lambda each: each[0])


def checked(script: Script) -> ScriptRun:
    run = play(script)
    check(script, run)
    return run


def starts(run: ScriptRun, symbol: str = "AAA") -> list[int]:
    return [(ts - OPEN) // MINUTE for ts in run.store.get_bars(symbol).ts.tolist()]


def test_a_connection_reported_before_the_session_is_known_in_it() -> None:
    script = quiet_day()
    run = ScriptRun(script)
    run.run(OPEN + SECOND)
    assert run.parts.session.is_connected
    assert run.parts.session.symbols(OPEN + SECOND)["AAA"].state is SymbolState.LIVE


def test_an_outage_that_began_before_the_session_is_its_cause_of_missing_bars() -> None:
    script = quiet_day(vendor="none", begin=OPEN - 3 * MINUTE)
    lose(script, 0, 1, 2)
    push(script, script.begin, ConnectionEvent(script.begin, False))
    push(script, minute(3), ConnectionEvent(minute(3), True))
    run = checked(script)
    (gap,) = run.store.get_gaps("AAA")
    assert (gap.missing, gap.cause) == (3, "outage")
    assert run.parts.session.outages == 1


def test_bars_that_came_while_the_session_warmed_up_are_told_once_it_is_open() -> None:
    script = quiet_day(begin=minute(4) + 50 * SECOND, delay=30 * SECOND)
    keep(script, lambda at, _: at >= script.begin)
    run = checked(script)
    assert starts(run) == list(range(10))
    told = [t for t in run.listener.told if t.bar.interval == "1m"]
    # The bar of 09:34 was pushed at 09:35:00.5, and the bars so far came at 09:35:20.
    assert told[0].bar.ts == minute(4)
    assert told[0].at == minute(5) + 20 * SECOND
    assert len(run.listener.warm) == 4


def test_nobody_is_told_of_a_bar_before_the_session_has_begun_for_the_analyses() -> (
    None
):
    script = quiet_day(sleeps=[(OPEN - 10 * SECOND, minute(3) + 20 * SECOND)])
    run = checked(script)
    assert run.listener.warm == set()
    told = [t.bar.ts for t in run.listener.told if t.bar.interval == "1m"]
    assert told == [minute(number) for number in range(10)]


def test_the_bars_so_far_of_a_symbol_that_trades_now_and_then_are_asked_for_at_once() -> (
    None
):
    script = quiet_day(begin=minute(6) + 10 * SECOND, minutes=10)
    script.policies["no_trade"] = "expected"
    for number in (1, 3, 4):
        del script.truth["AAA"][minute(number)]
    keep(script, lambda at, e: type(e) is BarData and e.ts == minute(9))
    run = checked(script)
    assert run.vendor is not None
    first = run.vendor.calls[0][0]
    assert (first.start, first.end) == (OPEN, minute(6))
    assert {0, 2, 5} <= set(starts(run))


def test_after_a_reconnection_what_may_merely_not_have_traded_is_asked_for() -> None:
    script = quiet_day()
    script.policies["no_trade"] = "expected"
    lose(script, 3, 4, 5, 6, 7, 8)
    down, up = minute(3), minute(7) + 30 * SECOND
    push(script, down, ConnectionEvent(down, False))
    push(script, up, ConnectionEvent(up, True))
    run = ScriptRun(script)
    run.run(up + 2 * SECOND)
    assert starts(run) == [0, 1, 2, 3, 4, 5, 6]


def test_bars_of_history_wait_behind_those_of_a_symbol_that_catches_up() -> None:
    script = quiet_day(minutes=20, sleeps=[(OPEN + SECOND, minute(6) + 10 * SECOND)])
    lose(script, 1, 2, 3, 4, 5)
    run = checked(script)
    told = [
        (t.hook, t.bar.constituents)
        for t in run.listener.told
        if t.bar.interval == "5m" and t.bar.ts == OPEN
    ]
    # As it was without the bars of history, then with them; not the other way round.
    assert told == [("bar", 1), ("update", 5)]


@pytest.mark.parametrize("fails_for", [1, 25, 100])
def test_a_session_whose_journal_fails_at_its_end_is_ended_when_it_can_be(
    fails_for: int,
) -> None:
    end = CLOSE + 40 * SECOND
    script = quiet_day(broken_disk=[(end - SECOND, end + fails_for * SECOND)])
    late = script.truth["AAA"][minute(9)]
    lose(script, 9)
    script.holes = {("AAA", minute(9))}
    push(script, end - SECOND // 2, bar_data("AAA", late))
    run = checked(script)
    # What came while nothing could be written is not lost.
    assert starts(run) == list(range(10))
    assert run.listener.ends == 1


def test_an_answer_that_comes_while_the_disk_is_broken_is_merged_later() -> None:
    script = quiet_day(delay=10 * SECOND)
    lose(script, 3)
    # Asked for 5 s after the end of the bar; nothing else is written meanwhile.
    at = minute(4) + 15 * SECOND
    script.broken_disk = [(at - SECOND, at + 20 * SECOND)]
    run = checked(script)
    assert starts(run) == list(range(10))
    assert run.parts.quality.filler is not None
    counts = run.parts.quality.filler.counts
    assert (counts.calls, counts.returned, counts.bars.offered) == (1, 1, 1)
    assert any(t.bar.ts == minute(3) for t in run.listener.told)


def test_bars_that_wait_for_the_journal_go_with_the_symbol_that_is_removed() -> None:
    script = quiet_day(("AAA", "BBB"))
    script.broken_disk = [(minute(3) + SECOND // 4, minute(5) + 40 * SECOND)]
    script.changes = [Change(minute(4), False, "BBB")]
    run = checked(script)
    counts = run.parts.session.sorter.counts
    assert run.store._symbols == ["AAA"]
    assert (counts["refused"], counts["bars"]) == (1, 10 + 3)
    # Those that had not been taken when it went.
    assert counts["not_subscribed"] == 7
    assert starts(run) == list(range(10))


@row("old answer")
def test_an_old_answer_does_not_replace_what_the_feed_has_corrected_since() -> None:
    script = quiet_day(delay=20 * SECOND, age=25 * SECOND)
    # It is asked 5 s after the end of the bar, and answered 20 s later: just after the correction.
    came, corrected = (minute(4) + tenths * SECOND // 10 for tenths in (242, 246))
    script.first["AAA", minute(3)] = bar_at(minute(3), 50), corrected
    last = script.truth["AAA"][minute(3)]
    lose(script, 3)
    push(script, came, bar_data("AAA", bar_at(minute(3), 50)))
    push(script, corrected, UpdatedBar(bar_data("AAA", last)))
    run = checked(script)
    assert run.store.get_bars("AAA")[3].close == last.close
    assert run.parts.quality.filler is not None
    assert run.parts.quality.filler.counts.refused == 1


def test_what_history_corrects_is_told() -> None:
    script = quiet_day(delay=20 * SECOND)
    script.first["AAA", minute(3)] = bar_at(minute(3), 50), minute(4)
    lose(script, 3)
    push(script, minute(4) + 8 * SECOND, bar_data("AAA", bar_at(minute(3), 50)))
    script.derived = ()
    run = ScriptRun(script)
    run.run(minute(4) + 20 * SECOND)
    assert run.store.get_bars("AAA")[3].close == bar_at(minute(3), 50).close
    run.run()
    check(script, run)


def test_an_answer_to_a_symbol_that_went_is_not_taken_for_one_that_came_again() -> None:
    script = quiet_day(("AAA", "BBB"), delay=75 * SECOND, minutes=20)
    keep(script, lambda _, e: type(e) is BarData and e.symbol == "AAA")
    script.begin_with = ("AAA",)
    script.changes = [
        Change(minute(5), True, "BBB"),
        Change(minute(5) + SECOND, False, "BBB"),
        Change(minute(5) + 40 * SECOND, True, "BBB"),
    ]
    run = checked(script)
    assert starts(run, "BBB") == list(range(20))


@pytest.mark.parametrize(
    ("delay", "is_there"), [(60 * SECOND, True), (200 * SECOND, False)]
)
def test_the_end_waits_for_what_history_was_asked_but_not_for_ever(
    delay: int, is_there: bool
) -> None:
    script = quiet_day(delay=delay)
    lose(script, 9)
    run = checked(script)
    assert (9 in starts(run)) is is_there
    assert run.clock.now <= CLOSE + (40 + 120) * SECOND
    if not is_there:
        (gap,) = run.store.get_gaps("AAA")
        assert (gap.missing, gap.status) == (1, "requested")


def test_a_session_that_is_warm_only_after_its_close_takes_what_came_meanwhile() -> (
    None
):
    begin = CLOSE + 6 * SECOND
    script = quiet_day(begin=begin, delay=36 * SECOND)
    keep(script, lambda *_: False)
    # History answers 42 s after the close; by then the session would have ended.
    last = script.truth["AAA"][minute(9)]
    script.first["AAA", minute(9)] = bar_at(minute(9), 50), CLOSE + 20 * SECOND
    script.age = 30 * SECOND
    push(script, CLOSE + 20 * SECOND, UpdatedBar(bar_data("AAA", last)))
    run = checked(script)
    assert run.parts.session.sorter.counts["corrections"] == 1
    assert run.store.get_bars("AAA")[9].close == last.close


def test_calls_of_history_are_spaced_on_the_clock_of_the_session() -> None:
    script = quiet_day(("AAA",), calls_per_minute=1, minutes=20)
    lose(script, 2, 3, 5)
    run = checked(script)
    assert run.vendor is not None
    assert [len(call) for call in run.vendor.calls] == [1, 1, 1]
    assert starts(run) == list(range(20))


def test_a_stretch_that_comes_by_itself_is_asked_for_no_more() -> None:
    script = quiet_day(vendor="down", minutes=20)
    lose(script, 3)
    push(script, minute(5), bar_data("AAA", script.truth["AAA"][minute(3)]))
    run = ScriptRun(script)
    run.run(minute(6) + 6 * SECOND)
    assert run.parts.quality.filler is not None
    assert run.parts.quality.filler.is_idle
    assert run.vendor is not None
    assert len(run.vendor.calls) == 1
    assert run.parts.session.symbols(run.clock.now)["AAA"].state is SymbolState.LIVE
