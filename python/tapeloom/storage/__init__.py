"""Stored bars, trades and quotes: where they lie, reading them checked and in order, writing so that nothing is lost."""

from tapeloom.storage.bar_source import BarSource, DataNote, FrameSource
from tapeloom.storage.data_manager import DataManager
from tapeloom.storage.stored_bars import StoredBars

__all__ = ["BarSource", "DataManager", "DataNote", "FrameSource", "StoredBars"]
