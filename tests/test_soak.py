"""``tools/soak.py``: days are played until the time is over, and one that fails is named with its seed."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from tools import soak

if TYPE_CHECKING:
    from collections.abc import Sequence


@pytest.mark.parametrize("suite", ["days", "crashes"])
def test_at_least_a_day_is_played_and_the_last_line_is_a_row_of_a_table(
    suite: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert soak.main(["--suite", suite, "--minutes", "0", "--first", "7"]) == 0

    said = capsys.readouterr()
    head, rule, row = said.out.splitlines()
    assert len({line.count("|") for line in (head, rule, row)}) == 1
    assert re.search(rf"\| {suite} \| 7 to 7 \| 1 \| 0 \|", row)
    assert "1 days, 0 failed" in said.err


def test_a_day_that_fails_is_named_and_the_others_are_played_all_the_same(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    played = []

    def play(seed: int) -> Sequence[str]:
        played.append(seed)
        if seed == 3:
            raise AssertionError("a bar is missing")
        return ["a fault"]

    monkeypatch.setitem(soak.SUITES, "days", (play, 2))
    monkeypatch.setattr(
        soak.Soak, "seconds", property(lambda run: 60.0 * run.days), raising=True
    )

    assert soak.main(["--suite", "days", "--minutes", "5"]) == 1
    said = capsys.readouterr()
    assert played == [0, 1, 2, 3, 4]
    assert said.out.endswith("\nseed 3: AssertionError: a bar is missing\n")
    assert "| 0 to 4 | 5 | 1 | 1 |" in said.out
    assert said.err.count("days,") == 3


def test_ctrl_c_ends_it_with_the_summary_of_what_was_played(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def play(seed: int) -> Sequence[str]:
        if seed == 2:
            raise KeyboardInterrupt
        return []

    monkeypatch.setitem(soak.SUITES, "days", (play, 1))

    assert soak.main(["--suite", "days", "--minutes", "60"]) == soak.INTERRUPTED
    assert "| 0 to 1 | 2 | 0 |" in capsys.readouterr().out


@pytest.mark.parametrize("words", [["--minutes", "-1"], ["--minutes", "nan"], ["--first", "-1"], ["--suite", "x"]])  # fmt: skip
def test_what_cannot_be_played_is_refused(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as left:
        soak.main(words)
    assert left.value.code == 2
    assert "usage:" in capsys.readouterr().err
