"""What happens on a simulated live day, drawn from a seed: a quiet day first, then one fault after the other changes it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from functools import cache
from random import Random
from typing import TYPE_CHECKING, Any

from tapeloom.bars import BarData
from tapeloom.live.feed import MalformedMessage, SymbolStatus, UpdatedBar
from tapeloom.quotes import Quote, TickData
from tapeloom.statuses import ConnectionEvent, TradingStatus
from tests.compare import bar_data
from tests.reference.schedule import MINUTE, SECOND, TradingDay, trading_day
from tests.strategies import bar_at

if TYPE_CHECKING:
    from tapeloom.live.feed import FeedEvent
    from tests.reference.bars import Bar

__all__ = ["DATE", "FAULTS", "TOLERANCE", "Change", "Script", "quiet_day", "script_of"]

DATE = date(2025, 7, 2)
#: By how much the end of a bar may lie after the clock.
TOLERANCE = SECOND
SYMBOLS = ("AAA", "BBB", "CCC", "DDD")

Arrival = tuple[int, "FeedEvent"]


@dataclass(frozen=True, slots=True)
class Change:
    """A symbol that joins the running session, or leaves it."""

    at: int
    joins: bool
    symbol: str


@dataclass(slots=True)
class Script:
    """One day: what was traded, what the feed pushes when, and what else happens. Times in ns UTC."""

    seed: int
    day: TradingDay
    symbols: tuple[str, ...]
    #: The bars that were traded, with their last values.
    truth: dict[str, dict[int, Bar]]
    #: Values before a correction, and when the market knew the correction.
    first: dict[tuple[str, int], tuple[Bar, int]] = field(default_factory=dict)
    events: list[Arrival] = field(default_factory=list)
    #: Corrections that the vendor never pushed though its line stood, and those that were pushed while nobody could listen.
    unsaid: dict[tuple[str, int], int] = field(default_factory=dict)
    unheard: dict[tuple[str, int], int] = field(default_factory=dict)
    #: Symbols configured from the begin on.
    begin_with: tuple[str, ...] = ()
    derived: tuple[str, ...] = ("5m",)
    policies: dict[str, Any] = field(default_factory=dict)
    begin: int = 0
    vendor: str = "good"
    #: What the vendor does not have.
    holes: set[tuple[str, int]] = field(default_factory=set)
    failures: int = 0
    #: How old the vendor's answers are when they are given.
    age: int = 0
    #: How long an answer takes.
    delay: int = SECOND
    calls_per_minute: int | None = None
    #: When the connection is down and says so.
    outages: list[tuple[int, int]] = field(default_factory=list)
    #: When the machine sleeps.
    sleeps: list[tuple[int, int]] = field(default_factory=list)
    #: When the disk of the journal fails.
    broken_disk: list[tuple[int, int]] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)
    faults: tuple[str, ...] = ()

    @property
    def minutes(self) -> int:
        """Length of the session."""
        return (self.day.close - self.day.open) // MINUTE

    def is_down(self, at: int) -> bool:
        """Whether the connection is down at an instant."""
        return any(start <= at < end for start, end in self.outages)


@cache
def day_of(minutes: int) -> TradingDay:
    """A session of so many minutes."""
    return trading_day(DATE, f"09:30-09:{30 + minutes}", "America/New_York")


@cache
def _traded(ts: int, salt: int) -> Bar:
    return bar_at(ts, salt)


def script_of(seed: int, *, without: frozenset[str] = frozenset()) -> Script:
    """Return the script of a seed, the same each time; ``without`` some kinds of faults."""
    rng = Random(seed)
    # Short days of few symbols find as much in less time; a few are longer.
    day = day_of(min(rng.randrange(8, 21), rng.randrange(8, 21)))
    symbols = SYMBOLS[: min(rng.randrange(1, 5), rng.randrange(1, 5))]
    starts = range(day.open, day.close, MINUTE)
    truth = {
        symbol: {ts: _traded(ts, salt) for ts in starts}
        for salt, symbol in enumerate(symbols)
    }
    script = Script(seed, day, symbols, truth, begin_with=symbols)
    script.begin = day.open - rng.randrange(1, 400) * SECOND
    script.derived = ("5m", rng.choice(["2m", "3m", "10m", "15m"]))
    script.policies = {
        "completeness": rng.choice(["any", "any", "complete"]),
        "no_trade": "gap",
    }
    script.delay = rng.choice([SECOND // 20, SECOND // 2, 3 * SECOND, 8 * SECOND])
    script.vendor = rng.choice(["good", "good", "none", "mishaps"])
    kinds = [kind for kind in FAULTS if kind not in without]
    chosen = set(rng.sample(kinds, rng.choice([0, 1, 2, 3, 3, 4, 5, 6, 8])))
    # What was traded, before what of it is pushed; what is pushed, before what becomes of that.
    script.faults = tuple(kind for kind in FAULTS if kind in chosen)
    pushed = False
    for kind in script.faults:
        if not pushed and kind not in _ABOUT_TRADES:
            script.events += _pushed(script, rng)
            pushed = True
            script.events.sort(key=lambda arrival: arrival[0])
        FAULTS[kind](script, rng)
    if not pushed:
        script.events += _pushed(script, rng)
    script.events.sort(key=lambda arrival: arrival[0])
    return script


def _pushed(script: Script, rng: Random) -> list[Arrival]:
    """What a good feed pushes: each bar soon after its end, in order of the symbols or not."""
    events: list[Arrival] = []
    for symbol, rows in script.truth.items():
        for ts, bar in rows.items():
            at = ts + MINUTE + rng.randrange(-9, 30) * SECOND // 10
            given, known = script.first.get((symbol, ts), (bar, None))
            events.append((at, bar_data(symbol, given)))
            if known is not None:
                at = max(at, known) + rng.randrange(0, 3) * SECOND
                events.append((at, UpdatedBar(bar_data(symbol, bar))))
    return sorted(events, key=lambda arrival: arrival[0])


# What was traded


def _thin(script: Script, rng: Random) -> None:
    """Symbols that do not trade every minute."""
    script.policies["no_trade"] = rng.choice(["gap", "expected"])
    for symbol in rng.sample(script.symbols, rng.randrange(1, len(script.symbols) + 1)):
        share = rng.uniform(0.2, 0.9)
        rows = script.truth[symbol]
        script.truth[symbol] = {ts: b for ts, b in rows.items() if rng.random() < share}


def _halt(script: Script, rng: Random) -> None:
    """A symbol, or the whole market, is halted; no bars meanwhile."""
    start, end = _stretch(script, rng, longest=6)
    symbol = rng.choice([None, *script.symbols])
    for each in script.symbols if symbol is None else (symbol,):
        rows = script.truth[each]
        script.truth[each] = {
            ts: bar for ts, bar in rows.items() if ts + MINUTE <= start or ts >= end
        }
    lag = rng.randrange(0, 3) * SECOND
    script.events += [
        (start + lag, SymbolStatus(symbol, TradingStatus(start, "halted", "news"))),
        (end + lag, SymbolStatus(symbol, TradingStatus(end, "trading"))),
    ]


def _correct(script: Script, rng: Random) -> None:
    """Bars that the feed corrects up to 30 s later."""
    for symbol, ts in _some(script, rng, 0.2):
        known = ts + MINUTE + rng.randrange(1, 31) * SECOND
        script.first[symbol, ts] = _traded(ts, 50), known


def _holes(script: Script, rng: Random) -> None:
    """Bars that the vendor does not have."""
    script.holes |= set(_some(script, rng, 0.3))


# What becomes of what is pushed


def _drop(script: Script, rng: Random) -> None:
    share = rng.choice([0.05, 0.3, 0.9])
    was = script.events
    script.events = [each for each in was if not _is_bar(each) or rng.random() >= share]
    script.unsaid |= _corrections_lost(was, script.events)


def _delay(script: Script, rng: Random) -> None:
    longest = rng.choice([5, 20, 100, 400])
    script.events = [
        (at + rng.randrange(longest) * SECOND, event)
        if type(event) is BarData and rng.random() < 0.2
        else (at, event)
        for at, event in script.events
    ]
    script.events.sort(key=lambda arrival: arrival[0])


def _duplicate(script: Script, rng: Random) -> None:
    again = [
        (at + rng.randrange(60) * SECOND, event)
        for at, event in script.events
        if type(event) is BarData and rng.random() < 0.3
    ]
    script.events += again


def _reorder(script: Script, rng: Random) -> None:
    """Within a few seconds bars come in any order."""
    window = rng.choice([2, 5, 70]) * SECOND
    events, first = script.events, 0
    for last in range(1, len(events) + 1):
        if last < len(events) and events[last][0] - events[first][0] < window:
            continue
        part = [event for _, event in events[first:last]]
        rng.shuffle(part)
        times = [at for at, _ in events[first:last]]
        mixed = list(zip(times, part, strict=True))
        # Nobody pushes a correction before it is known.
        if all(_is_known(script, *arrival) for arrival in mixed):
            events[first:last] = mixed
        first = last


def _is_known(script: Script, at: int, event: FeedEvent) -> bool:
    if not isinstance(event, UpdatedBar):
        return True
    _, known = script.first[event.bar.symbol, event.bar.ts]
    return at >= known


def _garbage(script: Script, rng: Random) -> None:
    """What a session has no place for, and bars that break a rule."""
    for _ in range(rng.randrange(1, 12)):
        symbol = rng.choice(script.symbols)
        ts = rng.randrange(script.day.open, script.day.close, MINUTE)
        at = ts + MINUTE + rng.randrange(-2, 90) * SECOND
        bar = _traded(ts, 60)
        values = bar[1:]
        wrong: list[FeedEvent] = [
            MalformedMessage("no JSON", "{{{"),
            SymbolStatus("ZZZ", TradingStatus(at, "halted")),
            BarData(symbol, ts, bar.open, bar.low, bar.high + 1, bar.close, 1.0),
            BarData(symbol, ts, *bar[1:4], float("nan"), 1.0),
            BarData(symbol, ts, *bar[1:5], -1.0),
            # Of the future, and off the grid.
            BarData(symbol, at + rng.randrange(1, 3) * MINUTE, *values),
            BarData(symbol, ts + 7 * SECOND, *values),
            # Of others, of other lengths, of other hours.
            BarData("ZZZ", ts, *values),
            BarData(symbol, ts, *values, "5m"),
            BarData(symbol, script.day.open - 5 * MINUTE, *values),
            BarData(symbol, script.day.close, *values),
            BarData(symbol, ts - 24 * 60 * MINUTE, *values),
            Quote(symbol, ts, 10.0, 10.1),
            TickData(symbol, ts, 10.0, 5.0),
            Quote("ZZZ", ts, 10.0, 10.1),
            ConnectionEvent(at, True, "other"),
            "no event at all",  # type: ignore[list-item]  # a feed of somebody else may do so
        ]
        event = rng.choice(wrong)
        if type(event) is BarData and event.ts % MINUTE == 0:
            # On the grid it must be too early whatever the tolerance.
            at = min(at, event.ts + MINUTE - 2 * TOLERANCE) if event.ts > ts else at
        script.events.append((at, event))


def _outage(script: Script, rng: Random) -> None:
    """The connection goes down and comes up again; what was pushed meanwhile is lost, or comes all at once."""
    for _ in range(rng.choice([1, 1, 2, 3])):
        down, up = _stretch(script, rng, longest=7)
        if any(a <= up and down <= b for a, b in script.outages):
            continue
        _lose(script, rng, down, up)
        script.events += [
            (down, ConnectionEvent(down, False)),
            (up, ConnectionEvent(up, True)),
        ]
        script.outages.append((down, up))
        script.events.sort(key=_outage_first)


def _outage_first(arrival: Arrival) -> tuple[int, bool]:
    return arrival[0], not isinstance(arrival[1], ConnectionEvent)


def _silence(script: Script, rng: Random) -> None:
    """Nothing comes, and nobody says so."""
    start, end = _stretch(script, rng, longest=8)
    was = script.events
    script.events = [each for each in was if not start <= each[0] < end]
    script.unsaid |= _corrections_lost(was, script.events)


def _burst(script: Script, rng: Random) -> None:
    """A feed that is slow: what should have come in some minutes comes at the end of them."""
    for _ in range(rng.randrange(1, 4)):
        start, end = _stretch(script, rng, longest=3)
        script.events = [
            (end if start <= at < end else at, event) for at, event in script.events
        ]
    script.events.sort(key=lambda arrival: arrival[0])


# What else happens


def _late_begin(script: Script, rng: Random) -> None:
    """The run begins when the session is open."""
    script.begin = rng.randrange(
        script.day.open, script.day.close + 30 * SECOND, SECOND // 2
    )
    was = script.events
    script.events = [each for each in was if each[0] >= script.begin]
    script.unheard |= _corrections_lost(was, script.events)


def _vendor_down(script: Script, rng: Random) -> None:
    script.vendor = "down"


def _vendor_fails(script: Script, rng: Random) -> None:
    script.vendor, script.failures = "good", rng.randrange(1, 4)


def _vendor_old(script: Script, rng: Random) -> None:
    """The vendor's answers are behind the market."""
    script.vendor, script.age = "good", rng.randrange(1, 40) * SECOND


