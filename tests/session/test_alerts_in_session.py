"""Alerts while a session runs: between batches, with everything known by then and nothing later."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

import tapeloom
from tapeloom import TimeManager
from tapeloom.columns import read_frame
from tapeloom.errors import AnalysisError, ArgumentError, ConfigError, StateError
from tests.compare import long_columns
from tests.days import us_day
from tests.reference.gaps import due_starts, expected_starts
from tests.reference.schedule import MINUTE, to_ns
from tests.session.test_no_lookahead import Tape, image_of_session, poisoned
from tests.strategies import bar_at, fewer, streams

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tapeloom.bars import BarData
    from tapeloom.session_data import SessionData
    from tests.reference.schedule import TradingDay

FULL, HALF = us_day("2025-07-02"), us_day("2025-07-03")
DAYS = [FULL, HALF]


class Watcher:
    """An analysis that notes bars and alerts in the order in which they come."""

    def __init__(self, intervals: Sequence[str] | None = None) -> None:
        self.session: SessionData | None = None
        self.log: list[tuple[str, int]] = []
        self._wanted = intervals

    def on_session_start(self, session: SessionData) -> None:
        self.session = session

    def on_bar(self, session: SessionData, bar: BarData) -> None:
        if bar.interval == "1m":
            self.log.append(("bar", to_ns(bar.end)))


def whole(days: Sequence[TradingDay]) -> Tape:
    starts = [ts for day in days for ts in expected_starts(day, MINUTE)]
    return {"AAA": [bar_at(ts, 100) for ts in starts]}


def replay(tape: Tape, manager: TimeManager, analysis: object) -> tapeloom.RunResult:
    return tapeloom.replay(
        long_columns(tape),
        intervals=("1m", "5m", "1d"),
        analysis=analysis,
        time_manager=manager,
        progress=False,
    )


def test_an_alert_comes_after_the_batch_of_its_instant_and_before_the_next() -> None:
    manager, watcher = TimeManager(), Watcher()
    manager.before_close(
        timedelta(minutes=5), lambda when: watcher.log.append(("alert", to_ns(when)))
    )
    replay(whole(DAYS), manager, watcher)
    for day in DAYS:
        at = day.close - 5 * MINUTE
        place = watcher.log.index(("alert", at))
        assert watcher.log[place - 1] == ("bar", at)
        assert watcher.log[place + 1] == ("bar", at + MINUTE)


@pytest.mark.parametrize("seconds", [0, 30])
def test_an_alert_sees_what_is_known_though_nobody_waits_for_bars(seconds: int) -> None:
    tape, seen = whole([FULL]), []
    manager = TimeManager()

    class Idle:
        def on_session_start(self, session: SessionData) -> None:
            manager.at(
                datetime(2025, 7, 2, 11, 0, seconds),  # noqa: DTZ001  (wall time of the exchange)
                lambda when: seen.append(
                    (
                        to_ns(when),
                        session.get_bar_count("AAA"),
                        session.get_quality_report("AAA").expected,
                    )
                ),
            )

    replay(tape, manager, Idle())
    at = FULL.open + 90 * MINUTE + seconds * 10**9
    known = sum(bar.ts + MINUTE <= at for bar in tape["AAA"])
    assert seen == [(at, known, known)]


def test_an_alert_during_an_outage_counts_what_is_due_by_then() -> None:
    starts = expected_starts(FULL, MINUTE)
    tape: Tape = {"AAA": [bar_at(ts, 100) for ts in starts[:30]]}
    manager, seen = TimeManager(), []

    class Idle:
        def on_session_start(self, session: SessionData) -> None:
            def look(when: datetime) -> None:
                report = session.get_quality_report("AAA")
                seen.append((report.expected, report.present))

            manager.after_open(timedelta(hours=2), look)

    replay(tape, manager, Idle())
    assert seen == [(len(due_starts(FULL, MINUTE, FULL.open + 120 * MINUTE)), 30)]


def test_an_alert_of_the_night_comes_between_the_sessions() -> None:
    manager, watcher = TimeManager(), Watcher()
    seen = []

    def look(when: datetime) -> None:
        assert watcher.session is not None
        seen.append((watcher.session.current_session_date, watcher.session.is_active))

    manager.at(datetime(2025, 7, 2, 20, 0), look)  # noqa: DTZ001  (wall time of the exchange)
    replay(whole(DAYS), manager, watcher)
    assert seen == [(date(2025, 7, 2), False)]


def test_an_alert_after_the_last_close_comes_like_those_of_the_days_before() -> None:
    manager = TimeManager()
    calls: list[datetime] = []
    manager.after_open(timedelta(hours=8), calls.append)
    replay(whole(DAYS), manager, Watcher())
    assert [f"{when:%m-%d %H:%M}" for when in calls] == ["07-02 17:30", "07-03 17:30"]


def test_an_alert_at_the_open_comes_after_the_session_has_started() -> None:
    manager, watcher = TimeManager(), Watcher()
    active = []

    def look(_when: datetime) -> None:
        assert watcher.session is not None
        active.append((watcher.session.current_session_date, watcher.session.is_active))

    manager.after_open(timedelta(), look)
    replay(whole(DAYS), manager, watcher)
    assert active == [(day.date, True) for day in DAYS]


def test_alerts_follow_the_calendar_of_the_run_until_it_ends() -> None:
    manager = TimeManager()
    calls: list[datetime] = []

    class Editor(Watcher):
        def on_session_start(self, session: SessionData) -> None:
            manager.register_market_hours(
                date(2025, 7, 2), date(2025, 7, 7), regular=["09:30", "12:00"]
            )

    manager.before_close(timedelta(minutes=5), calls.append)
    replay(whole(DAYS), manager, Editor())
    assert [f"{when:%m-%d %H:%M}" for when in calls] == ["07-02 15:55", "07-03 12:55"]
    following = manager.next_alert
    assert following is not None
    assert f"{following:%m-%d %H:%M}" == "07-07 11:55"


def test_an_error_of_ours_in_an_alert_ends_the_run_like_any_other() -> None:
    manager = TimeManager()

    class Asker(Watcher):
        def on_session_start(self, session: SessionData) -> None:
            manager.after_open(
                timedelta(minutes=1), lambda _: session.get_last_n_bars("AAA", -1)
            )

    with pytest.raises(AnalysisError, match=r"alert at 2025-07-02 09:31:00-04:00"):
        replay(whole(DAYS), manager, Asker())


def test_alerts_change_no_result() -> None:
    def played(manager: TimeManager) -> str:
        return replay(whole(DAYS), manager, Watcher()).session_data.state_hash()

    busy = TimeManager()
    for minutes in range(0, 200, 7):
        busy.after_open(timedelta(minutes=minutes, seconds=minutes), lambda _: None)
    assert played(busy) == played(TimeManager())


def test_a_manager_can_be_used_for_one_run_after_another() -> None:
    manager = TimeManager()
    calls: list[datetime] = []
    manager.before_close(timedelta(), calls.append)
    for _ in range(2):
        replay(whole(DAYS), manager, Watcher())
    assert len(calls) == 4


def test_an_alert_that_fails_ends_the_run_with_its_cause() -> None:
    manager = TimeManager()

    def fail(_when: datetime) -> None:
        raise ZeroDivisionError("oops")

    manager.before_close(timedelta(minutes=5), fail)
    with pytest.raises(
        AnalysisError, match=r"alert at 2025-07-02 15:55:00-04:00 failed.*oops"
    ) as raised:
        replay(whole(DAYS), manager, Watcher())
    assert isinstance(raised.value.__cause__, ZeroDivisionError)


@fewer(6)
@given(data=st.data())
def test_what_an_alert_sees_does_not_depend_on_what_follows(
    data: st.DataObject,
) -> None:
    tape = data.draw(streams([FULL], symbols=("AAA", "BBB")))
    second = data.draw(st.integers(1, 390 * 60 - 1))
    cut = FULL.open + second * 10**9
    garbage = poisoned(tape, [FULL], cut, seed=data.draw(st.integers(0, 999)))

    def seen(given_tape: Tape) -> list[object]:
        manager = TimeManager()
        answers: list[object] = []

        class Idle:
            def on_session_start(self, session: SessionData) -> None:
                manager.at(
                    cut,
                    lambda _: answers.append(
                        image_of_session(session, list(tape), cut)
                    ),
                )

        replay(given_tape, manager, Idle())
        return answers

    assert seen(tape) == seen(garbage)


def test_a_corrected_calendar_holds_for_the_whole_run() -> None:
    plain = TimeManager()
    manager = TimeManager(
        overlay={"XNYS": {"2025-07-02": {"regular": ["09:30", "12:00"]}}}
    )
    result = replay(whole(DAYS), manager, Watcher())
    assert [s.expected for s in result.sessions] == [150, 210]
    assert result.sessions[0].is_early_close
    assert result.sessions[0].out_of_session == 240
    assert result.table_fingerprint == manager.session_table.fingerprint
    assert result.table_fingerprint != plain.session_table.fingerprint


def test_an_edit_during_a_run_leaves_its_table_alone() -> None:
    manager = TimeManager()

    class Editor(Watcher):
        def on_session_start(self, session: SessionData) -> None:
            manager.add_holiday(date(2025, 7, 3))

    before = manager.session_table.fingerprint
    result = replay(whole(DAYS), manager, Editor())
    assert [s.expected for s in result.sessions] == [390, 210]
    assert result.table_fingerprint == before


def test_a_live_manager_runs_no_backtest() -> None:
    with pytest.raises(StateError, match="live"):
        replay(whole(DAYS), TimeManager(mode="live"), Watcher())


def test_a_manager_of_another_group_is_an_error() -> None:
    with pytest.raises((ArgumentError, ConfigError), match="JP_EQUITY"):
        tapeloom.replay(
            long_columns(whole(DAYS)),
            analysis=Watcher(),
            exchange_group="UK_EQUITY",
            time_manager=TimeManager("JP_EQUITY"),
        )


@pytest.mark.parametrize("group", ["CRYPTO", "FX", "US_FUTURES"])
def test_where_sessions_touch_the_open_belongs_to_the_later_one(group: str) -> None:
    manager = TimeManager(group)
    days = [date(2025, 7, 2), date(2025, 7, 3)]
    starts = [int(ts) for day in days for ts in manager.get_grid(day, "1m")[:30]]
    watcher = Watcher()
    seen: list[tuple[str, date | None, bool]] = []

    def note(what: str, _when: datetime) -> None:
        session = watcher.session
        known = None if session is None else session.current_session_date
        seen.append((what, known, session is not None and session.is_active))

    manager.after_open(timedelta(), lambda when: note("open", when))
    manager.before_close(timedelta(), lambda when: note("close", when))
    tapeloom.replay(
        long_columns({"AAA": [bar_at(ts, 100) for ts in starts]}),
        start=days[0],
        end=days[1],
        time_manager=manager,
        analysis=watcher,
    )
    assert seen == [(what, day, True) for day in days for what in ("open", "close")]


def test_the_clock_is_moved_by_one_run_at_a_time() -> None:
    manager = TimeManager()
    data = long_columns(whole(DAYS))
    first = tapeloom.replay(data, time_manager=manager)
    next(first)
    with pytest.raises(StateError, match="close it first"):
        tapeloom.replay(data, time_manager=manager)
    with pytest.raises(StateError, match="a run moves the clock"):
        manager.reset_backtest_clock()
    first.close()
    assert sum(1 for _ in tapeloom.replay(data, time_manager=manager)) == 600


def test_the_files_of_a_run_are_read_by_the_calendar_it_began_with(
    tmp_path: Path,
) -> None:
    data = tapeloom.DataManager(tmp_path)
    for symbol, bars in read_frame(long_columns(whole(DAYS)), zone=UTC).items():
        data.write_bars(symbol, "1m", bars)
    manager = TimeManager()
    batches = tapeloom.replay(str(tmp_path), time_manager=manager)
    manager.register_market_hours(date(2025, 7, 2), regular=["09:30", "12:00"])
    assert sum(1 for _ in batches) == 600
    assert [s.expected for s in batches.result.sessions] == [390, 210]


def test_a_data_manager_follows_the_corrections_of_its_time_manager(
    tmp_path: Path,
) -> None:
    data = tapeloom.DataManager(tmp_path)
    for symbol, bars in read_frame(long_columns(whole(DAYS)), zone=UTC).items():
        data.write_bars(symbol, "1m", bars)
    manager = TimeManager()
    follower = tapeloom.DataManager(tmp_path, time_manager=manager)
    assert len(follower.get_bars("AAA", "1m", FULL.open, FULL.close)) == 390
    manager.register_market_hours(FULL.date, regular=["09:30", "12:00"])
    assert len(follower.get_bars("AAA", "1m", FULL.open, FULL.close)) == 150


def test_a_configuration_and_its_manager_must_mean_one_calendar(tmp_path: Path) -> None:
    config = {
        "session_name": "mixed",
        "exchange_group": "US_EQUITY",
        "mode": "backtest",
        "backtest_config": {"start_date": "2025-07-02", "end_date": "2025-07-02"},
        "session_data_config": {"symbols": ["AAA"], "streams": ["1m"]},
    }
    with pytest.raises(ArgumentError, match="'US_EQUITY', and the time manager's is"):
        tapeloom.run(config, data=tmp_path, time_manager=TimeManager("JP_EQUITY"))
