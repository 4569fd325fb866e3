"""Texts of every shape: delimiters, headers or none, forms of time, encodings, packing."""

from __future__ import annotations

import bz2
import gzip
import io
import zipfile
from datetime import UTC
from typing import TYPE_CHECKING

import pyarrow as pa
import pytest
from tests.importing.made_up import HEADER, NEW_YORK, clock, day, lines

from tapeloom.errors import ArgumentError, CorruptFileError, InvalidBarError
from tapeloom.importing import ImportMismatchError, import_bars

if TYPE_CHECKING:
    from pathlib import Path

    from tests.importing.conftest import WriteText
    from tests.importing.memory_store import MemoryStore


def assert_is_the_day(store: MemoryStore, symbol: str = "AAPL") -> None:
    bars = store.bars[symbol, "1m"]
    assert bars.ts.tolist() == [r.ts for r in day()]
    assert bars.close.tolist() == [r.close for r in day()]


@pytest.mark.parametrize("delimiter", [";", "\t", "|", " , "])
def test_delimiters_are_told(
    store: MemoryStore, write_text: WriteText, delimiter: str
) -> None:
    path = write_text("AAPL_1m.csv", lines(day()).replace(",", delimiter))
    import_bars(path, into=store)
    assert_is_the_day(store)


def test_blanks_delimit_where_nothing_else_does(
    store: MemoryStore, write_text: WriteText
) -> None:
    text = lines(
        day(), form="%Y-%m-%d,%H:%M:%S", header="date,time,open,high,low,close,volume"
    )
    import_bars(write_text("AAPL_1m.txt", text.replace(",", "  ")), into=store)
    assert_is_the_day(store)


def test_decimal_commas_are_told(store: MemoryStore, write_text: WriteText) -> None:
    text = lines(day()).replace(",", ";").replace(".", ",")
    import_bars(write_text("AAPL_1m.csv", text), into=store)
    assert_is_the_day(store)


def test_a_text_without_a_header_is_read_on_evidence(
    store: MemoryStore, write_text: WriteText
) -> None:
    path = write_text("AAPL_1m.csv", lines(day(), header=None))
    report = import_bars(path, into=store)
    told = [f.text for f in report.findings if f.kind == "columns_told"]
    assert told == [
        "no header; columns read as ts, open, high, low, close, volume: high and low enclose open and close in 50 of the "
        "first 50 rows"
    ]
    assert_is_the_day(store)


def test_a_text_without_a_header_in_another_order_asks_for_names(
    store: MemoryStore, write_text: WriteText
) -> None:
    body = [
        ",".join([line.split(",")[i] for i in (0, 3, 2, 1, 4, 5)])
        for line in lines(day(), header=None).splitlines()
    ]
    path = write_text("AAPL_1m.csv", "\n".join(body))
    with pytest.raises(ArgumentError, match="name all 6 columns in order"):
        import_bars(path, into=store)
    import_bars(
        path, into=store, columns=["ts", "low", "high", "open", "close", "volume"]
    )
    assert_is_the_day(store)


def test_a_header_shorter_than_the_rows_leaves_out_the_index(
    store: MemoryStore, write_text: WriteText
) -> None:
    path = write_text("AAPL_1m.csv", lines(day(), header="open,high,low,close,volume"))
    import_bars(path, into=store)
    assert_is_the_day(store)


def test_a_delimiter_at_the_end_of_each_row_is_no_column(
    store: MemoryStore, write_text: WriteText
) -> None:
    head, *body = lines(day()).splitlines()
    path = write_text("AAPL_1m.csv", "\n".join([head, *(b + "," for b in body)]))
    import_bars(path, into=store)
    assert_is_the_day(store)


def test_a_blank_first_name_is_the_index(
    store: MemoryStore, write_text: WriteText
) -> None:
    path = write_text("AAPL_1m.csv", lines(day(), header=",open,high,low,close,volume"))
    import_bars(path, into=store)
    assert_is_the_day(store)


@pytest.mark.parametrize(
    "form",
    ["%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M", "%Y%m%d %H:%M:%S", "%Y%m%d %H%M%S", "%Y%m%d%H%M%S", "%Y/%m/%d %H:%M",
     "%d.%m.%Y %H:%M", "%d-%b-%Y %H:%M:%S", "%Y-%m-%dT%H:%M:%S.000"],
)  # fmt: skip
def test_forms_of_time_are_told(
    store: MemoryStore, write_text: WriteText, form: str
) -> None:
    import_bars(write_text("AAPL_1m.csv", lines(day(), form=form)), into=store)
    assert_is_the_day(store)


def test_dates_that_read_both_ways_ask_for_the_form(
    store: MemoryStore, write_text: WriteText
) -> None:
    path = write_text("AAPL_1m.csv", lines(day(), form="%m/%d/%Y %H:%M"))
    with pytest.raises(
        ArgumentError, match="can be read as '%m/%d/%Y %H:%M' or '%d/%m/%Y %H:%M'"
    ):
        import_bars(path, into=store)
    import_bars(path, into=store, time_format="%m/%d/%Y %H:%M")
    assert_is_the_day(store)


