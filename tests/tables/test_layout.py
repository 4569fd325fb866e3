"""How a table reads as text and as HTML."""

from __future__ import annotations

from datetime import UTC, date, datetime
from enum import StrEnum
from html.parser import HTMLParser

import pytest

from tapeloom.tables.layout import Layout, cells, edges


class Side(StrEnum):
    LONG = "long"


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([1.0, 2.25], ["1.00", "2.25"]),
        ([100.0, 250.0], ["100", "250"]),
        ([0.1 + 0.2, 1.0], ["0.3", "1.0"]),
        ([8.12e-06, 1.0], ["8.12e-06", "1"]),
        ([float("nan"), 1.5], ["nan", "1.5"]),
        ([3_000_000_000.0], ["3e+09"]),
        ([1, 20], ["1", "20"]),
        ([None, Side.LONG], ["-", "long"]),
        ([date(2025, 7, 2)], ["2025-07-02"]),
        ([datetime(2025, 7, 2, 9, 30, tzinfo=UTC)], ["2025-07-02 09:30+00:00"]),
        ([datetime(2025, 7, 2, 9, 30, 1, tzinfo=UTC)], ["2025-07-02 09:30:01+00:00"]),
        (["two\nlines"], ["two lines"]),
    ],
)
def test_cells_are_written_as_short_as_the_column_allows(
    values: list[object], expected: list[str]
) -> None:
    assert cells(values) == expected


def test_of_many_rows_the_first_and_the_last_are_shown() -> None:
    assert [edges(rows) for rows in (0, 10, 11)] == [(0, 0), (10, 0), (5, 5)]


def layout(rows: int = 2, left_out: int = 0) -> Layout:
    names = ["<b>", "n"]
    columns = [["<script>x</script>"] * rows, ["1"] * rows]
    return Layout("T(\"a\" & 'b')", names, columns, [False, True], left_out)


def test_columns_stand_under_their_headings_numbers_to_the_right() -> None:
    shown = Layout("T", ["name", "n"], [["a", "bb"], ["1", "10"]], [False, True])

    assert shown.text() == "T\nname   n\na      1\nbb    10"


def test_a_table_without_rows_is_its_first_line() -> None:
    assert layout(rows=0).text() == "T(\"a\" & 'b')"


def test_what_is_left_out_shows_between_the_first_and_the_last() -> None:
    lines = layout(rows=10, left_out=7).text().splitlines()

    assert (lines.index("..."), len(lines)) == (7, 13)
    assert "… 7 more" in layout(rows=10, left_out=7).html()


class Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert {name for name, _ in attrs} <= {"style", "colspan"}
        self.tags.append(tag)
        self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.mark.parametrize("shown", [layout(), layout(0), layout(10, 5)])
def test_html_is_well_formed_escaped_and_needs_no_other_file(shown: Layout) -> None:
    reader = Reader()
    reader.feed(shown.html())

    assert reader.open == []
    assert set(reader.tags) <= {
        "div",
        "code",
        "table",
        "thead",
        "tbody",
        "tr",
        "th",
        "td",
    }
