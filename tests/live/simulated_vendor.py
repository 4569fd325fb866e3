"""The source of history of a simulated day: knows what the market knew at each instant, and does what the script says."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

from tests.reference.schedule import MINUTE, SECOND
from tests.session.vendor import Row, Vendor, VendorError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.live.made import SetClock
    from tests.live.simulated_script import Script
    from tests.session.vendor import Asked

__all__ = ["MarketVendor"]

KINDS = ("all", "all", "some", "none", "more", "twice", "off_grid", "other", "bad")


class MarketVendor(Vendor):
    """Answers what was known of the market ``age`` ago: bars that had ended then, corrected by then or not."""

    def __init__(self, script: Script, clock: SetClock) -> None:
        super().__init__(script.truth, failures=script.failures)
        if script.calls_per_minute is not None:
            self.requests_per_minute = script.calls_per_minute
        self._script = script
        self._clock = clock

    def answers(self, call: int, asked: Sequence[Asked]) -> list[list[Row]]:
        kind = self._script.vendor
        if kind == "down" or call < self.failures:
            raise VendorError(self.message)
        if kind == "good":
            return [self._rows(each, each.start, each.end) for each in asked]
        rng = Random(f"{self._script.seed} {call}")
        mishap = rng.random()
        if mishap < 0.25:
            raise VendorError(self.message)
        answers = [self._made(each, rng) for each in asked]
        return answers[:-1] if mishap < 0.35 else answers

    def _made(self, asked: Asked, rng: Random) -> list[Row]:
        kind = rng.choice(KINDS)
        rows = self._rows(asked, asked.start, asked.end)
        if kind == "twice":
            return rows + rows[::-1]
        if kind == "more":
            wide = 4 * MINUTE
            return self._rows(asked, asked.start - wide, asked.end + wide)[::-1]
        if kind == "none":
            return []
        if kind == "some":
            return [row for row in rows if rng.random() < 0.5]
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

    def _rows(self, asked: Asked, start: int, end: int) -> list[Row]:
        script, symbol = self._script, asked.symbol
        then = self._clock.now - script.age
        rows = []
        for ts, bar in script.truth.get(symbol, {}).items():
            if not start <= ts < end or ts + MINUTE > then:
                continue
            if (symbol, ts) in script.holes:
                continue
            first, known = script.first.get((symbol, ts), (bar, 0))
            rows.append(Row(symbol, bar if known <= then else first))
        return rows