def test_dates_that_read_one_way_need_no_form(
    store: MemoryStore, write_text: WriteText
) -> None:
    rows = day(days=13)
    import_bars(
        write_text("AAPL_1m.csv", lines(rows, form="%m/%d/%Y %H:%M")), into=store
    )
    assert store.bars["AAPL", "1m"].ts.tolist() == [r.ts for r in rows]


@pytest.mark.parametrize("form", ["%H:%M:%S", "%H:%M", "%H%M%S", "%H%M"])
def test_a_date_beside_a_time_is_one_instant(
    store: MemoryStore, write_text: WriteText, form: str
) -> None:
    text = lines(
        day(), form=f"%Y-%m-%d,{form}", header="Date,Time,Open,High,Low,Close,Volume"
    )
    import_bars(write_text("AAPL_1m.csv", text), into=store)
    assert_is_the_day(store)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "cp1252"])
def test_encodings_are_told(
    store: MemoryStore, write_text: WriteText, encoding: str
) -> None:
    head, *body = lines(day()).splitlines()
    text = "\n".join([head + ",Währung", *(b + ",€" for b in body)])
    import_bars(write_text("AAPL_1m.csv", text.encode(encoding)), into=store)
    assert_is_the_day(store)


def test_lines_of_windows_and_comments_are_read(
    store: MemoryStore, write_text: WriteText
) -> None:
    text = "# made by hand\n\n" + lines(day())
    import_bars(write_text("AAPL_1m.csv", text.replace("\n", "\r\n")), into=store)
    assert_is_the_day(store)


def test_gzip_is_unpacked(store: MemoryStore, write_text: WriteText) -> None:
    packed = gzip.compress(lines(day()).encode())
    import_bars(write_text("AAPL_1m.csv.gz", packed), into=store)
    assert_is_the_day(store)


def test_zstandard_is_unpacked(store: MemoryStore, write_text: WriteText) -> None:
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "zstd") as out:
        out.write(lines(day()).encode())
    content = sink.getvalue().to_pybytes()
    import_bars(write_text("AAPL_1m.csv.zst", content), into=store)
    assert_is_the_day(store)


