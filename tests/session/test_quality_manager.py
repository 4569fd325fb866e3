"""What follows from the quality of a session while it runs: who is told, what ends the run, what is left alone."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapeloom.errors import ArgumentError, GapError
from tapeloom.gap import Cause
from tapeloom.session.gap_watch import GapWatch
from tapeloom.session.quality_manager import DataQualityManager
from tapeloom.session.session_grids import SessionGrids
from tapeloom.session_data import SessionData
from tests.compare import bar_data, instant
from tests.days import us_day
from tests.reference.gaps import due_starts, missing_runs
from tests.reference.schedule import MINUTE
from tests.session.vendor import Played, Vendor, whole_day

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tapeloom.gap import QualityReport
    from tests.reference.bars import Bar

HALF = us_day("2025-07-03")
Tape = dict[str, dict[int, "Bar"]]


def at(minute: int) -> int:
    """Start of a minute of the half day, counted from the open."""
    return HALF.open + minute * MINUTE


def day_without(*minutes: int, symbols: str = "AAPL MSFT", of: str = "AAPL") -> Tape:
    """A whole half day of some symbols, of which the first lacks some minutes."""
    gone = {at(minute) for minute in minutes}
    return {
        symbol: {ts: bar for ts, bar in bars.items() if symbol != of or ts not in gone}
        for symbol, bars in whole_day(HALF, symbols.split()).items()
    }


class Heard:
    """Keeps what a listener is told: symbol, bars missing, quality."""

    def __init__(self) -> None:
        self.told: list[tuple[str, int]] = []

    def __call__(self, session: SessionData, report: QualityReport) -> None:
        assert report.quality == session.get_quality(report.symbol)
        self.told.append((report.symbol, report.missing))

    def take(self) -> list[tuple[str, int]]:
        told, self.told = self.told, []
        return told


def following(played: Played, **options: Any) -> DataQualityManager:
    manager = DataQualityManager(played.session, **options)
    manager.start_session()
    return manager


# Who is told


def test_a_listener_is_told_when_a_gap_begins_or_closes_and_not_when_it_grows() -> None:
    played = Played(HALF, day_without(5, 6, 7, 20))
    manager, heard = following(played), Heard()
    manager.add_listener(heard)
    told = {}
    for minute in range(1, 31):
        manager.after_batch(played.to_minute(minute))
        if heard.told:
            told[minute] = heard.take()
    assert told == {6: [("AAPL", 1)], 21: [("AAPL", 4)]}


def test_a_listener_is_told_when_a_late_bar_of_the_stream_closes_a_gap() -> None:
    session = SessionData()
    rows = whole_day(HALF, ["AAPL"])["AAPL"]
    session.register_symbol("AAPL")
    session.start_new_session(HALF.date)
    manager, heard = DataQualityManager(session), Heard()
    manager.add_listener(heard)
    manager.start_session()

    class Late:
        has_updates = True

        def changes(self) -> list[tuple[object, str]]:
            return [(bar_data("AAPL", rows[at(1)]), "late")]

    for minute in (0, 2):
        session.add_bar("AAPL", bar_data("AAPL", rows[at(minute)]))
        manager.after_batch()
    assert heard.take() == [("AAPL", 1)]
    session.add_bar("AAPL", bar_data("AAPL", rows[at(1)]))
    manager.after_batch(Late())  # type: ignore[arg-type]
    assert heard.take() == [("AAPL", 0)]


def test_each_symbol_is_told_of_once_at_the_end() -> None:
    played = Played(HALF, day_without(209))
    manager, heard = following(played), Heard()
    manager.add_listener(heard)
    played.to(HALF.close)
    played.end()
    manager.end_session()
    assert heard.told == [("AAPL", 1), ("MSFT", 0)]


def test_a_gap_that_is_filled_at_once_is_no_news() -> None:
    played = Played(HALF, day_without(5, 9))
    heard = Heard()
    truth = day_without(9)
    manager = following(played, on_gap="fill", history_source=Vendor(truth))
    manager.add_listener(heard)
    for minute in range(1, 15):
        manager.after_batch(played.to_minute(minute))
    assert heard.told == [("AAPL", 1)]


def test_what_a_listener_raises_is_not_swallowed() -> None:
    played = Played(HALF, day_without(5))
    manager = following(played)

    def angry(session: SessionData, report: QualityReport) -> None:
        raise ZeroDivisionError

    manager.add_listener(angry)
    played.to_minute(8)
    with pytest.raises(ZeroDivisionError):
        manager.after_batch()


def test_derived_series_have_the_quality_of_their_base() -> None:
    played = Played(HALF, day_without(1, 2), derived=("5m",))
    manager = following(played)
    played.to_minute(8)
    assert manager.report("AAPL").quality == 75.0
    assert played.session.get_quality("AAPL", "5m") == 75.0
    assert [(r.symbol, r.missing) for r in manager.reports()] == [
        ("AAPL", 2),
        ("MSFT", 0),
    ]


# What it costs


def test_nothing_runs_per_instant_when_gaps_are_marked_and_nobody_listens(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def never(*args: object) -> None:
        raise AssertionError

    played = Played(HALF, day_without(5))
    manager = following(played)
    assert not manager.needs_each_instant
    monkeypatch.setattr(GapWatch, "look", never)
    for minute in range(1, 11):
        manager.after_batch(played.to_minute(minute))
    assert manager.apply_ready() == []
    manager.end_session()
    assert played.session.get_quality("AAPL") == 90.0


def test_only_symbols_that_lack_the_newest_bar_are_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    names = [f"S{number:03d}" for number in range(200)]
    played = Played(HALF, day_without(5, 6, symbols=" ".join(names), of="S007"))
    counted: list[str] = []
    lacking = GapWatch._lacking

    def counting(watch: GapWatch, names: Iterable[str], due: int) -> Any:
        counted.extend(names)
        return lacking(watch, names, due)

    manager = following(played)
    manager.add_listener(lambda session, report: None)
    played.to_minute(1)
    manager.after_batch()
    monkeypatch.setattr(GapWatch, "_lacking", counting)
    for minute in range(2, 12):
        manager.after_batch(played.to_minute(minute))
    assert counted == ["S007", "S007"]


# on_gap="raise"


def test_a_gap_ends_the_run_when_its_batch_is_done() -> None:
    played = Played(HALF, day_without(5))
    manager = following(played, on_gap="raise")
    for minute in range(1, 6):
        manager.after_batch(played.to_minute(minute))
    batch = played.to_minute(6)
    assert played.session.get_bar_count("MSFT") == 6
    with pytest.raises(GapError, match="AAPL 1m has no bars 2025-07-03 09:35") as told:
        manager.after_batch(batch)
    facts = told.value.facts
    assert (facts["symbol"], facts["interval"], facts["missing"]) == ("AAPL", "1m", 1)
    assert (facts["start"], facts["end"]) == (instant(at(5)), instant(at(6)))
    assert facts["cause"] is Cause.UNKNOWN


def test_a_gap_of_all_symbols_ends_the_run_with_its_cause() -> None:
    names = "A B C"
    whole = day_without(symbols=names)
    tape = {
        name: {ts: bar for ts, bar in bars.items() if ts != at(5)}
        for name, bars in whole.items()
    }
    played = Played(HALF, tape)
    manager = following(played, on_gap="raise")
    played.to_minute(8)
    with pytest.raises(GapError, match="and 2 more symbols lack bars") as told:
        manager.after_batch()
    assert told.value.facts["symbol"] == "A"
    assert told.value.facts["cause"] is Cause.VENDOR_HOLE


def test_a_whole_session_does_not_end_the_run() -> None:
    played = Played(HALF, day_without())
    manager = following(played, on_gap="raise")
    for minute in range(1, 211):
        manager.after_batch(played.to_minute(minute))
    played.end()
    manager.end_session()


def test_the_end_of_the_session_reveals_what_no_batch_did() -> None:
    played = Played(HALF, day_without(209))
    manager = following(played, on_gap="raise")
    played.to_minute(209)
    manager.after_batch()
    played.end()
    with pytest.raises(GapError):
        manager.end_session()


def test_minutes_expected_to_be_free_of_trades_end_no_run_until_the_close() -> None:
    played = Played(HALF, day_without(5, 6, 209), no_trade="expected")
    manager = following(played, on_gap="raise")
    for minute in range(1, 210):
        manager.after_batch(played.to_minute(minute))
    batch = played.to_minute(210)
    with pytest.raises(GapError, match="12:59"):
        manager.after_batch(batch)


# What is switched off, or cannot be


@pytest.mark.parametrize("on_gap", ["raise", "fill"])
def test_a_session_that_is_not_measured_is_neither_filled_nor_ended(
    on_gap: str, caplog: pytest.LogCaptureFixture
) -> None:
    played = Played(HALF, day_without(5), measure_session_quality=False)
    vendor, heard = Vendor(day_without()), Heard()
    with caplog.at_level(logging.WARNING):
        manager = following(
            played, on_gap=on_gap, history_source=vendor, enable_session_quality=False
        )
    assert "enable_session_quality" in caplog.text
    manager.add_listener(heard)
    for minute in range(1, 10):
        manager.after_batch(played.to_minute(minute))
    manager.end_session()
    assert manager.report("AAPL").quality is None
    assert vendor.calls == []
    assert heard.told == []


def test_to_fill_without_a_source_is_to_mark_with_a_warning(
    caplog: pytest.LogCaptureFixture,
) -> None:
    played = Played(HALF, day_without(5))
    with caplog.at_level(logging.WARNING):
        manager = following(played, on_gap="fill")
    assert "no history source" in caplog.text
    assert not manager.needs_each_instant
    assert manager.filler is None


def test_the_source_of_the_stream_is_no_source_of_what_it_lacks() -> None:
    class Folder(Vendor):
        root = "data"

    stream, same_folder = Folder({}), Folder({})
    for source in (stream, same_folder):
        with pytest.raises(ArgumentError, match="give another one"):
            DataQualityManager(
                SessionData(),
                on_gap="fill",
                history_source=source,
                stream_source=stream,
            )


def test_an_unknown_word_is_refused() -> None:
    with pytest.raises(ArgumentError, match="'mark', 'raise' or 'fill'"):
        DataQualityManager(SessionData(), on_gap="ignore")


def test_a_symbol_that_is_not_listed_has_nothing_to_fill() -> None:
    played = Played(HALF, day_without(5))
    played.session.set_membership("AAPL", [])
    vendor = Vendor(day_without())
    manager = following(played, on_gap="fill", history_source=vendor)
    for minute in range(1, 10):
        manager.after_batch(played.to_minute(minute))
    assert vendor.calls == []


def test_the_gaps_of_a_symbol_that_is_added_on_the_way_are_filled() -> None:
    played = Played(HALF, day_without())
    truth = whole_day(HALF, ["NVDA"])
    vendor = Vendor(truth)
    manager = following(played, on_gap="fill", history_source=vendor)
    for minute in range(1, 10):
        manager.after_batch(played.to_minute(minute))
    played.session.add_bar("NVDA", bar_data("NVDA", truth["NVDA"][at(8)]))
    manager.after_batch()
    assert played.session.get_bar_count("NVDA") == 9


def test_a_manager_that_is_closed_asks_nobody() -> None:
    played = Played(HALF, day_without(5))
    vendor = Vendor(day_without(), failures=1)
    with following(played, on_gap="fill", history_source=vendor) as manager:
        for minute in range(1, 7):
            manager.after_batch(played.to_minute(minute))
    manager.after_batch(played.to_minute(20))
    assert len(vendor.calls) == 1
    (gap,) = played.session.get_gaps("AAPL")
    assert (gap.status, gap.attempts) == ("abandoned", 1)


def test_each_session_begins_anew() -> None:
    days = [us_day("2025-07-03"), us_day("2025-07-07")]
    session = SessionData()
    session.register_symbol("AAPL")
    truth = {
        "AAPL": {
            ts: bar
            for day in days
            for ts, bar in whole_day(day, ["AAPL"])["AAPL"].items()
        }
    }
    vendor = Vendor(truth)
    manager = DataQualityManager(session, on_gap="fill", history_source=vendor)
    for day in days:
        session.start_new_session(day.date, roll=True)
        manager.start_session()
        for minute in (0, 2):
            ts = day.open + minute * MINUTE
            session.add_bar("AAPL", bar_data("AAPL", truth["AAPL"][ts]))
            manager.after_batch()
        assert session.get_bar_count("AAPL") == 3
        session.end_session()
        manager.end_session()
        assert list(session.get_gaps()) == []
    assert len(manager.fill_lines()) == 2


# The watch beside the reference


@given(st.data())
def test_every_missing_minute_is_reported_as_new_once_and_counted_as_the_reference_does(
    data: st.DataObject,
) -> None:
    symbols = ["A", "B", "C"]
    last = 40
    tape: Tape = {}
    for symbol, bars in whole_day(HALF, symbols).items():
        gone = data.draw(st.sets(st.integers(0, last - 1)))
        tape[symbol] = {
            ts: bar
            for ts, bar in bars.items()
            if (ts - HALF.open) // MINUTE not in gone
        }
    looks = sorted(data.draw(st.sets(st.integers(1, last), min_size=1)))
    played = Played(HALF, tape)
    waits = data.draw(st.integers(0, 3))
    patience = waits * MINUTE
    watch = GapWatch(played.session, SessionGrids(played.session), patience=patience)
    watch.start_session()
    new: dict[str, list[int]] = {symbol: [] for symbol in symbols}
    state = dict.fromkeys(symbols, (0, 0))
    for look in looks:
        played.to_minute(look)
        for found in watch.look():
            state[found.symbol] = found.gaps, found.missing
            for start, end in found.new:
                new[found.symbol] += range(start, end, MINUTE)
        due = due_starts(HALF, MINUTE, at(look - waits))
        for symbol in symbols:
            runs = missing_runs(HALF, MINUTE, due, tape[symbol])
            assert state[symbol] == (len(runs), sum(run.missing for run in runs))
            assert new[symbol] == [ts for ts in due if ts not in tape[symbol]]


# No look into the future


@given(
    st.integers(1, 60), st.integers(0, 1_000), st.sets(st.integers(0, 80), max_size=20)
)
def test_what_the_source_has_after_an_instant_changes_nothing_before_it(
    until: int, seed: int, gone: set[int]
) -> None:
    tape = day_without(*gone)
    truth = whole_day(HALF, ["AAPL", "MSFT"])
    poisoned = {
        symbol: {
            ts: bar if ts + MINUTE <= at(until) else bar._replace(high=1e9, volume=7.0)
            for ts, bar in bars.items()
            # Some are not there at all.
            if ts + MINUTE <= at(until) or (ts // MINUTE + seed) % 3
        }
        for symbol, bars in truth.items()
    }
    seen = []
    for source in (truth, poisoned):
        vendor = Vendor(source, seed=seed)
        played = Played(HALF, tape, derived=("5m",))
        manager = following(played, on_gap="fill", history_source=vendor, max_retries=2)
        answers: list[object] = []
        for minute in range(1, until + 1):
            manager.after_batch(played.to_minute(minute))
            answers.append(played.session.state_hash())
            answers.append(list(played.session.get_gaps()))
            answers.append(manager.fill_lines())
        answers.append(vendor.calls)
        seen.append(answers)
    assert seen[0] == seen[1]
