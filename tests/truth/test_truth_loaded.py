"""Missing minutes and coarser bars of whole files in one call, without a session, beside the facts computed with pandas."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from tapeloom import _core
from tapeloom.bars import Bars
from tapeloom.calendars import get_session_table
from tests.compare import plain_derived
from tests.reference.gaps import Counts, Run
from tests.truth.facts import gap_truths, window_of
from tests.truth.test_truth_derived import GROUPS, expected_bars

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from tests.truth.facts import GapTruth


def loaded(path: Path, symbol: str, group: str) -> Bars:
    """All rows of a file in order of time."""
    table = get_session_table(group)
    rows = pq.read_table(path, partitioning=None).sort_by("ts")

    def numbers(name: str) -> NDArray[np.float64]:
        column: NDArray[np.float64] = rows[name].cast("float64").to_numpy()
        return column

    return Bars.from_columns(
        symbol,
        "1m",
        ts=rows["ts"].cast("int64").to_numpy(),
        open=numbers("open"),
        high=numbers("high"),
        low=numbers("low"),
        close=numbers("close"),
        volume=numbers("volume"),
        zone=table.zone,
        table=table,
    )


def position(table: _core.SessionTable, day: date) -> int:
    return table.sessions_before((day - date(1970, 1, 1)).days)


@pytest.mark.parametrize("market", sorted(GROUPS))
def test_missing_runs_of_whole_files_are_those_of_the_truth(
    real_data: Path, market: str, subtests: pytest.Subtests
) -> None:
    truths = gap_truths(real_data, market)
    assert truths
    for truth in truths:
        with subtests.test(file=truth.path.name, symbol=truth.symbol):
            assert_runs_are_those_of(truth, GROUPS[market])


def assert_runs_are_those_of(truth: GapTruth, group: str) -> None:
    table = get_session_table(group)
    first, last = position(table, truth.first), position(table, truth.last) + 1
    source = loaded(truth.path, truth.symbol, group)
    found, counted = _core.missing_runs([source], table, first=first, last=last)
    columns = [found[name].tolist() for name in ("start", "end", "bars")]
    runs = [Run(*run) for run in zip(*columns, strict=True)]
    with_bars = {day: session.runs for day, session in truth.sessions.items()}
    expected = []
    empty = 0
    for index in range(first, last):
        day = date.fromordinal(int(table.dates[index]) + date(1970, 1, 1).toordinal())
        if day in with_bars:
            expected += [Run(*run) for run in with_bars[day]]
        else:
            assert day in truth.empty_dates
            start, end = int(table.opens[index]), int(table.closes[index])
            expected.append(Run(start, end, (end - start) // 60_000_000_000))
            empty += expected[-1].missing
    assert runs == expected
    sessions = truth.sessions.values()
    counts = Counts(**{name: int(column[0]) for name, column in counted.items()})
    assert counts == Counts(
        expected=sum(session.expected for session in sessions) + empty,
        present=sum(session.present for session in sessions),
        missing=sum(session.missing for session in sessions) + empty,
        duplicates=0,
        off_grid=0,
        out_of_session=sum(session.outside for session in sessions),
    )


@pytest.mark.parametrize("completeness", ["any", "complete"])
def test_resampled_files_are_those_of_the_truth(
    real_data: Path, completeness: str, subtests: pytest.Subtests
) -> None:
    truths = pq.read_table(
        real_data / "truth" / "derived_regular_hours.parquet", partitioning=None
    )
    targets = ["5m", "15m", "1d"]
    for file in sorted(set(truths["file"].to_pylist())):
        with subtests.test(file=file):
            truth = window_of(real_data, file)
            group = GROUPS[file.split("/")[1]]
            source = loaded(truth.path, truth.symbol, group)
            (found,) = _core.resample(
                [source], targets, get_session_table(group), completeness=completeness
            )
            rows = truths.filter(pc.equal(truths["file"], file))
            for target, bars in zip(targets, found, strict=True):
                assert plain_derived(bars) == expected_bars(
                    rows, truth, target, completeness
                ), target
