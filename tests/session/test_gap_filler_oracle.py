"""Filling gaps compared with the reference, under sources that fail, answer in part, or answer something else."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from tapeloom.session.quality_manager import DataQualityManager
from tests.compare import stored
from tests.days import us_day
from tests.reference.gap_filling import Filled, Filler
from tests.reference.schedule import MINUTE
from tests.session.vendor import Asked, Played, Vendor, whole_day

if TYPE_CHECKING:
    from tapeloom.session_data import SessionData

HALF = us_day("2025-07-03")
SYMBOLS = ("AAPL", "MSFT", "RIVN")
LAST = 120


@st.composite
def days(
    draw: st.DrawFn,
) -> tuple[dict[str, set[int]], list[int], dict[int, list[tuple[str, int]]]]:
    """Minutes that the stream lacks by symbol, minutes after which is looked, bars that come late at each of these."""
    minutes = st.integers(0, LAST - 1)
    lacking: dict[str, set[int]] = {}
    for symbol in SYMBOLS:
        single = draw(st.sets(minutes, max_size=8))
        runs = draw(st.lists(st.tuples(minutes, st.integers(1, 12)), max_size=3))
        lacking[symbol] = single | {
            at for first, size in runs for at in range(first, min(first + size, LAST))
        }
    looks = sorted(
        draw(st.sets(st.integers(1, LAST), min_size=1, max_size=60)) | {LAST}
    )
    late: dict[int, list[tuple[str, int]]] = {}
    for symbol, missing in lacking.items():
        for minute in sorted(missing):
            if draw(st.integers(0, 5)) == 0:
                after = [look for look in looks if look > minute]
                late.setdefault(draw(st.sampled_from(after)), []).append(
                    (symbol, minute)
                )
    return lacking, looks, late


def filled_of(session: SessionData, symbol: str) -> list[Filled]:
    return [
        Filled(
            each.start,
            each.end,
            each.missing,
            each.status.value,
            each.attempts,
            each.last_attempt,
            each.filled,
        )
        for each in session._fills.of(symbol)
    ]


@given(days(), st.integers(0, 10_000), st.integers(1, 4), st.sampled_from([1, 2, 100]))
def test_every_stretch_ends_as_the_reference_says(
    made: tuple[dict[str, set[int]], list[int], dict[int, list[tuple[str, int]]]],
    seed: int,
    most_tries: int,
    most_requests: int,
) -> None:
    lacking, looks, late = made
    truth = whole_day(HALF, SYMBOLS)
    tape = {
        symbol: {
            ts: bar
            for ts, bar in bars.items()
            if (ts - HALF.open) // MINUTE not in lacking[symbol]
        }
        for symbol, bars in truth.items()
    }
    vendor = Vendor(truth, seed=seed, most_requests=most_requests)
    played = Played(HALF, tape, derived=("5m", "1d"))
    manager = DataQualityManager(
        played.session,
        on_gap="fill",
        history_source=vendor,
        max_retries=most_tries,
        retry_interval_seconds=90,
    )
    manager.start_session()
    oracle = Filler(
        HALF,
        {symbol: {} for symbol in SYMBOLS},
        lambda call, asked: Vendor(truth, seed=seed).answers(
            call, [Asked(*each) for each in asked]
        ),
        most_tries,
        90,
        most_requests,
    )
    before = dict.fromkeys(SYMBOLS, HALF.open - MINUTE)
    for look in looks:
        clock = HALF.open + look * MINUTE
        played.to(clock)
        for symbol in SYMBOLS:
            known = {
                ts: bar
                for ts, bar in tape[symbol].items()
                if before[symbol] < ts + MINUTE <= clock
            }
            oracle.bars[symbol] |= known
            before[symbol] = clock
        for symbol, minute in late.get(look, []):
            bar = truth[symbol][HALF.open + minute * MINUTE]
            oracle.bars[symbol][bar.ts] = bar
            from tests.compare import bar_data

            played.session.add_bar(symbol, bar_data(symbol, bar))
        manager.after_batch()
        oracle.look(clock)
        for symbol in SYMBOLS:
            expected = sorted(s.shown() for s in oracle.stretches if s.symbol == symbol)
            assert filled_of(played.session, symbol) == expected
            bars = stored(played.session.get_bars(symbol))
            assert bars == sorted(oracle.bars[symbol].values())
    assert vendor.calls == [[Asked(*each) for each in call] for call in oracle.calls]
    filler = manager.filler
    assert filler is not None
    counts = filler.counts
    assert (counts.returned, counts.outside, counts.off_grid) == (
        oracle.returned,
        oracle.outside,
        oracle.off_grid,
    )
    assert counts.bars.offered == oracle.offered
    assert counts.bars.rejected == oracle.rejected
    assert counts.bars.duplicates == oracle.duplicates
    assert counts.bars.corrections == oracle.corrections
    assert counts.bars.balanced
    unused = counts.outside + counts.off_grid + counts.too_early + counts.refused
    assert counts.returned == unused + counts.bars.offered
    assert played.session.get_ingest_counts().balanced
    for symbol in SYMBOLS:
        # A gap that the source was asked for in vain says so.
        for gap in played.session.get_gaps(symbol):
            minutes = set(
                range(
                    int(gap.start.timestamp()) * 10**9,
                    int(gap.end.timestamp()) * 10**9,
                    MINUTE,
                )
            )
            if minutes <= oracle.asked_in_vain.get(symbol, set()):
                assert "history was asked" in gap.evidence or "symbols" in gap.evidence
