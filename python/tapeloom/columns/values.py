"""One column of any library as a NumPy array of our dtypes: instants int64, numbers float64, symbols as codes."""

from __future__ import annotations

import sys
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import numpy as np

from tapeloom.columns.arrow import (
    arrow_codes,
    arrow_floats,
    arrow_instants,
    check_exact,
)
from tapeloom.errors import ArgumentError, ArgumentTypeError, TimestampError
from tapeloom.timestamps import check_unit, localize, to_ns

if TYPE_CHECKING:
    from datetime import tzinfo

    import numpy.typing as npt
    import pyarrow as pa

__all__ = ["codes", "flag_bytes", "floats", "instants"]


def instants(column: Any, *, zone: tzinfo, name: str) -> npt.NDArray[np.int64]:
    """Return a column of times as int64 nanoseconds UTC, shape (n,), in the given order.

    Naive times of pandas, Arrow, polars and Python are wall time in ``zone``; ``numpy.datetime64`` arrays are UTC;
    integers are nanoseconds. The column's own unit and zone are honoured.

    Raises
    ------
    ArgumentTypeError
        If the column holds something else.
    TimestampError
        If a time is missing, out of range, in another unit, or does not exist or is ambiguous in ``zone``.
    """
    arrow = _arrow(column)
    if arrow is not None:
        return arrow_instants(arrow, zone=zone, name=name)
    wall = False
    if _is_pandas(column):
        wall = column.dtype.kind == "M" and getattr(column.dtype, "tz", None) is None
        if getattr(column.dtype, "tz", None) is not None:
            column = _pandas_utc(column)
        if getattr(column, "hasnans", False) and column.dtype.kind in "iu":
            column = column.to_numpy(dtype=object, na_value=None)
    array = _flat(column, name)
    if not array.size and array.dtype == np.float64:
        # What NumPy takes an empty list for.
        return np.empty(0, np.int64)
    if array.dtype.kind == "M":
        ns = _datetime64_ns(array, name)
    elif array.dtype.kind in "iu":
        ns = _integer_ns(array, name)
    elif array.dtype.kind == "O":
        ns = _object_ns(array, zone, name)
    else:
        text = f"{name} is {array.dtype}; it must hold times: datetimes, datetime64, or integer nanoseconds"
        raise ArgumentTypeError(text)
    if ns.size:
        check_unit(int(ns.min()), int(ns.max()), name=name)
    return localize(ns, zone) if wall else ns


def floats(column: Any, *, name: str) -> npt.NDArray[np.float64]:
    """Return a column of numbers as float64, shape (n,); what is missing becomes NaN.

    Raises
    ------
    ArgumentTypeError
        If the column holds something else.
    ArgumentError
        If an integer is above 2**53.
    """
    arrow = _arrow(column)
    if arrow is not None:
        return arrow_floats(arrow, name=name)
    if _is_pandas(column) and column.hasnans and column.dtype.kind in "iu":
        check_exact(int(column.min()), int(column.max()), name=name)
        column = column.to_numpy(dtype=np.float64, na_value=np.nan)
    array = _flat(column, name)
    if array.dtype.kind == "f":
        return array.astype(np.float64, copy=False)
    if array.dtype.kind in "iu":
        if array.size:
            check_exact(int(array.min()), int(array.max()), name=name)
        return array.astype(np.float64)
    if array.dtype.kind == "O":
        return np.array(
            [_number(v, row, name) for row, v in enumerate(array)], np.float64
        )
    text = f"{name} is {array.dtype}; it must hold numbers (float64)"
    raise ArgumentTypeError(text)


def flag_bytes(column: Any, *, name: str) -> npt.NDArray[np.uint8]:
    """Return a column of provenance bits as uint8, shape (n,).

    Raises
    ------
    ArgumentTypeError
        If a value is no integer from 0 to 255.
    """
    arrow = _arrow(column)
    array = _flat(column if arrow is None else arrow.to_numpy(), name)
    if array.size and (
        array.dtype.kind not in "iu" or not 0 <= array.min() <= array.max() <= 255
    ):
        text = f"{name} is {array.dtype}; it must hold integers from 0 to 255 (uint8)"
        raise ArgumentTypeError(text)
    return array.astype(np.uint8)


