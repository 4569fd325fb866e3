"""What a person sees of a run: the lines while it works, the tables when it is done."""

from tapeloom.report.live_view import LiveView
from tapeloom.report.progress import ProgressLine
from tapeloom.report.summary import print_summary

__all__ = ["LiveView", "ProgressLine", "print_summary"]
