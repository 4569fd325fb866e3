"""The files that a journal lies in, and how they go."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tapeloom._core import JournalReader
from tapeloom.errors import AlreadyOpenError, JournalError

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["is_anything_of", "remove", "withdraw"]

_BESIDE = ("", "-wal", "-journal", ".witness")
#: Who has it; by itself it is in nobody's way.
_OWNER = ".owner"


def remove(path: Path) -> None:
    """Remove one file of a journal with what lies beside it."""
    for beside in [*_files_of(path), path.with_name(path.name + _OWNER)]:
        beside.unlink(missing_ok=True)


def is_anything_of(path: Path) -> bool:
    """Whether something lies where a journal would."""
    return any(beside.exists() for beside in _files_of(path))


def withdraw(path: Path, *, owner: str, allow_network_fs: bool) -> None:
    """Remove what is left of a journal that this process could not begin: it would be in the way of the next try.

    One that somebody has open, or that holds a record, stays.
    """
    try:
        reader = JournalReader(path, owner=owner, allow_network_fs=allow_network_fs)
    except AlreadyOpenError:
        return
    except JournalError:
        # Not even begun as far as that.
        pass
    else:
        is_begun = reader.first is not None
        reader.close()
        if is_begun:
            return
    remove(path)


def _files_of(path: Path) -> list[Path]:
    return [path.with_name(path.name + ending) for ending in _BESIDE]
