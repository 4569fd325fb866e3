"""Writes the bars of one series into its files: merged by key with what is there, each file replaced as a whole."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

from tapeloom.calendars.days import from_day
from tapeloom.errors import ArgumentError, DuplicateBarError, did_you_mean
from tapeloom.storage.description import METADATA_KEY, SEALED_SINCE
from tapeloom.storage.layout import file_name
from tapeloom.storage.parquet_file import FIELDS
from tapeloom.storage.replacing import replacing
from tapeloom.storage.seal import sealed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    import numpy.typing as npt
    import pyarrow as pa
    import pyarrow.parquet as pq

    from tapeloom._core import Bars, Interval, SessionTable
    from tapeloom.storage.parquet_store import ParquetStore
    from tapeloom.storage.replacing import Replacing

    Columns = dict[str, npt.NDArray[Any]]

__all__ = ["delete_series", "encoded", "write_series"]

POLICIES = ("replace", "ignore", "error")
SCHEMA_VERSION = SEALED_SINCE


def write_series(
    folder: Path,
    bars: Bars,
    interval: Interval,
    *,
    table: SessionTable,
    store: ParquetStore,
    on_duplicate: str = "replace",
    origins: Sequence[Mapping[str, object]] = (),
) -> list[Path]:
    """Write bars into the folder of their series.

    Parameters
    ----------
    folder
        Folder of the series; made if it is not there.
    bars
        Valid bars, in any order.
    interval
        Their interval.
    table
        Sessions: a bar belongs to the file of its session date, and each session has its row group.
    store
        Reads what is there.
    on_duplicate
        For bars of one start: ``"replace"`` keeps the last, ``"ignore"`` the first, where what is there comes first;
        ``"error"`` refuses bars with other values.
    origins
        Where the bars come from and how they were read, in values that JSON knows; kept in the metadata of the files
        beside what they say already. One with ``first_ts`` and ``last_ts`` goes to the files that hold bars between them.

    Returns
    -------
    list of Path
        The files that were written.

    Raises
    ------
    DuplicateBarError
        Under ``"error"``; nothing is written then.
    StorageError
        If another writer is at one of the files, or one cannot be written; what was there stays.
    """
    if on_duplicate not in POLICIES:
        text = f"on_duplicate is {on_duplicate!r}; it must be one of {', '.join(map(repr, POLICIES))}"
        raise ArgumentError(
            text + did_you_mean(on_duplicate, POLICIES), got=on_duplicate
        )
    columns = {
        "ts": bars.ts,
        **{n: getattr(bars, n) for n in FIELDS},
        "flags": bars.flags,
    }
    days = table.dates[_sessions(columns["ts"], table)]
    names = {
        int(day): file_name(from_day(int(day)), interval) for day in np.unique(days)
    }
    wanted = list(dict.fromkeys(names.values()))
    with _claimed(store, folder, wanted) as target:
        contents: dict[str, bytes] = {}
        for name in wanted:
            of_file = [day for day, of_day in names.items() if of_day == name]
            chosen = np.isin(days, of_file)
            new = {n: c[chosen] for n, c in columns.items()}
            old = _stored(folder / name, bars.symbol, store)
            merged = _merged(old, new, on_duplicate=on_duplicate, symbol=bars.symbol)
            said = _origins(folder / name, store, _of_range(origins, new["ts"]))
            contents[name] = encoded(bars.symbol, interval, merged, table, origins=said)
        for name, content in contents.items():
            target.put(name, content)
    return [folder / name for name in wanted]


def delete_series(
    series: Sequence[Path],
    symbol: str,
    interval: Interval,
    start: int | None,
    end: int | None,
    *,
    table: SessionTable,
    store: ParquetStore,
) -> int:
    """Delete the bars of one symbol that start in ``[start, end)`` from files that hold it alone.

    Returns
    -------
    int
        How many were deleted. A file without a bar left is removed; each is replaced as a whole.

    Raises
    ------
    StorageError
        If a file cannot be written; what was there stays in it.
    """
    deleted = 0
    for path in series:
        # Most files of a long series lie outside the range.
        if not store.footer(path).groups(start, end).size:
            continue
        with _claimed(store, path.parent, [path.name]) as target:
            rows = _stored(path, symbol, store)
            if rows is None:
                continue
            gone = np.ones(len(rows["ts"]), np.bool_)
            if start is not None:
                gone &= rows["ts"] >= start
            if end is not None:
                gone &= rows["ts"] < end
            if gone.all():
                target.remove(path.name)
            elif gone.any():
                left = {n: c[~gone] for n, c in rows.items()}
                origins = _origins(path, store, ())
                target.put(
                    path.name, encoded(symbol, interval, left, table, origins=origins)
                )
            deleted += int(gone.sum())
    return deleted


def _claimed(
    store: ParquetStore, folder: Path, names: Sequence[str]
) -> AbstractContextManager[Replacing]:
    # Folders of a series lie below interval=... in the folder of their group.
    return replacing(store.files, folder, names, anchor=folder.parent.parent)


def _sessions(ts: npt.NDArray[np.int64], table: SessionTable) -> npt.NDArray[np.int64]:
    """Return the session of each bar; one between two sessions belongs to the earlier."""
    at = np.searchsorted(table.span_starts, ts, side="right") - 1
    return np.maximum(at, 0)


def _stored(path: Path, symbol: str, store: ParquetStore) -> Columns | None:
    if not store.files.is_file(path):
        return None
    found = store.read(path, symbol, None, None, of_folder=True).columns
    flags = np.zeros(len(found["ts"]), np.uint8)
    return {"flags": flags, **found}


def _of_range(
    origins: Sequence[Mapping[str, object]], ts: npt.NDArray[np.int64]
) -> list[Mapping[str, object]]:
    """Return the origins that may have given some of the bars."""
    first, last = int(ts.min()), int(ts.max())
    return [
        one
        for one in origins
        if one.get("first_ts", first) <= last and one.get("last_ts", last) >= first  # type: ignore[operator]
    ]


def _origins(
    path: Path, store: ParquetStore, new: Sequence[Mapping[str, object]]
) -> list[Mapping[str, object]]:
    """Return what a file says of where its bars come from, and what is new."""
    known: list[Mapping[str, object]] = []
    if store.files.is_file(path):
        known = store.footer(path).about.get("origins", [])
    return [*(one for one in known if one not in new), *new]


def _merged(
    old: Columns | None, new: Columns, *, on_duplicate: str, symbol: str
) -> Columns:
    both = new if old is None else {n: np.concatenate((old[n], new[n])) for n in new}
    order = np.argsort(both["ts"], kind="stable")
    rows = {n: c[order] for n, c in both.items()}
    repeats = rows["ts"][1:] == rows["ts"][:-1]
    if not repeats.any():
        return rows
    if on_duplicate == "error":
        other = repeats & np.logical_or.reduce(
            [rows[n][1:] != rows[n][:-1] for n in FIELDS]
        )
        if other.any():
            ts = int(rows["ts"][np.argmax(other)])
            stamp = np.datetime_as_string(np.datetime64(ts, "ns"), unit="s")
            text = f"{symbol}: the bar at {stamp} UTC is there with other values and on_duplicate is 'error'; use 'replace' or 'ignore'"
            raise DuplicateBarError(text, symbol=symbol, ts=ts)
    edge = np.ones(1, np.bool_)
    # Equal starts are in order of arrival: the last one of a run, or the first.
    kept = np.concatenate(
        (~repeats, edge) if on_duplicate == "replace" else (edge, ~repeats)
    )
    return {n: c[kept] for n, c in rows.items()}


def encoded(
    symbol: str,
    interval: Interval,
    columns: Columns,
    table: SessionTable,
    *,
    origins: Sequence[Mapping[str, object]] = (),
) -> bytes:
    """Return a file of sorted bars: a row group per session, what it is, and its seal."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    data = _arrow_table(symbol, columns).replace_schema_metadata(
        {METADATA_KEY: _description(symbol, interval, columns, table, origins)}
    )
    groups = _row_groups(columns["ts"], interval, table)
    out = pa.BufferOutputStream()
    with pq.ParquetWriter(
        out,
        data.schema,
        compression="zstd",
        use_dictionary=["symbol"],
        # Steps of one minute take next to nothing.
        column_encoding={"ts": "DELTA_BINARY_PACKED"},
        write_statistics=True,
        write_page_checksum=True,
    ) as writer:
        for start, end in groups:
            writer.write_table(
                data.slice(start, end - start), row_group_size=max(1, end - start)
            )
    content = out.getvalue().to_pybytes()
    footer = pq.read_metadata(pa.BufferReader(content))
    ts = columns["ts"]
    return sealed(
        content,
        [_end_of(footer.row_group(at)) for at in range(footer.num_row_groups)],
        [(end - start, int(ts[start]), int(ts[end - 1])) for start, end in groups],
    )


