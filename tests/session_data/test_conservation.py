"""Any calls in any order: every offered bar has one outcome, and every read is that of plain dicts."""

from __future__ import annotations

from bisect import insort_right
from typing import TYPE_CHECKING

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from tapeloom.errors import DuplicateBarError, InvalidBarError
from tapeloom.ingest import IngestCounts
from tapeloom.quotes import Quote, TickData
from tapeloom.session_data import SessionData
from tests.compare import bar_data, columns, derived_facts, plain_derived, stored
from tests.core.test_store import (
    OUTCOMES,
    POLICIES,
    Policy,
    assert_same_bars,
    assert_same_metrics,
    offer,
)
from tests.days import US
from tests.reference.bars import Bar
from tests.reference.schedule import HOUR, MINUTE, SECOND
from tests.reference.session import Store
from tests.strategies import bar_at

if TYPE_CHECKING:
    from tests.reference.schedule import TradingDay

SYMBOLS = ("AAA", "BBB", "BRK.B")
FAULTS: dict[str, float] = {"volume": -1.0, "close": float("nan"), "low": 0.0}

symbols = st.sampled_from(SYMBOLS)
#: Few starts and few values, so that keys meet again with the same and with other values.
offsets = st.one_of(
    st.integers(0, 11).map(lambda number: number * MINUTE),
    st.sampled_from([-HOUR, 30 * SECOND, 5 * MINUTE + SECOND]),
)
places = st.tuples(
    # Which session: one before, the present one, the next.
    st.sampled_from([0, 0, 0, 0, -1, 1]),
    offsets,
    st.integers(0, 2),
    st.sampled_from([None] * 8 + sorted(FAULTS)),
)


