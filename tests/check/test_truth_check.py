"""What a check counts in the real files, beside the facts computed with pandas."""

from __future__ import annotations

import json
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

import pyarrow.parquet as pq
import pytest

from tapeloom.checking import SplitHint
from tapeloom.standalone import check, gaps
from tests.reference.schedule import MINUTE, to_ns
from tests.truth.test_truth_derived import GROUPS
from tests.truth.test_truth_markets import berlin_days, cme, round_the_clock

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from tapeloom.checking import CheckReport, SessionCheck, SymbolCheck
    from tapeloom.gap import Gaps

RULES = {
    "crypto_coinbase": round_the_clock,
    "future_cme": cme,
    "future_eurex": berlin_days,
}
COUNTS = (
    "expected",
    "present",
    "missing",
    "longest_gap",
    "before_open",
    "at_or_after_close",
    "in_break",
    "zero_volume",
)


def truths(root: Path, market: str) -> list[dict[str, Any]]:
    found = sorted((root / "truth").glob(f"gaps__{market}__*.json"))
    assert found
    return [json.loads(path.read_text()) for path in found]


def test_every_file_of_minutes_is_compared(real_data: Path) -> None:
    index = json.loads((real_data / "truth" / "index.json").read_text())
    files = (real_data / "bars").glob("*/interval=1m/symbol=*/*.parquet")
    names = {path.relative_to(real_data).as_posix() for path in files}
    compared = [
        truth["file"]
        for market in (*GROUPS, *RULES)
        for truth in truths(real_data, market)
    ]
    assert len(compared) == len(index) == len(names)
    assert {facts["file"] for facts in index.values()} == names == set(compared)


@pytest.mark.parametrize("market", sorted(GROUPS))
def test_counts_of_each_session_are_those_of_the_truth(
    real_data: Path, market: str, subtests: pytest.Subtests
) -> None:
    for truth in truths(real_data, market):
        with subtests.test(file=truth["file"]):
            path = str(real_data / truth["file"])
            report = check(path, exchange_group=GROUPS[market])
            (row,) = report.symbols
            assert (row.symbol, row.bars) == (truth["symbol"], truth["rows"])
            assert not truth["dates_with_bars_but_no_session"]
            assert row.no_session == 0
            assert row.zero_volume <= truth["zero_volume"]
            assert row.duplicates == truth["duplicate_ts"]
            assert row.off_grid == truth["off_grid"]
            assert (row.invalid, row.unsorted) == (0, 0)
            assert_sessions(report, truth)


def assert_sessions(report: CheckReport, truth: dict[str, Any]) -> None:
    with_bars = {s["date"]: s for s in truth["sessions"]}
    empty = truth["calendar_sessions_without_bars"] or []
    rows = {row.session.isoformat(): row for row in report.sessions}
    assert sorted(rows) == sorted([*with_bars, *empty])
    for day, facts in with_bars.items():
        assert counts_of(rows[day]) == {name: facts[name] for name in COUNTS}, day
        assert rows[day].gaps == len(facts["missing_runs"]), day
        assert runs_of(report.gaps, day) == [
            (to_ns(datetime.fromisoformat(start)), number)
            for start, number in facts["missing_runs"]
        ], day
    for day in empty:
        assert (rows[day].bars, rows[day].present, rows[day].gaps) == (0, 0, 1), day
    assert report.symbols[0].empty_sessions == len(empty)


def counts_of(row: SessionCheck) -> dict[str, int]:
    return {name: getattr(row, name) for name in COUNTS}


def runs_of(found: Gaps, day: str) -> list[tuple[int, int]]:
    return [
        (to_ns(gap.start), gap.missing)
        for gap in found
        if gap.start.date() == date.fromisoformat(day)
    ]


@pytest.mark.parametrize("market", sorted(RULES))
def test_what_is_outside_or_twice_under_the_stated_rule_is_that_of_the_truth(
    real_data: Path, market: str, subtests: pytest.Subtests
) -> None:
    manager = RULES[market]()
    for truth in truths(real_data, market):
        with subtests.test(file=truth["file"]):
            report = check(str(real_data / truth["file"]), time_manager=manager)
            (row,) = report.symbols
            assert row.bars == truth["rows"]
            assert row.duplicates == truth["duplicate_ts"]
            # A bar outside the hours of the rule is not asked for its volume.
            assert row.zero_volume <= truth["zero_volume"]
            assert truth["outside_rule"] or row.zero_volume == truth["zero_volume"]
            assert outside(row) == truth["outside_rule"]
            assert (row.invalid, row.unsorted) == (0, 0)
            due, missing = within_bars(report, real_data / truth["file"], market)
            assert (due, len(missing)) == (truth["expected"], truth["missing"])
            assert due - len(missing) == truth["present"]
            assert missing == {
                to_ns(datetime.fromisoformat(start)) + k * MINUTE
                for start, number in truth["missing_runs"]
                for k in range(number)
            }


