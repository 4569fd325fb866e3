"""Splits and what else restates old prices: a table of actions, bars in the shares of a later date, jumps like splits.

Knows no storage and no session; reads one table.
"""

from tapeloom.actions.action import Action
from tapeloom.actions.jumps import Jump, are_ordinary, split_jumps
from tapeloom.actions.table import FILES, Actions

__all__ = ["FILES", "Action", "Actions", "Jump", "are_ordinary", "split_jumps"]
