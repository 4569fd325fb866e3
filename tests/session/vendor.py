"""A source of history over bars in memory, which does as it is told: answers, fails, answers something else."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Any, NamedTuple

from tapeloom._core import Replay
from tapeloom.bars import Bars
from tapeloom.session_data import SessionData
from tests.compare import bar_data, columns
from tests.reference.bars import Bar
from tests.reference.gaps import expected_starts
from tests.reference.schedule import MINUTE, SECOND, to_ns
from tests.strategies import bar_at

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from tapeloom._core import Batch
    from tapeloom.history_source import HistoryRequest
    from tests.reference.schedule import TradingDay

__all__ = ["Asked", "Played", "Row", "Vendor", "VendorError", "whole_day"]

KINDS = ("all", "all", "some", "none", "more", "twice", "off_grid", "other", "bad")


class VendorError(Exception):
    """What the source fails with."""


class Asked(NamedTuple):
    """One request as the source saw it; times in ns."""

    symbol: str
    start: int
    end: int


class Row(NamedTuple):
    """One row of an answer, with the symbol it claims to be of."""

    symbol: str
    bar: Bar


def whole_day(day: TradingDay, symbols: Iterable[str]) -> dict[str, dict[int, Bar]]:
    """Return a bar for every minute of a day, by symbol and start."""
    return {
        symbol: {ts: bar_at(ts, salt) for ts in expected_starts(day, MINUTE)}
        for salt, symbol in enumerate(symbols)
    }


class Vendor:
    """Answers from ``truth``. With a seed each call and request meets another mishap, the same for the same seed."""

    def __init__(
        self,
        truth: Mapping[str, Mapping[int, Bar]],
        *,
        seed: int | None = None,
        most_requests: int | None = None,
        requests_per_minute: int | None = None,
        failures: int = 0,
    ) -> None:
        self.truth = truth
        self.seed = seed
        self.most_requests = most_requests
        self.requests_per_minute = requests_per_minute
        self.failures = failures
        self.calls: list[list[Asked]] = []
        self.message = "no line"

    def fetch(self, requests: Sequence[HistoryRequest]) -> Sequence[object]:
        asked = [Asked(r.symbol, to_ns(r.start), to_ns(r.end)) for r in requests]
        self.calls.append(asked)
        answers = self.answers(len(self.calls) - 1, asked)
        return [[bar_data(row.symbol, row.bar) for row in rows] for rows in answers]

    def answers(self, call: int, asked: Sequence[Asked]) -> list[list[Row]]:
        """Return the rows of each request of a call, by number; raise where that call fails."""
        if call < self.failures:
            raise VendorError(self.message)
        if self.seed is None:
            return [self._rows(each, each.start, each.end) for each in asked]
        rng = Random(f"{self.seed} {call}")
        mishap = rng.random()
        if mishap < 0.25:
            raise VendorError(self.message)
        answers = [self._mishap(each, rng) for each in asked]
        return answers[:-1] if mishap < 0.35 else answers

    def _rows(self, asked: Asked, start: int, end: int) -> list[Row]:
        truth = self.truth.get(asked.symbol, {})
        return [
            Row(asked.symbol, truth[ts]) for ts in sorted(truth) if start <= ts < end
        ]

    def _mishap(self, asked: Asked, rng: Random) -> list[Row]:
        kind = rng.choice(KINDS)
        rows = self._rows(asked, asked.start, asked.end)
        if kind == "none":
            return []
        if kind == "some":
            return [row for row in rows if rng.random() < 0.5]
        if kind == "more":
            # Newest first, and what nobody asked for on both sides.
            wide = 40 * MINUTE
            return self._rows(asked, asked.start - wide, asked.end + wide)[::-1]
        if kind == "twice":
            again = [row._replace(bar=bar_at(row.bar.ts, 77)) for row in rows]
            return rows + rng.choice([rows, again])
        if kind == "off_grid":
            shifted = [
                row._replace(bar=row.bar._replace(ts=row.bar.ts + 7 * SECOND))
                for row in rows
            ]
            return shifted + rows[:1]
        if kind == "other":
            return [row._replace(symbol="OTHER") for row in rows]
        if kind == "bad":
            broken = [row._replace(bar=row.bar._replace(volume=-1.0)) for row in rows]
            return broken[:1] + rows[1:]
        return rows


class Played:
    """One day of some symbols in a store, moved forward by hand."""

    def __init__(
        self,
        day: TradingDay,
        tape: Mapping[str, Mapping[int, Bar]],
        *,
        derived: Sequence[str] = (),
        **policies: object,
    ) -> None:
        self.day = day
        self.session = SessionData(**policies)  # type: ignore[arg-type]
        for symbol in tape:
            self.session.register_symbol(symbol, base_interval="1m", derived=derived)
        self.session.start_new_session(day.date)
        table = self.session.session_table
        sources = []
        for symbol, rows in tape.items():
            given: dict[str, Any] = {**columns([rows[ts] for ts in sorted(rows)])}
            bars = Bars.from_columns(
                symbol, "1m", **given, zone=table.zone, table=table
            )
            sources.append((symbol, bars))
        self._replay = Replay(self.session, sources, close=day.close)

    def to(self, clock: int) -> Batch:
        """Play everything known at an instant; the clock stands there."""
        while True:
            batch = self._replay.run(intervals=["1w"], until=clock)
            if batch.held or batch.ended:
                return batch

    def to_minute(self, minute: int) -> Batch:
        """Play so many minutes from the open."""
        return self.to(self.day.open + minute * MINUTE)

    def next(self) -> Batch:
        """Play to the next instant at which a bar comes."""
        return self._replay.run(each_instant=True)

    def end(self) -> None:
        """End the session as the coordinator does."""
        self._replay.close()
        self.session.end_session()
