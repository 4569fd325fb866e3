"""Figures of durations beside the durations themselves, the text of the report, and what is refused."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tapeloom import PerformanceMetrics
from tapeloom.errors import ArgumentError, ArgumentTypeError, CapacityError, StateError
from tests.reference.timing import nearest_rank

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

NS = 1e-9
RECORDERS = (
    "analysis_engine",
    "data_processor",
    "initial_load",
    "subsequent_load",
    "session_gap",
    "session_duration",
)


class Clock:
    """Seconds that pass only when told so. They begin at 0, so that small durations are exact."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Told:
    """Metrics that are told how long things took."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.metrics = PerformanceMetrics(self.clock)

    def took(self, record: Callable[..., None], *name: str, seconds: float) -> None:
        # From 0 each time, so that what is measured is exactly this long.
        before, self.clock.now = self.clock.now, seconds
        record(*name, 0.0)
        self.clock.now = before


#: From single nanoseconds to days, as many of each length.
durations = st.integers(0, 50).flatmap(lambda bits: st.integers(0, 2**bits))


def assert_figures(found: dict[str, Any], ns: Sequence[int]) -> None:
    assert found["count"] == len(ns)
    if not ns:
        assert {found[name] for name in found if name != "count"} == {None}
        return
    assert found["min"] == pytest.approx(min(ns) * NS, rel=1e-12)
    assert found["max"] == pytest.approx(max(ns) * NS, rel=1e-12)
    assert found["total"] == pytest.approx(sum(ns) * NS, rel=1e-12)
    assert found["mean"] == pytest.approx(sum(ns) / len(ns) * NS, rel=1e-12)
    for percent in (50, 99):
        exact = nearest_rank(ns, percent) * NS
        assert abs(found[f"p{percent}"] - exact) <= 0.05 * exact
        assert found["min"] <= found[f"p{percent}"] <= found["max"]


@given(st.lists(durations, max_size=300))
@example([0])
@example([1] * 99 + [2**50])
def test_figures_are_those_of_all_durations(ns: list[int]) -> None:
    told = Told()
    for duration in ns:
        told.took(told.metrics.record_data_processor, seconds=duration * NS)
    for scope in ("session", "backtest"):
        assert_figures(told.metrics.to_dict(scope)["data_processor"], ns)


steps = st.one_of(
    st.tuples(st.sampled_from(RECORDERS), durations),
    st.tuples(st.sampled_from(["phase A", "phase B"]), durations),
    st.tuples(st.sampled_from(["edge A", "edge B", "bars", "days"]), st.just(1)),
    st.tuples(st.sampled_from(["clear session"] * 3 + ["clear all"]), st.just(0)),
)


@given(st.lists(steps, max_size=60))
def test_each_record_enters_both_scopes_and_clearing_one_leaves_the_other(
    taken: list[tuple[str, int]],
) -> None:
    told = Told()
    metrics = told.metrics
    kept: dict[str, list[tuple[str, int]]] = {"session": [], "backtest": []}
    for name, value in taken:
        if name == "clear session":
            metrics.reset_session_metrics()
            kept["session"].clear()
            continue
        if name == "clear all":
            metrics.reset_all()
            kept["session"].clear()
            kept["backtest"].clear()
            continue
        record(told, name, value)
        for scope in kept.values():
            scope.append((name, value))
    assert_scope(metrics.to_dict("session"), kept["session"])
    assert_scope(metrics.to_dict("backtest"), kept["backtest"])


def record(told: Told, name: str, value: int) -> None:
    metrics = told.metrics
    if name in RECORDERS:
        told.took(getattr(metrics, f"record_{name}"), seconds=value * NS)
    elif name.startswith("phase"):
        told.took(metrics.record_phase, name, seconds=value * NS)
    elif name.startswith("edge"):
        metrics.record_backpressure(name)
    elif name == "bars":
        metrics.record_bars(3)
    else:
        metrics.increment_trading_days()


def assert_scope(found: dict[str, Any], kept: list[tuple[str, int]]) -> None:
    names = [name for name, _ in kept]
    figures = {
        "analysis_engine": found["analysis_engine"],
        "data_processor": found["data_processor"],
        "initial_load": found["data_loading"]["initial"],
        "subsequent_load": found["data_loading"]["subsequent"],
        "session_gap": found["session_lifecycle"]["gap"],
        "session_duration": found["session_lifecycle"]["duration"],
        **found["phases"],
    }
    assert set(found["phases"]) == {name for name in names if name.startswith("phase")}
    for phase in found["phases"].values():
        phase.pop("share")
    for name, timing in figures.items():
        assert_figures(timing, [value for other, value in kept if other == name])
    assert found["backpressure"] == {
        name: names.count(name) for name in names if name.startswith("edge")
    }
    if found["scope"] == "backtest":
        summary = found["backtest"]
        assert summary["bars"] == 3 * names.count("bars")
        assert summary["trading_days"] == names.count("days")


def made_up() -> Told:
    """A run of two sessions; the second is the one that stands."""
    told = Told()
    metrics = told.metrics
    metrics.start_backtest()
    told.took(metrics.record_initial_load, seconds=12.5)
    for session in range(2):
        metrics.reset_session_metrics()
        metrics.increment_trading_days()
        if session:
            told.took(metrics.record_subsequent_load, seconds=0.75)
            told.took(metrics.record_session_gap, seconds=1.0)
        for _ in range(600):
            told.took(metrics.record_analysis_engine, seconds=0.001)
        told.took(metrics.record_analysis_engine, seconds=1.5 + session)
        told.took(metrics.record_data_processor, seconds=0.000_25)
        told.took(metrics.record_phase, "PHASE_2", seconds=1.0)
        told.took(metrics.record_phase, "PHASE_5", seconds=3.0)
        metrics.record_bars(617_283)
        told.took(metrics.record_session_duration, seconds=1_000.0 + session)
    metrics.record_backpressure("coordinator -> analysis")
    told.clock.now = 1_250.0
    metrics.end_backtest()
    told.clock.now = 9_999.0
    return told


SESSION_REPORT = """\
Session Performance
==================================================
Analysis Engine
  cycles                                       601
  min                                      1.00 ms
  max                                  2,500.00 ms
  mean                                     5.16 ms
  p50                                      1.00 ms
  p99                                      1.00 ms
