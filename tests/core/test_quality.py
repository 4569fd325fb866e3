"""Quality and its counters beside membership in a set."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapeloom.session_data import SessionData
from tests.compare import bar_data, columns, report_of
from tests.days import ALL_MARKETS, Market, us_day
from tests.reference import gaps
from tests.reference.bars import Bar
from tests.reference.schedule import HOUR, MINUTE, SECOND, TradingDay
from tests.strategies import bar_at, present_starts

FULL = us_day("2025-07-02")
HALF = us_day("2025-07-03")


def session_of(day: TradingDay, group: str = "US_EQUITY") -> SessionData:
    session = SessionData(exchange_group=group)
    session.register_symbol("AAA", base_interval="1m", derived=("5m",))
    session.start_new_session(day.date)
    return session


def add(session: SessionData, *starts: int) -> None:
    for ts in starts:
        session.add_bar("AAA", bar_data("AAA", bar_at(ts)))


@pytest.mark.parametrize("market", ALL_MARKETS, ids=lambda market: market.group)
@given(data=st.data())
def test_quality_is_the_share_of_due_starts_that_came(
    market: Market, data: st.DataObject
) -> None:
    day = data.draw(st.sampled_from(market.days))
    present = data.draw(present_starts(day))
    session = session_of(day, market.group)
    here: set[int] = set()
    for ts in present[:40]:
        add(session, ts)
        here.add(ts)
        due = gaps.due_starts(day, MINUTE, ts + MINUTE)
        assert session.get_quality("AAA") == pytest.approx(gaps.quality(due, here))
    session.add_bars_batch("AAA", columns([bar_at(ts) for ts in present[40:]]))
    session.end_session()
    due = gaps.expected_starts(day, MINUTE)
    assert session.get_quality("AAA") == pytest.approx(gaps.quality(due, set(present)))


def test_two_of_three_due_minutes_are_two_thirds() -> None:
    session = session_of(FULL)
    session.register_symbol("BBB", base_interval="1m")
    add(session, FULL.open, FULL.open + MINUTE)
    session.add_bar("BBB", bar_data("BBB", bar_at(FULL.open + 2 * MINUTE)))
    assert session.get_quality("AAA") == pytest.approx(200 / 3)
    assert session.get_quality("BBB") == pytest.approx(100 / 3)


def test_nothing_due_has_no_quality() -> None:
    assert session_of(FULL).get_quality("AAA") is None


def test_no_session_has_no_quality() -> None:
    session = SessionData()
    add(session, FULL.open)
    assert session.get_quality("AAA") is None


def test_a_date_without_trading_has_no_quality() -> None:
    session = session_of(TradingDay(FULL.date.replace(day=4), (), (0, 0)))
    session.end_session()
    assert session.get_quality("AAA") is None
    assert session.get_gaps("AAA") == []


def test_a_session_without_a_bar_ends_with_quality_zero() -> None:
    session = session_of(FULL)
    session.end_session()
    assert session.get_quality("AAA") == 0.0


def test_a_derived_series_has_the_quality_of_its_base() -> None:
    session = session_of(FULL)
    add(session, FULL.open, FULL.open + 2 * MINUTE)
    assert (
        session.get_quality("AAA", "5m")
        == session.get_quality("AAA")
        == pytest.approx(200 / 3)
    )


def test_two_days_count_bars_and_not_the_mean_of_percentages() -> None:
    session = session_of(HALF)
    earlier = gaps.expected_starts(FULL, MINUTE)
    later = gaps.expected_starts(HALF, MINUTE)[:105]
    session.add_bars_batch("AAA", columns([bar_at(ts) for ts in earlier + later]))
    session.end_session()
    assert session.get_quality("AAA") == 50.0
    assert session.get_quality("AAA", scope="history") == 100.0
    assert session.get_quality("AAA", scope="all") == 82.5


@pytest.mark.parametrize(
    "stray",
    [FULL.open - HOUR, FULL.close, FULL.open + 30 * SECOND, FULL.open],
    ids=["before the open", "at the close", "off the grid", "a duplicate"],
)
def test_a_bar_that_is_not_due_never_raises_quality(stray: int) -> None:
    session = session_of(FULL)
    add(session, FULL.open, FULL.open + 3 * MINUTE)
    before = report_of(session, "AAA")
    add(session, stray)
    session.end_session()
    after = report_of(session, "AAA")
    assert (before.present, before.expected) == (2, 4)
    assert (after.present, after.expected, after.missing) == (2, 390, 388)


def test_the_report_counts_what_else_came() -> None:
    session = session_of(FULL)
    add(
        session,
        FULL.open - HOUR,
        FULL.open,
        FULL.open + 2 * MINUTE,
        FULL.open + MINUTE,
        FULL.open,
    )
    add(session, FULL.open + 2 * MINUTE + 30 * SECOND, FULL.close, FULL.close + MINUTE)
    report = report_of(session, "AAA")
    assert (report.expected, report.present, report.missing) == (390, 3, 387)
    assert (
        report.duplicates,
        report.out_of_order,
        report.out_of_session,
        report.off_grid,
    ) == (1, 2, 3, 1)


def test_a_correction_of_an_older_bar_is_out_of_order_and_a_repeated_key() -> None:
    session = session_of(FULL)
    add(session, FULL.open, FULL.open + MINUTE)
    corrected = Bar(FULL.open, 10.0, 11.0, 9.0, 10.5, 1.0)
    session.add_bar("AAA", bar_data("AAA", corrected))
    report = report_of(session, "AAA")
    assert (report.present, report.duplicates, report.out_of_order) == (2, 1, 1)


def test_a_batch_newest_first_is_not_out_of_order() -> None:
    session = session_of(FULL)
    starts = gaps.expected_starts(FULL, MINUTE)[::-1]
    session.add_bars_batch("AAA", columns([bar_at(ts) for ts in starts]))
    report = report_of(session, "AAA")
    assert (report.out_of_order, report.present) == (0, 390)


def test_a_new_session_measures_afresh() -> None:
    session = session_of(FULL)
    add(session, FULL.open, FULL.close)
    session.end_session()
    session.start_new_session(HALF.date)
    assert session.get_quality("AAA") is None
    session.end_session()
    report = report_of(session, "AAA")
    assert (
        report.expected,
        report.present,
        report.out_of_session,
        report.duplicates,
    ) == (210, 0, 0, 0)


def test_a_quality_that_is_set_replaces_what_is_measured_until_the_next_session() -> (
    None
):
    session = session_of(FULL)
    add(session, FULL.open, FULL.open + 2 * MINUTE)
    session.set_quality("AAA", "1m", 97.5)
    assert session.get_quality("AAA") == session.get_quality_metric("AAA") == 97.5
    assert session.get_session_metrics("AAA")["bar_quality"] == 97.5
    report = report_of(session, "AAA")
    assert (report.source, report.quality) == ("set", 97.5)
    assert (report.expected, report.present, report.missing) == (3, 2, 1)
    session.start_new_session(HALF.date)
    assert session.get_quality("AAA") is None


def test_a_quality_that_is_set_to_none_is_measured_again() -> None:
    session = session_of(FULL)
    add(session, FULL.open, FULL.open + 2 * MINUTE)
    session.set_quality_metric("AAA", None, 0)
    assert session.get_quality("AAA") == 0.0
    session.set_quality("AAA", None, None)
    assert session.get_quality("AAA") == pytest.approx(200 / 3)
    assert report_of(session, "AAA").source == "measured"


def test_a_quality_set_for_the_base_holds_for_derived_series_without_their_own() -> (
    None
):
    session = session_of(FULL)
    add(session, FULL.open)
    session.set_quality("AAA", "1m", 80)
    assert session.get_quality("AAA", "5m") == 80.0
    session.set_quality("AAA", "5m", 60)
    assert session.get_quality("AAA", "5m") == 60.0
    assert session.get_quality("AAA") == 80.0


def test_a_quality_that_is_set_counts_among_other_days_by_the_bars_due() -> None:
    session = session_of(HALF)
    earlier = gaps.expected_starts(FULL, MINUTE)
    session.add_bars_batch("AAA", columns([bar_at(ts) for ts in earlier]))
    session.end_session()
    session.set_quality("AAA", None, 50)
    assert session.get_quality("AAA", scope="history") == 100.0
    assert session.get_quality("AAA", scope="all") == 82.5


def test_a_quality_may_be_set_before_anything_is_due() -> None:
    session = session_of(FULL)
    session.set_quality("AAA", None, 75)
    assert session.get_quality("AAA") == 75.0
    assert session.get_quality("AAA", scope="all") == 75.0


def test_a_session_that_is_not_measured_has_no_quality_and_says_so() -> None:
    session = SessionData(measure_session_quality=False)
    session.register_symbol("AAA")
    session.start_new_session(FULL.date)
    add(session, FULL.open, FULL.open + 2 * MINUTE)
    report = report_of(session, "AAA")
    assert (report.source, report.quality) == ("assigned", None)
    assert (report.expected, report.present, report.missing) == (3, 2, 1)
    assert session.get_quality("AAA") is None
    session.set_quality("AAA", None, 90)
    assert session.get_quality("AAA") == 90.0


def test_a_report_of_what_is_measured_agrees_with_the_quality() -> None:
    session = session_of(FULL)
    add(session, FULL.open, FULL.open + 2 * MINUTE)
    report = report_of(session, "AAA")
    assert (report.source, report.excused) == ("measured", 0)
    assert report.quality == session.get_quality("AAA") == pytest.approx(200 / 3)
