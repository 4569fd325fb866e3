"""Readings of real bars: none is proposed where the labels are right, and the right one where they are not."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
import pytest

from tapeloom.calendars import get_session_table
from tapeloom.diagnosis import diagnose
from tests.reference.schedule import HOUR, MINUTE

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tapeloom.diagnosis import Diagnosis

GROUPS = {
    "us_equity": "US_EQUITY",
    "us_index": "US_EQUITY",
    "india_index": "IN_EQUITY",
    "future_cme": "US_FUTURES",
    "future_eurex": "XEUR",
    "crypto_coinbase": "CRYPTO",
}
# Four percent of a session in a quarter of an hour, or next to nothing around it.
QUARTERS = (-56, -17, -4, -1, 1, 2, 22, 56)


def files_of(root: Path, market: str) -> list[tuple[Path, str]]:
    folder = root / "bars" / market
    found = sorted(folder.rglob("*.parquet"))
    return [(path, path.parent.parent.name.partition("=")[2]) for path in found]


def stamps(path: Path) -> NDArray[np.int64]:
    column = pq.read_table(path, columns=["ts"], partitioning=None)["ts"]
    found: NDArray[np.int64] = column.cast("int64").to_numpy()
    return found


def read_csv(path: Path, column: str, *, naive: bool) -> Diagnosis:
    table = get_session_table("US_EQUITY")
    ts = pa_csv.read_csv(path)[column].cast("timestamp[ns]").cast("int64").to_numpy()
    return diagnose(ts, table=table, interval="1m", naive=naive)


@pytest.mark.parametrize("market", sorted(GROUPS))
def test_no_reading_is_proposed_for_bars_that_are_labelled_right(
    real_data: Path, market: str, subtests: pytest.Subtests
) -> None:
    table = get_session_table(GROUPS[market])
    files = files_of(real_data, market)
    assert files
    for path, interval in files:
        with subtests.test(file=path.relative_to(real_data).as_posix()):
            found = diagnose(stamps(path), table=table, interval=interval)
            assert found.proposal is None


def test_a_shift_is_found_in_bars_of_regular_hours(
    real_data: Path, subtests: pytest.Subtests
) -> None:
    table = get_session_table("US_EQUITY")
    for symbol in ("ABT", "AMP", "CMCSA", "NVDA", "ULTA"):
        name = f"us_equity/interval=1m/symbol={symbol}/2025-11-12_2025-11-18.parquet"
        ts = stamps(real_data / "bars" / name)
        for quarters in QUARTERS:
            with subtests.test(symbol=symbol, quarters=quarters):
                late = ts - quarters * 15 * MINUTE
                found = diagnose(late, table=table, interval="1m")
                assert found.best.shift_ns == quarters * 15 * MINUTE
                assert found.best.hits == len(ts)


@pytest.mark.parametrize(("symbol", "labelled"), [("AAPL", 349), ("RIVN", 262)])
def test_the_raw_files_that_run_four_hours_late_are_found(
    real_data: Path, symbol: str, labelled: int
) -> None:
    path = real_data / "raw" / "mismartera" / f"bars_dump_{symbol}_2025-07-02.csv"
    found = read_csv(path, "timestamp", naive=False)
    assert found.is_clear
    assert found.best.shift_ns == -4 * HOUR
    assert found.best.label == "start"
    assert found.findings == (
        f"these bars fit the session if shifted by -4 h: 390/390 (as labelled: {labelled}/390)",
    )


@pytest.mark.parametrize(
    ("symbol", "ends", "starts"), [("AAPL", 1948, 1943), ("PPLT", 566, 562)]
)
def test_the_raw_files_with_end_labels_are_found(
    real_data: Path, symbol: str, ends: int, starts: int
) -> None:
    path = real_data / "raw" / "eqker" / f"{symbol}_1min.csv"
    found = read_csv(path, "datetime", naive=True)
    assert found.findings == (
        f"labels look like bar ends: {ends:,}/1,950 as ends, {starts:,}/1,950 as starts; pass label='end'",
    )


def test_a_bar_at_the_close_of_each_day_is_a_closing_print(real_data: Path) -> None:
    name = "us_equity/interval=1m/symbol=SPY/2024-03-26_2024-08-30.parquet"
    ts = stamps(real_data / "bars" / name)
    found = diagnose(ts, table=get_session_table("US_EQUITY"), interval="1m")
    assert found.best.label == "start"
    # On the half day the file runs on for three hours.
    assert found.findings == (
        "start labels, 42,720/42,720, plus 109 bars at the close (closing print), kept as extended",
    )
