"""Several live sessions after another: the night between them, what each leaves behind, what the next finds; alerts, half days."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from tapeloom import DataManager, SessionData
from tapeloom.config.stream_plan import StreamPlan
from tapeloom.live.journal_files import JournalFiles
from tapeloom.live.journal_header import Patience
from tests.compare import bar_data
from tests.live.made import SetClock
from tests.live.simulated_day import (
    NINE_FORTY,
    NoPast,
    SimulatedRun,
    config_of,
    live_manager,
    tape,
)
from tests.reference.schedule import HOUR, MINUTE, SECOND, trading_day
from tests.session.vendor import Vendor, whole_day

if TYPE_CHECKING:
    from pathlib import Path

    from tapeloom import TimeManager
    from tests.reference.schedule import TradingDay

SYMBOLS = ("AAA", "BBB")
ZONE = "America/New_York"
DAYS = [
    trading_day(date(2025, 7, number), f"09:30-{close}", ZONE)
    for number, close in ((1, NINE_FORTY), (2, NINE_FORTY), (3, "13:00"))
]
TUESDAY, WEDNESDAY, HALF_DAY = DAYS
PATIENCE = Patience(2 * SECOND, SECOND)
CLOCK = SetClock()


def truth_of(*days: TradingDay) -> dict[str, dict[int, Any]]:
    """A bar for every minute of some days."""
    found: dict[str, dict[int, Any]] = {symbol: {} for symbol in SYMBOLS}
    for day in days:
        for symbol, rows in whole_day(day, SYMBOLS).items():
            found[symbol] |= rows
    return found


def manager() -> TimeManager:
    # The third day has its own early close.
    return live_manager(CLOCK, NINE_FORTY, TUESDAY.date, WEDNESDAY.date)


class Desktop:
    """Where runs of one user leave their journals and bars."""

    def __init__(self, folder: Path, mode: str = "strict") -> None:
        self.folder = folder
        self.time_manager = manager()
        self.storage = DataManager(str(folder / "bars"), time_manager=self.time_manager)
        self.files = JournalFiles(
            folder / "journal",
            mode=mode,
            patience=PATIENCE,
            config={},
            time_manager=self.time_manager,
            storage=self.storage,
        )

    def run(self, begin: int, days: list[TradingDay], **options: Any) -> SimulatedRun:
        CLOCK.now = begin
        make = partial(SessionData, time_manager=self.time_manager)
        journal = self.files.open(days[0].date, make)
        historical = {"data": [{"trailing_days": 2, "intervals": ["1m"]}]}
        events = options.pop("events", None)
        config = config_of(SYMBOLS, historical=historical)
        # What is stored says nothing about what the feed has.
        plan = StreamPlan.build(
            config, NoPast(SYMBOLS), self.time_manager, start=begin, end=begin + 1
        )
        return SimulatedRun(
            config,
            self.time_manager,
            CLOCK,
            tape(truth_of(*days)) if events is None else events,
            begin=begin,
            plan=plan,
            journal=journal,
            files=self.files,
            vendor=Vendor(truth_of(*days)),
            sessions=len(days),
            **options,
        )

    def stored(self, symbol: str, day: TradingDay) -> list[int]:
        bars = self.storage.read(symbol, "1m", day.open, day.close)
        starts: list[int] = bars.ts.tolist()
        given = [bar.close for bar in truth_of(day)[symbol].values()]
        assert bars.close.tolist() == given[: len(starts)]
        return starts


def alone(day: TradingDay) -> str:
    """The state that a day leaves behind that is played by itself."""
    run = SimulatedRun(
        config_of(SYMBOLS),
        manager(),
        CLOCK,
        tape(truth_of(day)),
        begin=day.open - MINUTE,
    )
    run.run()
    return run.hash_at_close[0]


def minutes_of(day: TradingDay) -> list[int]:
    return list(range(day.open, day.close, MINUTE))


def test_two_days_in_a_row_each_end_as_they_would_alone_and_are_stored(
    tmp_path: Path,
) -> None:
    desktop = Desktop(tmp_path)
    run = desktop.run(TUESDAY.open - MINUTE, [TUESDAY, WEDNESDAY])
    run.run(WEDNESDAY.open + 3 * MINUTE + SECOND)
    # The day before is history, and out of its journal.
    history = run.store.get_bars("AAA", scope="history")
    assert history.ts.tolist() == minutes_of(TUESDAY)
    assert desktop.stored("AAA", TUESDAY) == minutes_of(TUESDAY)
    names = [path.name for path in (tmp_path / "journal").glob("*.journal")]
    assert names == ["2025-07-02.journal"]
    run.run()
    assert run.hash_at_close == [alone(TUESDAY), alone(WEDNESDAY)]
    assert [report.gaps for report in run.reports] == [0, 0]
    for symbol in SYMBOLS:
        assert desktop.stored(symbol, WEDNESDAY) == minutes_of(WEDNESDAY)
    assert list((tmp_path / "journal").glob("*.journal")) == []


def test_what_comes_at_night_is_counted_and_belongs_to_no_session(
    tmp_path: Path,
) -> None:
    events = tape(truth_of(TUESDAY, WEDNESDAY))
    first = bar_data("AAA", truth_of(TUESDAY)["AAA"][TUESDAY.open])
    events = sorted([*events, (TUESDAY.close + 3 * HOUR, first)], key=lambda e: e[0])
    run = Desktop(tmp_path).run(
        TUESDAY.open - MINUTE, [TUESDAY, WEDNESDAY], events=events
    )
    run.run()
    counts = run.parts.session.sorter.counts
    assert (counts["bars"], counts["outside_hours"]) == (40, 1)
    assert run.hash_at_close == [alone(TUESDAY), alone(WEDNESDAY)]


def test_a_process_that_died_goes_on_the_same_day_and_tells_of_the_time_between(
    tmp_path: Path,
) -> None:
    desktop = Desktop(tmp_path)
    first = desktop.run(TUESDAY.open - MINUTE, [TUESDAY])
    first.run(TUESDAY.open + 4 * MINUTE + 2 * SECOND)
    # What a process that is killed leaves: nothing is ended, the file is let go.
    first.journal.close()
    back = TUESDAY.open + 6 * MINUTE + 10 * SECOND
    events = [each for each in tape(truth_of(TUESDAY)) if each[0] >= back]
    again = desktop.run(back, [TUESDAY], events=events)
    assert again.journal.recovery is not None
    assert again.store.get_bar_count("AAA") == 4
    again.run()
    assert again.hash_at_close == [alone(TUESDAY)]
    text = again.store.explain("AAA", TUESDAY.open + 5 * MINUTE).text
    assert "backfilled" in text or "history" in text, text


def test_what_a_run_left_in_its_journal_is_history_of_the_next(tmp_path: Path) -> None:
    desktop = Desktop(tmp_path)
    first = desktop.run(TUESDAY.open - MINUTE, [TUESDAY])
    first.run(TUESDAY.close + SECOND)
    # Killed before the session ended.
    first.journal.close()
    CLOCK.now = WEDNESDAY.open - MINUTE
    run = desktop.run(WEDNESDAY.open - MINUTE, [WEDNESDAY], past=desktop.storage)
    run.run(WEDNESDAY.open + SECOND)
    history = run.store.get_bars("AAA", scope="history")
    assert history.ts.tolist() == minutes_of(TUESDAY)
    run.run()
    assert run.hash_at_close == [alone(WEDNESDAY)]


def test_a_day_with_bars_without_a_place_is_stored_and_its_journal_kept(
    tmp_path: Path,
) -> None:
    truth = truth_of(TUESDAY)["AAA"]
    early = bar_data("AAA", truth[TUESDAY.open + 5 * MINUTE])
    events = sorted(
        [*tape(truth_of(TUESDAY)), (TUESDAY.open + 3 * MINUTE, early)],
        key=lambda event: event[0],
    )
    desktop = Desktop(tmp_path)
    run = desktop.run(TUESDAY.open - MINUTE, [TUESDAY], events=events)
    run.run()
    assert [reason for _, reason in run.store.get_quarantine()] == ["after_clock"]
    assert desktop.stored("AAA", TUESDAY) == minutes_of(TUESDAY)
    (path,) = (tmp_path / "journal").glob("*.journal")
    assert path.name == "2025-07-01.journal"


def test_a_half_day_ends_when_it_closes_and_lacks_nothing(tmp_path: Path) -> None:
    desktop = Desktop(tmp_path, "relaxed")
    run = desktop.run(HALF_DAY.open - MINUTE, [HALF_DAY])
    run.run()
    (report,) = run.reports
    assert (report.expected, report.present) == (2 * 210, 2 * 210)
    assert run.clock.now == HALF_DAY.close + 40 * SECOND
    assert run.hash_at_close == [alone(HALF_DAY)]
    assert desktop.stored("BBB", HALF_DAY) == minutes_of(HALF_DAY)


def test_alerts_are_called_at_their_time_in_the_session_and_at_night(
    tmp_path: Path,
) -> None:
    desktop = Desktop(tmp_path, "off")
    called: list[tuple[str, int, datetime]] = []

    def note(name: str, at: datetime) -> None:
        called.append((name, CLOCK.now, at))

    CLOCK.now = TUESDAY.open - MINUTE
    alerts = desktop.time_manager
    alerts.after_open(timedelta(minutes=5), partial(note, "five in"))
    alerts.before_close(timedelta(minutes=2), partial(note, "two left"))
    alerts.at(datetime(2025, 7, 1, 21, 0), partial(note, "evening"))  # noqa: DTZ001
    run = desktop.run(TUESDAY.open - MINUTE, [TUESDAY, WEDNESDAY])
    run.run()
    assert [(name, at) for name, at, _ in called] == [
        ("five in", TUESDAY.open + 5 * MINUTE),
        ("two left", TUESDAY.close - 2 * MINUTE),
        ("evening", TUESDAY.open + 11 * HOUR + 30 * MINUTE),
        ("five in", WEDNESDAY.open + 5 * MINUTE),
        ("two left", WEDNESDAY.close - 2 * MINUTE),
    ]
