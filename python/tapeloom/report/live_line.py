"""How a live run is doing, in a few lines: symbols grouped by state, the worst ones named. Text only, from values only."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tapeloom.live.live_health import KEEP_NEWEST, LiveState, SymbolState
from tapeloom.timestamps import from_ns
from tapeloom.words import counted

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import tzinfo

    from tapeloom.live.live_health import LiveHealth, SymbolHealth

__all__ = ["MOST_LINES", "live_line", "live_lines"]

#: As many lines as there are at most, whatever happens.
MOST_LINES = 6
#: Symbols that are named in each group.
NAMED = 3
#: Worst first: what can be lost comes before what is on its way.
_ORDER = (SymbolState.STALE, SymbolState.GAP, SymbolState.FILLING, SymbolState.LIVE)
#: Counts that are 0 on a good day, and what they are called.
_TROUBLE = {
    "refused": "refused",
    "malformed": "unreadable",
    "not_subscribed": "not subscribed",
}
#: Bars of minutes end once a minute; only later than this is a symbol late.
_LATE_SECONDS = 90.0


def live_lines(health: LiveHealth, zone: tzinfo) -> list[str]:
    """Return what a person is shown of a live run, at most ``MOST_LINES`` lines.

    Parameters
    ----------
    health
        How it is doing.
    zone
        Zone of the times shown.

    Returns
    -------
    list
        First the run as a whole, then each group of symbols that are in one state, worst first, then what went wrong, then
        the newest sentence about a gap.
    """
    lines = [_whole(health, zone), *_groups(health)]
    trouble = _trouble(health)
    if trouble:
        lines.append(trouble)
    if health.fills:
        lines.append(health.fills[-1])
    return lines[:MOST_LINES]


def live_line(health: LiveHealth, zone: tzinfo) -> str:
    """Return the same as one line for a log: what is wrong first, then how much there is."""
    symbols = _known(health)
    parts = [_whole(health, zone)]
    for state in _ORDER[:-1]:
        group = [each for each in symbols if each.state is state]
        if group:
            parts.append(f"{state} {_named(group)}")
    parts.append(_sums(symbols))
    trouble = _trouble(health)
    return "; ".join(part for part in (*parts, trouble) if part)


def _whole(health: LiveHealth, zone: tzinfo) -> str:
    """State, clock, number of bars, lag and connection."""
    at = from_ns(health.clock, zone)
    parts = [f"{health.state} {at:%H:%M:%S}", counted(len(health.symbols), "symbol")]
    if health.state is LiveState.WAITING and health.session_date is not None:
        parts.append(f"session of {health.session_date} comes")
    elif health.state is LiveState.WARMING:
        parts.append("history and the session so far are fetched")
    else:
        parts.append(counted(health.counts.get("bars", 0), "bar"))
        parts.append(f"lag {_seconds(health.lag_seconds)}")
    if health.counts.get("corrections"):
        parts.append(counted(health.counts["corrections"], "correction"))
    if not (health.is_connected or health.state is LiveState.CLOSED or _is_new(health)):
        parts.append("not connected")
    if health.outages:
        parts.append(counted(health.outages, "outage"))
    return ", ".join(parts)


def _is_new(health: LiveHealth) -> bool:
    """Whether nothing was heard of the feed yet, because what it pushes still waits."""
    is_heard = health.is_connected or health.outages
    return health.state is LiveState.WARMING and not is_heard


def _known(health: LiveHealth) -> list[SymbolHealth]:
    """The symbols of whose state something can be said; without a word of the feed nobody knows that it is down."""
    symbols = list(health.symbols.values())
    if not _is_new(health):
        return symbols
    return [each for each in symbols if each.state is not SymbolState.STALE]


def _groups(health: LiveHealth) -> Iterator[str]:
    width = max(len(state) for state in _ORDER)
    for state in _ORDER:
        group = [each for each in _known(health) if each.state is state]
        if not group:
            continue
        facts = [counted(len(group), "symbol"), _sums(group)]
        worst = [each for each in group if each.missing or _is_late(each)]
        if worst:
            facts.append(_named(worst))
        text = ", ".join(fact for fact in facts if fact)
        yield f"{state:<{width}}  {text}"


def _sums(group: Sequence[SymbolHealth]) -> str:
    """Gaps and fills of some symbols together; empty where there are none."""
    gaps, missing, filled = (
        sum(getattr(each, name) for each in group)
        for name in ("gaps", "missing", "filled")
    )
    facts = []
    if missing:
        facts.append(f"{counted(missing, 'bar')} missing in {counted(gaps, 'gap')}")
    if filled:
        facts.append(f"{filled:,} filled")
    return ", ".join(facts)


def _named(group: Sequence[SymbolHealth]) -> str:
    """The worst of some symbols by name: most missing first, then those that have waited longest."""
    ranked = sorted(
        group, key=lambda each: (-each.missing, -(each.lag_seconds or 0), each.symbol)
    )
    shown = [_one(each) for each in ranked[:NAMED]]
    more = len(ranked) - NAMED
    return ", ".join(shown) + (f" and {more:,} more" if more > 0 else "")


def _one(each: SymbolHealth) -> str:
    facts = [f"{each.missing:,} missing"] if each.missing else []
    if each.last_bar is None:
        facts.append("no bar yet")
    elif _is_late(each):
        facts.append(f"newest {_seconds(each.lag_seconds or 0.0)} ago")
    return f"{each.symbol} ({', '.join(facts)})" if facts else each.symbol


def _is_late(each: SymbolHealth) -> bool:
    return each.lag_seconds is not None and each.lag_seconds > _LATE_SECONDS


def _trouble(health: LiveHealth) -> str:
    facts = [
        f"{health.counts[name]:,} {word}"
        for name, word in _TROUBLE.items()
        if health.counts.get(name)
    ]
    if health.counts.get("overruns"):
        facts.append(counted(health.counts["overruns"], "overrun"))
    state, cause = health.journal.get("state"), health.journal.get("cause")
    if health.state is LiveState.DEGRADED or state == "degraded":
        facts.insert(0, f"the journal cannot be written{f': {cause}' if cause else ''}")
    full = [
        f"{name} {filled:,} of {bound:,} waiting"
        for name, (filled, bound) in health.bounds.items()
        if name not in KEEP_NEWEST and bound and filled >= bound // 2
    ]
    return ", ".join([*facts, *full])


def _seconds(seconds: float) -> str:
    """Return ``"0.4 s"`` or ``"3:05 min"``."""
    if seconds < _LATE_SECONDS:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes:,}:{rest:02} min"
