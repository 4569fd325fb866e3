"""``tapeloom plan``: what a run would stream, compute and load, without running it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from tapeloom.cli.outcome import reported

__all__ = ["plan"]


def plan(
    config: Annotated[
        Path, typer.Argument(metavar="CONFIG", help="The session config, a JSON file.")
    ],
    data: Annotated[
        str,
        typer.Option(
            metavar="DIR",
            help="Folder with the bars, or a pattern such as 'bars/*.parquet'.",
        ),
    ] = "data",
    one_by_one: Annotated[
        bool, typer.Option("--all", help="Show every symbol, also those of one plan.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON document.")
    ] = False,
    debug: Annotated[
        bool, typer.Option("--debug", help="Show the traceback of an error.")
    ] = False,
) -> None:
    """Show what a run would do: per symbol what is streamed, computed or left out and why, and the history to load.

    Symbols with the same plan are shown as one; JSON has every symbol.
    """
    with reported(debug=debug):
        from tapeloom.calendars import TimeManager
        from tapeloom.config import SessionConfig, StreamPlan
        from tapeloom.system.live_wiring import live_surroundings
        from tapeloom.system.wiring import data_manager_for

        settings = SessionConfig.load(config)
        if settings.mode == "live":
            found = live_surroundings(settings, data).plan(settings)
        else:
            manager = TimeManager(settings.exchange_group)
            source = data_manager_for(settings, data, manager)
            found = StreamPlan.build(settings, source, manager)
        if as_json:
            document = {"session_name": settings.session_name, **found.to_dict()}
            typer.echo(json.dumps(document, indent=2))
        else:
            typer.echo(found.to_text(one_by_one=one_by_one))
