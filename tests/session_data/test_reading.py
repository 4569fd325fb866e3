"""Every read of a session: what it returns, for whom, and what it says of arguments it cannot use."""

from __future__ import annotations

import threading
import warnings
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from tapeloom.errors import (
    ArgumentError,
    ArgumentTypeError,
    IntervalError,
    SymbolError,
    TapeloomWarning,
    TimestampUnitError,
    UnknownSeriesError,
    UnknownSymbolError,
)
from tapeloom.session_data import SessionData
from tests.session_data.made import DAY, OPEN, bar, fill, minute, moment, session_of

if TYPE_CHECKING:
    from collections.abc import Callable

NEXT_DAY = date(2025, 7, 3)
A_DAY_NS = 24 * 60 * 60 * 10**9

#: Every read of one symbol, and what it returns for one that nobody keeps.
READS: dict[str, tuple[Callable[[SessionData, str], Any], Any]] = {
    "get_symbol_data": (lambda s, name: s.get_symbol_data(name), None),
    "get_latest_bar": (lambda s, name: s.get_latest_bar(name), None),
    "get_last_n_bars": (lambda s, name: len(s.get_last_n_bars(name, 5)), 0),
    "get_bars_since": (lambda s, name: len(s.get_bars_since(name, OPEN)), 0),
    "get_bars": (lambda s, name: len(s.get_bars(name)), 0),
    "get_all_bars": (lambda s, name: len(s.get_all_bars(name)), 0),
    "get_bar_count": (lambda s, name: s.get_bar_count(name), 0),
    "get_latest_bars_multi": (lambda s, name: s.get_latest_bars_multi([name]), None),
    "matrix": (lambda s, name: s.matrix("close", [name]).shape, None),
    "get_forming_bar": (lambda s, name: s.get_forming_bar(name, "5m"), None),
    "get_session_metrics": (lambda s, name: s.get_session_metrics(name), {}),
    "get_latest_quote": (lambda s, name: s.get_latest_quote(name), None),
    "get_quotes": (lambda s, name: len(s.get_quotes(name, 5)), 0),
    "get_ticks": (lambda s, name: len(s.get_ticks(name, 5)), 0),
    "get_quality": (lambda s, name: s.get_quality(name), None),
    "get_gaps": (lambda s, name: list(s.get_gaps(name)), []),
    "get_historical_indicator": (
        lambda s, name: s.get_historical_indicator(name, "sma"),
        None,
    ),
    "get_historical_indicator_info": (
        lambda s, name: s.get_historical_indicator_info(name, "sma"),
        None,
    ),
    "get_realtime_indicator": (
        lambda s, name: s.get_realtime_indicator(name, "sma"),
        None,
    ),
    "get_ingest_counts": (lambda s, name: s.get_ingest_counts(name).offered, 0),
    "get_revisions": (lambda s, name: s.get_revisions(name), []),
    "get_quarantine": (lambda s, name: s.get_quarantine(name), []),
}
#: Reads that look at a series, and so may ask for an interval nobody keeps.
OF_A_SERIES: dict[str, tuple[Callable[[SessionData, str], Any], Any]] = {
    "get_latest_bar": (lambda s, i: s.get_latest_bar("AAPL", i), None),
    "get_last_n_bars": (lambda s, i: len(s.get_last_n_bars("AAPL", 5, i)), 0),
    "get_bars_since": (lambda s, i: len(s.get_bars_since("AAPL", OPEN, i)), 0),
    "get_bars": (lambda s, i: len(s.get_bars("AAPL", i)), 0),
    "get_all_bars": (lambda s, i: len(s.get_all_bars("AAPL", i)), 0),
    "get_bar_count": (lambda s, i: s.get_bar_count("AAPL", i), 0),
    "get_latest_bars_multi": (
        lambda s, i: s.get_latest_bars_multi(["AAPL"], i),
        {"AAPL": None},
    ),
    "get_forming_bar": (lambda s, i: s.get_forming_bar("AAPL", i), None),
    "get_quality": (lambda s, i: s.get_quality("AAPL", i), None),
    "get_gaps": (lambda s, i: list(s.get_gaps("AAPL", i)), []),
    "get_ingest_counts": (lambda s, i: s.get_ingest_counts("AAPL", i).offered, 0),
    "get_revisions": (lambda s, i: s.get_revisions("AAPL", i), []),
}
#: Where no symbol means all of them.
FOR_ALL_SYMBOLS = {"get_gaps", "get_ingest_counts", "get_quarantine"}
WARNING = sorted(set(READS) - {"get_symbol_data", "get_latest_bars_multi", "matrix"})