def _vendor_slow(script: Script, rng: Random) -> None:
    script.delay = rng.randrange(10, 200) * SECOND


def _rate_limit(script: Script, rng: Random) -> None:
    script.calls_per_minute = rng.randrange(1, 4)


def _come_and_go(script: Script, rng: Random) -> None:
    """Symbols that join, leave, and join again."""
    others = script.symbols[1:]
    late = [symbol for symbol in others if rng.random() < 0.5]
    script.begin_with = tuple(s for s in script.symbols if s not in late)
    at = {symbol: _instant(script, rng) for symbol in script.symbols}
    script.changes = [Change(at[symbol], True, symbol) for symbol in late]
    for symbol in others:
        if rng.random() < 0.4:
            goes = max(at[symbol] + SECOND, _instant(script, rng))
            script.changes.append(Change(goes, False, symbol))
            if rng.random() < 0.6:
                back = goes + rng.randrange(0, 200) * SECOND
                script.changes.append(Change(back, True, symbol))
    script.changes.sort(key=lambda change: change.at)


def _sleep(script: Script, rng: Random) -> None:
    """The machine sleeps; what was pushed meanwhile is lost, or waits."""
    start, end = _stretch(script, rng, longest=7)
    script.sleeps.append((start, end))
    if rng.random() < 0.7:
        was = script.events
        script.events = [each for each in was if not start <= each[0] < end]
        script.unheard |= _corrections_lost(was, script.events)
        # No connection outlives it.
        script.events.append((end, ConnectionEvent(end, False)))
        if not script.is_down(end):
            script.events.append((end, ConnectionEvent(end, True)))
        script.events.sort(key=_outage_first)