Data Processor
  items                                          1
  min                                      0.25 ms
  max                                      0.25 ms
  mean                                     0.25 ms
  p50                                      0.25 ms
  p99                                      0.25 ms
Session Lifecycle
  gap                                       1.00 s
  wall duration                         1,001.00 s
Phases
  PHASE_2                          1.00 s   25.0 %
  PHASE_5                          3.00 s   75.0 %
Backpressure
  coordinator -> analysis                        1
=================================================="""

BACKTEST_REPORT = """\
Backtest Performance
==================================================
Analysis Engine
  cycles                                     1,202
  min                                      1.00 ms
  max                                  2,500.00 ms
  mean                                     4.33 ms
  p50                                      1.00 ms
  p99                                      1.00 ms
Data Processor
  items                                          2
  min                                      0.25 ms
  max                                      0.25 ms
  mean                                     0.25 ms
  p50                                      0.25 ms
  p99                                      0.25 ms
Data Loading
  initial                                  12.50 s
  subsequent mean                           0.75 s
  subsequent min                            0.75 s
  subsequent max                            0.75 s
Session Lifecycle
  sessions                                       2
  mean gap                                  1.00 s
  mean wall duration                    1,000.50 s
Phases
  PHASE_2                          2.00 s   25.0 %
  PHASE_5                          6.00 s   75.0 %
Backpressure
  coordinator -> analysis                        1
Backtest Summary
  total                                 1,250.00 s
  trading days                                   2
  per day                                 625.00 s
  bars                                   1,234,566
  bars/s                                       988
