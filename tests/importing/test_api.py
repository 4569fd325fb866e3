"""Bars that a source of history answers with: asked by month, at its pace, imported as files are."""

from __future__ import annotations

import json
import threading
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlencode, urlsplit
from urllib.request import urlopen

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from tests.importing.made_up import MINUTE, NEW_YORK, OPEN, Row, day

from tapeloom import BarData, Bars, DataManager
from tapeloom.errors import (
    ArgumentError,
    HistorySourceError,
    ImportMismatchError,
)
from tapeloom.history_source import HistoryRequest, HistorySource
from tapeloom.importing import ImportProgress

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

SECOND = 10**9


def date(year: int, month: int, day: int) -> datetime:
    return datetime(year, month, day, tzinfo=NEW_YORK)


JUNE, JULY, AUGUST = date(2025, 6, 1), date(2025, 7, 2), date(2025, 8, 1)


def ns(time: datetime) -> int:
    return (time - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1) * 1000


def frame(rows: Sequence[Row]) -> dict[str, Any]:
    columns = {"ts": np.array([r.ts for r in rows], np.int64)}
    for name in ("open", "high", "low", "close", "volume"):
        columns[name] = np.array([getattr(r, name) for r in rows], np.float64)
    return columns


class Vendor:
    """Has the minutes of two days, and says what it was asked."""

    def __init__(self, rows: Sequence[Row] = (*day(), *day(days=1))) -> None:
        self.rows = rows
        self.calls: list[list[HistoryRequest]] = []

    def fetch(self, requests: Sequence[HistoryRequest]) -> list[object]:
        self.calls.append(list(requests))
        return [self.answer(one) for one in requests]

    def answer(self, request: HistoryRequest) -> object:
        first, last = ns(request.start), ns(request.end)
        return frame([r for r in self.rows if first <= r.ts < last])


class Watch:
    """A clock that moves only while somebody sleeps."""

    def __init__(self) -> None:
        self.now = OPEN + 60 * 86_400 * SECOND
        self.slept: list[float] = []

    def now_ns(self) -> int:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += round(seconds * SECOND)


@pytest.fixture
def manager(tmp_path: Path) -> DataManager:
    return DataManager(tmp_path / "data")


def bars_of(manager: DataManager, symbol: str, interval: str = "1m") -> Bars:
    return manager.read(symbol, interval, None, None)


def statuses(report: Any) -> list[str]:
    return [f.status for f in report.files]


def test_a_month_of_a_symbol_is_a_request(manager: DataManager) -> None:
    vendor = Vendor()
    report = manager.import_from_api(vendor, ["aapl", "MSFT"], "1m", JUNE, AUGUST)
    (call,) = vendor.calls
    # The first of June is a Sunday, which is no request of its own.
    assert [(r.symbol, f"{r.start:%m-%d}", f"{r.end:%m-%d}") for r in call] == [
        ("AAPL", "06-01", "07-01"),
        ("AAPL", "07-01", "08-01"),
        ("MSFT", "06-01", "07-01"),
        ("MSFT", "07-01", "08-01"),
    ]
    assert all(r.start.tzinfo is not None for r in call)
    assert report.bars == 4 * 390
    for symbol in ("AAPL", "MSFT"):
        assert bars_of(manager, symbol).ts.tolist() == [r.ts for r in vendor.rows]
    written = sorted(p.name for p in (manager.local_root / "bars").rglob("*.parquet"))  # type: ignore[operator]
    assert written == ["2025-07.parquet", "2025-07.parquet"]
    assert {f.status for f in report.files} == {"imported"}


def test_days_are_asked_by_the_year(manager: DataManager) -> None:
    vendor = Vendor(())
    manager.import_from_api(vendor, "AAPL", "1d", date(2023, 3, 1), date(2025, 3, 1))
    assert [r.start.year for r in vendor.calls[0]] == [2023, 2024, 2025]
    assert len(vendor.calls[0]) == 3


def test_a_call_holds_as_many_requests_as_the_source_allows(
    manager: DataManager,
) -> None:
    vendor = Vendor()
    vendor.most_requests = 3  # type: ignore[attr-defined]
    manager.import_from_api(vendor, ["A", "B", "C", "D"], "1m", JUNE, AUGUST)
    assert [len(call) for call in vendor.calls] == [3, 3, 2]


