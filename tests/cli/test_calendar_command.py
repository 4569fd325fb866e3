from __future__ import annotations

import json
from datetime import date
from importlib.metadata import PackageNotFoundError
from typing import TYPE_CHECKING, Any

import pytest
from typer.testing import CliRunner

from tapeloom.calendars import get_market_calendar
from tapeloom.cli.app import app
from tapeloom.cli.date_range import DateRange, date_range
from tapeloom.errors import ArgumentError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from typer.testing import Result

FIXES = {
    "XNYS": {
        "2025-07-03": {"regular": ["09:30", "12:00"]},
        "2025-07-10": "closed",
    },
    "CMES": {"2025-06-19": {"regular": ["17:00-1d", "12:00"]}},
}


@pytest.fixture(autouse=True)
def today(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test reads the wall clock."""
    monkeypatch.setattr("tapeloom.cli.calendar._today", lambda _: date(2025, 7, 1))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, with an overlay in it."""
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "fixes.json", FIXES)
    return tmp_path


def write(path: Path, content: object) -> None:
    path.write_text(json.dumps(content), encoding="utf-8")


def calendar(*words: str) -> Result:
    return CliRunner().invoke(app, ["calendar", *words])


def shown(*words: str) -> list[str]:
    done = calendar("show", *words)
    assert done.exit_code == 0, done.output
    return done.stdout.splitlines()


def read(*words: str) -> dict[str, Any]:
    """What a command prints with --json."""
    document: dict[str, Any] = json.loads(calendar(*words, "--json").stdout)
    return document


def assert_error(done: Result, code: int, *words: str) -> None:
    assert done.exit_code == code, done.output
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    assert done.stderr.startswith("error: ")
    for word in words:
        assert word in done.stderr


def raising(error: Exception) -> Callable[..., Any]:
    def replacement(*_: object) -> None:
        raise error

    return replacement


def test_show_says_where_a_calendar_comes_from() -> None:
    lines = shown("XNYS", "2025-07-03")
    table = get_market_calendar("XNYS").table
    assert lines[:5] == [
        "calendar     XNYS",
        "zone         America/New_York",
        f"source       {get_market_calendar('XNYS').source}",
        f"covers       1990-01-01 to 2035-12-31, {len(table):,} sessions",
        f"fingerprint  {table.fingerprint[:12]}",
    ]


def test_a_date_is_shown_with_its_segments_in_both_times() -> None:
    assert shown("XNYS", "2025-07-03")[6:] == [
        "Thu 2025-07-03: early close, 210 regular minutes",
        "",
        "             America/New_York  UTC            minutes",
        "─────────────────────────────────────────────────────",
        "pre-market   04:00 - 09:30     08:00 - 13:30      330",
        "regular      09:30 - 13:00     13:30 - 17:00      210",
        "post-market  13:00 - 17:00     17:00 - 21:00      240",
    ]


def test_two_dates_are_shown_with_every_day_between() -> None:
    lines = shown("XNYS", "2025-07-03", "2025-07-06")
    assert [line[:14] for line in lines[8:12]] == [
        "Thu 2025-07-03",
        "Fri 2025-07-04",
        "Sat 2025-07-05",
        "Sun 2025-07-06",
    ]
    assert lines[-1] == "2025-07-03 to 2025-07-06: 1 session in 4 days"


def test_of_a_month_only_the_irregular_dates_are_shown() -> None:
    dates = [day["date"] for day in read("show", "XNYS", "2025-07")["days"]]
    assert dates == ["2025-07-03", "2025-07-04"]


def test_all_shows_every_day_of_a_month() -> None:
    days = read("show", "XNYS", "2025-07", "--all")["days"]
    assert len(days) == 31
    assert "shown are" not in "\n".join(shown("XNYS", "2025-07", "--all"))


def test_what_is_not_covered_of_a_year_is_left_out() -> None:
    assert shown("XNYS", "1989", "1990")[-2] == (
        "1990-01-01 to 1990-12-31: 253 sessions in 365 days"
    )


def test_without_a_date_the_coming_year_is_shown() -> None:
    lines = shown("XNYS")
    assert "today, Tue 2025-07-01: session, 390 regular minutes" in lines
    dates = [day["date"] for day in read("show", "XNYS")["days"]]
    assert (dates[0], dates[-1]) == ("2025-07-03", "2026-06-19")


