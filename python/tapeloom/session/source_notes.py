"""What a source of bars had to say about its files, as warnings of the run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tapeloom.session.result import RunWarning
from tapeloom.storage.notes import INVALID_SKIPPED, REWRITTEN, UNSORTED

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tapeloom.storage.bar_source import DataNote

__all__ = ["source_warnings"]


def source_warnings(notes: Iterable[DataNote]) -> list[RunWarning]:
    """Return one warning per kind and text, in the order in which they first came."""
    grouped: dict[tuple[str, str], list[DataNote]] = {}
    for note in notes:
        grouped.setdefault((note.kind, note.text), []).append(note)
    return [
        RunWarning(
            kind,
            f"{text}{_first_place(found)}",
            sum(note.count for note in found),
            tuple(dict.fromkeys(note.symbol for note in found if note.symbol)),
        )
        for (kind, text), found in grouped.items()
    ]


def _first_place(notes: Sequence[DataNote]) -> str:
    """Say where the first rows of some notes stand."""
    first = notes[0]
    if first.kind not in (INVALID_SKIPPED, REWRITTEN, UNSORTED):
        return ""
    files = len({note.source for note in notes})
    more = f", and in {files - 1} more" if files > 1 else ""
    return f": the first is row {first.first_row} of {first.source}{more}"
