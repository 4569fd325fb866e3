"""The made-up market of ``tapeloom demo``: seeded, written as real Parquet, with faults planted where we know them."""

from tapeloom.demo.folder import ANALYSIS_NAME, DemoFolder, write_demo
from tapeloom.demo.market import FIRST_DATE, LAST_DATE, Market, make_market
from tapeloom.demo.planted import Finding, Planted, compare

__all__ = [
    "ANALYSIS_NAME",
    "FIRST_DATE",
    "LAST_DATE",
    "DemoFolder",
    "Finding",
    "Market",
    "Planted",
    "compare",
    "make_market",
    "write_demo",
]
