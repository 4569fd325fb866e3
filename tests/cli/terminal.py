"""A program in a pseudo-terminal: what it shows is read as it comes, keys are pressed, nothing is timed."""

from __future__ import annotations

import os
import re
import select
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from pathlib import Path

# The terminal becomes the one that controls the program, so that Ctrl-C is an interrupt there.
_START = "import fcntl, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0)\n"
_MAIN = "from tapeloom.cli import main; main()"
_PARTS = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|[\r\n]|[^\x1b\r\n]+")
#: Only a failure takes so long.
_PATIENCE_SECONDS = 60.0


class Terminal:
    """Runs ``tapeloom WORDS``, or another program, in a terminal of its own; a context manager that leaves no process behind."""

    def __init__(
        self,
        *words: str,
        program: str = _MAIN,
        columns: int = 100,
        cwd: Path | None = None,
    ) -> None:
        import fcntl
        import pty
        import struct
        import termios

        self._ours, self.theirs = pty.openpty()
        size = struct.pack("HHHH", 40, columns, 0, 0)
        fcntl.ioctl(self.theirs, termios.TIOCSWINSZ, size)
        self.before = termios.tcgetattr(self.theirs)
        environment = {**os.environ, "TERM": "xterm"}
        for name in ("COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR"):
            environment.pop(name, None)
        self._process = subprocess.Popen(
            [sys.executable, "-c", _START + program, *words],
            stdin=self.theirs,
            stdout=self.theirs,
            stderr=self.theirs,
            start_new_session=True,
            cwd=cwd,
            env=environment,
        )
        #: Everything shown so far, control sequences included.
        self.shown = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        os.close(self._ours)
        os.close(self.theirs)

    def press(self, keys: str) -> None:
        """Type keys; ``"\\x03"`` is Ctrl-C."""
        os.write(self._ours, keys.encode())

    def until(self, pattern: str) -> str:
        """Read on until a pattern is shown, and return everything that came since the last call."""
        begun = len(self.shown)
        while not re.search(pattern, self.shown[begun:]):
            assert self._read(), f"{pattern!r} was never shown: {self.shown[begun:]!r}"
        return self.shown[begun:]

    def end(self) -> int:
        """Read until the program has ended, and return its exit code."""
        while self._process.poll() is None:
            self._read()
        while self._read(patience=0.0):
            pass
        return self._process.returncode

    def screen(self) -> list[str]:
        """Return the lines as they stand when everything was shown: those wiped or written over are gone."""
        lines, row, column = [""], 0, 0
        for part in _PARTS.findall(self.shown):
            if part == "\r":
                column = 0
            elif part == "\n":
                row += 1
                lines += [""] * (row + 1 - len(lines))
            elif part.startswith("\x1b"):
                if part.endswith("A"):
                    row = max(0, row - int(part[2:-1] or 1))
                elif part == "\x1b[2K":
                    lines[row] = ""
            else:
                line = lines[row].ljust(column)
                lines[row] = line[:column] + part + line[column + len(part) :]
                column += len(part)
        return [line.rstrip() for line in lines]

    def modes(self) -> list[Any]:
        """Return how the terminal is set, as ``termios`` has it."""
        import termios

        return termios.tcgetattr(self.theirs)

    def _read(self, *, patience: float = _PATIENCE_SECONDS) -> bool:
        """Take what is shown by now; wait for it as long as the program lives."""
        given_up = time.monotonic() + patience
        while True:
            ready, _, _ = select.select([self._ours], [], [], min(0.05, patience))
            if ready:
                self.shown += os.read(self._ours, 65_536).decode(errors="replace")
                return True
            if self._process.poll() is not None or time.monotonic() >= given_up:
                return False
