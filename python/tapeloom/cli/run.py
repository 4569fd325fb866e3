"""``tapeloom run``: a whole backtest over the user's own bars."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tapeloom.cli.outcome import PROBLEMS, reported

if TYPE_CHECKING:
    from tapeloom.calendars import TimeManager
    from tapeloom.config import SessionConfig

__all__ = ["run"]


def run(
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
    analysis: Annotated[
        str | None,
        typer.Option(
            metavar="FILE.py:Name",
            help="Your analysis: a function, an instance or a class.",
        ),
    ] = None,
    overlay: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Corrections of the calendar, a JSON file."),
    ] = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="Exit with 1 if bars are missing.")
    ] = False,
    all_sessions: Annotated[
        bool, typer.Option("--all-sessions", help="Show every session.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Show errors only.")] = False,
    debug: Annotated[
        bool, typer.Option("--debug", help="Show the traceback of an error.")
    ] = False,
) -> None:
    """Run a backtest over your own bars.

    Shows progress while it works, then sessions, throughput, quality and gaps.
    """
    with reported(debug=debug):
        import tapeloom
        from tapeloom.cli.analysis_file import load_analysis
        from tapeloom.config import SessionConfig
        from tapeloom.errors import ConfigError
        from tapeloom.report import ProgressLine, print_summary
        from tapeloom.report.tables import counted

        if not config.is_file():
            text = f"config file {str(config)!r} does not exist; 'tapeloom demo' writes one to start from"
            raise ConfigError(text, path=str(config))
        loaded = None if analysis is None else load_analysis(analysis)
        settings = SessionConfig.load(config)
        calendar = None if overlay is None else _corrected(settings, overlay)
        if quiet:
            result = tapeloom.run(
                settings, loaded, data=data, progress=False, time_manager=calendar
            )
        else:
            with ProgressLine() as progress:
                result = tapeloom.run(
                    settings,
                    loaded,
                    data=data,
                    progress=progress,
                    time_manager=calendar,
                )
            print_summary(result, all_sessions=all_sessions)
        if strict and result.missing:
            bars, gaps = counted(result.missing, "bar"), counted(result.gaps, "gap")
            typer.echo(f"problems: {bars} missing in {gaps} (--strict)", err=True)
            raise typer.Exit(PROBLEMS)


def _corrected(settings: SessionConfig, overlay: Path) -> TimeManager:
    from tapeloom.calendars import TimeManager
    from tapeloom.calendars.named_calendar import open_calendar

    market = open_calendar(settings.exchange_group, overlay=overlay).market
    if not len(market.overlay):
        typer.echo(
            f"warning: {overlay} corrects nothing of {market.table.calendar}", err=True
        )
    return TimeManager(settings.exchange_group, overlay=market.overlay)
