"""Writes the bars of one series into its files: merged by key with what is there, each file replaced as a whole."""

from __future__ import annotations

import json
import os
import secrets
from typing import TYPE_CHECKING, Any

import numpy as np

from tapeloom.calendars.days import from_day
from tapeloom.errors import ArgumentError, DuplicateBarError, StorageError, did_you_mean
from tapeloom.storage.layout import file_name
from tapeloom.storage.parquet_file import FIELDS, METADATA_KEY

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt
    import pyarrow as pa

    from tapeloom._core import Bars, Interval, SessionTable
    from tapeloom.storage.parquet_store import ParquetStore

    Columns = dict[str, npt.NDArray[Any]]

__all__ = ["write_series"]

POLICIES = ("replace", "ignore", "error")
SCHEMA_VERSION = 1


def write_series(
    folder: Path,
    bars: Bars,
    interval: Interval,
    *,
    table: SessionTable,
    store: ParquetStore,
    on_duplicate: str = "replace",
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

    Returns
    -------
    list of Path
        The files that were written.

    Raises
    ------
    DuplicateBarError
        Under ``"error"``; nothing is written then.
    StorageError
        If a file cannot be written; what was there stays.
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
    contents: dict[Path, Columns] = {}
    for name in dict.fromkeys(names.values()):
        chosen = np.isin(days, [day for day, of_day in names.items() if of_day == name])
        new = {n: c[chosen] for n, c in columns.items()}
        path = folder / name
        old = _stored(path, bars.symbol, store)
        contents[path] = _merged(
            old, new, on_duplicate=on_duplicate, symbol=bars.symbol
        )
    for path, merged in contents.items():
        _replace(path, bars.symbol, interval, merged, table)
    return list(contents)


def _sessions(ts: npt.NDArray[np.int64], table: SessionTable) -> npt.NDArray[np.int64]:
    """Return the session of each bar; one between two sessions belongs to the earlier."""
    at = np.searchsorted(table.span_starts, ts, side="right") - 1
    return np.maximum(at, 0)


def _stored(path: Path, symbol: str, store: ParquetStore) -> Columns | None:
    if not path.exists():
        return None
    found = store.read(path, symbol, None, None, of_folder=True).columns
    flags = np.zeros(len(found["ts"]), np.uint8)
    return {"flags": flags, **found}


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


def _replace(
    path: Path, symbol: str, interval: Interval, columns: Columns, table: SessionTable
) -> None:
    """Put a whole new file in the place of the old one, or leave the old one."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with temporary.open("xb") as out:
                _write_table(out, symbol, interval, columns, table)
                out.flush()
                os.fsync(out.fileno())
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        _sync_folder(path.parent)
    except OSError as error:
        text = f"{path}: cannot be written: {(error.strerror or str(error)).lower()}"
        raise StorageError(text, path=str(path)) from error


def _write_table(
    out: Any, symbol: str, interval: Interval, columns: Columns, table: SessionTable
) -> None:
    import pyarrow.parquet as pq

    data = _arrow_table(symbol, columns).replace_schema_metadata(
        {METADATA_KEY: _description(interval, columns, table)}
    )
    with pq.ParquetWriter(
        out,
        data.schema,
        compression="zstd",
        use_dictionary=["symbol"],
        write_statistics=True,
        write_page_checksum=True,
    ) as writer:
        for start, end in _row_groups(columns["ts"], interval, table):
            writer.write_table(
                data.slice(start, end - start), row_group_size=max(1, end - start)
            )


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


def _description(interval: Interval, columns: Columns, table: SessionTable) -> str:
    ts = columns["ts"]
    return json.dumps(
        {
            "schema_version": SCHEMA_VERSION,
            "interval": interval.text,
            "zone": str(table.zone),
            "table_fingerprint": table.fingerprint,
            "rows": len(ts),
            "first_ts": int(ts[0]),
            "last_ts": int(ts[-1]),
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


def _sync_folder(folder: Path) -> None:
    """Make the new name survive a power cut, where folders can be synced."""
    try:
        handle = os.open(folder, os.O_RDONLY)
    except PermissionError:
        # Windows opens no folders; it keeps names by itself.
        return
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