def _disk(script: Script, rng: Random) -> None:
    """The disk of the journal fails."""
    for _ in range(rng.randrange(1, 4)):
        start = rng.randrange(
            script.begin + 1, script.day.close + 60 * SECOND, SECOND // 4
        )
        script.broken_disk.append((start, start + rng.choice([1, 20, 150]) * SECOND))


FAULTS = {
    "thin": _thin,
    "halt": _halt,
    "correct": _correct,
    "holes": _holes,
    "drop": _drop,
    "delay": _delay,
    "duplicate": _duplicate,
    "reorder": _reorder,
    "silence": _silence,
    "burst": _burst,
    "outage": _outage,
    "garbage": _garbage,
    "late begin": _late_begin,
    "vendor down": _vendor_down,
    "vendor fails": _vendor_fails,
    "vendor old": _vendor_old,
    "vendor slow": _vendor_slow,
    "rate limit": _rate_limit,
    "come and go": _come_and_go,
    "sleep": _sleep,
    "disk": _disk,
}
_ABOUT_TRADES = {"thin", "halt", "correct", "holes"}


def _some(script: Script, rng: Random, share: float) -> list[tuple[str, int]]:
    return [
        (symbol, ts)
        for symbol, rows in script.truth.items()
        for ts in rows
        if rng.random() < share
    ]