def test_calls_keep_to_the_number_a_minute(manager: DataManager) -> None:
    vendor, watch = Vendor(), Watch()
    vendor.most_requests = 1  # type: ignore[attr-defined]
    vendor.requests_per_minute = 2  # type: ignore[attr-defined]
    manager.import_from_api(
        vendor, "ABCDE", "1m", JUNE, AUGUST, clock=watch, sleep=watch.sleep
    )
    assert len(vendor.calls) == 2
    assert watch.slept == []
    manager.import_from_api(
        vendor, list("ABC"), "1m", JUNE, AUGUST, clock=watch, sleep=watch.sleep
    )
    # Six more calls, and the pace of each import is its own.
    assert len(vendor.calls) == 8
    assert watch.slept == [60, 60]


def test_an_error_of_one_request_does_not_stop_the_others(manager: DataManager) -> None:
    class Picky(Vendor):
        def answer(self, request: HistoryRequest) -> object:
            if request.symbol == "BAD":
                raise LookupError(
                    "GET https://me:pw@vendor/v2?symbol=BAD&apikey=s3cret failed"
                )
            return super().answer(request)

    vendor = Picky()
    report = manager.import_from_api(vendor, ["A", "B", "BAD", "D"], "1m", JULY, AUGUST)
    assert statuses(report) == ["imported", "imported", "failed", "imported"]
    (failed,) = report.failed
    assert isinstance(failed.error, HistorySourceError)
    assert isinstance(failed.error.__cause__, LookupError)
    said = str(failed.error)
    assert "Picky raised LookupError: GET https://me:***@vendor" in said
    assert "s3cret" not in said
    assert "pw" not in said
    again = manager.import_from_api(vendor, ["A", "B", "BAD", "D"], "1m", JULY, AUGUST)
    assert sorted(statuses(again)) == ["already_imported"] * 3 + ["failed"]
    assert [r.symbol for r in vendor.calls[-1]] == ["BAD"]


def test_the_error_of_the_only_request_is_raised(manager: DataManager) -> None:
    class Down(Vendor):
        def fetch(self, requests: Sequence[HistoryRequest]) -> list[object]:
            raise TimeoutError

    with pytest.raises(HistorySourceError, match=r"Down raised TimeoutError$"):
        manager.import_from_api(Down(), "AAPL", "1m", JULY, AUGUST)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (None, "returned NoneType to 1 requests"),
        ([], "returned 0 answers to 1 requests"),
        ("abc", "returned str to 1 requests"),
        ([None], "cannot be read: it is NoneType; it must be Bars"),
        ([5], "cannot be read: it is int; it must be Bars"),
        ([{"close": [1.0]}], "no column is known to be the time of the bars"),
        ([[Vendor]], "cannot be read"),
        (
            [[BarData("IBM", OPEN + i * MINUTE, 1, 1, 1, 1, 1) for i in (0, 1)]],
            "cannot be read",
        ),
    ],
    ids=str,
)
def test_an_answer_of_another_form_is_an_error_of_the_source(
    manager: DataManager, answer: Any, said: str
) -> None:
    class Odd(Vendor):
        def fetch(self, requests: Sequence[HistoryRequest]) -> Any:
            return answer

    with pytest.raises(HistorySourceError) as caught:
        manager.import_from_api(Odd(), "AAPL", "1m", JULY, AUGUST)
    assert said in str(caught.value)
    assert not (manager.local_root / "bars").exists()  # type: ignore[operator]


def test_bars_of_another_interval_are_an_error(manager: DataManager) -> None:
    class Coarse(Vendor):
        def answer(self, request: HistoryRequest) -> object:
            return bars_of(stored, "AAPL", "5m")

    stored = DataManager(f"{manager.root}5")
    stored.import_bars(frame(day(count=78, step=5 * MINUTE)), symbol="AAPL")
    with pytest.raises(HistorySourceError, match="answered with bars of 5m"):
        manager.import_from_api(Coarse(), "AAPL", "1m", JULY, AUGUST)


@pytest.mark.parametrize("form", ["frame", "bars", "list", "pandas", "polars", "arrow"])
def test_an_answer_may_have_any_form_of_bars(manager: DataManager, form: str) -> None:
    class Other(Vendor):
        def answer(self, request: HistoryRequest) -> object:
            return in_form(form, "AAPL", self.rows)

    manager.import_from_api(Other(), "AAPL", "1m", JULY, AUGUST)
    assert bars_of(manager, "AAPL").close.tolist() == [
        r.close for r in (*day(), *day(days=1))
    ]


