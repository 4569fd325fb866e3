"""How long a run takes and where: what the parts of a session record, and the figures of it. It times nothing itself."""

from __future__ import annotations

import time
from contextlib import contextmanager
from threading import Lock
from typing import TYPE_CHECKING, Any, Final, Literal, Self, TypeAlias

from tapeloom._core import Timings
from tapeloom.errors import ArgumentError, ArgumentTypeError, StateError, did_you_mean
from tapeloom.session.metrics_report import report_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tapeloom._core import _Timing

__all__ = ["MetricsScope", "PerformanceMetrics"]

MetricsScope: TypeAlias = Literal["session", "backtest"]
"""The session since it was last reset, or the whole run."""

# In the order of `Timings._figures`.
_RECORDERS: Final = (
    "analysis_engine",
    "data_processor",
    "initial_load",
    "subsequent_load",
    "session_gap",
    "session_duration",
)
_FIGURES: Final = ("total", "min", "max", "mean", "p50", "p99")


class PerformanceMetrics(Timings):
    """Running figures of what a session does, in constant memory.

    Each record enters two scopes: the *session*, cleared by :meth:`reset_session_metrics`, and the *run*, cleared by
    :meth:`reset_all`. Of every duration it keeps count, total, minimum, maximum and mean, exactly, and p50 and p99 (nearest
    rank) from a histogram of fixed buckets, with an error of at most 3.2 %.

    Parameters
    ----------
    clock
        Monotonic seconds, 0 or more.

    Notes
    -----
    Every recorder takes a start from :meth:`start_timer` and records the time from it to now:
    ``record_analysis_engine``, ``record_data_processor``, ``record_initial_load``, ``record_subsequent_load``,
    ``record_session_gap``, ``record_session_duration`` and, by name, ``record_phase(name, start)``.
    ``record_backpressure(edge)``, ``record_bars(count)`` and ``increment_trading_days()`` count.

    All may be called from any thread. A record enters both scopes in one step, and so does a clearing: a record beside a
    clearing is before or after it as a whole, and no mean is of half a record.

    A start that is negative, NaN, later than now or no number raises ``ArgumentError``; phases and edges beyond 256 names
    raise ``CapacityError``. Nothing is recorded then.

    Examples
    --------
    >>> from tapeloom import PerformanceMetrics
    >>> metrics = PerformanceMetrics()
    >>> start = metrics.start_timer()
    >>> metrics.record_analysis_engine(start)
    >>> with metrics.time("ranking"):
    ...     ranks = sorted([3, 1, 2])
    >>> figures = metrics.to_dict("session")
    >>> figures["analysis_engine"]["count"], list(figures["phases"])
    (1, ['ranking'])
    """

    def __new__(cls, clock: Callable[[], float] = time.perf_counter) -> Self:
        """Make one without figures."""
        if not callable(clock):
            text = f"clock is {clock!r}; it must be a function that returns monotonic seconds, such as time.perf_counter"
            raise ArgumentTypeError(text)
        self = super().__new__(cls, clock)
        self._backtest = _Backtest()
        return self

    _backtest: _Backtest

    def start_backtest(self) -> None:
        """Begin to measure the run.

        Raises
        ------
        StateError
            If one was begun already; :meth:`reset_all` forgets it.
        """
        self._backtest.start(self.start_timer())

    def end_backtest(self) -> None:
        """End what :meth:`start_backtest` began.

        Raises
        ------
        StateError
            If none was begun, or it has ended.
        """
        self._backtest.end(self.start_timer())

    def reset_all(self) -> None:
        """Forget the figures of the session and of the run, and that a backtest was begun."""
        self._reset()
        self._backtest.reset()

    @contextmanager
    def time(self, name: str) -> Iterator[None]:
        """Record how long a ``with`` block takes, also where it raises.

        Parameters
        ----------
        name
            ``analysis_engine``, ``data_processor``, ``initial_load``, ``subsequent_load``, ``session_gap`` or
            ``session_duration`` for the recorder of that name; any other is the name of a phase.
        """
        start = self.start_timer()
        try:
            yield
        finally:
            if name in _RECORDERS:
                getattr(self, f"record_{name}")(start)
            else:
                self.record_phase(name, start)

    def format_report(self, scope: MetricsScope) -> str:
        """Return the figures as text: a title, a ruler, the sections that have data, a ruler.

        Parameters
        ----------
        scope
            ``"session"``: analysis engine, data processor, the gap before the session and its duration, phases,
            backpressure. ``"backtest"``: the same of the whole run, loading, and a summary.

        Raises
        ------
        ArgumentError
            If ``scope`` is another word.
        """
        return report_text(self.to_dict(scope))

    def to_dict(self, scope: MetricsScope) -> dict[str, Any]:
        """Return the figures as plain values that JSON can hold. All durations are in seconds.

        Parameters
        ----------
        scope
            ``"session"`` or ``"backtest"``.

        Returns
        -------
        dict
            ``scope``; ``analysis_engine`` and ``data_processor``; ``data_loading`` with ``initial`` and ``subsequent``;
            ``session_lifecycle`` with ``gap`` and ``duration``; ``phases`` by name, with their ``share`` of the time of all
            phases; ``backpressure`` as counts by edge. Durations are ``count``, ``total``, ``min``, ``max``, ``mean``,
            ``p50`` and ``p99``, all but ``count`` ``None`` before the first. For ``"backtest"`` also ``backtest`` with
            ``total_seconds`` (until now while it runs, ``None`` before), ``trading_days``, ``seconds_per_day``, ``bars`` and
            ``bars_per_second``.

        Raises
        ------
        ArgumentError
            If ``scope`` is another word.
        """
        is_session = _checked(scope) == "session"
        timings, phases, edges, (days, bars) = self._figures(is_session)
        of = {
            name: _as_dict(timing)
            for name, timing in zip(_RECORDERS, timings, strict=True)
        }
        figures: dict[str, Any] = {
            "scope": scope,
            "analysis_engine": of["analysis_engine"],
            "data_processor": of["data_processor"],
            "data_loading": {
                "initial": of["initial_load"],
                "subsequent": of["subsequent_load"],
            },
            "session_lifecycle": {
                "gap": of["session_gap"],
                "duration": of["session_duration"],
            },
            "phases": _with_shares({name: _as_dict(timing) for name, timing in phases}),
            "backpressure": dict(edges),
        }
        if not is_session:
            seconds = self._backtest.seconds(self.start_timer)
            figures["backtest"] = {
                "total_seconds": seconds,
                "trading_days": days,
                "seconds_per_day": seconds / days if seconds and days else None,
                "bars": bars,
                "bars_per_second": bars / seconds if seconds else None,
            }
        return figures

    def __repr__(self) -> str:
        analysis, processor = self._figures(session=False)[0][:2]
        return f"PerformanceMetrics({analysis[0]:,} analysis cycles, {processor[0]:,} items so far)"


