"""The steps of a live session through its journal: on disk first, and there again after a crash."""

from __future__ import annotations

import shutil
from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tapeloom import BarData, SessionData, TapeloomError
from tapeloom._core import JournalReader, Live
from tapeloom.bars import Provenance
from tapeloom.errors import (
    ArgumentError,
    ArgumentTypeError,
    JournalError,
    StateError,
    UnknownSymbolError,
)
from tapeloom.live.journal import SessionJournal
from tapeloom.live.journal_header import Kind, Patience
from tapeloom.live.recovery import Recovery, recover
from tests.live.made import DAY, MINUTE, OPEN, SetClock, bar, begun, facts

if TYPE_CHECKING:
    from pathlib import Path

SECOND = 1_000_000_000
PATIENCE = Patience(2 * SECOND, SECOND)
MODES = pytest.mark.parametrize("mode", ["strict", "relaxed"])


def live(session: SessionData) -> Live:
    return Live(session, grace=PATIENCE.grace_ns, tolerance=PATIENCE.tolerance_ns)


def at(number: int, seconds: float = 0) -> int:
    """When the bar of a number is known, and some seconds."""
    return OPEN + (number + 1) * MINUTE + int(seconds * SECOND)


def written(path: Path) -> list[tuple[Kind, int, int, bool]]:
    """Kind, arrival, start and whether it came with the one before, of all records of bars and clocks."""
    reader = JournalReader(path, owner="a test")
    found: list[tuple[Kind, int, int, bool]] = []
    while (records := reader.read(1_000)) is not None:
        columns: dict[str, Any] = records.columns()
        rows = zip(
            *(columns[name].tolist() for name in ("kind", "arrival", "ts", "joined")),
            strict=True,
        )
        found += [
            (Kind(kind), arrival, ts, bool(joined))
            for kind, arrival, ts, joined in rows
            if kind in (Kind.BAR, Kind.CORRECTION, Kind.CLOCK)
        ]
    reader.close()
    return found


@MODES
def test_a_step_is_on_disk_as_one_and_in_the_session(tmp_path: Path, mode: str) -> None:
    path = tmp_path / "day.journal"
    with begun(
        SessionJournal(path, SessionData(), mode=mode, patience=PATIENCE)
    ) as journal:
        running = live(journal.session_data)
        before = journal.last_seq
        batch, refused = journal.step(
            running,
            [bar(0), bar(0, "MSFT"), bar(0, close=12.0)],
            at(0),
            corrections=[2],
        )
        assert journal.last_seq == before + 3
        assert (batch.ts, refused) == (at(0), [])
        assert [b.close for b in batch.bars] == [12.0, 10.5]
        running.close()
    assert written(path) == [
        (Kind.BAR, at(0), bar(0).ts, False),
        (Kind.BAR, at(0), bar(0).ts, True),
        (Kind.CORRECTION, at(0), bar(0).ts, True),
    ]


@MODES
def test_a_step_without_bars_writes_nothing_and_the_next_record_brings_its_clock(
    tmp_path: Path, mode: str
) -> None:
    path = tmp_path / "day.journal"
    with begun(
        SessionJournal(
            path, SessionData(), mode=mode, clock=SetClock(), patience=PATIENCE
        )
    ) as journal:
        running = live(journal.session_data)
        before = journal.last_seq
        for seconds in (1, 3, 2):
            batch, _ = journal.step(running, [], at(0, seconds))
        assert (batch.ts, journal.last_seq) == (at(0, 3), before)
        journal.step(running, [bar(0)], at(0, 4))
        journal.step(running, [bar(1)], at(1))
        journal.step(running, [], at(1, 1))
        running.close()
        journal.end_session()
    assert written(path) == [
        (Kind.CLOCK, at(0, 4), at(0, 3), False),
        (Kind.BAR, at(0, 4), bar(0).ts, False),
        (Kind.BAR, at(1), bar(1).ts, False),
        (Kind.CLOCK, OPEN, at(1, 1), False),
    ]


