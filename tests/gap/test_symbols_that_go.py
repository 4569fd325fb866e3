"""Symbols and bars that another thread takes away or brings between two steps of one read."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import pytest

from tapeloom.errors import TapeloomWarning
from tapeloom.gap import Explanation
from tapeloom.session_data import SessionData
from tests.compare import bar_data
from tests.gap.sessions import FULL, HALF, Feed
from tests.strategies import bar_at

if TYPE_CHECKING:
    from collections.abc import Callable

# What reads ask of the store; between any two of these another thread may have its turn.
STEPS = (
    "_intervals",
    "_history_sessions",
    "_presence",
    "_metrics",
    "_history",
    "_session_counts",
    "_revisions",
    "_group_of",
)


class Interrupted(SessionData):
    """A store in which something happens before one of the steps of a read."""

    def interrupt(self, step: int, happens: Callable[[], object]) -> None:
        """Let something happen once, before a step, counted from now."""
        self.left = step
        self.happens = happens

    @property
    def is_over(self) -> bool:
        """Whether it has happened."""
        return self.left < 0


def _stepping(name: str) -> Any:
    original = getattr(SessionData, name)

    def call(self: Interrupted, *args: Any, **named: Any) -> Any:
        left = getattr(self, "left", -1)
        self.left = left - 1
        if left == 0:
            self.happens()
        return original(self, *args, **named)

    return call


for _name in STEPS:
    setattr(Interrupted, _name, _stepping(_name))


SYMBOLS = ("AAPL", "MSFT", "SPY", "QQQ")


def store(**policies: Any) -> Interrupted:
    """A session and one of history, in both of which AAPL has a hole."""
    session = Interrupted(**policies)
    for symbol in SYMBOLS:
        session.register_symbol(symbol, derived=["5m"])
    for day in (FULL, HALF):
        session.start_new_session(day.date, roll=day is HALF)
        Feed(session, "AAPL", day).minutes("09:30-09:32", "09:47-09:50")
        for symbol in SYMBOLS[1:]:
            Feed(session, symbol, day).minutes("09:30-09:50")
    return session


READS: dict[str, Callable[[SessionData], Any]] = {
    "gaps of all": lambda s: s.get_gaps(scope="all"),
    "derived gaps of all": lambda s: s.get_gaps(interval="5m"),
    "gaps": lambda s: s.get_gaps("AAPL", scope="all"),
    "derived gaps": lambda s: s.get_gaps("AAPL", "5m", scope="all"),
    "summary": lambda s: s.get_gap_summary("AAPL"),
    "metrics": lambda s: s.get_session_metrics("AAPL"),
    "quality": lambda s: s.get_quality("AAPL", scope="all"),
    "report": lambda s: s.get_quality_report("AAPL"),
    "reports": lambda s: s.get_quality_reports(),
    "a bar": lambda s: s.explain("AAPL", "09:31"),
    "a hole": lambda s: s.explain("AAPL", "09:40"),
    "a derived bar": lambda s: s.explain("AAPL", "09:30", "5m"),
    "a derived hole": lambda s: s.explain("AAPL", "09:40", "5m"),
}


@pytest.mark.parametrize("no_trade", ["gap", "expected"])
@pytest.mark.parametrize("read", READS)
def test_a_symbol_that_is_removed_in_the_middle_of_a_read_is_there_or_not(
    read: str, no_trade: str
) -> None:
    session = store(no_trade=no_trade)
    whole = READS[read](session)
    session.remove_symbol("AAPL")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TapeloomWarning)
        without = READS[read](session)
    for step in range(200):
        # What is gone before the read begins is an error of the reader's.
        session = store(no_trade=no_trade, strict=True)
        session.interrupt(step + 1, lambda s=session: s.remove_symbol("AAPL"))  # type: ignore[misc]
        answer = READS[read](session)
        if not session.is_over:
            break
        assert same(answer, whole) or same(answer, without)
    assert step > 0
    assert not session.is_over


def same(answer: Any, other: Any) -> bool:
    """Whether two answers agree; the instant of what is not known is the one that was asked about."""
    if isinstance(answer, Explanation) and answer.status == "unknown_symbol":
        return bool(answer.status == other.status and answer.text == other.text)
    return bool(answer == other)


def test_gaps_of_other_symbols_stay_when_one_is_removed_in_the_middle() -> None:
    for step in range(20):
        session = store()
        session.interrupt(step, lambda s=session: s.remove_symbol("MSFT"))  # type: ignore[misc]
        (gap,) = session.get_gaps()
        assert gap.symbol == "AAPL"


def test_a_bar_that_comes_while_it_is_explained_is_present() -> None:
    answers = set()
    for step in range(20):
        session = store()
        bar = bar_data("AAPL", bar_at(Feed(session, day=HALF).ns("09:40")))
        session.interrupt(step, lambda s=session, b=bar: s.add_bar("AAPL", b))  # type: ignore[misc]
        answers.add(session.explain("AAPL", "09:40").status)
    assert answers == {"present", "missing"}
