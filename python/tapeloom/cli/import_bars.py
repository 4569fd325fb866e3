"""``tapeloom import``: bars of other tools into a folder of bars."""

from __future__ import annotations

import json
import sys
from collections import Counter
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tapeloom.cli.import_words import as_options, command
from tapeloom.cli.outcome import DATA, PROBLEMS, USAGE, reported
from tapeloom.errors import ArgumentError, MissingDataError, TapeloomError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from tapeloom.importing import FileReport, Finding, ImportProgress, ImportReport

__all__ = ["import_bars"]

# Findings of one kind, and errors, that are shown before the rest is counted.
SHOWN = 10
# What a command that goes on does without.
NOT_REPEATED = ("source", "auto", "dry_run", "again", "as_json", "quiet", "debug")


def import_bars(
    ctx: typer.Context,
    source: Annotated[
        list[str],
        typer.Argument(
            metavar="FILE...", help="Files, folders or patterns: CSV, TSV, Parquet."
        ),
    ],
    data: Annotated[
        Path, typer.Option(metavar="DIR", help="Folder to write to.")
    ] = Path("data"),
    auto: Annotated[
        bool, typer.Option("--auto", help="Apply the reading that fits best.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Examine and write nothing.")
    ] = False,
    symbol: Annotated[
        str | None, typer.Option(metavar="S", help="Whose bars these are.")
    ] = None,
    interval: Annotated[
        str | None, typer.Option(metavar="I", help="Length of the bars, such as 1m.")
    ] = None,
    zone: Annotated[
        str | None, typer.Option(metavar="ZONE", help="Zone of times without one.")
    ] = None,
    label: Annotated[
        str | None, typer.Option(metavar="start|end", help="What a time names.")
    ] = None,
    exchange_group: Annotated[
        str, typer.Option(metavar="GROUP", help="Whose calendar holds.")
    ] = "US_EQUITY",
    column: Annotated[
        list[str] | None,
        typer.Option(
            metavar="OURS=THEIRS", help="A column by its name, such as ts=Zeit."
        ),
    ] = None,
    columns: Annotated[
        str | None,
        typer.Option(
            metavar="NAME,NAME...",
            help="Of files without a header: all columns in order, ours by our names, such as ts,open,high,low,close,volume.",
        ),
    ] = None,
    on_duplicate: Annotated[
        str | None,
        typer.Option(metavar="replace|ignore", help="Which of two bars to keep."),
    ] = None,
    shift: Annotated[
        str | None, typer.Option(metavar="TIME", help="Added to times, such as -4h.")
    ] = None,
    time_unit: Annotated[
        str | None, typer.Option(metavar="s|ms|us|ns", help="Unit of integer times.")
    ] = None,
    time_format: Annotated[
        str | None,
        typer.Option(metavar="FORM", help="Form of times, such as '%d/%m/%Y %H:%M'."),
    ] = None,
    ambiguous: Annotated[
        str | None,
        typer.Option(metavar="first|second|infer", help="Of an hour that comes twice."),
    ] = None,
    price_scale: Annotated[
        float | None, typer.Option(metavar="N", help="Prices are divided by it.")
    ] = None,
    members: Annotated[
        str | None, typer.Option(metavar="PATTERN", help="Members of an archive.")
    ] = None,
    again: Annotated[
        bool, typer.Option("--again", help="Import files again that are imported.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON document.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Show errors only.")] = False,
    debug: Annotated[
        bool, typer.Option("--debug", help="Show the traceback of an error.")
    ] = False,
) -> None:
    """Import bars of other tools.

    Examines them against the calendar, and stops where it would have to guess. Exits with 1 if a dry run finds
    something to look at.
    """
    with reported(debug=debug):
        from tapeloom.importing.source_files import files_of
        from tapeloom.storage import DataManager

        try:
            files = files_of(source)
        except MissingDataError as error:
            # A name that was mistyped, not data that are wrong.
            typer.echo(f"error: {error}", err=True)
            raise typer.Exit(USAGE) from None
        given = _given(ctx)
        with _in_words_of_options(given), _progress(quiet=quiet) as progress:
            manager = DataManager(data, exchange_group=exchange_group)
            report = manager.import_bars(
                [str(path) for path in files],
                symbol=symbol,
                interval=interval,
                zone=zone,
                label=label,
                columns=_columns(column, columns),
                on_duplicate=on_duplicate,
                auto=auto,
                shift=shift,
                time_unit=time_unit,
                time_format=time_format,
                ambiguous=ambiguous,
                price_scale=price_scale,
                members=members,
                dry_run=dry_run,
                resume=not again,
                progress=progress,
            )
        if as_json:
            typer.echo(json.dumps(report.to_dict(), indent=2))
        elif not quiet:
            _show(report, given, dry_run=dry_run)
        _leave(report, dry_run=dry_run)


