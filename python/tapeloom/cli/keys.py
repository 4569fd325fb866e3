"""Keys that steer a run in a terminal: space pauses and goes on, q stops."""

from __future__ import annotations

import contextlib
import os
import select
import sys
import threading
from typing import TYPE_CHECKING, Self

from tapeloom.errors import StateError

if TYPE_CHECKING:
    from types import TracebackType

    from tapeloom.session.coordinator import SessionCoordinator

__all__ = ["HINT", "Keys", "can_read_keys"]

HINT = "space pauses, q stops"
_SECONDS = 0.1


def can_read_keys() -> bool:
    """Return whether somebody sits at a terminal whose keys can be read one by one."""
    try:
        import termios  # noqa: F401
    except ImportError:
        return False
    return sys.stdin.isatty() and sys.stderr.isatty() and _has_the_terminal()


def _has_the_terminal() -> bool:
    """Whether keys are meant for this program: one behind ``&`` would be halted for touching the terminal."""
    try:
        return os.tcgetpgrp(sys.stdin.fileno()) == os.getpgrp()
    except OSError:
        return False


class Keys:
    """Reads keys while a run is at work; a context manager that leaves the terminal as it was.

    Parameters
    ----------
    coordinator
        The run.
    """

    def __init__(self, coordinator: SessionCoordinator) -> None:
        self._coordinator = coordinator
        self._done = threading.Event()
        self._thread = threading.Thread(
            target=self._read, name="tapeloom-keys", daemon=True
        )
        self._before: list[object] = []

    def __enter__(self) -> Self:
        import termios
        import tty

        self._before = termios.tcgetattr(sys.stdin)
        # Ctrl-C stays an interrupt.
        tty.setcbreak(sys.stdin)
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        import termios

        self._done.set()
        self._thread.join()
        if _has_the_terminal():
            termios.tcsetattr(sys.stdin, termios.TCSADRAIN, self._before)  # type: ignore[arg-type]

    def _read(self) -> None:
        # Past the buffer of sys.stdin: of two keys typed at once it would keep the second from select.
        keys = sys.stdin.fileno()
        while not self._done.is_set():
            ready, _, _ = select.select([keys], [], [], _SECONDS)
            if not ready:
                continue
            if not _has_the_terminal():
                # Sent to the background meanwhile: the keys are the shell's.
                self._done.wait(_SECONDS)
                continue
            try:
                typed = os.read(keys, 64)
            except OSError:
                # The terminal is gone.
                return
            if not typed:
                return
            for key in typed.decode(errors="ignore"):
                self._press(key)

    def _press(self, key: str) -> None:
        # The run may end while the key is on its way.
        with contextlib.suppress(StateError):
            if key == " ":
                if self._coordinator.control.is_paused:
                    self._coordinator.resume()
                else:
                    self._coordinator.pause()
            elif key in ("q", "Q"):
                self._coordinator.control.stop()
