"""What the vendor counts stays within what it allows: its own client, a real server that counts, a clock set by hand."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapeloom.bars import Bars
from tapeloom.calendars import TimeManager
from tapeloom.calendars.clock import BacktestClock
from tapeloom.errors import ArgumentError, HistorySourceError
from tapeloom.history_source import HistoryRequest
from tapeloom.importing.history_requests import Asking
from tapeloom.live import AlpacaHistory, Fault, FeedServer
from tapeloom.live.alpaca_spans import PAGE, spans_of
from tapeloom.live.fetched_history import FetchedHistory
from tapeloom.live.server import history_pages
from tapeloom.live.server.gate import Gate
from tapeloom.request_quota import Allowance, pausing_by
from tapeloom.session.gap_filler import GapFiller
from tapeloom.session.gap_state import Retries
from tapeloom.session.session_grids import SessionGrids
from tapeloom.timestamps import from_ns
from tests.compare import columns
from tests.live.recorded import ZONE
from tests.reference.schedule import MINUTE, SECOND
from tests.session.gap_filling import HALF, Tape, at, without
from tests.session.vendor import Played, whole_day

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

NAMES = [f"S{number:02}" for number in range(12)]
LIMIT = 5


class Watch:
    """A clock that only waiting moves on."""

    def __init__(self) -> None:
        self.now = 0

    def now_ns(self) -> int:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += round(seconds * SECOND)


class Market:
    """A server with the half day on it, pages of five bars, and the instants at which it was asked."""

    def __init__(self, patch: pytest.MonkeyPatch, tape: Tape) -> None:
        self.watch = Watch()
        self.asked: list[int] = []
        answer = Gate._plain

        def counted(gate: Gate, request: object) -> object:
            self.asked.append(self.watch.now)
            return answer(gate, request)  # type: ignore[arg-type]  # its handler is a test's

        patch.setattr(Gate, "_plain", counted)
        patch.setattr(history_pages, "_limit", lambda _: 5)
        recorded = []
        for name, rows in tape.items():
            values: dict[str, Any] = {**columns([rows[ts] for ts in sorted(rows)])}
            recorded.append(Bars.from_columns(name, "1m", **values, zone=ZONE))
        self.server = FeedServer(recorded).start()
        self.server.advance_to(from_ns(at(200), ZONE))

    def source(self, limit: int = LIMIT) -> AlpacaHistory:
        return AlpacaHistory(
            "key",
            "secret",
            url_override=self.server.history_url,
            requests_per_minute=limit,
            monotonic=self.watch.now_ns,
        )

    @property
    def most_in_a_minute(self) -> int:
        return max(
            sum(1 for other in self.asked if 0 <= other - each < MINUTE)
            for each in self.asked
        )


@pytest.fixture
def truth() -> Tape:
    return whole_day(HALF, NAMES)


@pytest.fixture
def market(monkeypatch: pytest.MonkeyPatch, truth: Tape) -> Iterator[Market]:
    made = Market(monkeypatch, truth)
    yield made
    made.server.close()


def request(symbol: str, first: int, last: int) -> HistoryRequest:
    start, end = (from_ns(at(minute), ZONE) for minute in (first, last))
    return HistoryRequest(symbol, "1m", start, end)


def filler_of(
    played: Played,
    source: AlpacaHistory,
    pause: Callable[[float], object],
    executor: ThreadPoolExecutor | None = None,
) -> GapFiller:
    return GapFiller(
        played.session,
        source,
        grids=SessionGrids(played.session),
        retries=Retries(),
        instant=lambda: played.session._clock or 0,
        now=lambda: 0.0,
        pause=pause,
        executor=executor,
    )


def test_no_minute_has_more_requests_than_allowed_whoever_asks(
    market: Market, truth: Tape
) -> None:
    source, watch = market.source(), market.watch
    asking = Asking(source, clock=watch, sleep=watch.sleep)
    before = asking.ask([request(name, 0, 4) for name in NAMES])
    assert [len(bars) for bars in before] == [4] * 12  # type: ignore[arg-type]  # each is an answer with bars
    played = Played(HALF, without(truth, 5, 6, 90))
    played.to_minute(120)
    filler = filler_of(played, source, watch.sleep)
    for name in NAMES:
        filler.detect(name, at(5), at(7))
        filler.detect(name, at(90), at(91))
    filler.apply_ready()
    assert filler.is_idle
    assert all(played.session.get_bar_count(name) == 120 for name in NAMES)
    assert len(market.asked) > 4 * LIMIT
    assert market.most_in_a_minute == LIMIT


def test_an_attempt_that_fails_counts_and_is_made_once(market: Market) -> None:
    source, watch = market.source(limit=1), market.watch
    market.server.inject(Fault("refuse", what="history", count=2))
    with pausing_by(watch.sleep):
        for _ in range(2):
            with pytest.raises(HistorySourceError, match="too many requests"):
                source.fetch([request("S00", 0, 4)])
        (bars,) = source.fetch([request("S00", 0, 4)])
    assert len(bars) == 4
    assert market.asked == [0, MINUTE, 2 * MINUTE]


def test_symbols_with_stretches_of_their_own_are_one_request(
    market: Market, truth: Tape
) -> None:
    source = market.source(limit=1_000)
    wanted = [request(name, at, at + 2) for at, name in enumerate(NAMES)]
    wanted += [request(name, at + 4, at + 5) for at, name in enumerate(NAMES)]
    found = source.fetch(wanted)
    assert [len(bars) for bars in found] == [2] * 12 + [1] * 12
    for bars, each in zip(found, wanted, strict=True):
        first = int(each.start.timestamp()) * SECOND
        assert bars.volume[0] == truth[each.symbol][first].volume
    assert len(spans_of(wanted, [1] * len(wanted))) == 1


def test_the_end_of_a_run_ends_the_wait_for_the_quota(
    market: Market, truth: Tape
) -> None:
    source = market.source(limit=1)
    source.allowance.take()
    waits = Event()
    wait_ns = source.allowance._quota.wait_ns

    def seen(now: int) -> int:
        waits.set()
        return wait_ns(now)

    source.allowance._quota.wait_ns = seen  # type: ignore[method-assign]  # watched
    played = Played(HALF, without(truth, 5))
    played.to_minute(8)
    with ThreadPoolExecutor() as executor:
        filler = filler_of(played, source, market.watch.sleep, executor)
        filler.detect("S00", at(5), at(6))
        filler.apply_ready()
        assert waits.wait(60)
        # Its clock stands still: but for this it would wait for ever.
        filler.close()
    assert market.asked == []
    assert (
        filler._done.get(timeout=60)
        .answers[0]
        .failure.endswith(
            "the run was stopped while it waited for the quota of the source"
        )
    )


def test_closing_history_of_earlier_days_ends_its_wait_too(market: Market) -> None:
    source = market.source(limit=1)
    source.allowance.take()
    past = FetchedHistory(
        source,
        intervals=["1m"],
        time_manager=TimeManager(mode="live", clock=BacktestClock(HALF.span[1])),
        wait=lambda _: True,
    )
    assert len(past.read("S00", "1m", HALF.open, HALF.close)) == 0
    assert market.asked == []
    (note,) = past.notes
    assert "the run was stopped while it waited for the quota" in note.text


@pytest.mark.parametrize("limit", [0, -1, 2.5])
def test_an_allowance_that_is_no_number_is_an_error(limit: int) -> None:
    with pytest.raises(ArgumentError, match="requests_per_minute is"):
        Allowance(limit)


@given(
    st.lists(
        st.tuples(
            st.sampled_from(NAMES), st.integers(0, 40_000), st.integers(0, 20_000)
        ),
        max_size=12,
    )
)
def test_spans_hold_what_is_wanted_and_take_no_more_pages(
    wanted: Sequence[tuple[str, int, int]],
) -> None:
    requests = [request(name, at, at + length) for name, at, length in wanted]
    spans = spans_of(requests, [1] * len(requests))
    assert sorted(at for span in spans for at in span.places) == [*range(len(requests))]
    for span in spans:
        for place in span.places:
            each = requests[place]
            assert span.start <= each.start <= each.end <= span.end
    alone = {(each.start, each.end): set[str]() for each in requests}
    for each in requests:
        alone[each.start, each.end].add(each.symbol)
    pages = sum(
        -(-len(names) * ((end - start).total_seconds() // 60 + 1) // PAGE)
        for (start, end), names in alone.items()
    )
    assert sum(span.pages() for span in spans) <= pages