=================================================="""


def test_the_report_of_a_session_is_this_text() -> None:
    assert made_up().metrics.format_report("session") == SESSION_REPORT


def test_the_report_of_a_backtest_is_this_text() -> None:
    assert made_up().metrics.format_report("backtest") == BACKTEST_REPORT


@pytest.mark.parametrize("scope", ["session", "backtest"])
def test_the_figures_are_plain_values_that_json_can_hold(scope: Any) -> None:
    figures = made_up().metrics.to_dict(scope)
    assert json.loads(json.dumps(figures, allow_nan=False)) == figures


def test_a_report_without_data_has_no_sections() -> None:
    ruler = "=" * 50
    report = PerformanceMetrics().format_report("backtest")
    assert report == f"Backtest Performance\n{ruler}\n{ruler}"


def test_a_long_name_stays_whole_in_the_report() -> None:
    metrics = PerformanceMetrics()
    metrics.record_backpressure("feed of the first venue -> coordinator of the session")
    line = metrics.format_report("session").splitlines()[3]
    assert line == "  feed of the first venue -> coordinator of the session 1"


def test_a_block_is_timed_under_the_name_of_a_recorder_or_of_a_phase() -> None:
    clock = Clock()
    metrics = PerformanceMetrics(clock)
    for name in (*RECORDERS, "ranking"):
        with metrics.time(name):
            clock.now += 2.0
    figures = metrics.to_dict("session")
    assert figures["analysis_engine"]["total"] == 2.0
    assert figures["data_loading"]["subsequent"]["total"] == 2.0
    assert figures["session_lifecycle"]["duration"]["total"] == 2.0
    assert {n: p["total"] for n, p in figures["phases"].items()} == {"ranking": 2.0}


def test_a_block_that_raises_is_timed_too() -> None:
    metrics = PerformanceMetrics(Clock())
    with pytest.raises(KeyError), metrics.time("data_processor"):
        raise KeyError
    assert metrics.to_dict("session")["data_processor"]["count"] == 1


def test_the_default_clock_is_that_of_perf_counter() -> None:
    import time

    metrics = PerformanceMetrics()
    before = time.perf_counter()
    start = metrics.start_timer()
    metrics.record_session_gap(start)
    gap = metrics.to_dict("session")["session_lifecycle"]["gap"]["total"]
    assert before <= start <= start + gap <= time.perf_counter() + 1e-6


def test_a_backtest_begins_and_ends_once() -> None:
    clock = Clock()
    metrics = PerformanceMetrics(clock)
    with pytest.raises(StateError, match=r"call start_backtest\(\) first"):
        metrics.end_backtest()
    assert metrics.to_dict("backtest")["backtest"]["total_seconds"] is None
    metrics.start_backtest()
    with pytest.raises(StateError, match=r"runs; call reset_all\(\)"):
        metrics.start_backtest()
    clock.now = 2.0
    assert metrics.to_dict("backtest")["backtest"]["total_seconds"] == 2.0
    metrics.end_backtest()
    for call in (metrics.start_backtest, metrics.end_backtest):
        with pytest.raises(StateError, match=r"call reset_all\(\)"):
            call()
    metrics.reset_all()
    metrics.start_backtest()


@pytest.mark.parametrize(
    ("start", "kind"),
    [
        (-0.001, ArgumentError),
        (-1, ArgumentError),
        (10.5, ArgumentError),
        (float("nan"), ArgumentError),
        (float("inf"), ArgumentError),
        (True, ArgumentTypeError),
        ("1.0", ArgumentTypeError),
        (None, ArgumentTypeError),
    ],
)
@pytest.mark.parametrize("name", RECORDERS)
def test_a_start_is_seconds_in_the_past(
    name: str, start: Any, kind: type[Exception]
) -> None:
    clock = Clock()
    clock.now = 10.0
    metrics = PerformanceMetrics(clock)
    calls: list[Callable[[Any], None]] = [getattr(metrics, f"record_{name}")]
    calls.append(lambda start: metrics.record_phase("PHASE_5", start))
    for call in calls:
        with pytest.raises(kind, match=r"start is .*start_timer\(\)"):
            call(start)
    assert metrics.format_report("session") == PerformanceMetrics().format_report(
        "session"
    )


def test_a_start_may_be_any_plain_number() -> None:
    clock = Clock()
    clock.now = 10.0
    metrics = PerformanceMetrics(clock)
    metrics.record_session_gap(4)
    assert metrics.to_dict("session")["session_lifecycle"]["gap"]["total"] == 6.0


@pytest.mark.parametrize("name", ["", "  ", "a\nb", "a\x00", "x" * 101, None, 5])
def test_a_name_is_one_short_line(name: Any) -> None:
    metrics = PerformanceMetrics()
    with pytest.raises(ArgumentError, match="name is"):
        metrics.record_phase(name, 0.0)
    with pytest.raises(ArgumentError, match="edge is"):
        metrics.record_backpressure(name)


def test_names_beyond_a_limit_are_refused_so_that_memory_stays_the_same() -> None:
    metrics = PerformanceMetrics()
    for number in range(256):
        metrics.record_backpressure(f"edge {number}")
    with pytest.raises(CapacityError, match="at most 256") as refused:
        metrics.record_backpressure("edge 256")
    assert refused.value.limit == 256
    metrics.record_backpressure("edge 0")
    assert metrics.to_dict("session")["backpressure"]["edge 0"] == 2


@pytest.mark.parametrize(
    ("scope", "near"), [("sesion", "session"), ("BACKTEST", "backtest"), ("run", "")]
)
def test_another_scope_is_an_error_with_a_suggestion(scope: Any, near: str) -> None:
    metrics = PerformanceMetrics()
    for ask in (metrics.to_dict, metrics.format_report):
        with pytest.raises(ArgumentError, match="'session' or 'backtest'") as refused:
            ask(scope)
        assert f"did you mean {near!r}" in str(refused.value) or not near


@pytest.mark.parametrize("count", [-1, 1.5, True, "3", None])
def test_bars_are_counted_in_whole_numbers(count: Any) -> None:
    with pytest.raises(ArgumentError, match="count is"):
        PerformanceMetrics().record_bars(count)


def test_a_clock_is_a_function() -> None:
    with pytest.raises(ArgumentTypeError, match="clock is 3"):
        PerformanceMetrics(3)  # type: ignore[arg-type]
