"""Views that somebody holds: the same bytes after any number of rolls, corrections, sessions and removals."""

from __future__ import annotations

import gc
from hashlib import blake2b
from typing import TYPE_CHECKING

import numpy as np

from tapeloom import BarData, Bars, SessionData
from tapeloom.calendars import get_session_table
from tapeloom.calendars.days import from_day

if TYPE_CHECKING:
    from numpy.typing import NDArray

ROLLS = 1_000
VIEWS_A_ROLL = 10
COLUMNS = ("ts", "open", "high", "low", "close", "volume", "flags")


def digest(bars: Bars) -> bytes:
    found = blake2b(digest_size=16)
    for name in COLUMNS:
        found.update(getattr(bars, name).tobytes())
    return found.digest()


def test_ten_thousand_views_over_a_thousand_rolls_keep_their_bytes() -> None:
    table = get_session_table("US_EQUITY")
    first = table.index_of(14_000)
    assert first is not None
    rng = np.random.default_rng(11)
    session = SessionData(historical_bars_trailing_days=2)
    held: list[Bars] = []
    arrays: list[tuple[NDArray[np.float64], float]] = []
    sums: list[bytes] = []
    for roll in range(ROLLS):
        index = first + roll
        session.start_new_session(from_day(int(table.dates[index])), roll=True)
        session.register_symbol("AAA", derived=["5m"])
        starts = table.grid(index, "1m")[: int(rng.integers(8, 60))]
        price = rng.integers(100, 200, starts.size).astype(float)
        session.add_bars_batch(
            "AAA",
            Bars.from_columns(
                "AAA",
                "1m",
                ts=starts,
                open=price,
                high=price + 1,
                low=price - 1,
                close=price,
                volume=price,
                zone=table.zone,
                table=table,
            ),
        )
        for _ in range(VIEWS_A_ROLL // 2):
            n = int(rng.integers(0, starts.size + 1))
            scope = ("session", "all")[int(rng.integers(2))]
            views = [session.get_last_n_bars("AAA", n, scope=scope)]
            views.append(session.get_bars_since("AAA", int(rng.choice(starts)), "5m"))
            held += views
            sums += [digest(view) for view in views]
            arrays.append((views[0].close, float(views[0].close.sum())))
        # A correction after the views were taken.
        at = int(rng.choice(starts))
        session.add_bar("AAA", BarData("AAA", at, 7, 8, 6, 7, float(roll)))
        if roll % 97 == 0:
            session.clear()
    del session
    gc.collect()
    assert len(held) == ROLLS * VIEWS_A_ROLL
    assert [digest(view) for view in held] == sums
    # The arrays alone hold their memory too.
    del held
    gc.collect()
    assert all(float(column.sum()) == total for column, total in arrays)
    assert not any(column.flags.writeable for column, _ in arrays)
