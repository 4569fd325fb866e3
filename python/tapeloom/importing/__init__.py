"""Bars as other tools write them: reading, examining against the calendar, importing, and mounting where they lie.

It writes through a store that is handed in, and decides nothing that the data do not show.
"""

from tapeloom.importing.api import import_from_api
from tapeloom.importing.findings import Finding
from tapeloom.importing.importer import import_bars
from tapeloom.importing.mismatch import ImportMismatchError
from tapeloom.importing.mount import Mounted, is_foreign, mount
from tapeloom.importing.report import (
    FileReport,
    ImportProgress,
    ImportReport,
    SeriesReport,
)
from tapeloom.importing.store import BarStore

__all__ = [
    "BarStore",
    "FileReport",
    "Finding",
    "ImportMismatchError",
    "ImportProgress",
    "ImportReport",
    "Mounted",
    "SeriesReport",
    "import_bars",
    "import_from_api",
    "is_foreign",
    "mount",
]
