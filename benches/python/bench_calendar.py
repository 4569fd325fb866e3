"""The calendar of the New York Stock Exchange, asked one instant at a time.

The peer is exchange_calendars, with the ``Timestamp`` it wants ready-made, and without its reading of arguments
(``_parse=False``) where that can be switched off.
"""

from __future__ import annotations

from datetime import date, datetime, tzinfo
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import pytest
from benches.python.ratios import Comparison, Targets, Way

from tapeloom import TimeManager

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
    """Seeded instants."""

    instants: list[int]
    in_sessions: list[int]


@pytest.fixture(scope="module")
def time_manager() -> TimeManager:
    return TimeManager("US_EQUITY")


@pytest.fixture(scope="module")
def peer() -> Any:
    xnys = pytest.importorskip("exchange_calendars.exchange_calendar_xnys")
    return xnys.XNYSExchangeCalendar()


@pytest.fixture(scope="module")
def asked(small: bool, time_manager: TimeManager) -> Questions:
    """Minutes anywhere in eleven years, and as many within two minutes of an open or a close."""
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
    asked_int = Way("`TimeManager`, int", ask, asked.instants)
    compare(
        "is the market open",
        ours=[
            asked_int,
            Way("`SessionTable`, int", table.is_open, asked.instants),
            Way("`TimeManager`, aware datetime", ask, aware),
            Way("`TimeManager`, naive datetime", ask, naive),
        ],
        peers=[Way("`is_open_on_minute`", open_at, stamps, bool)],
        targets=IS_OPEN,
    )
    compare(
        "is the market open, the peer trusts its argument",
        ours=[asked_int],
        peers=[
            Way(
                "`is_open_on_minute`, `_parse=False`",
                partial(open_at, _parse=False),
                stamps,
                bool,
            ),
        ],
    )


def test_next_open_after_an_instant(
    compare: Comparison, time_manager: TimeManager, peer: Any, asked: Questions
) -> None:
    stamps = as_stamps(asked.instants)
    following = peer.next_open
    compare(
        "next open",
        ours=[Way("`next_open`", time_manager.session_table.next_open, asked.instants)],
        peers=[
            Way("`next_open`", following, stamps, ns_of),
            Way(
                "`next_open`, `_parse=False`",
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
                "`session_of`",
                table.session_of,
                asked.in_sessions,
                lambda i: table.dates[i],
            )
        ],
        peers=[
            Way("`minute_to_session`", peer.minute_to_session, stamps, days_of),
            Way("`minute_to_session`, `_parse=False`", session_of, stamps, days_of),
        ],
    )


def days_of(stamp: Any) -> int:
    return ns_of(stamp) // DAY
