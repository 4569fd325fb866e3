"""The calendar of the New York Stock Exchange, asked one instant at a time and in bulk.

The peer is exchange_calendars, with the ``Timestamp`` it wants ready-made, and without its reading of arguments
(``_parse=False``) where that can be switched off.
"""

from __future__ import annotations

import time
from datetime import UTC, date, datetime, timedelta, tzinfo
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pytest
from benches.python.ratios import Comparison, Targets, Way

from tapeloom import TimeManager

if TYPE_CHECKING:
    from numpy.typing import NDArray

NS_PER_S = 1_000_000_000
MINUTE = 60 * NS_PER_S
DAY = 1440 * MINUTE
EPOCH = date(1970, 1, 1)
# Years that the peer's default range holds and goes on holding for a while: it moves with the wall clock.
FIRST, LAST = date(2015, 1, 1), date(2025, 12, 31)

IS_OPEN = Targets(20, 30, 50)
# exchange_calendars uses what pandas is going to change.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


class Questions(NamedTuple):
    """Seeded instants and dates."""

    instants: list[int]
    in_sessions: list[int]
    sessions: list[int]
    many: int


@pytest.fixture(scope="module")
def time_manager() -> TimeManager:
    return TimeManager("US_EQUITY")


@pytest.fixture(scope="module")
def peer() -> Any:
    xnys = pytest.importorskip("exchange_calendars.exchange_calendar_xnys")
    return xnys.XNYSExchangeCalendar()


@pytest.fixture(scope="module")
def asked(request: pytest.FixtureRequest, time_manager: TimeManager) -> Questions:
    """Minutes anywhere in eleven years, and as many within two minutes of an open or a close."""
    small = not request.config.getoption("benchmark_enable")
    count = 200 if small else 4_000
    rng = np.random.default_rng(7)
    table = time_manager.session_table
    low, high = ((day - EPOCH).days for day in (FIRST, LAST))
    rows = np.arange(table.sessions_before(low), table.sessions_before(high))
    opens, closes = table.opens[rows], table.closes[rows]
    edges = np.concatenate([opens, closes])
    anywhere = rng.integers(low * 1440, high * 1440, count) * MINUTE
    near = rng.choice(edges, count) + rng.integers(-2, 3, count) * MINUTE
    picked = rng.integers(0, len(rows), count)
    minutes = (closes[picked] - opens[picked]) // MINUTE
    within = opens[picked] + rng.integers(0, minutes) * MINUTE
    return Questions(
        instants=rng.permutation(np.concatenate([anywhere, near])).tolist(),
        in_sessions=within.tolist(),
        sessions=table.dates[rows[picked]].tolist(),
        many=10_000 if small else 1_000_000,
    )


def as_stamps(instants: list[int]) -> list[Any]:
    import pandas as pd

    return [pd.Timestamp(ns, tz="UTC") for ns in instants]


def as_datetimes(instants: list[int], zone: tzinfo) -> list[datetime]:
    return [datetime.fromtimestamp(ns // NS_PER_S, zone) for ns in instants]


def ns_of(stamp: Any) -> int:
    # Whatever the unit it is kept in.
    return int(stamp.value)


def test_is_open_at_an_instant(
    compare: Comparison, time_manager: TimeManager, peer: Any, asked: Questions
) -> None:
    stamps = as_stamps(asked.instants)
    open_at = peer.is_open_on_minute
    ask, table = time_manager.is_market_open, time_manager.session_table
    aware = as_datetimes(asked.instants, time_manager.timezone)
    naive = [each.replace(tzinfo=None) for each in aware]
    compare(
        "is the market open",
        ours=[
            Way("TimeManager, int", ask, asked.instants),
            Way("SessionTable, int", table.is_open, asked.instants),
            Way("TimeManager, aware datetime", ask, aware),
            Way("TimeManager, naive datetime", ask, naive),
        ],
        peers=[
            Way("is_open_on_minute", open_at, stamps, bool),
            Way(
                "is_open_on_minute, _parse=False",
                partial(open_at, _parse=False),
                stamps,
                bool,
            ),
        ],
        targets=IS_OPEN,
    )


def test_next_open_after_an_instant(
    compare: Comparison, time_manager: TimeManager, peer: Any, asked: Questions
) -> None:
    stamps = as_stamps(asked.instants)
    following = peer.next_open
    compare(
        "next open",
        ours=[Way("next_open", time_manager.session_table.next_open, asked.instants)],
        peers=[
            Way("next_open", following, stamps, ns_of),
            Way(
                "next_open, _parse=False",
                partial(following, _parse=False),
                stamps,
                ns_of,
            ),
        ],
    )


def test_session_of_an_instant(
    compare: Comparison, time_manager: TimeManager, peer: Any, asked: Questions
) -> None:
    table = time_manager.session_table
    stamps = as_stamps(asked.in_sessions)
    session_of = partial(peer.minute_to_session, _parse=False)
    compare(
        "session of a minute",
        ours=[
            Way(
                "session_of",
                table.session_of,
                asked.in_sessions,
                lambda i: table.dates[i],
            )
        ],
        peers=[
            Way("minute_to_session", peer.minute_to_session, stamps, days_of),
            Way("minute_to_session, _parse=False", session_of, stamps, days_of),
        ],
    )


def days_of(stamp: Any) -> int:
    return ns_of(stamp) // DAY


def test_open_of_a_date(
    compare: Comparison, time_manager: TimeManager, peer: Any, asked: Questions
) -> None:
    import pandas as pd

    table = time_manager.session_table
    opens, index_of = table.opens, table.index_of
    hours = time_manager.get_market_hours_datetime
    dates = [EPOCH + timedelta(days=day) for day in asked.sessions]
    days = [pd.Timestamp(each) for each in dates]
    texts = [each.isoformat() for each in dates]
    compare(
        "open of a date",
        ours=[
            Way(
                "opens[index_of(day)]", lambda day: opens[index_of(day)], asked.sessions
            ),
            Way(
                "get_market_hours_datetime",
                hours,
                dates,
                lambda found: ns_of_datetime(found[0]),
            ),
        ],
        peers=[
            Way("session_open", peer.session_open, days, ns_of),
            Way("session_open, text", peer.session_open, texts, ns_of),
        ],
    )


def ns_of_datetime(at: datetime) -> int:
    return (at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1) * 1000


def test_is_open_for_a_column_of_minutes(
    compare: Comparison, time_manager: TimeManager, peer: Any, asked: Questions
) -> None:
    """The peer answers one at a time; what people write for a column is a binary search in numpy."""
    table = time_manager.session_table
    start = int(table.opens[table.sessions_before((date(2022, 1, 3) - EPOCH).days)])
    column = start + np.arange(asked.many, dtype=np.int64) * MINUTE
    opens, closes = table.opens, table.closes

    def by_search(minutes: NDArray[np.int64]) -> NDArray[np.bool_]:
        at = np.searchsorted(opens, minutes, side="right") - 1
        return minutes < closes[at]

    one_by_one = [
        peer.is_open_on_minute(s, _parse=False)
        for s in as_stamps(column[:5_000].tolist())
    ]
    assert table.is_open(column[:5_000]).tolist() == one_by_one
    compare(
        f"is it open, {asked.many:,} minutes",
        ours=[Way("is_open, per minute", table.is_open, [column], bytes, asked.many)],
        peers=[Way("numpy searchsorted", by_search, [column], bytes, asked.many)],
        # Wall time: a batch may use more than this thread.
        clock=time.perf_counter,
    )
