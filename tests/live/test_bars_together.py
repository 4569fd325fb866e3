"""Bars that come to a journal together end as they would one by one, whatever they are."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from threading import Barrier
from typing import TYPE_CHECKING, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tapeloom import BarData, SessionData, TimeManager
from tapeloom.errors import ArgumentError, ArgumentTypeError, CapacityError
from tapeloom.live.journal import SessionJournal, SimulatedDisk
from tapeloom.live.recovery import recover
from tests.live.made import DAY, OPEN, bar, facts

if TYPE_CHECKING:
    from pathlib import Path

PATH = "day.journal"


class Offered(NamedTuple):
    """What is offered: a name as it is written, a minute, a price, the length of the bar, and whether it is wall time."""

    name: str
    number: int
    close: float
    interval: str
    is_wall_time: bool

    def pair(self) -> tuple[str, BarData]:
        made = bar(self.number, self.name.upper(), self.close)
        prices = (made.open, made.high, made.low, made.close, made.volume)
        when: object = made.ts
        if self.is_wall_time:
            when = datetime(2025, 7, 2, 9, 30 + self.number)  # noqa: DTZ001  # wall time of the exchange is meant
        return self.name, BarData(made.symbol, when, *prices, self.interval)


offered = st.builds(
    Offered,
    st.sampled_from(["AAPL", "MSFT", "IBM", "aapl"]),
    st.integers(0, 9),
    st.sampled_from([10.25, 10.5, -1.0, float("nan")]),
    st.sampled_from(["1m", "1m", "1m", "5m"]),
    st.booleans(),
)


def one_by_one(session: SessionData, bars: list[tuple[str, BarData]]) -> list[str]:
    found = []
    for name, each in bars:
        try:
            found.append(repr(session.add_bar(name, each)))
        except ArgumentError as error:
            found.append(repr(error))
    return found


@settings(max_examples=150, deadline=None)
@given(
    batches=st.lists(st.lists(offered, max_size=12), min_size=1, max_size=4),
    on_duplicate=st.sampled_from(["replace", "ignore", "error"]),
    on_invalid=st.sampled_from(["error", "skip"]),
    max_symbols=st.sampled_from([1, 2, 3, 100_000]),
)
def test_bars_that_come_together_end_as_they_would_one_by_one(
    batches: list[list[Offered]],
    on_duplicate: str,
    on_invalid: str,
    max_symbols: int,
) -> None:
    disk = SimulatedDisk()
    together, alone = (
        SessionData(
            on_duplicate=on_duplicate, on_invalid=on_invalid, max_symbols=max_symbols
        )
        for _ in range(2)
    )
    alone.start_new_session(DAY)
    with SessionJournal(PATH, together, disk=disk) as journal:
        journal.start_new_session(DAY)
        for batch in batches:
            bars = [each.pair() for each in batch]
            wanted = {bar.symbol for _, bar in bars}
            if len(wanted.union(alone._symbols)) > max_symbols:
                before, seq = repr(facts(together)), journal.last_seq
                with pytest.raises(CapacityError):
                    journal.add_bars(bars)
                assert (repr(facts(together)), journal.last_seq) == (before, seq)
                continue
            outcomes = [repr(each) for each in journal.add_bars(bars)]
            assert outcomes == one_by_one(alone, bars)
            assert together.get_ingest_counts().balanced
        written = facts(together)
    assert repr(written) == repr(facts(alone))
    assert repr(facts(recover(PATH, disk=disk))) == repr(written)


def test_a_reader_sees_bars_that_came_together_all_at_once(tmp_path: Path) -> None:
    session = SessionData()
    names = [f"S{number}" for number in range(50)]
    with SessionJournal(tmp_path / PATH, session) as journal:
        journal.start_new_session(DAY)
        journal.add_bars([(name, bar(0, name)) for name in names])
        before = session.epoch
        journal.add_bars([(name, bar(1, name)) for name in names])
        assert session.epoch == before + 1
    newest = [session.get_latest_bar(name) for name in names]
    assert {each.ts for each in newest if each is not None} == {OPEN + 60_000_000_000}


@pytest.mark.parametrize("mode", ["strict", "relaxed", "off"])
def test_one_that_is_no_bar_of_its_symbol_keeps_all_out(
    tmp_path: Path, mode: str
) -> None:
    session = SessionData()
    with SessionJournal(tmp_path / PATH, session, mode=mode) as journal:
        journal.start_new_session(DAY)
        journal.add_bar("AAPL", bar(0))
        before, seq = facts(session), journal.last_seq
        with pytest.raises(ArgumentError, match="a bar of MSFT cannot be added to"):
            journal.add_bars([("AAPL", bar(1)), ("AAPL", bar(2, "MSFT"))])
        with pytest.raises(ArgumentTypeError, match="it must be a BarData"):
            journal.add_bars([("AAPL", bar(1)), ("AAPL", 10.5)])  # type: ignore[list-item]  # what is refused
        assert (facts(session), journal.last_seq) == (before, seq)


@pytest.mark.parametrize("mode", ["strict", "relaxed", "off"])
def test_bars_of_more_symbols_than_may_be_kept_are_all_refused(
    tmp_path: Path, mode: str
) -> None:
    session = SessionData(max_symbols=2)
    with SessionJournal(tmp_path / PATH, session, mode=mode) as journal:
        journal.start_new_session(DAY)
        journal.add_bar("AAPL", bar(0))
        before, seq = facts(session), journal.last_seq
        many = [(name, bar(1, name)) for name in ("AAPL", "MSFT", "MSFT", "IBM")]
        with pytest.raises(
            CapacityError, match=r"IBM would be symbol 3 .* at most 2"
        ) as refused:
            journal.add_bars(many)
        assert (refused.value.symbol, refused.value.limit) == ("IBM", 2)
        assert (facts(session), journal.last_seq) == (before, seq)
        # Those that have room are taken afterwards, and a symbol that is removed leaves its room to another.
        journal.add_bars(many[:3])
        journal.remove_symbol("AAPL")
        journal.add_bars(many[3:])
        with pytest.raises(CapacityError, match="AAPL would be symbol 3"):
            journal.add_bars(many)
        written = facts(session)
    assert sorted(session._symbols) == ["IBM", "MSFT"]
    if mode != "off":
        assert repr(facts(recover(tmp_path / PATH))) == repr(written)


def test_a_name_that_has_a_number_and_is_not_kept_takes_no_room() -> None:
    disk = SimulatedDisk()
    session = SessionData(max_symbols=2)
    with SessionJournal(PATH, session, disk=disk) as journal:
        journal.start_new_session(DAY)
        journal.register_symbol("IBM")
        journal.clear("all")
        journal.start_new_session(DAY)
        journal.add_bars([(name, bar(0, name)) for name in ("AAPL", "MSFT")])
        assert session._symbols == ["AAPL", "MSFT"]
        written = facts(session)
    assert repr(facts(recover(PATH, disk=disk))) == repr(written)


def test_threads_that_bring_new_symbols_share_the_room_there_is(tmp_path: Path) -> None:
    session = SessionData(max_symbols=5)
    count = 6
    ready = Barrier(count)

    def bring(number: int, journal: SessionJournal) -> bool:
        names = (f"A{number}", f"B{number}")
        ready.wait()
        try:
            journal.add_bars([(name, bar(0, name)) for name in names])
        except CapacityError:
            return False
        return True

    with (
        SessionJournal(tmp_path / PATH, session) as journal,
        ThreadPoolExecutor(count) as pool,
    ):
        journal.start_new_session(DAY)
        taken = list(pool.map(lambda number: bring(number, journal), range(count)))
        written = facts(session)
    assert sum(taken) == 2
    assert len(session._symbols) == 4
    assert repr(facts(recover(tmp_path / PATH))) == repr(written)


def test_many_bars_of_another_length_among_those_of_the_base_are_refused_one_by_one() -> (
    None
):
    disk = SimulatedDisk()
    together, alone = SessionData(), SessionData()
    alone.start_new_session(DAY)
    intervals = ["1m", "5m", "5m", "1m", "1h"]
    bars = [
        Offered("AAPL", number, 10.5, intervals[number % 5], False).pair()
        for number in range(300)
    ]
    with SessionJournal(PATH, together, disk=disk) as journal:
        journal.start_new_session(DAY)
        outcomes = [repr(each) for each in journal.add_bars(bars)]
        assert outcomes == one_by_one(alone, bars)
        assert sum("SeriesConflictError" in each for each in outcomes) == 180
        written = facts(together)
    assert repr(written) == repr(facts(alone))
    assert repr(facts(recover(PATH, disk=disk))) == repr(written)


def test_a_bar_whose_bucket_would_be_cut_keeps_none_behind_it_out() -> None:
    # That day opens late, so that hours by the clock cut its half hours in two.
    days = TimeManager(
        overlay={"XNYS": {"2025-07-01": {"regular": ["09:45", "16:00"]}}}
    )
    together, alone = (SessionData(anchor="clock", time_manager=days) for _ in range(2))
    half, late = 30 * 60 * 10**9, 15 * 60 * 10**9 - 24 * 60 * 60 * 10**9
    moments = [0, late, half, late + half, 2 * half]
    bars = [
        ("AAPL", BarData("AAPL", OPEN + ts, 10.0, 11.0, 9.0, 10.5, 100.0, "30m"))
        for ts in moments
    ]
    disk = SimulatedDisk()
    alone.register_symbol("AAPL", base_interval="30m", derived=["1h"])
    alone.start_new_session(DAY)
    with SessionJournal(PATH, together, disk=disk) as journal:
        journal.register_symbol("AAPL", base_interval="30m", derived=["1h"])
        journal.start_new_session(DAY)
        outcomes = [repr(each) for each in journal.add_bars(bars)]
        assert ["cut one of them" in each for each in outcomes] == [
            False,
            True,
            False,
            True,
            False,
        ]
        assert outcomes == one_by_one(alone, bars)
        hashes = together.state_hash(), alone.state_hash()
    assert hashes[0] == hashes[1]
    assert recover(PATH, disk=disk, time_manager=days).state_hash() == hashes[0]
