"""Arrow columns as NumPy arrays of our dtypes. pyarrow is imported when a column of it is here already."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tapeloom.errors import ArgumentError, ArgumentTypeError, TimestampError
from tapeloom.timestamps import check_unit, localize

if TYPE_CHECKING:
    from datetime import tzinfo

    import numpy.typing as npt
    import pyarrow as pa

__all__ = ["EXACT", "arrow_codes", "arrow_floats", "arrow_instants"]

# Above this float64 no longer holds every integer.
EXACT = 2**53
PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
LONGEST = 2**63 - 1


def arrow_instants(
    column: pa.ChunkedArray, *, zone: tzinfo, name: str
) -> npt.NDArray[np.int64]:
    """Return a column of times as nanoseconds UTC.

    Parameters
    ----------
    column
        ``timestamp`` of any unit, with or without a zone, or integers, which are nanoseconds.
    zone
        Where stamps without a zone are wall time.
    name
        What to call the column in an error.

    Returns
    -------
    numpy.ndarray
        int64, shape (n,), nanoseconds UTC, in the given order; may share memory with the column.

    Raises
    ------
    ArgumentTypeError
        If the type is another one.
    TimestampError
        If a stamp is null or outside the years 1677 to 2262, or integers are in another unit.
    """
    import pyarrow as pa

    kind = column.type
    if pa.types.is_date(kind):
        text = f"{name} has dates without a time of day ({kind}); give the start of each bar"
        raise ArgumentTypeError(text)
    if not (pa.types.is_timestamp(kind) or pa.types.is_integer(kind)):
        text = f"{name} is {kind}; it must hold timestamps, such as timestamp[ns, UTC]"
        raise ArgumentTypeError(text)
    if column.null_count:
        row = int(np.flatnonzero(column.is_null().to_numpy())[0])
        text = f"{name} has no time in row {row}; every bar needs its start"
        raise TimestampError(text, row=row)
    if pa.types.is_timestamp(kind):
        # The same numbers under another name, whatever the zone: nothing to convert.
        ns = _as_ns(column.to_numpy().view(np.int64), kind.unit, name)
    else:
        ns = _integers(column, name)
    if ns.size:
        check_unit(int(ns.min()), int(ns.max()), name=name)
    if pa.types.is_timestamp(kind) and kind.tz is None:
        return localize(ns, zone)
    return ns


def _integers(column: pa.ChunkedArray, name: str) -> npt.NDArray[np.int64]:
    import pyarrow as pa

    try:
        raw: npt.NDArray[np.int64] = column.cast(pa.int64()).to_numpy()
    except pa.ArrowInvalid as error:
        text = (
            f"{name} holds integers above 2**63; give nanoseconds since 1970-01-01 UTC"
        )
        raise TimestampError(text) from error
    return raw


def _as_ns(raw: npt.NDArray[np.int64], unit: str, name: str) -> npt.NDArray[np.int64]:
    factor = PER_SECOND["ns"] // PER_SECOND[unit]
    if factor == 1 or not raw.size:
        return raw
    if max(abs(int(raw.min())), abs(int(raw.max()))) > LONGEST // factor:
        text = f"{name} holds times outside the years 1677 to 2262"
        raise TimestampError(text)
    return raw * factor


def arrow_floats(column: pa.ChunkedArray, *, name: str) -> npt.NDArray[np.float64]:
    """Return a column of numbers as float64; null becomes NaN.

    Parameters
    ----------
    column
        Floats, integers or decimals.
    name
        What to call the column in an error.

    Returns
    -------
    numpy.ndarray
        float64, shape (n,); may share memory with the column.

    Raises
    ------
    ArgumentTypeError
        If the type is another one.
    ArgumentError
        If an integer is above 2**53 and would not be kept exactly.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    kind = column.type
    if kind == pa.float64():
        return _as_numpy(column)
    if pa.types.is_integer(kind) and kind.bit_width == 64:
        span = pc.min_max(column).as_py()
        check_exact(span["min"] or 0, span["max"] or 0, name=name)
    if not (
        pa.types.is_floating(kind)
        or pa.types.is_integer(kind)
        or pa.types.is_decimal(kind)
    ):
        text = f"{name} is {kind}; it must hold numbers (float64)"
        raise ArgumentTypeError(text)
    return _as_numpy(column.cast(pa.float64()))


def _as_numpy(column: pa.ChunkedArray) -> npt.NDArray[np.float64]:
    array: npt.NDArray[np.float64] = column.to_numpy()
    return array


def check_exact(smallest: int, largest: int, *, name: str) -> None:
    """Raise ArgumentError if integers up to these bounds are not exact as float64."""
    worst = max(abs(smallest), abs(largest))
    if worst > EXACT:
        text = f"{name} holds the integer {worst}; integers must not be above 2**53, which float64 keeps exactly"
        raise ArgumentError(text, got=worst)


def arrow_codes(
    column: pa.ChunkedArray, *, name: str
) -> tuple[npt.NDArray[np.int64], list[str]]:
    """Return a text column as codes and the texts they stand for.

    Returns
    -------
    codes
        int64, shape (n,): index into the texts; -1 where the column is null.
    texts
        In order of first appearance, unless the column is a dictionary already.

    Raises
    ------
    ArgumentTypeError
        If the column does not hold text.
    """
    import pyarrow as pa

    kind = column.type
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
        column = column.unify_dictionaries()
    if not (
        pa.types.is_string(kind)
        or pa.types.is_large_string(kind)
        or pa.types.is_string_view(kind)
    ):
        text = f"{name} is {kind}; it must hold text"
        raise ArgumentTypeError(text)
    if not pa.types.is_dictionary(column.type):
        # Views have no dictionary of their own.
        column = column.cast(pa.large_string()).dictionary_encode().unify_dictionaries()
    whole = column.combine_chunks()
    if isinstance(whole, pa.ChunkedArray):
        # Some versions keep an empty column chunked.
        whole = whole.chunk(0) if whole.num_chunks else pa.array([], column.type)
    codes = whole.indices.cast(pa.int64()).fill_null(-1).to_numpy()
    return codes, whole.dictionary.to_pylist()
