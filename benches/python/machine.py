"""What a run is measured on: date, versions, processor, threads."""

from __future__ import annotations

import os
import platform
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

__all__ = [
    "THREADS",
    "about",
    "on_threads",
    "stolen_between",
    "stolen_ticks",
    "summary",
]

# What our own batch calls are given where the peer uses all cores.
THREADS = os.cpu_count() or 1

_PACKAGES = (
    "tapeloom",
    "numpy",
    "polars",
    "duckdb",
    "bottleneck",
    "pandas",
    "pyarrow",
    "exchange_calendars",
)


def about(stolen: float | None = None) -> dict[str, Any]:
    """Return the facts that belong to every figure.

    Parameters
    ----------
    stolen
        Which part of the processors' time of the run a host gave to others, where that is known.
    """
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "processor": _processor(),
        "cores": THREADS,
        "system": f"{platform.system()} {platform.machine()}",
        "stolen": stolen,
        "versions": {"python": platform.python_version()}
        | {name: found for name in _PACKAGES if (found := _version(name))},
    }


def summary(facts: dict[str, Any]) -> str:
    """Return the same as one sentence for people."""
    versions = ", ".join(f"{name} {found}" for name, found in facts["versions"].items())
    where = f"{facts['cores']} cores of {facts['processor']}, {facts['system']}"
    said = f"Measured on {facts['date']}, {where}; {versions}."
    stolen = facts.get("stolen")
    if stolen is None:
        return said
    return f"{said} A host took {stolen:.0%} of the processors' time for others."


def stolen_ticks(stat: str | None = None) -> tuple[int, int] | None:
    """Return how long a host kept this machine's processors from running, and how long they are there: since its start.

    ``None`` where the system does not say. ``stat`` is what ``/proc/stat`` holds, which is read by default.
    """
    if stat is None:
        path = Path("/proc/stat")
        if not path.exists():
            return None
        stat = path.read_text()
    # user nice system idle iowait irq softirq steal; guests are in user and nice already.
    ticks = [int(each) for each in stat.split("\n", 1)[0].split()[1:9]]
    return ticks[7], sum(ticks)


def stolen_between(
    begun: tuple[int, int] | None, ended: tuple[int, int] | None
) -> float | None:
    """Return which part of the processors' time between two answers of ``stolen_ticks`` a host gave to others."""
    if begun is None or ended is None or begun[1] == ended[1]:
        return None
    return (ended[0] - begun[0]) / (ended[1] - begun[1])


def on_threads(count: int) -> str:
    """Return ``"1 thread"``, ``"2 threads"`` and so on."""
    return f"{count} thread{'' if count == 1 else 's'}"


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