class Session(RuleBasedStateMachine):
    """A session and dicts that are told the same."""

    @initialize(policy=st.sampled_from(POLICIES), first=st.integers(1, 4))
    def begin(self, policy: Policy, first: int) -> None:
        self.policies = policy._asdict()
        self.session = SessionData(**self.policies)
        self.store = Store(US.days, **self.policies)
        self.at = first
        self.derived: set[str] = set()
        self.quotes: dict[str, list[tuple[int, int, float]]] = {}
        self.ticks: dict[str, list[tuple[int, int, float]]] = {}
        self.arrived = 0
        self._start()

    @property
    def day(self) -> TradingDay:
        return US.days[self.at]

    def _start(self, *, roll: bool = False) -> None:
        if roll:
            for series in self.store.series.values():
                series.history.update(series.session)
        self.session.start_new_session(self.day.date, roll=roll)
        self.store.start_session(self.day.date)
        self.quotes, self.ticks = {}, {}

    def _bar(self, place: tuple[int, int, int, str | None]) -> Bar:
        shift, offset, salt, fault = place
        day = US.days[min(self.at + shift, len(US.days) - 1)]
        bar = bar_at(day.open + offset, salt)
        return bar if fault is None else Bar(**{**bar._asdict(), fault: FAULTS[fault]})

    @rule(symbol=symbols, derive=st.booleans())
    def register(self, symbol: str, derive: bool) -> None:
        self.session.register_symbol(symbol.lower(), derived=["5m"] if derive else [])
        self.store.offer_batch(symbol, [])
        if derive:
            self.derived.add(symbol)

    @rule(symbol=symbols, place=places)
    def add_bar(self, symbol: str, place: tuple[int, int, int, str | None]) -> None:
        bar = self._bar(place)
        assert offer(self.session, symbol, bar) == self.store.offer(symbol, bar)

    @rule(symbol=symbols, batch=st.lists(places, min_size=1, max_size=8))
    def add_batch(
        self, symbol: str, batch: list[tuple[int, int, int, str | None]]
    ) -> None:
        bars = [self._bar(place) for place in batch]
        before = self.session.get_ingest_counts()
        expected = self.store.offer_batch(symbol, bars)
        try:
            if len(bars) % 2:
                self.session.add_bars_batch(symbol, columns(bars), "1m")
            else:
                offered = [bar_data(symbol, bar) for bar in bars]
                self.session.add_bars_batch(symbol, offered)
        except (InvalidBarError, DuplicateBarError):
            assert expected["rejected"] == len(bars)
        gone = self.session.get_ingest_counts() - before
        assert gone.offered == len(bars)
        for outcome, name in OUTCOMES.items():
            assert getattr(gone, name) == expected[outcome], outcome

    @rule(symbol=symbols, number=st.integers(0, 20), is_quote=st.booleans())
    def append(self, symbol: str, number: int, is_quote: bool) -> None:
        ts = self.day.open + number * MINUTE
        self.arrived += 1
        value = float(self.arrived)
        if is_quote:
            self.session.append_quote(symbol, Quote(symbol, ts, value, value))
        else:
            self.session.append_tick(symbol, TickData(symbol, ts, value, 1))
        kept = self.quotes if is_quote else self.ticks
        insort_right(kept.setdefault(symbol, []), (ts, self.arrived, value))
        self.store.offer_batch(symbol, [])

    @precondition(lambda self: self.at + 1 < len(US.days))
    @rule(roll=st.booleans())
    def start_new_session(self, roll: bool) -> None:
        self.at += 1
        self._start(roll=roll)

    @precondition(lambda self: not self.store.ended)
    @rule()
    def end_session(self) -> None:
        self.session.end_session()
        self.store.end_session()

    @rule()
    def clear_session_bars(self) -> None:
        self.session.clear_session_bars()
        for series in self.store.series.values():
            series.session.clear()
        # The session is as it was before its first bar.
        self.store.clock = None

    @rule()
    def clear_historical_bars(self) -> None:
        self.session.clear_historical_bars()
        for series in self.store.series.values():
            series.history.clear()

    @rule()
    def clear_all(self) -> None:
        self.session.clear_all()
        assert self.session.get_ingest_counts() == IngestCounts()
        self.store = Store(US.days, **self.policies)
        self.derived.clear()
        self._start()

    @precondition(lambda self: self.store.series)
    @rule(data=st.data())
    def remove_symbol(self, data: st.DataObject) -> None:
        symbol = data.draw(st.sampled_from(sorted(self.store.series)))
        held = self.session.get_bars(symbol)
        shown = stored(held)
        self.session.remove_symbol(symbol)
        assert stored(held) == shown
        del self.store.series[symbol]
        self.derived.discard(symbol)
        self.quotes.pop(symbol, None)
        self.ticks.pop(symbol, None)

    @invariant()
    def every_offered_bar_has_one_outcome(self) -> None:
        total = self.session.get_ingest_counts()
        assert total.balanced
        parts = IngestCounts()
        for symbol, series in self.store.series.items():
            counts = self.session.get_ingest_counts(symbol)
            assert counts.balanced
            assert counts.offered == series.counts["offered"]
            for outcome, name in OUTCOMES.items():
                assert getattr(counts, name) == series.counts[outcome], outcome
            parts += counts
        assert parts == total

    @invariant()
    def every_read_is_that_of_the_dicts(self) -> None:
        assert self.session.get_active_symbols() == set(self.store.series)
        for symbol in self.store.series:
            assert_same_bars(self.session, self.store, symbol)
            assert_same_metrics(self.session, self.store, symbol)
            revisions = self.store.series[symbol].revisions
            assert len(self.session.get_revisions(symbol)) == len(revisions)
        for symbol in self.derived:
            derived = self.session.get_bars(symbol, "5m")
            expected = self.store.derived(symbol, "5m")
            assert plain_derived(derived) == derived_facts(expected)

    @invariant()
    def quotes_and_ticks_stand_in_order_of_time(self) -> None:
        for symbol in self.store.series:
            quotes = self.session.get_quotes(symbol, 10_000)
            found = list(zip(quotes.ts.tolist(), quotes.bid.tolist(), strict=True))
            assert found == [(ts, bid) for ts, _, bid in self.quotes.get(symbol, [])]
            ticks = self.session.get_ticks(symbol, 10_000)
            found = list(zip(ticks.ts.tolist(), ticks.price.tolist(), strict=True))
            assert found == [(ts, price) for ts, _, price in self.ticks.get(symbol, [])]


TestConservation = Session.TestCase
TestConservation.settings = settings(max_examples=40, stateful_step_count=50)
