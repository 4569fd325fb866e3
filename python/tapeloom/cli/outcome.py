"""How a command ends: the exit code of each error, and the one sentence that is shown for it."""

from __future__ import annotations

import sys
import sysconfig
import traceback
import warnings
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from tapeloom.errors import (
    AnalysisError,
    ArgumentError,
    DuplicateBarError,
    InvalidBarError,
    MissingDependencyError,
    OutOfCalendarError,
    PlanError,
    SymbolError,
    TapeloomError,
    TapeloomWarning,
    TimestampError,
    UnknownNameError,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import TextIO

__all__ = ["DATA", "INTERRUPTED", "PROBLEMS", "USAGE", "exit_code", "reported"]

PROBLEMS = 1
USAGE = 2
DATA = 3
INTERRUPTED = 130

_OURS = Path(__file__).parents[1]
_INSTALLED = ("site-packages", "dist-packages")
_STANDARD = ("stdlib", "platstdlib")

# A bar that breaks a rule came from a file here, not from an argument.
_IN_THE_DATA = (InvalidBarError, DuplicateBarError, TimestampError, SymbolError)
_IN_THE_REQUEST = (
    ArgumentError,
    MissingDependencyError,
    OutOfCalendarError,
    PlanError,
    UnknownNameError,
)


def exit_code(error: TapeloomError) -> int:
    """Return 2 for a request that cannot be used, 3 for everything else that ends a run."""
    if isinstance(error, _IN_THE_DATA):
        return DATA
    return USAGE if isinstance(error, _IN_THE_REQUEST) else DATA


@contextmanager
def reported(*, debug: bool) -> Iterator[None]:
    """Turn what a command raises into a sentence on standard error and an exit code.

    Parameters
    ----------
    debug
        Show the traceback in front of the sentence.
    """
    try:
        with warnings.catch_warnings():
            warnings.showwarning = _show_warning
            yield
    except (typer.Exit, typer.Abort, BrokenPipeError):
        raise
    except KeyboardInterrupt:
        typer.echo("stopped", err=True)
        raise typer.Exit(INTERRUPTED) from None
    except SystemExit as error:
        if isinstance(error.__context__, BrokenPipeError):
            # Whoever read the output has left: rich has seen it first, and the user's code did not end anything.
            raise typer.Exit(PROBLEMS) from None
        if debug:
            traceback.print_exc()
        raise typer.Exit(_told_to_leave(error)) from None
    except Exception as error:
        if debug:
            traceback.print_exc()
        typer.echo(f"error: {_sentence(error, debug=debug)}", err=True)
        raise typer.Exit(
            exit_code(error) if isinstance(error, TapeloomError) else DATA
        ) from None


def _show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    if issubclass(category, TapeloomWarning):
        # Not typer's echo, which writes past a progress line into the middle of it.
        print(f"warning: {message}", file=sys.stderr)
    else:
        text = warnings.formatwarning(message, category, filename, lineno, line)
        (file or sys.stderr).write(text)


def _sentence(error: Exception, *, debug: bool) -> str:
    if isinstance(error, AnalysisError):
        return f"{error}{_where(error.__cause__)}{'' if debug else '; --debug shows the traceback'}"
    if isinstance(error, TapeloomError):
        return str(error)
    if isinstance(error, OSError) and error.filename is not None:
        return f"cannot use {str(error.filename)!r}: {error.strerror}"
    if isinstance(error, OSError) and error.strerror:
        return f"cannot go on: {error.strerror}"
    more = "" if debug else "; --debug shows where"
    return f"unexpected {type(error).__name__}: {error}{more}"


def _told_to_leave(error: SystemExit) -> int:
    """Say that the user's code ended the command, and return its exit code: never 0, for nothing came to its end."""
    given = "" if error.code is None else repr(error.code)
    typer.echo(f"stopped by sys.exit({given}){_where(error)}", err=True)
    return error.code if isinstance(error.code, int) and error.code else DATA


def _where(cause: BaseException | None) -> str:
    """Return the file and line of the last call in the user's own code, whoever raised below it."""
    frames = traceback.extract_tb(cause.__traceback__) if cause is not None else []
    for is_other in (_is_library, _is_ours):
        for frame in reversed(frames):
            if not is_other(frame.filename):
                return f" ({Path(frame.filename).name}, line {frame.lineno})"
    return ""


def _is_ours(filename: str) -> bool:
    # A name in angle brackets is no file.
    return filename.startswith("<") or _OURS in Path(filename).parents


def _is_library(filename: str) -> bool:
    parents = Path(filename).parents
    return (
        _is_ours(filename)
        or any(parent.name in _INSTALLED for parent in parents)
        or any(Path(sysconfig.get_path(name)) in parents for name in _STANDARD)
    )
