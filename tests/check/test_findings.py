"""What a check says of made-up bars, kind by kind."""

from __future__ import annotations

from datetime import date, datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest

from tapeloom import TimeManager
from tapeloom.bars import Bars
from tapeloom.checking import CheckReport
from tapeloom.errors import (
    ArgumentError,
    ArgumentTypeError,
    MissingDataError,
    OutOfCalendarError,
)
from tapeloom.gap import Cause
from tapeloom.standalone import check, gaps
from tests.check.made_up import bars, columns, grid
from tests.reference.schedule import HOUR, MINUTE, SECOND

if TYPE_CHECKING:
    from numpy.typing import NDArray

TWO_DAYS = grid("2025-07-01", "2025-07-02")


def said(report: CheckReport, *, problems: bool = True) -> dict[str, str]:
    """The findings by kind; each comes once."""
    found = {f.kind: f.text for f in report.findings if f.is_problem == problems}
    assert len(found) == sum(f.is_problem == problems for f in report.findings)
    return found


def joined(*parts: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.sort(np.concatenate(parts))


def test_whole_sessions_are_clean() -> None:
    report = check(bars("AAPL", TWO_DAYS))
    assert report.is_clean
    assert (report.expected, report.present, report.missing) == (780, 780, 0)
    assert report.quality == 100.0
    assert not len(report.findings) + len(report.gaps) + len(report.splits)
    assert repr(report) == "CheckReport(1 series, 0 of 780 bars missing, clean)"


def test_missing_bars_are_told_with_the_longest_run() -> None:
    report = check(bars("AAPL", TWO_DAYS, without=[5, 60, 61, 62, 500]))
    assert said(report) == {
        "missing": "5 of 780 bars missing in 3 gaps, the longest 3 from 2025-07-01 10:30"
    }
    assert repr(report) == "CheckReport(1 series, 5 of 780 bars missing, 1 problem)"


def test_what_nobody_has_is_the_vendors() -> None:
    names = ("AAPL", "MSFT", "SPY")
    data = [bars(name, TWO_DAYS, without=range(40, 50)) for name in names]
    report = check([*data, bars("QQQ", grid("2025-07-02", "2025-07-02"))])
    assert {gap.cause for gap in report.gaps} == {Cause.VENDOR_HOLE}
    assert {gap.evidence for gap in report.gaps} == {
        "all 3 symbols with bars that day lack 10:10-10:20"
    }
    texts = {f.text for f in report.problems}
    assert texts == {
        "10 of 780 bars missing in 1 gap, the longest 10 from 2025-07-01 10:10; causes: vendor_hole 1"
    }


def test_a_hole_inside_a_larger_one_of_others_is_the_vendors_and_theirs_is_not() -> (
    None
):
    data = [
        bars("AAPL", TWO_DAYS, without=range(40, 50)),
        bars("MSFT", TWO_DAYS, without=range(42, 45)),
        bars("SPY", TWO_DAYS, without=range(40, 45)),
    ]
    causes = {(g.symbol, g.missing): g.cause for g in check(data).gaps}
    assert causes == {
        ("AAPL", 10): Cause.UNKNOWN,
        ("MSFT", 3): Cause.VENDOR_HOLE,
        ("SPY", 5): Cause.UNKNOWN,
    }


def test_series_of_another_interval_are_no_witnesses() -> None:
    fine = [bars(n, TWO_DAYS, without=[40]) for n in ("AAPL", "MSFT")]
    coarse = grid("2025-07-01", "2025-07-02", interval="5m")
    report = check([*fine, bars("SPY", coarse, interval="5m", without=[8])])
    assert {gap.cause for gap in report.gaps} == {Cause.UNKNOWN}


def test_a_download_that_stopped_is_cut_off() -> None:
    report = check(bars("AAPL", TWO_DAYS[:600]))
    assert said(report) == {
        "missing": (
            "180 of 780 bars missing in 1 gap, the longest 180 from 2025-07-02 13:00; causes: truncated 1"
        ),
        "truncated": "cut off on 2025-07-02: the last bar ends at 13:00, the session at 16:00 (180 bars)",
    }
    (gap,) = report.gaps
    assert gap.cause is Cause.TRUNCATED
    assert gap.evidence == (
        "the last bar ends at 13:00, none came up to the close at 16:00"
    )


def test_a_quiet_end_of_a_day_is_no_download_that_stopped() -> None:
    assert "truncated" not in said(check(bars("AAPL", TWO_DAYS[:-3])))
    quiet = check(bars("AAPL", TWO_DAYS, without=range(350, 390)))
    assert "truncated" not in said(quiet)
    # The next day has bars, whether it is asked for or not.
    first = check(bars("AAPL", TWO_DAYS, without=range(350, 390)), end=date(2025, 7, 1))
    assert first.missing == 40
    assert "truncated" not in said(first)
    assert "truncated" in said(
        check(bars("AAPL", TWO_DAYS[:350]), end=date(2025, 7, 1))
    )


def test_sessions_without_a_bar_are_listed() -> None:
    ts = joined(grid("2025-07-01", "2025-07-01"), grid("2025-07-09", "2025-07-09"))
    report = check(bars("AAPL", ts))
    assert said(report) == {
        "empty_sessions": (
            "4 of 6 sessions without any bar: 2025-07-02, 2025-07-03, 2025-07-07 and 1 more"
        )
    }
    assert {gap.evidence for gap in report.gaps} == {
        "there is no bar of the whole session"
    }


def test_bars_that_come_twice_are_counted_by_their_values() -> None:
    values = columns(joined(TWO_DAYS, TWO_DAYS[:7]))
    values["volume"][[1, 3]] = 11.0
    report = check(values, symbol="AAPL")
    assert said(report) == {
        "duplicates": "5 keys occur twice with the same values; one of each is enough",
        "conflicts": "2 keys occur twice with different values; choose on_duplicate",
    }
    (row,) = report.symbols
    assert (row.duplicates, row.conflicts, row.missing) == (7, 2, 0)


def test_bars_where_none_should_be_are_counted() -> None:
    holiday = grid("2025-07-03", "2025-07-03")[:3] + 24 * HOUR
    between = TWO_DAYS[:2] + 30 * SECOND
    night = TWO_DAYS[:5] - 8 * HOUR
    report = check(bars("AAPL", joined(TWO_DAYS, holiday, between, night)))
    assert said(report)["no_session"] == "3 bars on dates without a session"
    assert said(report)["off_grid"] == "2 bars between two expected starts"
    assert said(report)["outside_trading"] == (
        "5 bars outside pre-market, regular and post-market hours"
    )
    assert said(report, problems=False)["outside"] == (
        "5 bars before the open, 0 at or after the close"
    )


def test_bars_in_a_break_are_counted() -> None:
    true = grid("2025-07-01", "2025-07-02", group="HK_EQUITY")
    lunch = true[149:152] + 2 * MINUTE
    report = check(
        columns(joined(true, lunch[:1])), symbol="X", exchange_group="HK_EQUITY"
    )
    assert said(report) == {"in_break": "1 bar in a break of the session"}


def test_bars_of_pre_market_are_worth_knowing_and_no_problem() -> None:
    report = check(bars("AAPL", joined(TWO_DAYS, TWO_DAYS[:20] - HOUR)))
    assert report.is_clean
    assert said(report, problems=False) == {
        "outside": "20 bars before the open, 0 at or after the close"
    }


def test_bars_without_volume_are_worth_knowing() -> None:
    values = columns(TWO_DAYS)
    values["volume"][:3] = 0.0
    report = check(values, symbol="AAPL")
    assert said(report, problems=False) == {
        "zero_volume": "3 bars of regular hours without volume"
    }
    values["volume"][:] = 0.0
    (found,) = check(values, symbol="VIX").findings
    assert found.text.endswith("without volume, which is all of them")


def test_rows_that_break_a_rule_are_left_out_and_told() -> None:
    values = columns(TWO_DAYS)
    values["low"][10], values["close"][11] = 101.0, np.nan
    report = check(values, symbol="AAPL")
    assert said(report)["invalid"] == (
        "2 bars broken: a price or volume breaks a rule; left out of all counts; "
        "the first is row 10, 2025-07-01 13:40:00 UTC: low is 101, must not be above high"
    )
    assert (report.missing, report.symbols[0].invalid) == (2, 2)


def test_prices_below_zero_are_allowed_when_asked_for() -> None:
    values = columns(TWO_DAYS, price=-4.0)
    assert check(values, symbol="CL", allow_negative_prices=True).is_clean
    with_faults = check(
        values, symbol="CL", start=date(2025, 7, 1), end=date(2025, 7, 2)
    )
    assert with_faults.symbols[0].invalid == 780
    assert with_faults.missing == 780


def test_newest_first_is_worth_knowing() -> None:
    values = {name: column[::-1] for name, column in columns(TWO_DAYS).items()}
    report = check(values, symbol="AAPL")
    assert report.is_clean
    assert said(report, problems=False) == {
        "unsorted": "779 rows out of order; they were sorted for this check"
    }


def test_late_labels_are_the_first_problem() -> None:
    report = check(bars("AAPL", TWO_DAYS + 4 * HOUR))
    assert report.problems[0].kind == "reading"
    assert report.problems[0].text == (
        "these bars fit the session if shifted by -4 h: 780/780 (as labelled: 300/780)"
    )


def test_a_night_that_looks_like_a_split_gives_a_row_for_the_actions() -> None:
    price = np.where(np.arange(780) < 390, 300.0, 201.0)
    report = check(bars("AAPL", TWO_DAYS, price=price))
    (hint,) = report.splits
    assert (hint.like, hint.price_factor, hint.volume_factor) == ("3:2", 2 / 3, 1.5)
    assert said(report) == {
        "split": (
            "opens 2025-07-02 at 0.67 times the close before, as a 3:2 split does; "
            "row for the table of actions: AAPL,2025-07-02,0.6666666667,1.5"
        )
    }
    assert check(bars("AAPL", TWO_DAYS, price=price), actions=report.splits).is_clean


def test_a_price_after_sessions_without_a_bar_is_no_split() -> None:
    ts = joined(grid("2025-07-01", "2025-07-01"), grid("2025-07-08", "2025-07-08"))
    price = np.where(np.arange(780) < 390, 300.0, 100.0)
    assert list(check(bars("AAPL", ts, price=price)).splits) == []


def test_daily_bars_at_midnight_are_told() -> None:
    opens = grid("2025-07-01", "2025-07-08", interval="1d")
    local_midnight = opens - 9 * HOUR - 30 * MINUTE
    for ts in (local_midnight, local_midnight - 4 * HOUR):
        report = check(bars("AAPL", ts, interval="1d"))
        assert said(report)["midnight"] == (
            "5 daily bars stamped 00:00; a daily bar is stamped with its session's open"
        )
    assert check(bars("AAPL", opens, interval="1d")).is_clean


def test_bars_of_weeks_are_counted_and_none_is_missing() -> None:
    opens = grid("2025-06-30", "2025-07-12", interval="1d")[::4]
    report = check(bars("AAPL", opens, interval="1w"))
    assert (report.expected, report.missing, report.is_clean) == (0, 0, True)
    assert report.quality is None
    assert report.symbols[0].bars == len(opens)


def test_dates_that_are_asked_for_are_due() -> None:
    one = bars("AAPL", grid("2025-07-02", "2025-07-02"))
    report = check(one, start=date(2025, 7, 1), end=date(2025, 7, 3))
    assert [row.present for row in report.sessions] == [0, 390, 0]
    assert report.symbols[0].empty_sessions == 2
    only = check(bars("AAPL", TWO_DAYS), start=date(2025, 7, 2))
    assert [row.session for row in only.sessions] == [date(2025, 7, 2)]
    none = check(one, start=date(2025, 7, 5), end=date(2025, 7, 6))
    assert (len(none.sessions), none.is_clean, none.to_dict()["first_session"]) == (
        0,
        True,
        None,
    )


def test_a_weekend_that_is_asked_for_has_its_bars() -> None:
    saturday = grid("2025-07-03", "2025-07-03")[:20] + 48 * HOUR
    data = bars("AAPL", joined(TWO_DAYS, saturday))
    report = check(data, start=date(2025, 7, 5), end=date(2025, 7, 6))
    assert said(report) == {"no_session": "20 bars on dates without a session"}
    assert (report.symbols[0].bars, report.expected) == (20, 0)
    for start, end, number in ((2, 5, 410), (2, 4, 390), (5, 7, 20), (6, 6, 0)):
        part = check(data, start=date(2025, 7, start), end=date(2025, 7, end))
        assert part.symbols[0].bars == number, (start, end)


def test_an_overnight_session_is_that_of_its_date() -> None:
    # Sunday evening in Chicago belongs to Monday.
    ts = grid("2025-07-07", "2025-07-08", group="CMES")
    data = columns(ts)
    for day in (7, 8):
        report = check(
            data,
            symbol="ES",
            exchange_group="CMES",
            start=date(2025, 7, day),
            end=date(2025, 7, day),
        )
        assert (report.missing, report.symbols[0].no_session) == (0, 0)
        assert report.symbols[0].bars == report.expected > 0


def test_dates_that_the_calendar_does_not_cover_are_refused() -> None:
    data = bars("AAPL", TWO_DAYS)
    for ask in (check, gaps):
        with pytest.raises(
            OutOfCalendarError,
            match="end 2060-01-01 is outside the calendar XNYS, which covers 1990-01-01 to 2035-12-31",
        ):
            ask(data, end=date(2060, 1, 1))
        with pytest.raises(OutOfCalendarError, match="start 1900-01-01"):
            ask(data, start=date(1900, 1, 1))


def test_bars_beyond_the_calendar_are_told_as_such() -> None:
    report = check(bars("AAPL", TWO_DAYS + 25 * 365 * 24 * HOUR))
    assert said(report) == {
        "no_session": (
            "780 bars from 2050-06-25 to 2050-06-26, outside the calendar XNYS, which covers 1990-01-01 to 2035-12-31"
        )
    }


def test_a_session_that_has_not_begun_is_not_due() -> None:
    manager = TimeManager("US_EQUITY", mode="backtest")
    manager.set_backtest_time(
        datetime(2025, 7, 3, 10, tzinfo=ZoneInfo("America/New_York"))
    )
    report = check(
        bars("AAPL", TWO_DAYS),
        start=date(2025, 7, 1),
        end=date(2025, 12, 31),
        time_manager=manager,
    )
    assert [row.session.day for row in report.sessions] == [1, 2, 3]


def test_arguments_of_another_type_are_refused_by_name() -> None:
    data = bars("AAPL", TWO_DAYS)
    with pytest.raises(ArgumentTypeError, match=r"symbols is True \(bool\)"):
        check(data, symbols=True)  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match="symbols is empty; name one"):
        check(data, symbols=[])
    with pytest.raises(ArgumentTypeError, match="allow_negative_prices is 'no'"):
        check(data, allow_negative_prices="no")  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match="name a folder, a file or a pattern"):
        check(" ")
    with pytest.raises(ArgumentTypeError, match="data is Series, which holds no col"):
        check(pd.Series([1.0, 2.0]))
    with pytest.raises(ArgumentError, match="of AAPL of two lengths, 1m and 5m"):
        check([data, bars("AAPL", TWO_DAYS[::5], interval="5m")])


def test_what_is_not_in_the_data_is_named() -> None:
    data = bars("AAPL", TWO_DAYS)
    with pytest.raises(
        MissingDataError, match="symbol AAPLE is not in the data; did you mean 'AAPL'"
    ):
        check(data, symbols="AAPLE")
    with pytest.raises(
        ArgumentError, match=r"start 2025-07-02 is after end 2025-07-01"
    ):
        check(data, start=date(2025, 7, 2), end=date(2025, 7, 1))
    with pytest.raises(ArgumentTypeError, match="start"):
        check(data, start="2025-07-02")  # type: ignore[arg-type]


def test_the_report_tells_how_far_it_has_come() -> None:
    events: list[tuple[str, int, int]] = []
    check(
        [bars("AAPL", TWO_DAYS), bars("MSFT", TWO_DAYS)],
        progress=lambda event: events.append((event.symbol, event.done, event.total)),
    )
    assert events == [("AAPL", 0, 2), ("MSFT", 1, 2), ("", 2, 2)]


def test_bars_that_never_change_are_left_as_they_are() -> None:
    given = bars("AAPL", TWO_DAYS[::-1].copy())
    before = given.ts.copy()
    check(given)
    assert isinstance(given, Bars)
    assert (given.ts == before).all()
