"""``tapeloom validate``: all errors of a config."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from tapeloom.cli.outcome import PROBLEMS, reported

if TYPE_CHECKING:
    from tapeloom.errors import ConfigError

__all__ = ["validate"]


def validate(
    config: Annotated[
        Path, typer.Argument(metavar="CONFIG", help="The session config, a JSON file.")
    ],
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON document.")
    ] = False,
    debug: Annotated[
        bool, typer.Option("--debug", help="Show the traceback of an error.")
    ] = False,
) -> None:
    """Check a config and show everything that is wrong with it, each with its path; exit with 1 then."""
    with reported(debug=debug):
        from tapeloom.config import SessionConfig
        from tapeloom.errors import ConfigError

        # A pipe will do: validate <(make-config).
        if config.is_dir() or not config.exists():
            state = "is a folder" if config.is_dir() else "does not exist"
            text = f"config file {str(config)!r} {state}; 'tapeloom demo' writes one to start from"
            raise ConfigError(text, path=str(config))
        error = None
        try:
            SessionConfig.load(config)
        except ConfigError as found:
            error = found
        if as_json:
            typer.echo(json.dumps(_document(config, error), indent=2))
        else:
            typer.echo(f"{config.name}: no errors" if error is None else str(error))
        if error is not None:
            raise typer.Exit(PROBLEMS)


def _document(config: Path, error: ConfigError | None) -> dict[str, object]:
    pairs = (
        [] if error is None else cast("list[tuple[str, str]]", error.facts["errors"])
    )
    return {
        "file": str(config),
        "valid": error is None,
        "errors": [{"path": path, "message": message} for path, message in pairs],
    }
