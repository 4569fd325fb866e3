"""What the name and the folders of a file say about the bars in it: symbol, interval, date. It opens nothing."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from pathlib import PurePath
from urllib.parse import unquote

from tapeloom._core import Interval
from tapeloom.errors import TapeloomError

__all__ = ["PathHints", "path_hints"]

PACKED = (".gz", ".zst", ".zip", ".bz2", ".xz")
KINDS = (".csv", ".tsv", ".txt", ".parquet", ".pq", ".prn", ".dat")
# Words of file names that are nobody's symbol when another word is there.
WORDS = frozenset(
    [
        "bar",
        "bars",
        "dump",
        "data",
        "hist",
        "history",
        "historical",
        "ohlc",
        "ohlcv",
        "price",
        "prices",
        "trade",
        "trades",
        "candle",
        "candles",
        "minute",
        "minutes",
        "min",
        "hour",
        "hourly",
        "day",
        "daily",
        "week",
        "weekly",
        "second",
        "seconds",
        "intraday",
        "stock",
        "stocks",
        "equity",
        "us",
        "export",
        "raw",
        "adjusted",
        "unadjusted",
    ]
)
LENGTHS = {"minute": "1m", "hour": "1h", "daily": "1d", "second": "1s"}
UNITS = {"s": "s", "sec": "s", "m": "m", "min": "m", "h": "h", "hour": "h", "d": "d"}
UNITS |= {"minute": "m", "day": "d", "hr": "h", "mins": "m", "w": "w"}
DATE = re.compile(r"(?<!\d)((?:19|20)\d\d)-?([01]\d)-?([0-3]\d)(?!\d)")


@dataclass(frozen=True, slots=True)
class PathHints:
    """What a path suggests; ``None`` where it suggests nothing.

    ``symbol_stated``: a folder ``symbol=...`` says the symbol, so that it is no guess. ``dated_layout``: named as
    ``20140606_aapl_minute_trade.csv``, the files in which times are milliseconds of the day.
    """

    symbol: str | None = None
    symbol_stated: bool = False
    interval: Interval | None = None
    day: date | None = None
    dated_layout: bool = False


@lru_cache(maxsize=1_024)
def path_hints(path: str) -> PathHints:
    """Read a path such as ``data/AAPL_1min.csv.gz``; a member of an archive stands behind its path.

    The nearest name that says something wins: the member before the archive, the file before its folders.
    """
    parts = PurePath(path).parts
    stem = _stem(parts[-1]) if parts else ""
    folders = dict(p.split("=", 1) for p in parts[:-1] if "=" in p)
    tokens = [t for t in re.split(r"[_\s]+", stem) if t]
    length = next((i for i in map(_interval, tokens) if i is not None), None)
    if "interval" in folders:
        length = _interval(folders["interval"]) or length
    day = _day(stem)
    dated = bool(re.fullmatch(r"\d{8}_.+_(minute|second|hour|daily)_trade", stem))
    stated = folders.get("symbol")
    if stated is not None:
        return PathHints(unquote(stated), True, length, day, dated)
    return PathHints(_symbol(tokens), False, length, day, dated)


def _stem(name: str) -> str:
    for known in (PACKED, KINDS):
        for suffix in known:
            if name.lower().endswith(suffix) and len(name) > len(suffix):
                name = name[: -len(suffix)]
    return name


def _symbol(tokens: list[str]) -> str | None:
    left = [t for t in tokens if not _is_said_otherwise(t)]
    return left[0] if len(left) == 1 else None


def _is_said_otherwise(token: str) -> bool:
    """Whether a part of a name is a date, a length, a number or a plain word, rather than a symbol."""
    parts = [p for p in token.casefold().split("-") if p]
    plain = all(p in WORDS or p.isdigit() for p in parts)
    return plain or bool(DATE.search(token)) or _interval(token) is not None


def _interval(token: str) -> Interval | None:
    text = token.casefold()
    if text in LENGTHS:
        return Interval(LENGTHS[text])
    found = re.fullmatch(r"(\d+)-?([a-z]+)", text)
    if found is None or found[2] not in UNITS:
        return None
    try:
        return Interval(f"{int(found[1])}{UNITS[found[2]]}")
    except TapeloomError:
        return None


def _day(stem: str) -> date | None:
    days = set()
    for year, month, day in DATE.findall(stem):
        try:
            days.add(date(int(year), int(month), int(day)))
        except ValueError:
            continue
    return days.pop() if len(days) == 1 else None