def codes(column: Any, *, name: str) -> tuple[npt.NDArray[np.int64], list[str]]:
    """Return a column of texts as int64 codes, shape (n,), -1 where one is missing, and the distinct texts.

    Raises
    ------
    ArgumentTypeError
        If a value is no text.
    """
    arrow = _arrow(column)
    if arrow is not None:
        return arrow_codes(arrow, name=name)
    if _is_pandas(column):
        found, names = sys.modules["pandas"].factorize(column)
        numbers, texts = found.astype(np.int64), list(names)
    else:
        array = _flat(column, name)
        index: dict[Any, int] = {}
        numbers = np.fromiter(
            (
                -1 if v is None else index.setdefault(v, len(index))
                for v in array.tolist()
            ),
            np.int64,
            array.size,
        )
        texts = list(index)
    for text in texts:
        if not isinstance(text, str):
            message = f"{name} holds {text!r}; it must hold text"
            raise ArgumentTypeError(message)
    return numbers, texts


def _is_pandas(column: Any) -> bool:
    pandas = sys.modules.get("pandas")
    return pandas is not None and isinstance(column, (pandas.Series, pandas.Index))


def _arrow(column: Any) -> pa.ChunkedArray | None:
    """Return the column as an Arrow one if that is what it is, or what it can hand out best."""
    if _is_pandas(column):
        if not hasattr(column.dtype, "pyarrow_dtype"):
            return None
        import pyarrow as pa

        found = pa.array(column)
        return (
            found if isinstance(found, pa.ChunkedArray) else pa.chunked_array([found])
        )
    if hasattr(column, "__arrow_c_stream__") or hasattr(column, "__arrow_c_array__"):
        import pyarrow as pa

        if hasattr(column, "__arrow_c_stream__"):
            return pa.chunked_array(column)
        return pa.chunked_array([pa.array(column)])
    return None


def _pandas_utc(column: Any) -> Any:
    """Return aware times without their zone, in UTC, keeping their unit."""
    accessor = getattr(column, "dt", None)
    if accessor is not None:
        return accessor.tz_convert("UTC").dt.tz_localize(None)
    return column.tz_convert("UTC").tz_localize(None)


def _flat(column: Any, name: str) -> npt.NDArray[Any]:
    try:
        array: npt.NDArray[Any] = np.asarray(column)
    except ValueError as error:
        text = f"{name} cannot be read as one column; give a flat sequence"
        raise ArgumentError(text) from error
    if array.ndim != 1:
        text = f"{name} has {array.ndim} dimensions; a column has one"
        raise ArgumentError(text, got=array.ndim)
    # A field of a packed structured array lies between the places from which numbers can be read.
    return array if array.flags.aligned else array.copy()


def _datetime64_ns(array: npt.NDArray[Any], name: str) -> npt.NDArray[np.int64]:
    missing = np.isnat(array)
    if missing.any():
        row = int(np.argmax(missing))
        text = f"{name} has no time in row {row}; every bar needs its start"
        raise TimestampError(text, row=row)
    ns = array.astype("datetime64[ns]")
    # NumPy wraps around silently where a coarser unit leaves the range of nanoseconds.
    wrapped = ns.astype(array.dtype) != array
    if wrapped.any():
        row = int(np.argmax(wrapped))
        text = f"{name} is {array[row]} in row {row}; times must lie in the years 1678 to 2261"
        raise TimestampError(text, row=row)
    return ns.astype(np.int64)


def _integer_ns(array: npt.NDArray[Any], name: str) -> npt.NDArray[np.int64]:
    if array.size and int(array.max()) > np.iinfo(np.int64).max:
        text = (
            f"{name} holds integers above 2**63; give nanoseconds since 1970-01-01 UTC"
        )
        raise TimestampError(text)
    return array.astype(np.int64)


def _object_ns(
    array: npt.NDArray[Any], zone: tzinfo, name: str
) -> npt.NDArray[np.int64]:
    return np.array(
        [to_ns(v, zone, name=f"{name} in row {row}") for row, v in enumerate(array)],
        np.int64,
    )


def _number(value: Any, row: int, name: str) -> float:
    if value is None:
        return float("nan")
    if isinstance(value, bool) or not isinstance(
        value, (int, float, Decimal, np.number)
    ):
        text = f"{name} is {value!r} in row {row}; it must hold numbers"
        raise ArgumentTypeError(text, row=row)
    if isinstance(value, (int, np.integer)):
        check_exact(int(value), int(value), name=name)
    return float(value)
