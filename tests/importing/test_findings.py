"""Each finding of an import, and what becomes of it."""

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING, Any

import pytest
from tests.importing.made_up import HEADER, MINUTE, OPEN, aware, day, lines

from tapeloom.importing import ImportMismatchError, import_bars

if TYPE_CHECKING:
    from pathlib import Path

    from tests.importing.conftest import WriteText
    from tests.importing.memory_store import MemoryStore

    from tapeloom.importing import ImportReport

HOUR = 60 * MINUTE


def kinds(report: ImportReport) -> dict[str, str]:
    return {f.kind: f.outcome for f in report.findings}


def text_of(report: ImportReport, kind: str) -> str:
    return next(f.text for f in report.findings if f.kind == kind)


def starts(store: MemoryStore, symbol: str = "AAPL", interval: str = "1m") -> list[int]:
    found: list[int] = store.bars[symbol, interval].ts.tolist()
    return found


def refused(path: Path, store: MemoryStore, **options: Any) -> str:
    with pytest.raises(ImportMismatchError) as caught:
        import_bars(path, into=store, **options)
    assert store.bars == {}
    return str(caught.value)


def test_a_whole_day_is_imported_as_it_is(
    store: MemoryStore, write_text: WriteText
) -> None:
    path = write_text("AAPL_1m.csv", lines(day()))
    report = import_bars(path, into=store)
    assert report.is_clean
    assert starts(store) == [r.ts for r in day()]
    bars = store.bars["AAPL", "1m"]
    assert list(
        zip(
            *(
                getattr(bars, n).tolist()
                for n in ("open", "high", "low", "close", "volume")
            ),
            strict=True,
        )
    ) == [r.values for r in day()]


def test_newest_first_is_sorted_and_told(
    store: MemoryStore, write_text: WriteText
) -> None:
    path = write_text("AAPL_1m.csv", lines(reversed(day())))
    report = import_bars(path, into=store)
    assert text_of(report, "order") == "newest first; sorted"
    assert starts(store) == [r.ts for r in day()]


def test_rows_out_of_order_are_sorted_and_counted(
    store: MemoryStore, write_text: WriteText
) -> None:
    rows = day()
    rows[10], rows[20] = rows[20], rows[10]
    report = import_bars(write_text("AAPL_1m.csv", lines(rows)), into=store)
    assert text_of(report, "order") == "2 rows earlier than the one before; sorted"
    assert starts(store) == [r.ts for r in day()]


def test_end_labels_stop_the_import_and_are_proposed(
    store: MemoryStore, write_text: WriteText
) -> None:
    path = write_text("AAPL_1m.csv", lines(day(), late=MINUTE))
    assert (
        "labels look like bar ends: 390/390 as ends, 389/390 as starts; pass label='end'"
        in refused(path, store)
    )


@pytest.mark.parametrize("options", [{"label": "end"}, {"auto": True}])
def test_end_labels_become_starts(
    store: MemoryStore, write_text: WriteText, options: dict[str, Any]
) -> None:
    path = write_text("AAPL_1m.csv", lines(day(), late=MINUTE))
    report = import_bars(path, into=store, **options)
    assert starts(store) == [r.ts for r in day()]
    assert report.files[0].applied == ({"label": "end"} if "auto" in options else {})


def test_a_bar_at_the_close_alone_is_no_proof_of_end_labels(
    store: MemoryStore, write_text: WriteText
) -> None:
    report = import_bars(write_text("AAPL_1m.csv", lines(day(count=391))), into=store)
    assert starts(store) == [r.ts for r in day(count=391)]
    assert kinds(report)["outside_hours"] == "noted"
    assert "closing print" in text_of(report, "closing_print")


def test_labels_given_as_starts_stand_against_the_evidence(
    store: MemoryStore, write_text: WriteText
) -> None:
    path = write_text("AAPL_1m.csv", lines(day(), late=MINUTE))
    report = import_bars(path, into=store, label="start")
    assert starts(store)[0] == OPEN + MINUTE
    assert kinds(report)["other_fit"] == "noted"


def test_labels_that_claim_utc_and_run_late_stop_with_the_evidence(
    store: MemoryStore, write_text: WriteText
) -> None:
    path = write_text("AAPL_1m.csv", aware(day(-330, 960), late=4 * HOUR))
    said = refused(path, store)
    assert (
        "these bars fit the session if shifted by -4 h: 390/390 (as labelled:" in said
    )
    assert "pass shift='-4h'" in said


@pytest.mark.parametrize("options", [{"shift": "-4h"}, {"auto": True}])
def test_labels_that_run_late_are_shifted(
    store: MemoryStore, write_text: WriteText, options: dict[str, Any]
) -> None:
    path = write_text("AAPL_1m.csv", aware(day(-330, 960), late=4 * HOUR))
    import_bars(path, into=store, **options)
    assert starts(store) == [r.ts for r in day(-330, 960)]


