"""Live days drawn from seeds, with everything that may go wrong: each ends as an undisturbed day does, or says what is missing."""

from __future__ import annotations

import pytest

from tests.live.seeds import chunks, replayed, seeds_of
from tests.live.simulated_checks import check
from tests.live.simulated_script import FAULTS, script_of
from tests.live.simulated_script_run import play

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