def outside(row: SymbolCheck) -> int:
    strays = row.before_open + row.at_or_after_close + row.in_break
    return strays + row.off_grid + row.no_session


def within_bars(report: CheckReport, path: Path, market: str) -> tuple[int, set[int]]:
    """Due and missing minutes from the first bar to the last, of each day where the rule says so."""
    column = pq.read_table(path, columns=["ts"])["ts"].cast("int64").to_numpy()
    table = report.table
    spans: dict[date | None, tuple[int, int]] = {}
    for ts in column.tolist():
        day = None
        if market == "future_eurex":
            day = datetime.fromtimestamp(ts // 10**9, table.zone).date()
        low, high = spans.get(day, (ts, ts))
        spans[day] = min(low, ts), max(high, ts)

    def inside(minutes: Iterable[int]) -> set[int]:
        return {ts for ts in minutes if any(a <= ts <= b for a, b in spans.values())}

    (series,) = report.series
    sessions = range(series.counts.first, series.counts.last)
    due = inside(ts for at in sessions for ts in table.grid(at, "1m").tolist())
    missing = inside(
        ts
        for gap in report.gaps
        for ts in range(to_ns(gap.start), to_ns(gap.end), MINUTE)
    )
    return len(due), missing


def test_every_minute_that_comes_twice_with_other_prices_is_told(
    real_data: Path,
) -> None:
    (truth,) = truths(real_data, "future_eurex")
    report = check(str(real_data / truth["file"]), time_manager=berlin_days())
    (found,) = (f for f in report.problems if f.kind == "conflicts")
    assert found.text == (
        "2,276 keys occur twice with different values; choose on_duplicate"
    )


def test_a_split_in_the_file_is_proposed_as_a_row_for_the_actions(
    real_data: Path,
) -> None:
    name = "us_equity/interval=1m/symbol=AAPL/2014-06-05_2014-06-09.parquet"
    path = str(real_data / "bars" / name)
    report = check(path)
    (hint,) = report.splits
    assert hint == SplitHint("AAPL", date(2014, 6, 9), 1 / 7, 7.0, hint.ratio, "7:1")
    assert abs(hint.ratio * 7 - 1) < 0.02
    assert [f.kind for f in report.problems] == ["split"]
    assert check(path, actions=report.splits).is_clean


@pytest.mark.parametrize(
    ("name", "last", "missing"),
    [
        ("symbol=SPY/2026-03-23_2026-03-31", "10:59", 301),
        ("symbol=UVXY/2026-03-23_2026-03-31", "11:04", 296),
    ],
)
def test_a_download_that_stopped_is_told(
    real_data: Path, name: str, last: str, missing: int
) -> None:
    folder = real_data / "bars" / "us_equity" / "interval=1m"
    report = check(str(folder / f"{name}.parquet"))
    (found,) = (f for f in report.problems if f.kind == "truncated")
    assert found.text == (
        f"cut off on 2026-03-31: the last bar ends at {last}, the session at 16:00 ({missing} bars)"
    )


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (
            "mismartera/bars_dump_AAPL_2025-07-02.csv",
            "these bars fit the session if shifted by -4 h: 390/390 (as labelled: 349/390)",
        ),
        (
            "eqker/AAPL_1min.csv",
            "labels look like bar ends: 1,948/1,950 as ends, 1,943/1,950 as starts; pass label='end'",
        ),
    ],
)
def test_labels_of_raw_files_are_doubted(real_data: Path, name: str, text: str) -> None:
    report = check(str(real_data / "raw" / name))
    assert report.problems[0].text == text
    assert report.problems[0].kind == "reading"


def test_daily_bars_are_held_against_the_minutes(real_data: Path) -> None:
    report = check(str(real_data / "bars" / "us_equity"), symbols=["JPM"])
    found = [f for f in report.findings if f.kind == "daily"]
    assert not any(f.is_problem for f in found)
    start = "daily bars differ from the aggregate of"
    # The minutes cover the last five of thirty sessions, quarter hours all.
    assert found[0].text.startswith(f"{start} 1m bars in 5 sessions: open in 5,")
    assert found[1].text.startswith(f"{start} 15m bars in 25 sessions: open in ")
    assert len(found) == 2


def test_gaps_of_a_check_are_those_of_the_function(real_data: Path) -> None:
    name = "us_equity/interval=1m/symbol=PPLT/2019-02-11_2019-02-15.parquet"
    path = str(real_data / "bars" / name)
    assert gaps(path) == check(path).gaps
