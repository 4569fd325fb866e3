"""Opens a file as foreign tables: picks its members, and the reader for each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tapeloom.importing.delimited import read_delimited
from tapeloom.importing.findings import Proposal
from tapeloom.importing.parquet_tables import MAGIC, read_parquet
from tapeloom.importing.path_hints import path_hints
from tapeloom.importing.source_files import KINDS, PACKED, kind_of
from tapeloom.importing.unpack import members_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tapeloom.importing.findings import Findings
    from tapeloom.importing.options import ReadOptions
    from tapeloom.importing.tables import ForeignTable
    from tapeloom.importing.unpack import Member

__all__ = ["open_tables"]


def open_tables(
    path: Path, options: ReadOptions, findings: Findings
) -> Iterator[ForeignTable]:
    """Yield the tables of a file, one after the other; each member of an archive is unpacked when it is its turn.

    Raises
    ------
    CorruptFileError
        If the file is damaged or would expand beyond the limits.
    StorageError
        If it cannot be read, or holds no table.
    ArgumentError
        If its columns are not known.
    """
    members = members_of(path, pattern=options.members)
    for member in _chosen(path, members, options, findings):
        buffer = member.open()
        hints = path_hints(member.path)
        is_parquet = buffer.size >= 4 and buffer.slice(0, 4).to_pybytes() == MAGIC
        read = (
            read_parquet
            if is_parquet or kind_of(member.path) == "parquet"
            else read_delimited
        )
        yield from read(buffer, member.name, hints, options)


def _chosen(
    path: Path, members: list[Member], options: ReadOptions, findings: Findings
) -> list[Member]:
    """Return the members to read: those that are tables, and, of an archive of one date, those of that date."""
    tables = [m for m in members if m.path.lower().endswith((*KINDS, *PACKED[:2]))]
    if len(members) == 1:
        return members
    others = [m for m in members if m not in tables]
    if others:
        names = ", ".join(m.name.rpartition(": ")[2] for m in others[:5])
        findings.add("not_bars", f"members not read: {names}", count=len(others))
    day = path_hints(str(path)).day
    if day is None or options.members is not None:
        return tables
    dated = [(m, path_hints(m.path).day) for m in tables]
    foreign = [m for m, of in dated if of is not None and of != day]
    if not foreign or len(foreign) == len(tables):
        return tables
    names = ", ".join(m.name.rpartition(": ")[2] for m in foreign)
    proposal = Proposal(
        "member",
        f"the archive is named by the date {day}, and {len(foreign)} of its {len(tables)} members are of another one "
        f"({names}); only those of its own date are read",
        option="members",
        value=f"*{day:%Y%m%d}*",
        count=len(foreign),
    )
    return (
        [m for m in tables if m not in foreign]
        if findings.propose(proposal)
        else tables
    )
