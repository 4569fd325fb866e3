"""Foreign files as a source of bars, read where they lie: a file per symbol, per date, or one for all."""

from __future__ import annotations

import gc
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.importing.made_up import HEADER, MINUTE, OPEN, Row, aware, day, lines

from tapeloom.errors import (
    CorruptFileError,
    InvalidBarError,
    MissingDataError,
    StorageError,
    SymbolError,
    TapeloomError,
)
from tapeloom.importing import (
    ImportMismatchError,
    is_foreign,
    mount,
    mounted_files,
)
from tapeloom.importing.open_tables import open_tables
from tapeloom.side_by_side import meanwhile

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.importing.conftest import WriteText

    from tapeloom.importing import Mounted

DATES = {0: "2025-07-02", 1: "2025-07-03", 5: "2025-07-07"}
SYMBOLS = ("AAPL", "MSFT")
ALL = [r for n in DATES for r in day(count=210, days=n)]


def with_symbol(symbol: str, rows: Iterable[Row]) -> list[str]:
    return [f"{symbol},{line}" for line in aware(rows).splitlines()[1:]]


def shared(rows: Iterable[Row]) -> str:
    kept = list(rows)
    body = [line for s in SYMBOLS for line in with_symbol(s, kept)]
    return "\n".join(["ticker," + HEADER, *body]) + "\n"


def per_symbol(write: WriteText) -> None:
    for n, symbol in enumerate(SYMBOLS):
        write(f"{n}/{symbol}_1m.csv", aware(ALL))


def per_date(write: WriteText) -> None:
    for n, date in DATES.items():
        write(f"{date[:4]}/{date}.csv.gz", packed(shared(day(count=210, days=n))))


def all_in_one(write: WriteText) -> None:
    write("everything.csv", shared(ALL))


def packed(text: str) -> bytes:
    import gzip

    return gzip.compress(text.encode())


def parquet_per_symbol(write: WriteText) -> None:
    for symbol in SYMBOLS:
        table = arrow(ALL)
        pq.write_table(table, write(f"{symbol}_1m.parquet", b""), row_group_size=210)


def parquet_per_date(write: WriteText) -> None:
    for n, date in DATES.items():
        rows = day(count=210, days=n)
        table = pa.concat_tables(
            [arrow(rows).append_column("Symbol", pa.array([s] * 210)) for s in SYMBOLS]
        )
        pq.write_table(table, write(f"{date}.parquet", b""), row_group_size=300)


def parquet_in_one(write: WriteText) -> None:
    rows = arrow(ALL)
    table = pa.concat_tables(
        [rows.append_column("Symbol", pa.array([s] * len(rows))) for s in SYMBOLS]
    )
    pq.write_table(table.sort_by("Date"), write("all.parquet", b""), row_group_size=100)


def arrow(rows: Iterable[Row]) -> pa.Table:
    kept = list(rows)
    times = pa.array([r.ts for r in kept]).cast(pa.timestamp("ns", "UTC"))
    return pa.table(
        {
            "Date": times.cast(pa.timestamp("us", "America/New_York")),
            **{
                n.title(): [getattr(r, n) for r in kept]
                for n in ("open", "high", "low", "close", "volume")
            },
        }
    )


SHAPES = {
    f.__name__: f
    for f in (
        per_symbol,
        per_date,
        all_in_one,
        parquet_per_symbol,
        parquet_per_date,
        parquet_in_one,
    )
}


@pytest.fixture(params=SHAPES)
def mounted(
    request: pytest.FixtureRequest, write_text: WriteText, tmp_path: Path
) -> Mounted:
    SHAPES[request.param](write_text)
    return mount(tmp_path / "in")


def test_every_shape_reads_the_same(mounted: Mounted) -> None:
    assert mounted.get_symbols() == ["AAPL", "MSFT"]
    assert mounted.get_intervals("msft") == ["1m"]
    assert mounted.get_range("MSFT", "1m") == (ALL[0].ts, ALL[-1].ts)
    bars = mounted.read("MSFT", "1m", None, None)
    assert bars.ts.tolist() == [r.ts for r in ALL]
    assert bars.close.tolist() == [r.close for r in ALL]


def test_every_shape_reads_part_of_it(mounted: Mounted) -> None:
    start, end = ALL[205].ts, ALL[212].ts
    assert mounted.read("AAPL", "1m", start, end).ts.tolist() == [
        r.ts for r in ALL[205:212]
    ]
    assert len(mounted.read("AAPL", "1m", OPEN - 9 * MINUTE, OPEN)) == 0
    assert len(mounted.read("NONE", "1m", None, None)) == 0
    assert len(mounted.read("AAPL", "5m", None, None)) == 0