def two_days() -> SessionData:
    """Return a session of the second day with 10 minutes of each."""
    session = session_of("AAPL", derived=["5m"])
    fill(session, "AAPL", range(10))
    session.start_new_session(NEXT_DAY, roll=True)
    for number in range(10):
        session.add_bar("AAPL", bar("AAPL", number + 24 * 60, 200.0 + number))
    return session


@pytest.mark.parametrize("name", WARNING)
def test_an_unknown_symbol_reads_as_nothing_and_warns_once(name: str) -> None:
    read, nothing = READS[name]
    session = session_of("AAPL")
    with pytest.warns(TapeloomWarning, match="symbol APPL is not kept; .* 'AAPL'"):
        assert read(session, " appl") == nothing
    assert read(session, "APPL") == nothing


@pytest.mark.parametrize("name", sorted(set(READS) - {"get_symbol_data"}))
def test_an_unknown_symbol_raises_in_a_strict_session(name: str) -> None:
    read, _ = READS[name]
    with pytest.raises(UnknownSymbolError, match="did you mean 'AAPL'"):
        read(session_of("AAPL", strict=True), "APPL")


@pytest.mark.parametrize("name", sorted(READS))
@pytest.mark.parametrize(
    ("symbol", "error", "message"),
    [
        ("  ", SymbolError, "must hold printable characters"),
        ("A\0", SymbolError, "must hold printable characters"),
        (7, ArgumentTypeError, "symbol is int; it must be text"),
        (None, ArgumentTypeError, "symbol is NoneType; it must be text"),
    ],
)
def test_a_malformed_symbol_always_raises(
    name: str, symbol: Any, error: type[Exception], message: str
) -> None:
    read, _ = READS[name]
    if symbol is None and name in FOR_ALL_SYMBOLS:
        return
    with pytest.raises(error, match=message):
        read(session_of("AAPL"), symbol)


@pytest.mark.parametrize("name", sorted(OF_A_SERIES))
def test_an_interval_nobody_keeps_reads_as_nothing_and_warns_once(name: str) -> None:
    read, nothing = OF_A_SERIES[name]
    session = session_of("AAPL", derived=["5m"])
    with pytest.warns(TapeloomWarning, match="AAPL has no 7m bars; kept: 1m, 5m"):
        assert read(session, "7m") == nothing
    assert read(session, "7m") == nothing
    with pytest.raises(UnknownSeriesError, match="AAPL has no 7m bars; kept: 1m, 5m"):
        read(session_of("AAPL", derived=["5m"], strict=True), "7m")


@pytest.mark.parametrize("name", sorted(OF_A_SERIES))
def test_a_malformed_interval_always_raises(name: str) -> None:
    read, _ = OF_A_SERIES[name]
    with pytest.raises(IntervalError, match="5M"):
        read(session_of("AAPL"), "5M")


@pytest.mark.parametrize(
    "read",
    [
        lambda s: s.get_latest_bar("AAPL", scope="day"),
        lambda s: s.get_last_n_bars("AAPL", 1, scope="day"),
        lambda s: s.get_bars_since("AAPL", OPEN, scope="day"),
        lambda s: s.get_bars("AAPL", scope="day"),
        lambda s: s.get_bar_count("AAPL", scope="day"),
        lambda s: s.get_quality("AAPL", scope="day"),
        lambda s: s.get_gaps("AAPL", scope="day"),
        lambda s: s.matrix("close", scope="day"),
    ],
)
def test_another_scope_than_the_three_always_raises(
    read: Callable[[SessionData], object],
) -> None:
    with pytest.raises(ArgumentError, match="'session', 'history' or 'all'"):
        read(session_of("AAPL"))


@pytest.mark.parametrize("scope", [None, 1, b"all", "\ud800", "Session"])
def test_a_scope_that_is_no_name_is_shown_with_the_three(scope: Any) -> None:
    session = session_of("AAPL")
    reads: list[Callable[[], object]] = [
        lambda: session.get_latest_bar("AAPL", scope=scope),
        lambda: session.get_last_n_bars("AAPL", 1, scope=scope),
        lambda: session.get_bars_since("AAPL", OPEN, scope=scope),
        lambda: session.get_bars("AAPL", scope=scope),
        lambda: session.get_bar_count("AAPL", scope=scope),
    ]
    rule = "'session', 'history' or 'all'"
    for read in reads:
        with pytest.raises(ArgumentError, match=rule) as raised:
            read()
        assert repr(scope) in str(raised.value)
        assert isinstance(raised.value, ArgumentTypeError) != isinstance(scope, str)