class _Backtest:
    """When a run began and ended, on the clock of the metrics."""

    def __init__(self) -> None:
        self._began: float | None = None
        self._ended: float | None = None
        self._lock = Lock()

    def start(self, now: float) -> None:
        with self._lock:
            if self._began is not None:
                state = "runs" if self._ended is None else "is over"
                text = f"a backtest was begun already and {state}; call reset_all() before another one"
                raise StateError(text)
            self._began = now

    def end(self, now: float) -> None:
        with self._lock:
            if self._began is None:
                text = "no backtest was begun; call start_backtest() first"
                raise StateError(text)
            if self._ended is not None:
                text = "the backtest has ended already; call reset_all() before another one"
                raise StateError(text)
            self._ended = now

    def reset(self) -> None:
        with self._lock:
            self._began = self._ended = None

    def seconds(self, clock: Callable[[], float]) -> float | None:
        with self._lock:
            began, ended = self._began, self._ended
        if began is None:
            return None
        return (clock() if ended is None else ended) - began


def _checked(scope: object) -> str:
    if scope in ("session", "backtest"):
        return str(scope)
    near = did_you_mean(str(scope), ("session", "backtest"))
    text = f"scope is {scope!r}; it must be 'session' or 'backtest'{near}"
    raise ArgumentError(text) if isinstance(scope, str) else ArgumentTypeError(text)


def _as_dict(timing: _Timing) -> dict[str, Any]:
    count, figures = timing
    return {"count": count} | dict(
        zip(_FIGURES, figures or (None,) * len(_FIGURES), strict=True)
    )


def _with_shares(phases: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    total = sum(phase["total"] for phase in phases.values())
    return {
        name: phase | {"share": phase["total"] / total if total else None}
        for name, phase in phases.items()
    }