@MODES
def test_what_a_step_cannot_take_is_an_error_before_anything_is_written(
    tmp_path: Path, mode: str
) -> None:
    with begun(
        SessionJournal(
            tmp_path / "day.journal", SessionData(), mode=mode, patience=PATIENCE
        )
    ) as journal:
        session = journal.session_data
        session.register_symbol("PAST", base_interval="1m")
        running = live(session)
        journal.step(running, [], at(0))
        before = journal.last_seq
        with pytest.raises(UnknownSymbolError, match="GONE arrived, which is not kept"):
            journal.step(running, [bar(0), bar(0, "GONE")], at(0))
        with pytest.raises(UnknownSymbolError, match="register the symbol through it"):
            journal.step(running, [bar(0), bar(0, "PAST")], at(0))
        other = BarData("AAPL", OPEN, 9.0, 9.0, 9.0, 9.0, 5.0, "5m")
        with pytest.raises(ArgumentError, match="base interval is 1m"):
            journal.step(running, [bar(0), other], at(0))
        for position in (-1, 1):
            with pytest.raises(
                ArgumentError, match=f"position {position}; there are 1"
            ):
                journal.step(running, [bar(0)], at(0), corrections=[position])
        assert journal.last_seq == before
        assert session.get_bar_count("AAPL") == 0
        running.close()
        journal.close()
        with pytest.raises(StateError, match="closed"):
            journal.step(running, [bar(0)], at(0))


@MODES
def test_no_step_is_taken_once_the_disk_failed(tmp_path: Path, mode: str) -> None:
    journal = begun(
        SessionJournal(
            tmp_path / "day.journal", SessionData(), mode=mode, patience=PATIENCE
        )
    )
    running = live(journal.session_data)
    journal.step(running, [bar(0)], at(0))
    assert journal._journal is not None
    journal._journal.stop("no space left on device")
    for bars in ([bar(1)], []):
        with pytest.raises(JournalError, match="no space left"):
            journal.step(running, bars, at(1))
    assert journal.session_data.get_bar_count("AAPL") == 1
    journal.reopen()
    journal.step(running, [bar(1)], at(1))
    assert journal.session_data.get_bar_count("AAPL") == 2
    running.close()
    journal.close()


def test_without_a_journal_a_step_is_only_taken(tmp_path: Path) -> None:
    journal = begun(SessionJournal(tmp_path / "x.journal", SessionData(), mode="off"))
    running = live(journal.session_data)
    batch, _ = journal.step(running, [bar(0)], at(0))
    assert len(batch) == 1
    running.close()
    journal.close()
    assert list(tmp_path.iterdir()) == []


def test_the_clock_of_steps_without_bars_is_recovered_too(tmp_path: Path) -> None:
    path = tmp_path / "day.journal"
    with SessionJournal(path, SessionData(), patience=PATIENCE) as journal:
        begun(journal)
        running = live(journal.session_data)
        journal.step(running, [bar(0)], at(0))
        journal.step(running, [], at(0, 30))
        # Replaced as of the clock before it: that of the step without bars.
        journal.step(running, [bar(0, close=11.0)], at(0, 40))
        ((_, _, clock),) = journal.session_data._revisions("AAPL")
        journal.step(running, [], at(1))
        running.close()
        written = facts(journal.session_data)
    assert (clock, written["clock"]) == (at(0, 30), at(1))
    assert facts(recover(path)) == written


def test_patience_and_configuration_are_kept_in_every_file(tmp_path: Path) -> None:
    path = tmp_path / "day.journal"
    config = {"mode": "live", "symbols": ["AAPL"], "grace": 2.0}
    journal = SessionJournal(path, SessionData(), patience=PATIENCE, config=config)
    assert journal._journal is not None
    journal._journal.stop("no space left on device")
    journal.reopen()
    with suppress(JournalError):
        journal.close()
    for kept in (path, [path, tmp_path / "day.journal.1"]):
        with Recovery(kept) as found:
            found.replay()
            assert (found.patience, found.config) == (PATIENCE, config)
    with SessionJournal.resume(path) as resumed:
        assert (resumed.patience, resumed.config) == (PATIENCE, config)