def test_a_warning_names_the_line_that_read() -> None:
    session = session_of("AAPL")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        session.get_latest_bar("ONE")
        session.get_session_metrics("TWO")
        session.matrix("close", ["THREE"])
    assert [each.filename for each in caught] == [__file__] * 3


def test_symbols_are_stripped_and_upper_cased_at_every_read() -> None:
    session = session_of("BRK.B", "BTC/USD", "^VIX")
    for name in (" brk.b", "btc/usd ", "^vix"):
        assert session.get_bar_count(name) == 0
        assert session[name].symbol == name.strip().upper()
    assert session.get_active_symbols() == {"BRK.B", "BTC/USD", "^VIX"}


def test_the_set_of_symbols_is_a_copy() -> None:
    session = session_of("AAPL")
    session.get_active_symbols().clear()
    assert session.get_active_symbols() == {"AAPL"}


def test_a_handle_is_found_by_name_or_is_none() -> None:
    session = session_of("AAPL")
    handle = session.get_symbol_data(" aapl ")
    assert handle is not None
    assert handle.symbol == "AAPL"
    assert session.get_symbol_data("MSFT") is None
    with pytest.raises(UnknownSymbolError, match=r"APPL is not kept; .* 'AAPL'"):
        _ = session["appl"]


def test_the_latest_bar_is_the_one_with_the_greatest_start_of_its_scope() -> None:
    session = two_days()
    assert session.get_latest_bar("AAPL") == session.get_bars("AAPL")[-1]
    old = session.get_latest_bar("AAPL", scope="history")
    assert old is not None
    assert old.ts == minute(9)
    assert session.get_latest_bar("AAPL", scope="all") == session.get_latest_bar("AAPL")
    five = session.get_latest_bar("AAPL", "5m")
    assert five is not None
    assert (five.interval, five.ts) == ("5m", minute(5) + A_DAY_NS)


def test_the_newest_n_bars_are_fewer_where_there_are_fewer() -> None:
    session = two_days()
    assert session.get_last_n_bars("AAPL", 3).close.tolist() == [207, 208, 209]
    assert len(session.get_last_n_bars("AAPL", 0)) == 0
    assert len(session.get_last_n_bars("AAPL", 99)) == 10
    assert len(session.get_last_n_bars("AAPL", 15, scope="all")) == 15
    assert session.get_last_n_bars("AAPL", 11, scope="all").close[0] == 109
    assert session.get_last_n_bars("AAPL", 2, scope="history").close[-1] == 109


def test_a_negative_number_of_bars_raises() -> None:
    for symbol in ("AAPL", "ABSENT"):
        with pytest.raises(ArgumentError, match="n is -1; it must be 0 or more"):
            session_of("AAPL").get_last_n_bars(symbol, -1)


def test_bars_since_an_instant_begin_with_it() -> None:
    session = two_days()
    since = minute(7) + A_DAY_NS
    assert session.get_bars_since("AAPL", since).close.tolist() == [207, 208, 209]
    assert len(session.get_bars_since("AAPL", since + 1)) == 2
    assert len(session.get_bars_since("AAPL", minute(0))) == 10
    assert len(session.get_bars_since("AAPL", minute(8), scope="all")) == 12


def test_bars_of_a_range_are_half_open_and_a_missing_bound_is_open() -> None:
    session = two_days()
    first, last = minute(2) + A_DAY_NS, minute(4) + A_DAY_NS
    assert session.get_bars("AAPL", start=first, end=last).close.tolist() == [202, 203]
    assert len(session.get_bars("AAPL", start=first, end=first)) == 0
    assert len(session.get_bars("AAPL", end=last)) == 4
    assert len(session.get_bars("AAPL", scope="all")) == 20
    assert session.get_all_bars("AAPL", start=minute(9), end=last).close.tolist() == [
        109,
        200,
        201,
        202,
        203,
    ]
    with pytest.raises(ArgumentError, match=r"start .* is after end .*\[start, end\)"):
        session.get_bars("AAPL", start=last, end=first)


