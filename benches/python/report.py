"""The table of all cases: each of our ways beside its fastest peer, with a verdict. Reads no file and no clock."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from benches.python.ratios import Row, Targets

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["BEGIN", "END", "as_record", "as_table", "best_rows", "refreshed", "verdict"]

BEGIN = "<!-- results of the last full run: begin -->"
END = "<!-- results of the last full run: end -->"

_HEAD = ("case", "tapeloom", "best peer", "ratio", "floor / goal / moonshot", "verdict")
_UNITS = {
    "s": (("s", 1.0), ("ms", 1e-3), ("us", 1e-6), ("ns", 1e-9)),
    "B": (("B", 1.0),),
}


def best_rows(rows: Sequence[Row]) -> list[Row]:
    """Return one row for each case and way of ours, beside the peer that needs least; in the order of the run."""
    best: dict[tuple[str, str], Row] = {}
    for row in rows:
        key = row.case, row.ours
        known = best.get(key)
        if known is None or _need(row) < _need(known):
            best[key] = row
    return list(best.values())


def _need(row: Row) -> float:
    return float("inf") if row.peer_value is None else row.peer_value


def verdict(row: Row) -> str:
    """Return the highest target reached, ``SHORT`` below the floor; without targets ``ahead`` or ``behind``."""
    if row.ratio is None:
        return "pending"
    if row.targets is None:
        return "ahead" if row.ratio >= 1 else "behind"
    reached = [
        name
        for name, target in zip(Targets._fields, row.targets, strict=True)
        if target is not None and row.ratio >= target
    ]
    return reached[-1] if reached else "SHORT"


def as_table(rows: Sequence[Row]) -> list[str]:
    """Return the lines of a Markdown table."""
    cells = [list(_HEAD), ["---"] * len(_HEAD)]
    for row in best_rows(rows):
        cells.append(
            [
                row.case,
                _side(row.ours, row.value, row.unit),
                _side(row.peer, row.peer_value, row.unit),
                _times(row.ratio),
                " / ".join(_times(t) for t in row.targets or () if t is not None),
                verdict(row),
            ]
        )
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return ["| " + " | ".join(map(str.ljust, line, widths)) + " |" for line in cells]


def as_record(rows: Sequence[Row], about: Mapping[str, Any]) -> dict[str, Any]:
    """Return everything known of a run, ready for JSON: what ``about`` says, and every pair of ours and a peer."""
    best = set(map(id, best_rows(rows)))
    return {
        **about,
        "rows": [
            {
                "case": row.case,
                "ours": row.ours,
                "value": row.value,
                "peer": row.peer,
                "peer_value": row.peer_value,
                "unit": row.unit,
                "ratio": row.ratio,
                "targets": None if row.targets is None else row.targets._asdict(),
                "best_peer": id(row) in best,
                "verdict": verdict(row),
            }
            for row in rows
        ],
    }


def refreshed(text: str, lines: Sequence[str]) -> str:
    """Return a text with other lines between its two marker comments.

    Raises
    ------
    ValueError
        If the markers do not stand there once each, in order.
    """
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end or BEGIN in rest or END in before + after:
        problem = f"there must be one {BEGIN!r} with one {END!r} behind it"
        raise ValueError(problem)
    return "\n".join([before + BEGIN, "", *lines, "", END + after])


def _side(name: str, value: float | None, unit: str) -> str:
    return name if value is None else f"{_amount(value, unit)}, {name}"


def _amount(value: float, unit: str) -> str:
    name, size = next(
        (scale for scale in _UNITS[unit] if value >= scale[1]), _UNITS[unit][-1]
    )
    return f"{value / size:.3g} {name}"


def _times(ratio: float | None) -> str:
    if ratio is None:
        return ""
    return f"{ratio:.2f}" if ratio < 10 else f"{ratio:.0f}"
