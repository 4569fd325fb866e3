"""kill -9 of a whole live session, again and again: what was acknowledged is there once, and the day ends as if nothing had been."""

from __future__ import annotations

import multiprocessing
import signal
import sys
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, NamedTuple

import pytest

import tapeloom
from tapeloom.live.recovery import journal_bars, recover
from tests.live.kill_child import (
    CLOSE,
    DATE,
    DAY,
    MINUTES,
    SYMBOLS,
    TRUTH,
    Life,
    Told,
    live,
)
from tests.live.made import SetClock
from tests.live.simulated_day import live_manager
from tests.reference.schedule import MINUTE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tapeloom import SessionData

if sys.platform == "win32":
    pytest.skip("needs SIGKILL and a fork server", allow_module_level=True)

#: Seconds without a word after which a life is given up. Nothing is timed by it.
_SILENCE = 120.0
#: How many bars a life acknowledges at most before it is killed: a day has room for some eight of them.
_MOST = 60
#: How many minutes nobody listens at most.
_DEAD = 3

Key = tuple[str, int]
MANAGER = live_manager(SetClock(), CLOSE, DATE)
CONTEXT = multiprocessing.get_context("forkserver")
# Loading everything takes a second, and is done once.
CONTEXT.set_forkserver_preload(["tests.live.kill_child"])


class Lived(NamedTuple):
    """What a life said, and whether it came to its end."""

    told: list[Told]

    @property
    def bars(self) -> list[Told]:
        return [each for each in self.told if each.word == "bar"]

    @property
    def end(self) -> str | None:
        """The state hash at the end of the day."""
        last = self.told[-1] if self.told else Told("")
        return last.symbol if last.word == "over" else None


def lived(life: Life, kill_after: int | None) -> Lived:
    """Let a process live; kill it when it has said so many words, or not at all."""
    here, there = CONTEXT.Pipe(duplex=False)
    process = CONTEXT.Process(target=live, args=(there, life), daemon=True)
    process.start()
    there.close()
    told: list[Told] = []
    try:
        while kill_after is None or len(told) < kill_after:
            assert here.poll(_SILENCE), f"{life} says nothing after {told[-1:]}"
            told.append(Told(*here.recv()))
    except EOFError:
        pass
    finally:
        process.kill()
    # What it had said by then counts.
    told += rest(here)
    process.join()
    strange = [t for t in told if t.word not in ("wired", "open", "bar", "over")]
    assert not strange
    one = Lived(told)
    # Nothing else has ended it.
    assert one.end is not None or process.exitcode == -signal.SIGKILL, life
    return one


def rest(here: object) -> Iterator[Told]:
    while True:
        try:
            yield Told(*here.recv())  # type: ignore[attr-defined]  # here is the end that reads
        except EOFError:
            return


def held(session: SessionData) -> set[Key]:
    """The bars of a session, after checking that each is the truth and is there once."""
    found: list[Key] = []
    for symbol in session._symbols:
        bars = session.get_bars(symbol)
        assert bars.close.tolist() == [TRUTH[symbol][t].close for t in bars.ts.tolist()]
        found += [(symbol, ts) for ts in bars.ts.tolist()]
    assert len(found) == len(set(found))
    counts = session.get_ingest_counts()
    # What was asked for again came twice.
    offered = counts.offered - counts.duplicates
    assert (offered, counts.accepted + counts.late) == (len(found), len(found))
    return set(found)


def undisturbed() -> str:
    """The state hash of the day as a backtest over the truth."""
    bars = {
        symbol: {
            "ts": list(rows),
            **{
                name: [getattr(bar, name) for bar in rows.values()]
                for name in ("open", "high", "low", "close", "volume")
            },
        }
        for symbol, rows in TRUTH.items()
    }
    return replayed(bars)


def replayed(bars: object) -> str:
    batches = tapeloom.replay(
        bars,
        start=DATE,
        end=DATE,
        intervals=["1m", "5m"],
        time_manager=tapeloom.TimeManager(overlay=MANAGER.calendar.overlay),
    )
    for _ in batches:
        pass
    return batches.session_data.state_hash()


def kept_of(told: list[Told], mode: str) -> set[Key]:
    """What must have survived: everything that was told; relaxed, what was on disk by what was said."""
    bars = [each for each in told if each.word == "bar"]
    durable = max((each.durable_seq for each in bars), default=0)
    return {
        (each.symbol, each.ts)
        for each in bars
        if mode == "strict" or each.last_seq <= durable
    }


def order_of(key: Key) -> tuple[int, int]:
    """Bars in the order in which the feed pushes them."""
    return key[1], SYMBOLS.index(key[0])


class Day:
    """One day that is lived through, kill after kill."""

    def __init__(self, folder: Path, mode: str, random: Random) -> None:
        self._folder, self.mode, self._random = folder, mode, random
        self._journal = folder / "journal" / f"{DATE.isoformat()}.journal"
        self._kept: set[Key] = set()
        self._first = 0
        self.kills = self.lost = 0
        self.end: str | None = None

    def live(self, *, to_its_end: bool) -> None:
        """One life more."""
        kill_after = None if to_its_end else self._random.randrange(1, _MOST)
        life = Life(str(self._folder), self.mode, self._first)
        one = lived(life, kill_after)
        self.end = one.end
        assert self.end is not None or not to_its_end
        self.kills += self.end is None
        self._check(one)

    def _check(self, one: Lived) -> None:
        """Nothing that counts is missing, and before the last of it there is no hole but while nobody listened."""
        session = recover(self._journal, time_manager=MANAGER)
        there = held(session)
        self._kept |= kept_of(one.told, self.mode)
        assert self._kept <= there
        self.lost += len({(t.symbol, t.ts) for t in one.bars} - there)
        streamed = {key for key in there if key[1] >= self._start(self._first)}
        if streamed:
            last = max(map(order_of, streamed))
            due = {
                (symbol, self._start(minute))
                for minute in range(self._first, MINUTES)
                for symbol in SYMBOLS
            }
            assert {key for key in due if order_of(key) <= last} == streamed
        # Who comes next finds the market some minutes further.
        newest = max((ts for _, ts in there), default=DAY.open - MINUTE)
        dead = self._random.randrange(_DEAD + 1)
        self._first = min(MINUTES, (newest - DAY.open) // MINUTE + 1 + dead)

    @staticmethod
    def _start(minute: int) -> int:
        return DAY.open + minute * MINUTE

    def ends_as(self, whole: str) -> None:
        """The live session, its journal and the replay of it ended as the undisturbed day did."""
        assert self.end == whole
        assert recover(self._journal, time_manager=MANAGER).state_hash() == whole
        assert replayed(journal_bars(self._journal, time_manager=MANAGER)) == whole


@pytest.mark.parametrize(("mode", "kills"), [("strict", 50), ("relaxed", 15)])
def test_a_session_that_is_killed_again_and_again_loses_nothing(
    tmp_path: Path, mode: str, kills: int
) -> None:
    whole, random = undisturbed(), Random(20_250_702)
    done = 0
    while done < kills:
        folder = tmp_path / f"{done}"
        folder.mkdir()
        day = Day(folder, mode, random)
        while day.end is None:
            day.live(to_its_end=done + day.kills >= kills)
        day.ends_as(whole)
        assert mode == "relaxed" or not day.lost
        done += day.kills
