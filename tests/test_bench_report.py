"""The table at the end of the benches: which peer counts, what a verdict says, what becomes of the README."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from benches.python.machine import (
    on_threads,
    stolen_between,
    stolen_ticks,
    summary,
)
from benches.python.measured import Measured, read, write
from benches.python.ratios import Comparison, Row, Targets, Way
from benches.python.report import (
    BEGIN,
    END,
    as_record,
    as_table,
    best_rows,
    refreshed,
    verdict,
)
from benches.run import why_not_full

TARGETS = Targets(2, 3, 4)


class StandIn:
    """What pytest-benchmark hands to a test."""

    def __init__(self, *, enabled: bool) -> None:
        self.enabled = enabled
        self.group: str | None = None
        self.extra_info: dict[str, float] = {}
        self.runs = 0

    def pedantic(self, run: object) -> None:
        assert callable(run)
        self.runs += 1
        run()


def row(value: float, peer_value: float, targets: Targets | None = TARGETS) -> Row:
    return Row("case", "ours", value, "peer", peer_value, targets)


@pytest.mark.parametrize(
    ("ratio", "expected"),
    [
        (1.99, "SHORT"),
        (2.0, "floor"),
        (3.5, "goal"),
        (4.0, "moonshot"),
        (400.0, "moonshot"),
    ],
)
def test_a_verdict_names_the_highest_target_reached(
    ratio: float, expected: str
) -> None:
    assert verdict(row(1.0, ratio)) == expected


def test_a_lone_floor_is_enough_for_a_verdict() -> None:
    assert verdict(row(1.0, 0.8, Targets(1 / 1.3))) == "floor"
    assert verdict(row(1.0, 0.7, Targets(1 / 1.3))) == "SHORT"


def test_without_targets_a_verdict_says_who_is_ahead() -> None:
    assert verdict(row(1.0, 1.5, None)) == "ahead"
    assert verdict(row(1.0, 0.5, None)) == "behind"


def test_a_row_without_numbers_is_pending() -> None:
    pending = Row("case", "", None, "peer", None, TARGETS)
    assert pending.ratio is None
    assert verdict(pending) == "pending"
    assert as_table([pending])[2].split("|")[4].strip() == ""


def test_each_way_of_ours_stands_beside_the_fastest_peer() -> None:
    rows = [
        Row("case", ours, 1.0, peer, value)
        for ours in ("first", "second")
        for peer, value in (("slow", 9.0), ("fast", 2.0), ("middling", 5.0))
    ]
    assert [(r.ours, r.peer) for r in best_rows(rows)] == [
        ("first", "fast"),
        ("second", "fast"),
    ]


def test_two_cases_with_one_way_of_ours_are_two_rows() -> None:
    rows = [Row(case, "ours", 1.0, "peer", 2.0) for case in ("one", "other")]
    assert best_rows(rows) == rows


def test_the_table_is_markdown_with_cells_of_one_width() -> None:
    lines = as_table(
        [
            Row("latest bar", "`latest`", 61e-9, "deques", 176e-9, Targets(2.5, 3.5)),
            Row("memory", "growth", 63.2, "deques", 255.0, None, "B"),
        ]
    )
    assert len({len(line) for line in lines}) == 1
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    assert cells[2] == [
        "latest bar",
        "61 ns, `latest`",
        "176 ns, deques",
        "2.89",
        "2.50 / 3.50",
        "floor",
    ]
    assert cells[3][1:4] == ["63.2 B, growth", "255 B, deques", "4.03"]


@pytest.mark.parametrize(
    ("seconds", "text"), [(2.5, "2.5 s"), (1e-3, "1 ms"), (1.5e-6, "1.5 us")]
)
def test_a_time_is_written_in_the_largest_unit_it_fills(
    seconds: float, text: str
) -> None:
    assert f"| {text}, ours" in as_table([row(seconds, 1.0)])[2]


def test_a_record_is_json_with_every_pair_and_says_which_counts() -> None:
    rows = [Row("case", "ours", 2.0, peer, v) for peer, v in (("a", 8.0), ("b", 6.0))]
    record = json.loads(json.dumps(as_record(rows, {"date": "2024-01-02"})))
    assert record["date"] == "2024-01-02"
    found = [(r["peer"], r["ratio"], r["best_peer"]) for r in record["rows"]]
    assert found == [("a", 4.0, False), ("b", 3.0, True)]


def test_only_what_is_between_the_markers_changes() -> None:
    text = f"before\n{BEGIN}\nold\n{END}\nafter\n"
    once = refreshed(text, ["new"])
    assert once == f"before\n{BEGIN}\n\nnew\n\n{END}\nafter\n"
    assert refreshed(once, ["new"]) == once


@pytest.mark.parametrize(
    "text", ["no markers", BEGIN, f"{END} {BEGIN}", f"{BEGIN}{END}{BEGIN}{END}"]
)
def test_missing_or_repeated_markers_are_an_error(text: str) -> None:
    with pytest.raises(ValueError, match="there must be one"):
        refreshed(text, [])


def test_the_machine_is_summed_up_in_one_sentence() -> None:
    facts = {
        "date": "2024-01-02",
        "processor": "Abacus",
        "cores": 2,
        "system": "Linux x86_64",
        "versions": {"python": "3.12.1", "numpy": "2.0.0"},
    }
    assert summary(facts) == (
        "Measured on 2024-01-02, 2 cores of Abacus, Linux x86_64; python 3.12.1, numpy 2.0.0."
    )
    taken = "A host took 13% of the processors' time for others."
    assert summary({**facts, "stolen": 0.13}).endswith(f"numpy 2.0.0. {taken}")
    assert [on_threads(count) for count in (1, 2)] == ["1 thread", "2 threads"]


def test_the_time_a_host_took_is_that_of_all_processors() -> None:
    stat = "cpu  40 1 30 20 5 1 2 9 7 1\ncpu0 1 1 1 1 1 1 1 1 1 1\nintr 5\n"
    assert stolen_ticks(stat) == (9, 108)
    assert stolen_between((9, 108), (12, 208)) == pytest.approx(0.03)


@pytest.mark.parametrize("begun", [None, (9, 108)])
def test_a_system_that_says_nothing_of_a_host_is_not_made_to(
    begun: tuple[int, int] | None,
) -> None:
    assert stolen_between(begun, begun) is None


def test_what_one_process_measured_another_reads(tmp_path: Path) -> None:
    pending = Row("case", "", None, "peer", None, None, "B")
    rows = [row(1.0, 2.0), row(1.0, 3.0, Targets(1)), pending]
    measured = Measured(rows, passed=True, lacks=["2 skipped"])
    write(tmp_path / "rows.json", measured)
    assert read(tmp_path / "rows.json") == measured
    assert isinstance(read(tmp_path / "rows.json").rows[0].targets, Targets)


def test_a_process_that_left_nothing_has_not_passed(tmp_path: Path) -> None:
    assert read(tmp_path / "rows.json") == Measured([], passed=False, lacks=[])


def test_only_a_whole_run_in_which_all_passed_is_kept() -> None:
    whole = Measured([], passed=True, lacks=[])
    short = whole._replace(lacks=["1 skipped"])
    wrong = whole._replace(passed=False)
    assert why_not_full([whole, whole], is_part=False) is None
    assert why_not_full([whole], is_part=True) == "only a part was run"
    assert why_not_full([whole, short], is_part=False) == "1 skipped"
    assert why_not_full([short, wrong], is_part=False) == "not all passed"


@pytest.mark.parametrize("chosen_by", ["arguments", "environment"])
def test_a_part_of_the_cases_prints_its_table_and_keeps_nothing(
    chosen_by: str,
) -> None:
    root = Path(__file__).parents[1]
    kept = [root / "benches" / name for name in ("README.md", "results.json")]
    before = [path.read_bytes() for path in kept]
    # A worker of this run tells its children that they are workers, who do not measure.
    own = {name: value for name, value in os.environ.items() if "XDIST" not in name}
    part = ["-k", "gaps_of_one_symbol"]
    if chosen_by == "environment":
        own["PYTEST_ADDOPTS"] = " ".join(part)
        part = []
    done = subprocess.run(
        [sys.executable, "-m", "benches.run", *part],
        cwd=root,
        env=own,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    *_, line, reason = done.stdout.splitlines()
    assert line.startswith("| gaps of 1 symbol x 1 session, per minute due")
    assert reason == "only a part was run: the kept results stay as they are"
    assert [path.read_bytes() for path in kept] == before


def test_a_wrong_answer_fails_before_anything_is_timed() -> None:
    compare = Comparison(StandIn(enabled=True), [])
    with pytest.raises(AssertionError, match="peer gives another answer"):
        compare("case", ours=[Way("ours", abs, [-1])], peers=[Way("peer", int, [-1])])
    assert compare.rows == []


def test_targets_hold_for_the_first_of_our_ways_only() -> None:
    compare = Comparison(StandIn(enabled=True), [])
    compare.keep("case", ours={"a": 1.0, "b": 2.0}, peers={"p": 4.0}, targets=TARGETS)
    assert [(r.ours, r.targets) for r in compare.rows] == [("a", TARGETS), ("b", None)]
    assert compare.benchmark.extra_info == {"a / p": 4.0, "b / p": 2.0}


def test_medians_of_interleaved_rounds_are_kept() -> None:
    compare = Comparison(StandIn(enabled=True), [])
    turns: list[str] = []
    times = {"ours": iter([1.0, 9.0, 2.0]), "peer": iter([4.0, 6.0, 5.0])}

    def sampler(name: str) -> float:
        turns.append(name)
        return next(times[name])

    compare.measure(
        "case",
        ours={"ours": lambda: sampler("ours")},
        peers={"peer": lambda: sampler("peer")},
        rounds=3,
    )
    assert turns == ["ours", "peer"] * 3
    assert (compare.rows[0].value, compare.rows[0].peer_value) == (2.0, 5.0)


def test_a_disabled_comparison_runs_every_way_and_keeps_no_row() -> None:
    compare = Comparison(StandIn(enabled=False), [])
    ran: list[str] = []

    def way(name: str) -> Way:
        def prepare() -> None:
            ran.append(f"before {name}")

        def loop(questions: object) -> None:
            ran.append(name)

        return Way(name, lambda each: each, [1], before=prepare, loop=loop)

    for case in ("first", "second"):
        compare(case, ours=[way("ours")], peers=[way("peer")])
    compare.pending("third", peer="peer")
    assert {"ours", "peer", "before ours", "before peer"} == set(ran)
    # pytest-benchmark wants one run of a test.
    assert compare.benchmark.runs == 1
    assert compare.benchmark.group == "first"
    assert compare.rows == []


def test_what_comes_before_a_pass_is_not_timed() -> None:
    clock = [0.0]

    def prepare() -> None:
        clock[0] += 1_000.0

    def ask(_: int) -> None:
        clock[0] += 0.5

    way = Way("ours", ask, [1, 2], size=5, before=prepare)
    assert way.timed(lambda: clock[0])() == pytest.approx(0.1)
