"""A whole backtest as nested loops: the instants of each session and what becomes known at each of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from tests.reference.derived import derive
from tests.reference.gaps import expected_starts, extended_starts
from tests.reference.schedule import MINUTE, interval_ns, known_at

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from tests.reference.bars import Bar
    from tests.reference.derived import Derived
    from tests.reference.schedule import TradingDay

__all__ = ["Batch", "Item", "replay"]


class Item(NamedTuple):
    """One bar that became known."""

    symbol: str
    interval: str
    bar: Bar | Derived


class Batch(NamedTuple):
    """One instant and its bars: symbols as configured, per symbol the base bar first, then ascending intervals."""

    ts: int
    items: list[Item]


def replay(
    days: Iterable[TradingDay],
    streams: Mapping[str, Sequence[Bar]],
    *,
    base: str = "1m",
    derived: Sequence[str] = (),
    completeness: str = "any",
    extended_hours: str = "off",
) -> list[Batch]:
    """Return every batch of the sessions in order. Of equal keys the last one counts.

    Only regular bars take part, with extended hours other than ``"off"`` those of pre- and post-market too.
    """
    batches: list[Batch] = []
    for day in sorted(days, key=lambda day: day.open):
        batches += _replay_session(
            day,
            streams,
            base=base,
            derived=derived,
            completeness=completeness,
            extended_hours=extended_hours,
        )
    return batches


def _replay_session(
    day: TradingDay,
    streams: Mapping[str, Sequence[Bar]],
    *,
    base: str,
    derived: Sequence[str],
    completeness: str,
    extended_hours: str,
) -> list[Batch]:
    step = interval_ns(base) or MINUTE
    grid = set(expected_starts(day, step))
    if extended_hours != "off":
        grid.update(extended_starts(day, step))
    known: dict[int, list[Item]] = {}
    for symbol, stream in streams.items():
        bars = {bar.ts: bar for bar in stream if bar.ts in grid}
        for ts in sorted(bars):
            known.setdefault(known_at(ts, step, day), []).append(
                Item(symbol, base, bars[ts])
            )
        for interval in sorted(
            derived, key=lambda text: interval_ns(text) or day.close - day.open
        ):
            for coarse in derive(
                day,
                bars,
                step,
                interval_ns(interval),
                completeness=completeness,
                extended_hours=extended_hours,
            ):
                known.setdefault(coarse.end, []).append(Item(symbol, interval, coarse))

    # The finest interval first, then the symbols as they were given: the sort keeps their order.
    def length(interval: str) -> int:
        return interval_ns(interval) or day.close - day.open

    return [
        Batch(ts, sorted(known[ts], key=lambda item: length(item.interval)))
        for ts in sorted(known)
    ]