def test_naive_times_of_another_zone_are_proposed_by_its_name(
    store: MemoryStore, write_text: WriteText
) -> None:
    path = write_text("AAPL_1m.csv", lines(day(), zone=UTC))
    assert "pass zone='UTC'" in refused(path, store)
    import_bars(path, into=store, zone="UTC")
    assert starts(store) == [r.ts for r in day()]


def test_the_zone_that_fits_best_is_applied_on_wish(
    store: MemoryStore, write_text: WriteText
) -> None:
    path = write_text("AAPL_1m.csv", lines(day(), zone=UTC))
    report = import_bars(path, into=store, auto=True)
    assert starts(store) == [r.ts for r in day()]
    assert report.files[0].applied == {"zone": "UTC"}


def test_a_zone_that_moves_good_instants_away_is_refused(
    store: MemoryStore, write_text: WriteText
) -> None:
    path = write_text("AAPL_1m.csv", aware(day()))
    assert "leave zone= out" in refused(path, store, zone="America/New_York")


def test_integers_in_another_unit_stop_and_name_it(
    store: MemoryStore, write_text: WriteText
) -> None:
    text = "\n".join(
        [HEADER, *(",".join(map(str, (r.ts // 10**6, *r.values))) for r in day())]
    )
    path = write_text("AAPL_1m.csv", text)
    said = refused(path, store)
    assert "look like milliseconds since 1970" in said
    assert "time_unit='ms'" in said
    import_bars(path, into=store, time_unit="ms")
    assert starts(store) == [r.ts for r in day()]


def test_repeats_with_the_same_values_are_dropped_and_counted(
    store: MemoryStore, write_text: WriteText
) -> None:
    rows = [*day(), *day(0, 7)]
    report = import_bars(write_text("AAPL_1m.csv", lines(rows)), into=store)
    assert kinds(report)["duplicates"] == "left_out"
    assert text_of(report, "duplicates").startswith("7 repeated rows")
    assert starts(store) == [r.ts for r in day()]


def doubled() -> str:
    other = lines(day(), header=None).replace(".25,", ".26,").replace(".75,", ".76,")
    return lines(day()) + other


def test_repeats_with_other_values_stop(
    store: MemoryStore, write_text: WriteText
) -> None:
    said = refused(write_text("AAPL_1m.csv", doubled()), store)
    assert "390 keys occur twice with different values; choose on_duplicate" in said


def test_repeats_with_other_values_stop_under_auto_too(
    store: MemoryStore, write_text: WriteText
) -> None:
    said = refused(write_text("AAPL_1m.csv", doubled()), store, auto=True)
    assert "choose on_duplicate" in said


@pytest.mark.parametrize(("policy", "at"), [("replace", -1), ("ignore", 0)])
def test_the_last_or_the_first_of_repeats_is_kept(
    store: MemoryStore, write_text: WriteText, policy: str, at: int
) -> None:
    text = doubled()
    import_bars(write_text("AAPL_1m.csv", text), into=store, on_duplicate=policy)
    body = text.splitlines()[1:]
    first, second = body[0], body[390]
    close = float((first, second)[at].split(",")[4])
    assert store.bars["AAPL", "1m"].close[0] == close
    assert len(store.bars["AAPL", "1m"]) == 390


def test_invalid_rows_are_left_out_and_listed(
    store: MemoryStore, write_text: WriteText
) -> None:
    good = lines(day()).splitlines()
    fields = good[8].split(",")
    good[8] = ",".join([fields[0], "nan", *fields[2:]])
    good[9] = good[9].replace(good[9].split(",")[2], "1.0", 1)
    report = import_bars(write_text("AAPL_1m.csv", "\n".join(good)), into=store)
    assert kinds(report)["invalid"] == "left_out"
    assert (
        "2 rows left out that break a rule: row 7, 2025-07-02 13:37:00 UTC"
        in text_of(report, "invalid")
    )
    assert len(starts(store)) == 388


def test_bars_off_the_grid_are_told(store: MemoryStore, write_text: WriteText) -> None:
    from dataclasses import replace

    rows = day()
    rows[100] = replace(rows[100], ts=rows[100].ts + 7 * 10**9)
    report = import_bars(write_text("AAPL_1m.csv", lines(rows)), into=store)
    assert "1 row off the grid of 1m bars, the first at 2025-07-02 11:10:07" in text_of(
        report, "off_grid"
    )
    assert len(starts(store)) == 390


def test_sessions_without_bars_are_told(
    store: MemoryStore, write_text: WriteText
) -> None:
    rows = [*day(), *day(days=6), *day(days=7)]
    report = import_bars(write_text("AAPL_1m.csv", lines(rows)), into=store)
    assert "no bars on 2025-07-03, 2025-07-07, 2 of 5 sessions" in text_of(
        report, "missing_sessions"
    )


def test_a_last_day_that_is_cut_off_is_told(
    store: MemoryStore, write_text: WriteText
) -> None:
    rows = [*day(), *day(0, 50, days=6)]
    report = import_bars(write_text("AAPL_1m.csv", lines(rows)), into=store)
    assert (
        "the last day ends at 2025-07-08 10:19, 340 bars before its close"
        in text_of(report, "cut_off")
    )


@pytest.mark.parametrize(
    ("form", "zone"),
    [
        ("%Y-%m-%d", "naive"),
        ("%Y-%m-%d 00:00:00+00:00", "UTC"),
        ("%Y-%m-%d 00:00:00-04:00", "offset"),
    ],
)
def test_daily_bars_at_midnight_move_to_the_open_of_their_session(
    store: MemoryStore, write_text: WriteText, form: str, zone: str
) -> None:
    rows = [day(0, 1, days=n)[0] for n in (0, 1, 5, 6, 7, 8)]
    report = import_bars(write_text("AAPL.csv", lines(rows, form=form)), into=store)
    assert kinds(report)["daily_at_midnight"] == "noted"
    assert starts(store, interval="1d") == [r.ts for r in rows]


def test_daily_bars_of_days_without_a_session_are_left_out(
    store: MemoryStore, write_text: WriteText
) -> None:
    rows = [day(0, 1, days=n)[0] for n in (0, 1, 2, 5)]
    report = import_bars(
        write_text("AAPL.csv", lines(rows, form="%Y-%m-%d")), into=store
    )
    assert (
        "1 1d bars left out of dates without a session, the first on 2025-07-04"
        in text_of(report, "no_session")
    )
    assert starts(store, interval="1d") == [rows[0].ts, rows[1].ts, rows[3].ts]


def test_columns_that_are_not_read_are_named(
    store: MemoryStore, write_text: WriteText
) -> None:
    body = [line + ",7,x" for line in lines(day()).splitlines()[1:]]
    path = write_text("AAPL_1m.csv", "\n".join([HEADER + ",vwap,remark", *body]))
    report = import_bars(path, into=store)
    assert text_of(report, "dropped_columns") == "columns not read: vwap, remark"


def test_whole_numbers_in_the_dated_layout_stop_and_propose_a_scale(
    store: MemoryStore, write_text: WriteText
) -> None:
    text = "\n".join(
        ",".join(
            map(
                str,
                (
                    (34_200 + 60 * i) * 1000,
                    *(round(v * 10_000) for v in r.values[:4]),
                    r.volume,
                ),
            )
        )
        for i, r in enumerate(day())
    )
    path = write_text("20250702_aapl_minute_trade.csv", text)
    assert "price_scale=10000" in refused(path, store)
    import_bars(path, into=store, price_scale=10_000)
    assert starts(store) == [r.ts for r in day()]
    assert store.bars["AAPL", "1m"].open.tolist() == [r.open for r in day()]


def test_two_symbols_that_become_one_are_an_error(
    store: MemoryStore, write_text: WriteText
) -> None:
    from tapeloom.errors import SymbolError

    body = lines(day()).splitlines()[1:]
    text = "\n".join(
        [
            "symbol," + HEADER,
            *("aapl," + b for b in body[:200]),
            *("AAPL," + b for b in body[200:]),
        ]
    )
    with pytest.raises(SymbolError, match="'aapl' and 'AAPL' both become 'AAPL'"):
        import_bars(write_text("all.csv", text), into=store)


def test_a_dry_run_tells_a_proposal_and_writes_nothing(
    store: MemoryStore, write_text: WriteText
) -> None:
    path = write_text("AAPL_1m.csv", lines(day(), late=MINUTE))
    report = import_bars(path, into=store, dry_run=True)
    assert [f.kind for f in report.problems] == ["label"]
    assert store.bars == {}


def test_a_market_that_never_closes_gets_no_proposal(
    store: MemoryStore, write_text: WriteText
) -> None:
    store.exchange_group = "CRYPTO"
    path = write_text("BTCUSD_1m.csv", aware(day(0, 3000)))
    report = import_bars(path, into=store)
    assert {f.kind for f in report.problems} == {"cut_off"}
    assert starts(store, "BTCUSD") == [r.ts for r in day(0, 3000)]


def test_an_hour_that_comes_twice_needs_a_word(
    store: MemoryStore, write_text: WriteText
) -> None:
    from tests.importing.made_up import row

    from tapeloom.errors import AmbiguousTimeError

    # 2024-11-03 05:00 UTC is 01:00 in New York, for the first time.
    rows = [row(1_730_610_000_000_000_000 + MINUTE * i) for i in range(180)]
    path = write_text("ES_1m.csv", lines(rows))
    store.exchange_group = "CRYPTO"
    with pytest.raises(AmbiguousTimeError):
        import_bars(path, into=store, zone="America/New_York")
    import_bars(path, into=store, zone="America/New_York", ambiguous="infer")
    assert starts(store, "ES") == [r.ts for r in rows]
