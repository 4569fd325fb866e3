"""Nobody answers for the days before a session: it begins in time, without them, says so, and takes its bars."""

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING, Any
from urllib.error import HTTPError

import pytest

from tapeloom.config import FeedOffer, StreamPlan
from tapeloom.errors import FeedError, HistorySourceError
from tapeloom.history_source import HistoryRequest
from tapeloom.importing.history_requests import Asking
from tapeloom.live.fetched_history import FetchedHistory
from tapeloom.live.live_player import Stage, Timing
from tapeloom.timestamps import from_ns
from tests.live.simulated_day import SimulatedRun, config_of, tape
from tests.live.test_fetched_history import DAYS, Source, history, plan_of
from tests.live.test_live_session import CLOCK, DAY, MANAGER, SYMBOLS, TRUTH
from tests.reference.schedule import MINUTE, SECOND
from tests.session.vendor import Vendor

if TYPE_CHECKING:
    from collections.abc import Sequence


class Down:
    """Is asked, and answers nobody."""

    def __init__(self, error: Exception, *, most: int = 100) -> None:
        self.most_requests = most
        self.calls: list[list[str]] = []
        self.error = error

    def fetch(self, requests: Sequence[HistoryRequest]) -> list[object]:
        self.calls.append([each.symbol for each in requests])
        raise self.error


class Silent(Down):
    """Keeps who asks waiting for half a minute, as a line does that nothing comes over."""

    def fetch(self, requests: Sequence[HistoryRequest]) -> list[object]:
        CLOCK.now += 30 * SECOND
        return super().fetch(requests)


def test_a_session_begins_in_time_while_history_is_down(
    caplog: pytest.LogCaptureFixture,
) -> None:
    begin = CLOCK.now = DAY.open + MINUTE + SECOND
    source = Silent(HistorySourceError("service unavailable"), most=2)
    waited: list[float] = []

    def wait(seconds: float) -> bool:
        waited.append(seconds)
        CLOCK.now += round(seconds * SECOND)
        return False

    past = FetchedHistory(source, intervals=["1m"], time_manager=MANAGER, wait=wait)
    data = [{"trailing_days": 3, "intervals": ["1m"], "apply_to": "all"}]
    config = config_of(SYMBOLS, historical={"data": data})
    plan = StreamPlan.build(config, past, offer=FeedOffer.of(["1m"], ["bars"]))
    past.follow(plan)
    run = SimulatedRun(
        config,
        MANAGER,
        CLOCK,
        [event for event in tape(TRUTH) if event[0] >= begin],
        begin=begin,
        past=past,
        plan=plan,
        vendor=Vendor(TRUTH, failures=1_000),
    )
    run.run()

    # The first call and two more tries of it: nobody is asked for the third symbol.
    assert (len(source.calls), waited) == (3, [2.0, 8.0])
    opened = next(
        each.at for each in run.handed if each.stage in (Stage.WAITING, Stage.OPEN)
    )
    # The step after.
    assert opened <= begin + Timing().warm_up + SECOND
    assert [run.store.get_bar_count(name) for name in SYMBOLS] == [9, 9, 9]
    assert run.store.get_bar_count("AAA", scope="history") == 0
    said = "history of 1m bars is not loaded: Silent raised HistorySourceError: service unavailable (3 symbols)"
    assert said in run.parts.session.fills
    assert f"{said}; the session goes on without" in caplog.text
    assert sorted(note.symbol for note in past.notes) == sorted(SYMBOLS)
    warned = [each.text for each in run.parts.tally.warnings]
    assert "history 1m: 0 of the 3 days asked for have bars" in warned


