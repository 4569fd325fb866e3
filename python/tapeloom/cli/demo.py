"""``tapeloom demo``: writes the made-up market, runs it or rehearses a live day of it, and says what to try next."""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tapeloom.cli.demo_live import rehearse_live
from tapeloom.cli.outcome import PROBLEMS, reported
from tapeloom.cli.program import program

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tapeloom.demo import DemoFolder
    from tapeloom.demo.planted import Finding
    from tapeloom.session.result import RunResult

__all__ = ["demo"]


def demo(
    out: Annotated[
        Path, typer.Option(metavar="DIR", help="Folder to write to.")
    ] = Path("tapeloom-demo"),
    live: Annotated[
        bool,
        typer.Option(
            "--live",
            help="Rehearse a live day: a broken stream, a killed process. Takes a minute.",
        ),
    ] = False,
    speed: Annotated[
        float | None,
        typer.Option(
            metavar="N", help="How many times as fast --live is, 300 if not given."
        ),
    ] = None,
    as_json: Annotated[
        bool,
        typer.Option(
            "--json", help="With --live: print one JSON document, and nothing else."
        ),
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Show errors only.")] = False,
    debug: Annotated[
        bool, typer.Option("--debug", help="Show the traceback of an error.")
    ] = False,
) -> None:
    """Run a backtest over a made-up market, or rehearse a live day of it.

    Writes the market, the same each time, with a config and an analysis beside it. With --live one of its days is streamed
    by a local server to a session in another process; nothing leaves this machine, and no keys are needed.
    """
    with reported(debug=debug):
        from tapeloom.demo import write_demo
        from tapeloom.errors import ArgumentError

        if not live and (speed is not None or as_json):
            raise ArgumentError(
                "--speed and --json belong to --live, which is not given"
            )
        if live:
            rehearse_live(out, speed, as_json=as_json, quiet=quiet)
            return
        made = write_demo(out)
        if not quiet:
            typer.echo(
                f"wrote {made.bars:,} made-up minute bars of {len(made.planted.missing)} symbols "
                f"({made.files} Parquet files) into {made.root}{os.sep}\n"
            )
        _backtest(made, quiet=quiet)


def _backtest(made: DemoFolder, *, quiet: bool) -> None:
    import tapeloom
    from tapeloom.cli.analysis_file import load_analysis
    from tapeloom.demo import ANALYSIS_NAME, compare

    analysis = load_analysis(f"{made.analysis}:{ANALYSIS_NAME}")
    result = tapeloom.run(
        made.config,
        analysis,
        data=str(made.data),
        progress=False if quiet else None,
    )
    findings = compare(made.planted, result)
    different = [finding for finding in findings if not finding.matches]
    if not quiet:
        _show(made, result, findings)
    elif different:
        _show_findings(different, err=True)
    if different:
        raise typer.Exit(PROBLEMS)


def _show(made: DemoFolder, result: RunResult, findings: Sequence[Finding]) -> None:
    from tapeloom.report import print_summary

    print_summary(result)
    _show_records(result)
    typer.echo("\nplanted -> found")
    _show_findings(findings)
    typer.echo(
        f"\nThe same run on these files, to change and try again:\n\n  {_next_command(made)}"
    )


def _show_findings(findings: Sequence[Finding], *, err: bool = False) -> None:
    for finding in findings:
        verdict = "as planted" if finding.matches else "DIFFERENT"
        typer.echo(f"  {finding.planted} -> {finding.found}: {verdict}", err=err)


def _show_records(result: RunResult) -> None:
    records = result.records
    typer.echo(
        f"\n{result.analysis_name} recorded {len(records):,} rows, the last three:"
    )
    for number in range(max(0, len(records) - 3), len(records)):
        row = dict(records[number])
        time, symbol = row.pop("time"), row.pop("symbol")
        values = "  ".join(f"{name} {value}" for name, value in row.items())
        typer.echo(f"  {time:%Y-%m-%d %H:%M}  {symbol}  {values}")


def _next_command(made: DemoFolder) -> str:
    from tapeloom.demo import ANALYSIS_NAME

    words = [
        "run",
        str(made.config),
        "--data",
        str(made.data),
        "--analysis",
        f"{made.analysis}:{ANALYSIS_NAME}",
    ]
    return shlex.join([*program(), *words])
