"""What a feed pushes is sorted alike, whether it is looked at all at once or one after another."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from zoneinfo import ZoneInfo

from hypothesis import given, settings
from hypothesis import strategies as st

from tapeloom import SessionData
from tapeloom._core import BarData, earliest_start
from tapeloom.live import FeedEvent, UpdatedBar
from tapeloom.live.arrivals import Sorter
from tapeloom.live.corrected_bars import CorrectedBars
from tests.live.recorded import MINUTE, OPEN

ZONE = ZoneInfo("America/New_York")
# A session with a break of two minutes after its fifth.
HOURS = [(OPEN, OPEN + 5 * MINUTE), (OPEN + 7 * MINUTE, OPEN + 10 * MINUTE)]
BASES = {"AAPL": "1m", "SPY": "5m"}


def sorter(hours: list[tuple[int, int]]) -> Sorter:
    found = Sorter(SessionData(), CorrectedBars())
    found.keep(BASES)
    found.follow_hours(hours)
    return found


def bar(symbol: str, minute: int, interval: str, *, is_naive: bool) -> BarData:
    ts = OPEN + minute * MINUTE
    wall = datetime.fromtimestamp(ts // 10**9, ZONE).replace(tzinfo=None)
    return BarData(symbol, wall if is_naive else ts, 1, 2, 1, 2, 10, interval)


bars = st.builds(
    bar,
    st.sampled_from(["AAPL", "SPY", "MSFT"]),
    st.integers(-1, 11),
    st.sampled_from(["1m", "5m"]),
    is_naive=st.booleans(),
)
plain = st.builds(
    bar, st.just("AAPL"), st.integers(0, 4), st.just("1m"), is_naive=st.just(False)
)


@settings(max_examples=300)
@given(
    st.lists(plain, max_size=4) | st.lists(bars | plain | bars.map(UpdatedBar), max_size=6),
    st.sampled_from([HOURS, HOURS[:1], []]),
)  # fmt: skip
def test_bars_are_taken_in_the_hours_of_the_session_in_their_base_interval(
    events: list[FeedEvent], hours: list[tuple[int, int]]
) -> None:
    counts: Counter[str] = Counter(events=len(events), bars=0, corrections=0)
    taken: list[tuple[str, int]] = []
    corrections: list[int] = []
    corrected: set[tuple[str, int]] = set()
    for event in events:
        given_bar = event.bar if isinstance(event, UpdatedBar) else event
        assert isinstance(given_bar, BarData)
        at = given_bar.timestamp
        ts = int(at.replace(tzinfo=at.tzinfo or ZONE).timestamp()) * 10**9
        if given_bar.symbol not in BASES:
            counts["not_subscribed"] += 1
        elif given_bar.interval != BASES[given_bar.symbol]:
            counts["other_interval"] += 1
        elif not any(start <= ts < end for start, end in hours):
            counts["outside_hours"] += 1
        elif type(event) is BarData and (event.symbol, ts) in corrected:
            counts["superseded"] += 1
        else:
            if isinstance(event, UpdatedBar):
                corrections.append(len(taken))
                corrected.add((given_bar.symbol, ts))
                counts["corrections"] += 1
            taken.append((given_bar.symbol, ts))
            counts["bars"] += 1
    one = sorter(hours)
    found = one.sort(iter(events))
    assert [(each.symbol, each.ts) for each in found.bars] == taken
    assert found.corrections == corrections
    assert found.earliest == min((ts for _, ts in taken), default=None)
    assert {k: n for k, n in one.counts.items() if n} == {
        k: n for k, n in counts.items() if n
    }
    assert one.outside.total() == counts["outside_hours"]


def test_only_plain_bars_are_seen_at_once() -> None:
    good = bar("AAPL", 3, "1m", is_naive=False)
    first = bar("AAPL", 0, "1m", is_naive=False)
    assert earliest_start([good, first, good], BASES, HOURS) == first.ts
    assert earliest_start([], BASES, HOURS) is None
    for other in (
        UpdatedBar(good),
        bar("AAPL", 3, "1m", is_naive=True),
        bar("AAPL", 3, "5m", is_naive=False),
        bar("MSFT", 3, "1m", is_naive=False),
        bar("AAPL", 6, "1m", is_naive=False),
    ):
        assert earliest_start([good, other], BASES, HOURS) is None


def test_bars_that_wait_come_first_with_their_corrections() -> None:
    waiting = [bar("AAPL", minute, "1m", is_naive=False) for minute in (0, 1)]
    event = UpdatedBar(bar("AAPL", 2, "1m", is_naive=False))
    found = sorter(HOURS).sort([event])
    found.put_first(waiting, [1])
    assert found.bars == [*waiting, event.bar]
    assert found.corrections == [1, 2]
