"""``tapeloom run``: a whole backtest over the user's own bars, at once or by the clock."""

from __future__ import annotations

import json
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tapeloom.cli.outcome import INTERRUPTED, PROBLEMS, reported

if TYPE_CHECKING:
    from tapeloom.calendars import TimeManager
    from tapeloom.config import SessionConfig
    from tapeloom.session.coordinator import SessionCoordinator
    from tapeloom.session.result import RunResult

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
        list[str] | None,
        typer.Option(
            metavar="FILE.py:Name",
            help="Your analysis: a function, an instance or a class; may be given again.",
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Folder for what each session leaves behind."),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on after the last session in --out.")
    ] = False,
    on_error: Annotated[
        str,
        typer.Option(
            metavar="WORD", help="What an analysis that raises does: stop or continue."
        ),
    ] = "stop",
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
    verbose: Annotated[
        bool, typer.Option("-v", "--verbose", help="Show the steps of each session.")
    ] = False,
    log_file: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write the steps of each session there."),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON document, and nothing else.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Show errors only.")] = False,
    debug: Annotated[
        bool, typer.Option("--debug", help="Show the traceback of an error.")
    ] = False,
) -> None:
    """Run a backtest over your own bars.

    Shows progress while it works, then sessions, throughput, quality and gaps. In a terminal, space pauses the run and q
    stops it.
    """
    with reported(debug=debug):
        from tapeloom.cli.analysis_file import load_analysis
        from tapeloom.cli.session_log import session_log
        from tapeloom.config import SessionConfig
        from tapeloom.errors import ArgumentError, ConfigError, did_you_mean
        from tapeloom.report import print_summary
        from tapeloom.session.analysis_engine import AnalysisEngine
        from tapeloom.session.system_manager import SystemManager

        if config.is_dir():
            near = did_you_mean("session.json", (p.name for p in config.glob("*.json")))
            text = f"config {str(config)!r} is a folder; name the JSON file of the session{near}"
            raise ConfigError(text, path=str(config))
        if not config.is_file():
            text = f"config file {str(config)!r} does not exist; 'tapeloom demo' writes one to start from"
            raise ConfigError(text, path=str(config))
        if resume and out is None:
            text = (
                "--resume goes on after the sessions in --out DIR, which is not given"
            )
            raise ArgumentError(text)
        analyses = [load_analysis(place) for place in analysis or ()]
        settings = SessionConfig.load(config)
        calendar = None if overlay is None else _corrected(settings, overlay)
        manager = SystemManager(data, time_manager=calendar, out=out, resume=resume)
        engine = AnalysisEngine(manager, on_error=on_error)  # type: ignore[arg-type]
        for found in analyses:
            engine.add(found)
        with session_log(verbose=verbose, file=log_file):
            made = manager.prepare(settings)
            is_interrupted = _play(made.coordinator, show=not (quiet or as_json))
        result = made.result()
        if as_json:
            typer.echo(json.dumps(result.to_dict(), indent=2))
        elif not quiet:
            print_summary(result, all_sessions=all_sessions)
        _leave(result, strict=strict, is_interrupted=is_interrupted)


def _play(coordinator: SessionCoordinator, *, show: bool) -> bool:
    """Play the window; return whether somebody interrupted it."""
    from tapeloom.cli.keys import Keys, can_read_keys
    from tapeloom.report import ProgressLine

    with ExitStack() as stack:
        if show:
            coordinator.progress = stack.enter_context(ProgressLine())
        if show and can_read_keys():
            stack.enter_context(Keys(coordinator))
        try:
            coordinator.run()
        except KeyboardInterrupt:
            return True
    return False


def _leave(result: RunResult, *, strict: bool, is_interrupted: bool) -> None:
    from tapeloom.report.tables import counted

    if is_interrupted:
        done = counted(len(result.sessions), "session")
        typer.echo(f"stopped after {done}", err=True)
        raise typer.Exit(INTERRUPTED)
    dropped = [w for w in result.warnings if w.kind == "symbol_dropped"]
    if strict and (result.missing or dropped):
        bars, gaps = counted(result.missing, "bar"), counted(result.gaps, "gap")
        text = f"problems: {bars} missing in {gaps}"
        if dropped:
            symbols = sum(len(w.symbols) for w in dropped)
            text += f", {counted(symbols, 'symbol')} dropped"
        typer.echo(f"{text} (--strict)", err=True)
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
