"""Whole runs with pre- and post-market: one result in every mode, from memory and from files, beside plain Python."""

from __future__ import annotations

import random
from datetime import date
from typing import TYPE_CHECKING, Any

import pytest

import tapeloom
from tapeloom.bars import Provenance
from tapeloom.storage import DataManager
from tests.compare import columns, stored
from tests.reference.bars import Bar
from tests.reference.derived import Derived, derive
from tests.reference.gaps import expected_starts, extended_starts
from tests.reference.replay import replay
from tests.reference.schedule import MINUTE, interval_ns
from tests.session.memory import JULY, MemorySource
from tests.session.runs import config, prepared
from tests.strategies import bar_at

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from tapeloom import BarData, SessionData
    from tapeloom.session.coordinator import SessionCoordinator
    from tests.reference.schedule import TradingDay

SYMBOLS = ("MSFT", "AAPL")
DERIVED = ("5m", "1h", "1d")
MODES = ("off", "show", "full")
#: A day and a half day, after the days of history; a holiday and a weekend; a day.
DAYS = [day for day in JULY if date(2025, 6, 30) <= day.date <= date(2025, 7, 7)]
PLAYED = [day for day in DAYS if day.date >= date(2025, 7, 2)]
#: What a bar is, not which way it came.
KEPT = Provenance.DERIVED | Provenance.EXTENDED | Provenance.PARTIAL

Tape = dict[str, list[Bar]]
Line = tuple[object, ...]


def tape_of(*, seed: int = 1) -> Tape:
    """Two symbols with holes in regular hours and few bars outside them; the last minutes of a post-market trade too."""
    tape: Tape = {}
    for salt, symbol in enumerate(SYMBOLS):
        chance = random.Random(f"{seed} {symbol}")
        starts = [
            ts
            for day in DAYS
            for share, found in (
                (0.95, expected_starts(day, MINUTE)),
                (0.2, extended_starts(day, MINUTE)),
            )
            for ts in found
            if chance.random() < share
        ]
        starts += [day.last_close - MINUTE for day in DAYS]
        tape[symbol] = [bar_at(ts, salt) for ts in sorted(set(starts))]
    return tape


class Diary:
    """Writes down every bar of every batch, and what each session knows at its start and at its end."""

    def __init__(self) -> None:
        self.batches: list[tuple[int, list[Line]]] = []
        self.days: dict[str, list[Line]] = {}
        self.average_volumes: list[float] = []
        self.figures: list[tuple[float, float | None, int]] = []
        self.hashes: list[str] = []

    def on_session_start(self, session: SessionData) -> None:
        history = session.get_bars("AAPL", "1d", scope="history")
        self.days[str(session.current_session_date)] = [facts(b) for b in history]
        average = session.get_historical_indicator("AAPL", "avg_volume")
        self.average_volumes.append(float(average))

    def on_batch(self, session: SessionData, batch: Any) -> None:
        self.batches.append((batch.ts, [facts(bar) for bar in batch.bars]))

    def on_session_end(self, session: SessionData) -> None:
        known = session.get_session_metrics("AAPL")
        self.figures.append(
            (known["session_volume"], known["bar_quality"], known["bar_count"])
        )
        self.hashes.append(session.state_hash())


def facts(bar: BarData) -> Line:
    values = bar.open, bar.high, bar.low, bar.close, bar.volume
    flags = int(bar.flags & KEPT)
    return bar.symbol, bar.interval, bar.ts, *values, bar.constituents, flags


def expected_facts(
    symbol: str, interval: str, bar: Bar | Derived, days: list[TradingDay]
) -> Line:
    if isinstance(bar, Derived):
        return symbol, interval, *bar[:6], bar.constituents, bar.flags
    is_extended = any(day.extended_at(bar.ts) for day in days)
    flags = int(Provenance.EXTENDED) if is_extended else 0
    return symbol, interval, *bar[:6], None, flags


