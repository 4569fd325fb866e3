"""A symbol is due on the dates of its membership only; quality of history made from finer bars; quotes made from bars."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

import tapeloom
from tapeloom.errors import ArgumentError, ArgumentTypeError
from tapeloom.quotes import Quote
from tapeloom.session_data import SessionData
from tapeloom.storage import DataManager
from tests.compare import columns
from tests.reference.gaps import expected_starts
from tests.reference.schedule import MINUTE
from tests.session.memory import JULY
from tests.strategies import bar_at

if TYPE_CHECKING:
    from pathlib import Path

DAY = date(2025, 7, 2)
NEXT = date(2025, 7, 3)


def started(*spans: tuple[date | None, date | None]) -> SessionData:
    session = SessionData()
    session.register_symbol("AAA", derived=["5m"])
    session.register_symbol("BBB")
    session.set_membership(" aaa", spans)
    session.start_new_session(DAY)
    return session


@pytest.mark.parametrize(
    "spans", [[(NEXT, None)], [(None, date(2025, 7, 1))], [], [(None, date(2025, 7, 1)), (NEXT, None)]]
)  # fmt: skip
def test_outside_its_membership_nothing_of_a_symbol_is_due(spans: Any) -> None:
    session = started(*spans)
    session.end_session()

    assert session.get_quality("AAA") is None
    assert session.get_quality("AAA", "5m") is None
    assert list(session.get_gaps("AAA")) == []
    assert session.get_session_metrics("AAA")["bar_quality"] is None
    report = session.get_quality_report("AAA")
    assert (report.expected, report.missing) == (0, 0)
    assert session.get_quality("BBB") == 0.0

    answer = session.explain("AAA", "10:00")
    assert answer.status == "not_listed"
    assert str(answer) == (
        "AAA 10:00 1m: AAA is not listed on 2025-07-02, so nothing is due"
    )


@pytest.mark.parametrize("spans", [[(DAY, DAY)], [(None, None)], [(None, DAY)]])
def test_inside_its_membership_a_symbol_is_due_as_others_are(spans: Any) -> None:
    session = started(*spans)
    session.end_session()

    assert session.get_quality("AAA") == 0.0
    assert len(session.get_gaps("AAA")) == 1
    assert session.explain("AAA", "10:00").status == "missing"


def test_history_counts_the_sessions_of_the_membership_only() -> None:
    session = started((NEXT, None))
    session.end_session()
    session.start_new_session(NEXT, roll=True)
    session.end_session()
    session.start_new_session(date(2025, 7, 7), roll=True)

    assert session.get_quality("AAA", scope="history") == 0.0
    assert [gap.start.date() for gap in session.get_gaps("AAA", scope="history")] == [
        NEXT
    ]


def test_bars_that_come_all_the_same_are_kept() -> None:
    session = started((NEXT, None))
    session.add_bar("AAA", _bar())

    assert session.get_bar_count("AAA") == 1
    assert session.get_quality("AAA") is None
    assert session.explain("AAA", "09:30").status == "present"


def _bar() -> tapeloom.BarData:
    return tapeloom.BarData(
        "AAA", datetime.fromisoformat("2025-07-02T09:30"), 5, 6, 4, 5, 7
    )


def test_a_membership_can_be_taken_back_and_goes_with_its_symbol() -> None:
    session = started((NEXT, None))
    session.end_session()
    session.set_membership("AAA", None)
    assert session.get_quality("AAA") == 0.0

    session.set_membership("AAA", [])
    assert session.get_quality("AAA") is None
    session.remove_symbol("AAA")
    session.register_symbol("AAA")
    assert session.get_quality("AAA") == 0.0


def test_a_membership_that_ends_before_it_begins_is_refused() -> None:
    session = SessionData()

    with pytest.raises(ArgumentError, match="last 2025-07-02 is before first"):
        session.set_membership("AAA", [(NEXT, DAY)])
    with pytest.raises(ArgumentTypeError, match="first is '2025"):
        session.set_membership("AAA", [("2025-07-02", None)])  # type: ignore[list-item]


def market(root: Path) -> None:
    for symbol in ("AAA", "BBB"):
        rows = [bar_at(ts) for day in JULY for ts in expected_starts(day, MINUTE)]
        DataManager(root).write_bars(symbol, "1m", columns(rows))


def config(**data: Any) -> dict[str, Any]:
    return {
        "session_name": "members",
        "mode": "backtest",
        "backtest_config": {"start_date": "2025-07-01", "end_date": "2025-07-03"},
        "session_data_config": {
            "symbols": ["AAA", "BBB"],
            "streams": ["1m"],
            **data,
        },
    }


def test_a_run_delivers_and_misses_a_symbol_within_its_membership_only(
    tmp_path: Path,
) -> None:
    market(tmp_path)
    seen: dict[date, set[str]] = {}

    def look(session: SessionData, bar: tapeloom.BarData) -> None:
        seen.setdefault(bar.timestamp.date(), set()).add(bar.symbol)

    table = [{"symbol": "AAA", "date_from": "2025-07-02", "date_to": "2025-07-02"}, {"symbol": "BBB"}]  # fmt: skip
    result = tapeloom.run(
        config(symbols={"table": table}), look, data=tmp_path, progress=False
    )

    assert seen == {
        date(2025, 7, 1): {"BBB"},
        DAY: {"AAA", "BBB"},
        NEXT: {"BBB"},
    }
    assert [s.expected for s in result.sessions] == [390, 780, 210]
    assert (result.missing, result.quality) == (0, 100.0)
    assert [w for w in result.warnings if w.kind != "splits"] == []


def qualities(root: Path, **historical: Any) -> list[float | None]:
    seen = []

    class Looking:
        def on_session_start(self, session: SessionData) -> None:
            seen.append(session.get_quality("AAA", "5m", scope="history"))

    data = [{"trailing_days": 2, "intervals": ["5m"]}]
    asked = config(symbols=["AAA"], historical={"data": data, **historical})
    tapeloom.run(asked, Looking(), data=root, progress=False)
    return seen


def test_history_made_from_finer_bars_has_the_quality_of_those(tmp_path: Path) -> None:
    # Of June 27 half of the bars are missing, of July 1 a tenth.
    lost = {date(2025, 6, 27): 2, date(2025, 7, 1): 10}
    rows = [
        bar_at(ts)
        for day in JULY
        for k, ts in enumerate(expected_starts(day, MINUTE))
        if day.date not in lost or k % lost[day.date] != 0
    ]
    DataManager(tmp_path).write_bars("AAA", "1m", columns(rows))

    found = qualities(tmp_path)

    assert found == [
        pytest.approx(100 * (195 + 390) / 780),
        pytest.approx(100 * (390 + 351) / 780),
        pytest.approx(100 * (351 + 390) / 780),
    ]
    assert qualities(tmp_path, enable_quality=False) == [100.0] * 3


def test_a_quote_is_made_from_the_newest_bar_until_one_comes() -> None:
    session = SessionData()
    session.register_symbol("AAA")
    session.make_quotes_from_bars(["aaa"])
    session.start_new_session(DAY)
    assert session.get_latest_quote("AAA") is None
    session.add_bar("AAA", _bar())

    made = session.get_latest_quote("AAA")

    assert made is not None
    assert (made.bid, made.ask, made.source) == (5.0, 5.0, "bar")
    assert made.timestamp == session.start_time + timedelta(minutes=1)  # type: ignore[operator]
    session.append_quote(
        "AAA", Quote("AAA", datetime.fromisoformat("2025-07-02T09:30:05"), 4, 6)
    )
    latest = session.get_latest_quote("AAA")
    assert latest is not None
    assert latest.source == "feed"


def test_a_run_that_asks_for_quotes_makes_them_from_bars(tmp_path: Path) -> None:
    market(tmp_path)

    def look(session: SessionData, bar: tapeloom.BarData) -> None:
        quote = session.get_latest_quote(bar.symbol)
        assert quote is not None
        assert (quote.bid, quote.timestamp) == (bar.close, bar.end)

    result = tapeloom.run(
        config(streams=["1m", "quotes"]), look, data=tmp_path, progress=False
    )
    assert "quotes  GENERATED" in str(result.plan)