def _end_of(group: pq.RowGroupMetaData) -> int:
    last = group.column(group.num_columns - 1)
    start = last.data_page_offset
    if last.has_dictionary_page:
        start = min(start, last.dictionary_page_offset)
    return int(start + last.total_compressed_size)


def _arrow_table(symbol: str, columns: Columns) -> pa.Table:
    import pyarrow as pa

    rows = len(columns["ts"])
    arrays = {
        "symbol": pa.repeat(pa.scalar(symbol, pa.string()), rows),
        "ts": pa.array(columns["ts"], pa.int64()).cast(pa.timestamp("ns", "UTC")),
        **{name: pa.array(columns[name], pa.float64()) for name in FIELDS},
    }
    if columns["flags"].any():
        arrays["flags"] = pa.array(columns["flags"], pa.uint8())
    return pa.table(arrays)


def _description(
    symbol: str,
    interval: Interval,
    columns: Columns,
    table: SessionTable,
    origins: Sequence[Mapping[str, object]],
) -> str:
    ts = columns["ts"]
    return json.dumps(
        {
            "schema_version": SCHEMA_VERSION,
            "symbol": symbol,
            "interval": interval.text,
            "zone": str(table.zone),
            "table_fingerprint": table.fingerprint,
            "rows": len(ts),
            "first_ts": int(ts[0]),
            "last_ts": int(ts[-1]),
            **({"origins": list(origins)} if origins else {}),
        }
    )


def _row_groups(
    ts: npt.NDArray[np.int64], interval: Interval, table: SessionTable
) -> list[tuple[int, int]]:
    """Return a group of rows per session, so that reading a few sessions reads little else."""
    if interval.ns is None:
        return [(0, len(ts))]
    edges = np.flatnonzero(np.diff(_sessions(ts, table))) + 1
    ends = [*edges.tolist(), len(ts)]
    return list(zip([0, *ends[:-1]], ends, strict=True))
