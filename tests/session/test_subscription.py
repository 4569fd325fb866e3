"""A signal between producer and consumer beside three plain numbers, and what it refuses."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from tapeloom import StreamSubscription
from tapeloom.errors import (
    ArgumentError,
    ArgumentTypeError,
    SubscriptionClosedError,
)
from tests.reference.subscription import Signal

if TYPE_CHECKING:
    from collections.abc import Callable

    from tapeloom.session.subscription import SubscriptionMode

MODES: tuple[SubscriptionMode, ...] = ("data-driven", "clock-driven", "live")


class Edge(RuleBasedStateMachine):
    """A subscription and three numbers that are told the same. No call here ever sleeps."""

    @initialize(mode=st.sampled_from(MODES))
    def begin(self, mode: SubscriptionMode) -> None:
        self.edge = StreamSubscription(mode, "feed")
        self.model = Signal(counts_overruns=mode != "data-driven")

    def is_refused(self, call: Callable[[], object]) -> bool:
        """Whether the call said that it is closed, which it says exactly when the model is."""
        if not self.model.is_closed:
            return False
        with pytest.raises(SubscriptionClosedError) as closed:
            call()
        assert closed.value.stream_id == "feed"
        assert closed.value.pending == self.model.produced - self.model.acknowledged
        return True

    @rule(times=st.integers(1, 3))
    def signal(self, times: int) -> None:
        for _ in range(times):
            if not self.is_refused(self.edge.signal_ready):
                self.edge.signal_ready()
                self.model.signal()

    # When data-driven, a wait for nothing has no end.
    @precondition(
        lambda self: (
            self.model.is_ready or self.model.is_closed or self.model.counts_overruns
        )
    )
    @rule()
    def wait(self) -> None:
        if not self.is_refused(lambda: self.edge.wait_until_ready(0)):
            assert self.edge.wait_until_ready(timeout=0) is self.model.wake()

    @rule()
    def reset(self) -> None:
        if not self.is_refused(self.edge.reset):
            self.edge.reset()
            self.model.reset()

    @rule()
    def hand_over(self) -> None:
        if not self.is_refused(lambda: self.edge.wait_until_acknowledged(0)):
            assert self.edge.wait_until_acknowledged(0) is self.model.hand_over()

    @rule()
    def is_ready(self) -> None:
        if not self.is_refused(self.edge.is_ready):
            assert self.edge.is_ready() is self.model.is_ready

    # Rarely: after it there is little to see.
    @precondition(lambda self: self.model.produced > 8)
    @rule()
    def close(self) -> None:
        self.edge.close()
        self.model.is_closed = True

    @invariant()
    def counts_agree(self) -> None:
        if hasattr(self, "edge"):
            assert self.edge.get_overrun_count() == self.model.overruns
            assert self.edge.backpressure_count == self.model.backpressure


TestEdge = Edge.TestCase
TestEdge.settings = settings(max_examples=150, stateful_step_count=40)


@pytest.mark.parametrize("mode", MODES)
def test_a_new_one_is_not_ready_and_knows_its_name(mode: SubscriptionMode) -> None:
    edge = StreamSubscription(mode, "AAPL 1m")
    assert not edge.is_ready()
    assert (edge.get_mode(), edge.get_stream_id()) == (mode, "AAPL 1m")
    assert edge.get_overrun_count() == edge.backpressure_count == 0
    assert edge.wait_until_acknowledged()
    assert repr(edge) == (
        f"StreamSubscription({mode!r}, 'AAPL 1m'): 0 ready so far, 0 acknowledged"
    )


def test_a_signal_between_wake_and_reset_is_kept() -> None:
    edge = StreamSubscription("live", "feed")
    edge.signal_ready()
    assert edge.wait_until_ready()
    edge.signal_ready()
    edge.reset()
    assert edge.wait_until_ready()
    edge.reset()
    assert not edge.is_ready()


def test_data_driven_counts_no_overruns() -> None:
    edge = StreamSubscription("data-driven", "feed")
    for _ in range(3):
        edge.signal_ready()
    assert edge.get_overrun_count() == 0


@pytest.mark.parametrize("mode", ["clock-driven", "live"])
def test_a_wait_for_nothing_ends_after_its_timeout(mode: SubscriptionMode) -> None:
    edge = StreamSubscription(mode, "feed")
    assert not edge.wait_until_ready(timeout=0.001)
    edge.signal_ready()
    assert not edge.wait_until_acknowledged(timeout=0.001)


class OnWarning(logging.Handler):
    """Keeps what is logged, and does something the moment it is."""

    def __init__(self, then: Callable[[], None]) -> None:
        super().__init__()
        self.records: list[Any] = []
        self._then = then

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)
        if len(self.records) == 2:
            self._then()


@pytest.mark.parametrize("timeout", [0, 0.001])
def test_a_late_stream_is_named_and_waited_for_when_data_driven(timeout: float) -> None:
    edge = StreamSubscription("data-driven", "MSFT 1m")
    told = OnWarning(edge.signal_ready)
    logger = logging.getLogger("tapeloom.session_flow")
    logger.addHandler(told)
    try:
        assert edge.wait_until_ready(timeout)
    finally:
        logger.removeHandler(told)
    assert len(told.records) == 2
    for record in told.records:
        assert record.levelno == logging.WARNING
        assert record.stream_id == "MSFT 1m"
        assert record.event == "late"
        assert "nothing from MSFT 1m" in record.getMessage()
    assert told.records[0].seconds < told.records[1].seconds


def test_closing_says_what_was_left() -> None:
    edge = StreamSubscription("live", "feed")
    edge.signal_ready()
    edge.signal_ready()
    edge.close()
    edge.close()
    with pytest.raises(SubscriptionClosedError, match=r"'feed' is closed, with 2 unit"):
        edge.signal_ready()
    assert (edge.get_overrun_count(), edge.get_mode()) == (1, "live")
    assert repr(edge).endswith("2 ready so far, 0 acknowledged, closed")


@pytest.mark.parametrize("mode", MODES)
def test_closing_wakes_both_sides(mode: SubscriptionMode) -> None:
    left, right = StreamSubscription(mode, "left"), StreamSubscription(mode, "right")
    right.signal_ready()
    heard: list[str] = []

    def wait_for(call: Callable[[], object]) -> None:
        try:
            call()
        except SubscriptionClosedError as closed:
            heard.append(str(closed.stream_id))

    waiters = [
        threading.Thread(target=wait_for, args=(left.wait_until_ready,)),
        threading.Thread(target=wait_for, args=(right.wait_until_acknowledged,)),
    ]
    for waiter in waiters:
        waiter.start()
    left.close()
    right.close()
    for waiter in waiters:
        waiter.join()
    assert sorted(heard) == ["left", "right"]


@pytest.mark.parametrize(
    ("mode", "near"), [("clock driven", "clock-driven"), ("Live", "live"), ("x", "")]
)
def test_another_mode_is_an_error_with_a_suggestion(mode: Any, near: str) -> None:
    with pytest.raises(ArgumentError, match=r"mode is .*data-driven") as refused:
        StreamSubscription(mode, "feed")
    assert f"did you mean {near!r}" in str(refused.value) or not near


@pytest.mark.parametrize("mode", [None, 1, b"live", ["live"]])
def test_a_mode_that_is_no_text_is_a_wrong_type(mode: Any) -> None:
    with pytest.raises(ArgumentTypeError, match="mode is"):
        StreamSubscription(mode, "feed")


@pytest.mark.parametrize("stream_id", ["", " ", "a\nb", None, 7])
def test_a_stream_needs_a_name(stream_id: Any) -> None:
    with pytest.raises(ArgumentError, match="stream_id is"):
        StreamSubscription("live", stream_id)


@pytest.mark.parametrize(
    "timeout", [-1, -0.001, float("nan"), float("inf"), True, "1", [1]]
)
def test_a_timeout_is_seconds(timeout: Any) -> None:
    edge = StreamSubscription("live", "feed")
    for wait in (edge.wait_until_ready, edge.wait_until_acknowledged):
        with pytest.raises(ArgumentError, match=r"timeout is .* or None to wait"):
            wait(timeout)
    assert edge.backpressure_count == 0


def test_a_timeout_beyond_any_clock_is_one_without_an_end() -> None:
    edge = StreamSubscription("live", "feed")
    threading.Thread(target=edge.signal_ready).start()
    assert edge.wait_until_ready(1e300)
