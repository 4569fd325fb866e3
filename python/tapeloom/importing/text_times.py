"""Texts as times: ISO 8601, and the other forms that tools write. A form is chosen for a whole column, never per row."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tapeloom.errors import ArgumentError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pyarrow as pa

__all__ = ["iso_type", "parse_times"]

DATES = (
    "%Y-%m-%d",
    "%Y%m%d",
    "%Y/%m/%d",
    "%Y.%m.%d",
    "%m/%d/%Y",
    "%d/%m/%Y",
    "%d.%m.%Y",
    "%d-%b-%Y",
    "%m-%d-%Y",
    "%d-%m-%Y",
)
CLOCKS = (
    " %H:%M:%S",
    " %H:%M",
    " %H%M%S",
    "  %H:%M:%S",
    " %I:%M:%S %p",
    " %I:%M %p",
    "T%H:%M:%S",
    "%H%M%S",
    "",
)
SAMPLE = 500
ISO = re.compile(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d(:\d\d(\.\d{1,9})?)?")
IN_UTC = ("Z", "+00:00", "+0000")


def iso_type(texts: Sequence[str]) -> pa.DataType | None:
    """Return the type of timestamps that texts of ISO 8601 are read as without being looked at one by one.

    It is in UTC if all say so, and without a zone if none names one. ``None`` if they are of another form or offset.
    """
    import pyarrow as pa

    forms = [ISO.match(text) for text in texts]
    zones = {
        form and text[form.end() :] for form, text in zip(forms, texts, strict=True)
    }
    if zones == {""}:
        return pa.timestamp("ns")
    return pa.timestamp("ns", "UTC") if zones and zones.issubset(IN_UTC) else None


def parse_times(
    column: pa.ChunkedArray, *, name: str, time_format: str | None
) -> pa.ChunkedArray:
    """Return texts as timestamps in nanoseconds: in UTC if they name their offset, else without a zone.

    Parameters
    ----------
    column
        Texts, without blanks around them.
    name
        What to call the table in an error.
    time_format
        The form in the terms of ``strptime``; recognised if ``None``.

    Returns
    -------
    pyarrow.ChunkedArray
        Null where a text is no time of the form that the others have.

    Raises
    ------
    ArgumentError
        If no form fits the first rows, or dates read as month first and as day first.
    """
    import pyarrow as pa

    if time_format is not None:
        found = _stripped(column, time_format)
        if found.null_count == len(found) and len(found):
            text = f"{name}: no time fits time_format={time_format!r}; the first is {_first(column)!r}"
            raise ArgumentError(text, got=time_format)
        return found
    sample = column.drop_null().slice(0, SAMPLE)
    for casts in (_casts, _nearly_casts):
        for kind in (pa.timestamp("ns"), pa.timestamp("ns", "UTC")):
            if casts(sample, kind):
                return _cast(column, kind)
    fits = [
        d + c for d in DATES for c in CLOCKS if not _stripped(sample, d + c).null_count
    ]
    if not fits:
        odd = _other_form(sample)
        if odd is not None:
            text = (
                f"{name}: the times are of several forms, such as {_first(column)!r} and {odd!r}; write all in one form, or "
                "give that of the rows to read with time_format="
            )
            raise ArgumentError(text, got=odd)
        text = (
            f"{name}: the form of the times, such as {_first(column)!r}, is not known; give it, such as "
            "time_format='%d.%m.%Y %H:%M'"
        )
        raise ArgumentError(text, got=_first(column))
    return _the_one(column, fits, name)


def _the_one(column: pa.ChunkedArray, fits: list[str], name: str) -> pa.ChunkedArray:
    """Return the reading of a column; forms that all rows fit and that read it differently are an error."""
    read = {form: _stripped(column, form) for form in fits}
    fewest = min(found.null_count for found in read.values())
    best = {form: f for form, f in read.items() if f.null_count == fewest}
    first, *others = best.values()
    if any(not other.equals(first) for other in others):
        forms = " or ".join(repr(form) for form in best)
        text = f"{name}: times such as {_first(column)!r} can be read as {forms}; choose one with time_format="
        raise ArgumentError(text, got=_first(column))
    return first


def _stripped(column: pa.ChunkedArray, form: str) -> pa.ChunkedArray:
    import pyarrow.compute as pc

    return pc.strptime(column, format=form, unit="ns", error_is_null=True)


def _casts(column: pa.ChunkedArray, kind: pa.DataType) -> bool:
    import pyarrow as pa

    try:
        column.cast(kind)
    except pa.ArrowInvalid:
        return False
    return True


def _nearly_casts(column: pa.ChunkedArray, kind: pa.DataType) -> bool:
    # One torn text among many good ones does not decide. Of texts of another form no more are looked at than it takes.
    bad, most = 0, 0.1 * len(column)
    for text in column.to_pylist():
        bad += _one(text, kind) is None
        if bad >= most:
            return False
    return True


def _cast(column: pa.ChunkedArray, kind: pa.DataType) -> pa.ChunkedArray:
    import pyarrow as pa

    try:
        return column.cast(kind)
    except pa.ArrowInvalid:
        # Halved until the torn ones stand alone: a few of them cost a few casts, not one per row.
        if len(column) == 1:
            return pa.chunked_array([pa.nulls(1, kind)])
        middle = len(column) // 2
        parts = (column.slice(0, middle), column.slice(middle))
        chunks = [chunk for part in parts for chunk in _cast(part, kind).chunks]
        return pa.chunked_array(chunks, kind)


def _one(text: str | None, kind: pa.DataType) -> int | None:
    import pyarrow as pa

    if text is None:
        return None
    try:
        value: int = pa.scalar(text).cast(kind).value
    except pa.ArrowInvalid:
        return None
    return value


def _other_form(sample: pa.ChunkedArray) -> str | None:
    """Return the first text that is not of the form of the one before all, where that is a known one."""
    import pyarrow as pa

    texts = sample.to_pylist()
    for kind in (pa.timestamp("ns"), pa.timestamp("ns", "UTC")):
        if _one(texts[0], kind) is not None:
            return next((t for t in texts if _one(t, kind) is None), None)
    return None


def _first(column: pa.ChunkedArray) -> str | None:
    return next((v.as_py() for v in column if v.is_valid), None)
