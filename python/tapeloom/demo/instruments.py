"""The shares of the made-up market.

Every ticker has six letters, more than a US listing may have: none of them is a real one.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["HALTED", "INSTRUMENTS", "WITH_EXTENDED_HOURS", "Instrument"]


@dataclass(frozen=True, slots=True)
class Instrument:
    """One made-up share.

    ``price`` is its first price in dollars, ``swing`` the standard deviation of its daily return, ``market`` the share of that
    it has in common with the others (0-1), ``volume`` a typical minute in shares, ``trading`` the share of minutes
    in which it trades at all.
    """

    symbol: str
    price: float
    swing: float
    market: float
    volume: float
    trading: float = 1.0


INSTRUMENTS = (
    Instrument("ALDERA", 187.40, 0.014, 0.72, 9_500),
    Instrument("BRIXUM", 62.15, 0.018, 0.60, 7_200),
    Instrument("CORVEX", 341.80, 0.021, 0.66, 5_100),
    Instrument("DUNMAR", 28.30, 0.016, 0.45, 12_000),
    Instrument("ELVANT", 114.05, 0.013, 0.70, 4_300),
    Instrument("FORUND", 47.90, 0.019, 0.55, 6_800),
    Instrument("GALTIS", 226.60, 0.015, 0.68, 3_900),
    Instrument("HOLMEX", 15.75, 0.026, 0.40, 15_500),
    Instrument("IVORAN", 93.20, 0.012, 0.64, 3_100),
    Instrument("JUNIPA", 71.55, 0.017, 0.58, 4_700),
    Instrument("KESTRA", 38.45, 0.031, 0.42, 8_800),
    Instrument("LUMORA", 410.25, 0.020, 0.74, 6_100),
    Instrument("MERVIA", 55.60, 0.014, 0.62, 2_900),
    Instrument("NOVETA", 132.95, 0.022, 0.57, 3_600),
    Instrument("ORBANE", 83.10, 0.016, 0.65, 2_400),
    Instrument("PALTIC", 19.85, 0.023, 0.38, 9_900),
    Instrument("QUILLO", 8.65, 0.034, 0.25, 320, trading=0.60),
    Instrument("RUDAMA", 24.70, 0.027, 0.30, 240, trading=0.50),
    Instrument("SORVIN", 49.35, 0.025, 0.28, 150, trading=0.42),
    Instrument("TANGRO", 158.75, 0.015, 0.69, 5_400),
)
HALTED = "KESTRA"
WITH_EXTENDED_HOURS = ("ALDERA", "LUMORA")
