from __future__ import annotations

import io
from datetime import date, datetime, timedelta
from typing import Any, cast
from zoneinfo import ZoneInfo

import pytest

from tapeloom.report.progress import ProgressLine
from tapeloom.report.summary import print_summary
from tapeloom.session.result import (
    ProgressEvent,
    RunResult,
    RunWarning,
    SessionReport,
    SymbolReport,
)

NEW_YORK = ZoneInfo("America/New_York")
FIRST = date(2024, 10, 31)


def session(number: int = 0, **changed: Any) -> SessionReport:
    values: dict[str, Any] = {
        "session_date": FIRST + timedelta(days=number),
        "is_early_close": False,
        "symbols": 20,
        "instants": 390,
        "bars": 7_800,
        "derived_bars": 1_580,
        "expected": 7_800,
        "present": 7_800,
        "missing": 0,
        "gaps": 0,
        "longest_gap": 0,
        "longest_gap_symbol": None,
        "longest_gap_start": None,
        "out_of_session": 0,
        "duplicates": 0,
        "corrections": 0,
        "late": 0,
        "quarantined": 0,
        "load_seconds": 0.01,
        "seconds": 0.1,
        "analysis_seconds": 0.05,
    }
    return SessionReport(**{**values, **changed})


def with_gap(number: int = 0, missing: int = 17, **changed: Any) -> SessionReport:
    start = datetime(2024, 11, 12, 14, 7, tzinfo=NEW_YORK)
    gap = {
        "missing": missing,
        "present": 7_800 - missing,
        "gaps": 1,
        "longest_gap": missing,
    }
    return session(
        number,
        **{
            **gap,
            "longest_gap_symbol": "KESTRA",
            "longest_gap_start": start,
            **changed,
        },
    )


def symbol(name: str, missing: int = 0) -> SymbolReport:
    return SymbolReport(name, 390, 390 - missing, missing, min(missing, 1), missing, 0)


def result(*sessions: SessionReport, **changed: Any) -> RunResult:
    values: dict[str, Any] = {
        "session_name": "demo",
        "plan": cast("Any", None),
        "sessions": sessions,
        "symbols": (symbol("ALDERA"),),
        "warnings": (),
        "session_data": cast("Any", None),
        "records": cast("Any", ()),
        "table_fingerprint": "5e55107ab1e0",
        "total_seconds": 2.5,
        "analysis_name": "SmaCross",
    }
    return RunResult(**{**values, **changed})


def printed(run: RunResult, **options: Any) -> str:
    file = io.StringIO()
    print_summary(run, file=file, **options)
    return file.getvalue()


def row(text: str, begin: str) -> str:
    return next(line for line in text.splitlines() if line.startswith(begin))


def test_a_session_row_gives_the_longest_gap_with_its_start_and_symbol() -> None:
    assert "17 at 14:07 KESTRA" in row(printed(result(with_gap())), "2024-10-31")


def test_a_half_day_is_marked() -> None:
    assert "2024-10-31 half " in printed(result(session(is_early_close=True)))


def test_a_missing_bar_never_reads_as_full_quality() -> None:
    run = result(session(expected=1_000_000, present=999_999, missing=1))
    assert "99.99%" in row(printed(run), "2024-10-31")


@pytest.mark.parametrize(
    ("present", "text"),
    [(9_999, "99.99%"), (1_000, "10.00%"), (5_700, "57.00%"), (10_000, "100.00%")],
)
def test_quality_is_shown_exactly(present: int, text: str) -> None:
    assert f" {text} " in row(
        printed(result(session(expected=10_000, present=present))), "2024-10-31"
    )


def test_quality_of_nothing_due_is_a_dash() -> None:
    assert (
        "-"
        in row(printed(result(session(expected=0, present=0))), "2024-10-31").split()
    )


def test_the_totals_row_adds_the_sessions_with_thousands_separators() -> None:
    total = row(printed(result(session(0), with_gap(1, bars=7_783))), "total").split()
    assert total[:5] == ["total", "15,583", "3,160", "99.89%", "17"]


def test_speed_is_given_with_and_without_the_analysis() -> None:
    assert (
        "78,000 bars/s with SmaCross (50 ms in it), 156,000 bars/s without"
        in printed(result(session()))
    )


def test_speed_without_an_analysis_is_one_number() -> None:
    assert "78,000 bars/s, without an analysis" in printed(
        result(session(), analysis_name=None)
    )


def test_the_fingerprint_of_the_session_table_is_shown() -> None:
    assert "session table 5e55107ab1e0" in printed(result(session()))


def test_bars_outside_the_session_have_a_column_only_when_there_are_any() -> None:
    assert "outside" not in printed(result(session()))
    assert " 139 " in row(printed(result(session(out_of_session=139))), "2024-10-31")


