"""What tests of the cache share: to begin anew, to look at its files, to compare calendars."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tapeloom.calendars import MarketCalendar, exchange_group, session_table

COLUMNS = (
    "dates",
    "opens",
    "closes",
    "segment_offsets",
    "segment_starts",
    "segment_ends",
    "pre_opens",
    "post_closes",
    "span_starts",
    "span_ends",
)


def forget() -> None:
    """Begin anew, as another process would."""
    session_table._loaded.clear()
    exchange_group._resolve.cache_clear()


def files(cache: Path) -> list[str]:
    return sorted(path.name for path in cache.iterdir())


def one_table(cache: Path) -> Path:
    [path] = cache.glob("*.table")
    return path


def assert_same(one: MarketCalendar, other: MarketCalendar) -> None:
    """Every column and every word of two calendars is the same."""
    for name in COLUMNS:
        ours, theirs = getattr(one.table, name), getattr(other.table, name)
        assert ours.dtype == theirs.dtype
        np.testing.assert_array_equal(ours, theirs)
        assert not ours.flags.writeable
    for name in ("calendar", "zone", "fingerprint", "first_day", "last_day", "covered"):
        assert getattr(one.table, name) == getattr(other.table, name)
    for name in ("early_closes", "holidays"):
        ours, theirs = getattr(one, name), getattr(other, name)
        assert ours.dtype == theirs.dtype
        np.testing.assert_array_equal(ours, theirs)
        assert not ours.flags.writeable
    assert dict(one.holiday_names) == dict(other.holiday_names)
    assert (one.source, one.overlay) == (other.source, other.overlay)
