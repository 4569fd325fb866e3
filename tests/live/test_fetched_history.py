"""History that storage lacks is asked for once, in few calls, and never of a session that is not over."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapeloom.calendars import TimeManager
from tapeloom.calendars.clock import BacktestClock
from tapeloom.config import FeedOffer, SessionConfig, StreamPlan
from tapeloom.live.fetched_history import FetchedHistory
from tapeloom.system.system_manager import SystemManager
from tests.compare import columns
from tests.reference.gaps import expected_starts
from tests.reference.schedule import MINUTE
from tests.reference.stored_sessions import is_whole
from tests.session.memory import JULY, MemorySource
from tests.session.runs import config, market_tapes, state_of
from tests.strategies import bar_at

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tapeloom._core import Bars
    from tapeloom.history_source import HistoryRequest
    from tests.reference.bars import Bar

DAYS = JULY[:8]
HALF_HOUR = 30 * MINUTE


def rows_of(symbol: str, days: Sequence[int]) -> list[Bar]:
    """Bars of half an hour of some of the days, each with values of its own."""
    salt = sum(map(ord, symbol))
    return [
        bar_at(ts, salt) for day in days for ts in expected_starts(DAYS[day], HALF_HOUR)
    ]


class Source:
    """Has bars of half an hour of all days, and does as it is told."""

    def __init__(self, answer: Callable[..., object] | None = None) -> None:
        self.calls: list[list[HistoryRequest]] = []
        self._answer = answer

    def fetch(self, requests: Sequence[HistoryRequest]) -> list[object]:
        self.calls.append(list(requests))
        return [self._one(each) for each in requests]

    def _one(self, request: HistoryRequest) -> object:
        start, end = (int(at.timestamp()) * 10**9 for at in request[2:])
        rows = rows_of(request.symbol, range(len(DAYS)))
        within = [bar for bar in rows if start <= bar.ts < end]
        return (
            columns(within) if self._answer is None else self._answer(request, within)
        )

    @property
    def asked(self) -> list[str]:
        return [request.symbol for call in self.calls for request in call]


def stored(days: dict[str, Sequence[int]]) -> MemorySource:
    return MemorySource({(s, "30m"): rows_of(s, found) for s, found in days.items()})


def manager(now: int) -> TimeManager:
    return TimeManager("US_EQUITY", mode="live", clock=BacktestClock(now))


def history(
    source: Source, days: dict[str, Sequence[int]], now: int, **more: Any
) -> FetchedHistory:
    return FetchedHistory(
        source,
        intervals=["30m"],
        time_manager=manager(now),
        stored=stored(days),
        **more,
    )


def plan_of(*symbols: str) -> StreamPlan:
    data = [{"trailing_days": 3, "intervals": ["30m"]}]
    asked = SessionConfig.from_dict(
        {
            "session_name": "live",
            "mode": "live",
            "session_data_config": {
                "symbols": list(symbols),
                "streams": ["30m"],
                "historical": {"data": data},
            },
        }
    )
    offer = FeedOffer.of(["30m"], ["bars"])
    return StreamPlan.build(asked, stored({}), offer=offer)


def starts(bars: Bars) -> list[int]:
    return [int(ts) for ts in bars.ts]


WHOLE = DAYS[0].span[0], DAYS[-1].span[1]


@given(
    kept=st.lists(st.integers(0, 7), unique=True, max_size=8),
    windows=st.lists(st.tuples(st.integers(0, 7), st.integers(0, 7)), max_size=4),
    cut=st.integers(-3, 3),
    now=st.integers(0, 8),
)
def test_a_session_comes_from_storage_or_else_from_the_source_once_it_is_over(
    kept: list[int], windows: list[tuple[int, int]], cut: int, now: int
) -> None:
    clock = DAYS[now].open if now < 8 else DAYS[-1].span[1]
    read = history(Source(), {"AAPL": sorted(kept)}, clock)
    for first, last in windows:
        start, end = DAYS[first].span[0], DAYS[last].span[1] + cut * HALF_HOUR
        expected = [
            bar.ts
            for day in range(8)
            if day in kept or DAYS[day].span[1] <= clock
            for bar in rows_of("AAPL", [day])
            if start <= bar.ts < end
        ]

        assert starts(read.read("AAPL", "30m", start, end)) == expected


def other(bar: Bar) -> Bar:
    """The same bar with another volume."""
    return bar._replace(volume=bar.volume + 1.0)


@given(
    lost=st.sets(st.tuples(st.integers(0, 7), st.integers(0, 12)), max_size=40),
    without=st.sets(st.integers(0, 7)),
    no_trade=st.sampled_from(["gap", "expected"]),
    now=st.integers(1, 8),
)
def test_a_session_that_is_stored_in_part_is_fetched_and_what_is_stored_counts(
    lost: set[tuple[int, int]], without: set[int], no_trade: str, now: int
) -> None:
    kept = [
        other(bar)
        for day in range(8)
        if day not in without
        for number, bar in enumerate(rows_of("AAPL", [day]))
        if (day, number) not in lost
    ]
    clock = DAYS[now].open if now < 8 else DAYS[-1].span[1]
    over = [day for day in range(8) if DAYS[day].span[1] <= clock]
    stored_starts = {bar.ts for bar in kept}
    asked = [
        day
        for day in over
        if not is_whole(DAYS[day], stored_starts, HALF_HOUR, no_trade)
    ]
    expected = sorted(
        [*kept, *(b for b in rows_of("AAPL", asked) if b.ts not in stored_starts)],
        key=lambda bar: bar.ts,
    )
    source = Source()
    read = FetchedHistory(
        source,
        intervals=["30m"],
        time_manager=manager(clock),
        stored=MemorySource({("AAPL", "30m"): kept}),
        no_trade=no_trade,
    )

    for _ in range(2):
        found = read.read("AAPL", "30m", *WHOLE)
        assert starts(found) == [bar.ts for bar in expected]
        assert found.volume.tolist() == [bar.volume for bar in expected]
    spans = [
        (int(each.start.timestamp()) * 10**9, int(each.end.timestamp()) * 10**9)
        for call in source.calls
        for each in call
    ]
    reached = [
        day for day in range(8) if any(a <= DAYS[day].open < b for a, b in spans)
    ]
    assert reached == asked


def test_symbols_that_lack_different_minutes_of_a_day_are_one_call() -> None:
    names = [f"S{number:02}" for number in range(13)]
    tapes = {
        (name, "30m"): [
            bar for at, bar in enumerate(rows_of(name, [0, 1])) if at != number
        ]
        for number, name in enumerate(names)
    }
    source = Source()
    read = FetchedHistory(
        source,
        intervals=["30m"],
        time_manager=manager(DAYS[2].open),
        stored=MemorySource(tapes),
    )
    read.follow(plan_of(*names))

    for name in names:
        found = read.read(name, "30m", DAYS[0].span[0], DAYS[1].span[1])
        assert starts(found) == [bar.ts for bar in rows_of(name, [0, 1])]
    assert (len(source.calls), sorted(source.asked)) == (1, names)


def test_what_is_here_is_not_asked_for_again() -> None:
    source = Source()
    read = history(source, {"AAPL": [0, 1]}, DAYS[4].open)

    first = read.read("AAPL", "30m", *WHOLE)
    again = read.read("aapl", "30m", *WHOLE)

    assert first == again
    (request,) = source.calls[0]
    assert request.start.date() == DAYS[2].date
    assert len(source.calls) == 1


def test_symbols_of_one_plan_are_asked_for_in_one_call() -> None:
    source = Source()
    read = history(source, {"MSFT": [2, 3]}, DAYS[4].open)
    read.follow(plan_of("AAPL", "MSFT", "RIVN"))

    read.read("RIVN", "30m", DAYS[2].span[0], DAYS[4].span[0])
    kept = read.read("MSFT", "30m", DAYS[2].span[0], DAYS[4].span[0])
    read.read("AAPL", "30m", DAYS[2].span[0], DAYS[4].span[0])

    assert [sorted(r.symbol for r in call) for call in source.calls] == [
        ["AAPL", "RIVN"]
    ]
    assert starts(kept) == [bar.ts for bar in rows_of("MSFT", [2, 3])]


def test_calls_are_no_larger_and_no_more_frequent_than_the_source_allows() -> None:
    source = Source()
    source.most_requests, source.requests_per_minute = 2, 2  # type: ignore[attr-defined]
    waited: list[float] = []
    clock = BacktestClock(DAYS[4].open)

    def wait(seconds: float) -> bool:
        waited.append(seconds)
        clock.set_ns(clock.now_ns() + round(seconds * 10**9))
        return False

    time_manager = TimeManager("US_EQUITY", mode="live", clock=clock)
    read = FetchedHistory(
        source, intervals=["30m"], time_manager=time_manager, wait=wait
    )
    read.follow(plan_of("A", "B", "C", "D", "E"))
    read.read("A", "30m", DAYS[0].span[0], DAYS[4].span[0])

    assert [len(call) for call in source.calls] == [2, 2, 1]
    assert waited == [60.0]


def test_one_symbol_that_fails_costs_no_other_and_is_noted_and_tried_again_later() -> (
    None
):
    broken = {"MSFT"}

    def answer(request: HistoryRequest, rows: list[Bar]) -> object:
        if request.symbol in broken:
            text = "no such symbol, key=abc"
            raise LookupError(text)
        return columns(rows)

    source = Source(answer)
    clock = BacktestClock(DAYS[4].open)
    read = FetchedHistory(
        source,
        intervals=["30m"],
        time_manager=TimeManager("US_EQUITY", mode="live", clock=clock),
    )
    read.follow(plan_of("AAPL", "MSFT"))
    window = DAYS[3].span[0], DAYS[6].span[1]

    assert len(read.read("AAPL", "30m", *window)) == len(rows_of("AAPL", [3]))
    assert len(read.read("MSFT", "30m", *window)) == 0
    (note,) = read.notes
    assert (note.kind, note.symbol, note.count) == ("history_not_loaded", "MSFT", 1)
    assert "no such symbol" in note.text
    assert "abc" not in note.text

    tries = source.asked.count("MSFT")
    read.read("MSFT", "30m", *window)
    assert source.asked.count("MSFT") == tries
    broken.clear()
    clock.set_ns(DAYS[5].open)
    assert starts(read.read("MSFT", "30m", *window)) == [
        bar.ts for bar in rows_of("MSFT", [3, 4])
    ]


def test_an_empty_answer_is_no_failure_and_is_not_asked_for_again() -> None:
    source = Source(lambda *_: [])
    read = history(source, {}, DAYS[4].open)

    assert len(read.read("NEW", "30m", *WHOLE)) == 0
    assert len(read.read("NEW", "30m", *WHOLE)) == 0
    assert (len(source.calls), read.notes) == (1, [])


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda request, rows: "bars", "cannot be read"),
        (lambda request, rows: {"ts": [1]}, "cannot be read"),
        (
            lambda request, rows: stored({"OTHER": [0]}).read("OTHER", "30m", *WHOLE),
            "30m bars of OTHER, asked for were 30m bars of AAPL",
        ),
    ],
    ids=["text", "half", "other"],
)
def test_an_answer_that_is_none_is_noted(
    answer: Callable[..., object], words: str
) -> None:
    read = history(Source(answer), {}, DAYS[2].open)

    assert len(read.read("AAPL", "30m", *WHOLE)) == 0
    assert [words in note.text for note in read.notes] == [True]


def test_rows_that_break_a_rule_are_left_out_and_noted() -> None:
    def answer(_: HistoryRequest, rows: list[Bar]) -> object:
        made = columns(rows)
        made["high"][1] = np.nan
        return made

    read = history(Source(answer), {}, DAYS[1].open)

    assert len(read.read("AAPL", "30m", *WHOLE)) == len(rows_of("AAPL", [0])) - 1
    assert [note.kind for note in read.notes] == ["invalid_skipped"]


def test_whatever_a_source_adds_after_what_was_asked_for_changes_no_answer() -> None:
    def poisoned(request: HistoryRequest, rows: list[Bar]) -> object:
        end = int(request.end.timestamp()) * 10**9
        later = [bar_at(ts, 666) for ts in range(end, end + 40 * HALF_HOUR, HALF_HOUR)]
        return columns([*later, *rows])

    clean = history(Source(), {"AAPL": [1]}, DAYS[4].open)
    dirty = history(Source(poisoned), {"AAPL": [1]}, DAYS[4].open)

    assert clean.read("AAPL", "30m", *WHOLE) == dirty.read("AAPL", "30m", *WHOLE)


def test_nothing_is_asked_for_after_close() -> None:
    source = Source()
    read = history(source, {"AAPL": [0]}, DAYS[4].open)
    read.close()

    assert starts(read.read("AAPL", "30m", *WHOLE)) == [
        bar.ts for bar in rows_of("AAPL", [0])
    ]
    assert source.calls == []
    assert "the run was stopped before it was asked for" in read.notes[0].text


def test_close_ends_the_wait_for_the_quota() -> None:
    source = Source()
    source.most_requests, source.requests_per_minute = 1, 1  # type: ignore[attr-defined]
    read = history(source, {}, DAYS[4].open, wait=lambda _: True)
    read.follow(plan_of("A", "B", "C"))
    read.read("A", "30m", DAYS[3].span[0], DAYS[4].span[0])

    assert len(source.calls) == 1
    assert "waited for the quota" in read.notes[0].text


def test_an_interval_that_the_source_does_not_serve_is_read_from_storage_only() -> None:
    source = Source()
    daily = MemorySource({("AAPL", "1d"): [bar_at(DAYS[0].open, 1)]})
    read = FetchedHistory(
        source, intervals=["30m"], time_manager=manager(DAYS[4].open), stored=daily
    )

    assert read.get_intervals("AAPL") == ["30m", "1d"]
    assert len(read.read("AAPL", "1d", *WHOLE)) == 1
    assert source.calls == []


def test_a_run_over_fetched_history_ends_as_one_over_stored_bars() -> None:
    tapes = market_tapes("MSFT", "AAPL", "RIVN", thin=0.1)
    begin = datetime(2025, 7, 2, tzinfo=UTC).timestamp() * 1e9
    late = {key: [b for b in rows if b.ts >= begin] for key, rows in tapes.items()}

    class Vendor:
        def fetch(self, requests: Sequence[HistoryRequest]) -> list[object]:
            return [
                columns(
                    [
                        bar
                        for bar in tapes[request.symbol, "1m"]
                        if request.start.timestamp()
                        <= bar.ts / 1e9
                        < request.end.timestamp()
                    ]
                )
                for request in requests
            ]

    def ended(source: object, time_manager: TimeManager) -> object:
        system = SystemManager(time_manager=time_manager)
        run = system.prepare(config(), source=source)  # type: ignore[arg-type]
        run.coordinator.run()
        assert run.result().sessions[0].session_date == date(2025, 7, 2)
        return state_of(run.session_data), run.session_data.state_hash()

    one, other = TimeManager("US_EQUITY"), TimeManager("US_EQUITY")
    whole = ended(MemorySource(tapes), one)
    other.set_backtest_time(int(begin))
    fetched = FetchedHistory(
        Vendor(), intervals=["1m"], time_manager=other, stored=MemorySource(late)
    )

    assert ended(fetched, other) == whole
