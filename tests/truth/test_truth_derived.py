"""All 5m and 1d bars of the real files beside those computed with pandas, under both rules of completeness."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

import tapeloom
from tests.compare import plain_derived
from tests.reference.bars import Bar
from tests.reference.derived import DERIVED, PARTIAL
from tests.truth.facts import window_of

if TYPE_CHECKING:
    from datetime import date
    from pathlib import Path

    import pyarrow as pa

    from tapeloom.session_data import SessionData
    from tests.truth.facts import GapTruth

GROUPS = {"us_equity": "US_EQUITY", "us_index": "US_EQUITY", "india_index": "IN_EQUITY"}
# Values, number of base bars, flags DERIVED and PARTIAL.
Coarse = tuple[Bar, int, int]


class DerivedBars:
    """An analysis that keeps the derived bars of each session."""

    def __init__(self, symbol: str) -> None:
        self.symbol = symbol
        self.found: dict[str, list[Coarse]] = {"5m": [], "1d": []}

    def on_session_end(self, session: SessionData) -> None:
        for interval, found in self.found.items():
            found += plain_derived(session.get_bars(self.symbol, interval))


def config(truth: GapTruth, group: str, completeness: str) -> dict[str, object]:
    return {
        "session_name": "derived bars",
        "exchange_group": group,
        "mode": "backtest",
        "backtest_config": {
            "start_date": truth.first.isoformat(),
            "end_date": truth.last.isoformat(),
        },
        "session_data_config": {
            "symbols": [truth.symbol],
            "streams": ["1m", "5m", "1d"],
            "bars": {"completeness": completeness},
        },
    }


def expected_bars(
    rows: pa.Table, truth: GapTruth, interval: str, completeness: str
) -> list[Coarse]:
    """Return the bars of the truth file, flagged by how many minutes the session expects of each bucket."""
    chosen = rows.filter(pc.equal(rows["interval"], interval)).sort_by("ts")
    starts = chosen["ts"].cast("int64").to_pylist()
    values = zip(
        *(chosen[name].cast("float64").to_pylist() for name in Bar._fields[1:]),
        strict=True,
    )
    lengths = {session.open: session.expected for session in truth.sessions.values()}
    found = []
    for ts, numbers, minutes in zip(
        starts, values, chosen["minutes"].to_pylist(), strict=True
    ):
        # Every session here is a whole number of fifteen minutes long.
        whole = minutes == (lengths[ts] if interval == "1d" else int(interval[:-1]))
        if whole or completeness == "any":
            found.append(
                (Bar(ts, *numbers), minutes, DERIVED if whole else DERIVED | PARTIAL)
            )
    return found


@pytest.mark.parametrize("completeness", ["any", "complete"])
def test_derived_bars_are_those_of_the_truth(
    real_data: Path, completeness: str, subtests: pytest.Subtests
) -> None:
    table = pq.read_table(
        real_data / "truth" / "derived_regular_hours.parquet", partitioning=None
    )
    for file in sorted(set(table["file"].to_pylist())):
        with subtests.test(file=file):
            truth = window_of(real_data, file)
            kept = DerivedBars(truth.symbol)
            group = GROUPS[file.split("/")[1]]
            tapeloom.run(config(truth, group, completeness), kept, data=str(truth.path))
            rows = table.filter(pc.equal(table["file"], file))
            for interval, found in kept.found.items():
                assert found == expected_bars(rows, truth, interval, completeness), (
                    interval
                )


def test_the_sessions_of_the_truth_are_whole_quarter_hours_long(
    real_data: Path,
) -> None:
    table = pq.read_table(
        real_data / "truth" / "derived_regular_hours.parquet",
        partitioning=None,
        columns=["file"],
    )
    lengths: dict[tuple[str, date], int] = {}
    for file in sorted(set(table["file"].to_pylist())):
        for session in window_of(real_data, file).sessions.values():
            lengths[file, session.date] = session.expected
    assert {length % 15 for length in lengths.values()} == {0}
