"""A server on this machine that speaks Alpaca's protocol over recorded bars, with faults on command."""

from __future__ import annotations

from tapeloom.live.server.fault import Fault, read_faults
from tapeloom.live.server.server import FeedServer

__all__ = ["Fault", "FeedServer", "read_faults"]
