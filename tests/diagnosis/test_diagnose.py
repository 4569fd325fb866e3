"""Which reading of stamps is proposed, and the sentences that say why."""

from __future__ import annotations

from datetime import date
from random import Random
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapeloom.calendars import get_session_table
from tapeloom.diagnosis import Diagnosis, diagnose, wall_times
from tapeloom.timestamps import localize
from tests.core.loaded import days_of
from tests.reference.gaps import expected_starts
from tests.reference.schedule import HOUR, MINUTE, interval_ns
from tests.strategies import fewer

if TYPE_CHECKING:
    from numpy.typing import NDArray

QUARTER = 15 * MINUTE


def grid(
    first: str, last: str, *, group: str = "US_EQUITY", interval: str = "1m"
) -> NDArray[np.int64]:
    """All expected starts of some dates."""
    days = days_of(group, date.fromisoformat(first), date.fromisoformat(last))
    step = interval_ns(interval)
    return np.array([ts for day in days for ts in expected_starts(day, step)], np.int64)


def read(
    ts: NDArray[np.int64],
    *,
    group: str = "US_EQUITY",
    interval: str = "1m",
    naive: bool = False,
) -> Diagnosis:
    table = get_session_table(group)
    return diagnose(ts, table=table, interval=interval, naive=naive)


def wall(ts: NDArray[np.int64], zone: str) -> NDArray[np.int64]:
    from zoneinfo import ZoneInfo

    return wall_times(ts, ZoneInfo(zone))


def sentence(found: Diagnosis) -> str:
    (text,) = found.findings
    return text


def test_bars_that_run_late_are_shifted_back() -> None:
    ts = grid("2025-07-02", "2025-07-02") + 4 * HOUR
    found = read(ts)
    assert found.proposal is found.best
    assert (found.best.label, found.best.shift_ns) == ("start", -4 * HOUR)
    # From 13:30 to 16:00 the late labels are in the session too.
    assert sentence(found) == (
        "these bars fit the session if shifted by -4 h: 390/390 (as labelled: 150/390)"
    )
    assert found.readings[0] == found.best


def test_the_order_of_the_rows_does_not_matter() -> None:
    ts = grid("2025-07-01", "2025-07-02") - 5 * HOUR
    shuffled = ts.copy()
    np.random.default_rng(1).shuffle(shuffled)
    doubled = np.concatenate([shuffled, shuffled])
    assert read(ts) == read(ts[::-1].copy()) == read(doubled)


def test_labels_that_are_ends_are_told_by_the_edges_of_the_session() -> None:
    found = read(grid("2025-07-02", "2025-07-02") + MINUTE)
    assert found.best.label == "end"
    assert sentence(found) == (
        "labels look like bar ends: 390/390 as ends, 389/390 as starts; pass label='end'"
    )


def test_naive_ends_are_told_in_the_zone_of_the_exchange() -> None:
    ts = wall(grid("2025-07-01", "2025-07-02") + MINUTE, "America/New_York")
    found = read(ts, naive=True)
    assert (found.best.label, found.best.zone) == ("end", "America/New_York")
    assert sentence(found) == (
        "labels look like bar ends: 780/780 as ends, 778/780 as starts; pass label='end'"
    )


def test_ends_that_run_late_are_told_in_one_sentence() -> None:
    found = read(grid("2025-07-01", "2025-07-02") + MINUTE + 4 * HOUR)
    assert sentence(found) == (
        "these bars fit the session if shifted by -4 h and read as bar ends: 780/780 (as labelled: 298/780); "
        "pass label='end'"
    )


def test_a_bar_at_the_close_alone_is_a_closing_print() -> None:
    ts = grid("2025-07-01", "2025-07-02")
    closes = ts.reshape(2, 390)[:, -1] + MINUTE
    found = read(np.sort(np.concatenate([ts, closes])))
    assert found.proposal is None
    assert sentence(found) == (
        "start labels, 780/780, plus 2 bars at the close (closing print), kept as extended"
    )


def test_a_closing_print_of_every_second_day_is_not_worth_a_word() -> None:
    ts = grid("2025-07-01", "2025-07-02")
    assert read(np.append(ts, ts[-1] + MINUTE)).findings == ()


def test_post_market_bars_are_no_closing_print() -> None:
    ts = grid("2025-07-02", "2025-07-02")
    after = ts[-1] + MINUTE * np.arange(1, 60)
    assert read(np.concatenate([ts, after])).findings == ()


@pytest.mark.parametrize(
    ("zone", "share"), [("UTC", "150/390"), ("Europe/London", "90/390")]
)
def test_naive_times_of_another_zone_are_told_with_its_name(
    zone: str, share: str
) -> None:
    found = read(wall(grid("2025-07-02", "2025-07-02"), zone), naive=True)
    assert (found.best.zone, found.best.shift_ns) == (zone, 0)
    assert sentence(found) == (
        f"these bars fit the session if read as wall time of {zone}: 390/390 (as labelled: {share}); "
        f"pass zone={zone!r}"
    )


def test_a_zone_holds_across_a_clock_change_where_no_shift_does() -> None:
    true = grid("2024-10-21", "2024-11-08")
    for zone in ("UTC", "Europe/London", "Asia/Tokyo"):
        found = read(wall(true, zone), naive=True)
        assert (found.best.zone, found.best.hits) == (zone, len(true))


def test_wall_time_that_is_labelled_utc_is_told_across_a_clock_change() -> None:
    true = grid("2024-10-28", "2024-11-08")
    found = read(wall(true, "America/New_York"))
    assert found.best.zone == "America/New_York"
    assert found.best.hits == len(true)