def _is_bar(arrival: Arrival) -> bool:
    return isinstance(arrival[1], BarData | UpdatedBar)


def _instant(script: Script, rng: Random) -> int:
    return rng.randrange(script.day.open - MINUTE, script.day.close, SECOND // 2)


def _stretch(script: Script, rng: Random, longest: int) -> tuple[int, int]:
    start = _instant(script, rng)
    return start, start + rng.randrange(5, longest * 60) * SECOND


def _lose(script: Script, rng: Random, start: int, end: int) -> None:
    """What was pushed in a stretch is lost, or comes at its end."""
    is_lost = rng.random() < 0.7
    kept: list[Arrival] = []
    for at, event in script.events:
        if not start <= at < end:
            kept.append((at, event))
        elif not is_lost:
            kept.append((end, event))
    script.unheard |= _corrections_lost(script.events, kept)
    script.events = kept


def _corrections_lost(
    was: list[Arrival], kept: list[Arrival]
) -> dict[tuple[str, int], int]:
    """Symbol and start of the corrections that are not there any more, and when they would have come."""
    there = {id(event) for _, event in kept}
    return {
        (event.bar.symbol, event.bar.ts): at
        for at, event in was
        if isinstance(event, UpdatedBar) and id(event) not in there
    }


def quiet_day(
    symbols: tuple[str, ...] = ("AAA",), minutes: int = 10, **changes: Any
) -> Script:
    """A day without faults, for tests that make their own: each bar comes half a second after its end."""
    day = day_of(minutes)
    truth = {
        symbol: {ts: _traded(ts, salt) for ts in range(day.open, day.close, MINUTE)}
        for salt, symbol in enumerate(symbols)
    }
    script = Script(0, day, symbols, truth, begin_with=symbols)
    script.begin = day.open - MINUTE
    script.policies = {"completeness": "any", "no_trade": "gap"}
    script.events = sorted(
        (
            (ts + MINUTE + SECOND // 2, bar_data(symbol, bar))
            for symbol, rows in truth.items()
            for ts, bar in rows.items()
        ),
        key=lambda arrival: arrival[0],
    )
    for name, value in changes.items():
        setattr(script, name, value)
    return script
