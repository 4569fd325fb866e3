"""Stored bars: where they lie, reading them checked and in order, writing them so that nothing is lost."""

from tapeloom.storage.bar_source import BarSource, DataNote, FrameSource
from tapeloom.storage.data_manager import DataManager

__all__ = ["BarSource", "DataManager", "DataNote", "FrameSource"]
