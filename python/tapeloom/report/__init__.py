"""What a person sees of a run: the progress line while it works, the tables when it is done."""

from tapeloom.report.progress import ProgressLine
from tapeloom.report.summary import print_summary

__all__ = ["ProgressLine", "print_summary"]
