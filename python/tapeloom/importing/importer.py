"""``import_bars``: reads sources, examines them against the calendar, and writes what nobody has to decide."""

from __future__ import annotations

import os
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TYPE_CHECKING

from tapeloom.calendars.session_table import get_session_table
from tapeloom.errors import TapeloomError
from tapeloom.importing.frames import is_frame, read_frames
from tapeloom.importing.job import Job
from tapeloom.importing.open_tables import open_tables
from tapeloom.importing.options import read_options
from tapeloom.importing.prepare import Market, Rules
from tapeloom.importing.records import digest_of
from tapeloom.importing.repeats import check_on_duplicate
from tapeloom.importing.source_files import files_of
from tapeloom.importing.source_read import SourceRead

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from datetime import timedelta, tzinfo
    from pathlib import Path

    from tapeloom._core import SessionTable
    from tapeloom.importing.report import ImportReport, Progress
    from tapeloom.importing.store import BarStore
    from tapeloom.intervals import IntervalLike

__all__ = ["import_bars"]

# Files read and examined ahead of the one that is written. Each may hold a day of a market.
READERS = 2
AHEAD = 4


def import_bars(
    source: object,
    *,
    into: BarStore,
    symbol: str | None = None,
    interval: IntervalLike | None = None,
    zone: str | tzinfo | None = None,
    label: str | None = None,
    columns: Mapping[str, str | None] | Sequence[str] | None = None,
    on_duplicate: str | None = None,
    auto: bool = False,
    shift: str | timedelta | None = None,
    time_unit: str | None = None,
    time_format: str | None = None,
    ambiguous: str | None = None,
    price_scale: float | None = None,
    members: str | None = None,
    allow_negative_prices: bool = False,
    dry_run: bool = False,
    resume: bool = True,
    progress: Progress | None = None,
    table: SessionTable | None = None,
) -> ImportReport:
    """Import bars of other tools.

    Parameters
    ----------
    source
        A file, a folder, a glob pattern or a list of them: CSV and TSV with any delimiter, Parquet, packed as ``.gz``,
        ``.zst`` or ``.zip``. Or a frame of pandas or polars, an Arrow table, a dict of arrays or of frames by symbol.
    into
        The store to write to.
    symbol
        Whose bars these are; of data with several symbols the one to import.
    interval
        Length of the bars; told from their spacing if not given.
    zone
        Zone of times without one; by default that of the exchange. Times that claim to be UTC are read as wall time of
        this zone, if it is given.
    label
        ``"start"`` or ``"end"`` of each bar.
    columns
        Our names ``ts`` (or ``date`` and ``time``) ``open high low close volume symbol`` to those of the data, as far as
        they are not recognised; ``{"volume": None}`` where there is none. Of files without a header: all names in order.
    on_duplicate
        Which of two bars of one start with different values to keep: ``"replace"`` the last, ``"ignore"`` the first,
        where stored ones come first. By default they stop the import.
    auto
        Apply the reading that fits best where a file does not fit as it is.
    shift
        Added to all times, such as ``"-4h"``.
    time_unit
        Of integers: ``"s"``, ``"ms"``, ``"us"`` or ``"ns"``.
    time_format
        Form of the times in the terms of ``strptime``.
    ambiguous
        ``"first"``, ``"second"`` or ``"infer"``: which pass of an hour that comes twice a wall time means.
    price_scale
        What stored prices are divided by, such as 10,000.
    members
        Glob pattern of the members of an archive to read.
    allow_negative_prices
        Whether prices may be zero or below.
    dry_run
        Examine, and write nothing.
    resume
        Leave files alone that an earlier import of the same content with the same options has finished.
    progress
        Called after each file that is read, and after each batch of them that is written.
    table
        Sessions to compare with; those of the store's exchange group if not given.

    Returns
    -------
    ImportReport
        Per file what was read, found and written. Of several files one that fails does not stop the others; its error is
        in the report.

    Raises
    ------
    ImportMismatchError
        If a single source needs a decision: the text holds evidence and remedy. Nothing of it is written.
    CorruptFileError, StorageError, ArgumentError
        If a single source cannot be read.
    MissingDataError
        If there is no such file.
    """
    check_on_duplicate(on_duplicate)
    options = read_options(
        symbol=symbol,
        interval=interval,
        zone=zone,
        label=label,
        columns=columns,
        shift=shift,
        time_unit=time_unit,
        time_format=time_format,
        ambiguous=ambiguous,
        price_scale=price_scale,
        members=members,
    )
    sessions = get_session_table(into.exchange_group) if table is None else table
    job = Job(
        into,
        options,
        Market(sessions, equities=into.exchange_group.upper().endswith("EQUITY")),
        Rules(on_duplicate, allow_negative_prices),
        auto=auto,
        dry_run=dry_run,
    )
    if is_frame(source):
        read = job.read("data", lambda _: read_frames(source, options))
        return job.run([read], 1, None)

    def read_file(path: Path) -> SourceRead:
        try:
            digest = digest_of(path)
        except TapeloomError as error:
            return SourceRead(str(path), error=error)
        known = job.finished(str(path), digest) if resume else None
        return known or job.read(
            str(path),
            lambda findings: open_tables(path, options, findings),
            digest=digest,
        )

    files = _without_own(files_of(source), into.local_root)
    return job.run(_read_ahead(files, read_file), len(files), progress)


def _without_own(files: list[Path], root: Path | None) -> list[Path]:
    """Leave out what lies in the store itself, as below the working directory; unless nothing else is meant."""
    if root is None:
        return files
    # Links stay: what they point to may lie anywhere.
    own = os.path.abspath(root / "bars") + os.sep  # noqa: PTH100, it must not follow links
    others = [f for f in files if not os.path.abspath(f).startswith(own)]  # noqa: PTH100
    return others or files


def _read_ahead(
    files: list[Path], read: Callable[[Path], SourceRead]
) -> Iterator[SourceRead]:
    """Yield files as they are read, in order; reading is some files ahead of writing."""
    if len(files) == 1:
        yield read(files[0])
        return
    waiting = iter(files)
    with ThreadPoolExecutor(READERS, "tapeloom-import") as pool:
        ahead: list[Future[SourceRead]] = []
        try:
            while True:
                more = islice(waiting, AHEAD - len(ahead))
                ahead += [pool.submit(read, path) for path in more]
                if not ahead:
                    return
                yield ahead.pop(0).result()
        finally:
            for future in ahead:
                future.cancel()
