"""Reading Parquet into columns. Nothing to measure yet: the cases stand here for their targets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benches.python.ratios import Targets

if TYPE_CHECKING:
    from benches.python.ratios import Comparison


def test_parquet_to_columns(compare: Comparison) -> None:
    compare.pending(
        "Parquet to columns per symbol",
        peer="pyarrow, 2 threads",
        targets=Targets(1, 1.8, 2.2),
    )
