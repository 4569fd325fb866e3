"""The error of an import that would have to guess, made from what was found."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tapeloom.errors import ImportMismatchError

if TYPE_CHECKING:
    from tapeloom.importing.findings import Findings

__all__ = ["ImportMismatchError", "mismatch_of"]


def mismatch_of(source: str, findings: Findings) -> ImportMismatchError | None:
    """Return the error for findings that need a decision, ``None`` if there is none."""
    stops = findings.stops
    if not stops:
        return None
    lines = [f"{f.symbol}: {f.text}" if f.symbol else f.text for f in stops]
    lines = list(dict.fromkeys(lines))
    detail = lines[0] if len(lines) == 1 else "\n  ".join(["", *lines])
    return ImportMismatchError(
        f"{source}: {detail}" if len(lines) == 1 else f"{source}:{detail}",
        path=source,
        findings=tuple(stops),
    )