@pytest.mark.parametrize(
    ("when", "error", "message"),
    [
        ("09:35", ArgumentTypeError, "give an aware datetime"),
        (1.5, ArgumentTypeError, "give an aware datetime"),
        (True, ArgumentTypeError, "give an aware datetime"),
        (np.datetime64("NaT"), ArgumentTypeError, "give an aware datetime"),
        (OPEN // 10**9, TimestampUnitError, "looks like seconds; .* 1_000_000_000"),
    ],
)
def test_a_time_that_is_none_always_raises(
    when: Any, error: type[Exception], message: str
) -> None:
    session = session_of("AAPL")
    for read in (
        lambda: session.get_bars_since("AAPL", when),
        lambda: session.get_bars("AAPL", start=when),
        lambda: session.get_all_bars("AAPL", end=when),
        lambda: session.matrix("close", start=when),
    ):
        with pytest.raises(error, match=message):
            read()


@pytest.mark.parametrize(
    "when",
    [
        moment(7),
        datetime(2025, 7, 2, 9, 37),  # noqa: DTZ001
        np.datetime64("2025-07-02T13:37"),
        np.int64(minute(7)),
        minute(7),
    ],
)
def test_every_accepted_form_of_a_time_is_the_same_instant(when: Any) -> None:
    session = session_of("AAPL")
    fill(session, "AAPL", range(10))
    assert session.get_bars_since("AAPL", when).close.tolist() == [107, 108, 109]


def test_the_latest_bars_of_many_symbols_come_by_upper_cased_name() -> None:
    session = session_of("AAPL", "MSFT")
    fill(session, "AAPL", range(3))
    latest = session.get_latest_bars_multi([" msft ", "aapl"])
    assert list(latest) == ["MSFT", "AAPL"]
    assert latest == {"MSFT": None, "AAPL": session.get_latest_bar("AAPL")}


def test_a_forming_bar_is_partial_and_never_among_bars() -> None:
    session = session_of("AAPL", derived=["5m"])
    assert session.get_forming_bar("AAPL", "5m") is None
    fill(session, "AAPL", range(7))
    forming = session.get_forming_bar("AAPL", "5m")
    assert forming is not None
    assert (forming.ts, forming.constituents, forming.close) == (minute(5), 2, 106)
    assert forming.flags & 64
    assert session.get_bars("AAPL", "5m").ts.tolist() == [minute(0)]
    assert session.get_forming_bar("AAPL", "1m") is None


def test_session_metrics_are_those_of_the_base_bars() -> None:
    session = session_of("AAPL", derived=["5m"])
    fill(session, "AAPL", [0, 1, 3])
    metrics = session.get_session_metrics("AAPL")
    assert metrics == {
        "symbol": "AAPL",
        "session_volume": 30.0,
        "session_high": 104.0,
        "session_low": 99.0,
        "vwap": pytest.approx(304 / 3),
        "last_update": moment(3),
        "bar_quality": 75.0,
        "bar_count": 3,
    }


def test_session_metrics_leave_out_other_hours_and_follow_corrections() -> None:
    session = session_of("AAPL")
    fill(session, "AAPL", [0, 1])
    session.add_bar("AAPL", bar("AAPL", -30, 500.0))
    session.add_bar("AAPL", bar("AAPL", 1, 90.0))
    session.add_bar("AAPL", bar("AAPL", 1, 90.0))
    metrics = session.get_session_metrics("AAPL")
    assert metrics["bar_count"] == 2
    assert (metrics["session_high"], metrics["session_low"]) == (101.0, 89.0)
    assert metrics["session_volume"] == 20.0


def test_counts_of_all_symbols_are_the_sum_of_each() -> None:
    session = session_of("AAPL", "MSFT")
    fill(session, "AAPL", [0, 1, 1])
    fill(session, "MSFT", [0])
    both = session.get_ingest_counts()
    assert (both.offered, both.accepted, both.duplicates) == (4, 3, 1)
    each = session.get_ingest_counts("AAPL") + session.get_ingest_counts("MSFT")
    assert both == each
    assert session.get_ingest_counts("AAPL", "1m").offered == 3


def test_quarantined_bars_come_with_their_reason_for_one_symbol_or_all() -> None:
    session = session_of("AAPL", "MSFT")
    session.add_bar("AAPL", bar("AAPL", 0.5))
    session.add_bar("MSFT", bar("MSFT", 24 * 60))
    assert [reason for _, reason in session.get_quarantine("AAPL")] == ["off_grid"]
    assert [each.symbol for each, _ in session.get_quarantine()] == ["AAPL", "MSFT"]
    assert [reason for _, reason in session.get_quarantine()][1] == "later_session"
    assert session.get_bar_count("AAPL") == 0


def test_a_revision_holds_old_and_new_values() -> None:
    session = session_of("AAPL")
    fill(session, "AAPL", [0])
    session.add_bar("AAPL", bar("AAPL", 0, 50.0))
    (revision,) = session.get_revisions("AAPL")
    assert (revision[0].close, revision[1].close) == (100.0, 50.0)


def test_history_has_the_intervals_that_some_symbol_has_there() -> None:
    session = session_of("AAPL", derived=["1h", "5m"])
    assert session.historical_bars_types == []
    fill(session, "AAPL", range(10))
    session.start_new_session(NEXT_DAY, roll=True)
    assert session.historical_bars_types == ["1m", "5m", "1h"]


def test_a_list_of_symbols_is_wanted_where_a_text_would_be_read_by_letters() -> None:
    session = session_of("AAPL")
    for read in (session.group, lambda names: session.matrix("close", names)):
        with pytest.raises(ArgumentTypeError, match=r"'AAPL'; give a list such as"):
            read("AAPL")
        with pytest.raises(ArgumentTypeError, match=r"5; give a list such as"):
            read(5)  # type: ignore[arg-type]


def test_a_group_reads_all_symbols_at_once() -> None:
    session = session_of("AAPL", "MSFT")
    fill(session, "AAPL", range(3))
    latest = session.group(["msft", "AAPL"]).latest()
    assert np.isnan(latest["close"][0])
    assert latest["close"][1] == 102.0


def test_readers_in_eight_threads_see_a_beginning_of_what_is_written() -> None:
    session = session_of("AAPL", derived=["5m"])
    expected = [100.0 + number for number in range(390)]
    ready, done = threading.Barrier(9), threading.Event()
    wrong: list[object] = []

    def read() -> None:
        ready.wait()
        seen = 0
        while True:
            last_round = done.is_set()
            closes = session.get_bars("AAPL").close.tolist()
            five = session.get_bars("AAPL", "5m").ts.tolist()
            count = session.get_bar_count("AAPL")
            newest = session.get_last_n_bars("AAPL", 20).close.tolist()
            if closes != expected[: len(closes)] or len(closes) < seen:
                wrong.append(closes)
            if five != [minute(5 * each) for each in range(len(five))]:
                wrong.append(five)
            if count < len(closes) or newest != sorted(newest):
                wrong.append((count, newest))
            seen = len(closes)
            if last_round:
                return

    readers = [threading.Thread(target=read) for _ in range(8)]
    for reader in readers:
        reader.start()
    ready.wait()
    fill(session, "AAPL", range(390))
    done.set()
    for reader in readers:
        reader.join()
    assert wrong == []
    assert session.get_bars("AAPL").close.tolist() == expected


def test_reading_is_allowed_whether_the_session_is_active_or_over() -> None:
    session = session_of("AAPL")
    fill(session, "AAPL", range(3))
    for active in (True, False):
        session.set_session_active(active)
        assert session.is_active is active
        assert session.get_bar_count("AAPL") == 3
    session.end_session()
    assert session.get_bar_count("AAPL") == 3
    assert session.get_latest_bar("AAPL") is not None


def test_the_state_hash_does_not_depend_on_the_order_of_arrival() -> None:
    forward, backward = session_of("AAPL", "MSFT"), session_of("MSFT", "AAPL")
    for number in range(5):
        forward.add_bar("AAPL", bar("AAPL", number, 100.0 + number))
        backward.add_bar("AAPL", bar("AAPL", 4 - number, 104.0 - number))
    assert forward.state_hash() == backward.state_hash()
    backward.add_bar("AAPL", bar("AAPL", 0, 50.0))
    assert forward.state_hash() != backward.state_hash()


def test_datetimes_come_out_in_the_zone_of_the_exchange() -> None:
    session = session_of("AAPL")
    session.add_bar("AAPL", bar("AAPL", 0))
    (read,) = session.get_bars("AAPL")
    assert read.timestamp.tzinfo == session.timezone
    assert read.timestamp == datetime(2025, 7, 2, 13, 30, tzinfo=UTC)
    assert session.current_session_date == DAY


def test_counts_of_one_interval_are_those_of_the_symbols_whose_base_it_is() -> None:
    session = session_of("AAPL", derived=["5m"])
    session.register_symbol("SPY", base_interval="5m")
    fill(session, "AAPL", range(3))
    session.add_bar("SPY", bar("SPY", 0, interval="5m"))
    assert session.get_ingest_counts(None, "1m").offered == 3
    assert session.get_ingest_counts(None, "5m").offered == 1
    assert session.get_ingest_counts().offered == 4
    with pytest.raises(IntervalError):
        session.get_ingest_counts(None, "5x")
    with pytest.warns(TapeloomWarning, match="no symbol has 7m bars"):
        assert session.get_ingest_counts(None, "7m").offered == 0


def test_a_session_tells_which_symbols_it_keeps_as_a_container_does() -> None:
    session = session_of("MSFT", "AAPL")
    assert "AAPL" in session
    assert " aapl" in session
    for other in ("IBM", "", None, 5):
        assert other not in session
    assert list(session) == ["MSFT", "AAPL"]
