"""Bars that come more than once in one source: equal ones are dropped, others need a decision."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tapeloom.errors import ArgumentError, did_you_mean
from tapeloom.importing.column_names import PRICES

if TYPE_CHECKING:
    import numpy.typing as npt

    from tapeloom._core import Bars
    from tapeloom.importing.findings import Findings

__all__ = ["POLICIES", "check_on_duplicate", "without_repeats"]

POLICIES = ("replace", "ignore", "error")
FIELDS = (*PRICES, "volume")


def check_on_duplicate(on_duplicate: str | None) -> None:
    """Raise ArgumentError for an unknown word."""
    if on_duplicate is None or on_duplicate in POLICIES:
        return
    known = ", ".join(map(repr, POLICIES))
    text = f"on_duplicate is {on_duplicate!r}; it must be one of {known}{did_you_mean(str(on_duplicate), POLICIES)}"
    raise ArgumentError(text, got=on_duplicate)


def without_repeats(bars: Bars, on_duplicate: str | None, findings: Findings) -> Bars:
    """Return sorted bars with one bar per start.

    Of bars with other values ``"replace"`` keeps the last in the order of the source and ``"ignore"`` the first; under
    ``None`` and ``"error"`` they stop the import.
    """
    repeats = bars.ts[1:] == bars.ts[:-1]
    if not repeats.any():
        return bars
    values = [getattr(bars, name) for name in FIELDS]
    differs = repeats & np.logical_or.reduce([v[1:] != v[:-1] for v in values])
    keys = np.unique(bars.ts[1:][differs])
    same = int(repeats.sum()) - int(differs.sum())
    if same:
        text = f"{same:,} repeated {'row' if same == 1 else 'rows'} with the same values, kept once"
        findings.add(
            "duplicates", text, outcome="left_out", symbol=bars.symbol, count=same
        )
    if keys.size:
        _tell_conflicts(bars.symbol, keys, on_duplicate, findings)
    edge = np.ones(1, np.bool_)
    last = on_duplicate == "replace"
    kept: npt.NDArray[np.bool_] = np.concatenate(
        (~repeats, edge) if last else (edge, ~repeats)
    )
    return bars.drop_rows(np.flatnonzero(~kept).tolist())


def _tell_conflicts(
    symbol: str,
    keys: npt.NDArray[np.int64],
    on_duplicate: str | None,
    findings: Findings,
) -> None:
    count = int(keys.size)
    told = f"{count:,} {'key occurs' if count == 1 else 'keys occur'} twice with different values"
    if on_duplicate in ("replace", "ignore"):
        which = "last" if on_duplicate == "replace" else "first"
        text = f"{told}; the {which} is kept, as on_duplicate says"
        findings.add("conflicts", text, outcome="left_out", symbol=symbol, count=count)
        return
    remedy = (
        "choose on_duplicate" if on_duplicate is None else "on_duplicate is 'error'"
    )
    text = f"{told}; {remedy}: 'replace' keeps the last, 'ignore' the first"
    findings.add("conflicts", text, outcome="stops", symbol=symbol, count=count)
