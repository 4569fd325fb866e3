"""What ``tapeloom demo --live`` shows: the story as it happens, and the state hashes side by side."""

from __future__ import annotations

import json
import shlex
import sys
from contextlib import ExitStack
from typing import TYPE_CHECKING

import typer

from tapeloom.cli.outcome import DATA
from tapeloom.cli.program import program

if TYPE_CHECKING:
    from pathlib import Path

    from tapeloom.demo.rehearsal_plan import Outcome

__all__ = ["rehearse_live"]

_WHAT = {
    "live": "the session at the close, after all of that",
    "recovered": "its journal, read again",
    "replayed": "the journal's bars as a backtest",
    "undisturbed": "the market's bars as a backtest",
}


def rehearse_live(
    out: Path,
    speed: float | None,
    *,
    as_json: bool,
    quiet: bool,
) -> None:
    """Rehearse, show it, and leave with 3 if the hashes differ."""
    from tapeloom.calendars.exchange_group import resolve_exchange_group
    from tapeloom.demo import write_demo
    from tapeloom.demo.rehearsal import rehearse
    from tapeloom.demo.rehearsal_plan import Plan
    from tapeloom.report import LiveView

    plan = Plan() if speed is None else Plan(speed=speed)
    file = sys.stderr if as_json else sys.stdout

    def tell(line: str) -> None:
        if not quiet:
            # Not typer's echo, which writes past the live lines into the middle of them.
            print(line, file=file, flush=True)

    with ExitStack() as stack:
        view = None
        # In a log the story says it all.
        if not quiet and sys.stderr.isatty():
            zone = resolve_exchange_group("US_EQUITY").zone
            view = stack.enter_context(LiveView(zone))
        outcome = rehearse(write_demo(out), plan, tell=tell, show=view)
    if as_json:
        typer.echo(json.dumps(outcome.to_dict(), indent=2))
    elif not quiet:
        _show(outcome)
    if not outcome.is_same:
        typer.echo("error: the state hashes differ", err=True)
        raise typer.Exit(DATA)


def _show(outcome: Outcome) -> None:
    typer.echo(f"\nstate hashes of {outcome.day} at the close")
    for name, state_hash in outcome.hashes.items():
        typer.echo(f"  {name:<11}  {state_hash}")
    typer.echo()
    for name, what in _WHAT.items():
        typer.echo(f"  {name:<11}  {what}")
    if outcome.is_same:
        typer.echo("\nAll four are equal: nothing was lost, nothing came twice.")
    command = shlex.join([*program(), "journal", "verify", str(outcome.journal)])
    typer.echo(f"\nThe journal is still there:\n\n  {command}")