def asked(mode: str, **changes: Any) -> dict[str, Any]:
    return config(
        session_data_config__symbols=list(SYMBOLS),
        session_data_config__streams=["1m", *DERIVED],
        session_data_config__bars={"extended_hours": mode},
        **changes,
    )


def changes_of(mode: str, **more: Any) -> dict[str, Any]:
    made = asked(mode, **more)
    return {
        "session_data_config": made["session_data_config"],
        "backtest_config": made["backtest_config"],
    }


def at_once(coordinator: SessionCoordinator) -> None:
    coordinator.run()


def in_steps(coordinator: SessionCoordinator) -> None:
    while coordinator.step() is not None:
        pass


def on_a_thread(coordinator: SessionCoordinator) -> None:
    coordinator.start()
    assert coordinator.wait(60)


def by_the_clock(coordinator: SessionCoordinator) -> None:
    coordinator.run()


WAYS: list[tuple[Callable[[SessionCoordinator], None], dict[str, Any]]] = [
    (at_once, {}),
    (in_steps, {}),
    (on_a_thread, {}),
    (at_once, {"backtest_config__prefetch_days": 1}),
    (by_the_clock, {"backtest_config__speed_multiplier": 1e9}),
]


@pytest.fixture(scope="module")
def tape() -> Tape:
    return tape_of()


@pytest.fixture(scope="module")
def told(tape: Tape) -> Mapping[str, Diary]:
    """What a run at once over bars in memory tells, by mode."""
    found = {}
    for mode in MODES:
        found[mode] = Diary()
        source = MemorySource({(s, "1m"): rows for s, rows in tape.items()})
        _, coordinator = prepared(found[mode], source=source, **changes_of(mode))
        coordinator.run()
    return found


@pytest.mark.parametrize("mode", MODES)
def test_a_run_tells_what_plain_python_tells(
    mode: str, told: Mapping[str, Diary], tape: Tape
) -> None:
    batches = replay(PLAYED, tape, derived=DERIVED, extended_hours=mode)
    expected = [
        (batch.ts, [expected_facts(*item, PLAYED) for item in batch.items])
        for batch in batches
    ]
    assert told[mode].batches == expected


@pytest.mark.parametrize("mode", MODES)
def test_days_of_history_are_those_that_the_run_derives(
    mode: str, told: Mapping[str, Diary], tape: Tape
) -> None:
    found = told[mode].days
    assert list(found) == [str(day.date) for day in PLAYED]
    bars = {bar.ts: bar for bar in tape["AAPL"]}
    for day in PLAYED:
        # Loaded before the first session, rolled from session to session later.
        before = [past for past in DAYS if past.date < day.date][-2:]
        made = [
            expected_facts("AAPL", "1d", bar, DAYS)
            for past in before
            for bar in derive(past, bars, MINUTE, None, extended_hours=mode)
        ]
        assert found[str(day.date)] == made, day.date


@pytest.mark.parametrize("mode", MODES)
def test_an_average_of_days_is_that_of_the_days_in_history(
    mode: str, told: Mapping[str, Diary]
) -> None:
    volumes = [
        [float(str(line[7])) for line in days] for days in told[mode].days.values()
    ]
    expected = [sum(of_two) / 2 for of_two in volumes]
    assert told[mode].average_volumes == pytest.approx(expected, rel=1e-12)


def test_figures_take_in_extended_hours_only_when_they_are_full(
    told: Mapping[str, Diary], tape: Tape
) -> None:
    for mode in MODES:
        for day, (volume, quality, count) in zip(
            PLAYED, told[mode].figures, strict=True
        ):
            regular = set(expected_starts(day, MINUTE))
            beside = set(extended_starts(day, MINUTE)) if mode != "off" else set()
            counted = regular | beside if mode == "full" else regular
            bars = [bar for bar in tape["AAPL"] if bar.ts in regular | beside]
            of_figures = [bar.volume for bar in bars if bar.ts in counted]
            present = sum(bar.ts in regular for bar in bars)
            assert volume == pytest.approx(sum(of_figures), rel=1e-12)
            assert quality == pytest.approx(100 * present / len(regular))
            assert count == len(of_figures)