def test_a_source_that_is_down_is_left_alone_for_a_while_and_asked_again_later() -> (
    None
):
    source = Source()
    answer, waited = source.fetch, list[float]()
    down = Down(ConnectionError("refused"))
    source.fetch = down.fetch  # type: ignore[method-assign]  # it goes down

    def wait(seconds: float) -> bool:
        waited.append(seconds)
        return False

    read = history(source, {}, DAYS[4].open, wait=wait)
    clock = read._clock
    window = DAYS[3].span

    def is_there(name: str) -> bool:
        return len(read.read(name, "30m", *window)) > 0

    assert not is_there("AAPL")
    assert (len(down.calls), waited) == (3, [2.0, 8.0])
    assert not is_there("MSFT")
    assert len(down.calls) == 3
    clock.set_ns(clock.now_ns() + MINUTE)  # type: ignore[attr-defined]  # it is a clock that is set
    # One that joins is asked for once, and holds nobody up.
    assert not is_there("RIVN")
    assert (len(down.calls), len(waited)) == (4, 2)
    assert {note.symbol for note in read.notes} == {"AAPL", "MSFT", "RIVN"}
    source.fetch = answer  # type: ignore[method-assign]  # it is up again
    clock.set_ns(clock.now_ns() + MINUTE)  # type: ignore[attr-defined]  # it is a clock that is set
    assert is_there("KO")
    assert not is_there("AAPL")
    clock.set_ns(DAYS[5].open)  # type: ignore[attr-defined]  # it is a clock that is set
    assert is_there("AAPL")


def test_a_vendor_that_answers_the_second_time_is_no_loss() -> None:
    source = Source()
    answer, failures = source.fetch, [HistorySourceError("slow down", status=429)]

    def fetch(requests: Sequence[HistoryRequest]) -> list[object]:
        if failures:
            raise failures.pop()
        return answer(requests)

    source.fetch = fetch  # type: ignore[method-assign]  # watched
    read = history(source, {}, DAYS[4].open, wait=lambda _: False)
    read.follow(plan_of("AAPL", "MSFT"))
    assert len(read.read("AAPL", "30m", *DAYS[3].span)) > 0
    assert (read.notes, len(source.calls)) == ([], 1)


def test_keys_that_are_refused_are_not_tried_again() -> None:
    source = Down(FeedError("forbidden", code=403))
    read = history(source, {}, DAYS[4].open, wait=lambda _: False)  # type: ignore[arg-type]  # a source of the test's own
    read.read("AAPL", "30m", *DAYS[3].span)
    assert len(source.calls) == 1


class Status(Exception):  # noqa: N818  (what clients of vendors raise)
    def __init__(self, code: int) -> None:
        self.status_code = code


@pytest.mark.parametrize(
    ("error", "calls"),
    [
        (LookupError("no such symbol"), 7),
        (ValueError("no such symbol"), 7),
        (HistorySourceError("invalid symbol", status=400), 7),
        (Status(422), 7),
        (HTTPError("http://vendor", 404, "not found", None, None), 7),  # type: ignore[arg-type]  # no headers, no body
        (HistorySourceError("service unavailable", status=503), 1),
        (HistorySourceError("no answer"), 1),
        (HTTPError("http://vendor", 429, "too many", None, None), 1),  # type: ignore[arg-type]  # no headers, no body
        (Status(500), 1),
        (FeedError("forbidden", code=403), 1),
        (ConnectionRefusedError("refused"), 1),
        (TimeoutError(), 1),
        (RuntimeError("broken"), 1),
    ],
    ids=lambda value: f"{type(value).__name__} {value}"[:30],
)
def test_only_an_error_that_blames_a_request_is_halved(
    error: Exception, calls: int
) -> None:
    source: Any = Down(error)
    asking = Asking(source, clock=MANAGER.clock, sleep=lambda _: None)
    start, end = (from_ns(ns, UTC) for ns in DAYS[0].span)
    requests = [HistoryRequest(name, "30m", start, end) for name in "ABCD"]
    found = asking.ask(requests)
    assert len(source.calls) == calls
    assert (asking.failure is None) == (calls > 1)
    for request, each in zip(requests, found, strict=True):
        assert isinstance(each, HistorySourceError)
        assert (each.symbol, each.__cause__) == (request.symbol, error)
