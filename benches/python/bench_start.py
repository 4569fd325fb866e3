"""What a new process waits for: the import, the first calendar of all, and making a calendar once all is loaded."""

from __future__ import annotations

import subprocess
import sys
from datetime import date
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pytest
from benches.python.ratios import Comparison, Targets, Way

from tapeloom.calendars import get_market_calendar
from tapeloom.calendars.table_cache import read_cached, write_cached
from tapeloom.calendars.table_record import from_record, to_record

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

# exchange_calendars uses what pandas is going to change.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

NS_PER_DAY = 86_400_000_000_000
EPOCH = date(1970, 1, 1)
# Answers are compared over years that lie in the peer's default range, which moves with the wall clock.
LOW, HIGH = (
    (day - EPOCH).days * NS_PER_DAY for day in (date(2015, 1, 1), date(2026, 1, 1))
)
ROUNDS = 9

BUILD = Targets(20, 90, 200)
# Not slower than 1.3 times the peer.
IMPORT = Targets(1 / 1.3)


def test_calendar_from_the_cache(compare: Comparison) -> None:
    """From the file to a calendar that answers; which versions are installed is known by then."""
    xnys = pytest.importorskip("exchange_calendars.exchange_calendar_xnys")
    market = get_market_calendar("US_EQUITY")
    key = {"calendar": "XNYS", "made by": "the benches"}
    write_cached(key, *to_record(market))

    def load(_: None) -> NDArray[np.int64]:
        found = read_cached(key)
        assert found is not None
        kept = from_record(*found, zone=market.table.zone, overlay=market.overlay)
        return kept.table.opens

    def build(_: None) -> Any:
        return xnys.XNYSExchangeCalendar()

    def within(opens: NDArray[np.int64]) -> bytes:
        return opens[(opens >= LOW) & (opens < HIGH)].tobytes()

    def opens_of(calendar: Any) -> bytes:
        return within(calendar.opens.to_numpy("datetime64[ns]").astype(np.int64))

    compare(
        "make a calendar",
        ours=[Way("46 years from the cache", load, [None], within)],
        peers=[Way("XNYSExchangeCalendar(), 21 years", build, [None], opens_of)],
        targets=BUILD,
    )


@pytest.fixture
def compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    """New processes find compiled modules, as on every machine after the first run; the peers were compiled by pip."""
    monkeypatch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)


class Work(NamedTuple):
    """What a new interpreter does: timed lines, then an expression for the answer."""

    lines: str
    answer: str = "None"

    def run(self) -> tuple[float, str]:
        """Return seconds of wall time without the interpreter's own start, and the answer."""
        code = (
            "import time\nbegan = time.perf_counter()\n"
            f"{self.lines}\ntook = time.perf_counter() - began\nprint(took, {self.answer})"
        )
        done = subprocess.run(
            [sys.executable, "-c", code], check=True, capture_output=True, text=True
        )
        seconds, _, answer = done.stdout.partition(" ")
        return float(seconds), answer


def side_by_side(
    compare: Comparison,
    case: str,
    *,
    ours: dict[str, Work],
    peers: dict[str, Work],
    targets: Targets | None = None,
) -> None:
    works = [*ours.values(), *peers.values()]
    # The first runs fill the caches, also those of compiled modules.
    assert len({work.run()[1] for work in works}) == 1

    def sampler(work: Work) -> Callable[[], float]:
        return lambda: work.run()[0]

    compare.take_part(case, works[0].run)
    if compare.benchmark.enabled:
        compare.measure(
            case,
            ours={name: sampler(work) for name, work in ours.items()},
            peers={name: sampler(work) for name, work in peers.items()},
            targets=targets,
            rounds=ROUNDS,
        )


@pytest.mark.usefixtures("compiled")
def test_import(compare: Comparison) -> None:
    side_by_side(
        compare,
        "import, new process",
        ours={"import tapeloom": Work("import tapeloom")},
        peers={"import numpy": Work("import numpy")},
        targets=IMPORT,
    )


@pytest.mark.usefixtures("compiled")
@pytest.mark.parametrize("name", ["TimeManager", "replay"])
def test_first_name_of_a_process(compare: Comparison, name: str) -> None:
    """The package imports a name's rooms when it is first used, and numpy with them."""
    line = f"from tapeloom import {name}"
    side_by_side(
        compare,
        "first name, new process",
        ours={line: Work(line)},
        peers={"import numpy": Work("import numpy")},
    )


@pytest.mark.usefixtures("compiled")
def test_first_calendar_of_a_process(compare: Comparison) -> None:
    pytest.importorskip("exchange_calendars")
    total = f"sum(ns for ns in {{}}.tolist() if {LOW} <= ns < {HIGH})"
    ours = "import tapeloom\ntable = tapeloom.TimeManager().session_table"
    peer = 'import exchange_calendars\nxnys = exchange_calendars.get_calendar("XNYS")'
    opens = "xnys.opens.to_numpy('datetime64[ns]').astype('int64')"
    side_by_side(
        compare,
        "first calendar, new process",
        ours={"TimeManager().session_table": Work(ours, total.format("table.opens"))},
        peers={'get_calendar("XNYS")': Work(peer, total.format(opens))},
    )