def test_duplicates_and_corrections_are_counted_in_one_line() -> None:
    text = printed(
        result(session(duplicates=1_200, corrections=2_276), session(1, duplicates=34))
    )
    assert "1,234 duplicates dropped, 2,276 corrections" in text


def test_complete_symbols_have_no_table() -> None:
    assert "symbols with" not in printed(result(session()))


def test_the_ten_worst_symbols_are_shown_worst_first() -> None:
    text = printed(
        result(with_gap(), symbols=tuple(symbol(f"S{n:02}", n) for n in range(13)))
    )
    shown = [line.split()[0] for line in text.splitlines() if line.startswith("S")]
    assert shown == [f"S{n:02}" for n in range(12, 2, -1)]
    assert "and 2 more with missing bars" in text


@pytest.mark.parametrize(
    ("count", "symbols", "text"),
    [
        (2_276, ("A",), "came twice (2,276 times: A)"),
        (7, tuple("ABCDEFG"), "came twice (A, B, C, D, E and 2 more)"),
        (3, (), "came twice (3 times)"),
        (1, (), "came twice"),
    ],
)
def test_equal_warnings_are_one_line_with_their_count_and_symbols(
    count: int, symbols: tuple[str, ...], text: str
) -> None:
    warnings = (RunWarning("duplicates", "came twice", count, symbols),)
    lines = printed(result(session(), warnings=warnings)).splitlines()
    assert lines[-1].rstrip() == f"  {text}"


def test_a_long_run_shows_first_last_and_worst_sessions_and_says_so() -> None:
    sessions = [session(n) for n in range(100)]
    sessions[50] = with_gap(50)
    text = printed(result(*sessions)).partition("longest gaps")[0]
    shown = [line.split()[0] for line in text.splitlines() if line.startswith("202")]
    assert shown == [
        sessions[n].session_date.isoformat() for n in (*range(5), 50, *range(95, 100))
    ]
    assert "89 sessions are not shown" in text
    assert "--all-sessions" in text


def test_all_sessions_shows_all_of_a_long_run() -> None:
    text = printed(result(*(session(n) for n in range(100))), all_sessions=True)
    assert sum(line.startswith("202") for line in text.splitlines()) == 100
    assert "not shown" not in text


def test_a_large_run_fits_a_hundred_columns_and_keeps_its_numbers() -> None:
    large = {
        "bars": 1_950_000,
        "derived_bars": 395_000,
        "expected": 1_950_000,
        "present": 1_700_000,
        "missing": 250_000,
    }
    run = result(
        *(
            with_gap(n, **{**large, "out_of_session": 12_340, "is_early_close": True})
            for n in range(90)
        )
    )
    text = printed(run, all_sessions=True)
    assert max(len(line) for line in text.splitlines()) <= 100
    assert row(text, "total").split()[1:5] == [
        "175,500,000",
        "35,550,000",
        "87.17%",
        "22,500,000",
    ]


def test_piped_output_is_plain_text() -> None:
    text = printed(result(with_gap(), symbols=(symbol("ALDERA", 17),)))
    assert "\x1b" not in text


def test_names_with_brackets_and_colons_are_shown_as_they_are() -> None:
    text = printed(
        result(with_gap(longest_gap_symbol="[B]:X:"), session_name="[red]:smile:")
    )
    assert "[red]:smile:: 1 session" in text
    assert "17 at 14:07 [B]:X:" in text


def test_the_longest_gaps_come_with_their_causes_longest_first() -> None:
    outage = {
        "longest_gap_cause": "outage",
        "longest_gap_evidence": "feed down 14:07-14:24",
    }
    text = printed(
        result(
            session(0),
            with_gap(1, 3, longest_gap_cause="unknown"),
            with_gap(2, 17, **outage),
        )
    )
    table = text.partition("longest gaps, one of each session")[2].splitlines()[3:5]
    assert [" ".join(line.split()) for line in table] == [
        "2024-11-02 14:07 KESTRA 17 outage: feed down 14:07-14:24",
        "2024-11-01 14:07 KESTRA 3 unknown",
    ]


def test_a_gap_whose_cause_was_not_kept_says_so() -> None:
    assert "not kept" in printed(result(with_gap()))


def test_a_run_without_gaps_has_no_table_of_them() -> None:
    assert "longest gaps" not in printed(result(session()))


