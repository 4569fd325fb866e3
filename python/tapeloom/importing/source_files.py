"""Which files a source means: a file, a folder, a glob pattern. It opens none."""

from __future__ import annotations

import glob
import os
from pathlib import Path

from tapeloom.errors import ArgumentTypeError, MissingDataError

__all__ = ["KINDS", "PARQUET", "files_of", "kind_of"]

PARQUET = (".parquet", ".pq")
TEXT = (".csv", ".tsv", ".txt", ".prn", ".dat")
KINDS = (*TEXT, *PARQUET)
PACKED = (".gz", ".zst", ".zip")


def files_of(source: object) -> list[Path]:
    """Return the files of a source, by name.

    Of a folder those at any depth that hold tables by their names; of a pattern all that match; of a list each one.

    Raises
    ------
    MissingDataError
        If there is none.
    ArgumentTypeError
        If the source is no path.
    """
    if isinstance(source, list | tuple):
        if not source:
            message = "source is an empty list; name a file, a folder or a pattern"
            raise MissingDataError(message)
        return list(dict.fromkeys(f for one in source for f in files_of(one)))
    if not isinstance(source, str | os.PathLike):
        text = (
            f"source is {type(source).__name__}; give a file, a folder, a pattern such as 'bars/*.csv.gz', a frame, "
            "an Arrow table or a dict of arrays"
        )
        raise ArgumentTypeError(text)
    text = os.fspath(source)
    path = Path(text)
    if path.is_file():
        return [path]
    if path.is_dir():
        found = sorted(f for f in path.rglob("*") if _is_table(f) and f.is_file())
        if not found:
            known = ", ".join(f"*{kind}" for kind in (*KINDS, *PACKED))
            message = f"{text!r} holds no file of bars; looked for {known} at any depth"
            raise MissingDataError(message, path=text)
        return found
    if glob.has_magic(text):
        matches = sorted(Path(m) for m in glob.glob(text, recursive=True))  # noqa: PTH207, a pattern may be absolute
        if not matches:
            raise MissingDataError(f"no file matches {text!r}", path=text)
        files = [f for m in matches for f in (files_of(m) if m.is_dir() else [m])]
        return list(dict.fromkeys(files))
    if path.exists():
        message = f"{text!r} is no file that can be read again; name a file, a folder or a pattern"
        raise MissingDataError(message, path=text)
    message = f"{text!r} does not exist; name a file, a folder or a pattern"
    raise MissingDataError(message, path=text)


def kind_of(path: str) -> str:
    """Return ``"parquet"`` or ``"text"``, by the name without what says how it is packed."""
    name = path.lower()
    for suffix in PACKED:
        name = name.removesuffix(suffix)
    return "parquet" if name.endswith(PARQUET) else "text"


def _is_table(path: Path) -> bool:
    # Hidden files are those of other programs, and halves of files that are being written.
    if any(part.startswith(".") for part in path.parts[-1:]):
        return False
    name = path.name.lower()
    return name.endswith((*KINDS, *PACKED))
