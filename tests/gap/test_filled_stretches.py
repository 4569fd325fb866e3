"""What is said of missing bars that were settled: minutes as one stretch, many symbols as their sum."""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from tapeloom.gap.filled_stretches import FilledStretches
from tapeloom.gap.filling import Filling, FillStatus
from tapeloom.gap.times import Times

ZONE = ZoneInfo("America/New_York")
MINUTE = 60 * 10**9
SECOND = 10**9
#: 2025-07-02 10:00 in New York; the session begins then.
TEN = 1_751_464_800 * SECOND
DAY = Times(ZONE, TEN, TEN + 390 * MINUTE)
MOST = 5


def settled(
    first: int, end: int, symbol: str = "AAPL", *, seconds: int = 38, **changes: Any
) -> Filling:
    """Minutes after ten that were missing so long, and that history had."""
    found: dict[str, Any] = {
        "status": FillStatus.FILLED,
        "attempts": 1,
        "filled": end - first,
        "missing": end - first,
        **changes,
    }
    start, detected = TEN + first * MINUTE, TEN + end * MINUTE
    return Filling(
        symbol,
        "1m",
        start,
        TEN + end * MINUTE,
        detected=detected,
        settled=detected + seconds * SECOND,
        **found,
    )


def said(*fillings: Filling) -> list[str]:
    stretches = FilledStretches(MOST)
    for each in fillings:
        stretches.put(each, session_start=TEN)
    lines = stretches.lines(DAY)
    return [line.replace("\N{EN DASH}", "-") for line in lines]


def test_minutes_that_touch_are_one_stretch_with_the_longest_time() -> None:
    minutes = [settled(n, n + 1, seconds=s) for n, s in enumerate((568, 508, 448))]
    whole = "AAPL 10:00-10:03: 3 missing for 568 s, filled 3/3 from history"
    assert said(*minutes) == [whole]
    # In whatever order they come.
    assert said(minutes[0], minutes[2], minutes[1]) == [whole]
    assert said(*reversed(minutes)) == [whole]


def test_minutes_that_do_not_touch_are_told_apart_and_the_newest_change_is_last() -> (
    None
):
    lines = said(settled(0, 1), settled(5, 6), settled(1, 2))
    assert [line.split(":", 1)[1][:8] for line in lines] == ["05-10:06", "00-10:02"]
    assert len(said(settled(0, 1), settled(1, 2, "MSFT"))) == 2


def test_what_history_lacks_of_a_stretch_is_told_with_it() -> None:
    lacking = settled(1, 2, status=FillStatus.ABANDONED, filled=0)
    (line,) = said(settled(0, 1), lacking, settled(2, 3))
    assert line.endswith(
        "3 missing for 38 s, filled 2/3 from history, which has no others"
    )


def test_bars_of_a_stretch_that_came_late_are_no_missing_ones() -> None:
    (line,) = said(settled(0, 3, filled=2), settled(3, 4))
    assert line.endswith("4 missing for 38 s, filled 3/4 from history, 1 came late")


def test_what_came_by_itself_or_was_given_up_is_told_apart() -> None:
    late = settled(1, 2, filled=0, attempts=0)
    failed = settled(
        2, 3, status=FillStatus.ABANDONED, filled=0, attempts=5, reason="no answer"
    )
    assert said(settled(0, 1), late, failed) == [
        "AAPL 10:00-10:01: 1 missing for 38 s, filled 1/1 from history",
        "AAPL 10:01-10:02: 1 missing for 38 s, came late by themselves",
        "AAPL 10:02-10:03: 1 missing for 38 s, filled 0/1 from history, abandoned after 5 tries: no answer",
    ]


def test_what_was_given_up_and_came_after_all_is_told_once() -> None:
    failed = settled(
        0, 3, status=FillStatus.ABANDONED, filled=0, attempts=5, reason="no answer"
    )
    (line,) = said(failed, *(settled(n, n + 1) for n in range(3)))
    assert line.endswith("3 missing for 38 s, filled 3/3 from history")
    # The same again, too.
    assert len(said(failed, failed)) == 1


def test_a_stretch_does_not_reach_into_the_session_before() -> None:
    assert len(said(settled(-2, -1), settled(-1, 0))) == 1
    assert len(said(settled(-1, 0), settled(0, 1))) == 2


def test_an_outage_of_many_symbols_is_one_sentence() -> None:
    symbols = [f"S{number:03}" for number in range(412)]
    minutes = [
        settled(at, at + 1, each, seconds=30 + at)
        for at in range(5)
        for each in symbols
    ]
    assert said(settled(9, 10), *minutes) == [
        "AAPL 10:09-10:10: 1 missing for 38 s, filled 1/1 from history",
        "412 symbols 10:00-10:05: 2,060 missing for 34 s, filled 2,060/2,060 from history",
    ]


def test_few_symbols_are_named_each() -> None:
    lines = said(*(settled(0, 1, each) for each in ("AAPL", "MSFT", "NVDA")))
    assert [line.split(" ")[0] for line in lines] == ["AAPL", "MSFT", "NVDA"]


@given(
    st.lists(
        st.tuples(st.integers(0, 30), st.sampled_from(["A", "B", "C", "D", "E", "F"])),
        unique=True,
    )
)
def test_the_oldest_go_and_no_bar_is_counted_twice(
    minutes: list[tuple[int, str]],
) -> None:
    stretches = FilledStretches(MOST)
    for at, symbol in minutes:
        stretches.put(settled(at, at + 1, symbol), session_start=TEN)
        assert len(stretches.lines(DAY)) <= MOST
        kept = [each for alike in stretches._kept.values() for each in alike.values()]
        indexed = [each for known in stretches._of_symbol.values() for each in known]
        assert sorted(kept, key=str) == sorted(indexed, key=str)
        assert len(stretches._kept) <= MOST
        for each in kept:
            # Side by side without a hole.
            assert each.missing == (each.end - each.start) // MINUTE
    if minutes:
        newest = minutes[-1][1]
        assert stretches.lines(DAY)[-1].startswith(newest)


def test_bars_that_were_asked_for_again_leave_what_is_said_of_missing_ones() -> None:
    again = [settled(n, 4 + n, filled=0, missing=0, corrected=1) for n in (0, 4)]
    assert said(settled(1, 3), *again, settled(3, 4)) == [
        "AAPL 10:00-10:08: asked for again, 2 corrected while nobody listened",
        "AAPL 10:01-10:04: 3 missing for 38 s, filled 3/3 from history",
    ]
