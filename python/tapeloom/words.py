"""How numbers of things are written."""

from __future__ import annotations

__all__ = ["counted"]


def counted(number: int, noun: str) -> str:
    """Return ``"1 bar"`` or ``"2,276 bars"``."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
