"""Bars of several days in a running session: carried over the night, partial where history begins late, never early."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest

import tapeloom
from tapeloom import BarData, Bars, SessionData
from tapeloom.calendars import get_session_table
from tapeloom.errors import TapeloomWarning
from tapeloom.timestamps import to_ns

TABLE = get_session_table("US_EQUITY")
FIRST = TABLE.sessions_before((date(2025, 6, 30) - date(1970, 1, 1)).days)


def minutes(sessions: range, *, drop: float = 0.0, seed: int = 5) -> Bars:
    rng = np.random.default_rng(seed)
    ts = np.concatenate([TABLE.grid(index, "1m") for index in sessions])
    ts = ts[rng.random(ts.size) >= drop]
    price = 100 + np.round(rng.normal(0, 1, ts.size), 2)
    return Bars.from_columns(
        "AAA",
        "1m",
        ts=ts,
        open=price,
        high=price + 1,
        low=price - 1,
        close=price + 0.5,
        volume=rng.random(ts.size) * 1e3,
        zone=TABLE.zone,
        table=TABLE,
    )


@pytest.mark.parametrize("interval", ["1w", "2w", "2d", "3d"])
@pytest.mark.parametrize("completeness", ["any", "complete"])
def test_a_run_derives_the_bars_of_several_days_that_resampling_gives(
    interval: str, completeness: str
) -> None:
    bars = minutes(range(FIRST, FIRST + 11), drop=0.001)
    seen: list[BarData] = []

    def keep(session: SessionData, bar: BarData) -> None:
        if bar.interval == interval:
            seen.append(bar)
            assert bar.end == session.end_time

    tapeloom.replay(
        {"AAA": bars},
        intervals=["1m", interval],
        analysis=keep,
        progress=False,
        bars={"completeness": completeness},
    )

    whole = bars.aggregate(interval, table=TABLE, completeness=completeness)
    played = int(TABLE.closes[FIRST + 10])
    expected = [bar for bar in whole if TABLE.bar_end(bar.ts, interval) <= played]
    assert [plain(bar) for bar in seen] == [plain(bar) for bar in expected]


def plain(bar: BarData) -> tuple[object, ...]:
    return (
        bar.ts,
        bar.open,
        bar.high,
        bar.low,
        bar.close,
        bar.volume,
        bar.flags & 64,
        bar.constituents,
    )


def test_a_week_goes_on_from_loaded_history() -> None:
    # Monday and Tuesday are history, the session is Wednesday.
    session = SessionData()
    session.register_symbol("AAA", derived=["1w"])
    session.start_new_session(date(2025, 7, 2))
    early = minutes(range(FIRST, FIRST + 2))
    session._load_history("AAA", [FIRST, FIRST + 1], early)
    today = minutes(range(FIRST + 2, FIRST + 3))
    session.add_bars_batch("AAA", today)
    session.start_new_session(date(2025, 7, 3), roll=True)
    thursday = minutes(range(FIRST + 3, FIRST + 4))
    session.add_bars_batch("AAA", thursday[:-1])
    # Friday is a holiday: the week ends with this session, and not before.
    assert session.get_bar_count("AAA", "1w", scope="all") == 0
    session.add_bar("AAA", thursday[-1])

    week = session.get_latest_bar("AAA", "1w")

    assert week is not None
    assert (week.constituents, week.flags & 64) == (390 * 3 + 210, 0)
    assert week.ts == int(TABLE.opens[FIRST])
    assert week.open == early.open[0]


def test_a_late_minute_enters_the_week_that_is_forming() -> None:
    session = SessionData()
    session.register_symbol("AAA", derived=["1w"])
    bars = minutes(range(FIRST, FIRST + 4))
    for index in range(FIRST, FIRST + 4):
        session.start_new_session(
            date.fromordinal(719_163 + int(TABLE.dates[index])), roll=True
        )
        grid = TABLE.grid(index, "1m")
        mine = bars.between(int(grid[0]), int(grid[-1]) + 1)
        late = index - FIRST + 17
        session.add_bars_batch("AAA", mine.drop_rows([late]))
        session.add_bar("AAA", mine[late])
    session.end_session()

    week = session.get_latest_bar("AAA", "1w")

    assert week is not None
    assert plain(week) == plain(bars.aggregate("1w", table=TABLE)[0])


def test_a_run_that_begins_on_a_wednesday_counts_monday_and_tuesday() -> None:
    weeks: list[BarData] = []

    def keep(session: SessionData, bar: BarData) -> None:
        if bar.interval == "1w":
            weeks.append(bar)

    bars = minutes(range(FIRST - 5, FIRST + 8))
    for days, expected in ((7, (390 * 3 + 210, 0)), (1, (390 * 2 + 210, 64))):
        weeks.clear()
        tapeloom.replay(
            {"AAA": bars},
            start=date(2025, 7, 2),
            history_days=days,
            intervals=["1m", "1w"],
            analysis=keep,
            progress=False,
        )
        assert (weeks[0].constituents, weeks[0].flags & 64) == expected


def test_a_correction_of_an_earlier_day_enters_the_week_that_is_forming() -> None:
    bars = minutes(range(FIRST, FIRST + 4))
    for today in (date(2025, 7, 2), date(2025, 7, 4)):
        session = SessionData()
        session.register_symbol("AAA", derived=["1w"])
        session.start_new_session(today)
        monday = minutes(range(FIRST, FIRST + 1))
        session._load_history("AAA", [FIRST], monday)
        ts = int(monday.ts[100])
        session.add_bar("AAA", BarData("AAA", ts, 700, 777, 650, 700, 1.0))
        if today == date(2025, 7, 2):
            for index in range(FIRST + 2, FIRST + 4):
                grid = TABLE.grid(index, "1m")
                session.add_bars_batch(
                    "AAA", bars.between(int(grid[0]), int(grid[-1]) + 1)
                )
                session.start_new_session(
                    date.fromordinal(719_163 + int(TABLE.dates[index]) + 1), roll=True
                )
        else:
            # A holiday at the end of the week: the week is over with the day before it.
            session.start_new_session(date(2025, 7, 7), roll=True)
        (week,) = session.get_bars("AAA", "1w", scope="all")
        assert week.high == 777


def test_a_week_whose_last_day_is_not_played_ends_with_the_next_session() -> None:
    session = SessionData()
    session.register_symbol("AAA", derived=["1w"])
    session.start_new_session(date(2025, 6, 30))
    session.add_bars_batch("AAA", minutes(range(FIRST, FIRST + 1)))
    session.end_session()
    assert session.get_bar_count("AAA", "1w", scope="all") == 0

    session.start_new_session(date(2025, 7, 8), roll=True)

    (week,) = session.get_bars("AAA", "1w", scope="history")
    assert (week.constituents, week.flags & 64) == (390, 64)


def test_dropping_a_session_drops_its_part_of_the_week() -> None:
    session = SessionData()
    session.register_symbol("AAA", derived=["1w"])
    session.start_new_session(date(2025, 6, 30))
    session.add_bars_batch("AAA", minutes(range(FIRST, FIRST + 1)))
    session.start_new_session(date(2025, 7, 1), roll=False)
    session.add_bars_batch("AAA", minutes(range(FIRST + 1, FIRST + 2)))
    for day in (2, 3):
        session.start_new_session(date(2025, 7, day), roll=True)
    session.end_session()

    week = session.get_latest_bar("AAA", "1w")

    assert week is not None
    assert week.constituents == 390


def test_garbage_later_in_the_week_changes_nothing_before() -> None:
    bars = minutes(range(FIRST, FIRST + 4))
    poisoned = {name: column.copy() for name, column in bars.to_numpy().items()}
    cut = int(TABLE.opens[FIRST + 2])
    after = poisoned["ts"] >= cut
    for name in ("open", "high", "low", "close", "volume"):
        poisoned[name][after] = 1e9
    garbage = Bars.from_columns("AAA", "1m", **poisoned, zone=TABLE.zone, table=TABLE)
    answers: list[list[tuple[tuple[object, ...], int]]] = []
    for series in (bars, garbage):
        found: list[tuple[tuple[object, ...], int]] = []

        def look(
            session: SessionData,
            bar: BarData,
            found: list[tuple[tuple[object, ...], int]] = found,
        ) -> None:
            # Whatever is known before the garbage begins; the week that holds it ends later.
            if to_ns(bar.end, TABLE.zone) <= cut:
                weeks = session.get_bar_count("AAA", "1w", scope="all")
                found.append((plain(bar), weeks))

        tapeloom.replay(
            {"AAA": series},
            intervals=["1m", "1h", "1w"],
            analysis=look,
            progress=False,
        )
        answers.append(found)
    assert answers[0] == answers[1]
    assert len(answers[0]) == 2 * (390 + 7)


def test_a_group_follows_symbols_that_come_go_and_come_again() -> None:
    session = SessionData()
    group = session.group(["AAA", "BBB"])
    assert np.isnan(group.latest()["close"]).all()
    session.register_symbol("AAA")
    session.start_new_session(date(2025, 7, 1))
    session.add_bars_batch("AAA", minutes(range(FIRST + 1, FIRST + 2)))
    last = group.latest()
    assert last["ts"].tolist() == [int(TABLE.closes[FIRST + 1]) - 60_000_000_000, 0]
    session.clear_all()
    session.start_new_session(date(2025, 6, 30))
    session.add_bars_batch("AAA", minutes(range(FIRST, FIRST + 1))[:1])
    assert group.latest()["ts"].tolist() == [int(TABLE.opens[FIRST]), 0]
    derived = session.group(["aaa"], "5m")
    assert np.isnan(derived.latest()["close"]).all()
    session.register_symbol("AAA", derived=["5m"])
    assert derived.symbols == ("AAA",)
    assert len(derived) == 1


def test_the_forming_bar_is_what_has_come_so_far() -> None:
    session = SessionData()
    session.register_symbol("AAA", derived=["5m", "1w"])
    session.start_new_session(date(2025, 7, 1))
    bars = minutes(range(FIRST + 1, FIRST + 2))
    assert session.get_forming_bar("AAA", "5m") is None
    for count in range(1, 12):
        session.add_bar("AAA", bars[count - 1])
        five = session.get_forming_bar("AAA", "5m")
        if count % 5 == 0:
            assert five is None
            continue
        first = count // 5 * 5
        assert five is not None
        assert (five.ts, five.constituents) == (int(bars.ts[first]), count - first)
        assert five.flags & 64
        assert five.high == bars.high[first:count].max()
    week = session.get_forming_bar("aaa", "1w")
    assert week is not None
    assert (week.constituents, week.low) == (11, bars.low[:11].min())
    assert session.get_bar_count("AAA", "5m") == 2
    assert session.get_forming_bar("AAA", "1m") is None
    with pytest.warns(TapeloomWarning, match="ZZZ is not kept"):
        assert session.get_forming_bar("ZZZ", "5m") is None
