"""Finds the files of bars below a root and tells whose bars they hold. It reads no bars but to tell an interval."""

from __future__ import annotations

import glob
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tapeloom._core import Interval
from tapeloom.actions import FILES as ACTION_FILES
from tapeloom.bars import normalise_symbol
from tapeloom.columns.spacing import common_interval
from tapeloom.errors import (
    ArgumentError,
    IntervalError,
    MissingDataError,
    StorageError,
    SymbolError,
    did_you_mean,
)
from tapeloom.storage.files import check_inside
from tapeloom.storage.layout import BARS, decode_symbol, is_shortened, part_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tapeloom.storage.files import Files
    from tapeloom.storage.parquet_store import ParquetStore

__all__ = ["Catalog", "StoredSeries", "find_series", "folder_of_group"]

Root = str | os.PathLike[str]


@dataclass(frozen=True, slots=True)
class StoredSeries:
    """One symbol and interval, and the files that hold its bars, in order of their names.

    ``of_folder``: the folder names the symbol. ``told``: the interval was told from the spacing of the stamps.
    """

    symbol: str
    interval: Interval
    files: tuple[Path, ...]
    of_folder: bool
    told: bool


Catalog = dict[tuple[str, Interval], StoredSeries]


@dataclass(frozen=True, slots=True)
class _Found:
    """One file and what its path says."""

    path: Path
    symbol: str | None
    interval: Interval | None


def find_series(
    root: Root,
    group_names: Sequence[str],
    store: ParquetStore,
    *,
    interval: Interval | None = None,
) -> Catalog:
    """Return every series below a root.

    Parameters
    ----------
    root
        A folder with ``bars/<group>/interval=<I>/symbol=<S>/*.parquet``, a folder of Parquet files at any depth, one
        file, or a glob pattern.
    group_names
        Names the folder of the exchange group may have; compared without case.
    store
        Reads footers, where a path does not say what a file holds.
    interval
        Interval of files whose path does not say it; told from the spacing of their stamps if not given.

    Raises
    ------
    MissingDataError
        If the root, the group or any Parquet file is missing.
    StorageError
        If a path or file cannot be understood.
    CorruptFileError
        If a file is damaged.
    """
    found = [
        file
        for file in (
            _read_path(path, store.files)
            for path in _files(os.fspath(root), group_names, store.files)
        )
        # A file whose path says nothing and that holds nothing is nobody's.
        if None not in (file.symbol, file.interval) or store.footer(file.path).rows
    ]
    told = (
        _told_intervals([f for f in found if f.interval is None], store)
        if interval is None
        else {}
    )
    grouped: dict[tuple[str, Interval], list[tuple[Path, bool, bool]]] = {}
    for file in found:
        length = file.interval or interval or told[file.path]
        for symbol in (
            store.symbols(file.path) if file.symbol is None else [file.symbol]
        ):
            entry = (file.path, file.symbol is not None, file.path in told)
            grouped.setdefault((symbol, length), []).append(entry)
    return {
        (symbol, length): StoredSeries(
            symbol,
            length,
            tuple(path for path, _, _ in entries),
            of_folder=all(named for _, named, _ in entries),
            told=any(guessed for _, _, guessed in entries),
        )
        for (symbol, length), entries in grouped.items()
    }


def folder_of_group(
    root: Path, group_names: Sequence[str], *, files: Files, kind: str = BARS
) -> Path | None:
    """Return the folder that holds the bars of a group, or ``None`` if there is none.

    Raises
    ------
    StorageError
        If it is a symbolic link that leads out of the root.
    """
    names = {name.casefold() for name in group_names}
    for parent in (root / kind, root) if kind == BARS else (root / kind,):
        for folder in files.folders(parent):
            if folder.name.casefold() in names and _has_series(folder, files, kind):
                if files.is_local:
                    check_inside(folder, root)
                return folder
    return None


def _files(root: str, group_names: Sequence[str], files: Files) -> list[Path]:
    path = Path(root)
    if files.is_file(path):
        return [path]
    if files.is_folder(path):
        folder = folder_of_group(path, group_names, files=files)
        if folder is None:
            _check_one_market(path, group_names, files)
        found = files.parquet_below(folder or path)
        if folder is None:
            # The tables of splits lie beside the bars.
            found = [f for f in found if f.parent != path or f.name not in ACTION_FILES]
    elif glob.has_magic(root):
        matches = files.matches(root)
        found = [
            file
            for match in matches
            for file in (
                files.parquet_below(match) if files.is_folder(match) else [match]
            )
        ]
        if not matches:
            message = f"no file matches {root!r}"
            raise MissingDataError(message, path=root)
    else:
        message = (
            f"{root!r} does not exist; name a folder, a Parquet file or a glob pattern"
        )
        raise MissingDataError(message, path=root)
    if not found:
        where = f"{BARS}/{group_names[0].lower()}/interval=1m/symbol=AAPL/*.parquet"
        message = f"no Parquet files in {root!r}; looked for {where} and for *.parquet at any depth"
        raise MissingDataError(message, path=root)
    # By name first: a file named by its date goes before a later one, whatever folder it is in.
    return sorted(dict.fromkeys(found), key=lambda p: (p.name, str(p)))


def _has_series(folder: Path, files: Files, kind: str) -> bool:
    key = "interval=" if kind == BARS else "symbol="
    return any(child.name.startswith(key) for child in files.folders(folder))


def _check_one_market(root: Path, group_names: Sequence[str], files: Files) -> None:
    """Refuse to mix the markets of a root that holds several, none of them asked for."""
    for parent in (root / BARS, root):
        groups = [
            folder.name
            for folder in files.folders(parent)
            if _has_series(folder, files, BARS)
        ]
        if groups:
            near = did_you_mean(group_names[0], groups)
            text = f"{str(root)!r} holds no bars of {group_names[0]!r}; it holds {', '.join(groups)}{near}"
            raise MissingDataError(text, path=str(root), expected=group_names[0])


def _read_path(path: Path, files: Files) -> _Found:
    # Made absolute, so that what stands in front of a relative root counts too.
    full = path.absolute() if files.is_local else path
    symbol, interval = part_of(full, "symbol"), part_of(full, "interval")
    if symbol is not None and is_shortened(symbol):
        symbol = None
    try:
        return _Found(
            path,
            None if symbol is None else normalise_symbol(decode_symbol(symbol)),
            None if interval is None else Interval(interval),
        )
    except (SymbolError, IntervalError) as error:
        text = f"{path}: {error}"
        raise StorageError(text, path=str(path)) from error


def _told_intervals(
    files: Iterable[_Found], store: ParquetStore
) -> dict[Path, Interval]:
    """Return the interval of each file by the spacing of its stamps; a file of too few bars follows the others."""
    told: dict[Path, Interval] = {}
    unclear: list[Path] = []
    for file in files:
        try:
            found = next(
                (
                    i
                    for i in map(common_interval, store.stamps(file.path))
                    if i is not None
                ),
                None,
            )
        except ArgumentError as error:
            text = f"{file.path}: {error}"
            raise StorageError(text, path=str(file.path)) from error
        if found is None:
            unclear.append(file.path)
        else:
            told[file.path] = found
    agreed = set(told.values())
    for path in unclear:
        if len(agreed) != 1:
            text = (
                f"{path}: the interval cannot be told from fewer than two different stamps; put the file below a "
                "folder such as interval=1m, or give the interval"
            )
            raise StorageError(text, path=str(path))
        told[path] = next(iter(agreed))
    return told