def archive(members: dict[str, str]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, text in members.items():
            packed.writestr(name, text)
    return out.getvalue()


def test_all_members_of_an_archive_are_read(
    store: MemoryStore, write_text: WriteText
) -> None:
    members = {
        "AAPL.csv": lines(day()),
        "sub/MSFT.csv": lines(day()),
        "readme.md": "hello",
    }
    report = import_bars(write_text("bars.zip", archive(members)), into=store)
    assert_is_the_day(store, "AAPL")
    assert_is_the_day(store, "MSFT")
    assert [f.text for f in report.findings if f.kind == "not_bars"] == [
        "members not read: readme.md"
    ]


def dated(name: str) -> str:
    return "\n".join(
        ",".join(map(str, ((34_200 + 60 * i) * 1000, *r.values)))
        for i, r in enumerate(day())
    )


def test_a_member_of_another_date_than_its_archive_stops(
    store: MemoryStore, write_text: WriteText
) -> None:
    names = ["20250703_aapl_minute_trade.csv", "20250702_aapl_minute_trade.csv"]
    path = write_text(
        "20250702_trade.zip", archive({name: dated(name) for name in names})
    )
    with pytest.raises(ImportMismatchError, match=r"pass members='\*20250702\*'"):
        import_bars(path, into=store)
    import_bars(path, into=store, members="*20250702*")
    assert_is_the_day(store)


def test_a_name_that_says_no_symbol_asks_for_it(
    store: MemoryStore, write_text: WriteText
) -> None:
    path = write_text("bars_2025-07-02.csv", lines(day()))
    with pytest.raises(ArgumentError, match="give symbol="):
        import_bars(path, into=store)
    import_bars(path, into=store, symbol="BRK/B")
    assert_is_the_day(store, "BRK/B")


def test_an_unknown_packing_is_no_text(
    store: MemoryStore, write_text: WriteText
) -> None:
    packed = bz2.compress(lines(day()).encode())
    with pytest.raises(CorruptFileError, match="binary"):
        import_bars(write_text("AAPL_1m.csv.bz2", packed), into=store)


def test_the_header_is_known_in_any_order_and_case(
    store: MemoryStore, write_text: WriteText
) -> None:
    order = (4, 0, 5, 2, 1, 3)
    body = [HEADER.upper().split(",")] + [
        [clock(r.ts, NEW_YORK).strftime("%Y-%m-%d %H:%M"), *map(repr, r.values)]
        for r in day()
    ]
    text = "\n".join(",".join(fields[i] for i in order) for fields in body)
    import_bars(write_text("AAPL_1m.csv", text), into=store)
    assert_is_the_day(store)


def test_a_file_in_a_named_folder_is_of_that_symbol(
    store: MemoryStore, write_text: WriteText, tmp_path: Path
) -> None:
    write_text("symbol=BTC%2FUSD/interval=1m/part.csv", lines(day()))
    import_bars(tmp_path / "in", into=store)
    assert_is_the_day(store, "BTC/USD")


def numbers(delimiter: str, price: str, volume: str) -> str:
    """Twenty minutes, each with one price and volume as they are written."""
    rows = [
        delimiter.join([f"2025-07-02 09:{30 + i}", *[price] * 4, volume])
        for i in range(20)
    ]
    return "\n".join([HEADER.replace(",", delimiter), *rows])


@pytest.mark.parametrize(
    ("text", "price", "volume"),
    [
        (numbers(",", "100.5", '"1,005"'), 100.5, 1005),
        (numbers(",", '"1,100.25"', '"1,234,567"'), 1100.25, 1234567),
        (numbers(";", "100.5", "1,005"), 100.5, 1005),
        (numbers(";", "100,5", "1.005"), 100.5, 1005),
        (numbers(";", "1.100,25", "1.234.567"), 1100.25, 1234567),
        (numbers(";", "100,5", "7"), 100.5, 7),
        (numbers(";", "1,105", "7"), 1.105, 7),
    ],
)
def test_thousands_are_told_from_fractions(
    store: MemoryStore, write_text: WriteText, text: str, price: float, volume: float
) -> None:
    import_bars(write_text("AAPL_1m.csv", text), into=store)
    bars = store.bars["AAPL", "1m"]
    assert (set(bars.close.tolist()), set(bars.volume.tolist())) == ({price}, {volume})
    assert len(bars) == 20


@pytest.mark.parametrize("volume", ["1.5K", "n/a."])
def test_a_file_of_which_no_row_is_a_bar_is_an_error(
    store: MemoryStore, write_text: WriteText, volume: str
) -> None:
    path = write_text("AAPL_1m.csv", numbers(",", "100.5", volume))
    with pytest.raises(InvalidBarError, match="none of its 20 rows is a bar: 20 rows"):
        import_bars(path, into=store)
    assert store.bars == {}


def test_a_quotation_mark_that_nobody_closes_loses_no_row_in_silence(
    store: MemoryStore, write_text: WriteText
) -> None:
    text = lines(day()).replace("2025-07-02 10:00", '"2025-07-02 10:00')
    with pytest.raises(CorruptFileError, match="390 lines give 31 rows"):
        import_bars(write_text("AAPL_1m.csv", text), into=store)


def test_blank_lines_between_quoted_rows_are_no_error(
    store: MemoryStore, write_text: WriteText
) -> None:
    text = lines(day()).replace("2025-07-02 10:00:00", '"2025-07-02 10:00:00"')
    import_bars(
        write_text("AAPL_1m.csv", text.replace("\n", "\n\n") + "\n\n"), into=store
    )
    assert len(store.bars["AAPL", "1m"]) == 390


def test_times_of_several_forms_are_told_as_such(
    store: MemoryStore, write_text: WriteText
) -> None:
    text = lines(day()).replace("2025-07-02 1", "07/02/2025 1")
    with pytest.raises(
        ArgumentError, match="such as '2025-07-02 09:30:00' and '07/02/2025 10:00:00'"
    ):
        import_bars(write_text("AAPL_1m.csv", text), into=store)


@pytest.mark.parametrize("torn", ["", "x", "2025-07-02 18:29", "12:00"])
@pytest.mark.parametrize("form", ["%Y-%m-%d %H:%M:%SZ", "%Y-%m-%dT%H:%M:%S+00:00"])
def test_a_time_of_another_form_far_down_costs_its_row_alone(
    store: MemoryStore, write_text: WriteText, form: str, torn: str
) -> None:
    rows = lines(day(), form=form, zone=UTC).splitlines()
    rows[300] = torn + rows[300][rows[300].index(",") :]
    import_bars(write_text("AAPL_1m.csv", "\n".join(rows)), into=store)
    kept = [r.ts for at, r in enumerate(day(), 1) if at != 300]
    assert store.bars["AAPL", "1m"].ts.tolist() == kept


def test_names_in_order_are_refused_where_there_is_a_header(
    store: MemoryStore, write_text: WriteText
) -> None:
    path = write_text("AAPL_1m.csv", lines(day()))
    names = ["ts", "high", "open", "low", "close", "volume"]
    with pytest.raises(ArgumentError, match="columns must be a dict"):
        import_bars(path, into=store, columns=names)
    import_bars(path, into=store, columns=HEADER.split(","))


def test_a_column_of_two_meanings_is_told(
    store: MemoryStore, write_text: WriteText
) -> None:
    path = write_text("AAPL_1m.csv", lines(day()))
    with pytest.raises(ArgumentError, match="'high' is named for 'open' already"):
        import_bars(path, into=store, columns={"open": "high"})