@pytest.mark.parametrize(
    ("columns", "left_out"),
    [
        (100, ""),
        (86, "no room for derived: "),
        (60, "no room for derived, outside, time, longest gap: "),
    ],
)
def test_columns_that_a_narrow_terminal_has_no_room_for_are_named(
    monkeypatch: pytest.MonkeyPatch, columns: int, left_out: str
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    file = Terminal()
    print_summary(result(with_gap(out_of_session=139)), file=file)
    words = " ".join(file.getvalue().split())
    assert ("no room" in words) is bool(left_out)
    assert left_out in words
    assert ("derived: 1,580 bars" in words) is bool(left_out)


def test_a_run_without_a_finished_session_has_no_empty_table() -> None:
    text = printed(result(stopped_early=True))
    assert text.startswith("demo: no session was finished\n")
    assert "bars/s" not in text
    assert "whole run 2.5 s" in text


def test_a_run_that_was_stopped_says_so() -> None:
    assert "stopped early: the figures cover" in printed(
        result(session(), stopped_early=True)
    )


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def event(done: int, remaining: float | None = 65.0, **changed: Any) -> ProgressEvent:
    clock = datetime(2024, 11, 12, 14, 7, tzinfo=NEW_YORK)
    return ProgressEvent(done, 25, clock, 100_000, 1_234_567.8, remaining, **changed)


def logged(*events: ProgressEvent, **options: Any) -> list[str]:
    """The lines that events at one instant leave in a log."""
    file = io.StringIO()
    with ProgressLine(file, now=lambda: 0.0, **options) as progress:
        for each in events:
            progress(each)
    return file.getvalue().splitlines()


def test_a_log_tells_of_every_pause() -> None:
    paused = event(3, is_paused=True)
    assert logged(event(3), paused, paused, event(3), event(4)) == [
        "paused, 3 of 25 sessions, 2024-11-12 14:07, 1,234,568 bars/s, 1:05 left",
        "3 of 25 sessions, 2024-11-12 14:07, 1,234,568 bars/s, 1:05 left",
    ]


def test_a_log_tells_the_end_where_that_is_asked_for() -> None:
    line = "25 of 25 sessions, 2024-11-12 14:07, 1,234,568 bars/s, 0:00 left"
    assert logged(event(24), event(25, 0.0), tells_end=True) == [line]
    assert logged(event(24), event(25, 0.0)) == []


@pytest.mark.parametrize(
    ("lag", "words"), [(29.0, ["x60"]), (90.0, ["x60", "1.5 s behind"])]
)
def test_a_clock_driven_run_shows_its_speed_and_how_far_it_is_behind(
    lag: float, words: list[str]
) -> None:
    late = event(25, speed=60.0, lag_seconds=lag)
    (line,) = logged(late, tells_end=True)
    assert line.split(", ")[2:-1] == words


@pytest.mark.parametrize(("columns", "shown"), [(100, True), (70, False)])
def test_the_keys_are_named_where_there_is_room(
    monkeypatch: pytest.MonkeyPatch, columns: int, shown: bool
) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", str(columns))
    file = Terminal()
    with ProgressLine(file, now=lambda: 0.0, hint="q stops") as progress:
        progress(event(25))
    assert ("(q stops)" in file.getvalue()) is shown


def test_progress_in_a_terminal_is_a_live_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    file = Terminal()
    times = iter([0.0, 0.01, 1.0])
    with ProgressLine(file, now=lambda: next(times)) as progress:
        progress(event(7))
        progress(event(8))
    assert "7 of 25 sessions" not in file.getvalue()
    assert "8 of 25 sessions" in file.getvalue()
    assert "2024-11-12 14:07" in file.getvalue()
    assert "1,234,568 bars/s" in file.getvalue()
    assert "1:05 left" in file.getvalue()


def test_progress_in_a_log_is_one_line_every_five_seconds() -> None:
    file = io.StringIO()
    times = iter([0.0, 1.0, 5.0, 9.9, 10.0])
    with ProgressLine(file, now=lambda: next(times)) as progress:
        for done, remaining in ((1, 65.0), (2, 65.0), (3, 60.0), (4, None)):
            progress(event(done, remaining))
    assert file.getvalue().splitlines() == [
        "2 of 25 sessions, 2024-11-12 14:07, 1,234,568 bars/s, 1:05 left",
        "4 of 25 sessions, 2024-11-12 14:07, 1,234,568 bars/s",
    ]


def test_progress_of_a_long_run_in_a_log_slows_down() -> None:
    file = io.StringIO()
    seconds = iter(float(second) for second in range(3601))
    with ProgressLine(file, now=lambda: next(seconds)) as progress:
        for _ in range(3600):
            progress(event(1))
    assert 20 <= len(file.getvalue().splitlines()) <= 60


def test_progress_of_a_short_run_leaves_a_log_empty() -> None:
    file = io.StringIO()
    with ProgressLine(file, now=lambda: 0.0) as progress:
        progress(event(25))
    assert file.getvalue() == ""


def test_a_narrow_terminal_keeps_the_longest_gap(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    file = Terminal()
    print_summary(result(with_gap(out_of_session=139, is_early_close=True)), file=file)
    assert "17 at 14:07 KESTRA" in file.getvalue()
