"""Market-time alerts on a clock moved by hand and on a live one."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from threading import Barrier, Thread
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapeloom import TimeManager
from tapeloom.calendars import BacktestClock
from tapeloom.errors import (
    ArgumentError,
    ArgumentTypeError,
    CalendarError,
    ClockError,
    StateError,
)

FIVE_MINUTES = timedelta(minutes=5)


class Calls:
    """Keeps when it was called, and what the clock said."""

    def __init__(self, time_manager: TimeManager) -> None:
        self._time_manager = time_manager
        self.at: list[str] = []

    def __call__(self, when: datetime) -> None:
        if self._time_manager.get_current_mode() == "backtest":
            assert self._time_manager.get_current_time() == when
        self.at.append(f"{when:%m-%d %H:%M}")


@pytest.fixture
def us() -> TimeManager:
    return TimeManager("US_EQUITY")


def wall(text: str) -> datetime:
    return datetime.fromisoformat(f"2025-{text}")


def test_an_alert_before_the_close_follows_half_days_and_holidays(
    us: TimeManager,
) -> None:
    calls = Calls(us)
    alert = us.before_close(FIVE_MINUTES, calls)
    us.set_backtest_time(wall("07-02 09:30"))
    us.set_backtest_time(wall("07-08 09:30"))
    assert calls.at == ["07-02 15:55", "07-03 12:55", "07-07 15:55"]
    assert alert.times_called == 3
    assert us.next_alert is not None
    assert us.next_alert.replace(tzinfo=None) == wall("07-08 15:55")


def test_an_alert_after_the_open_is_called_in_every_session(us: TimeManager) -> None:
    us.set_backtest_time(wall("07-02 09:31"))
    calls = Calls(us)
    us.after_open(timedelta(minutes=30), calls)
    us.set_backtest_time(wall("07-07 12:00"))
    assert calls.at == ["07-02 10:00", "07-03 10:00", "07-07 10:00"]


def test_an_alert_at_the_open_and_the_close_themselves(us: TimeManager) -> None:
    calls = Calls(us)
    us.after_open(timedelta(), calls)
    us.before_close(timedelta(), calls)
    us.set_backtest_time(wall("07-03 09:30"))
    assert calls.at == ["07-03 09:30"]
    us.set_backtest_time(wall("07-03 13:00"))
    assert calls.at == ["07-03 09:30", "07-03 13:00"]


def test_an_overnight_session_opens_the_evening_before() -> None:
    futures = TimeManager("US_FUTURES")
    calls = Calls(futures)
    futures.after_open(timedelta(hours=1), calls)
    futures.set_backtest_time(wall("07-07 12:00"))
    futures.set_backtest_time(wall("07-08 12:00"))
    assert calls.at == ["07-07 18:00"]


def test_an_alert_at_an_instant_is_called_once(us: TimeManager) -> None:
    calls = Calls(us)
    us.set_backtest_time(wall("07-02 09:30"))
    alert = us.at(wall("07-02 20:00"), calls)
    us.set_backtest_time(wall("07-02 19:59"))
    assert calls.at == []
    us.set_backtest_time(wall("07-02 20:00"))
    us.set_backtest_time(wall("07-09 20:00"))
    assert calls.at == ["07-02 20:00"]
    assert (alert.times_called, alert.due) == (1, None)


def test_alerts_of_one_instant_are_called_in_the_order_in_which_they_were_set(
    us: TimeManager,
) -> None:
    order: list[int] = []
    us.before_close(FIVE_MINUTES, lambda _: order.append(1))
    us.at(wall("07-02 15:55"), lambda _: order.append(2))
    us.before_close(FIVE_MINUTES, lambda _: order.append(3))
    us.set_backtest_time(wall("07-02 09:30"))
    us.set_backtest_time(wall("07-03 16:00"))
    assert order == [1, 2, 3, 1, 3]


def test_a_cancelled_alert_is_never_called(us: TimeManager) -> None:
    calls = Calls(us)
    alert = us.before_close(FIVE_MINUTES, calls)
    us.set_backtest_time(wall("07-02 16:00"))
    alert.cancel()
    alert.cancel()
    us.set_backtest_time(wall("07-08 16:00"))
    assert calls.at == []
    assert us.next_alert is None
    assert "cancelled" in repr(alert)


def test_an_alert_may_cancel_itself_and_set_others(us: TimeManager) -> None:
    calls = Calls(us)

    def once(when: datetime) -> None:
        alert.cancel()
        us.at(when + timedelta(minutes=1), calls)
        us.at(when, calls)

    alert = us.before_close(FIVE_MINUTES, once)
    us.set_backtest_time(wall("07-02 09:30"))
    us.set_backtest_time(wall("07-09 09:30"))
    assert calls.at == ["07-02 15:55", "07-02 15:56"]


def test_an_alert_that_raises_leaves_the_clock_at_its_instant_and_counts_as_called(
    us: TimeManager,
) -> None:
    def fail(_when: datetime) -> None:
        raise RuntimeError("no")

    alert = us.at(wall("07-02 15:55"), fail)
    us.set_backtest_time(wall("07-02 09:30"))
    with pytest.raises(RuntimeError, match="no"):
        us.set_backtest_time(wall("07-02 16:00"))
    assert us.get_current_time().replace(tzinfo=None) == wall("07-02 15:55")
    us.set_backtest_time(wall("07-02 16:00"))
    assert alert.times_called == 1


def test_an_alert_in_the_past_is_an_error(us: TimeManager) -> None:
    us.set_backtest_time(wall("07-02 12:00"))
    with pytest.raises(ArgumentError, match="it is 2025-07-02 12:00:00-04:00 already"):
        us.at(wall("07-02 11:59"), print)


def test_an_alert_before_the_clock_begins_is_given_up(
    us: TimeManager, caplog: pytest.LogCaptureFixture
) -> None:
    calls = Calls(us)
    us.at(wall("07-01 12:00"), calls)
    us.set_backtest_time(wall("07-02 09:30"))
    assert calls.at == []
    assert "the clock begins later" in caplog.text


def test_going_back_sets_the_alerts_of_every_session_anew(us: TimeManager) -> None:
    calls = Calls(us)
    us.before_close(FIVE_MINUTES, calls)
    for _ in range(2):
        us.reset_backtest_clock(wall("07-02 09:30"))
        us.set_backtest_time(wall("07-02 16:00"))
    us.reset_backtest_clock()
    assert us.next_alert is None
    assert calls.at == ["07-02 15:55", "07-02 15:55"]


def test_an_edit_of_the_calendar_moves_the_alerts(us: TimeManager) -> None:
    calls = Calls(us)
    us.before_close(FIVE_MINUTES, calls)
    us.set_backtest_time(wall("07-02 09:30"))
    us.add_holiday(date(2025, 7, 2))
    us.register_market_hours(date(2025, 7, 3), regular=["09:30", "12:00"])
    us.set_backtest_time(wall("07-04 00:00"))
    assert calls.at == ["07-03 11:55"]


def test_an_edit_made_by_an_alert_does_not_call_it_again(us: TimeManager) -> None:
    calls = Calls(us)

    def close_tomorrow(when: datetime) -> None:
        calls(when)
        if len(calls.at) == 1:
            us.add_holiday(date(2025, 7, 3))

    us.before_close(FIVE_MINUTES, close_tomorrow)
    us.set_backtest_time(wall("07-02 09:30"))
    us.set_backtest_time(wall("07-08 09:30"))
    assert calls.at == ["07-02 15:55", "07-07 15:55"]


def test_a_clock_that_goes_backwards_calls_nothing(us: TimeManager) -> None:
    calls = Calls(us)
    us.set_backtest_time(wall("07-02 16:00"))
    us.before_close(FIVE_MINUTES, calls)
    with pytest.raises(ClockError):
        us.set_backtest_time(wall("07-02 09:30"))
    assert calls.at == []


@pytest.mark.parametrize("delta", [5, None, "5m"])
def test_a_delta_is_a_timedelta(us: TimeManager, delta: Any) -> None:
    with pytest.raises(ArgumentTypeError, match="give a timedelta"):
        us.before_close(delta, print)


def test_a_negative_delta_is_an_error(us: TimeManager) -> None:
    with pytest.raises(ArgumentError, match="0 or more"):
        us.after_open(-FIVE_MINUTES, print)


def test_a_call_must_be_callable(us: TimeManager) -> None:
    with pytest.raises(ArgumentTypeError, match="give a function"):
        us.before_close(FIVE_MINUTES, None)  # type: ignore[arg-type]  # what is tested


def test_standing_at_an_instant_leaves_its_alerts_for_later(us: TimeManager) -> None:
    calls = Calls(us)
    us.set_backtest_time(wall("07-02 09:30"))
    us.before_close(FIVE_MINUTES, calls)
    assert us.next_alert_ns() is not None
    us.stand_at(us.next_alert_ns() or 0)
    assert calls.at == []
    assert us.run_alerts() == 1
    assert us.run_alerts() == 0
    assert calls.at == ["07-02 15:55"]


def test_advancing_to_the_open_calls_what_is_due_on_the_way(us: TimeManager) -> None:
    calls = Calls(us)
    us.set_backtest_time(wall("07-03 09:30"))
    us.before_close(FIVE_MINUTES, calls)
    us.after_open(timedelta(), calls)
    opened = us.advance_to_market_open()
    assert opened.replace(tzinfo=None) == wall("07-07 09:30")
    assert calls.at == ["07-03 09:30", "07-03 12:55", "07-07 09:30"]


class HandClock:
    """A live clock whose hands are moved by the test."""

    def __init__(self, text: str) -> None:
        self.ns = 0
        self.move(text)

    def move(self, text: str) -> None:
        at = datetime.fromisoformat(f"2025-{text}").replace(tzinfo=UTC)
        self.ns = int(at.timestamp()) * 10**9

    def now_ns(self) -> int:
        return self.ns


def test_a_live_manager_calls_the_same_alerts_when_it_is_asked_to() -> None:
    clock = HandClock("07-02 13:30")
    live = TimeManager(mode="live", clock=clock)
    calls = Calls(live)
    live.before_close(FIVE_MINUTES, calls)
    live.at(wall("07-02 15:00"), calls)
    assert live.run_alerts() == 0
    clock.move("07-03 17:00")
    assert live.run_alerts() == 3
    assert calls.at == ["07-02 15:00", "07-02 15:55", "07-03 12:55"]
    with pytest.raises(StateError, match="live"):
        live.stand_at(0)


def test_an_edit_keeps_what_is_due_and_not_called_yet() -> None:
    clock = HandClock("07-02 19:50")
    live = TimeManager(mode="live", clock=clock)
    calls = Calls(live)
    live.before_close(FIVE_MINUTES, calls)
    clock.move("07-02 19:56")
    live.add_holiday(date(2025, 7, 7))
    assert live.run_alerts() == 1
    assert calls.at == ["07-02 15:55"]


def test_the_clock_is_not_moved_from_inside_an_alert(us: TimeManager) -> None:
    us.set_backtest_time(wall("07-02 09:30"))
    for move in (
        lambda _: us.reset_backtest_clock(),
        lambda _: us.set_backtest_time(wall("07-03 09:30")),
        lambda _: us.advance_to_market_open(),
    ):
        at = us.get_current_time() + timedelta(minutes=1)
        us.at(at, move)
        with pytest.raises(StateError, match="from inside an alert"):
            us.set_backtest_time(wall("07-02 12:00"))
        assert us.get_current_time() == at


def test_going_past_an_alert_gives_it_up(
    us: TimeManager, caplog: pytest.LogCaptureFixture
) -> None:
    calls = Calls(us)
    us.at(wall("07-02 09:00"), calls)
    us.reset_backtest_clock(wall("07-02 12:00"))
    us.set_backtest_time(wall("07-02 13:00"))
    assert calls.at == []
    assert "the clock begins later" in caplog.text


@pytest.mark.parametrize("delta", [timedelta.max, timedelta(days=367)])
def test_a_delta_of_years_is_an_error(us: TimeManager, delta: timedelta) -> None:
    with pytest.raises(ArgumentError, match="at most a year"):
        us.after_open(delta, print)


def test_an_alert_may_be_set_again_for_its_own_instant(us: TimeManager) -> None:
    calls = Calls(us)
    us.set_backtest_time(1_751_463_000_000_000_000)
    us.at(
        1_751_463_060_000_000_999,
        lambda when: us.at(when, lambda _: calls.at.append("again")),
    )
    us.set_backtest_time(wall("07-02 12:00"))
    assert calls.at == ["again"]


def test_setting_and_cancelling_many_alerts_keeps_none(us: TimeManager) -> None:
    us.set_backtest_time(wall("07-02 09:30"))
    us.at(wall("07-02 09:31"), lambda _: None)
    for _ in range(2_000):
        us.at(wall("07-02 12:00"), print).cancel()
        us.before_close(FIVE_MINUTES, print).cancel()
    assert len(us._alerts._heap) < 200
    assert len(us._alerts._repeated) == 0


def test_a_faulty_calendar_leaves_no_alert_behind() -> None:
    broken = TimeManager(overlay={"XNYS": {"soon": "closed"}})
    with pytest.raises(CalendarError):
        broken.before_close(FIVE_MINUTES, print)
    broken.set_backtest_time(wall("07-02 09:30"))
    assert broken.next_alert is None


def test_setting_an_alert_and_editing_at_once_do_not_wait_for_each_other() -> None:
    for _ in range(20):
        live = TimeManager(mode="live", clock=HandClock("07-02 19:50"))
        start = Barrier(2)

        def set_alert(live: TimeManager = live, start: Barrier = start) -> None:
            start.wait()
            live.before_close(FIVE_MINUTES, print)

        def edit(live: TimeManager = live, start: Barrier = start) -> None:
            start.wait()
            live.add_holiday(date(2025, 7, 7))

        threads = [Thread(target=set_alert), Thread(target=edit)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert not any(thread.is_alive() for thread in threads)


STEPS = st.lists(st.integers(0, 6 * 24 * 60), min_size=1, max_size=8)


@given(steps=STEPS, before=st.integers(0, 500), after=st.integers(0, 500))
def test_alerts_come_at_the_same_instants_however_the_clock_is_moved(
    steps: list[int], before: int, after: int
) -> None:
    start = wall("06-30 09:30")
    found = []
    # In the steps given, and in one.
    for moves in (sorted(steps), [max(steps)]):
        manager = TimeManager(clock=BacktestClock())
        manager.set_backtest_time(start)
        calls = Calls(manager)
        manager.before_close(timedelta(minutes=before), calls)
        manager.after_open(timedelta(minutes=after), calls)
        for minutes in moves:
            manager.set_backtest_time(start + timedelta(minutes=minutes))
        found.append(calls.at)
    assert found[0] == found[1]
    expected = []
    for day, close in [("06-30", 16), ("07-01", 16), ("07-02", 16), ("07-03", 13)]:
        expected.append(wall(f"{day} 09:30") + timedelta(minutes=after))
        expected.append(wall(f"{day} {close}:00") - timedelta(minutes=before))
    # The last step ends before any alert of the next session, five days on.
    end = start + timedelta(minutes=max(steps))
    due = sorted(when for when in expected if start <= when <= end)
    assert found[0] == [f"{when:%m-%d %H:%M}" for when in due]
