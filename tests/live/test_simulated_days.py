"""Live days drawn from seeds, with everything that may go wrong: each ends as an undisturbed day does, or says what is missing."""

from __future__ import annotations

import pytest

from tests.live.seeds import chunks, replayed, seeds_of
from tests.live.simulated_checks import check
from tests.live.simulated_script import FAULTS, quiet_day, script_of
from tests.live.simulated_script_run import play
from tests.reference.schedule import MINUTE
from tests.strategies import bar_at

#: Days in the short suite; TAPELOOM_SEEDS sets another number, TAPELOOM_SEED plays one.
DAYS = 14_000


@pytest.mark.parametrize("chunk", chunks(DAYS))
def test_every_day_ends_whole_or_says_what_it_lacks(chunk: range) -> None:
    for seed in seeds_of(chunk):
        script = script_of(seed)
        with replayed(seed, script.faults, __file__):
            check(script, play(script))


def test_each_fault_comes_alone_and_with_others() -> None:
    drawn = [set(script_of(seed).faults) for seed in range(3_000)]
    assert set() in drawn
    for fault in FAULTS:
        assert {fault} in drawn, fault
        assert max(len(faults) for faults in drawn if fault in faults) >= 6


def test_values_that_the_market_does_not_have_are_noticed() -> None:
    script = quiet_day()
    ts = script.day.open + 3 * MINUTE
    run = play(script)
    check(script, run)
    pushed, script.truth["AAA"][ts] = script.truth["AAA"][ts], bar_at(ts, 50)
    with pytest.raises(AssertionError, match="not as the market has it"):
        check(script, run)
    # Nobody could know of a correction that was not sent, while the connection stood.
    script.first["AAA", ts] = pushed, ts + 2 * MINUTE
    script.unsaid["AAA", ts] = ts + 2 * MINUTE
    check(script, run)
    script.outages.append((ts + MINUTE, ts + 3 * MINUTE))
    with pytest.raises(AssertionError, match="came while the connection was down"):
        check(script, run)
