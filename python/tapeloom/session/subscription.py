"""The signal between one producer and one consumer, in each mode. It carries no data: what is ready, others hold."""

from __future__ import annotations

import logging
from math import isfinite
from numbers import Real
from typing import Literal, TypeAlias, get_args

from tapeloom._core import Subscription
from tapeloom.errors import (
    ArgumentError,
    ArgumentTypeError,
    ForkedSessionError,
    did_you_mean,
)

__all__ = ["StreamSubscription", "SubscriptionMode"]

SubscriptionMode: TypeAlias = Literal["data-driven", "clock-driven", "live"]
"""Who sets the pace: the data, a clock that plays them, or the market."""

_MODES: tuple[str, ...] = get_args(SubscriptionMode)
_flow = logging.getLogger("tapeloom.session_flow")


class StreamSubscription:
    """A one-shot signal between one producer and one consumer.

    The producer says with :meth:`signal_ready` that one more unit is ready. The consumer waits, works, and acknowledges
    with :meth:`reset` what it saw when it woke. Signals are counted: one that comes while the consumer works is kept,
    and the next wait returns at once.

    Parameters
    ----------
    mode
        ``"data-driven"``: the consumer waits until something is ready, however late. ``"clock-driven"`` and ``"live"``:
        a wait may end without anything, and signals that come too early are counted as overruns.
    stream_id
        What errors and log lines call it, such as ``"coordinator -> analysis"``.

    Raises
    ------
    ArgumentError
        If the mode is another word, or the id is blank.

    Notes
    -----
    Every method may be called from any thread. A wait lets other threads run and ends within 100 ms of an interrupt, which
    loses no signal. Once it is closed every method raises ``SubscriptionClosedError``, which has ``stream_id`` and
    ``pending`` (units that were not acknowledged); mode, id and counts stay readable. In a forked child it raises
    ``ForkedSessionError``.

    Examples
    --------
    >>> from tapeloom import StreamSubscription
    >>> edge = StreamSubscription("clock-driven", "feed")
    >>> edge.signal_ready()
    >>> edge.wait_until_ready(timeout=1)
    True
    >>> edge.signal_ready()
    >>> edge.reset()
    >>> edge.is_ready(), edge.get_overrun_count()
    (True, 1)
    """

    __slots__ = ("_core", "_mode", "_stream_id")

    def __init__(self, mode: SubscriptionMode, stream_id: str) -> None:
        self._mode = _checked_mode(mode)
        self._stream_id = _checked_id(stream_id)
        self._core = Subscription(stream_id, mode != "data-driven")

    def signal_ready(self) -> None:
        """Producer: say that one more unit is ready. Waits for nobody."""
        self._core.signal()

    def wait_until_ready(self, timeout: float | None = None) -> bool:
        """Consumer: wait until something is ready that was not acknowledged.

        Parameters
        ----------
        timeout
            Seconds, 0 or more; ``None`` means for ever. Data-driven, nothing is given up: after that time a warning on
            ``tapeloom.session_flow`` names the stream that is late, another one after twice as long, and so on.

        Returns
        -------
        bool
            ``True`` once something is ready; ``False`` after ``timeout``, never when data-driven.

        Raises
        ------
        ArgumentError
            If ``timeout`` is negative or no number.
        SubscriptionClosedError
            If it is or gets closed.
        """
        patience = _checked_timeout(timeout)
        if self._mode != "data-driven" or patience is None:
            return self._core.wait_until_ready(patience)
        waited = 0.0
        while not self._core.wait_until_ready(patience):
            waited += patience
            _flow.warning(
                "[SESSION_FLOW] PHASE_5.WARNING: nothing from %s for %g s, waiting on",
                self._stream_id,
                waited,
                extra={
                    "event": "late",
                    "stream_id": self._stream_id,
                    "seconds": waited,
                },
            )
            # Rarer each time; a timeout of 0 must not become a loop that never sleeps.
            patience = max(1.0, 2 * patience)
        return True

    def reset(self) -> None:
        """Consumer: acknowledge what was ready when its last wait ended, and nothing that came since.

        Looking with :meth:`is_ready` is no wait: only what a wait returned for can be acknowledged.
        """
        self._core.acknowledge()

    def wait_until_acknowledged(self, timeout: float | None = None) -> bool:
        """Producer: wait until every unit is acknowledged, so that no more than one hand-off is under way.

        A call that finds something unacknowledged counts as backpressure, see :attr:`backpressure_count`.

        Parameters
        ----------
        timeout
            Seconds, 0 or more; ``None`` means for ever.

        Returns
        -------
        bool
            ``False`` if something is not acknowledged after ``timeout``, in every mode.

        Raises
        ------
        ArgumentError
            If ``timeout`` is negative or no number.
        SubscriptionClosedError
            If it is or gets closed.
        """
        return self._core.wait_until_acknowledged(_checked_timeout(timeout))

    def close(self) -> None:
        """Wake everybody who waits, with ``SubscriptionClosedError``. Closing again changes nothing."""
        self._core.close()

    def is_ready(self) -> bool:
        """Return whether something is ready that was not acknowledged."""
        return self._core.is_ready()

    def get_mode(self) -> SubscriptionMode:
        """Return who sets the pace."""
        return self._mode

    def get_stream_id(self) -> str:
        """Return what errors and log lines call it."""
        return self._stream_id

    def get_overrun_count(self) -> int:
        """Return how many signals came while an earlier one was unacknowledged; always 0 when data-driven."""
        return self._core.counts[2]

    @property
    def backpressure_count(self) -> int:
        """How many calls of :meth:`wait_until_acknowledged` had to wait."""
        return self._core.counts[3]

    def __repr__(self) -> str:
        name = f"StreamSubscription({self._mode!r}, {self._stream_id!r})"
        try:
            produced, acknowledged, *_ = self._core.counts
        except ForkedSessionError:
            return f"{name} of the parent process"
        state = ", closed" if self._core.is_closed else ""
        return f"{name}: {produced} ready so far, {acknowledged} acknowledged{state}"


def _checked_mode(mode: SubscriptionMode) -> SubscriptionMode:
    if mode in _MODES:
        return mode
    near = did_you_mean(str(mode), _MODES)
    text = f"mode is {mode!r}; it must be one of {', '.join(map(repr, _MODES))}{near}"
    raise ArgumentError(text) if isinstance(mode, str) else ArgumentTypeError(text)


def _checked_id(stream_id: object) -> str:
    rule = "it must be text that names the stream, such as 'coordinator -> analysis'"
    text = f"stream_id is {stream_id!r}; {rule}"
    if not isinstance(stream_id, str):
        raise ArgumentTypeError(text)
    if not stream_id.strip() or not stream_id.isprintable():
        raise ArgumentError(text)
    return stream_id


def _checked_timeout(timeout: object) -> float | None:
    if timeout is None:
        return None
    text = f"timeout is {timeout!r}; it must be seconds, 0 or more, or None to wait for ever"
    if isinstance(timeout, bool) or not isinstance(timeout, Real):
        raise ArgumentTypeError(text)
    seconds = float(timeout)
    if not (isfinite(seconds) and seconds >= 0):
        raise ArgumentError(text)
    return seconds
