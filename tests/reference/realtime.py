"""Values that follow a session, each computed afresh from all bars of history and session in order of time."""

from __future__ import annotations

from itertools import pairwise
from math import fsum, isfinite, sqrt
from typing import TYPE_CHECKING

from tests.reference.derived import compensated_sum

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tests.reference.bars import Bar

__all__ = ["KINDS", "exact_value", "value"]

KINDS = ("sma", "ema", "rsi", "atr", "vwap", "stdev", "high", "low")
_WINDOWS = ("sma", "stdev", "high", "low")


def value(
    kind: str,
    history: Sequence[Bar],
    session: Sequence[Bar],
    *,
    period: int = 0,
    field: str = "close",
    warmup: bool = True,
) -> tuple[float | None, int]:
    """Return the value and the number of bars behind it. The bars are those that count, oldest first."""
    warm = _warm(kind, history, period, warmup=warmup)
    bars = [*warm, *session]
    numbers = [getattr(bar, field) + 0.0 for bar in bars]
    n = period
    found: float | None = None
    if kind == "vwap":
        found = _vwap(bars)
    elif kind in _WINDOWS:
        if len(bars) >= n:
            found = _window(kind, numbers, n)
    elif kind == "ema":
        found = _average(numbers, n, lambda a, x: a + (x - a) * (2.0 / (n + 1.0)))
    else:
        found = _wilder(kind, bars, numbers, n)
    return found if found is None or isfinite(found) else None, len(bars)


def exact_value(
    kind: str,
    history: Sequence[Bar],
    session: Sequence[Bar],
    *,
    period: int,
    field: str = "close",
    warmup: bool = True,
) -> float | None:
    """Return the mean or deviation of a window from sums without any rounding inside."""
    bars = [*_warm(kind, history, period, warmup=warmup), *session]
    window = [getattr(bar, field) for bar in bars][-period:]
    if len(window) < period:
        return None
    mean = fsum(window) / period
    if kind == "sma":
        return mean
    return sqrt(fsum((x - mean) ** 2 for x in window) / (period - 1))


def _warm(
    kind: str, history: Sequence[Bar], period: int, *, warmup: bool
) -> Sequence[Bar]:
    if not warmup or kind == "vwap":
        return []
    return history[-period:] if kind in _WINDOWS else history


def _vwap(bars: Sequence[Bar]) -> float | None:
    volume = compensated_sum([bar.volume for bar in bars])
    typical = [(bar.high + bar.low + bar.close) / 3.0 * bar.volume for bar in bars]
    return compensated_sum(typical) / volume if volume > 0 else None


def _average(
    numbers: Sequence[float], n: int, moved: Callable[[float, float], float]
) -> float | None:
    if len(numbers) < n:
        return None
    average = compensated_sum(numbers[:n]) / n
    for x in numbers[n:]:
        average = moved(average, x)
    return average


def _wilder(
    kind: str, bars: Sequence[Bar], numbers: Sequence[float], n: int
) -> float | None:
    def smoothed(values: Sequence[float]) -> float | None:
        return _average(values, n, lambda a, x: (a * (n - 1.0) + x) / n)

    if kind == "atr":
        pairs = pairwise(bars)
        return smoothed([max(b.high, a.close) - min(b.low, a.close) for a, b in pairs])
    changes = [b - a for a, b in pairwise(numbers)]
    gain = smoothed([max(change, 0.0) for change in changes])
    loss = smoothed([max(-change, 0.0) for change in changes])
    if gain is None or loss is None:
        return None
    return 50.0 if gain + loss == 0 else 100.0 * (gain / (gain + loss))


def _window(kind: str, numbers: Sequence[float], n: int) -> float:
    """Fold the newest n numbers: those of the block of n that is not over, and before them the end of the one before."""
    last = len(numbers)
    begun = (last - 1) // n * n
    new, old = numbers[begun:], numbers[last - n : begun]
    if kind == "high":
        return max([*old, *new])
    if kind == "low":
        return min([*old, *new])
    if kind == "sma":
        return _joined_sum(old[::-1], new) / n
    return sqrt(_joined_squares(old[::-1], new) / (n - 1))


def _two_sum(total: float, lost: float, x: float) -> tuple[float, float]:
    new = total + x
    added = new - total
    return new, lost + ((total - (new - added)) + (x - added))


def _joined_sum(old: Sequence[float], new: Sequence[float]) -> float:
    parts = []
    for numbers in (old, new):
        part = (0.0, 0.0)
        for x in numbers:
            part = _two_sum(*part, x)
        parts.append(part)
    if not old:
        total, lost = parts[1]
    else:
        total, lost = _two_sum(*parts[0], parts[1][0])
        lost += parts[1][1]
    return total + lost


def _joined_squares(old: Sequence[float], new: Sequence[float]) -> float:
    parts = []
    for numbers in (old, new):
        count, mean, squares = 0.0, 0.0, 0.0
        for x in numbers:
            count += 1.0
            off = x - mean
            mean += off / count
            squares += off * (x - mean)
        parts.append((count, mean, squares))
    (n_old, mean_old, old_squares), (n_new, mean_new, new_squares) = parts
    if not old:
        return new_squares
    off = mean_new - mean_old
    return old_squares + new_squares + off * off * (n_old * n_new / (n_old + n_new))
