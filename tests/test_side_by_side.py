"""``side_by_side``: the same done to many things in several threads."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from threading import Barrier, Event

import pytest

from tapeloom.side_by_side import meanwhile, side_by_side


@pytest.fixture(autouse=True)
def _two_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 2)


def readers() -> set[str]:
    """Names of the threads that ask beside a caller and are alive."""
    names = {thread.name for thread in threading.enumerate()}
    return {name for name in names if name.startswith("tapeloom-read")}


def test_answers_stand_in_the_order_of_the_items() -> None:
    assert side_by_side(lambda item: item * 2, range(500)) == [
        2 * item for item in range(500)
    ]


def test_nothing_is_asked_of_nothing() -> None:
    assert side_by_side(lambda item: 1 // item, []) == []


@pytest.fixture
def _switched_often() -> Iterator[None]:
    """Let threads take the interpreter from each other at almost every line."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(usual)


def test_two_items_are_asked_at_the_same_time_and_one_by_the_caller() -> None:
    both = Barrier(2, timeout=60)

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
            assert later_failed.wait(60)
            raise ValueError(item)
        later_failed.set()
        raise KeyError(item)

    with pytest.raises(ValueError, match="0"):
        side_by_side(ask, [0, 1])


def test_an_interrupt_is_raised_even_behind_an_error() -> None:
    interrupted = Event()

    def ask(item: int) -> int:
        if item == 0:
            assert interrupted.wait(60)
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
    side_by_side(str, range(50))
    assert readers() == set()


@pytest.mark.usefixtures("_switched_often")
def test_in_turn_one_thread_at_a_time_is_in_the_call_but_for_what_it_does_meanwhile() -> (
    None
):
    inside: list[int] = []
    both = Barrier(2, timeout=60)

    def is_alone(item: int) -> bool:
        inside.append(item)
        alone = inside == [item]
        inside.remove(item)
        return alone

    def ask(item: int) -> bool:
        before = all(is_alone(item) for _ in range(2_000))
        with meanwhile():
            both.wait()
        return before and all(is_alone(item) for _ in range(2_000))

    assert side_by_side(ask, [0, 1], in_turn=True) == [True, True]


def test_after_an_error_meanwhile_the_others_have_their_turns() -> None:
    both = Barrier(2, timeout=60)

    def ask(item: int) -> int:
        with meanwhile():
            both.wait()
            raise ValueError(item)

    with pytest.raises(ValueError, match="0"):
        side_by_side(ask, [0, 1, 2], in_turn=True)


@pytest.mark.parametrize("before_it_is_lent", [True, False])
def test_an_interrupt_of_the_caller_leaves_nobody_waiting_for_a_turn(
    before_it_is_lent: bool,
) -> None:
    caller, begun = threading.current_thread(), Event()

    def ask(_: int) -> None:
        if threading.current_thread() is not caller:
            with meanwhile():
                assert begun.wait(60)
            return
        begun.set()
        if before_it_is_lent:
            raise KeyboardInterrupt
        with meanwhile():
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        side_by_side(ask, range(1_000), in_turn=True)
    assert readers() == set()


@pytest.mark.parametrize("lends_while_it_cleans_up", [False, True])
def test_an_interrupt_while_the_caller_waits_for_its_turn_reaches_it(
    monkeypatch: pytest.MonkeyPatch, lends_while_it_cleans_up: bool
) -> None:
    caller, lent = threading.current_thread(), Event()

    class Interrupted:
        """A turn that an interrupt comes for while it is waited for."""

        def __init__(self) -> None:
            self._lock = threading.RLock()
            self.release = self._lock.release

        def acquire(self) -> bool:
            if threading.current_thread() is caller and lent.is_set():
                raise KeyboardInterrupt
            return self._lock.acquire()

    def ask(_: int) -> None:
        try:
            with meanwhile():
                if threading.current_thread() is caller:
                    lent.set()
                assert lent.wait(60)
        finally:
            if lends_while_it_cleans_up:
                with meanwhile():
                    pass

    monkeypatch.setattr("tapeloom.side_by_side.RLock", Interrupted)
    with pytest.raises(KeyboardInterrupt):
        side_by_side(ask, range(100_000), in_turn=True)


def test_a_turn_is_lent_as_often_as_it_is_said() -> None:
    both = Barrier(2, timeout=60)

    def ask(item: int) -> int:
        for _ in range(3):
            with meanwhile():
                both.wait()
        return item

    assert side_by_side(ask, [0, 1], in_turn=True) == [0, 1]


def test_a_turn_that_is_lent_stays_lent_in_what_is_called_meanwhile() -> None:
    both, lock = Barrier(2, timeout=60), threading.Lock()

    def ask(item: int) -> int:
        with meanwhile():
            both.wait()
            with lock, meanwhile():
                # Nobody has to wait for a turn here, which the other might have while it waits for the lock.
                pass
            both.wait()
        return item

    assert side_by_side(ask, [0, 1], in_turn=True) == [0, 1]


def test_without_turns_nothing_is_let_go_meanwhile() -> None:
    both = Barrier(2, timeout=60)

    def ask(item: int) -> int:
        with meanwhile():
            both.wait()
            return item

    assert side_by_side(ask, [0, 1]) == [0, 1]
    with meanwhile():
        assert side_by_side(int, [2], in_turn=True) == [2]