def in_form(form: str, symbol: str, rows: Sequence[Row]) -> object:
    columns = frame(rows)
    if form == "frame":
        return columns
    if form == "pandas":
        import pandas as pd

        return pd.DataFrame(columns)
    if form == "polars":
        import polars as pl

        return pl.DataFrame(columns)
    if form == "arrow":
        import pyarrow as pa

        return pa.table(columns)
    bars = Bars.from_columns(symbol, "1m", zone=NEW_YORK, **columns)
    return bars if form == "bars" else list(bars)


def test_an_empty_answer_is_no_error_and_is_not_asked_for_again(
    manager: DataManager,
) -> None:
    vendor = Vendor(())
    wanted = ("AAPL", "1m", date(2025, 6, 2), date(2025, 6, 20))
    report = manager.import_from_api(vendor, *wanted)
    assert statuses(report) == ["imported"]
    assert report.bars == 0
    assert statuses(manager.import_from_api(vendor, *wanted)) == ["already_imported"]
    assert len(vendor.calls) == 1


def test_a_request_that_is_not_over_yet_is_asked_again(manager: DataManager) -> None:
    watch = Watch()
    watch.now = OPEN + 3600 * SECOND
    vendor = Vendor(day(count=60))
    wanted = ("AAPL", "1m", JUNE, AUGUST)
    first = manager.import_from_api(vendor, *wanted, clock=watch)
    vendor.rows = day()
    again = manager.import_from_api(vendor, *wanted, clock=watch)
    assert statuses(first) == ["imported", "imported"]
    assert statuses(again) == ["already_imported", "imported"]
    assert len(bars_of(manager, "AAPL")) == 390


def test_bars_that_were_not_asked_for_are_left_out_and_counted(
    manager: DataManager,
) -> None:
    class Generous(Vendor):
        def answer(self, request: HistoryRequest) -> object:
            return frame(self.rows)

    report = manager.import_from_api(Generous(), "AAPL", "1m", JULY, date(2025, 7, 3))
    assert len(bars_of(manager, "AAPL")) == 390
    assert "390 bars outside the request left out" in [f.text for f in report.findings]


def test_answers_are_examined_as_files_are(manager: DataManager) -> None:
    late = [Row(r.ts + MINUTE, *r.values) for r in (*day(), *day(days=6))]
    wanted = ("AAPL", "1m", JULY, AUGUST)
    with pytest.raises(ImportMismatchError, match="labels look like bar ends"):
        manager.import_from_api(Vendor(late), *wanted)
    manager.import_from_api(Vendor(late), *wanted, label="end")
    assert bars_of(manager, "AAPL").ts.tolist() == [r.ts - MINUTE for r in late]


def test_a_stop_loses_no_call_that_was_answered(manager: DataManager) -> None:
    class Interrupted(Vendor):
        most_requests = 1

        def fetch(self, requests: Sequence[HistoryRequest]) -> list[object]:
            if len(self.calls) == 2:
                raise KeyboardInterrupt
            return super().fetch(requests)

    wanted = (["A", "B", "C"], "1m", JULY, AUGUST)
    with pytest.raises(KeyboardInterrupt):
        manager.import_from_api(Interrupted(), *wanted)
    assert DataManager(manager.root).get_symbols() == ["A", "B"]


def test_progress_is_told_request_by_request(manager: DataManager) -> None:
    seen: list[ImportProgress] = []
    manager.import_from_api(
        Vendor(), ["A", "B"], "1m", JULY, AUGUST, progress=seen.append
    )
    assert [(p.read, p.total) for p in seen] == [(1, 2), (2, 2), (2, 2)]
    assert (seen[-1].done, seen[-1].bars) == (2, 4 * 390)
    assert seen[0].source == "A 1m 2025-07-02 00:00 to 2025-08-01 00:00"


def test_nothing_is_asked_for_an_empty_range(manager: DataManager) -> None:
    vendor = Vendor()
    report = manager.import_from_api(vendor, "AAPL", "1m", JUNE, JUNE)
    assert (report.files, vendor.calls) == ((), [])


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"symbols": []}, "symbols is empty"),
        ({"symbols": 5}, "symbols is 5"),
        ({"symbols": ["A", " "]}, "symbol"),
        ({"interval": "7x"}, "interval"),
        ({"start": AUGUST, "end": JUNE}, "is after end"),
        ({"start": 1751463000}, "looks like seconds"),
        ({"start": None}, "start"),
        ({"source": 5}, "must have a method fetch"),
        ({"label": "middle"}, "label is 'middle'"),
        ({"on_duplicate": "maybe"}, "on_duplicate is 'maybe'"),
    ],
    ids=str,
)
def test_an_argument_that_breaks_its_rule_is_told_before_anything_is_asked(
    manager: DataManager, change: dict[str, Any], error: str
) -> None:
    vendor = Vendor()
    given = {
        "source": vendor,
        "symbols": "A",
        "interval": "1m",
        "start": JUNE,
        "end": AUGUST,
    }
    with pytest.raises(ArgumentError, match=error):
        manager.import_from_api(**{**given, **change})
    assert vendor.calls == []


