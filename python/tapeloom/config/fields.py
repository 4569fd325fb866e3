"""The kinds of value a configuration has: dates, intervals, symbols, words that this version does not act on."""

from __future__ import annotations

import re
from datetime import date, datetime
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    WithJsonSchema,
)
from pydantic_core import PydanticCustomError

from tapeloom._core import Interval
from tapeloom.bars import normalise_symbol
from tapeloom.config.faults import kind_of
from tapeloom.config.frozen import frozen
from tapeloom.errors import ArgumentError, did_you_mean
from tapeloom.periods import Period

__all__ = [
    "QUOTES",
    "TICKS",
    "All",
    "AllOrSymbols",
    "BarInterval",
    "HistoryPeriod",
    "IndicatorName",
    "Listed",
    "NotBlank",
    "Part",
    "PositiveLimit",
    "Stream",
    "Symbol",
    "SymbolList",
    "TradingDate",
    "fault",
    "frozen_dict",
    "which_universe",
]

QUOTES, TICKS = "quotes", "ticks"
DATE = re.compile(r"\d{4}-\d{2}-\d{2}")


class Part(BaseModel):
    """Base of every part of the configuration: frozen, strict, no key that is not known."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, allow_inf_nan=False
    )


def fault(text: str) -> PydanticCustomError:
    """Return what a validator raises; ``text`` is used as it is."""
    return PydanticCustomError("rule", "{text}", {"text": text})


def _to_date(value: object) -> object:
    if isinstance(value, date) and not isinstance(value, datetime):
        return value
    if not isinstance(value, str) or not DATE.fullmatch(value):
        text = f"{kind_of(value)} is not a date; write YYYY-MM-DD"
        raise fault(text)
    try:
        return date.fromisoformat(value)
    except ValueError as error:
        text = f"{value!r} is not a day of the calendar"
        raise fault(text) from error


def _to_interval(value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        text = f"{kind_of(value)} is not an interval; write it as '5m'"
        raise fault(text)
    try:
        return Interval(value).text
    except ArgumentError as error:
        raise fault(str(error)) from error
    except (UnicodeError, OverflowError) as error:
        # JSON can spell half a character, and integers of any size.
        text = f"{kind_of(value)} is not an interval; write it as '5m'"
        raise fault(text) from error


def _to_stream(value: object) -> str:
    if value in (QUOTES, TICKS):
        return str(value)
    if isinstance(value, str) and (near := did_you_mean(value, (QUOTES, TICKS))):
        text = f"{value!r} is not a stream{near}"
        raise fault(text)
    return _to_interval(value)


def _to_symbol(value: object) -> str:
    if not isinstance(value, str):
        text = f"{kind_of(value)} where text is required"
        raise fault(text)
    try:
        return normalise_symbol(value)
    except ArgumentError as error:
        raise fault(str(error)) from error


def _to_period(value: object) -> str:
    if not isinstance(value, str):
        text = f"{kind_of(value)} where a period such as '10d' is required"
        raise fault(text)
    try:
        return str(Period.parse(value))
    except ArgumentError as error:
        # The path in front of the message names the parameter already.
        raise fault(str(error).removeprefix("period is ")) from error


def _to_name(value: object) -> str:
    if not isinstance(value, str) or not value.isprintable() or not value.strip():
        text = f"{kind_of(value)} is no name; it must hold printable characters, such as 'avg_volume'"
        raise fault(text)
    if value != value.strip():
        text = f"{value!r} has blanks at its ends; write {value.strip()!r}"
        raise fault(text)
    return value


def _not_blank(text: str) -> str:
    if not text.strip():
        message = "must not be blank"
        raise fault(message)
    return text


def _to_tuple(value: object) -> object:
    return tuple(value) if isinstance(value, list) else value


def _which(value: object) -> str:
    return "<list>" if isinstance(value, (list, tuple)) else "<all>"


def _to_all(value: object) -> object:
    if value == "all":
        return value
    if isinstance(value, str):
        text = f"{value!r} must be 'all' or a list of symbols{did_you_mean(value, ['all'])}"
    else:
        text = f"{kind_of(value)} where a list of symbols, or 'all', is required"
    raise fault(text)


def which_universe(value: object) -> str:
    """Return the branch of ``symbols`` that a value belongs to."""
    if isinstance(value, dict):
        return "<table>" if "table" in value and "file" not in value else "<file>"
    name = type(value).__name__
    return {"SymbolFile": "<file>", "Membership": "<table>"}.get(name, _which(value))


TradingDate = Annotated[date, BeforeValidator(_to_date)]
BarInterval = Annotated[
    str,
    BeforeValidator(_to_interval),
    WithJsonSchema({"type": ["string", "integer"], "examples": ["5m"]}),
]
Stream = Annotated[
    str,
    BeforeValidator(_to_stream),
    WithJsonSchema({"type": ["string", "integer"], "examples": ["5m", QUOTES]}),
]
Symbol = Annotated[
    str, BeforeValidator(_to_symbol), WithJsonSchema({"type": "string", "minLength": 1})
]
# JSON has lists; a frozen model keeps tuples.
Listed = BeforeValidator(_to_tuple)
All = Annotated[Literal["all"], BeforeValidator(_to_all), Tag("<all>")]
SymbolList = Annotated[tuple[Symbol, ...], Listed, Field(min_length=1), Tag("<list>")]
AllOrSymbols = Annotated[All | SymbolList, Discriminator(_which)]
# A frozen model keeps dicts that refuse to change.
frozen_dict = AfterValidator(frozen)
HistoryPeriod = Annotated[
    str,
    BeforeValidator(_to_period),
    WithJsonSchema(
        {"type": "string", "pattern": "^[1-9][0-9]{0,8}[dwmy]$", "examples": ["10d"]}
    ),
]
IndicatorName = Annotated[
    str, BeforeValidator(_to_name), WithJsonSchema({"type": "string", "minLength": 1})
]
NotBlank = Annotated[str, AfterValidator(_not_blank)]
PositiveLimit = Annotated[float, Field(gt=0)]
