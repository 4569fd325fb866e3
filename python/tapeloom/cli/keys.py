"""Keys that steer a run in a terminal: space pauses and goes on, q stops."""

from __future__ import annotations

import contextlib
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
    return sys.stdin.isatty() and sys.stderr.isatty()


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
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, self._before)  # type: ignore[arg-type]

    def _read(self) -> None:
        while not self._done.is_set():
            ready, _, _ = select.select([sys.stdin], [], [], _SECONDS)
            if ready:
                self._press(sys.stdin.read(1))

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
