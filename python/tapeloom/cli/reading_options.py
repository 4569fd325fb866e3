"""The options that say how files of other tools are read, and texts that name them as the command line does."""

from __future__ import annotations

import re
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tapeloom.bars import normalise_symbol
from tapeloom.errors import ArgumentError, SymbolError, TapeloomError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = [
    "Ambiguous",
    "Columns",
    "Label",
    "Members",
    "PriceScale",
    "Shift",
    "TimeFormat",
    "TimeUnit",
    "Zone",
    "asked_for",
    "in_words_of_options",
    "named_for",
    "reading",
]

Zone = Annotated[
    str | None, typer.Option(metavar="ZONE", help="Zone of times without one.")
]
Label = Annotated[
    str | None, typer.Option(metavar="start|end", help="What a time names.")
]
Shift = Annotated[
    str | None, typer.Option(metavar="TIME", help="Added to times, such as -4h.")
]
Columns = Annotated[
    list[str] | None,
    typer.Option(
        "--column",
        metavar="OURS=THEIRS",
        help="A column by its name, such as ts=Zeit; may be given again.",
    ),
]
TimeUnit = Annotated[
    str | None, typer.Option(metavar="s|ms|us|ns", help="Unit of integer times.")
]
TimeFormat = Annotated[
    str | None,
    typer.Option(metavar="FORM", help="Form of times, such as '%d/%m/%Y %H:%M'."),
]
Ambiguous = Annotated[
    str | None,
    typer.Option(metavar="first|second|infer", help="Of an hour that comes twice."),
]
PriceScale = Annotated[
    float | None, typer.Option(metavar="N", help="Prices are divided by it.")
]
Members = Annotated[
    str | None, typer.Option(metavar="PATTERN", help="Members of an archive.")
]

_NAMED = (
    "zone|label|shift|symbol|interval|time_unit|time_format|members|price_scale|ambiguous"
    "|exchange_group"
)


def reading(columns: list[str] | None, **given: Any) -> dict[str, Any] | None:
    """Return what was given as ``tapeloom.check`` takes it; ``None`` where nothing was."""
    found = {name: value for name, value in given.items() if value is not None}
    if columns:
        found["columns"] = dict(map(_pair, columns))
    return found or None


def asked_for(symbols: list[str] | None) -> list[str] | None:
    """Return the symbols asked for, ``None`` for all; what is no symbol is a fault of the request, not of the data."""
    try:
        return [normalise_symbol(name) for name in symbols or ()] or None
    except SymbolError as error:
        text = f"--symbol: {error}"
        raise ArgumentError(text) from error


def named_for(data: str, symbols: list[str] | None) -> str | None:
    """Return whose bars one file holds that does not say it: the one symbol asked for.

    In a folder each file has a name of its own, and a symbol only chooses among them.
    """
    is_one = symbols is not None and len(symbols) == 1 and Path(data).is_file()
    return symbols[0] if is_one and symbols else None


@contextmanager
def in_words_of_options() -> Iterator[None]:
    """Name ``--zone UTC`` in an error in place of ``zone='UTC'``."""
    try:
        yield
    except TapeloomError as error:
        error.message = _as_options(error.message)
        raise


def _pair(text: str) -> tuple[str, str | None]:
    ours, equals, theirs = text.partition("=")
    if not equals:
        text = f"--column is {text!r}; write OURS=THEIRS, such as ts=Zeit, or volume= if there is none"
        raise ArgumentError(text, got=text)
    return ours.strip(), theirs.strip() or None


def _as_options(text: str) -> str:
    def written(found: re.Match[str]) -> str:
        value = found[2] or found[3] or ""
        shown = f"'{value}'" if re.search(r"[\s*%]", value) else value
        return f"--{found[1].replace('_', '-')} {shown}".rstrip()

    text = re.sub(r"reading=\{'(\w+)': (\S+)\}", r"\1=\2", text)
    return re.sub(rf"(?<![/\w])({_NAMED})=(?:'([^']*)'|([\d.]+)|(?!\S))", written, text)
