"""Where the user's analysis runs: on the thread that plays the session, or on one of its own."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from tapeloom.errors import SubscriptionClosedError
from tapeloom.session.subscription import StreamSubscription

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["EDGE", "AnalysisSide", "AnalysisThread"]

#: The edge that is named where somebody is late.
EDGE = "coordinator->analysis"


class AnalysisThread:
    """Calls what it is handed, one call at a time, on the thread ``tapeloom-analysis``.

    The store stands still while a call runs: who hands it over waits for the acknowledgement before going on, and gets the
    exception of the call, whatever it is.
    """

    def __init__(self) -> None:
        self._subscription = StreamSubscription("clock-driven", EDGE)
        self._call: Callable[[], object] | None = None
        self._error: BaseException | None = None
        # Nobody must wait for an analysis that never returns when the process ends.
        self.thread = threading.Thread(
            target=self._serve, name="tapeloom-analysis", daemon=True
        )
        self.thread.start()

    def run(self, call: Callable[[], object]) -> None:
        """Let the thread make a call, and wait for its acknowledgement.

        Raises
        ------
        BaseException
            What the call raised.
        """
        self._call = call
        self._subscription.signal_ready()
        self._subscription.wait_until_acknowledged()
        error, self._error = self._error, None
        if error is not None:
            raise error

    def close(self, timeout: float | None = None) -> bool:
        """End the thread after its present call; return whether it has ended within ``timeout`` seconds."""
        self._subscription.close()
        if threading.get_ident() != self.thread.ident:
            self.thread.join(timeout)
        return not self.thread.is_alive()

    def _serve(self) -> None:
        while True:
            try:
                self._subscription.wait_until_ready()
            except SubscriptionClosedError:
                return
            call, self._call = self._call, None
            try:
                if call is not None:
                    call()
            except BaseException as error:
                self._error = error
            finally:
                # The exception's frames hold the call; nobody else needs it.
                call = None
                try:
                    self._subscription.reset()
                except SubscriptionClosedError:
                    return


class AnalysisSide:
    """Makes the calls of the analyses: on the thread that plays, or on one of their own once that was begun."""

    def __init__(self) -> None:
        self._thread: AnalysisThread | None = None
        #: Whether a call is at work.
        self.is_calling = False

    def begin_thread(self) -> None:
        """Make the calls on a thread of their own from now on."""
        self._thread = AnalysisThread()

    @property
    def is_mine(self) -> bool:
        """Whether the calling thread is that thread."""
        thread = self.thread
        return thread is not None and thread.ident == threading.get_ident()

    def run(self, call: Callable[[], object]) -> None:
        """Make a call, and wait for its acknowledgement."""
        self.is_calling = True
        try:
            if self._thread is None:
                call()
            else:
                self._thread.run(call)
        finally:
            self.is_calling = False

    @property
    def thread(self) -> threading.Thread | None:
        """The thread; ``None`` while calls are made where the run is played."""
        return None if self._thread is None else self._thread.thread

    def close(self, timeout: float | None = None) -> None:
        """End the thread, if there is one, after its present call; see ``AnalysisThread.close``."""
        if self._thread is not None:
            self._thread.close(timeout)
