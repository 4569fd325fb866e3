"""The rows of the golden files, read as facts; works out nothing that a row does not say. See README.md."""

from __future__ import annotations

import csv
import re
from datetime import date, datetime, time, timedelta
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

__all__ = ["FOLDER", "KINDS", "Facts", "Row", "Stretch", "read_rows", "read_sources"]

FOLDER = Path(__file__).parent
KINDS = ("trading", "early_close", "holiday", "closure", "weekend")

_COLUMNS = [
    "date",
    "kind",
    "segments",
    "utc_offset",
    "open_utc",
    "close_utc",
    "name",
    "source",
    "known_difference",
]
_SEGMENT_KINDS = {"pre": "pre_market", "regular": "regular", "post": "post_market"}
_SHIFTS = {None: 0, "-1d": -1, "+1d": 1}


class Stretch(NamedTuple):
    """Hours ``[start, end)`` of one kind, as wall time of the exchange or as UTC."""

    kind: str
    start: datetime
    end: datetime


class Facts(NamedTuple):
    """What can be asked about a date."""

    is_trading_day: bool
    is_holiday: bool
    early_close: time | None
    """Wall time of the close, where it is an early one."""
    wall: tuple[Stretch, ...]
    utc: tuple[Stretch, ...]
    minutes: int
    """Minutes of regular hours."""


class Row(NamedTuple):
    """One line of a golden file."""

    market: str
    date: date
    kind: str
    name: str
    open_utc: str
    close_utc: str
    sources: tuple[str, ...]
    published: Facts
    in_table: Facts
    """What the table answers: the same, unless the row names a difference."""
    difference: str
    """Why the table differs; empty where it does not."""

    def __str__(self) -> str:
        return f"{self.market}-{self.date}"


def read_rows(market: str) -> list[Row]:
    """Return the rows of a market's file in order."""
    with (FOLDER / f"{market}.csv").open(encoding="utf-8", newline="") as lines:
        reader = csv.DictReader(lines)
        assert reader.fieldnames == _COLUMNS
        return [_row(market, line) for line in reader]


def read_sources() -> list[str]:
    """Return the keys of ``sources.csv`` in order."""
    with (FOLDER / "sources.csv").open(encoding="utf-8", newline="") as lines:
        return [line["key"] for line in csv.DictReader(lines)]


def _row(market: str, line: dict[str, str]) -> Row:
    day = date.fromisoformat(line["date"])
    offset = _offset(line["utc_offset"])
    published = in_table = _facts(day, line["kind"], line["segments"], offset)
    why = ""
    if line["known_difference"]:
        kind, segments, why = line["known_difference"].split(" | ")
        in_table = _facts(day, kind, segments, offset)
    return Row(
        market=market,
        date=day,
        kind=line["kind"],
        name=line["name"],
        open_utc=line["open_utc"],
        close_utc=line["close_utc"],
        sources=tuple(line["source"].split()),
        published=published,
        in_table=in_table,
        difference=why,
    )


def _facts(day: date, kind: str, segments: str, offset: timedelta) -> Facts:
    assert kind in KINDS
    assert bool(segments) == (kind in ("trading", "early_close"))
    wall = _with_breaks([_stretch(day, text) for text in segments.split("; ") if text])
    regular = [stretch for stretch in wall if stretch.kind == "regular"]
    return Facts(
        is_trading_day=bool(wall),
        is_holiday=kind in ("holiday", "closure"),
        early_close=regular[-1].end.time() if kind == "early_close" else None,
        wall=wall,
        utc=tuple(Stretch(s.kind, s.start - offset, s.end - offset) for s in wall),
        minutes=sum(_minutes(stretch) for stretch in regular),
    )


def _stretch(day: date, text: str) -> Stretch:
    kind, hours = text.split(" ")
    start, end = hours.split("..")
    return Stretch(_SEGMENT_KINDS[kind], _wall(day, start), _wall(day, end))


def _wall(day: date, text: str) -> datetime:
    found = re.fullmatch(r"(\d\d:\d\d)([+-]1d)?", text)
    assert found is not None, text
    shifted = day + timedelta(days=_SHIFTS[found[2]])
    return datetime.combine(shifted, time.fromisoformat(found[1]))


def _with_breaks(stretches: list[Stretch]) -> tuple[Stretch, ...]:
    """Put a break between two regular stretches; the files leave breaks out."""
    whole = stretches[:1]
    for before, after in pairwise(stretches):
        if before.end < after.start:
            whole.append(Stretch("break", before.end, after.start))
        whole.append(after)
    return tuple(whole)


def _minutes(stretch: Stretch) -> int:
    return (stretch.end - stretch.start) // timedelta(minutes=1)


def _offset(text: str) -> timedelta:
    found = re.fullmatch(r"([+-])(\d\d):(\d\d)", text)
    assert found is not None, text
    size = timedelta(hours=int(found[2]), minutes=int(found[3]))
    return -size if found[1] == "-" else size
