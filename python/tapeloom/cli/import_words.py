"""What the import says in the words of Python, in those of the command line."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

__all__ = ["as_options", "command"]

NAMES = "zone|label|shift|symbol|interval|ambiguous|time_unit|time_format|members|price_scale|on_duplicate"


def as_options(text: str) -> str:
    """Return a text with ``zone='UTC'`` as ``--zone UTC``, and the like."""
    text = text.replace("auto=True", "--auto")
    text = re.sub(r"\bcolumns=\[([^\]]*)\]", _all_names, text)
    text = re.sub(r"\bcolumns=\{'(\w+)': (None|\.\.\.|'[^']*')\}", _one_name, text)
    text = text.replace("with columns=", "with --column OURS=THEIRS")
    text = re.sub(rf"\b({NAMES})=(?:'([^']*)'|([\d.]+))", _valued, text)
    text = re.sub(rf"\b({NAMES})=(?=\s|[;,)]|$)", lambda at: _option(at[1]), text)
    return re.sub(r"\bon_duplicate\b", "--on-duplicate", text)


def command(
    sources: Iterable[str],
    given: Sequence[tuple[str, str]],
    remedy: Mapping[str, object],
) -> str:
    """Return the command that imports sources with what was given and what is proposed, to be pasted into a shell.

    Parameters
    ----------
    sources
        The files.
    given
        Options with their values.
    remedy
        Names of options in Python, and values; they hold against what was given.
    """
    proposed = {_option(name): str(value) for name, value in remedy.items()}
    options = [(o, v) for o, v in given if o not in proposed]
    words = [word for pair in (*options, *proposed.items()) for word in pair]
    return shlex.join(["tapeloom", "import", *sources, *words])


def _option(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _valued(found: re.Match[str]) -> str:
    return f"{_option(found[1])} {shlex.quote(found[2] or found[3])}"


def _all_names(found: re.Match[str]) -> str:
    names = [name.strip(" '") for name in found[1].split(",")]
    return f"--columns {shlex.quote(','.join(names))}"


def _one_name(found: re.Match[str]) -> str:
    theirs = {"None": "", "...": "NAME"}.get(found[2], found[2].strip("'"))
    return f"--column {shlex.quote(f'{found[1]}={theirs}')}"
