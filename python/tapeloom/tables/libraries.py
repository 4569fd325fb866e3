"""pandas and polars, which are extras: imported when asked for, or an error that says how to get them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from tapeloom.errors import MissingDependencyError

if TYPE_CHECKING:
    from datetime import tzinfo

    import pyarrow as pa
    from numpy.typing import NDArray

__all__ = ["frame_of_arrow", "pandas", "text_dtype", "time_index"]


def pandas() -> Any:
    """Return the module.

    Raises
    ------
    MissingDependencyError
        If it is not installed.
    """
    try:
        import pandas as found
    except ImportError as error:
        raise _missing("pandas") from error
    return found


def frame_of_arrow(table: pa.Table) -> Any:
    """Return an Arrow table as a polars frame.

    Raises
    ------
    MissingDependencyError
        If polars is not installed.
    """
    try:
        import polars as found
    except ImportError as error:
        raise _missing("polars") from error
    return found.from_arrow(table)


def time_index(ts: NDArray[np.int64], zone: tzinfo, *, name: str | None) -> Any:
    """Return instants (ns UTC) as a pandas index of nanoseconds in a zone; the smallest int64 is NaT."""
    index = pandas().DatetimeIndex(ts.view("M8[ns]"), name=name)
    return index.tz_localize("UTC").tz_convert(zone)


def text_dtype() -> Any:
    """Return what the installed pandas makes of text by itself: ``str`` from version 3 on, objects before."""
    return "str" if int(pandas().__version__.split(".")[0]) >= 3 else object


def _missing(name: str) -> MissingDependencyError:
    text = f"{name} is not installed; run: pip install 'tapeloom[{name}]'"
    return MissingDependencyError(text, extra=name)