def test_corrections_are_listed_with_what_the_source_has(folder: Path) -> None:
    lines = shown("XNYS", "--overlay", "fixes.json")
    assert "overlay      fixes.json, 2 corrections" in lines
    at = lines.index("date            corrected to   the source has")
    assert lines[at + 2 : at + 4] == [
        "Thu 2025-07-03  09:30 - 12:00  09:30 - 13:00, extended 04:00 - 17:00",
        "Thu 2025-07-10  closed         09:30 - 16:00, extended 04:00 - 20:00",
    ]
    assert any("Thu 2025-07-10  holiday, corrected" in line for line in lines)


def test_a_corrected_date_says_what_the_source_has(folder: Path) -> None:
    assert shown("XNYS+fixes.json", "2025-07-03")[-1] == (
        "corrected by the overlay; the source has 09:30 - 13:00, extended 04:00 - 17:00"
    )


def test_a_correction_that_the_source_has_caught_up_with_says_so(folder: Path) -> None:
    write(folder / "old.json", {"XNYS": {"2025-07-04": "closed"}})
    assert shown("XNYS+old.json", "2025-07-04")[-1] == (
        "corrected by the overlay, to what the source has too"
    )


def test_an_overlay_of_other_calendars_is_said_to_correct_nothing(folder: Path) -> None:
    lines = shown("XTKS", "2025-07-02", "--overlay", "fixes.json")
    assert "overlay      fixes.json, no corrections of XTKS" in lines


def test_json_is_one_document_with_the_whole_fingerprint(folder: Path) -> None:
    document = read("show", "XNYS+fixes.json", "2025-07-03")
    market = get_market_calendar("XNYS", overlay="fixes.json")
    assert document["fingerprint"] == market.table.fingerprint
    assert [c["date"] for c in document["corrections"]] == ["2025-07-03", "2025-07-10"]
    (day,) = document["days"]
    assert day["corrected"]
    assert day["kind"] == "early close"
    assert day["segments"] == [
        {
            "kind": "regular",
            "start": "2025-07-03T09:30:00-04:00",
            "end": "2025-07-03T12:00:00-04:00",
            "start_utc": "2025-07-03T13:30:00+00:00",
            "end_utc": "2025-07-03T16:00:00+00:00",
        }
    ]


def test_a_saved_table_is_shown_and_compared_like_a_calendar(folder: Path) -> None:
    done = calendar("show", "XNYS+fixes.json", "2025-07-03", "--save", "old.table")
    assert done.stderr == "saved as old.table\n"
    assert "calendar     XNYS (old.table)" in shown("old.table", "2025-07-03")
    assert calendar("diff", "old.table", "XNYS+fixes.json").exit_code == 0
    assert calendar("diff", "old.table", "XNYS").exit_code == 1


def test_diff_of_a_calendar_with_itself_ends_with_0() -> None:
    done = calendar("diff", "XNYS", "US_EQUITY")
    assert done.exit_code == 0
    assert done.stdout.endswith("compared 1990-01-01 to 2035-12-31: no differences\n")


def test_diff_shows_what_differs_and_ends_with_1(folder: Path) -> None:
    done = calendar("diff", "XNYS", "XNYS+fixes.json")
    assert done.exit_code == 1
    assert done.stderr == ""
    fingerprint = get_market_calendar("XNYS").table.fingerprint
    assert fingerprint[:12] in done.stdout
    assert done.stdout.splitlines()[7:] == [
        "Thu 2025-07-03     1  close        13:00          12:00",
        "                      pre-market   04:00 - 09:30  none",
        "                      post-market  13:00 - 17:00  none",
        "Thu 2025-07-10     1  trading      09:30 - 16:00  closed",
        "",
        "compared 1990-01-01 to 2035-12-31: 2 days differ (close 1, pre-market 1, post-market 1, trading 1)",
    ]


def test_diff_is_narrowed_down_by_months(folder: Path) -> None:
    words = ("XNYS", "XNYS+fixes.json", "--from", "2024", "--to", "2025-06")
    document = read("diff", *words)
    assert (document["from"], document["to"]) == ("2024-01-01", "2025-06-30")
    assert document["differences"] == []
    assert calendar("diff", *words).exit_code == 0


def test_diff_as_json_has_both_sides_of_every_date(folder: Path) -> None:
    done = calendar("diff", "XNYS", "XNYS+fixes.json", "--json")
    assert done.exit_code == 1
    first, second = json.loads(done.stdout)["differences"]
    assert (first["date"], second["date"]) == ("2025-07-03", "2025-07-10")
    assert second["differs"] == ["trading"]
    assert (second["a"]["kind"], second["b"]["kind"]) == ("session", "holiday")