@pytest.mark.parametrize("mode", ["show", "full"])
@pytest.mark.parametrize(("play", "changes"), WAYS[1:])
def test_every_way_to_play_gives_one_result(
    mode: str,
    play: Callable[[SessionCoordinator], None],
    changes: dict[str, Any],
    told: Mapping[str, Diary],
    tape: Tape,
) -> None:
    diary = Diary()
    source = MemorySource({(s, "1m"): rows for s, rows in tape.items()})
    _, coordinator = prepared(diary, source=source, **changes_of(mode, **changes))
    play(coordinator)
    assert diary.hashes == told[mode].hashes
    assert diary.batches == told[mode].batches
    assert diary.days == told[mode].days


@pytest.mark.parametrize("mode", MODES)
def test_a_run_over_files_gives_the_same_result(
    mode: str, told: Mapping[str, Diary], tape: Tape, tmp_path: Path
) -> None:
    manager = DataManager(tmp_path)
    for symbol, rows in tape.items():
        manager.write_bars(symbol, "1m", columns(rows))
    diary = Diary()
    result = tapeloom.run(asked(mode), diary, data=tmp_path, progress=False)
    assert diary.hashes == told[mode].hashes
    assert diary.batches == told[mode].batches
    assert diary.days == told[mode].days
    assert result.state_hash == diary.hashes[-1]


@pytest.mark.parametrize("mode", ["show", "full"])
def test_garbage_after_an_instant_changes_nothing_up_to_it(
    mode: str, told: Mapping[str, Diary], tape: Tape
) -> None:
    half = next(day for day in PLAYED if day.date == date(2025, 7, 3))
    for instant in (half.first_open, half.open + 30 * MINUTE, half.close + MINUTE):
        # A bar that ends later is not known yet.
        poisoned = {
            (symbol, "1m"): [
                bar if bar.ts + MINUTE <= instant else bar_at(bar.ts, 77)
                for bar in rows
            ]
            for symbol, rows in tape.items()
        }
        diary = Diary()
        _, coordinator = prepared(
            diary, source=MemorySource(poisoned), **changes_of(mode)
        )
        coordinator.run()
        known = [batch for batch in diary.batches if batch[0] <= instant]
        assert known == [batch for batch in told[mode].batches if batch[0] <= instant]
        assert diary.days[str(half.date)] == told[mode].days[str(half.date)]
        assert diary.batches != told[mode].batches


def test_stored_bars_of_an_interval_of_its_own_are_history_in_extended_hours_too(
    tape: Tape,
) -> None:
    # Bars of 15 minutes cannot be those of the tape: they stay as they are stored.
    step = interval_ns("15m")
    assert step is not None
    fifteen = [
        bar_at(ts, 5)
        for day in DAYS
        for ts in sorted(expected_starts(day, step) + extended_starts(day, step))
    ]
    found: list[list[Bar]] = []
    flags: list[set[int]] = []

    class Looking:
        def on_session_start(self, session: SessionData) -> None:
            bars = session.get_bars("AAPL", "15m", scope="history")
            found.append(stored(bars))
            flags.append({int(flag & Provenance.EXTENDED) for flag in bars.flags})

    changes = changes_of(
        "show",
        session_data_config__historical={
            "data": [{"trailing_days": 1, "intervals": ["15m"]}]
        },
    )
    source = MemorySource(
        {(s, "1m"): rows for s, rows in tape.items()} | {("AAPL", "15m"): fifteen}
    )
    _, coordinator = prepared(Looking(), source=source, **changes)
    coordinator.run()
    for day, bars in zip(PLAYED, found, strict=True):
        before = [past for past in DAYS if past.date < day.date][-1]
        assert bars == [b for b in fifteen if before.span[0] <= b.ts < before.span[1]]
    assert flags == [{0, int(Provenance.EXTENDED)}] * len(PLAYED)
