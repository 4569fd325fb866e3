"""History holds exactly the trailing trading days before each session, whichever way it came there."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import tapeloom
from tapeloom.actions import Action, Actions
from tapeloom.config import SessionConfig
from tapeloom.session_data import SessionData
from tapeloom.storage import DataManager
from tests.compare import columns, plain_derived, stored
from tests.reference import history as reference
from tests.reference.bars import Bar
from tests.reference.derived import derive
from tests.reference.gaps import expected_starts
from tests.reference.history import Split
from tests.reference.schedule import HOUR, MINUTE, TradingDay
from tests.session.history_run import (
    Run,
    Tapes,
    config,
    dates_in,
    minutes_of,
    warnings_of,
)
from tests.session.memory import JULY
from tests.strategies import bar_at, fewer, present_starts

if TYPE_CHECKING:
    from pathlib import Path


MONDAY = date(2025, 7, 7)


THREE = [{"trailing_days": 3, "intervals": ["1m"]}]


@pytest.mark.parametrize(
    ("session", "expected"),
    [
        (MONDAY, ["2025-07-01", "2025-07-02", "2025-07-03"]),
        (date(2025, 7, 8), ["2025-07-02", "2025-07-03", "2025-07-07"]),
        (date(2025, 7, 3), ["2025-06-30", "2025-07-01", "2025-07-02"]),
    ],
    ids=["a Monday after a holiday", "the day after it", "a half day"],
)
def test_history_is_the_trading_dates_before_the_session(
    session: date, expected: list[str]
) -> None:
    run = Run({("AAA", "1m"): minutes_of(JULY)}, config(THREE, symbols=["AAA"]))

    assert dates_in(run.begin(session), "AAA") == [
        date.fromisoformat(day) for day in expected
    ]
    assert warnings_of(run) == []


def test_history_holds_regular_hours_only() -> None:
    extended = [bar_at(day.open - HOUR) for day in JULY]
    extended += [bar_at(day.close) for day in JULY]
    tape = sorted(minutes_of(JULY) + extended)
    run = Run({("AAA", "1m"): tape}, config(THREE, symbols=["AAA"]))

    found = run.begin(MONDAY).get_bars("AAA", scope="history").ts.tolist()

    assert found == [
        ts
        for day in reference.trailing(JULY, MONDAY, 3)
        for ts in expected_starts(day, MINUTE)
    ]


def test_no_bar_from_the_open_on_is_loaded() -> None:
    run = Run({("AAA", "1m"): minutes_of(JULY)}, config(THREE, symbols=["AAA"]))

    run.begin(MONDAY)

    monday = next(day for day in JULY if day.date == MONDAY)
    assert max(end for *_, end in run.source.reads) <= monday.open


def test_too_few_stored_days_are_loaded_with_a_warning_that_gives_both_numbers() -> (
    None
):
    late = [day for day in JULY if day.date >= date(2025, 7, 2)]
    run = Run({("AAA", "1m"): minutes_of(late)}, config(THREE, symbols=["AAA"]))

    store = run.begin(MONDAY)

    assert dates_in(store, "AAA") == [date(2025, 7, 2), date(2025, 7, 3)]
    (warning,) = warnings_of(run)
    assert warning.text == "history 1m: 2 of the 3 days asked for have bars"
    assert warning.symbols == ("AAA",)


def test_entries_overlap_without_repeating_bars() -> None:
    data = [*THREE, {"trailing_days": 2, "intervals": ["1m", "5m"]}]
    run = Run({("AAA", "1m"): minutes_of(JULY)}, config(data, symbols=["AAA"]))

    found = run.begin(MONDAY).get_bars("AAA", scope="history")

    assert len(found) == 390 + 390 + 210
    assert run.store.get_ingest_counts("AAA").duplicates == 0


def test_stored_bars_of_an_interval_come_before_those_made_from_finer_ones() -> None:
    stored_days = [Bar(day.open, 5.0, 6.0, 4.0, 5.5, 7.0) for day in JULY]
    data = [
        {"trailing_days": 2, "intervals": ["1m"]},
        {"trailing_days": 4, "intervals": ["1d"]},
    ]
    run = Run(
        {("AAA", "1m"): minutes_of(JULY), ("AAA", "1d"): stored_days},
        config(data, symbols=["AAA"]),
    )

    found = run.begin(MONDAY).get_bars("AAA", "1d", scope="history")

    expected = [day.open for day in reference.trailing(JULY, MONDAY, 4)]
    assert found.ts.tolist() == expected
    assert found.volume.tolist() == [7.0] * 4


def test_a_stored_bar_that_starts_off_the_grid_takes_no_part() -> None:
    fives = [bar_at(ts) for day in JULY for ts in expected_starts(day, 5 * MINUTE)]
    strays = [bar_at(day.open + 2 * MINUTE) for day in JULY]
    data = [{"trailing_days": 2, "intervals": ["5m"]}]
    run = Run(
        {("AAA", "1m"): minutes_of(JULY), ("AAA", "5m"): sorted(fives + strays)},
        config(data, symbols=["AAA"]),
    )

    found = run.begin(MONDAY).get_bars("AAA", "5m", scope="history")

    days = reference.trailing(JULY, MONDAY, 2)
    assert found.ts.tolist() == [
        ts for day in days for ts in expected_starts(day, 5 * MINUTE)
    ]


@fewer(2)
@given(data=st.data())
def test_history_made_from_finer_bars_is_that_of_the_reference(
    data: st.DataObject,
) -> None:
    days = reference.trailing(JULY, MONDAY, 2)
    rows = [bar_at(ts) for day in days for ts in data.draw(present_starts(day))]
    # Rows off the grid and out of hours, and rows that come again with other values, the later of which counts.
    strays = data.draw(st.lists(st.sampled_from(rows), max_size=5)) if rows else []
    rows += [bar_at(bar.ts + 30 * 10**9) for bar in strays]
    rows += [bar_at(day.close) for day in days]
    rows += [bar_at(bar.ts, 1) for bar in strays]
    tape = sorted(rows, key=lambda bar: bar.ts)
    monday = next(day for day in JULY if day.date == MONDAY)
    asked = config([{"trailing_days": 2, "intervals": ["5m"]}], symbols=["AAA"])
    run = Run({("AAA", "1m"): [*tape, bar_at(monday.open)]}, asked)

    found = run.begin(MONDAY).get_bars("AAA", "5m", scope="history")

    expected = [
        derived
        for day in days
        for derived in derive(day, _last_of_each(tape, day), MINUTE, 5 * MINUTE)
    ]
    assert [row[0] for row in plain_derived(found)] == [
        Bar(*bar[:6]) for bar in expected
    ]


def _last_of_each(tape: list[Bar], day: TradingDay) -> dict[int, Bar]:
    on_grid = set(expected_starts(day, MINUTE))
    return {bar.ts: bar for bar in tape if bar.ts in on_grid}


@fewer(4)
@given(data=st.data(), count=st.integers(1, 4), splits=st.booleans())
def test_a_rolled_history_equals_one_loaded_afresh_before_each_session(
    data: st.DataObject, count: int, splits: bool
) -> None:
    days = JULY[5:]
    tape = [bar_at(ts) for day in JULY for ts in data.draw(present_starts(day))]
    tape += [bar_at(day.open) for day in days]
    rows = sorted({bar.ts: bar for bar in tape}.values())
    when = data.draw(st.sampled_from([day.date for day in days]))
    actions = Actions([Action("AAA", when, 0.25, 4.0)] if splits else [])
    asked = config(
        [{"trailing_days": count, "intervals": ["1m"]}],
        symbols=["AAA"],
        streams=("1m", "5m"),
    )
    rolled = Run({("AAA", "1m"): rows}, asked, actions)

    for day in days:
        afresh = Run({("AAA", "1m"): rows}, asked, actions).begin(day.date)
        store = rolled.begin(day.date)

        found = store.get_bars("AAA", scope="history")
        assert stored(found) == [
            bar
            for past in reference.trailing(JULY, day.date, count)
            for bar in reference.restated(
                [row for row in rows if past.open <= row.ts < past.close],
                past.date,
                [Split(when, 4.0)] if splits else [],
                day.date,
            )
        ]
        for interval in ("1m", "5m"):
            assert stored(store.get_bars("AAA", interval, scope="history")) == stored(
                afresh.get_bars("AAA", interval, scope="history")
            )
        assert store.get_quality("AAA", scope="history") == pytest.approx(
            afresh.get_quality("AAA", scope="history")
        )
        rolled.play(day)


def test_each_series_keeps_its_own_number_of_days() -> None:
    data = [
        {"trailing_days": 1, "intervals": ["1m"]},
        {"trailing_days": 4, "intervals": ["1d"]},
    ]
    run = Run({("AAA", "1m"): minutes_of(JULY)}, config(data, symbols=["AAA"]))

    for day in JULY[6:]:
        store = run.begin(day.date)
        for interval, count in (("1m", 1), ("1d", 4)):
            expected = [d.date for d in reference.trailing(JULY, day.date, count)]
            assert dates_in(store, "AAA", interval) == expected
        run.play(day)


def write_market(root: Path, tapes: Tapes) -> None:
    manager = DataManager(root)
    for (symbol, interval), rows in tapes.items():
        manager.write_bars(symbol, interval, columns(rows))


def run_over(root: Path, asked: SessionConfig, **more: Any) -> list[list[float]]:
    """Run over files; the closes of history at the end of each session, then that of its own last bar."""
    seen: list[list[float]] = []

    class Looking:
        def on_session_end(self, session: SessionData) -> None:
            history = session.get_bars("AAA", scope="history")
            last = session.get_latest_bar("AAA")
            assert last is not None
            seen.append([*sorted(set(history.close.tolist())), last.close])

    result = tapeloom.run(asked, Looking(), data=root, progress=False, **more)
    run_over.warnings = result.warnings  # type: ignore[attr-defined]
    return seen


def flat(days: list[TradingDay], price: float) -> list[Bar]:
    return [
        Bar(ts, price, price, price, price, 10.0)
        for day in days
        for ts in expected_starts(day, MINUTE)
    ]


def test_a_run_restates_history_by_the_table_beside_its_data(tmp_path: Path) -> None:
    # Two for one on July 3: the last session before it trades at 100, those from it on at 50.
    write_market(
        tmp_path, {("AAA", "1m"): flat(JULY[6:8], 100.0) + flat(JULY[8:10], 50.0)}
    )
    (tmp_path / "actions.csv").write_text(
        "symbol,ex_date,price_factor,volume_factor\nAAA,2025-07-03,0.5,2\nAAA,2025-07-08,0.1,10\n"
    )
    asked = config([{"trailing_days": 2, "intervals": ["1m"]}], symbols=["AAA"])
    asked = SessionConfig.from_dict(
        asked.model_dump()
        | {"backtest_config": {"start_date": "2025-07-02", "end_date": "2025-07-07"}}
    )

    # The split of July 8 is not known in this window.
    assert run_over(tmp_path, asked) == [[100.0, 100.0], [50.0, 50.0], [50.0, 50.0]]
    assert "splits" not in [w.kind for w in run_over.warnings]  # type: ignore[attr-defined]

    (tmp_path / "actions.csv").unlink()
    assert run_over(tmp_path, asked) == [
        [100.0, 100.0],
        [100.0, 50.0],
        [50.0, 100.0, 50.0],
    ]
    (warning,) = [w for w in run_over.warnings if w.kind == "splits"]  # type: ignore[attr-defined]
    assert (warning.count, warning.symbols) == (1, ("AAA",))
    assert warning.text.startswith("prices jump like a 2:1 split on 2025-07-03")

    given_table = Actions([Action("AAA", date(2025, 7, 3), 0.5, 2.0)])
    assert run_over(tmp_path, asked, actions=given_table)[1] == [50.0, 50.0]


def test_a_real_split_is_restated_in_a_run(real_data: Path) -> None:
    seen: dict[date, tuple[float, float]] = {}

    class Looking:
        def on_session_start(self, session: SessionData) -> None:
            last = session.get_latest_bar("AAPL", scope="history")
            assert session.current_session_date is not None
            assert last is not None
            seen[session.current_session_date] = (last.close, last.volume)

    def played(actions: Actions) -> Any:
        asked = {
            "session_name": "split",
            "mode": "backtest",
            "backtest_config": {"start_date": "2014-06-06", "end_date": "2014-06-09"},
            "session_data_config": {
                "symbols": ["AAPL"],
                "streams": ["1m"],
                "historical": {"data": [{"trailing_days": 1, "intervals": ["1m"]}]},
            },
        }
        return tapeloom.run(
            asked, Looking(), data=real_data, progress=False, actions=actions
        )

    result = played(Actions())
    before, traded = seen[date(2014, 6, 6)], seen[date(2014, 6, 9)]
    (warning,) = [w for w in result.warnings if w.kind == "splits"]
    assert warning.text.startswith("prices jump like a 7:1 split on 2014-06-09")

    quiet = played(Actions([Action("AAPL", date(2014, 6, 9), 1 / 7, 7.0)]))
    close, volume = seen[date(2014, 6, 9)]
    assert [w for w in quiet.warnings if w.kind == "splits"] == []
    assert seen[date(2014, 6, 6)] == before
    assert close == pytest.approx(traded[0] / 7)
    assert volume == traded[1] * 7
