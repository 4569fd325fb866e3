"""What a live run has beside a backtest: its journal, how long it waits for bars, where its feed is."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from tapeloom.config.fields import NotBlank, Part

__all__ = ["LiveConfig"]

Seconds = Annotated[float, Field(ge=0)]


class LiveConfig(Part):
    """How a live run keeps and takes what arrives; every key has a default.

    ``journal_folder`` is ``journal`` in the data folder if not given; a replay keeps a journal only where it is given.
    ``grace_seconds`` is how long a coarser bar waits for base bars that are not there yet, ``tolerance_seconds`` how far
    the end of a bar may lie after the clock, ``gap_grace_seconds`` how late a bar may be before it is looked for,
    ``stall_seconds`` how long the disk may take. ``sessions`` ends the run after so many. ``replay_speed`` is for
    ``data_api: "replay"``, ``data_feed`` and the addresses for those of a vendor.
    """

    journal: Literal["strict", "relaxed", "off"] = "strict"
    journal_folder: NotBlank | None = None
    grace_seconds: Seconds = 2.0
    tolerance_seconds: Seconds = 1.0
    gap_grace_seconds: Seconds = 5.0
    sessions: Annotated[int, Field(ge=1)] | None = None
    stall_seconds: Annotated[float, Field(gt=0)] = 10.0
    store_end_of_day: bool = True
    data_feed: NotBlank | None = None
    url_override: NotBlank | None = None
    history_url_override: NotBlank | None = None
    replay_speed: Annotated[float, Field(gt=0)] = 1.0
