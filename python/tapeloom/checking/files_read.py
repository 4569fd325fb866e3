"""What reading files of other tools left out or had to assume, as findings of a check."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tapeloom.checking.rows import Finding

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from tapeloom.importing.mount import Mounted

__all__ = ["findings_of_files"]

# What a check says itself, of all bars of a series and not of one file.
_SAID_ANYWAY = ("other_fit", "closing_print")
# A row without its fields or time, a date without a session; prices and times that are not what they say.
_PROBLEMS = ("left_out", "applied")


def findings_of_files(
    mounts: Iterable[Mounted], symbols: Collection[str]
) -> Iterator[Finding]:
    """Yield what was found in the files that hold bars of some symbols, or no bar at all."""
    for mounted in mounts:
        held = mounted.symbols_in()
        for found in mounted.findings:
            names = {found.symbol} if found.symbol else held.get(found.source, set())
            if found.kind in _SAID_ANYWAY or (names and names.isdisjoint(symbols)):
                continue
            text = found.text.replace("; applied", "; read so here")
            yield Finding(
                symbol=next(iter(names)) if len(names) == 1 else "",
                interval="",
                kind=found.kind,
                is_problem=found.outcome in _PROBLEMS,
                count=max(found.count, 1),
                text=f"{_named(found.source)}: {text}",
            )


def _named(source: str) -> str:
    """The name of a file as it can be printed: a terminal takes some characters for commands."""
    name = Path(source).name
    return name if name.isprintable() else repr(name)
