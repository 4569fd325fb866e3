"""``tapeloom run``: a whole backtest over the user's own bars, at once or by the clock; or a live run."""

from __future__ import annotations

import json
import os
import sys
from contextlib import ExitStack, nullcontext, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tapeloom.cli.analysis_file import load_analysis
from tapeloom.cli.keys import HINT, Keys, can_read_keys
from tapeloom.cli.outcome import INTERRUPTED, PROBLEMS, reported
from tapeloom.cli.run_live import (
    play_live,
    rehearsed,
    what_comes,
    what_goes_on,
    what_is_kept,
    what_is_rehearsed,
)
from tapeloom.words import counted

if TYPE_CHECKING:
    from tapeloom.calendars import TimeManager
    from tapeloom.config import SessionConfig
    from tapeloom.session.coordinator import SessionCoordinator
    from tapeloom.session.result import RunResult
    from tapeloom.system.live_wiring import LiveRun
    from tapeloom.system.wiring import Run

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
    rehearse: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="Rehearse a live config on a market that 'tapeloom serve-feed' plays, by its clock; such as http://127.0.0.1:8765.",
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
    report: Annotated[
        bool, typer.Option("--report", help="Show where the time went.")
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
    """Run a backtest over your own bars, or a live session.

    Shows progress while it works, then sessions, throughput, quality and gaps. In a terminal, space pauses the run and lets
    it go on; q and Ctrl-C stop it and show what was done. A live run shows how its symbols are doing, and cannot pause;
    after Ctrl-C the next run goes on where the journal ends.
    """
    with reported(debug=debug):
        from tapeloom.cli.session_log import session_log
        from tapeloom.config import SessionConfig
        from tapeloom.errors import ArgumentError
        from tapeloom.session.analysis_engine import AnalysisEngine
        from tapeloom.system.live_wiring import LiveRun
        from tapeloom.system.system_manager import SystemManager

        _require_file(config)
        if resume and out is None:
            text = (
                "--resume goes on after the sessions in --out DIR, which is not given"
            )
            raise ArgumentError(text)
        if out is not None:
            _require_folder(out)
        # What an analysis prints must not stand in the document.
        prints = redirect_stdout(sys.stderr) if as_json else nullcontext()
        with prints, session_log(verbose=verbose, file=log_file):
            # First of all: the user's file may register where data come from.
            analyses = [load_analysis(place) for place in analysis or ()]
            settings = SessionConfig.load(config)
            calendar = None if overlay is None else _corrected(settings, overlay)
            api = None
            if rehearse is not None:
                api = rehearsed(rehearse, settings, calendar)
            manager = SystemManager(
                data, time_manager=calendar, data_api=api, out=out, resume=resume
            )
            engine = AnalysisEngine(manager, on_error=on_error)  # type: ignore[arg-type]  # the engine refuses any other word
            for one in analyses:
                engine.add(one)
            made: Run | LiveRun
            if settings.mode == "live":
                made = live = manager.prepare_live(settings)
                if not quiet:
                    for line in (
                        None if api is None else what_is_rehearsed(live),
                        what_comes(live),
                        what_goes_on(live),
                    ):
                        if line is not None:
                            typer.echo(line, err=True)
                is_interrupted = play_live(manager, live, show=not quiet)
            else:
                made = backtest = manager.prepare(settings)
                is_interrupted = _play(backtest.coordinator, show=not quiet)
        result = made.result()
        if as_json:
            document = result.to_dict()
            if isinstance(made, LiveRun):
                document["health"] = manager.system_info()["health"]
            typer.echo(json.dumps(document, indent=2))
        elif not quiet:
            _show(result, all_sessions=all_sessions, report=report)
        if (result.stopped_early and not quiet) or is_interrupted:
            typer.echo(_stopped(made, result), err=True)
        if is_interrupted:
            raise typer.Exit(INTERRUPTED)
        if strict:
            _require_complete(result)


def _stopped(made: Run | LiveRun, result: RunResult) -> str:
    """Say where a run stopped, and what is kept of it."""
    from tapeloom.system.live_wiring import LiveRun

    if isinstance(made, LiveRun):
        return what_is_kept(made)
    at = made.time_manager.get_current_time()
    return f"stopped at {at:%Y-%m-%d %H:%M}, after {counted(len(result.sessions), 'session')}"


def _require_file(config: Path) -> None:
    """Raise ConfigError unless there is a config file; what is in it is read later."""
    from tapeloom.errors import ConfigError, did_you_mean

    if config.is_dir():
        near = did_you_mean("session.json", (p.name for p in config.glob("*.json")))
        text = f"config {str(config)!r} is a folder; name the JSON file of the session{near}"
        raise ConfigError(text, path=str(config))
    if not config.is_file():
        near = did_you_mean(config.name, (p.name for p in config.parent.glob("*.json")))
        near = near or "; 'tapeloom demo' writes one to start from"
        text = f"config file {str(config)!r} does not exist{near}"
        raise ConfigError(text, path=str(config))


def _require_folder(out: Path) -> None:
    """Raise ArgumentError if results cannot be written there: now, and not when the first session has ended."""
    from tapeloom.errors import ArgumentError

    there = next((p for p in (out, *out.parents) if p.exists()), out)
    if not there.is_dir():
        text = f"--out is {str(out)!r}; {str(there)!r} is a file, name a folder"
        raise ArgumentError(text, path=str(out))
    if not os.access(there, os.W_OK | os.X_OK):
        text = f"--out is {str(out)!r}; you may not write to {str(there)!r}, name another folder"
        raise ArgumentError(text, path=str(out))


def _play(coordinator: SessionCoordinator, *, show: bool) -> bool:
    """Play the window; return whether somebody interrupted it."""
    from tapeloom.report import ProgressLine

    has_keys = show and can_read_keys()
    with ExitStack() as stack:
        if show:
            line = ProgressLine(hint=HINT if has_keys else "")
            coordinator.progress = stack.enter_context(line)
        if has_keys:
            stack.enter_context(Keys(coordinator))
        try:
            coordinator.run()
        except KeyboardInterrupt:
            if not coordinator.is_finished:
                text = "the analysis did not return; it was left behind in the middle of a batch"
                print(text, file=sys.stderr)
            return True
    return False


def _show(result: RunResult, *, all_sessions: bool, report: bool) -> None:
    from tapeloom.report import print_summary

    print_summary(result, all_sessions=all_sessions)
    if report:
        typer.echo(f"\n{result.metrics.format_report('backtest')}")


def _require_complete(result: RunResult) -> None:
    """Leave with 1 where bars are missing or symbols were dropped."""
    dropped = [w for w in result.warnings if w.kind == "symbol_dropped"]
    if not (result.missing or dropped):
        return
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
    return TimeManager(
        settings.exchange_group, mode=settings.mode, overlay=market.overlay
    )
