"""``tapeloom gaps``: the runs of missing bars as a list."""

from __future__ import annotations

import json
import sys
from contextlib import nullcontext
from typing import Annotated

import typer

from tapeloom.cli.outcome import PROBLEMS, reported
from tapeloom.cli.reading_options import (
    Ambiguous,
    Columns,
    Label,
    Members,
    PriceScale,
    Shift,
    TimeFormat,
    TimeUnit,
    Zone,
    asked_for,
    in_words_of_options,
    named_for,
    reading,
)

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
        typer.Option(
            metavar="S",
            help="Only this symbol; may be given again. With one file: whose bars they are.",
        ),
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
    zone: Zone = None,
    label: Label = None,
    shift: Shift = None,
    column: Columns = None,
    time_unit: TimeUnit = None,
    time_format: TimeFormat = None,
    ambiguous: Ambiguous = None,
    price_scale: PriceScale = None,
    members: Members = None,
    every: Annotated[bool, typer.Option("--all", help="Show every gap.")] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON document, and nothing else.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Show errors only.")] = False,
    debug: Annotated[
        bool, typer.Option("--debug", help="Show the traceback of an error.")
    ] = False,
) -> None:
    """List the gaps in bars with their causes; exit with 1 if there are any."""
    with reported(debug=debug):
        from tapeloom import standalone
        from tapeloom.cli.date_range import date_range
        from tapeloom.report.check_progress import CheckLine

        with (
            in_words_of_options(),
            nullcontext() if quiet else CheckLine() as progress,
        ):
            found = standalone.gaps(
                data,
                symbol=named_for(data, symbol),
                symbols=asked_for(symbol),
                interval=interval,
                start=None if start is None else date_range(start).start,
                end=None if end is None else date_range(end).end,
                exchange_group=exchange_group,
                reading=reading(
                    column,
                    zone=zone,
                    label=label,
                    shift=shift,
                    time_unit=time_unit,
                    time_format=time_format,
                    ambiguous=ambiguous,
                    price_scale=price_scale,
                    members=members,
                ),
                progress=progress,
            )
        if as_json:
            from tapeloom.report.check_tables import gaps_dict

            typer.echo(json.dumps(gaps_dict(found), indent=2))
        elif not quiet:
            from tapeloom.report.check_tables import gaps_page
            from tapeloom.report.console import print_all

            print_all(gaps_page(found, every=every), sys.stdout)
        if found:
            raise typer.Exit(PROBLEMS)