def test_diff_shows_40_rows_unless_asked_for_all() -> None:
    some = calendar("diff", "XTKS", "XHKG").stdout.splitlines()
    every = calendar("diff", "XTKS", "XHKG", "--all").stdout.splitlines()
    assert any("more rows not shown" in line for line in some)
    assert not any("more rows not shown" in line for line in every)
    assert len(every) > len(some)


def test_an_unknown_calendar_is_a_usage_error_with_a_suggestion() -> None:
    assert_error(calendar("show", "US_EQUTY"), 2, "did you mean 'US_EQUITY'?")


def test_an_overlay_is_a_usage_error_with_all_its_faults(folder: Path) -> None:
    write(folder / "bad.json", {"XNYZ": {}, "XNYS": {"2025-13-01": "closed"}})
    done = calendar("show", "XNYS", "--overlay", "bad.json")
    assert_error(done, 2, "bad.json: 2 errors", "XNYZ: no cal", "2025-13-01: no date")
    assert_error(calendar("diff", "XNYS", "XNYS+none.json"), 2, "no such file")
    write(folder / "far.json", {"XNYS": {"2040-01-04": "closed"}})
    assert_error(calendar("show", "XNYS+far.json"), 2, "2040-01-04 lies outside")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("show", "XNYS", "2040-01-02"), "covers 1990-01-01 to 2035-12-31"),
        (("show", "XNYS", "2040"), "covers 1990-01-01 to 2035-12-31"),
        (("show", "XNYS", "2025-02-30"), "'2025-02-30' is no date"),
        (("show", "XNYS", "2025-07-03", "2025-07-01"), "lies before '2025-07-03'"),
        (("show", "none.table"), "'none.table' does not exist"),
        (("show", "+fixes.json"), "write it such as XNYS+fixes.json"),
        (("show", "XNYS+"), "write it such as XNYS+fixes.json"),
        (("show", "XNYS+a.json", "--overlay", "b.json"), "give one of the two"),
        (("show", "XNYS", "--save", "none/a.table"), "does not exist"),
        (("diff", "XNYS", "XTKS", "--from", "1995"), "XTKS, which covers 1997-01-01"),
        (("diff", "XNYS", "XNYS", "--from", "2025", "--to", "2024"), "not be later"),
    ],
)
def test_what_cannot_be_used_is_a_usage_error(
    folder: Path, words: tuple[str, ...], said: str
) -> None:
    assert_error(calendar(*words), 2, said)


def test_an_overlay_goes_on_no_saved_table(folder: Path) -> None:
    assert calendar("show", "XNYS", "2025", "--save", "a.table").exit_code == 0
    done = calendar("show", "a.table", "--overlay", "fixes.json")
    assert_error(done, 2, "'a.table' is a saved table")


def test_a_file_that_exists_is_not_saved_over(folder: Path) -> None:
    before = (folder / "fixes.json").read_bytes()
    done = calendar("show", "XNYS", "2025", "--save", "fixes.json")
    assert_error(done, 2, "'fixes.json' exists")
    assert (folder / "fixes.json").read_bytes() == before


def test_a_damaged_table_is_a_data_error(folder: Path) -> None:
    assert calendar("show", "XNYS", "2025", "--save", "a.table").exit_code == 0
    content = (folder / "a.table").read_bytes()
    (folder / "a.table").write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    assert_error(calendar("show", "a.table"), 3, "it is damaged")
    assert_error(calendar("diff", "fixes.json", "XNYS"), 3, "it is no table")


def test_a_missing_optional_library_is_a_usage_error_that_names_the_extra(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(
        "tapeloom.calendars.providers.from_pandas_market_calendars.version_of",
        raising(PackageNotFoundError("pandas_market_calendars")),
    )
    done = calendar("show", "pandas_market_calendars:Not_Asked_For_Before")
    assert_error(done, 2, "tapeloom[calendars]")


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("2025-07-03",), DateRange(date(2025, 7, 3), date(2025, 7, 3), True)),
        (("2024-02",), DateRange(date(2024, 2, 1), date(2024, 2, 29), False)),
        (("2025",), DateRange(date(2025, 1, 1), date(2025, 12, 31), False)),
        (
            ("2024-12-30", "2025-01"),
            DateRange(date(2024, 12, 30), date(2025, 1, 31), False),
        ),
    ],
)
def test_dates_months_and_years_are_read(
    words: tuple[str, ...], expected: DateRange
) -> None:
    assert date_range(*words) == expected


@pytest.mark.parametrize("text", ["", "0000", "2025-13", "2025-7-3", "20250703", "now"])
def test_anything_else_is_no_date(text: str) -> None:
    with pytest.raises(ArgumentError, match="is no date"):
        date_range(text)
