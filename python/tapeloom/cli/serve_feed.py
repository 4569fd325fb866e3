"""``tapeloom serve-feed``: recorded bars as the vendor would stream them, on this machine."""

from __future__ import annotations

import sys
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from tapeloom.cli.outcome import reported
from tapeloom.cli.session_log import session_log
from tapeloom.errors import ArgumentError

__all__ = ["serve_feed"]


def serve_feed(
    data: Annotated[
        str,
        typer.Argument(
            metavar="DIR",
            help="Folder with bars, one file, or a pattern such as 'bars/*.parquet'.",
        ),
    ],
    speed: Annotated[
        float,
        typer.Option(metavar="N", help="Seconds of the market that pass in one."),
    ] = 1.0,
    symbol: Annotated[
        list[str] | None,
        typer.Option(metavar="S", help="Only this symbol; may be given again."),
    ] = None,
    start: Annotated[
        str | None,
        typer.Option(
            metavar="TIME",
            help="Where market time begins, such as 2025-07-02T09:30; wall time of the exchange. Before it is history.",
        ),
    ] = None,
    interval: Annotated[
        str, typer.Option(metavar="I", help="Which bars, such as 1m.")
    ] = "1m",
    exchange_group: Annotated[
        str, typer.Option(metavar="NAME", help="Whose bars, such as US_EQUITY.")
    ] = "US_EQUITY",
    faults: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help='What is to go wrong, a JSON file: {"faults": [{"fault": "disconnect", "at": "...", "seconds": 300}]}.',
        ),
    ] = None,
    port: Annotated[
        int, typer.Option(metavar="P", help="Where to listen; 0 takes a free one.")
    ] = 8765,
    until_over: Annotated[
        bool,
        typer.Option("--until-over", help="End when the recording is over."),
    ] = False,
    verbose: Annotated[
        bool, typer.Option("-v", "--verbose", help="Show who connects and asks.")
    ] = False,
    debug: Annotated[
        bool, typer.Option("--debug", help="Show the traceback of an error.")
    ] = False,
) -> None:
    """Stream recorded bars to programs that speak Alpaca's protocol, and answer their requests for history.

    Market time begins to run when the first program subscribes. Any key and secret will do. Ctrl-C ends it. A live config is
    run on it by 'tapeloom run CONFIG --rehearse URL' with the address of the history.
    """
    with reported(debug=debug), session_log(verbose=verbose, file=None):
        from tapeloom.live import FeedServer
        from tapeloom.live.server import read_faults

        server = FeedServer(
            data,
            symbols=symbol,
            interval=interval,
            exchange_group=exchange_group,
            start=None if start is None else _time(start),
            speed=speed,
            faults=() if faults is None else read_faults(faults),
            port=port,
        )
        with server:
            typer.echo(f"{len(server.symbols)} symbols from {server.now.isoformat()}")
            typer.echo(f"stream   {server.stream_url}")
            typer.echo(f"history  {server.history_url}")
            typer.echo(f"faults   {server.control_url}")
            # Who reads it from a pipe waits for the addresses.
            sys.stdout.flush()
            # In slices: Ctrl-C is seen between them.
            while not server.wait(0.1) and not (until_over and server.is_over):
                pass
            typer.echo("the recording is over")


def _time(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        rule = f"start is {text!r}; write a time such as 2025-07-02T09:30"
        raise ArgumentError(rule, got=text) from None
