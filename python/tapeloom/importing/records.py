"""Remembers which source files are imported, so that an import that was stopped goes on where it ended.

One small JSON file per source file lies below ``<root>/imports``. It is written, as a whole, after the last bar of that
file: what it names is imported, and a file without a record is imported again, which changes nothing where its bars are
there already.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tapeloom.errors import StorageError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["ImportRecords", "digest_of"]

FOLDER = "imports"
VERSION = 1


def digest_of(path: Path) -> str:
    """Return a digest of a file's content and place: its path may say whose bars it holds.

    Raises
    ------
    StorageError
        If it cannot be read.
    """
    try:
        with path.open("rb") as file:
            content = hashlib.file_digest(file, "sha256")
    except OSError as error:
        text = f"{path}: cannot be read: {(error.strerror or str(error)).lower()}"
        raise StorageError(text, path=str(path)) from error
    content.update(os.fsencode(path.resolve()))
    return content.hexdigest()


class ImportRecords:
    """The records below a root.

    Parameters
    ----------
    root
        Folder of the store; ``None`` if it lies on no local disk, and no records are kept.
    settings
        What the import was told, in values that JSON knows: told something else, a file is imported again.
    """

    def __init__(self, root: Path | None, settings: Mapping[str, object]) -> None:
        self._root = root
        text = json.dumps({"version": VERSION, **settings}, sort_keys=True, default=str)
        self._settings = text

    def find(self, digest: str) -> dict[str, Any] | None:
        """Return the record of a source file whose bars are all still there, or ``None``."""
        if self._root is None:
            return None
        try:
            record: dict[str, Any] = json.loads(
                self._path(self._root, digest).read_text("utf-8")
            )
            written = [Path(self._root, name) for name in record["written"]]
            return record if all(path.is_file() for path in written) else None
        except (OSError, ValueError, KeyError, TypeError):
            # No record, or one that cannot be read: the file is imported again.
            return None

    def save(
        self, digest: str, record: Mapping[str, object], written: list[Path]
    ) -> None:
        """Write the record of a source; none where the bars lie on no local disk.

        Raises
        ------
        StorageError
            If it cannot be written.
        """
        if self._root is None:
            return
        names = sorted({os.path.relpath(path, self._root) for path in written})
        content = json.dumps({**record, "written": names}, indent=1, default=str)
        path = self._path(self._root, digest)
        temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            temporary.write_text(content + "\n", encoding="utf-8")
            temporary.replace(path)
        except OSError as error:
            with contextlib.suppress(OSError):
                temporary.unlink()
            text = (
                f"{path}: cannot be written: {(error.strerror or str(error)).lower()}"
            )
            raise StorageError(text, path=str(path)) from error

    def _path(self, root: Path, digest: str) -> Path:
        key = hashlib.sha256(f"{digest} {self._settings}".encode()).hexdigest()[:32]
        return root / FOLDER / f"{key}.json"