def test_a_header_without_a_live_session_is_read_as_before(tmp_path: Path) -> None:
    path = tmp_path / "day.journal"
    begun(SessionJournal(path, SessionData())).close()
    with SessionJournal.resume(path) as resumed:
        assert (resumed.patience, resumed.config) == (None, {})
        before = resumed.last_seq
        running = live(resumed.session_data)
        with pytest.raises(StateError, match="begun without patience"):
            resumed.step(running, [bar(0)], at(0))
        assert resumed.last_seq == before
        running.close()


@pytest.mark.parametrize("odd", [-1, 2.0, True, 1 << 63])
def test_a_patience_is_whole_nanoseconds_from_0_on(odd: Any) -> None:
    with pytest.raises(ArgumentError, match="whole number of nanoseconds"):
        Patience(odd, 0)
    with pytest.raises(ArgumentError, match="whole number of nanoseconds"):
        Patience(0, odd)


def test_what_recovering_could_not_take_again_is_refused_first(tmp_path: Path) -> None:
    path = tmp_path / "day.journal"
    with begun(SessionJournal(path, SessionData(), patience=PATIENCE)) as journal:
        before = journal.last_seq
        other = SessionData()
        other.register_symbol("AAPL")
        with pytest.raises(ArgumentError, match="another session"):
            journal.step(live(other), [bar(0)], at(0))
        hasty = Live(journal.session_data, grace=0, tolerance=SECOND)
        with pytest.raises(ArgumentError, match="waits 0 ns"):
            journal.step(hasty, [bar(0)], at(0))
        # Nor is what a running session refuses.
        for change in (
            journal.end_session,
            lambda: journal.start_new_session(DAY),
            lambda: journal.remove_symbol("AAPL"),
            lambda: journal.clear("all"),
        ):
            with pytest.raises(StateError, match="close it first"):
                change()
        assert journal.last_seq == before
        hasty.close()
    for config in ({"a": object()}, {"a": float("nan")}, [1]):
        with pytest.raises(ArgumentTypeError, match="config"):
            SessionJournal(tmp_path / "x", SessionData(), config=config)  # type: ignore[arg-type]
    with pytest.raises(ArgumentTypeError, match="must be a Patience"):
        SessionJournal(tmp_path / "x", SessionData(), patience=2)  # type: ignore[arg-type]
    assert not (tmp_path / "x").exists()


symbols = st.sampled_from(["AAPL", "MSFT", "NEW"])
# Newest, late, beyond the tolerance, of another day; a close that breaks a rule.
arrivals = st.lists(
    st.tuples(
        symbols,
        st.one_of(st.integers(-7, 2), st.sampled_from([-400, 500])),
        st.sampled_from([10.5, 10.5, 10.25, 10.75, -1.0, float("nan")]),
    ),
    max_size=4,
)
seconds = st.integers(0, 150)
moves = st.one_of(
    st.tuples(st.just("step"), seconds, arrivals),
    st.tuples(st.just("step"), seconds, arrivals),
    st.tuples(st.just("tick"), seconds),
    st.tuples(st.just("filled"), symbols, st.lists(st.integers(-7, 0), min_size=1)),
    st.tuples(st.just("added"), symbols, st.integers(-7, 2)),
    st.tuples(
        st.just("register"), symbols, st.sampled_from([[], ["5m"], ["15m", "1d"]])
    ),
    st.tuples(st.just("remove"), symbols, st.booleans()),
    st.tuples(st.just("clear"), st.sampled_from(["session", "history"])),
    st.tuples(st.just("next"), st.booleans()),
    st.tuples(st.just("rest")),
)


