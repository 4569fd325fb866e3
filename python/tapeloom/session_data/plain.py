"""Values of the package as plain ones that JSON can hold."""

from __future__ import annotations

import math
from dataclasses import fields, is_dataclass
from datetime import date, datetime
from enum import Enum
from typing import TYPE_CHECKING, Any

import numpy as np

from tapeloom._core import Bars

if TYPE_CHECKING:
    from tapeloom.quotes import Quotes, Ticks

__all__ = ["plain", "plain_columns"]


def plain(value: Any) -> Any:
    """Return numbers, texts, lists and dicts for a value; numbers that JSON does not know are ``None``."""
    if isinstance(value, Enum):
        return plain(value.value)
    if isinstance(value, np.generic | np.ndarray):
        return plain(value.tolist())
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, dict):
        # A copy first: analysis code may add an indicator meanwhile.
        found = {"" if k is None else str(k): v for k, v in value.copy().items()}
        return {key: plain(each) for key, each in found.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(each) for each in value]
    if is_dataclass(value):
        return {each.name: plain(getattr(value, each.name)) for each in fields(value)}
    return str(value)


def plain_columns(rows: Bars | Quotes | Ticks) -> dict[str, list[Any]]:
    """Return the columns of some rows as lists, of derived bars with the number of their base bars."""
    found = {name: column.tolist() for name, column in rows.to_numpy().items()}
    if isinstance(rows, Bars) and rows.is_derived:
        found["constituents"] = rows.constituents.tolist()
    return found
