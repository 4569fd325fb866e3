"""``tapeloom journal``: what a journal holds, what is left of a damaged one, and its bars as stored bars."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from tapeloom.cli.outcome import PROBLEMS, reported
from tapeloom.words import counted

__all__ = ["journal"]

journal = typer.Typer(
    help="Check the journal of a live session, save what is left of it, export its bars.",
    no_args_is_help=True,
)

File = Annotated[
    Path, typer.Argument(metavar="JOURNAL", help="The first file of the journal.")
]
AsJson = Annotated[
    bool, typer.Option("--json", help="Print one JSON document, and nothing else.")
]
NetworkFs = Annotated[
    bool,
    typer.Option("--allow-network-fs", help="Accept a file on a network file system."),
]
Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]


@journal.command()
def verify(
    path: File,
    allow_network_fs: NetworkFs = False,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Check every record; exit with 3 if one is damaged or missing. Nothing is changed."""
    with reported(debug=debug):
        from tapeloom.live import recovery

        report = recovery.verify(path, allow_network_fs=allow_network_fs)
        said: dict[str, Any] = {
            "files": [str(one) for one in report.paths],
            "records": report.records,
            "bars": report.bars,
            "commits": report.commits,
            "last_seq": report.last_seq,
            "witnessed_seq": report.witnessed_seq,
            "is_witness_damaged": report.is_witness_damaged,
            "holes": [{"records": n, "cause": why} for n, why in report.holes],
            "chain": report.chain,
        }
        text = f"{path}: whole: {counted(report.records, 'record')}, {counted(report.bars, 'bar')} in {counted(report.commits, 'commit')}"
        text += (
            f", witnessed to record {report.witnessed_seq:,}; chain {report.chain[:16]}"
        )
        _say(said, text, as_json=as_json)
        for count, why in report.holes:
            typer.echo(f"hole: {counted(count, 'record')} lost: {why}", err=True)


@journal.command()
def salvage(
    path: File,
    into: Annotated[
        Path, typer.Option("--out", metavar="FILE", help="The new journal.")
    ],
    allow_network_fs: NetworkFs = False,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Copy what can be read into a new journal; exit with 1 if something was lost."""
    with reported(debug=debug):
        from tapeloom.live import journal_export

        report = journal_export.salvage(path, into, allow_network_fs=allow_network_fs)
        lost = [
            {"first_seq": first, "last_seq": last, "cause": why}
            for first, last, why in report.lost
        ]
        said = {"file": str(report.path), "records": report.records, "lost": lost}
        text = f"{report.path}: {counted(report.records, 'record')} kept, {counted(len(lost), 'part')} lost"
        _say(said, text, as_json=as_json)
        for first, last, why in report.lost:
            typer.echo(f"lost: records {first:,} to {last:,}: {why}", err=True)
        if lost:
            raise typer.Exit(PROBLEMS)


@journal.command()
def export(
    path: File,
    data: Annotated[
        Path, typer.Option("--data", metavar="DIR", help="Folder of the stored bars.")
    ],
    remove: Annotated[
        bool,
        typer.Option(
            "--remove", help="Remove the journal once the bars were read back."
        ),
    ] = False,
    on_duplicate: Annotated[
        str,
        typer.Option(
            metavar="RULE",
            help="For bars that are stored: replace, ignore or error.",
        ),
    ] = "replace",
    allow_network_fs: NetworkFs = False,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Write the bars of the journal into stored bars, and read them back."""
    with reported(debug=debug):
        from tapeloom.live import journal_export

        report = journal_export.export(
            path,
            data,
            remove=remove,
            on_duplicate=on_duplicate,
            allow_network_fs=allow_network_fs,
        )
        said = {
            "files": [str(one) for one in report.files],
            "symbols": report.symbols,
            "bars": report.bars,
            "is_removed": report.is_removed,
        }
        text = f"{data}: {counted(report.bars, 'bar')} of {counted(report.symbols, 'symbol')} written and read back"
        text += "; the journal was removed" if report.is_removed else ""
        _say(said, text, as_json=as_json)


def _say(said: dict[str, Any], text: str, *, as_json: bool) -> None:
    typer.echo(json.dumps(said, indent=2) if as_json else text)