class Day:
    """Moves of a live session, through a journal or, without one, in the session itself."""

    def __init__(self, session: SessionData, journal: SessionJournal | None) -> None:
        self.session = session
        self.journal = journal
        self.target: Any = session if journal is None else journal
        self.clock = OPEN
        self.day = DAY
        self.target.start_new_session(self.day)
        for name in ("AAPL", "MSFT"):
            self.target.register_symbol(name, base_interval="1m", derived=["5m"])
        self.live: Live | None = live(session)

    def bar(self, name: str, ago: int, close: float = 10.5, flags: int = 0) -> BarData:
        number = (self.clock - OPEN) // MINUTE + ago
        high = max(11.0, close)
        return BarData(
            name, OPEN + number * MINUTE, 10.0, high, 10.0, close, 5.0, "1m", flags
        )

    def step(self, given: list[tuple[str, int, float]]) -> object:
        bars = [self.bar(*one) for one in given]
        running = self.live = self.live or live(self.session)
        if self.journal is None:
            batch, refused = running.step(bars, self.clock)
        else:
            batch, refused = self.journal.step(
                running, bars, self.clock, corrections=range(0, len(bars), 2)
            )
        return batch.ts, batch.changes(), refused

    def rest(self) -> None:
        if self.live is not None:
            self.live.close()
            self.live = None

    def do(self, move: tuple[Any, ...]) -> str:
        """What came of a move: the answer or the kind of error."""
        try:
            # As text: one NaN is not another.
            return repr(self.done(*move))
        except TapeloomError as error:
            # A journal refuses what the session would, and first.
            return "refused" if move[0] == "remove" else type(error).__name__

    def done(self, what: str, *given: Any) -> object:
        if what in ("step", "tick"):
            self.clock += given[0] * SECOND
            return self.step(given[1] if what == "step" else [])
        if what == "filled":
            name, ago = given
            bars = [self.bar(name, one, flags=Provenance.BACKFILLED) for one in ago]
            return self.target.add_bars_batch(name, bars)
        if what == "added":
            return self.target.add_bar(given[0], self.bar(*given))
        if what == "register":
            self.target.register_symbol(given[0], derived=given[1])
        elif what == "rest":
            self.rest()
        elif what == "remove":
            # One that runs refuses it.
            if given[1]:
                self.rest()
            self.target.remove_symbol(given[0])
        elif what == "clear":
            self.rest()
            if self.journal is not None:
                self.journal.clear(given[0])
            elif given[0] == "session":
                self.session.clear_session_bars()
            else:
                self.session.clear_historical_bars()
        else:
            self.rest()
            self.target.end_session()
            self.day += timedelta(1)
            self.clock += 1440 * MINUTE
            self.target.start_new_session(self.day, roll=given[0])
        return None


@settings(max_examples=100, deadline=None)
@given(
    plan=st.lists(moves, max_size=30),
    relaxed=st.booleans(),
    completeness=st.sampled_from(["any", "complete"]),
    hours=st.sampled_from(["off", "show", "full"]),
    split=st.integers(0, 30),
)
def test_a_recovered_live_session_knows_what_the_written_one_and_one_without_a_journal_know(
    plan: list[tuple[Any, ...]],
    relaxed: bool,
    completeness: str,
    hours: str,
    split: int,
    tmp_path_factory: Any,
) -> None:
    path = tmp_path_factory.mktemp("journal") / "day.journal"
    policies: Any = {"completeness": completeness, "extended_hours": hours}
    mode = "relaxed" if relaxed else "strict"
    plain = Day(SessionData(**policies), None)
    journal = SessionJournal(
        path, SessionData(**policies), mode=mode, patience=PATIENCE
    )
    through = Day(journal.session_data, journal)
    for number, move in enumerate(plan):
        assert through.do(move) == plain.do(move), move
        if number == split:
            # Left and resumed in between: nobody runs then.
            through.rest()
            plain.rest()
            journal.close()
            journal = SessionJournal.resume(path, mode=mode)
            through.session, through.journal = journal.session_data, journal
            through.target = journal
    through.rest()
    journal.close()
    written = facts(journal.session_data)
    assert repr(written) == repr(facts(plain.session))
    found = recover(path)
    assert repr(facts(found)) == repr(written)
    assert not found._is_coordinated
    shutil.rmtree(path.parent)
