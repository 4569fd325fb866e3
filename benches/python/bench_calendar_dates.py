"""The calendar of the New York Stock Exchange, asked for dates, and for a whole column of minutes at once."""

from __future__ import annotations

import time
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from benches.python.ratios import Comparison, Way
from benches.python.workload import MINUTE

from tapeloom import TimeManager

if TYPE_CHECKING:
    from numpy.typing import NDArray

EPOCH = date(1970, 1, 1)
# Years that the peer's default range holds and goes on holding for a while: it moves with the wall clock.
FIRST, LAST = date(2015, 1, 1), date(2025, 12, 31)

# exchange_calendars uses what pandas is going to change.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.fixture(scope="module")
def time_manager() -> TimeManager:
    return TimeManager("US_EQUITY")


@pytest.fixture(scope="module")
def peer() -> Any:
    xnys = pytest.importorskip("exchange_calendars.exchange_calendar_xnys")
    return xnys.XNYSExchangeCalendar()


def test_open_of_a_date(
    compare: Comparison, time_manager: TimeManager, peer: Any, small: bool
) -> None:
    import pandas as pd

    table = time_manager.session_table
    opens, index_of = table.opens, table.index_of
    low, high = (table.sessions_before((day - EPOCH).days) for day in (FIRST, LAST))
    picked = np.random.default_rng(7).integers(low, high, 200 if small else 4_000)
    asked: list[int] = table.dates[picked].tolist()
    hours = time_manager.get_market_hours_datetime
    dates = [EPOCH + timedelta(days=day) for day in asked]
    days = [pd.Timestamp(each) for each in dates]
    texts = [each.isoformat() for each in dates]
    compare(
        "open of a date",
        ours=[
            Way(
                "`opens[index_of(day)]`",
                lambda day: opens[index_of(day)],
                asked,
            ),
            Way(
                "`get_market_hours_datetime`",
                hours,
                dates,
                lambda found: since_epoch(found[0]),
            ),
        ],
        peers=[
            Way("`session_open`", peer.session_open, days, ns_of),
            Way("`session_open`, text", peer.session_open, texts, ns_of),
        ],
    )


def ns_of(stamp: Any) -> int:
    # Whatever the unit it is kept in.
    return int(stamp.value)


def since_epoch(at: datetime) -> int:
    return (at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1) * 1000


def test_is_open_for_a_column_of_minutes(
    compare: Comparison, time_manager: TimeManager, peer: Any, small: bool
) -> None:
    """The peer answers one at a time; what people write for a column is a binary search in numpy."""
    import pandas as pd

    table = time_manager.session_table
    count = 10_000 if small else 1_000_000
    start = int(table.opens[table.sessions_before((date(2022, 1, 3) - EPOCH).days)])
    column = start + np.arange(count, dtype=np.int64) * MINUTE
    opens, closes = table.opens, table.closes

    def by_search(minutes: NDArray[np.int64]) -> NDArray[np.bool_]:
        at = np.searchsorted(opens, minutes, side="right") - 1
        return minutes < closes[at]

    stamps = (pd.Timestamp(ns, tz="UTC") for ns in column[:5_000].tolist())
    one_by_one = [peer.is_open_on_minute(stamp, _parse=False) for stamp in stamps]
    assert table.is_open(column[:5_000]).tolist() == one_by_one
    compare(
        f"is it open, {count:,} minutes, per minute",
        ours=[Way("`SessionTable.is_open`", table.is_open, [column], bytes, count)],
        peers=[Way("numpy `searchsorted`", by_search, [column], bytes, count)],
        # Wall time: a batch may use more than this thread.
        clock=time.perf_counter,
    )