def test_times_that_a_clock_change_leaves_out_are_in_no_reading() -> None:
    # Every hour of a weekend in which New York skips one.
    wall_clock = localize(
        np.arange(24 * 4, dtype=np.int64) * HOUR + grid("2024-03-08", "2024-03-08")[0],
        get_session_table("CRYPTO").zone,
    )
    assert read(wall_clock, naive=True, interval="1h").proposal is None


def test_wall_times_that_no_clock_of_the_exchange_shows_fit_nothing_as_labelled() -> (
    None
):
    skipped = np.arange(60, dtype=np.int64) * MINUTE + 1_710_036_000 * 10**9
    found = read(skipped, naive=True)
    assert found.as_labelled.zone == "America/New_York"
    assert (found.as_labelled.hits, found.proposal) == (0, None)


@pytest.mark.parametrize("group", ["US_EQUITY", "JP_EQUITY", "HK_EQUITY", "IN_EQUITY"])
@pytest.mark.parametrize("interval", ["1m", "5m", "15m"])
@fewer(4)
@given(data=st.data())
def test_a_shift_by_any_quarter_hour_is_found(
    group: str, interval: str, data: st.DataObject
) -> None:
    quarters = data.draw(st.integers(-56, 56))
    rng = Random(data.draw(st.integers(0, 2**32)))
    first = data.draw(st.sampled_from(["2024-03-04", "2024-06-10", "2024-11-25"]))
    last = str(
        date.fromisoformat(first).fromordinal(
            date.fromisoformat(first).toordinal() + 18
        )
    )
    true = grid(first, last, group=group, interval=interval)
    kept = np.array([rng.random() < 0.9 for _ in true])
    found = read(true[kept] - quarters * QUARTER, group=group, interval=interval)
    step = interval_ns(interval) or 0
    moved = found.best.shift_ns - (step if found.best.label == "end" else 0)
    assert moved == quarters * QUARTER
    assert found.best.hits == kept.sum()
    assert (found.proposal is None) == (quarters == 0)


@pytest.mark.parametrize("group", ["US_EQUITY", "JP_EQUITY", "US_FUTURES", "CRYPTO"])
@fewer(2)
@given(data=st.data())
def test_true_stamps_are_never_doubted(group: str, data: st.DataObject) -> None:
    rng = Random(data.draw(st.integers(0, 2**32)))
    first = data.draw(st.sampled_from(["2024-03-07", "2024-11-27", "2025-07-01"]))
    days = days_of(
        group, date.fromisoformat(first), date.fromisoformat(first).replace(day=28)
    )
    days = days[: data.draw(st.integers(1, 4))]
    share = data.draw(st.sampled_from([0.02, 0.1, 0.4, 0.95, 1.0]))
    ts = [ts for day in days for ts in expected_starts(day, MINUTE)]
    cut = data.draw(st.integers(0, len(ts)))
    kept = [t for t in ts[: cut or None] if rng.random() < share]
    # A few hours around the session, with less and less trading.
    for day in days:
        kept += [
            edge + sign * minute * MINUTE
            for edge, sign in ((day.open, -1), (day.close - MINUTE, 1))
            for minute in range(1, 240)
            if rng.random() < share * (1 - minute / 240) / 2
        ]
    assert read(np.array(sorted(set(kept)), np.int64), group=group).proposal is None


def test_on_a_market_that_never_closes_every_shift_fits() -> None:
    ts = grid("2024-11-01", "2024-11-03", group="CRYPTO")
    found = read(ts + 3 * HOUR, group="CRYPTO")
    assert found.proposal is None
    assert not found.is_clear


def test_a_few_bars_say_nothing() -> None:
    found = read(grid("2025-07-02", "2025-07-02")[:40] + 7 * HOUR)
    assert found.proposal is None
    assert not found.is_clear


def test_part_of_a_session_fits_in_many_places() -> None:
    found = read(grid("2025-07-02", "2025-07-02")[:90] + 12 * HOUR)
    assert found.proposal is None
    assert not found.is_clear


def test_bars_of_extended_hours_decide_where_the_session_is_full_either_way() -> None:
    regular = grid("2025-07-01", "2025-07-02").reshape(2, 390)
    # 04:00 to 20:00 without a hole.
    whole = (regular[:, :1] - 330 * MINUTE + MINUTE * np.arange(960)).ravel()
    assert read(whole).proposal is None
    found = read(whole + 2 * HOUR)
    assert found.best.shift_ns == -2 * HOUR
    assert sentence(found) == (
        "these bars fit the session if shifted by -2 h: 780/780 (as labelled: 780/780); "
        "1,920 of 1,920 bars in trading hours (as labelled: 1,680)"
    )


def test_bars_of_days_have_no_time_of_day_to_compare() -> None:
    found = read(grid("2025-07-01", "2025-07-03", interval="1d"), interval="1d")
    assert found.proposal is None
    assert (found.best.hits, found.best.due, found.findings) == (0, 0, ())


def test_without_a_stamp_nothing_is_said() -> None:
    found = read(np.empty(0, np.int64))
    assert found.proposal is None
    assert found.readings == ()


def test_stamps_that_the_calendar_does_not_cover_fit_nothing() -> None:
    found = read(grid("2025-07-01", "2025-07-02") - 60 * 365 * 24 * HOUR)
    assert found.proposal is None
    assert found.best.hits == 0


def test_shifts_are_written_in_hours_and_minutes() -> None:
    ts = grid("2025-07-01", "2025-07-07")
    texts = {
        by: read(ts - by).best.evidence.split(": ")[0].rpartition("by ")[2]
        for by in (-15 * MINUTE, 5 * HOUR + 30 * MINUTE, 14 * HOUR)
    }
    assert list(texts.values()) == ["-15 min", "+5 h 30 min", "+14 h"]
