"""The order of all rows of each source of real one-minute bars, by its hash."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np
import pyarrow.parquet as pq

from tapeloom import _core
from tests.truth.facts import merge_truths

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    import numpy.typing as npt
    import pytest


def starts_by_symbol(
    root: Path, files: Iterable[str]
) -> dict[str, npt.NDArray[np.int64]]:
    """Return the sorted starts of each symbol, symbols in order; a symbol may have several files."""
    parts: dict[str, list[npt.NDArray[np.int64]]] = {}
    for file in files:
        table = pq.read_table(root / file, columns=["symbol", "ts"], partitioning=None)
        symbol = table["symbol"][0].as_py()
        parts.setdefault(symbol, []).append(table["ts"].cast("int64").to_numpy())
    return {
        symbol: np.sort(np.concatenate(parts[symbol]), kind="stable")
        for symbol in sorted(parts)
    }


def test_rows_of_every_source_merge_in_the_order_of_the_truth(
    real_data: Path, subtests: pytest.Subtests
) -> None:
    records = merge_truths(real_data)
    assert len(records) == 9
    for record in records:
        with subtests.test(market=record["market"], source=record["source_repo"]):
            starts = starts_by_symbol(real_data, record["files"])
            symbols = list(starts)
            source, row = _core.merge_order(
                list(starts.values()), ["1m"] * len(symbols)
            )
            assert len(source) == record["rows"]
            digest = hashlib.sha256()
            for number, position in zip(source.tolist(), row.tolist(), strict=True):
                symbol = symbols[number]
                digest.update(f"{starts[symbol][position]},{symbol}\n".encode())
            assert digest.hexdigest() == record["sha256_of_lines_ts_ns_comma_symbol"]
