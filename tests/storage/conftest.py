"""Made-up bars and Parquet files of every shape."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt

    Stamps = npt.NDArray[np.int64]

MINUTE = 60_000_000_000
# 2025-07-02 09:30 New York, a Wednesday.
OPEN = 1_751_463_000_000_000_000
DAY = 1440 * MINUTE


class Columns(Protocol):
    """Makes the columns of some bars."""

    def __call__(self, start: npt.ArrayLike, /, **changes: Any) -> dict[str, Any]: ...


class WriteFile(Protocol):
    """Writes a Parquet file of bars and returns its path."""

    def __call__(self, path: Path, start: npt.ArrayLike, /, **changes: Any) -> Path: ...


def make_columns(start: npt.ArrayLike, /, **changes: Any) -> dict[str, Any]:
    """Columns for some stamps; a change of ``None`` leaves a column out."""
    stamps = np.asarray(start, np.int64)
    price = 100 + (stamps // MINUTE) % 97 / 10
    columns: dict[str, Any] = {
        "symbol": ["AAPL"] * len(stamps),
        "ts": pa.array(stamps).cast(pa.timestamp("ns", "UTC")),
        "open": price,
        "high": price + 0.5,
        "low": price - 0.5,
        "close": price + 0.25,
        "volume": np.arange(len(stamps)) + 1,
    }
    return {k: v for k, v in {**columns, **changes}.items() if v is not None}


def write_made_up(
    path: Path,
    start: npt.ArrayLike,
    /,
    *,
    row_group_size: int = 1000,
    statistics: bool = True,
    **changes: Any,
) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    table = pa.table(make_columns(start, **changes))
    pq.write_table(
        table, path, row_group_size=row_group_size, write_statistics=statistics
    )
    return path


@pytest.fixture
def columns() -> Columns:
    """Columns of made-up bars."""
    return make_columns


@pytest.fixture
def write_file() -> WriteFile:
    """Write a Parquet file of made-up bars."""
    return write_made_up


@pytest.fixture
def minutes() -> npt.NDArray[np.int64]:
    """Ten minutes from the open of 2025-07-02."""
    return OPEN + MINUTE * np.arange(10)
