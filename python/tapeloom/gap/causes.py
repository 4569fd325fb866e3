"""Why a run of bars is missing: the first cause whose evidence covers all of it, ``unknown`` rather than a guess."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tapeloom.gap.gaps import Cause

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from tapeloom._core import Bars
    from tapeloom.gap.holes import Run
    from tapeloom.gap.record import Asked, KnownCause, Span
    from tapeloom.gap.times import Times

__all__ = [
    "Known",
    "cause_of",
    "is_against_expected",
    "is_known_empty",
    "shared_cause",
]


@dataclass(frozen=True, slots=True)
class Known:
    """What is known at the clock about one series in one session. Instants are ns UTC."""

    times: Times
    closures: Sequence[Span]
    halts: Sequence[Span]
    outages: Sequence[Span]
    causes: Sequence[KnownCause]
    """Causes that were set, in order of arrival."""
    asked: Sequence[Asked]
    """Where history was asked and has no bar."""
    ticks: NDArray[np.int64]
    """Times of the ticks that are kept, rising."""
    ticks_since: int | None
    """From when on no tick was dropped; ``None`` without one."""
    bars: Bars
    """The stored base bars of the session."""
    bar_end: Callable[[int], int]
    """Where a base bar ends, by its start."""
    is_over: bool
    """Whether the session is over."""
    close: int
    """Regular close of the session."""
    has_trading: Callable[[NDArray[np.int64], NDArray[np.int64]], NDArray[np.bool_]]
    """Which of ``[starts, ends)`` meet regular hours of the calendar as corrected by now."""
    symbols_without: Callable[[int, int], int]
    """How many symbols lack all bars of ``[start, end)``; 0 where one has a bar, or where they are too few to tell."""

    @property
    def tail(self) -> int | None:
        """Where the bars of a session that is over end; ``None`` while it is not, and without a bar."""
        if not self.is_over or not len(self.bars):
            return None
        return self.bar_end(int(self.bars.ts[-1]))


def cause_of(run: Run, known: Known) -> tuple[Cause, str]:
    """Return the cause of a run and the evidence in one sentence, without a full stop."""
    said = _set_cause(run, known)
    if said is not None:
        return said, f"set for {known.times.span(run.start, run.end)}"
    if run.is_excused:
        return Cause.NO_TRADE, _no_trade(run, known) or _between_bars(run, known)
    for cause, rule in _RULES:
        evidence = rule(run, known)
        if evidence:
            return cause, evidence
    return Cause.UNKNOWN, _trade_seen(run, known)


def shared_cause(runs: Sequence[Run], known: Known) -> tuple[Cause, str]:
    """Return the cause that all of some runs have and its evidence; ``unknown`` where they differ, or without a run."""
    found = [cause_of(run, known) for run in runs]
    if len({cause for cause, _ in found}) != 1:
        return Cause.UNKNOWN, ""
    cause, _ = found[0]
    said = list(dict.fromkeys(evidence for _, evidence in found if evidence))
    more = f"; {len(said) - 1} more like it" if len(said) > 1 else ""
    return cause, f"{said[0]}{more}" if said else ""


def is_known_empty(run: Run, known: Known) -> bool:
    """Whether nothing can have traded in a run by what is recorded of the symbol itself, so that nobody need be asked."""
    said = _set_cause(run, known)
    if said is not None:
        return said in (Cause.NO_TRADE, Cause.CLOSED)
    return bool(_closed(run, known) or _no_trade(run, known))


def is_against_expected(
    starts: NDArray[np.int64], ends: NDArray[np.int64], known: Known
) -> NDArray[np.bool_]:
    """Return which bars have a reason on record that is not the want of a trade, or a trade.

    Reasons are a closed market, a halt, an outage or a cause that was set.
    """
    against = ~known.has_trading(starts, ends)
    against |= _touched(starts, ends, known.closures)
    against |= _touched(starts, ends, known.halts)
    against |= _touched(starts, ends, known.outages)
    at = known.ticks.searchsorted(starts)
    against |= known.ticks.searchsorted(ends) > at
    for start, end, cause in known.causes:
        inside = (starts < end) & (start < ends)
        # A later cause takes the place of an earlier one.
        against[inside] = cause is not Cause.NO_TRADE
    return against


def _set_cause(run: Run, known: Known) -> Cause | None:
    """The cause that was set for all bars of a run, the newest for each."""
    causes = list(Cause)
    newest = np.full(len(run), -1)
    for start, end, cause in known.causes:
        newest[(run.starts < end) & (start < run.ends)] = causes.index(cause)
    first = int(newest[0])
    return causes[first] if first >= 0 and (newest == first).all() else None


def _closed(run: Run, known: Known) -> str:
    if not known.has_trading(run.starts, run.ends).any():
        return "the calendar as corrected has no trading then"
    return _reported(run, known, known.closures, "closed")


def _halt(run: Run, known: Known) -> str:
    return _reported(run, known, known.halts, "halted")


def _reported(run: Run, known: Known, spans: Sequence[Span], word: str) -> str:
    if not _touched(run.starts, run.ends, spans).all():
        return ""
    span = _first(run, spans)
    who = "market " if span.is_market else ""
    why = f": {span.what}" if span.what else ""
    bounds = known.times.span(run.start, run.end)
    return f"{who}{word} {bounds} (status at {known.times.at(span.start)}{why})"


def _outage(run: Run, known: Known) -> str:
    if not _touched(run.starts, run.ends, known.outages).all():
        return ""
    span = _first(run, known.outages)
    if span.is_open:
        return f"{span.what} down since {known.times.at(span.start)}"
    return f"{span.what} down {known.times.span(span.start, span.end)}"


def _truncated(run: Run, known: Known) -> str:
    if known.tail is None or run.start < known.tail:
        return ""
    at = known.times.at
    return f"the last bar ends at {at(known.tail)}, none came up to the close at {at(known.close)}"


def _no_trade(run: Run, known: Known) -> str:
    ticks, since = known.ticks, known.ticks_since
    if since is None or since > run.start:
        return ""
    before, after = (int(ticks.searchsorted(at)) for at in (run.start, run.end))
    if not 0 < before == after < len(ticks) or not _hears_trades(run, known):
        return ""
    last, following = (int(ticks[at]) for at in (before - 1, after))
    return f"no trade between {known.times.at(last)} and {known.times.at(following)}"


def _hears_trades(run: Run, known: Known) -> bool:
    """Whether silence means something: our own line was up, and the bars beside the run have their trades kept."""
    if _touched(run.starts, run.ends, known.outages).any():
        return False
    bars, ticks = known.bars, known.ticks
    before = int(bars.ts.searchsorted(run.start)) - 1
    after = int(bars.ts.searchsorted(run.end))
    for at in (before, after):
        if 0 <= at < len(bars) and bars.volume[at] > 0:
            start = int(bars.ts[at])
            first, last = ticks.searchsorted([start, known.bar_end(start)])
            if first == last:
                # Bars that traded without a kept tick: the ticks are a sample, or of another source.
                return False
    return True


def _between_bars(run: Run, known: Known) -> str:
    return (
        f"nothing recorded speaks for a trade in {known.times.span(run.start, run.end)}"
    )


def _asked_in_vain(run: Run, known: Known) -> str:
    covered = np.zeros(len(run), dtype=bool)
    for asked in known.asked:
        covered |= (asked.start <= run.starts) & (run.ends <= asked.end)
    if not covered.all():
        return ""
    last = max(asked.at for asked in known.asked if asked.end > run.start)
    return f"history was asked at {known.times.at(last)} and has none"


def _vendor_hole(run: Run, known: Known) -> str:
    asked = _asked_in_vain(run, known)
    if asked and _trade_seen(run, known):
        return f"{asked}; {_trade_seen(run, known)}"
    number = known.symbols_without(run.start, run.end)
    if not number:
        return ""
    bounds = known.times.span(run.start, run.end)
    seen = _trade_seen(run, known)
    return f"all {number} symbols with bars that day lack {bounds}" + (
        f"; {seen}" if seen else ""
    )


def _trade_seen(run: Run, known: Known) -> str:
    at = int(known.ticks.searchsorted(run.start))
    if at == len(known.ticks) or known.ticks[at] >= run.end:
        return ""
    return f"a trade was seen at {known.times.at(int(known.ticks[at]))}"


_RULES = (
    (Cause.CLOSED, _closed),
    (Cause.HALT, _halt),
    (Cause.OUTAGE, _outage),
    (Cause.TRUNCATED, _truncated),
    (Cause.NO_TRADE, _no_trade),
    (Cause.VENDOR_HOLE, _vendor_hole),
    # After the hole of all symbols: history may come from the vendor that has the hole.
    (Cause.NO_TRADE, _asked_in_vain),
)


def _touched(
    starts: NDArray[np.int64], ends: NDArray[np.int64], spans: Sequence[Span]
) -> NDArray[np.bool_]:
    """Which bars share time with a span. A halt in the middle of a minute accounts for that minute."""
    touched = np.zeros(len(starts), dtype=bool)
    for span in spans:
        touched |= (starts < span.end) & (span.start < ends)
    return touched


def _first(run: Run, spans: Sequence[Span]) -> Span:
    return next(
        span for span in spans if span.start < run.ends[0] and run.start < span.end
    )
