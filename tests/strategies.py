"""Hypothesis strategies: sorted sources, streams of one session with holes, and arrivals in any disorder."""

from __future__ import annotations

from datetime import date, timedelta
from random import Random
from typing import TYPE_CHECKING, NamedTuple

from hypothesis import settings
from hypothesis import strategies as st

from tests.reference.bars import Bar
from tests.reference.gaps import expected_starts
from tests.reference.schedule import HOUR, MINUTE, SECOND, TradingDay

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "Arrival",
    "arrivals",
    "bar_at",
    "fewer",
    "present_extended",
    "present_starts",
    "segmented_sessions",
    "sorted_sources",
    "streams",
]

INTERVALS = {
    "1s": SECOND,
    "1m": MINUTE,
    "5m": 5 * MINUTE,
    "15m": 15 * MINUTE,
    "60m": HOUR,
    "1h": HOUR,
}


class Arrival(NamedTuple):
    """Bars of one symbol offered one by one, or as one batch."""

    symbol: str
    bars: tuple[Bar, ...]
    is_batch: bool


def fewer(part: int) -> settings:
    """Return settings for a slow test: the profile's number of examples divided by ``part``."""
    return settings(max_examples=max(5, settings().max_examples // part))


def bar_at(ts: int, salt: int = 0) -> Bar:
    """Return a valid bar whose values follow from its start and the salt alone."""
    rng = Random(ts // SECOND * 1_009 + salt)
    low = round(rng.uniform(5.0, 500.0), 2)
    high = round(low + rng.expovariate(2.0), 2)
    opened, closed = (round(rng.uniform(low, high), 2) for _ in range(2))
    # Sums of these differ with the order of addition unless they are compensated.
    volume = rng.choice(
        [0.0, float(rng.randrange(10**6)), rng.random() * 100.0, rng.random() * 1e17]
    )
    return Bar(ts, opened, high, low, closed, volume)


@st.composite
def sorted_sources(draw: st.DrawFn) -> list[tuple[str, list[int]]]:
    """Sources of an interval and rising starts, with ties in and between them; some have one row or none."""
    origin = 1_751_463_000 * SECOND
    step = draw(st.sampled_from([1, SECOND, 7 * SECOND, MINUTE]))
    lengths = draw(st.lists(st.integers(0, 40), min_size=0, max_size=8))
    sources = []
    for length in lengths:
        interval = draw(st.sampled_from(sorted(INTERVALS)))
        # A small range makes equal stamps the normal case.
        offsets = draw(st.lists(st.integers(0, 30), min_size=length, max_size=length))
        sources.append(
            (interval, [origin + step * offset for offset in sorted(offsets)])
        )
    return sources


@st.composite
def segmented_sessions(draw: st.DrawFn) -> list[TradingDay]:
    """Made-up sessions of one to three stretches whose bounds lie on quarter hours from the open."""
    quarter = 15 * MINUTE
    days = []
    first = date(2025, 3, 3)
    for number in range(draw(st.integers(1, 3))):
        midnight = (first - date(1970, 1, 1)).days * 24 * HOUR + number * 24 * HOUR
        cuts = draw(
            st.lists(st.integers(0, 95), min_size=2, max_size=6, unique=True).filter(
                lambda c: len(c) % 2 == 0
            )
        )
        bounds = [midnight + quarter * cut for cut in sorted(cuts)]
        segments = tuple(zip(bounds[::2], bounds[1::2], strict=True))
        days.append(
            TradingDay(
                first + timedelta(days=number),
                segments,
                (midnight, midnight + 24 * HOUR),
            )
        )
    return days


@st.composite
def present_starts(
    draw: st.DrawFn, day: TradingDay, *, step: int = MINUTE
) -> list[int]:
    """Starts of the bars that came: the whole session or a part of it, some runs dropped."""
    grid = expected_starts(day, step)
    first, last = 0, len(grid)
    is_whole = draw(st.booleans())
    if not is_whole:
        first = draw(st.integers(0, len(grid) - 1))
        last = draw(st.integers(first, min(len(grid), first + 90)))
    dropped: set[int] = set()
    for start, length in draw(
        st.lists(st.tuples(st.integers(0, len(grid)), st.integers(1, 12)), max_size=6)
    ):
        dropped.update(range(start, start + length))
    return [
        ts
        for index, ts in enumerate(grid)
        if first <= index < last and index not in dropped
    ]


@st.composite
def present_extended(draw: st.DrawFn, day: TradingDay) -> list[int]:
    """Starts of the minutes that came in pre- and post-market: a part of each, thinly filled, the edges often among them."""
    found = []
    for start, end in day.extended:
        minutes = (end - start) // MINUTE
        first = draw(st.sampled_from([0, 57, minutes - 40, minutes - 5]))
        length = draw(st.integers(0, 45))
        every = draw(st.sampled_from([1, 1, 3, 11]))
        offsets = range(first, min(minutes, first + length), every)
        found += [start + MINUTE * offset for offset in offsets]
    return found


@st.composite
def streams(
    draw: st.DrawFn,
    days: Sequence[TradingDay],
    *,
    symbols: Sequence[str] = ("AAA", "BBB", "CCC"),
) -> dict[str, list[Bar]]:
    """Sorted bars of several symbols over some sessions: holes, extended hours, equal and conflicting duplicates.

    Every symbol has a bar in the first session, so that none is without data.
    """
    tape: dict[str, list[Bar]] = {}
    for salt, symbol in enumerate(symbols):
        bars = [bar_at(days[0].open + MINUTE * draw(st.integers(0, 100)), salt)]
        for day in days:
            bars += [bar_at(ts, salt) for ts in draw(present_starts(day))]
            bars += [bar_at(ts, salt) for ts in draw(_extended_starts(day))]
        unique = sorted({bar.ts: bar for bar in bars}.values())
        for index in draw(
            st.lists(st.integers(0, len(unique) - 1), max_size=3, unique=True)
        ):
            again = draw(st.sampled_from([0, 100]))
            unique.append(
                unique[index] if again == 0 else bar_at(unique[index].ts, salt + again)
            )
        # Stable and by start alone: a repeated key comes after the first of it.
        tape[symbol] = sorted(unique, key=lambda bar: bar.ts)
    return tape


@st.composite
def arrivals(
    draw: st.DrawFn,
    day: TradingDay,
    *,
    before: TradingDay | None = None,
    after: TradingDay | None = None,
    extended: bool = False,
) -> list[Arrival]:
    """Bars of two symbols in arrival order: late, repeated, conflicting, off the grid, invalid, of other sessions.

    With ``extended`` the pre- and post-market trade too, some of their bars off the grid.
    """
    chunks: list[Arrival] = []
    for salt, symbol in enumerate(("AAA", "BBB")):
        starts = draw(present_starts(day))
        if extended:
            beside = draw(present_extended(day))
            off = [ts + 30 * SECOND for ts in beside[:1] if draw(st.booleans())]
            starts = sorted(starts + beside + off)
        in_order = [bar_at(ts, salt) for ts in starts]
        offered = draw(_disordered(in_order))
        for stray in draw(_strays(day, before=before, after=after, salt=salt)):
            offered.insert(draw(st.integers(0, len(offered))), stray)
        while offered:
            size = draw(st.integers(1, 60))
            chunks.append(Arrival(symbol, tuple(offered[:size]), draw(st.booleans())))
            offered = offered[size:]
    return draw(st.permutations(chunks)) if draw(st.booleans()) else chunks


@st.composite
def _disordered(draw: st.DrawFn, in_order: list[Bar]) -> list[Bar]:
    """Hold some bars back, repeat some, follow some with other values."""
    offered = list(in_order)
    if not offered:
        return offered
    if draw(st.integers(0, 9)) == 0:
        return offered[::-1]
    positions = st.integers(0, len(in_order) - 1)
    for source in draw(st.lists(positions, max_size=5, unique=True)):
        bar = in_order[source]
        offered.remove(bar)
        offered.insert(draw(st.integers(0, len(offered))), bar)
    for source in draw(st.lists(positions, max_size=4)):
        again = draw(st.sampled_from([None, 50, 51]))
        bar = in_order[source] if again is None else bar_at(in_order[source].ts, again)
        offered.insert(draw(st.integers(0, len(offered))), bar)
    return offered


@st.composite
def _strays(
    draw: st.DrawFn,
    day: TradingDay,
    *,
    before: TradingDay | None,
    after: TradingDay | None,
    salt: int,
) -> list[Bar]:
    """Return bars that do not belong on the grid of the session."""
    grid = expected_starts(day, MINUTE)
    strays = [bar_at(ts, salt) for ts in draw(_extended_starts(day))]
    strays += [
        bar_at(ts + 30 * SECOND, salt)
        for ts in draw(st.lists(st.sampled_from(grid), max_size=2, unique=True))
    ]
    for ts in draw(st.lists(st.sampled_from(grid), max_size=2, unique=True)):
        strays.append(draw(_broken(bar_at(ts, salt + 200))))
    for other in (before, after):
        if other is not None:
            starts = st.lists(
                st.sampled_from(expected_starts(other, MINUTE)[:40]), max_size=4
            )
            strays += [bar_at(ts, salt) for ts in draw(starts)]
    return strays


@st.composite
def _extended_starts(draw: st.DrawFn, day: TradingDay) -> list[int]:
    """Return starts before the open, inside a break and from the close on, all on the step."""
    places = [day.open - MINUTE, day.open - HOUR, day.close, day.close + 17 * MINUTE]
    places += [end for _, end in day.segments[:-1]]
    return draw(st.lists(st.sampled_from(places), max_size=3, unique=True))


@st.composite
def _broken(draw: st.DrawFn, bar: Bar) -> Bar:
    """Return the bar with one rule broken."""
    faults: list[dict[str, float]] = [
        {"high": bar.low - 1.0},
        {"close": float("nan")},
        {"open": float("inf")},
        {"volume": -1.0},
        {"low": 0.0},
        {"close": bar.high + 1.0},
    ]
    return Bar(**{**bar._asdict(), **draw(st.sampled_from(faults))})
