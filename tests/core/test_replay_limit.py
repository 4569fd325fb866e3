"""The native replay by itself: its limit, and its end."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest

from tapeloom import SessionData
from tapeloom._core import Bars, Replay
from tapeloom.calendars import get_session_table
from tapeloom.calendars.days import from_day, to_day


def test_a_replay_that_was_closed_plays_no_further() -> None:
    session = SessionData()
    session.register_symbol("AAA", base_interval="1m")
    session.start_new_session(date(2025, 7, 2))
    table = session.session_table
    index = table.index_of(to_day(date(2025, 7, 2)))
    assert index is not None
    ts = table.grid(index, "1m")
    ones = np.ones(len(ts))
    bars = Bars.from_columns(
        "AAA",
        "1m",
        ts=ts,
        open=ones,
        high=ones,
        low=ones,
        close=ones,
        volume=ones,
        zone=table.zone,
        table=table,
    )
    replay = Replay(session, [("AAA", bars)], close=int(table.closes[index]))
    held = replay.run(until=int(ts[10]))
    assert (held.held, held.ended, held.ts) == (True, False, int(ts[10]))
    replay.close()
    stopped = replay.run()
    assert (stopped.ended, session.get_bar_count("AAA")) == (True, 10)


@pytest.mark.parametrize("weeks", [306_783_378, 999_999_999, 4_294_967_295])
def test_a_bar_of_any_number_of_weeks_ends_with_its_iso_year(weeks: int) -> None:
    table = get_session_table("US_EQUITY")
    start = int(table.opens[9000])
    year = from_day(int(table.dates[9000])).isocalendar().year
    last = max(
        at
        for at in range(9000, 9300)
        if from_day(int(table.dates[at])).isocalendar().year == year
    )
    assert table.bar_end(start, f"{weeks}w") == int(table.closes[last])
