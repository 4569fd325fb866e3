"""The subcommands and the options that stand before them."""

from __future__ import annotations

from typing import Annotated

import typer

from tapeloom.cli.calendar import calendar
from tapeloom.cli.check import check
from tapeloom.cli.demo import demo
from tapeloom.cli.doctor import doctor
from tapeloom.cli.gaps import gaps
from tapeloom.cli.import_bars import import_bars
from tapeloom.cli.journal import journal
from tapeloom.cli.plan import plan
from tapeloom.cli.run import run
from tapeloom.cli.schema import schema
from tapeloom.cli.serve_feed import serve_feed
from tapeloom.cli.validate import validate

__all__ = ["app"]

app = typer.Typer(
    help="The data side of a trading session: bars of many symbols in one stream, in order, complete.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    # Plain text: an error is one sentence, in a terminal as in a log.
    rich_markup_mode=None,
)


def _show_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"tapeloom {version('tapeloom')}")
        raise typer.Exit


@app.callback()
def _options(
    _version: Annotated[
        bool,
        typer.Option(
            "--version",
            help="Show the version and leave.",
            callback=_show_version,
            is_eager=True,
        ),
    ] = False,
) -> None:
    pass


app.command()(run)
app.command()(demo)
app.command()(check)
app.command()(gaps)
app.command("import")(import_bars)
app.command()(plan)
app.command()(validate)
app.command()(schema)
app.command("serve-feed")(serve_feed)
app.command()(doctor)
app.add_typer(calendar, name="calendar")
app.add_typer(journal, name="journal")

system = typer.Typer(help="The same run by another name.", no_args_is_help=True)
system.command("start")(run)
app.add_typer(system, name="system")
