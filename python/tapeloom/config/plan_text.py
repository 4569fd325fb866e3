"""A plan as text: symbols with the same plan are one entry, unless they are asked for one by one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tapeloom.config.plan_warnings import some_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tapeloom.config.plan_warnings import PlanWarning
    from tapeloom.config.symbol_plan import SymbolPlan

__all__ = ["plan_text"]


def plan_text(
    symbols: Sequence[SymbolPlan],
    warnings: Sequence[PlanWarning],
    *,
    one_by_one: bool,
) -> str:
    """Return symbols and warnings as text; entries are in the order of their first symbols."""
    groups: dict[tuple[object, ...], list[SymbolPlan]] = {}
    for plan in symbols:
        lines = tuple(plan.lines())
        key = (lines, plan.symbol) if one_by_one else (lines,)
        groups.setdefault(key, []).append(plan)
    alone = [plans[0].symbol for plans in groups.values() if len(plans) == 1]
    width = max(map(len, alone), default=0)
    text = []
    for plans in groups.values():
        entry = plans[0].lines()
        if len(plans) == 1:
            names = [plans[0].symbol] + [""] * (len(entry) - 1)
            text += [
                f"{n:<{width}}  {line}" for n, line in zip(names, entry, strict=True)
            ]
        else:
            names = [plan.symbol for plan in plans]
            text.append(f"{len(plans):,} symbols: {some_of(names)}")
            text += [f"  {line}" for line in entry]
    return "\n".join([*text, *(f"warning: {warning}" for warning in warnings)])
