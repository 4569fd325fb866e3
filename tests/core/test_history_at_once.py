"""History that goes in at once, as columns, beside the same rows put in one by one."""

from __future__ import annotations

from datetime import date

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tapeloom import Bars, Provenance, SessionData
from tests.core.test_derived_rules import MONDAY, US, minutes

DERIVED = ["5m", "1h", "1d", "1w"]
NAMES = ("ts", "open", "high", "low", "close", "volume")
SECOND = 1_000_000_000


def some_minutes(rows: list[int], odd: set[int]) -> Bars:
    """Minutes of two days by number; the odd ones lie a second off the grid."""
    starts = minutes(MONDAY, MONDAY + 2).ts
    ts = starts[rows] + np.array([SECOND * (row in odd) for row in rows])
    price = np.array(rows, dtype=np.float64) % 97 + 100
    return Bars.from_columns(
        "AAA",
        "1m",
        ts=ts,
        open=price,
        high=price + 1,
        low=price - 1,
        close=price,
        volume=price,
        zone=US.zone,
        table=US,
    )


def loaded(pieces: list[list[int]], odd: set[int]) -> SessionData:
    session = SessionData()
    session.register_symbol("AAA", derived=DERIVED)
    session.start_new_session(date(2025, 7, 2))
    for rows in pieces:
        session._load_history("AAA", [MONDAY, MONDAY + 1], some_minutes(rows, odd))
    return session


def values(session: SessionData) -> dict[str, list[list[float]]]:
    found = {}
    for interval in ["1m", *DERIVED]:
        bars = session.get_all_bars("AAA", interval)
        found[interval] = [getattr(bars, name).tolist() for name in NAMES]
    return found


@given(st.data())
def test_history_is_the_same_at_once_and_row_by_row_from_its_end(
    data: st.DataObject,
) -> None:
    rows = sorted(data.draw(st.sets(st.integers(0, 779), min_size=1, max_size=40)))
    odd = set(data.draw(st.lists(st.sampled_from(rows), max_size=2)))
    cut = data.draw(st.integers(0, len(rows)))

    at_once = loaded([part for part in (rows[:cut], rows[cut:]) if part], odd)
    one_by_one = loaded([[row] for row in reversed(rows)], odd)

    assert values(at_once) == values(one_by_one)
    assert len(values(at_once)["1m"][0]) == len(rows) - len(odd)
    week = at_once.get_forming_bar("AAA", "1w")
    assert week == one_by_one.get_forming_bar("AAA", "1w")


def test_loaded_rows_stay_where_they_are_and_only_history_calls_them_imported() -> None:
    given_rows = some_minutes(list(range(780)), set())
    session = SessionData()
    session.register_symbol("AAA", derived=DERIVED)
    session.start_new_session(date(2025, 7, 2))

    session._load_history("AAA", [MONDAY, MONDAY + 1], given_rows)

    kept = session.get_all_bars("AAA")
    assert np.shares_memory(kept.close, given_rows.close)
    assert (kept.flags == Provenance.IMPORTED).all()
    assert not given_rows.flags.any()
    assert kept[5].flags == Provenance.IMPORTED
    assert kept == Bars.concat([kept[:100], kept[100:]])


def test_a_few_rows_do_not_keep_the_memory_of_many() -> None:
    given_rows = some_minutes(list(range(780)), set())
    session = loaded([], set())

    session._load_history("AAA", [MONDAY], given_rows[:100])

    assert not np.shares_memory(session.get_all_bars("AAA").close, given_rows.close)


def test_history_in_shared_rows_takes_in_late_and_corrected_ones() -> None:
    rows = [row for row in range(780) if row not in (7, 400)]
    session = loaded([rows], set())
    before = session.get_all_bars("AAA")

    session.add_bars_batch("AAA", some_minutes([7, 400], set()))

    assert values(session) == values(loaded([list(range(780))], set()))
    assert before.ts.tolist() == some_minutes(rows, set()).ts.tolist()
