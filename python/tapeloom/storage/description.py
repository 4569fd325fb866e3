"""What a file of ours says about itself in words, held against what it holds. The seal holds the bytes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tapeloom.storage.parquet_bytes import LARGEST, SMALLEST, corrupt, parsed_footer

if TYPE_CHECKING:
    from pathlib import Path

    import pyarrow as pa

    from tapeloom.storage.group_facts import GroupFacts
    from tapeloom.storage.parquet_bytes import OpenFile

__all__ = ["METADATA_KEY", "SEALED_SINCE", "is_rewritten", "read_description"]

# Where our own files keep what they were when they were written.
METADATA_KEY = b"tapeloom"
#: Version of our files from which on they are sealed.
SEALED_SINCE = 2


def read_description(path: Path, schema: pa.Schema) -> dict[str, Any]:
    """Return what a file of ours says about itself; nothing for one of others.

    Raises
    ------
    CorruptFileError
        If it cannot be read.
    """
    said = (schema.metadata or {}).get(METADATA_KEY)
    if said is None:
        return {}
    try:
        about = json.loads(said)
        int(about["rows"]), int(about["schema_version"])
    except (ValueError, KeyError, TypeError) as error:
        raise corrupt(path, "its own description cannot be read") from error
    return dict(about)


def is_rewritten(
    opened: OpenFile, about: dict[str, Any], rows: int, facts: GroupFacts
) -> bool:
    """Whether a file without a seal had one: another tool has read it and written it again, the description included.

    Such a file leaves no place for a seal: its footer begins where its columns end.

    Parameters
    ----------
    opened
        A file without a seal.
    about
        What it says about itself.
    rows, facts
        What it holds.

    Raises
    ------
    CorruptFileError
        If it does not hold what it was written with, or there is a place where a seal was.
    """
    if not about:
        return False
    if about["rows"] != rows:
        text = f"it was written with {about['rows']} rows and holds {rows}"
        raise corrupt(opened.path, text, expected=about["rows"], got=rows)
    if about["schema_version"] < SEALED_SINCE:
        return False
    groups = parsed_footer(opened.path, opened.tail, opened.size).groups
    # Chunks without a row lie nowhere.
    ends = [c.end for group in groups if group.rows for c in group.chunks.values()]
    if opened.size - len(opened.tail) != max(ends, default=4):
        raise corrupt(opened.path, "its seal is missing")
    _check_span(opened.path, about, facts)
    return True


def _check_span(path: Path, about: dict[str, Any], facts: GroupFacts) -> None:
    first = int(facts.first.min(initial=LARGEST))
    last = int(facts.last.max(initial=SMALLEST))
    if SMALLEST in (first, last) or LARGEST in (first, last):
        # A file need not say it.
        return
    written = about.get("first_ts"), about.get("last_ts")
    if written != (first, last):
        text = f"it was written with bars from {written[0]} to {written[1]} and holds {first} to {last}"
        raise corrupt(path, text, expected=written, got=(first, last))
