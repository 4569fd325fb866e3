"""``tapeloom schema``: the JSON Schema of a config, for editors."""

from __future__ import annotations

import typer

__all__ = ["schema"]


def schema() -> None:
    """Print the JSON Schema of a config; editors that know it complete keys and mark mistakes."""
    from tapeloom.config import packaged_schema

    typer.echo(packaged_schema(), nl=False)