def _given(ctx: typer.Context) -> list[tuple[str, str]]:
    """Return the options that say how and where to import, as they were given."""
    found = []
    for option in ctx.command.params:
        value = ctx.params.get(option.name or "")
        if option.name in NOT_REPEATED or value in (None, option.default, []):
            continue
        values = value if isinstance(value, list | tuple) else [value]
        found += [(option.opts[0], str(one)) for one in values]
    return found


def _columns(
    pairs: list[str] | None, names: str | None
) -> dict[str, str | None] | list[str] | None:
    if names is not None and pairs:
        text = "--columns names all columns of a file without a header, --column one of a file with a header; give one of them"
        raise ArgumentError(text, got=names)
    if names is not None:
        return [name.strip() for name in names.split(",")]
    if not pairs:
        return None
    found: dict[str, str | None] = {}
    for pair in pairs:
        ours, equals, theirs = pair.partition("=")
        if not equals:
            text = f"--column is {pair!r}; write OURS=THEIRS, such as ts=Zeit, or volume= if there is none"
            raise ArgumentError(text, got=pair)
        found[ours.strip()] = theirs.strip() or None
    return found


def _show(report: ImportReport, given: list[tuple[str, str]], *, dry_run: bool) -> None:
    """Print what was found, all of it for one file and what needs a look for several; then what came."""
    from tapeloom.report.console import print_all
    from tapeloom.report.import_tables import import_page

    told: Counter[str] = Counter()
    for file in report.files:
        lines = list(_lines(file, told, every_note=len(report.files) == 1))
        if lines:
            typer.echo(file.source)
        for line in lines:
            typer.echo(f"  {as_options(line)}")
    more = sum(max(0, count - SHOWN) for count in told.values())
    if more:
        typer.echo(f"and {more:,} more findings; --json shows all")
    print_all(import_page(report), sys.stdout)
    written = "; nothing is written, since this is a dry run" if dry_run else ""
    typer.echo(f"{str(report).splitlines()[0]}{written}")
    for line in _remedies(report.files, given):
        typer.echo(line)


def _lines(file: FileReport, told: Counter[str], *, every_note: bool) -> Iterator[str]:
    """Yield what is to be said of a file; of each kind of finding the first few of an import."""
    if file.error is not None and not _stops(file):
        told["error"] += 1
        if told["error"] <= SHOWN:
            yield str(file.error).removeprefix(f"{file.source}: ")
    for finding in file.findings:
        if not every_note and not finding.is_problem:
            continue
        told[finding.kind] += 1
        if told[finding.kind] <= SHOWN:
            yield (
                f"{finding.symbol}: {finding.text}" if finding.symbol else finding.text
            )


def _remedies(
    files: Sequence[FileReport], given: list[tuple[str, str]]
) -> Iterator[str]:
    """Yield a command for the files that stopped for what the data show; those of one remedy share it."""
    found: dict[tuple[tuple[str, object], ...], list[str]] = {}
    for file in files:
        stops = _stops(file)
        if stops and all(f.option for f in stops):
            remedy = dict.fromkeys((f.option, f.value) for f in stops)
            found.setdefault(tuple(remedy), []).append(file.source)
    for options, sources in found.items():
        if len(dict(options)) == len(options):
            yield f"try: {command(sources, given, dict(options))}"


def _stops(file: FileReport) -> list[Finding]:
    return [f for f in file.findings if f.outcome == "stops"]


def _leave(report: ImportReport, *, dry_run: bool) -> None:
    from tapeloom.importing import ImportMismatchError

    failed = [f.error for f in report.failed]
    if dry_run:
        failed = [e for e in failed if not isinstance(e, ImportMismatchError)]
    if failed:
        typer.echo(
            f"error: {len(failed)} of {len(report.files)} files failed", err=True
        )
        raise typer.Exit(DATA)
    if dry_run and not report.is_clean:
        raise typer.Exit(PROBLEMS)


@contextmanager
def _in_words_of_options(given: list[tuple[str, str]]) -> Iterator[None]:
    """Raise errors in the words of the command, with the command that goes on where the data show one."""
    from tapeloom.importing import FileReport, ImportMismatchError

    try:
        yield
    except TapeloomError as error:
        error.message = as_options(error.message)
        if isinstance(error, ImportMismatchError):
            source, findings = str(error.facts["path"]), error.facts["findings"]
            stopped = FileReport(source, "failed", findings=findings)  # type: ignore[arg-type]
            lines = _remedies([stopped], given)
            error.message = "\n".join([error.message, *lines])
        raise


@contextmanager
def _progress(*, quiet: bool) -> Iterator[Callable[[ImportProgress], None] | None]:
    """Show a bar on standard error if that is a terminal."""
    if quiet or not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    with Progress(
        BarColumn(bar_width=20),
        MofNCompleteColumn(),
        TextColumn("files"),
        TextColumn("read, {task.fields[bars]:,} bars written"),
        console=Console(stderr=True),
        transient=True,
    ) as line:
        task = line.add_task("import", total=None, bars=0)
        yield lambda at: line.update(
            task, total=at.total, completed=at.read, bars=at.bars
        )