@pytest.mark.parametrize("name", ["most_requests", "requests_per_minute"])
@pytest.mark.parametrize("value", [0, True, "many", float("nan")])
def test_a_source_that_says_nonsense_of_itself_is_told(
    manager: DataManager, name: str, value: object
) -> None:
    vendor = Vendor()
    setattr(vendor, name, value)
    with pytest.raises(ArgumentError, match=f"{name} of the source is"):
        manager.import_from_api(vendor, "A", "1m", JUNE, AUGUST)


class Folder:
    """Answers from Parquet files of one symbol each."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def fetch(self, requests: Sequence[HistoryRequest]) -> list[object]:
        return [self.one(*request) for request in requests]

    def one(self, symbol: str, interval: str, start: datetime, end: datetime) -> object:
        folder = self.root / f"interval={interval}" / f"symbol={symbol}"
        table = pa.concat_tables(
            pq.read_table(path, partitioning=None) for path in folder.iterdir()
        )
        bounds = [pa.scalar(ns(t)).cast(table["ts"].type) for t in (start, end)]
        ts = table["ts"]
        return table.filter(
            pc.and_(pc.greater_equal(ts, bounds[0]), pc.less(ts, bounds[1]))
        )


def test_months_of_real_bars_are_stored_as_they_are(
    real_data: Path, manager: DataManager
) -> None:
    source: HistorySource = Folder(real_data / "bars" / "us_equity")
    wanted = (date(2022, 1, 1), date(2025, 1, 1))
    report = manager.import_from_api(source, ["TSLA", "QQQ"], "1m", *wanted)
    assert len(report.files) == 2 * 36
    assert {f.status for f in report.files} == {"imported"}
    for symbol in ("TSLA", "QQQ"):
        table = source.fetch([HistoryRequest(symbol, "1m", *wanted)])[0]
        expected = table.sort_by("ts")  # type: ignore[attr-defined]
        bars = bars_of(manager, symbol)
        assert bars.ts.tolist() == expected["ts"].cast("int64").to_pylist()
        assert bars.close.tolist() == expected["close"].to_pylist()


class Web:
    """A client of about twenty lines for a vendor on the web, one symbol and range a request."""

    requests_per_minute = None

    def __init__(self, address: str) -> None:
        self.address = address

    def fetch(self, requests: Sequence[HistoryRequest]) -> list[object]:
        return [self.one(request) for request in requests]

    def one(self, request: HistoryRequest) -> object:
        query = urlencode(
            {
                "symbol": request.symbol,
                "from": request.start.isoformat(),
                "to": request.end.isoformat(),
                "apikey": "s3cret",
            }
        )
        with urlopen(f"{self.address}/bars?{query}", timeout=60) as answer:
            rows = json.load(answer)["bars"]
        names = ("t", "o", "h", "l", "c", "v")
        return {n: np.array([row[n] for row in rows]) for n in names} if rows else []


@pytest.fixture
def web() -> Iterator[str]:
    """Address of a server on this machine that has the minutes of two days, and knows no symbol but two."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked = {k: v[0] for k, v in parse_qs(urlsplit(self.path).query).items()}
            if asked["symbol"] not in ("AAPL", "MSFT"):
                self.send_error(404, "no such symbol")
                return
            first, last = (ns(datetime.fromisoformat(asked[k])) for k in ("from", "to"))
            rows = [
                dict(zip("tohlcv", (r.ts // 10**6, *r.values), strict=True))
                for r in (*day(), *day(days=1))
                if first <= r.ts < last
            ]
            content = json.dumps({"bars": rows}).encode()
            self.send_response(200)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_vendor_on_the_web_is_asked(manager: DataManager, web: str) -> None:
    report = manager.import_from_api(
        Web(web), ["AAPL", "NONE", "MSFT"], "1m", JUNE, AUGUST, time_unit="ms"
    )
    assert sorted(statuses(report)) == ["failed"] * 2 + ["imported"] * 4
    assert "Web raised HTTPError: HTTP Error 404: no such symbol" in str(
        report.failed[0].error
    )
    expected = [r.ts for r in (*day(), *day(days=1))]
    for symbol in ("AAPL", "MSFT"):
        assert bars_of(manager, symbol).ts.tolist() == expected