def test_a_file_is_decoded_once_however_many_symbols_are_read(
    write_text: WriteText, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []
    whole = open_tables

    def counted(path: Path, *rest: object) -> object:
        opened.append(path.name)
        return whole(path, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(mounted_files, "open_tables", counted)
    per_date(write_text)
    source = mount(tmp_path / "in")
    for symbol in source.get_symbols():
        source.read(symbol, "1m", None, None)
    assert sorted(opened) == sorted(f"{date}.csv.gz" for date in DATES.values())


def test_bars_that_do_not_fit_in_memory_are_read_again(
    write_text: WriteText, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mounted_files, "CACHE_BYTES", 1)
    per_date(write_text)
    source = mount(tmp_path / "in")
    for symbol in SYMBOLS:
        assert len(source.read(symbol, "1m", None, None)) == len(ALL)


def test_a_parquet_file_per_symbol_is_known_from_its_footer(
    write_text: WriteText, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parquet_per_symbol(write_text)
    source = mount(tmp_path / "in")

    def decoded(*_: object) -> None:
        raise AssertionError("a row group was decoded")

    monkeypatch.setattr(mounted_files, "read_groups", decoded)
    assert source.get_symbols() == ["AAPL", "MSFT"]
    assert source.get_range("AAPL", "1m") == (ALL[0].ts, ALL[-1].ts)


def test_footers_are_gone_with_the_source_that_read_them(
    write_text: WriteText, tmp_path: Path
) -> None:
    parquet_per_symbol(write_text)
    gc.collect()
    gc.disable()
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        assert is_foreign(tmp_path / "in")
        source = mount(tmp_path / "in")
        assert len(source.read("AAPL", "1m", None, None)) == len(ALL)
        del source
        gc.collect()
        # What holds each other would keep the memory of a footer until Python happens to look for such.
        kept = [e for e in gc.garbage if type(e).__module__.startswith("pyarrow")]
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()
    assert kept == []


def test_nothing_is_guessed_that_an_import_would_stop_for(
    write_text: WriteText,
) -> None:
    path = write_text("AAPL_1m.csv", lines(day(), late=MINUTE))
    with pytest.raises(ImportMismatchError, match="390/390 as ends"):
        mount(path).get_symbols()
    bars = mount(path, label="end").read("AAPL", "1m", None, None)
    assert bars.ts.tolist() == [r.ts for r in day()]


def test_options_hold_for_every_file(write_text: WriteText, tmp_path: Path) -> None:
    for symbol in SYMBOLS:
        head, *body = lines(day(), form="%d/%m/%Y %H:%M").splitlines()
        write_text(
            f"{symbol}_1m.csv", "\n".join([head.replace("timestamp", "Zeit"), *body])
        )
    source = mount(
        tmp_path / "in",
        columns={"ts": "Zeit"},
        time_format="%d/%m/%Y %H:%M",
        interval="1m",
        zone="America/New_York",
    )
    assert source.read("MSFT", "1m", None, None).ts.tolist() == [r.ts for r in day()]


def test_newest_first_comes_out_in_order(write_text: WriteText) -> None:
    source = mount(write_text("AAPL_1m.csv", lines(reversed(day()))))
    assert source.read("AAPL", "1m", None, None).ts.tolist() == [r.ts for r in day()]


def test_findings_stand_in_the_order_of_the_files(
    write_text: WriteText, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(8):
        write_text(f"S{number}.csv", aware(day()))
    second_is_done = Event()

    def held_up(path: Path, *rest: Any) -> Any:
        if path.name == "S0.csv":
            # The thread beside this one goes on, as it does while a file is parsed.
            with meanwhile():
                assert second_is_done.wait(60)
        yield from open_tables(path, *rest)
        if path.name == "S7.csv":
            second_is_done.set()

    monkeypatch.setattr("os.cpu_count", lambda: 2)
    monkeypatch.setattr(mounted_files, "open_tables", held_up)
    source = mount(tmp_path)
    assert source.get_symbols() == [f"S{number}" for number in range(8)]
    files = [Path(found.source).name for found in source.findings]
    assert files == sorted(files)
    assert set(files) == {f"S{number}.csv" for number in range(8)}


def test_two_files_with_faults_raise_that_of_the_first(
    write_text: WriteText, tmp_path: Path
) -> None:
    write_text("A.csv", aware(day()))
    write_text("B.csv", "no table")
    write_text("C.parquet", b"PAR1 and nothing else")
    with pytest.raises(TapeloomError, match=r"B\.csv"):
        mount(tmp_path).get_symbols()


def test_a_row_that_breaks_a_rule_is_refused_with_its_number(
    write_text: WriteText,
) -> None:
    rows = lines(reversed(day())).splitlines()
    rows[3] = rows[3].replace(rows[3].split(",")[1], "-1", 1)
    source = mount(write_text("AAPL_1m.csv", "\n".join(rows)))
    with pytest.raises(InvalidBarError, match="row 2: open is -1"):
        source.read("AAPL", "1m", None, None)


def test_a_damaged_file_is_named(write_text: WriteText) -> None:
    with pytest.raises(CorruptFileError, match=r"AAPL_1m\.parquet"):
        mount(write_text("AAPL_1m.parquet", b"PAR1 and nothing else")).get_symbols()


def test_a_pattern_that_matches_nothing_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(MissingDataError):
        mount(f"{tmp_path}/*.csv")


def test_reading_creates_nothing(write_text: WriteText, tmp_path: Path) -> None:
    per_symbol(write_text)
    before = sorted(tmp_path.rglob("*"))
    mount(tmp_path / "in").read("AAPL", "1m", None, None)
    assert sorted(tmp_path.rglob("*")) == before


def test_bars_that_end_after_an_instant_are_not_seen(write_text: WriteText) -> None:
    rows = lines(day()).splitlines()
    # The bar of 09:40 breaks a rule, and is not known before 09:41.
    rows[11] = rows[11].replace(rows[11].split(",")[1], "-1", 1)
    source = mount(write_text("AAPL_1m.csv", "\n".join(rows)))
    known = source.read(
        "AAPL", "1m", None, OPEN + 11 * MINUTE, known_by=OPEN + 10 * MINUTE
    )
    assert known.ts.tolist() == [r.ts for r in day(count=10)]
    with pytest.raises(InvalidBarError):
        source.read("AAPL", "1m", None, None, known_by=OPEN + 11 * MINUTE)


def test_files_of_others_are_told_from_ours(
    write_text: WriteText, tmp_path: Path
) -> None:
    pq.write_table(arrow(ALL), write_text("theirs/AAPL_1m.parquet", b""))
    columns = ["ts", "open", "high", "low", "close", "volume"]
    nameless = arrow(ALL).rename_columns(columns)
    named = nameless.append_column("symbol", pa.array(["AAPL"] * len(nameless)))
    pq.write_table(named, write_text("ours/a.parquet", b""))
    pq.write_table(nameless, write_text("folders/symbol=AAPL/a.parquet", b""))
    # Whose bars these are only the name of the file says.
    pq.write_table(nameless, write_text("flat/AAPL.parquet", b""))
    write_text("text/AAPL_1m.csv", aware(ALL))
    found = {
        name: is_foreign(tmp_path / "in" / name)
        for name in ("theirs", "ours", "folders", "flat", "text", "none")
    }
    assert found == {
        "theirs": True,
        "ours": False,
        "folders": False,
        "flat": True,
        "text": True,
        "none": False,
    }


def parquet(
    path: Path, rows: list[Row], *, zone: str | None = "UTC", step: int = 50
) -> Path:
    """A Parquet file of short row groups, with times of a zone or of none."""
    path.parent.mkdir(parents=True, exist_ok=True)
    ts = pa.array([r.ts for r in rows], pa.int64()).cast(pa.timestamp("ns"))
    values = {
        name: [getattr(r, name) for r in rows]
        for name in ("open", "high", "low", "close", "volume")
    }
    kind = pa.timestamp("ns", zone) if zone else pa.timestamp("ns")
    pq.write_table(
        pa.table({"datetime": ts.cast(kind), **values}), path, row_group_size=step
    )
    return path


@pytest.mark.parametrize(
    ("late", "zone", "said"),
    [
        (0, None, "pass zone='UTC'"),
        (240 * MINUTE, "UTC", "pass shift='-4h'"),
        (MINUTE, "UTC", "pass label='end'"),
    ],
)
def test_times_are_judged_by_the_file_and_not_by_a_row_group(
    tmp_path: Path, late: int, zone: str | None, said: str
) -> None:
    rows = [Row(r.ts + late, *r.values) for r in day()]
    path = parquet(tmp_path / "AAPL_1m.parquet", rows, zone=zone)
    with pytest.raises(ImportMismatchError, match=said):
        mount(path).read("AAPL", "1m", None, None)


def test_a_row_group_alone_decides_nothing(tmp_path: Path) -> None:
    path = parquet(tmp_path / "AAPL_1m.parquet", [*day(-200, 590), *day(days=6)])
    for step in (13, 50, 195, 389):
        parquet(path, [*day(-200, 590), *day(days=6)], step=step)
        bars = mount(path).read("AAPL", "1m", None, None)
        assert bars.ts.tolist() == [r.ts for r in (*day(-200, 590), *day(days=6))]


def test_a_name_that_says_another_length_than_the_bars_is_told(tmp_path: Path) -> None:
    rows = day(count=78, step=5 * MINUTE)
    path = parquet(tmp_path / "AAPL_1m.parquet", rows)
    with pytest.raises(
        ImportMismatchError,
        match="its name says 1m bars, the most frequent step between them is 5m; pass interval='5m'",
    ):
        mount(path).read("AAPL", "1m", None, None)
    assert len(mount(path, interval="5m").read("AAPL", "5m", None, None)) == 78


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_two_spellings_that_become_one_symbol_are_an_error(
    tmp_path: Path, write_text: WriteText, kind: str
) -> None:
    for name in ("a/AAPL_1m", "b/aapl_1m"):
        if kind == "csv":
            write_text(f"{name}.csv", aware(day()))
        else:
            parquet(tmp_path / "in" / f"{name}.parquet", day())
    with pytest.raises(
        SymbolError, match=r"'aapl' and 'AAPL' of .* both become 'AAPL'"
    ):
        mount(tmp_path / "in").get_symbols()


def written(path: Path, *, first: str = "open", **more: Any) -> Path:
    """A file of one symbol, its prices in another order where wanted, put in the place of what is there."""
    names = ("open", "high", "low", "close", "volume")
    values = {
        name: pa.array([float(getattr(row, name)) for row in ALL]) for name in names
    }
    ts = pa.array([row.ts for row in ALL], pa.timestamp("ns", "UTC"))
    order = (first, *(name for name in names if name != first))
    table = pa.table({"timestamp": ts} | {name: values[name] for name in order} | more)
    new = path.with_suffix(".new")
    pq.write_table(table, new, use_dictionary=False, compression="none")
    new.replace(path)
    return path


def test_a_file_that_was_replaced_is_not_read_by_the_footer_of_another(
    tmp_path: Path,
) -> None:
    path = written(tmp_path / "AAPL_1m.parquet")
    source = mount(path)
    span = source.get_range("AAPL", "1m")
    assert span is not None
    written(path, first="close")
    with pytest.raises(StorageError, match="changed since it was mounted"):
        source.read("AAPL", "1m", *span)
    again = mount(path)
    assert again.read("AAPL", "1m", *span).open[0] == ALL[0].open


def test_a_text_that_was_written_again_is_not_mixed_with_what_was_learnt(
    write_text: WriteText, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mounted_files, "CACHE_BYTES", 1)
    write_text("AAPL_1m.csv", aware(ALL))
    root = write_text("MSFT_1m.csv", aware(ALL)).parent
    source = mount(root)
    span = source.get_range("AAPL", "1m")
    assert span is not None
    # Files are looked at side by side: whichever came last is in memory. After this it is not the one that changes.
    assert source.read("MSFT", "1m", *span).open[0] == ALL[0].open
    write_text("AAPL_1m.csv", aware(ALL[:-1]))
    with pytest.raises(StorageError, match=r"AAPL_1m\.csv: changed since"):
        source.read("AAPL", "1m", *span)


def test_a_name_of_a_column_that_is_no_text_is_damage(tmp_path: Path) -> None:
    rows = pa.array([1.0] * len(ALL))
    path = written(tmp_path / "AAPL_1m.parquet", wwwwwwww=rows, symbol=["AAPL"] * len(ALL))  # fmt: skip
    content = bytearray(path.read_bytes())
    # The last of them stands in the facts of the column, not in the schema.
    at = content.rfind(b"wwwwwwww")
    content[at : at + 8] = b"\xff" * 8
    path.write_bytes(content)
    with pytest.raises(CorruptFileError, match="damaged"):
        mount(path).get_symbols()
