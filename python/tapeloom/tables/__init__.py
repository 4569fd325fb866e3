"""Bars, whole sessions and lists of findings as tables of other tools, as text and as HTML. Nothing here reads files.

pandas, polars and pyarrow are imported when a table of theirs is asked for.
"""

from tapeloom.tables.table import Table

__all__ = ["Table"]
