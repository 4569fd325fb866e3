"""Frames, tables, arrays and bars of other libraries as ``Bars``. Nothing here reads a file or knows a calendar."""

from tapeloom.columns.frames import read_frame
from tapeloom.columns.spacing import infer_interval

__all__ = ["infer_interval", "read_frame"]
