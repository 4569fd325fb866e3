"""A digest of what a session holds, the same on every machine and however the bars came."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from tapeloom._core import Store

__all__ = ["state_hash"]


def state_hash(store: Store) -> str:
    """Return the hex digest of the session's bars of all series.

    BLAKE2b with 256 bits over the symbols in order of their UTF-8 bytes and the intervals in rising order: each name
    with its length, the number of rows, then per row ``ts`` and the five values, little-endian, -0.0 as 0.0. Flags,
    counters and the order of arrival do not enter.
    """
    digest = hashlib.blake2b(digest_size=32)
    for name in sorted(store._symbols, key=lambda text: text.encode()):
        for interval in store._intervals(name):
            bars = store.get_bars(name, interval)
            rows = np.empty((len(bars), 6), dtype="<i8")
            rows[:, 0] = bars.ts
            for at, column in enumerate(
                (bars.open, bars.high, bars.low, bars.close, bars.volume), start=1
            ):
                # Adding 0.0 makes -0.0 0.0.
                rows[:, at] = (column + 0.0).astype("<f8").view("<i8")
            for text in (name, interval):
                encoded = text.encode()
                digest.update(len(encoded).to_bytes(8, "little") + encoded)
            digest.update(len(bars).to_bytes(8, "little"))
            digest.update(rows.tobytes())
    return digest.hexdigest()
