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


# Days that once ended otherwise: what was wrong then.


@pytest.mark.parametrize(
    ("seed", "what"),
    [
        (1, "bars so far of a symbol that trades now and then are asked for at once"),
        (9, "nobody is told of a bar before the session has begun for the analyses"),
        (67, "bars of history wait behind those of a symbol that catches up"),
        (141, "a session whose journal fails at its very end is ended again"),
        (232, "a stretch that came by itself while the next try waits is settled"),
        (468, "bars that wait for the journal go with the symbol that is removed"),
        (904, "an old answer does not replace what the feed has corrected since"),
        (1454, "what the feed corrected before a symbol went is not kept against it"),
        (1539, "what history corrects is told"),
        (1560, "an answer to a symbol that went is not taken for one that came again"),
        (1900, "bars that come while the journal cannot be ended are not lost"),
        (2491, "what was missed before the begin is filled though little trades"),
    ],
)
def test_days_that_went_wrong_once_go_well(seed: int, what: str) -> None:
    script = script_of(seed)
    with replayed(seed, script.faults, __file__):
        check(script, play(script))
