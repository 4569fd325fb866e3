"""Layouts that common tools write need no mapping: each a few lines as that tool writes them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.importing.made_up import Row, clock, day

from tapeloom.errors import ArgumentError
from tapeloom.importing import import_bars

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.importing.conftest import WriteText
    from tests.importing.memory_store import MemoryStore

Line = "Callable[[Row], str]"


def utc(r: Row) -> str:
    return clock(r.ts).strftime("%Y-%m-%d %H:%M:%S+00:00")


def local(r: Row, form: str) -> str:
    from tests.importing.made_up import NEW_YORK

    return clock(r.ts, NEW_YORK).strftime(form)


def iso(r: Row) -> str:
    return clock(r.ts).strftime("%Y-%m-%dT%H:%M:%SZ")


LAYOUTS: dict[str, tuple[str, Callable[[Row], str]]] = {
    "yfinance, minutes": (
        "Datetime,Open,High,Low,Close,Adj Close,Volume",
        lambda r: f"{utc(r)},{r.open},{r.high},{r.low},{r.close},{r.close},{r.volume}",
    ),
    "yfinance, with actions": (
        "Datetime,Open,High,Low,Close,Volume,Dividends,Stock Splits",
        lambda r: f"{utc(r)},{r.open},{r.high},{r.low},{r.close},{r.volume},0.0,0.0",
    ),
    "yfinance, several levels": (
        "Price,Close,High,Low,Open,Volume\nTicker,AAPL,AAPL,AAPL,AAPL,AAPL\nDatetime,,,,,",
        lambda r: f"{utc(r)},{r.close},{r.high},{r.low},{r.open},{r.volume}",
    ),
    "Alpaca": (
        "symbol,timestamp,open,high,low,close,volume,trade_count,vwap",
        lambda r: (
            f"AAPL,{utc(r)},{r.open},{r.high},{r.low},{r.close},{r.volume},9,{r.close}"
        ),
    ),
    "Alpaca, short names": (
        "c,h,l,n,o,t,v,vw",
        lambda r: (
            f"{r.close},{r.high},{r.low},9,{r.open},{iso(r)},{r.volume},{r.close}"
        ),
    ),
    "Databento, times as text": (
        "ts_event,rtype,publisher_id,instrument_id,open,high,low,close,volume,symbol",
        lambda r: (
            f"{clock(r.ts):%Y-%m-%dT%H:%M:%S}.000000000Z,33,2,38,{r.open},{r.high},{r.low},{r.close},{r.volume},AAPL"
        ),
    ),
    "Databento, times as integers": (
        "ts_event,rtype,publisher_id,instrument_id,open,high,low,close,volume,symbol",
        lambda r: f"{r.ts},33,2,38,{r.open},{r.high},{r.low},{r.close},{r.volume},AAPL",
    ),
    "Polygon, files": (
        "ticker,volume,open,close,high,low,window_start,transactions",
        lambda r: f"AAPL,{r.volume},{r.open},{r.close},{r.high},{r.low},{r.ts},7",
    ),
    "MetaTrader": (
        "<DATE>\t<TIME>\t<OPEN>\t<HIGH>\t<LOW>\t<CLOSE>\t<TICKVOL>\t<VOL>\t<SPREAD>",
        lambda r: "\t".join(
            [
                local(r, "%Y.%m.%d"),
                local(r, "%H:%M:%S"),
                *map(repr, r.values[:4]),
                "1",
                str(r.volume),
                "0",
            ]
        ),
    ),
    "Stooq": (
        "<TICKER>,<PER>,<DATE>,<TIME>,<OPEN>,<HIGH>,<LOW>,<CLOSE>,<VOL>,<OPENINT>",
        lambda r: (
            f"AAPL,1,{local(r, '%Y%m%d,%H%M%S')},{r.open},{r.high},{r.low},{r.close},{r.volume},0"
        ),
    ),
    "Interactive Brokers": (
        "date,open,high,low,close,volume",
        lambda r: (
            f"{local(r, '%Y%m%d %H:%M:%S')} US/Eastern,{r.open},{r.high},{r.low},{r.close},{r.volume}"
        ),
    ),
}


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_layout_needs_no_mapping(
    store: MemoryStore, write_text: WriteText, name: str
) -> None:
    header, line = LAYOUTS[name]
    path = write_text("AAPL_1m.csv", "\n".join([header, *map(line, day())]) + "\n")
    report = import_bars(path, into=store)
    assert report.is_clean, report
    assert list(store.bars) == [("AAPL", "1m")]
    bars = store.bars["AAPL", "1m"]
    assert bars.ts.tolist() == [r.ts for r in day()]
    columns = [
        getattr(bars, n).tolist() for n in ("open", "high", "low", "close", "volume")
    ]
    assert list(zip(*columns, strict=True)) == [r.values for r in day()]


def test_milliseconds_of_the_polygon_interface_are_proposed(
    store: MemoryStore, write_text: WriteText
) -> None:
    text = "\n".join(
        ["v,vw,o,c,h,l,t,n"]
        + [
            f"{r.volume},1.0,{r.open},{r.close},{r.high},{r.low},{r.ts // 10**6},3"
            for r in day()
        ]
    )
    report = import_bars(write_text("AAPL_1m.csv", text), into=store, auto=True)
    assert report.files[0].applied == {"time_unit": "ms"}
    assert store.bars["AAPL", "1m"].ts.tolist() == [r.ts for r in day()]


def test_a_wide_file_of_two_symbols_is_cut_by_symbol(
    store: MemoryStore, write_text: WriteText
) -> None:
    fields = ["Close", "High", "Low", "Open", "Volume"]
    header = "\n".join(
        [
            ",".join(["Price", *(f for f in fields for _ in range(2))]),
            ",".join(["Ticker", *(["AAPL", "MSFT"] * 5)]),
            "Datetime" + "," * 10,
        ]
    )

    def line(at: int, r: Row) -> str:
        cells = []
        for value in (r.close, r.high, r.low, r.open, r.volume):
            # The second symbol has no bar in every third minute.
            cells += [str(value), "" if at % 3 == 2 else str(value)]
        return ",".join([utc(r), *cells])

    body = [line(at, r) for at, r in enumerate(day())]
    import_bars(write_text("prices.csv", "\n".join([header, *body])), into=store)
    assert store.bars["AAPL", "1m"].ts.tolist() == [r.ts for r in day()]
    present = [r.ts for at, r in enumerate(day()) if at % 3 != 2]
    assert store.bars["MSFT", "1m"].ts.tolist() == present


def test_columns_can_be_named(store: MemoryStore, write_text: WriteText) -> None:
    text = "\n".join(
        ["Zeit;Eröffnung;Hoch;Tief;Schluss;Umsatz"]
        + [
            ";".join([utc(r), *(str(v).replace(".", ",") for v in r.values)])
            for r in day()
        ]
    )
    path = write_text("SAP_1m.csv", text)
    with pytest.raises(ArgumentError, match="no column is known to be the time"):
        import_bars(path, into=store)
    names = {
        "ts": "Zeit",
        "open": "Eröffnung",
        "high": "Hoch",
        "low": "Tief",
        "close": "Schluss",
        "volume": "Umsatz",
    }
    import_bars(path, into=store, columns=names)
    assert store.bars["SAP", "1m"].close.tolist() == [r.close for r in day()]


def test_bars_without_a_volume_say_so(
    store: MemoryStore, write_text: WriteText
) -> None:
    text = "\n".join(
        ["ts,open,high,low,close"]
        + [f"{utc(r)},{r.open},{r.high},{r.low},{r.close}" for r in day()]
    )
    path = write_text("EURUSD_1m.csv", text)
    with pytest.raises(
        ArgumentError, match=r"columns=\{'volume': None\} if there is none"
    ):
        import_bars(path, into=store)
    import_bars(path, into=store, columns={"volume": None})
    assert store.bars["EURUSD", "1m"].volume.tolist() == [0.0] * 390
