"""Ctrl-C at every place of a step where it can come: journal and session tell the same day, or the journal says that it stopped."""

from __future__ import annotations

import dis
import sys
import threading
from typing import TYPE_CHECKING, Any

import pytest

from tapeloom import SessionData
from tapeloom.live.journal import SessionJournal
from tapeloom.live.recovery import recover
from tests.live.made import SetClock, bar, begun, facts
from tests.live.test_journal_step import PATIENCE, at, live

if TYPE_CHECKING:
    from pathlib import Path
    from types import CodeType, FrameType

#: Only a failure takes so long.
LONGEST = 60.0
#: After these the interpreter looks for signals, and where a function begins.
LOOKS = {"CALL", "CALL_KW", "CALL_FUNCTION_EX", "RESUME", "JUMP_BACKWARD"}


class InterruptAt:
    """Raises KeyboardInterrupt at the n-th of those places in the code of live sessions, 1 first."""

    def __init__(self, place: int) -> None:
        self._place = place
        self._passed = 0
        self._names: dict[CodeType, dict[int, str]] = {}
        self._before: dict[int, str] = {}

    @property
    def was_there(self) -> bool:
        return self._passed >= self._place

    def _pass(self) -> None:
        self._passed += 1
        if self._passed == self._place:
            raise KeyboardInterrupt

    def __call__(self, frame: FrameType, event: str, _: Any) -> InterruptAt | None:
        name = frame.f_code.co_filename
        if "tapeloom/live" not in name and not name.endswith("threading.py"):
            return None
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        if event == "call":
            self._pass()
        elif event == "opcode":
            code = frame.f_code
            if code not in self._names:
                found = dis.get_instructions(code)
                self._names[code] = {each.offset: each.opname for each in found}
            before = self._before.get(id(frame))
            self._before[id(frame)] = self._names[code].get(frame.f_lasti, "")
            if before in LOOKS:
                self._pass()
        elif event == "return":
            self._before.pop(id(frame), None)
        return self


def interrupted(folder: Path, mode: str, place: int) -> str | None:
    """What became of a journal whose step was interrupted at a place; ``None`` if there is no such place."""
    path = folder / f"{place}.journal"
    journal = SessionJournal(
        path, SessionData(), mode=mode, clock=SetClock(), patience=PATIENCE
    )
    running = live(begun(journal).session_data)
    journal.step(running, [bar(0)], at(0))
    journal.step(running, [], at(1, -1))
    interrupt, traced = InterruptAt(place), sys.gettrace()
    sys.settrace(interrupt)
    try:
        journal.step(running, [bar(1), bar(1, "MSFT")], at(1))
    except KeyboardInterrupt:
        pass
    finally:
        sys.settrace(traced)
    if not interrupt.was_there:
        running.close()
        journal.close()
        return None
    if journal.state == "degraded":
        running.close()
        return "stopped"
    # Whoever writes next does not wait for a turn that never comes.
    after = threading.Thread(
        target=journal.step, args=(running, [bar(2)], at(2)), daemon=True
    )
    after.start()
    after.join(LONGEST)
    assert not after.is_alive()
    told = facts(journal.session_data)
    running.close()
    journal.close()
    assert facts(recover(path)) == told
    return "running"


@pytest.mark.parametrize("mode", ["strict", "relaxed"])
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_journal_and_session_tell_the_same_day_wherever_a_step_is_interrupted(
    tmp_path: Path, mode: str
) -> None:
    became: list[str] = []
    while (found := interrupted(tmp_path, mode, len(became) + 1)) is not None:
        became.append(found)
    assert len(became) > 10
    assert "running" in became
    # With a relaxed journal nothing comes between the records and the change.
    assert ("stopped" in became) == (mode == "strict")
