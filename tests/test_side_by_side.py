"""``side_by_side``: the same done to many things in several threads."""

from __future__ import annotations

import threading
from threading import Barrier, Event

import pytest

from tapeloom.side_by_side import side_by_side


@pytest.fixture(autouse=True)
def _two_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 2)


def test_answers_stand_in_the_order_of_the_items() -> None:
    assert side_by_side(lambda item: item * 2, range(500)) == [
        2 * item for item in range(500)
    ]


def test_nothing_is_asked_of_nothing() -> None:
    assert side_by_side(lambda item: 1 // item, []) == []


def test_two_items_are_asked_at_the_same_time_and_one_by_the_caller() -> None:
    both = Barrier(2, timeout=30)

    def ask(_: int) -> str:
        both.wait()
        return threading.current_thread().name

    found = side_by_side(ask, [1, 2])
    assert sorted(found) == sorted([threading.current_thread().name, "tapeloom-read-1"])


def test_one_item_is_asked_by_the_caller_alone() -> None:
    assert side_by_side(lambda _: threading.current_thread(), [1]) == [
        threading.current_thread()
    ]


def test_the_error_of_the_first_faulty_item_is_raised_however_late_it_comes() -> None:
    later_failed = Event()

    def ask(item: int) -> int:
        if item == 0:
            assert later_failed.wait(30)
            raise ValueError(item)
        later_failed.set()
        raise KeyError(item)

    with pytest.raises(ValueError, match="0"):
        side_by_side(ask, [0, 1])


def test_an_interrupt_is_raised_even_behind_an_error() -> None:
    interrupted = Event()

    def ask(item: int) -> int:
        if item == 0:
            assert interrupted.wait(30)
            raise ValueError(item)
        interrupted.set()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        side_by_side(ask, [0, 1])


def test_after_an_error_no_more_items_are_handed_out() -> None:
    asked = []

    def ask(item: int) -> int:
        asked.append(item)
        raise ValueError(item)

    with pytest.raises(ValueError, match="0"):
        side_by_side(ask, range(1_000))
    # Each thread has taken one at most when it hears of the error.
    assert len(asked) <= 2


def test_no_thread_outlives_the_call() -> None:
    before = threading.active_count()
    side_by_side(str, range(50))
    assert threading.active_count() == before
