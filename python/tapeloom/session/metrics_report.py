"""The figures of a run as text of 50 columns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["report_text"]

_WIDTH = 50
_RULER = "=" * _WIDTH


def report_text(figures: dict[str, Any]) -> str:
    """Return the report of ``PerformanceMetrics.to_dict``: a title, a ruler, the sections that have data, a ruler."""
    is_session = figures["scope"] == "session"
    lines = [
        "Session Performance" if is_session else "Backtest Performance",
        _RULER,
    ]
    for title, rows in _sections(figures, is_session=is_session):
        lines += [title, *rows]
    return "\n".join([*lines, _RULER])


def _sections(
    figures: dict[str, Any], *, is_session: bool
) -> Iterator[tuple[str, list[str]]]:
    of_days = figures["session_lifecycle"]
    sections = [
        ("Analysis Engine", _unit_rows("cycles", figures["analysis_engine"])),
        ("Data Processor", _unit_rows("items", figures["data_processor"])),
        ("Session Lifecycle", _session_rows(of_days, has_count=not is_session)),
        ("Phases", _phase_rows(figures["phases"])),
        ("Backpressure", _edge_rows(figures["backpressure"])),
    ]
    if not is_session:
        sections.insert(2, ("Data Loading", _loading_rows(figures["data_loading"])))
        sections.append(("Backtest Summary", _summary_rows(figures["backtest"])))
    yield from ((title, list(rows)) for title, rows in sections if rows)


def _unit_rows(counted: str, timing: dict[str, Any]) -> list[str]:
    if not timing["count"]:
        return []
    names = ("min", "max", "mean", "p50", "p99")
    return [
        _row(counted, f"{timing['count']:,}"),
        *(_row(name, f"{1_000 * timing[name]:,.2f} ms") for name in names),
    ]


def _loading_rows(loading: dict[str, Any]) -> list[str]:
    initial, later = loading["initial"], loading["subsequent"]
    rows = []
    if initial["count"]:
        rows.append(_row("initial", _seconds(initial["total"])))
    if later["count"]:
        rows += [
            _row(f"subsequent {name}", _seconds(later[name]))
            for name in ("mean", "min", "max")
        ]
    return rows


def _session_rows(lifecycle: dict[str, Any], *, has_count: bool) -> list[str]:
    gap, duration = lifecycle["gap"], lifecycle["duration"]
    mean = "mean " if has_count else ""
    rows = []
    if has_count and duration["count"]:
        rows.append(_row("sessions", f"{duration['count']:,}"))
    if gap["count"]:
        rows.append(_row(f"{mean}gap", _seconds(gap["mean"])))
    if duration["count"]:
        rows.append(_row(f"{mean}wall duration", _seconds(duration["mean"])))
    return rows


def _phase_rows(phases: dict[str, dict[str, Any]]) -> list[str]:
    return [
        _row(name, f"{_seconds(phase['total'])} {_share(phase['share']):>8}")
        for name, phase in phases.items()
    ]


def _edge_rows(edges: dict[str, int]) -> list[str]:
    return [_row(edge, f"{count:,}") for edge, count in edges.items()]


def _summary_rows(backtest: dict[str, Any]) -> list[str]:
    seconds, days, bars = (
        backtest[name] for name in ("total_seconds", "trading_days", "bars")
    )
    per_day, per_second = backtest["seconds_per_day"], backtest["bars_per_second"]
    rows: Iterable[tuple[str, str | None]] = (
        ("total", None if seconds is None else _seconds(seconds)),
        ("trading days", f"{days:,}" if days else None),
        ("per day", None if per_day is None else _seconds(per_day)),
        ("bars", f"{bars:,}" if bars else None),
        ("bars/s", None if per_second is None or not bars else f"{per_second:,.0f}"),
    )
    return [_row(name, text) for name, text in rows if text is not None]


def _seconds(value: float) -> str:
    return f"{value:,.2f} s"


def _share(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.1f} %"


def _row(name: str, text: str) -> str:
    """Return a name at the left and its value at the right edge, apart by a blank where the name is long."""
    return f"  {name} {text:>{max(0, _WIDTH - 3 - len(name))}}"
