"""Simulated live days with a journal: the disk fails, the process dies at any instant, and the day ends as if neither had."""

from __future__ import annotations

import pytest

from tests.live.seeds import chunks, replayed, seeds_of
from tests.live.simulated_crashes import crash_script_of, play_and_check

#: Days in the short suite; TAPELOOM_SEEDS sets another number, TAPELOOM_SEED plays one.
DAYS = 6_000


@pytest.mark.parametrize("chunk", chunks(DAYS))
def test_every_day_is_recovered_as_it_was_and_replayed_as_it_ended(
    chunk: range,
) -> None:
    for seed in seeds_of(chunk):
        script = crash_script_of(seed)
        with replayed(seed, script.faults, __file__):
            play_and_check(script)


def test_days_have_no_crash_or_some_and_disks_that_fail_in_both_modes() -> None:
    scripts = [crash_script_of(seed) for seed in range(300)]
    assert {len(script.crashes) for script in scripts} == {0, 1, 2, 3}
    assert {(s.mode, bool(s.failures)) for s in scripts} == {
        (mode, fails) for mode in ("strict", "relaxed") for fails in (False, True)
    }
    assert sum(script.replays for script in scripts) == 15
