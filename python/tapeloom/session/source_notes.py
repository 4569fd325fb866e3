"""What a source of bars had to say about its files, as warnings of the run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tapeloom.session.result import RunWarning

if TYPE_CHECKING:
    from collections.abc import Iterable

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
            text,
            sum(note.count for note in found),
            tuple(dict.fromkeys(note.symbol for note in found if note.symbol)),
        )
        for (kind, text), found in grouped.items()
    ]
