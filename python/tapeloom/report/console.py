"""Where reports are written: a terminal in its width, or plain text for everything else. Knows no report."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import TextIO

    from rich.console import Console, RenderableType

__all__ = ["console_for", "print_all"]

WIDTH = 100


def console_for(file: TextIO) -> Console:
    """Return a console: at most 100 columns wide, without colours on anything but a terminal."""
    from rich.console import Console

    width = min(WIDTH, Console(file=file).width) if file.isatty() else WIDTH
    # Names come from the user: brackets and colons in them are text.
    console = Console(
        file=file, width=width, highlight=False, markup=False, emoji=False
    )
    console.no_color = not file.isatty()
    return console


def print_all(parts: Iterable[RenderableType], file: TextIO) -> None:
    """Print each part; what is not for a terminal ends its lines without spaces."""
    console = console_for(file)
    if file.isatty():
        for part in parts:
            console.print(part)
        return
    with console.capture() as captured:
        for part in parts:
            console.print(part)
    lines = captured.get().splitlines()
    file.writelines(f"{line.rstrip()}\n" for line in lines)
