"""``MarketDay``: the hours that replace what a source says about one date, read from text such as ``17:00-1d``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tapeloom.errors import did_you_mean
from tapeloom.timestamps import NS_PER_DAY

__all__ = ["CLOSED", "MarketDay", "read_market_day"]

_NS_PER_MINUTE = 60_000_000_000
_KEYS = ("closed", "name", "post", "pre", "regular")
_TIME = re.compile(r"(\d\d):(\d\d)(?::(\d\d))?([+-]1d)?")

Stretch = tuple[int, int]


@dataclass(frozen=True, slots=True)
class MarketDay:
    """Hours of one date in wall time of the exchange: nanoseconds from midnight of that date. Without any it is closed."""

    regular: tuple[Stretch, ...] = ()
    """Regular stretches ``[start, end)`` in order, breaks between them."""
    pre_open: int | None = None
    post_close: int | None = None
    name: str | None = None
    """Why, such as the name of a holiday."""

    @property
    def is_closed(self) -> bool:
        """Whether there is no session."""
        return not self.regular

    def to_dict(self) -> dict[str, Any]:
        """Return the day as an overlay file writes it."""
        said: dict[str, Any] = {} if self.name is None else {"name": self.name}
        if self.is_closed:
            return said | {"closed": True}
        bounds = [bound for stretch in self.regular for bound in stretch]
        said["regular"] = [wall_text(bound) for bound in bounds]
        if self.pre_open is not None:
            said["pre"] = [wall_text(self.pre_open), wall_text(bounds[0])]
        if self.post_close is not None:
            said["post"] = [wall_text(bounds[-1]), wall_text(self.post_close)]
        return said

    def __str__(self) -> str:
        said = self.to_dict()
        name = f" ({self.name})" if self.name else ""
        if self.is_closed:
            return f"closed{name}"
        hours = [
            f"{kind} {'-'.join(said[kind][i : i + 2])}"
            for kind in ("pre", "regular", "post")
            for i in range(0, len(said.get(kind, ())), 2)
        ]
        return ", ".join(hours) + name


CLOSED = MarketDay()
"""A date without a session."""


def read_market_day(value: object) -> MarketDay | str:
    """Return the day that JSON describes, or what is wrong with it.

    Parameters
    ----------
    value
        ``"closed"``, or an object with ``regular`` (an even number of times, rising: open, close and, with a break,
        open and close again), ``pre`` (from, to the open) and ``post`` (from the close, to); or with ``closed`` true;
        ``name`` says why. Times are ``HH:MM`` or ``HH:MM:SS``, with ``-1d`` or ``+1d`` for the day before or after.
    """
    if value == "closed":
        return CLOSED
    if not isinstance(value, Mapping):
        return f'{_shown(value)} must be "closed" or an object such as {{"regular": ["09:30", "13:00"]}}'
    for key in value:
        if key not in _KEYS:
            return f"unknown key {key!r}{did_you_mean(str(key), _KEYS)}; keys are {', '.join(_KEYS)}"
    name = value.get("name")
    if name is not None and not (isinstance(name, str) and name.strip()):
        return f"name is {_shown(name)}; it must be text"
    closed = value.get("closed", False)
    if not isinstance(closed, bool):
        return f"closed is {_shown(closed)}; it must be true or false"
    if closed:
        if hours := [key for key in ("pre", "regular", "post") if key in value]:
            return f"closed is true, and yet there are {hours[0]} hours"
        return MarketDay(name=name)
    if "regular" not in value:
        return 'regular is missing; give [open, close], or "closed"'
    try:
        bounds = _times(value["regular"], "regular", most=None)
        pre = _times(value["pre"], "pre", most=2) if "pre" in value else None
        post = _times(value["post"], "post", most=2) if "post" in value else None
    except ValueError as fault:
        return str(fault)
    if pre is not None and pre[1] != bounds[0]:
        return f"pre ends at {wall_text(pre[1])}; it must end at the open, {wall_text(bounds[0])}"
    if post is not None and post[0] != bounds[-1]:
        return f"post begins at {wall_text(post[0])}; it must begin at the close, {wall_text(bounds[-1])}"
    return MarketDay(
        regular=tuple(zip(bounds[::2], bounds[1::2], strict=True)),
        pre_open=None if pre is None else pre[0],
        post_close=None if post is None else post[1],
        name=name,
    )


def wall_text(ns: int) -> str:
    """Return nanoseconds from midnight as ``HH:MM``, with ``-1d`` or ``+1d`` outside the day."""
    day, rest = divmod(ns, NS_PER_DAY)
    seconds = rest // 1_000_000_000
    text = f"{seconds // 3600:02}:{seconds // 60 % 60:02}"
    text += f":{seconds % 60:02}" if seconds % 60 else ""
    return text + (f"{day:+}d" if day else "")


def _times(value: object, key: str, *, most: int | None) -> list[int]:
    given = list(value) if isinstance(value, list | tuple) else []
    if len(given) < 2 or len(given) % 2 or (most and len(given) > most):
        count = "two times" if most else "two times, or four with a break"
        raise ValueError(f"{key} is {_shown(value)}; it must be a list of {count}")
    times = [_time(text, f"{key}[{i}]") for i, text in enumerate(given)]
    for i in range(1, len(times)):
        if times[i - 1] >= times[i]:
            text = f"{key} is {_shown(value)}; times must rise"
            if times[i] < times[0]:
                text += "; an open on the evening before is written '17:00-1d'"
            raise ValueError(text)
    return times


def _time(value: object, where: str) -> int:
    found = _TIME.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        text = f"{where} is {_shown(value)}; write HH:MM, with -1d or +1d for the day before or after"
        raise ValueError(text)
    hours, minutes, seconds = (int(found[i] or 0) for i in (1, 2, 3))
    if hours > 23 or minutes > 59 or seconds > 59:
        more = "; midnight at the end of the day is '00:00+1d'" if hours == 24 else ""
        raise ValueError(f"{where} is {value!r}, which is no time of day{more}")
    shift = {"-1d": -NS_PER_DAY, "+1d": NS_PER_DAY}.get(found[4] or "", 0)
    return (hours * 60 + minutes) * _NS_PER_MINUTE + seconds * 1_000_000_000 + shift


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
