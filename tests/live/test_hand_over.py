"""The queue between socket and session, the waiting times, and keys that nothing shows."""

from __future__ import annotations

import json
import pickle
import traceback
from queue import Queue
from random import Random
from threading import Event, Thread
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapeloom.bars import BarData
from tapeloom.errors import ArgumentError, ArgumentTypeError, FeedError
from tapeloom.live import Secret
from tapeloom.live.backoff import Backoff
from tapeloom.live.credentials import Credentials
from tapeloom.live.event_queue import EventQueue
from tests.live.recorded import bars_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tapeloom.live import FeedEvent

BARS: list[BarData] = list(bars_of("AAPL", 8))
CANARY = "CANARY-5up3rs3cr3t"


@given(st.integers(0, 2**32), st.integers(1, 60))
def test_waiting_times_stay_between_one_and_thirty_seconds_and_grow(
    seed: int, count: int
) -> None:
    backoff = Backoff(random=Random(seed))
    times = [backoff.next() for _ in range(count)]
    tops = [min(30.0, 2.0 ** (n + 1)) for n in range(count)]
    for time, top in zip(times, tops, strict=True):
        assert max(1.0, top / 2) <= time <= top
    backoff.reset()
    assert 1.0 <= backoff.next() <= 2.0


def test_a_seed_gives_the_same_waiting_times_again() -> None:
    one, other = Backoff(random=Random(3)), Backoff(random=Random(3))
    assert [one.next() for _ in range(9)] == [other.next() for _ in range(9)]


def test_what_was_put_before_the_end_is_handed_out_then_the_error_comes() -> None:
    queue = EventQueue(8)
    for bar in BARS[:3]:
        assert queue.put(bar)
    queue.close(FeedError("over"))
    assert not queue.put(BARS[3])
    events = iter(queue)
    assert [next(events) for _ in range(3)] == BARS[:3]
    with pytest.raises(FeedError, match="over"):
        next(events)


def test_a_full_queue_makes_the_writer_wait_and_loses_nothing() -> None:
    queue, done = EventQueue(2), Event()

    def write() -> None:
        for bar in BARS:
            queue.put(bar)
        queue.close()
        done.set()

    Thread(target=write).start()
    assert list(queue) == BARS
    assert done.wait(60)


def test_a_full_queue_says_so_in_time_and_a_close_lets_its_writer_go() -> None:
    queue = EventQueue(1)
    assert queue.put(BARS[0])
    assert not queue.put(BARS[1], timeout=0.0)
    answers: Queue[bool] = Queue()
    Thread(target=lambda: answers.put(queue.put(BARS[1]))).start()
    queue.close()
    assert answers.get(timeout=60) is False
    assert list(queue) == BARS[:1]


def test_the_events_of_a_frame_are_put_as_far_as_there_is_room() -> None:
    queue = EventQueue(3)
    assert queue.put_all(BARS[:2], 0.0) == 2
    assert queue.put_all(BARS[2:5], 0.0) == 1
    assert queue.take(2) == BARS[:2]
    assert queue.put_all(BARS[3:5]) == 2
    queue.close()
    assert queue.put_all(BARS[5:]) == 0
    assert queue.take(9) == BARS[2:5]


def test_a_frame_larger_than_the_queue_goes_through_it() -> None:
    queue = EventQueue(2)
    done: Queue[int] = Queue()
    Thread(target=lambda: done.put(queue.put_all(BARS))).start()
    events = iter(queue)
    assert [next(events) for _ in BARS] == BARS
    assert done.get(timeout=60) == len(BARS)


def test_a_wait_ends_with_an_event_a_wake_up_or_an_error_and_says_when_nothing_came() -> (
    None
):
    queue = EventQueue(2)
    assert not queue.wait(0.0)
    queue.wake()
    assert queue.wait(60)
    # That one was heard.
    assert not queue.wait(0.0)
    assert queue.put(BARS[0])
    assert queue.wait(60)
    # Who takes nothing is not told of what there is.
    assert not queue.wait(0.0, most=0)
    queue.close(FeedError("over"))
    assert not queue.wait(0.0, most=0)
    assert queue.take(9) == BARS[:1]
    assert queue.wait(60, most=0)
    with pytest.raises(FeedError, match="over"):
        queue.take(0)


def test_who_waits_is_woken_by_another_thread() -> None:
    queue = EventQueue(2)
    for wake in (queue.wake, lambda: queue.put(BARS[0])):
        found: Queue[bool] = Queue()
        waiting = Thread(target=lambda: found.put(queue.wait(60)))  # noqa: B023  (joined here)
        waiting.start()
        wake()
        assert found.get(timeout=60)
        waiting.join()


def test_the_lane_is_asked_first_and_has_what_it_takes() -> None:
    queue = EventQueue(8)
    taken: list[FeedEvent] = []

    def lane(events: Sequence[FeedEvent]) -> bool:
        if len(events) > 1:
            return False
        taken.extend(events)
        return True

    queue.lane = lane
    assert queue.put(BARS[0])
    assert queue.put_all(BARS[1:3]) == 2
    assert taken == BARS[:1]
    assert queue.take(9) == BARS[1:3]


def test_nothing_shows_a_secret() -> None:
    secret = Secret(CANARY)
    held = Credentials(secret, secret)
    shown = [repr(secret), str(secret), f"{secret}", repr(held), repr([secret])]
    assert not any(CANARY in text for text in shown)
    with pytest.raises(TypeError):
        json.dumps(secret)
    with pytest.raises(ArgumentTypeError, match="cannot be pickled"):
        pickle.dumps(secret)
    assert secret.reveal() == CANARY
    assert secret == Secret(CANARY)
    assert secret != Secret("other")


def test_keys_come_from_arguments_functions_and_the_environment() -> None:
    names = (("A_KEY", "B_KEY"), ("A_SECRET", "B_SECRET"))
    environment = {"B_KEY": "key", "A_SECRET": "one", "B_SECRET": "two"}

    def found(key: object, secret: object) -> tuple[str, str]:
        held = Credentials.found(key, secret, names=names, environment=environment)  # type: ignore[arg-type]
        return held.key.reveal(), held.secret.reveal()

    assert found(None, None) == ("key", "one")
    assert found("given", lambda: "asked") == ("given", "asked")
    assert found(Secret("hidden"), lambda: Secret("kept")) == ("hidden", "kept")


def test_a_missing_key_names_where_it_could_stand() -> None:
    names = (("A_KEY", "B_KEY"), ("A_SECRET",))
    with pytest.raises(ArgumentError, match=r"key is not given.*A_KEY or B_KEY"):
        Credentials.found(None, "s", names=names, environment={})


def test_a_keyring_that_fails_does_not_tell_what_it_holds() -> None:
    def ask() -> str:
        raise LookupError(CANARY)

    names = (("A",), ("B",))
    for failing in (ask, lambda: [CANARY], lambda: " "):
        with pytest.raises(ArgumentError) as failed:
            Credentials.found("k", failing, names=names, environment={})  # type: ignore[arg-type]
        text = "".join(traceback.format_exception(failed.value))
        assert CANARY not in text.replace("LookupError(CANARY)", "")
        assert failed.value.__context__ is None


def test_a_text_is_scrubbed_of_key_and_secret() -> None:
    held = Credentials(Secret("PK1"), Secret(CANARY))
    assert held.scrubbed(f"PK1 and {CANARY}!") == "*** and ***!"
