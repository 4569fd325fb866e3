"""``tapeloom gaps``: the runs of missing bars as a list."""

from __future__ import annotations

import json
import sys
from typing import Annotated

import typer

from tapeloom.cli.outcome import PROBLEMS, reported

__all__ = ["gaps"]


def gaps(
    data: Annotated[
        str,
        typer.Argument(
            metavar="DIR",
            help="Folder with bars, one file, or a pattern such as 'bars/*.parquet'.",
        ),
    ],
    symbol: Annotated[
        list[str] | None,
        typer.Option(metavar="S", help="Only this symbol; may be given again."),
    ] = None,
    start: Annotated[
        str | None,
        typer.Option(metavar="DATE", help="First date: YYYY-MM-DD, YYYY-MM or YYYY."),
    ] = None,
    end: Annotated[
        str | None, typer.Option(metavar="DATE", help="Last date, month or year.")
    ] = None,
    exchange_group: Annotated[
        str, typer.Option(metavar="NAME", help="Whose sessions, such as US_EQUITY.")
    ] = "US_EQUITY",
    interval: Annotated[
        str | None, typer.Option(metavar="I", help="Only this interval, such as 1m.")
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="Show every gap.")] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON document, and nothing else.")
    ] = False,
    debug: Annotated[
        bool, typer.Option("--debug", help="Show the traceback of an error.")
    ] = False,
) -> None:
    """List the gaps in bars with their causes; exit with 1 if there are any."""
    with reported(debug=debug):
        from tapeloom import standalone
        from tapeloom.cli.date_range import date_range

        found = standalone.gaps(
            data,
            symbols=symbol or None,
            interval=interval,
            start=None if start is None else date_range(start).start,
            end=None if end is None else date_range(end).end,
            exchange_group=exchange_group,
        )
        if as_json:
            from tapeloom.report.check_tables import gaps_dict

            typer.echo(json.dumps(gaps_dict(found), indent=2))
        else:
            from tapeloom.report.check_tables import gaps_page
            from tapeloom.report.console import print_all

            print_all(gaps_page(found, every=every), sys.stdout)
        if found:
            raise typer.Exit(PROBLEMS)
